/** System calls about signals. @source sigaction(2), sigprocmask(2), kill(2), sigtimedwait(2) … */
import { CAP_KILL } from '../../abi/capability.js';
import { EAGAIN, EFAULT, EINTR, EINVAL, EPERM, ERESTARTNOHAND, type Err, ESRCH, fail, isErr } from '../../abi/errno.js';
import {
  SA_UNSUPPORTED,
  SI_KERNEL,
  SI_TKILL,
  SI_USER,
  SIG_BLOCK,
  SIG_SETMASK,
  SIG_UNBLOCK,
  SIGCONT,
  SIGKILL,
  SIGSEGV,
  SIGSTOP,
} from '../../abi/signal.js';
import type { Credentials } from '../../vfs/caller.js';
import { capableIn } from '../../vfs/capability.js';
import type { Process } from '../process.js';
import { takeWanted } from '../signals/deliver.js';
import { altStackState, popSignalFrame, setAltStack } from '../signals/frame.js';
import { forceSignal, sendToProcess, sendToTask } from '../signals/send.js';
import { decodeSignalInfo, encodeSignalInfo, SIGINFO_SIZE } from '../signals/siginfo.js';
import { SigSet } from '../signals/sigset.js';
import { isIgnored, LAST_SIGNAL, makeSignalInfo, type SignalAction, type SignalInfo } from '../signals/state.js';
import type { Task } from '../task.js';
import { CONTEXT_REPLACED, interruptedOnly } from '../wait.js';
import { getI64, putI64, readTimespec } from './layouts.js';
import type { SyscallRows } from './row.js';

const RSP = 4;
const SIGSET_SIZE = 8;
/** struct sigaction of the kernel: handler, flags, restorer, mask. */
const SIGACTION_SIZE = 32;
/** Every SA_* flag that has a meaning; others are cleared, as a program that asks with SA_UNSUPPORTED expects. */
const KNOWN_FLAGS = 0xdc000c07;

const buffer = new Uint8Array(SIGACTION_SIZE);
const view = new DataView(buffer.buffer);

/** Reads a sigset_t. @returns 0, -EINVAL for a size that is not 8, -EFAULT */
export function readSigSet(task: Task, address: number, size: number, into: SigSet): number | Err {
  if (size !== SIGSET_SIZE) return fail(EINVAL);
  if (task.mm!.read(address, buffer.subarray(0, SIGSET_SIZE)) !== 0) return fail(EFAULT);
  into.set(view.getInt32(0, true), view.getInt32(4, true));
  return 0;
}

function writeSigSet(task: Task, address: number, set: SigSet): number | Err {
  view.setInt32(0, set.lo, true);
  view.setInt32(4, set.hi, true);
  return task.mm!.write(address, buffer.subarray(0, SIGSET_SIZE));
}

/** Runs with `mask` until the call ends; a handler that interrupts it sees the old mask again afterwards. */
function withTemporaryMask(task: Task, mask: SigSet): void {
  task.savedMask ??= new SigSet();
  task.savedMask.copy(task.blocked);
  task.blocked.copy(mask);
  task.blocked.clearUnblockable();
}

/** The mask of `withTemporaryMask` goes when the call was not interrupted. */
export function restoreMask(task: Task): void {
  if (task.savedMask === null) return;
  task.blocked.copy(task.savedMask);
  task.savedMask = null;
}

const temporaryMask = new SigSet();

/** Puts the signal mask at `address` in place, if there is one. @returns 0, -EINVAL, -EFAULT */
export function useMask(task: Task, address: number, size: number): number | Err {
  if (address === 0) return 0;
  const read = readSigSet(task, address, size, temporaryMask);
  if (read !== 0) return read;
  withTemporaryMask(task, temporaryMask);
  return 0;
}

function sigaction(task: Task, signalArgument: number, newAddress: number, oldAddress: number, size: number): number {
  const signal = signalArgument | 0;
  if (size !== SIGSET_SIZE || signal < 1 || signal > LAST_SIGNAL) return fail(EINVAL);
  const old = task.handlers.actions[signal]!;
  const mm = task.mm!;
  const next = new Uint8Array(SIGACTION_SIZE);
  if (newAddress !== 0) {
    if (mm.read(newAddress, next) !== 0) return fail(EFAULT);
    if (signal === SIGKILL || signal === SIGSTOP) return fail(EINVAL);
  }
  if (oldAddress !== 0) {
    putI64(view, 0, old.handler);
    putI64(view, 8, old.flags);
    putI64(view, 16, old.restorer);
    view.setInt32(24, old.mask.lo, true);
    view.setInt32(28, old.mask.hi, true);
    if (mm.write(oldAddress, buffer) !== 0) return fail(EFAULT);
  }
  if (newAddress === 0) return 0;
  const given = new DataView(next.buffer);
  const mask = new SigSet();
  mask.set(given.getInt32(24, true), given.getInt32(28, true));
  mask.clearUnblockable();
  const action: SignalAction = {
    handler: getI64(given, 0),
    flags: (given.getUint32(8, true) & KNOWN_FLAGS & ~SA_UNSUPPORTED) >>> 0,
    restorer: getI64(given, 16),
    mask,
  };
  task.handlers.actions[signal] = action;
  if (isIgnored(action, signal)) {
    task.process.pending.discard(signal);
    for (const thread of task.process.threads) thread.pending.discard(signal);
  }
  return 0;
}

function sigprocmask(task: Task, how: number, setAddress: number, oldAddress: number, size: number): number {
  if (size !== SIGSET_SIZE) return fail(EINVAL);
  const old = new SigSet();
  old.copy(task.blocked);
  if (setAddress !== 0) {
    const set = new SigSet();
    const result = readSigSet(task, setAddress, size, set);
    if (result !== 0) return result;
    set.clearUnblockable();
    if (how === SIG_BLOCK) task.blocked.union(set);
    else if (how === SIG_UNBLOCK) task.blocked.subtract(set);
    else if (how === SIG_SETMASK) task.blocked.copy(set);
    else return fail(EINVAL);
  }
  return oldAddress === 0 ? 0 : writeSigSet(task, oldAddress, old);
}

function sigpending(task: Task, address: number, size: number): number {
  if (size > SIGSET_SIZE) return fail(EINVAL);
  const set = new SigSet();
  set.copy(task.pending.set);
  set.union(task.process.pending.set);
  set.lo &= task.blocked.lo;
  set.hi &= task.blocked.hi;
  return writeSigSet(task, address, set);
}

function sigsuspend(task: Task, address: number, size: number): number {
  const mask = new SigSet();
  const result = readSigSet(task, address, size, mask);
  if (result !== 0) return result;
  withTemporaryMask(task, mask);
  return task.wait.block({ hooks: [], attempt: interruptedOnly, interrupted: ERESTARTNOHAND, what: 'sigsuspend' });
}

const pause = (task: Task): number =>
  task.wait.block({ hooks: [], attempt: interruptedOnly, interrupted: ERESTARTNOHAND, what: 'do_sys_pause' });

function sigtimedwait(
  task: Task,
  setAddress: number,
  infoAddress: number,
  timeoutAddress: number,
  size: number,
): number {
  const wanted = new SigSet();
  const bad = readSigSet(task, setAddress, size, wanted);
  if (bad !== 0) return bad;
  wanted.clearUnblockable();
  let timeout = Number.POSITIVE_INFINITY;
  if (timeoutAddress !== 0) {
    timeout = readTimespec(task.mm!, timeoutAddress);
    if (timeout < 0) return timeout;
  }
  const attempt = (): number => {
    const info = takeWanted(task, wanted);
    if (info === null) return -EAGAIN;
    if (infoAddress !== 0) {
      const bytes = new Uint8Array(SIGINFO_SIZE);
      encodeSignalInfo(info, new DataView(bytes.buffer), 0, task.cred.userNamespace);
      if (task.mm!.write(infoAddress, bytes) !== 0) return fail(EFAULT);
    }
    return info.signo;
  };
  const now = attempt();
  if (now !== -EAGAIN || timeout === 0) return now;
  task.awaited.copy(wanted);
  return task.wait.block({
    hooks: [],
    attempt,
    deadline: task.kernel.host.monotonic() + timeout,
    timedOut: () => fail(EAGAIN),
    interrupted: EINTR,
    cleanup: () => task.awaited.set(0, 0),
    what: 'do_sigtimedwait',
  });
}

// Sending.

function maySignal(sender: Credentials, target: Process, signal: number, task: Task): boolean {
  const other = target.leader.cred;
  if (sender.euid === other.suid || sender.euid === other.uid) return true;
  if (sender.uid === other.suid || sender.uid === other.uid) return true;
  if (capableIn(sender, other.userNamespace, CAP_KILL)) return true;
  return signal === SIGCONT && target.session === task.process.session;
}

const userSignal = (task: Task, signal: number, code: number): SignalInfo =>
  makeSignalInfo(signal, code, { pid: task.pid, uid: task.cred.uid });

/** Signal 0 only asks whether it could be done. */
export function sendChecked(task: Task, target: Process, info: SignalInfo): number | Err {
  if (!maySignal(task.cred, target, info.signo, task)) return fail(EPERM);
  return info.signo === 0 ? 0 : sendToProcess(target, info);
}

function kill(task: Task, pidArgument: number, signalArgument: number): number {
  const pid = pidArgument | 0;
  const signal = signalArgument | 0;
  if (signal < 0 || signal > LAST_SIGNAL) return fail(EINVAL);
  const { processes, init } = task.kernel;
  if (pid > 0) {
    const target = processes.get(pid) ?? processes.task(pid)?.process;
    return target === undefined ? fail(ESRCH) : sendChecked(task, target, userSignal(task, signal, SI_USER));
  }
  if (pid === -(2 ** 31)) return fail(ESRCH);
  const targets =
    pid === -1
      ? [...processes.all()].filter((p) => p !== init && p !== task.process)
      : [...processes.inGroup(pid === 0 ? task.pgid : -pid)];
  let result: number = fail(ESRCH);
  for (const target of targets) {
    const sent = sendChecked(task, target, userSignal(task, signal, SI_USER));
    if (sent === 0 || result === fail(ESRCH)) result = sent;
  }
  return result;
}

/** tkill and tgkill. @param tgid 0: any process */
export function signalTask(task: Task, tgid: number, tid: number, info: SignalInfo): number {
  const target = task.kernel.processes.task(tid);
  if (target === null || (tgid > 0 && target.pid !== tgid)) return fail(ESRCH);
  if (!maySignal(task.cred, target.process, info.signo, task)) return fail(EPERM);
  return info.signo === 0 ? 0 : sendToTask(target, info);
}

function tgkill(task: Task, tgid: number, tid: number, signal: number): number {
  if ((tgid | 0) <= 0 || (tid | 0) <= 0 || signal < 0 || signal > LAST_SIGNAL) return fail(EINVAL);
  return signalTask(task, tgid | 0, tid | 0, userSignal(task, signal | 0, SI_TKILL));
}

function tkill(task: Task, tid: number, signal: number): number {
  if ((tid | 0) <= 0 || signal < 0 || signal > LAST_SIGNAL) return fail(EINVAL);
  return signalTask(task, 0, tid | 0, userSignal(task, signal | 0, SI_TKILL));
}

/** @param signal its number, whatever the structure says; absent: what it says */
export function readInfo(task: Task, address: number, signal?: number): SignalInfo | Err {
  const bytes = new Uint8Array(SIGINFO_SIZE);
  if (task.mm!.read(address, bytes) !== 0) return fail(EFAULT);
  const view = new DataView(bytes.buffer);
  return decodeSignalInfo(view, 0, signal ?? view.getInt32(0, true), task.cred.userNamespace);
}

/** Programs may not pretend to be the kernel or kill(2), but to themselves. */
const isForged = (task: Task, info: SignalInfo, pid: number): boolean =>
  (info.code >= 0 || info.code === SI_TKILL) && pid !== task.pid;

function sigqueueinfo(task: Task, pid: number, signal: number, address: number): number {
  const info = readInfo(task, address, signal | 0);
  if (typeof info === 'number') return info;
  if (isForged(task, info, pid | 0)) return fail(EPERM);
  if (signal < 0 || signal > LAST_SIGNAL) return fail(EINVAL);
  const target = task.kernel.processes.get(pid | 0);
  return target === null ? fail(ESRCH) : sendChecked(task, target, info);
}

function tgsigqueueinfo(task: Task, tgid: number, tid: number, signal: number, address: number): number {
  if ((tgid | 0) <= 0 || (tid | 0) <= 0) return fail(EINVAL);
  const info = readInfo(task, address, signal | 0);
  if (typeof info === 'number') return info;
  if (isForged(task, info, tgid | 0)) return fail(EPERM);
  if (signal < 0 || signal > LAST_SIGNAL) return fail(EINVAL);
  return signalTask(task, tgid | 0, tid | 0, info);
}

function sigreturn(task: Task): number {
  task.syscall = -1;
  if (popSignalFrame(task) !== 0) forceSignal(task, makeSignalInfo(SIGSEGV, SI_KERNEL));
  return CONTEXT_REPLACED;
}

/** stack_t: ss_sp, ss_flags (int), ss_size; 24 bytes. */
function sigaltstack(task: Task, newAddress: number, oldAddress: number): number {
  const mm = task.mm!;
  const sp = task.kernel.cpu.reg(RSP);
  const given = new Uint8Array(24);
  if (newAddress !== 0 && mm.read(newAddress, given) !== 0) return fail(EFAULT);
  const old = new Uint8Array(24);
  const oldView = new DataView(old.buffer);
  putI64(oldView, 0, task.altStackBase);
  oldView.setUint32(8, altStackState(task, sp), true);
  putI64(oldView, 16, task.altStackSize);
  if (newAddress !== 0) {
    const stack = new DataView(given.buffer);
    const failed = setAltStack(task, getI64(stack, 0), stack.getUint32(8, true), getI64(stack, 16), sp);
    if (isErr(failed)) return failed;
  }
  return oldAddress !== 0 && mm.write(oldAddress, old) !== 0 ? fail(EFAULT) : 0;
}

function restartSyscall(task: Task): number {
  const { restart } = task;
  task.restart = null;
  return restart === null ? fail(EINTR) : restart(task);
}

export const signalSyscalls: SyscallRows = {
  13: { name: 'rt_sigaction', fn: sigaction, support: 'full', args: ['signal', 'sigactionIn', 'sigactionOut', 'size'] },
  14: { name: 'rt_sigprocmask', fn: sigprocmask, support: 'full', args: ['sigHow', 'sigsetIn', 'sigsetOut', 'size'] },
  15: { name: 'rt_sigreturn', fn: sigreturn, support: 'full', args: ['sigreturnMask'] },
  34: { name: 'pause', fn: pause, support: 'full', args: [] },
  62: { name: 'kill', fn: kill, support: 'full', args: ['pid', 'signal'] },
  127: { name: 'rt_sigpending', fn: sigpending, support: 'full', args: ['sigsetOut', 'size'] },
  128: {
    name: 'rt_sigtimedwait',
    fn: sigtimedwait,
    support: 'full',
    args: ['sigsetIn', 'siginfoOut', 'timespecIn', 'size'],
    result: 'signal',
  },
  129: { name: 'rt_sigqueueinfo', fn: sigqueueinfo, support: 'full', args: ['pid', 'signal', 'siginfoIn'] },
  130: { name: 'rt_sigsuspend', fn: sigsuspend, support: 'full', args: ['sigsetIn', 'size'] },
  131: { name: 'sigaltstack', fn: sigaltstack, support: 'full', args: ['stackIn', 'stackOut'] },
  200: { name: 'tkill', fn: tkill, support: 'full', args: ['pid', 'signal'] },
  219: { name: 'restart_syscall', fn: restartSyscall, support: 'full', args: ['restartedCall'] },
  234: { name: 'tgkill', fn: tgkill, support: 'full', args: ['pid', 'pid', 'signal'] },
  297: { name: 'rt_tgsigqueueinfo', fn: tgsigqueueinfo, support: 'full', args: ['pid', 'pid', 'signal', 'siginfoIn'] },
};
