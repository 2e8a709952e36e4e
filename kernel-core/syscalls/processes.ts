/** System calls that make and end tasks, wait for children, and arrange processes in groups and sessions. */
import { E2BIG, EACCES, EAGAIN, EBADF, ECHILD, EFAULT, EINVAL, EPERM, type Err, ESRCH, fail } from '../../abi/errno.js';
import { O_NONBLOCK } from '../../abi/fcntl.js';
import {
  CLONE_ARGS_SIZE_VER0,
  CLONE_ARGS_SIZE_VER2,
  CLONE_DETACHED,
  CLONE_INTO_CGROUP,
  CLONE_PARENT,
  CLONE_PARENT_SETTID,
  CLONE_PIDFD,
  CLONE_THREAD,
  CLONE_VFORK,
  CLONE_VM,
} from '../../abi/sched.js';
import { SIGCHLD, SIGCONT } from '../../abi/signal.js';
import {
  P_ALL,
  P_PGID,
  P_PID,
  P_PIDFD,
  WCONTINUED,
  WEXITED,
  WNOHANG,
  WNOWAIT,
  WSTOPPED,
  WUNTRACED,
} from '../../abi/wait.js';
import { cloneTask } from '../clone.js';
import { PidFd } from '../events/pidfd.js';
import { childInfo, exitTask, reap } from '../exit.js';
import { PAGE_SIZE } from '../mm/layout.js';
import { addUsage, makeUsage, type Process, type Usage } from '../process.js';
import { exitGroup } from '../signals/send.js';
import { encodeSignalInfo, SIGINFO_SIZE } from '../signals/siginfo.js';
import { LAST_SIGNAL, makeSignalInfo, type SignalInfo } from '../signals/state.js';
import type { Task } from '../task.js';
import { CONTEXT_REPLACED } from '../wait.js';
import { openFile } from './args.js';
import { encodeUsage } from './layouts.js';
import type { SyscallRows } from './row.js';

const SIGNAL_MASK = 0xff;

const fork = (task: Task): number =>
  cloneTask(task, { flags: 0, exitSignal: SIGCHLD, stack: 0, tls: 0, parentTid: 0, childTid: 0, pidfd: 0 });

const vfork = (task: Task): number =>
  cloneTask(task, {
    flags: CLONE_VFORK | CLONE_VM,
    exitSignal: SIGCHLD,
    stack: 0,
    tls: 0,
    parentTid: 0,
    childTid: 0,
    pidfd: 0,
  });

function clone(task: Task, flags: number, stack: number, parentTid: number, childTid: number, tls: number): number {
  const bits = flags >>> 0;
  // One pointer serves for both.
  if ((bits & CLONE_PIDFD) !== 0 && (bits & (CLONE_PARENT_SETTID | CLONE_DETACHED)) !== 0) return fail(EINVAL);
  return cloneTask(task, {
    flags: bits & ~SIGNAL_MASK & ~CLONE_DETACHED,
    exitSignal: bits & SIGNAL_MASK,
    stack,
    tls,
    parentTid,
    childTid,
    pidfd: parentTid,
  });
}

/** Flags of clone3 end below. */
const UNKNOWN_FLAGS = 2 * CLONE_INTO_CGROUP;
const INT_MAX = 0x7fffffff;

/** struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup. */
function clone3(task: Task, address: number, size: number): number {
  // The size is unsigned: a negative one is very large.
  if (size < 0 || size > PAGE_SIZE) return fail(E2BIG);
  if (size < CLONE_ARGS_SIZE_VER0) return fail(EINVAL);
  const bytes = new Uint8Array(Math.max(size, CLONE_ARGS_SIZE_VER2));
  if (task.mm!.read(address, bytes.subarray(0, size)) !== 0) return fail(EFAULT);
  for (let i = CLONE_ARGS_SIZE_VER2; i < size; i++) if (bytes[i] !== 0) return fail(E2BIG);
  const view = new DataView(bytes.buffer);
  const field = (i: number): number => view.getUint32(8 * i, true) + view.getUint32(8 * i + 4, true) * 2 ** 32;
  const [flags, pidfd, childTid, parentTid, exitSignal, stack, stackSize, tls, setTid, setTidSize, cgroup] = Array.from(
    { length: 11 },
    (_, i) => field(i),
  );
  if (flags >= UNKNOWN_FLAGS || (flags & (SIGNAL_MASK | CLONE_DETACHED)) !== 0 || exitSignal > LAST_SIGNAL) {
    return fail(EINVAL);
  }
  // Who joins its caller, or is its brother, tells nobody by a signal of its own.
  if ((flags & (CLONE_THREAD | CLONE_PARENT)) !== 0 && exitSignal !== 0) return fail(EINVAL);
  if ((stack === 0) !== (stackSize === 0)) return fail(EINVAL);
  if (setTid !== 0 || setTidSize !== 0) return fail(EINVAL);
  const intoGroup = flags >= CLONE_INTO_CGROUP;
  if (intoGroup && (cgroup > INT_MAX || size < CLONE_ARGS_SIZE_VER2)) return fail(EINVAL);
  if ((flags & CLONE_PIDFD) !== 0 && (flags & CLONE_PARENT_SETTID) !== 0 && pidfd === parentTid) return fail(EINVAL);
  // There are no control groups, so that no descriptor is one.
  if (intoGroup) return fail(EBADF);
  return cloneTask(task, { flags, exitSignal, stack: stack + stackSize, tls, parentTid, childTid, pidfd });
}

function exit(task: Task, code: number): number {
  exitTask(task, (code & 0xff) << 8);
  return CONTEXT_REPLACED;
}

function exitGroupCall(task: Task, code: number): number {
  exitGroup(task.process, (code & 0xff) << 8);
  exitTask(task, (code & 0xff) << 8);
  return CONTEXT_REPLACED;
}

// Waiting for children.

type ChildFilter = (child: Process) => boolean;

interface WaitOutcome {
  pid: number;
  status: number;
  info: SignalInfo | null;
  usage: Usage | null;
}

/** Looks once. @returns what was found; null: nothing yet; -ECHILD: nothing can come */
function findChild(task: Task, filter: ChildFilter, options: number): WaitOutcome | null | Err {
  let candidates = 0;
  for (const child of task.process.children) {
    if (!filter(child)) continue;
    candidates++;
    const outcome = inspectChild(child, options);
    if (outcome !== null) return outcome;
  }
  return candidates === 0 ? fail(ECHILD) : null;
}

function inspectChild(child: Process, options: number): WaitOutcome | null {
  const { pid } = child;
  const { uid } = child.leader.cred;
  const keep = (options & WNOWAIT) !== 0;
  if (child.isZombie) {
    if ((options & WEXITED) === 0) return null;
    const usage = makeUsage();
    addUsage(usage, child.usage);
    addUsage(usage, child.childUsage);
    const info = childInfo(child);
    info.signo = SIGCHLD;
    const outcome = { pid, status: child.exitStatus, info, usage };
    if (!keep) reap(child);
    return outcome;
  }
  if ((options & WUNTRACED) !== 0 && child.stopReport !== 0) {
    const signal = child.stopReport;
    if (!keep) child.stopReport = 0;
    return {
      pid,
      status: (signal << 8) | 0x7f,
      info: makeSignalInfo(SIGCHLD, 5, { pid, uid, status: signal }),
      usage: child.usage,
    };
  }
  if ((options & WCONTINUED) !== 0 && child.continueReport) {
    if (!keep) child.continueReport = false;
    return { pid, status: 0xffff, info: makeSignalInfo(SIGCHLD, 6, { pid, uid, status: SIGCONT }), usage: child.usage };
  }
  return null;
}

/** Waits until `findChild` has something; `deliver` writes it out and makes the result. */
function waitChild(
  task: Task,
  filter: ChildFilter,
  options: number,
  deliver: (found: WaitOutcome | null) => number,
): number {
  const attempt = (): number => {
    const found = findChild(task, filter, options);
    if (typeof found === 'number') return found;
    if (found !== null) return deliver(found);
    return (options & WNOHANG) !== 0 ? deliver(null) : -EAGAIN;
  };
  const result = attempt();
  if (result !== -EAGAIN) return result;
  return task.wait.block({ hooks: [task.process.childHook], attempt, what: 'do_wait' });
}

const WAIT4_OPTIONS = WNOHANG | WUNTRACED | WCONTINUED | 0x20000000 | 0x40000000 | 0x80000000;

function wait4(task: Task, pidArgument: number, statusAddress: number, options: number, usageAddress: number): number {
  const pid = pidArgument | 0;
  if (((options | 0) & ~WAIT4_OPTIONS) !== 0) return fail(EINVAL);
  if (pid === -(2 ** 31)) return fail(ESRCH);
  const group = pid === 0 ? task.process.pgid : -pid;
  const filter: ChildFilter = pid > 0 ? (c) => c.pid === pid : pid === -1 ? () => true : (c) => c.pgid === group;
  return waitChild(task, filter, (options & 0xf) | WEXITED, (found) => {
    if (found === null) return 0;
    const mm = task.mm!;
    if (usageAddress !== 0 && mm.write(usageAddress, encodeUsage(found.usage!)) !== 0) return fail(EFAULT);
    if (statusAddress !== 0 && mm.writeU32(statusAddress, found.status) !== 0) return fail(EFAULT);
    return found.pid;
  });
}

function waitid(
  task: Task,
  type: number,
  id: number,
  infoAddress: number,
  options: number,
  usageAddress: number,
): number {
  const known = WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | 0x20000000 | 0x40000000 | 0x80000000;
  if (((options | 0) & ~known) !== 0) return fail(EINVAL);
  if ((options & (WEXITED | WSTOPPED | WCONTINUED)) === 0) return fail(EINVAL);
  const filter = idFilter(task, type | 0, id | 0);
  if (typeof filter === 'number') return filter;
  const nonBlocking = (type | 0) === P_PIDFD && (openFile(task, id)!.flags & O_NONBLOCK) !== 0;
  let nothing = false;
  const result = waitChild(task, filter, nonBlocking ? options | WNOHANG : options, (found) => {
    const mm = task.mm!;
    nothing = found === null;
    if (found !== null && usageAddress !== 0 && mm.write(usageAddress, encodeUsage(found.usage!)) !== 0)
      return fail(EFAULT);
    if (infoAddress === 0) return 0;
    const bytes = new Uint8Array(SIGINFO_SIZE);
    if (found?.info) encodeSignalInfo(found.info, new DataView(bytes.buffer), 0, task.cred.userNamespace);
    // The kernel fills in six ints (signo, errno, code, pid, uid, status) and leaves the rest of the buffer alone.
    return mm.write(infoAddress, bytes.subarray(0, 28)) === 0 ? 0 : fail(EFAULT);
  });
  // -EAGAIN from inside would mean: wait.
  return result === 0 && nothing && nonBlocking && (options & WNOHANG) === 0 ? fail(EAGAIN) : result;
}

function idFilter(task: Task, type: number, id: number): ChildFilter | Err {
  switch (type) {
    case P_ALL:
      return () => true;
    case P_PID:
      return id <= 0 ? fail(EINVAL) : (child) => child.pid === id;
    case P_PGID: {
      if (id < 0) return fail(EINVAL);
      const group = id === 0 ? task.process.pgid : id;
      return (child) => child.pgid === group;
    }
    case P_PIDFD: {
      if (id < 0) return fail(EINVAL);
      const file = openFile(task, id);
      if (!(file instanceof PidFd)) return fail(EBADF);
      const { process } = file.inode;
      return (child) => child === process;
    }
    default:
      return fail(EINVAL);
  }
}

// Identity, groups, sessions.

function setpgid(task: Task, pidArgument: number, pgidArgument: number): number {
  const pid = (pidArgument | 0) === 0 ? task.pid : pidArgument | 0;
  const pgid = (pgidArgument | 0) === 0 ? pid : pgidArgument | 0;
  if (pgid < 0) return fail(EINVAL);
  const target = task.kernel.processes.get(pid);
  if (target === null) return fail(ESRCH);
  if (target.parent === task.process) {
    if (target.session !== task.process.session) return fail(EPERM);
    if (target.hasExecuted) return fail(EACCES);
  } else if (target !== task.process) {
    return fail(ESRCH);
  }
  if (target.isSessionLeader) return fail(EPERM);
  if (pgid !== pid && !task.kernel.processes.groupInSession(pgid, task.sid)) return fail(EPERM);
  target.pgid = pgid;
  return 0;
}

function lookupProcess(task: Task, pidArgument: number): Process | null {
  const pid = pidArgument | 0;
  return pid === 0
    ? task.process
    : (task.kernel.processes.get(pid) ?? task.kernel.processes.task(pid)?.process ?? null);
}

const getpgid = (task: Task, pid: number): number => lookupProcess(task, pid)?.pgid ?? fail(ESRCH);
const getsid = (task: Task, pid: number): number => lookupProcess(task, pid)?.session.sid ?? fail(ESRCH);

function setsid(task: Task): number {
  const { process, kernel } = task;
  if (process.isSessionLeader || !kernel.processes.inGroup(process.pid).next().done) return fail(EPERM);
  process.session = { sid: process.pid, hungUpGroup: 0 };
  process.tty = null;
  process.pgid = process.pid;
  return process.pid;
}

function setTidAddress(task: Task, address: number): number {
  task.clearChildTid = address;
  return task.tid;
}

export const processSyscalls: SyscallRows = {
  39: { name: 'getpid', fn: (task) => task.pid, support: 'full', args: [] },
  56: {
    name: 'clone',
    fn: clone,
    support: 'partial',
    note: 'namespaces: as unshare',
    args: ['cloneFlags', 'address', 'address', 'address', 'hex'],
  },
  57: { name: 'fork', fn: fork, support: 'full', args: [] },
  58: { name: 'vfork', fn: vfork, support: 'full', args: [] },
  60: { name: 'exit', fn: exit, support: 'full', args: ['int'], result: 'none' },
  61: { name: 'wait4', fn: wait4, support: 'full', args: ['pid', 'waitStatusOut', 'waitOptions', 'rusageOut'] },
  109: { name: 'setpgid', fn: setpgid, support: 'full', args: ['pid', 'pid'] },
  110: { name: 'getppid', fn: (task) => task.process.parent?.pid ?? 0, support: 'full', args: [] },
  111: { name: 'getpgrp', fn: (task) => task.pgid, support: 'full', args: [] },
  112: { name: 'setsid', fn: setsid, support: 'full', args: [] },
  121: { name: 'getpgid', fn: getpgid, support: 'full', args: ['pid'] },
  124: { name: 'getsid', fn: getsid, support: 'full', args: ['pid'] },
  186: { name: 'gettid', fn: (task) => task.tid, support: 'full', args: [] },
  218: {
    name: 'set_tid_address',
    fn: setTidAddress,
    support: 'full',
    args: ['address'],
  },
  231: { name: 'exit_group', fn: exitGroupCall, support: 'full', args: ['int'], result: 'none' },
  247: {
    name: 'waitid',
    fn: waitid,
    support: 'full',
    args: ['waitIdType', 'pid', 'siginfoOut', 'waitOptions', 'rusageOut'],
  },
  435: {
    name: 'clone3',
    fn: clone3,
    support: 'partial',
    note: 'no set_tid, no control groups; namespaces: as unshare',
    args: ['cloneArgs', 'size'],
  },
};
