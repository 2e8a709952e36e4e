/**
 * Delivering signals: runs whenever a task is about to go back to its program. Takes pending signals one after the
 * other, acts on them, builds handler frames, and settles what an interrupted system call does next.
 * @source signal(7), arch/x86/kernel/signal.c for the order of things
 */
import { EINTR, ERESTART_RESTARTBLOCK, ERESTARTNOINTR, ERESTARTSYS } from '../../abi/errno.js';
import { SA_ONESHOT, SA_RESTART, SI_KERNEL, SIGSEGV, SIGSTOP } from '../../abi/signal.js';
import { dumpCore } from '../core-dump/dump.js';
import { exitTask } from '../exit.js';
import type { Task } from '../task.js';
import { pushSignalFrame } from './frame.js';
import { exitGroup, forceSignal, stopProcess } from './send.js';
import type { SigSet } from './sigset.js';
import {
  defaultAction,
  isIgnored,
  LAST_SIGNAL,
  makeSignalInfo,
  SIG_DFL,
  SIG_IGN,
  type SignalAction,
  type SignalInfo,
} from './state.js';

const RAX = 0;
const NR_RESTART_SYSCALL = 219;
/** Of a wait(2) status word. */
const CORE_DUMPED = 0x80;
/** The syscall instruction is two bytes long. */
const SYSCALL_LENGTH = 2;
/** Faults come before whatever else is pending: SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS. */
const SYNCHRONOUS = [11, 7, 4, 5, 8, 31];

/** Results that must be settled before the program sees them. */
export const isRestart = (result: number): boolean => result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK;

/** @returns whether the task may run its program; if not it ended or stopped */
export function deliverSignals(task: Task): boolean {
  if (!task.hasDeliverableSignal && task.syscall < 0 && task.savedMask === null) return true;
  let handled = false;
  for (;;) {
    const { process } = task;
    if (process.groupExit !== null) {
      exitTask(task, process.groupExit);
      return false;
    }
    if (process.stopSignal !== 0) {
      task.state = 'stopped';
      return false;
    }
    const info = takeSignal(task);
    if (info === null) break;
    if (task.kernel.debugger?.takesSignal(task, info) === true) return false;
    task.kernel.dispatch.tracer?.signal(task, info);
    const action = task.handlers.actions[info.signo];
    if (action.handler === SIG_IGN) continue;
    if (action.handler === SIG_DFL) {
      actByDefault(task, info);
      continue;
    }
    if (task.program === null) task.kernel.scheduler.load(task);
    settleSyscall(task, action);
    runHandler(task, action, info);
    handled = true;
  }
  if (!handled) {
    settleSyscall(task, null);
    if (task.savedMask !== null) {
      task.blocked.copy(task.savedMask);
      task.savedMask = null;
      if (task.hasDeliverableSignal) return deliverSignals(task);
    }
  }
  return true;
}

/** The next signal to act on: faults of the task first, then the lowest number; its own before the process's. */
export function takeSignal(task: Task): SignalInfo | null {
  const { blocked, pending, process } = task;
  if (!pending.set.intersectsOutside(blocked) && !process.pending.set.intersectsOutside(blocked)) return null;
  for (const signal of SYNCHRONOUS) {
    if (pending.set.has(signal) && !blocked.has(signal)) return pending.take(signal);
  }
  for (const queue of [pending, process.pending]) {
    if (!queue.set.intersectsOutside(blocked)) continue;
    for (let signal = 1; signal <= LAST_SIGNAL; signal++) {
      if (queue.set.has(signal) && !blocked.has(signal)) return queue.take(signal);
    }
  }
  return null;
}

/** The oldest pending signal of those in `wanted`, blocked or not; its own before the process's. */
export function takeWanted(task: Task, wanted: SigSet): SignalInfo | null {
  for (const queue of [task.pending, task.process.pending]) {
    for (let signal = 1; signal <= LAST_SIGNAL; signal++) {
      if (wanted.has(signal) && queue.set.has(signal)) return queue.take(signal);
    }
  }
  return null;
}

function actByDefault(task: Task, info: SignalInfo): void {
  const { process } = task;
  const { signo } = info;
  if (process === process.kernel.init || isIgnored(task.handlers.actions[signo], signo)) return;
  switch (defaultAction(signo)) {
    case 'stop':
      if (signo === SIGSTOP || !process.isInOrphanedGroup) stopProcess(process, signo);
      return;
    case 'core':
      exitGroup(process, dumpCore(task, info) ? signo | CORE_DUMPED : signo);
      return;
    case 'terminate':
      exitGroup(process, signo);
      return;
    default:
      return;
  }
}

function runHandler(task: Task, action: SignalAction, info: SignalInfo): void {
  if (task.program !== null) {
    task.program.pushFrame(action, info);
  } else if (pushSignalFrame(task, action, info) !== 0) {
    if (info.signo === SIGSEGV) task.handlers.setToDefault(SIGSEGV);
    forceSignal(task, makeSignalInfo(SIGSEGV, SI_KERNEL));
  }
  task.kernel.debugger?.entersHandler(task);
  if ((action.flags & SA_ONESHOT) !== 0) task.handlers.setToDefault(info.signo);
}

/**
 * What becomes of a system call whose result asks to be restarted.
 * @param action the handler that runs now; null when none does: then every such call starts again
 */
function settleSyscall(task: Task, action: SignalAction | null): void {
  if (task.syscall < 0) return;
  const number = task.syscall;
  task.syscall = -1;
  const { program } = task;
  const { cpu, scheduler } = task.kernel;
  if (program === null) scheduler.load(task);
  const result = program === null ? cpu.reg(RAX) : program.result;
  if (!isRestart(result)) return;
  const restarts =
    action === null || result === -ERESTARTNOINTR || (result === -ERESTARTSYS && (action.flags & SA_RESTART) !== 0);
  const again = result === -ERESTART_RESTARTBLOCK && action === null ? NR_RESTART_SYSCALL : number;
  if (program !== null) {
    program.settle(restarts ? again : null);
    return;
  }
  if (!restarts) {
    cpu.setReg(RAX, -EINTR);
    return;
  }
  cpu.setReg(RAX, again);
  cpu.rip = cpu.rip - SYSCALL_LENGTH;
}
