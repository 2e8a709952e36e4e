/** pidfd_open, pidfd_send_signal, pidfd_getfd. @source pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2) */
import { EBADF, EINVAL, ENOENT, EPERM, type Err, ESRCH, fail, isErr } from '../../abi/errno.js';
import {
  PIDFD_NONBLOCK,
  PIDFD_SIGNAL_PROCESS_GROUP,
  PIDFD_SIGNAL_THREAD,
  PIDFD_SIGNAL_THREAD_GROUP,
  PIDFD_THREAD,
} from '../../abi/event-files.js';
import { O_CLOEXEC } from '../../abi/fcntl.js';
import { SI_TKILL, SI_USER } from '../../abi/signal.js';
import { procTaskOf } from '../../vfs/fs/procfs/index.js';
import { openPidFd, PidFd } from '../events/pidfd.js';
import { mayInspect } from '../inspect.js';
import { TaskView } from '../proc/task.js';
import { LAST_SIGNAL, makeSignalInfo, type SignalInfo } from '../signals/state.js';
import type { Task } from '../task.js';
import { anyFile, openFile } from './args.js';
import { installFile } from './files-open.js';
import type { SyscallRows } from './row.js';
import { readInfo, sendChecked, signalTask } from './signals.js';

function pidfdOpen(task: Task, pidArgument: number, flags: number): number {
  const pid = pidArgument | 0;
  if ((flags & ~(PIDFD_NONBLOCK | PIDFD_THREAD)) !== 0 || pid <= 0) return fail(EINVAL);
  const { processes } = task.kernel;
  const target = processes.task(pid) ?? processes.get(pid)?.leader ?? null;
  if (target === null) return fail(ESRCH);
  if ((flags & PIDFD_THREAD) === 0 && target.process.leader !== target) return fail(ENOENT);
  return installFile(task, openPidFd(target, flags), O_CLOEXEC);
}

/** The task that `fd` stands for: a pidfd, or a directory /proc/PID. @returns null for anything else */
function subjectOf(task: Task, fd: number): { target: Task; isThread: boolean } | null {
  const file = anyFile(task, fd);
  if (file instanceof PidFd) return { target: file.inode.task, isThread: file.isThread };
  const view = file === null ? null : procTaskOf(file.inode);
  return view instanceof TaskView && view.tid === view.tgid ? { target: view.task, isThread: false } : null;
}

const SCOPES = PIDFD_SIGNAL_THREAD | PIDFD_SIGNAL_THREAD_GROUP | PIDFD_SIGNAL_PROCESS_GROUP;

function pidfdSendSignal(task: Task, fd: number, signalArgument: number, address: number, flags: number): number {
  const signal = signalArgument | 0;
  if ((flags & ~SCOPES) !== 0 || (flags & (flags - 1)) !== 0) return fail(EINVAL);
  const subject = subjectOf(task, fd);
  if (subject === null) return fail(EBADF);
  const { target } = subject;
  const toThread = (flags & SCOPES) === 0 ? subject.isThread : (flags & PIDFD_SIGNAL_THREAD) !== 0;
  const toGroup = (flags & PIDFD_SIGNAL_PROCESS_GROUP) !== 0;
  let info: SignalInfo;
  if (address === 0) {
    info = makeSignalInfo(signal, toThread ? SI_TKILL : SI_USER, { pid: task.pid, uid: task.cred.uid });
  } else {
    const given = readInfo(task, address);
    if (isErr(given)) return given;
    if (given.signo !== signal) return fail(EINVAL);
    if ((target !== task || toGroup) && (given.code >= 0 || given.code === SI_TKILL)) return fail(EPERM);
    info = given;
  }
  if (signal < 0 || signal > LAST_SIGNAL) return fail(EINVAL);
  if (toGroup) return sendToMembers(task, target.tid, info);
  const { processes } = task.kernel;
  if (processes.get(target.pid) !== target.process) return fail(ESRCH);
  if (!toThread) return sendChecked(task, target.process, info);
  return processes.task(target.tid) === target ? signalTask(task, 0, target.tid, info) : fail(ESRCH);
}

function sendToMembers(task: Task, pgid: number, info: SignalInfo): number | Err {
  let result: number | Err = fail(ESRCH);
  for (const member of task.kernel.processes.inGroup(pgid)) {
    const sent = sendChecked(task, member, { ...info });
    if (sent === 0 || result === fail(ESRCH)) result = sent;
  }
  return result;
}

function pidfdGetfd(task: Task, pidfd: number, fd: number, flags: number): number {
  if (flags !== 0) return fail(EINVAL);
  const file = openFile(task, pidfd);
  if (!(file instanceof PidFd)) return fail(EBADF);
  const { task: target } = file.inode;
  if (target.state === 'dead') return fail(ESRCH);
  if (!mayInspect(task, target)) return fail(EPERM);
  const found = anyFile(target, fd);
  return found === null ? fail(EBADF) : installFile(task, found.ref(), O_CLOEXEC);
}

export const pidfdSyscalls: SyscallRows = {
  424: {
    name: 'pidfd_send_signal',
    fn: pidfdSendSignal,
    support: 'full',
    args: ['fd', 'signal', 'siginfoIn', 'pidfdSignalFlags'],
  },
  434: { name: 'pidfd_open', fn: pidfdOpen, support: 'full', args: ['pid', 'pidfdFlags'], result: 'fd' },
  438: { name: 'pidfd_getfd', fn: pidfdGetfd, support: 'full', args: ['fd', 'fd', 'hex'], result: 'fd' },
};
