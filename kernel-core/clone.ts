/**
 * Making tasks: fork, vfork, clone and clone3 are one function over what is shared and what is copied.
 * @source clone(2), vfork(2)
 */

import { EventEmitter } from 'eventemitter3';
import { CAP_SYS_ADMIN, CAP_SYS_RESOURCE } from '../abi/capability.js';
import { EAGAIN, EFAULT, EINVAL, ENOMEM, type Err, fail, isErr } from '../abi/errno.js';
import { PIDFD_THREAD } from '../abi/event-files.js';
import { RLIMIT_NPROC } from '../abi/resource.js';
import {
  CLONE_CHILD_CLEARTID,
  CLONE_CHILD_SETTID,
  CLONE_CLEAR_SIGHAND,
  CLONE_FILES,
  CLONE_FS,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUSER,
  CLONE_PARENT,
  CLONE_PARENT_SETTID,
  CLONE_PIDFD,
  CLONE_SETTLS,
  CLONE_SIGHAND,
  CLONE_THREAD,
  CLONE_VFORK,
  CLONE_VM,
} from '../abi/sched.js';
import { capable } from '../vfs/capability.js';
import { PidFd, PidInode } from './events/pidfd.js';
import type { AddressSpace } from './mm/address-space.js';
import { Process } from './process.js';
import { Task } from './task.js';
import { copyFs, makeNamespaces } from './unshare.js';

const RAX = 0;
const RSP = 4;
/** What a new task counts for, in instructions, and each page that it shares. */
const TASK_COST = 15_000;
const PAGE_COST = 30;

export interface CloneArguments {
  /** CLONE_* flags without the exit signal. CLONE_CLEAR_SIGHAND is above 2^32: flags are a plain number. */
  flags: number;
  exitSignal: number;
  /** New stack pointer, 0: the parent's. */
  stack: number;
  tls: number;
  parentTid: number;
  childTid: number;
  /** Where CLONE_PIDFD writes the descriptor. */
  pidfd: number;
}

const has = (flags: number, bit: number): boolean =>
  bit < 2 ** 31 ? (flags & bit) !== 0 : Math.floor(flags / bit) % 2 === 1;

/**
 * Makes a task like `parent`, whose registers are on the CPU, and lets it run.
 * @returns the new task's number; PENDING for vfork's parent; -EAGAIN, -ENOMEM, -EINVAL
 */
export function cloneTask(parent: Task, args: CloneArguments): number {
  const { flags } = args;
  const invalid = checkFlags(parent, flags);
  if (invalid !== 0) return invalid;
  const pidfd = has(flags, CLONE_PIDFD) ? reservePidFd(parent, args) : null;
  if (isErr(pidfd)) return pidfd;
  const child = makeTask(parent, args);
  if (isErr(child)) {
    if (pidfd !== null) parent.files.close(pidfd.fd, parent);
    return child;
  }
  if (pidfd !== null) bindPidFd(pidfd, parent, child);
  const { kernel } = parent;
  const { tid } = child;
  kernel.processes.forks++;
  kernel.scheduler.charge(has(flags, CLONE_VM) ? TASK_COST : TASK_COST + PAGE_COST * child.mm!.rss);
  if (parent.program === null) copyContext(parent, child, args);
  else child.program = parent.program.program.adopt(child);
  if (has(flags, CLONE_PARENT_SETTID)) parent.mm!.writeU32(args.parentTid, tid);
  if (has(flags, CLONE_CHILD_SETTID)) child.mm!.writeU32(args.childTid, tid);
  if (has(flags, CLONE_CHILD_CLEARTID)) child.clearChildTid = args.childTid;
  kernel.dispatch.tracer?.cloned(parent, child);
  kernel.debugger?.cloned(parent, child, flags);
  kernel.scheduler.enqueue(child);
  if (!has(flags, CLONE_VFORK)) return tid;
  const hook = new EventEmitter<{ notify: (mask: number) => void }>();
  child.vforkHook = hook;
  return parent.wait.block({
    hooks: [hook],
    attempt: () => (child.vforkHook === null ? tid : -EAGAIN),
    uninterruptible: true,
    what: 'vfork',
  });
}

/** The pidfd of a task that is still to be made, in the parent's table. */
interface ReservedPidFd {
  readonly fd: number;
  readonly inode: PidInode;
}

/** What can fail about CLONE_PIDFD fails before there is a child. @returns -EMFILE, -EFAULT */
function reservePidFd(parent: Task, { flags, pidfd: address }: CloneArguments): ReservedPidFd | Err {
  const inode = new PidInode(parent.kernel.vfsEnv);
  const file = new PidFd(inode, has(flags, CLONE_THREAD) ? PIDFD_THREAD : 0);
  const fd = parent.files.install(file, true, parent.fileLimit);
  if (isErr(fd)) return fd;
  if (parent.mm!.writeU32(address, fd) === 0) return { fd, inode };
  parent.files.close(fd, parent);
  return fail(EFAULT);
}

function bindPidFd({ fd, inode }: ReservedPidFd, parent: Task, child: Task): void {
  inode.bind(child);
  // The copy of the table was made with it, but the descriptor is the parent's alone.
  if (child.files !== parent.files) child.files.close(fd, child);
}

function checkFlags(parent: Task, flags: number): number | Err {
  if (has(flags, CLONE_THREAD) && !has(flags, CLONE_SIGHAND)) return fail(EINVAL);
  if (has(flags, CLONE_SIGHAND) && !has(flags, CLONE_VM)) return fail(EINVAL);
  if (has(flags, CLONE_SIGHAND) && has(flags, CLONE_CLEAR_SIGHAND)) return fail(EINVAL);
  if ((has(flags, CLONE_NEWNS) || has(flags, CLONE_NEWUSER)) && has(flags, CLONE_FS)) return fail(EINVAL);
  if ((has(flags, CLONE_NEWPID) || has(flags, CLONE_NEWUSER)) && has(flags, CLONE_THREAD)) return fail(EINVAL);
  // A TypeScript program cannot go on in two places: it says what the new process runs.
  if (!has(flags, CLONE_THREAD) && parent.program?.program.childMain === null) return fail(EINVAL);
  return 0;
}

function makeTask(parent: Task, args: CloneArguments): Task | Err {
  const { kernel } = parent;
  const { flags } = args;
  const { cred } = parent;
  const { processes } = kernel;
  const mayExceed = capable(cred, CAP_SYS_RESOURCE) || capable(cred, CAP_SYS_ADMIN);
  if (!mayExceed && processes.taskCountOf(cred.uid) >= parent.process.limit(RLIMIT_NPROC)) return fail(EAGAIN);
  const around = makeNamespaces(parent, flags);
  if (isErr(around)) return around;
  const tid = processes.allocatePid();
  if (isErr(tid)) return tid;
  const mm = shareMemory(parent, flags);
  if (isErr(mm)) return mm === (-ENOMEM as Err) ? fail(ENOMEM) : mm;

  const isThread = has(flags, CLONE_THREAD);
  let { process } = parent;
  if (!isThread) {
    const family = has(flags, CLONE_PARENT) ? (process.parent ?? kernel.init) : process;
    const forked = new Process(kernel, tid, family);
    forked.pgid = process.pgid;
    forked.session = process.session;
    forked.tty = process.tty;
    forked.exitSignal = has(flags, CLONE_PARENT) ? process.exitSignal : args.exitSignal;
    processes.add(forked);
    process = forked;
  }
  const task = new Task(kernel, process, tid, {
    mm,
    files: has(flags, CLONE_FILES) ? parent.files : parent.files.clone(),
    fs: has(flags, CLONE_FS) ? parent.fs : copyFs(parent.fs),
    handlers: has(flags, CLONE_SIGHAND) ? parent.handlers : parent.handlers.clone(),
    cred: around.cred,
    netNamespace: around.netNamespace,
  });
  if (has(flags, CLONE_FILES)) parent.files.refs++;
  if (has(flags, CLONE_FS)) parent.fs.refs++;
  if (has(flags, CLONE_SIGHAND)) parent.handlers.refs++;
  if (has(flags, CLONE_CLEAR_SIGHAND)) task.handlers.reset();
  if (!isThread) process.leader = task;
  task.comm = parent.comm;
  task.noNewPrivs = parent.noNewPrivs;
  task.policy = parent.policy;
  if (parent.resetsOnFork && !isThread) process.nice = Math.max(process.nice, 0);
  task.ioPriority = parent.ioPriority;
  task.personality = parent.personality;
  if (!has(flags, CLONE_VM)) mm.limits = process;
  task.blocked.copy(parent.blocked);
  if (!has(flags, CLONE_VM) || has(flags, CLONE_VFORK)) {
    task.altStackBase = parent.altStackBase;
    task.altStackSize = parent.altStackSize;
    task.altStackFlags = parent.altStackFlags;
  }
  processes.addTask(task);
  return task;
}

function shareMemory(parent: Task, flags: number): AddressSpace | Err {
  const mm = parent.mm!;
  return has(flags, CLONE_VM) ? mm.ref() : mm.fork();
}

/** The child goes on where the parent does, with 0 in rax and perhaps another stack and thread pointer. */
function copyContext(parent: Task, child: Task, args: CloneArguments): void {
  const { cpu, scheduler } = parent.kernel;
  scheduler.load(parent);
  const lo = cpu.regLo(RAX);
  const hi = cpu.regHi(RAX);
  const { fsBase } = cpu;
  const rsp = cpu.reg(RSP);
  cpu.setReg(RAX, 0);
  if (args.stack !== 0) cpu.setReg(RSP, args.stack);
  if (has(args.flags, CLONE_SETTLS)) cpu.fsBase = args.tls;
  cpu.saveContext(child.context);
  cpu.setRegHalves(RAX, lo, hi);
  cpu.setReg(RSP, rsp);
  cpu.fsBase = fsBase;
}
