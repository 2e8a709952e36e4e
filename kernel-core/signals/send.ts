/**
 * Generating signals: to a task, a process, a group; with the side effects that stop and continue signals have at
 * the moment they are sent. Delivery is in deliver.ts.
 * @source signal(7), kill(2)
 */
import { EAGAIN, type Err, ESRCH, fail } from '../../abi/errno.js';
import { RLIMIT_SIGPENDING } from '../../abi/resource.js';
import {
  CLD_CONTINUED,
  CLD_STOPPED,
  SA_NOCLDSTOP,
  SI_KERNEL,
  SI_USER,
  SIGCHLD,
  SIGCONT,
  SIGKILL,
} from '../../abi/signal.js';
import type { Kernel } from '../kernel.js';
import type { Process } from '../process.js';
import type { Task } from '../task.js';
import {
  FIRST_REALTIME,
  isIgnored,
  isStopSignal,
  makeSignalInfo,
  type PendingSignals,
  SIG_DFL,
  SIG_IGN,
  type SignalInfo,
} from './state.js';

/** Bounds a queue when RLIMIT_SIGPENDING does not. */
const LONGEST_QUEUE = 32768;

export const kernelSignal = (signo: number): SignalInfo => makeSignalInfo(signo, SI_KERNEL);

/** Directed at the process: any thread that does not block it may take it. @returns 0, or -EAGAIN when the queue is full */
export function sendToProcess(process: Process, info: SignalInfo): number | Err {
  if (process.isZombie || process.threads.size === 0) return 0;
  generate(process, info.signo);
  const taker = pickThread(process, info.signo);
  if (isDropped(taker, info)) return drop(taker, info);
  return enqueue(process, process.pending, info, taker);
}

export function sendToTask(task: Task, info: SignalInfo): number | Err {
  const { process } = task;
  if (task.state === 'dead') return 0;
  generate(process, info.signo);
  if (isDropped(task, info)) return drop(task, info);
  return enqueue(process, task.pending, info, task);
}

/** @returns 0, or -ESRCH when the group has no member */
export function sendToGroup(kernel: Kernel, pgid: number, info: SignalInfo): number | Err {
  let found = false;
  for (const process of kernel.processes.inGroup(pgid)) {
    found = true;
    sendToProcess(process, { ...info });
  }
  return found ? 0 : fail(ESRCH);
}

/** A fault of the task itself: it cannot be blocked or ignored; if it is, the default action strikes. */
export function forceSignal(task: Task, info: SignalInfo): void {
  const action = task.handlers.actions[info.signo];
  if (task.blocked.has(info.signo) || action.handler === SIG_IGN) {
    task.handlers.setToDefault(info.signo);
    task.blocked.delete(info.signo);
  }
  task.pending.discard(info.signo);
  task.pending.add(info);
}

/** All threads are to end with this wait status. */
export function exitGroup(process: Process, status: number): void {
  process.groupExit ??= status;
  process.stopSignal = 0;
  for (const task of process.threads) rouse(task);
}

/** The process stops by `signal`. */
export function stopProcess(process: Process, signal: number): void {
  if (process.stopSignal !== 0) return;
  process.stopSignal = signal;
  process.stopReport = signal;
  process.continueReport = false;
  process.kernel.dispatch.tracer?.stopped(process.leader, signal);
  for (const task of process.threads) process.kernel.scheduler.wake(task);
  reportToParent(process, CLD_STOPPED, signal);
}

export function continueProcess(process: Process): void {
  if (process.stopSignal === 0) return;
  process.stopSignal = 0;
  process.stopReport = 0;
  process.continueReport = true;
  for (const task of process.threads) rouse(task);
  reportToParent(process, CLD_CONTINUED, SIGCONT);
}

/** Makes a stopped or sleeping task run, so that it sees what happened. */
function rouse(task: Task): void {
  const { scheduler } = task.kernel;
  if (task.state === 'stopped') {
    task.state = 'running';
    scheduler.enqueue(task);
  } else {
    scheduler.wake(task);
  }
}

/** SIGCHLD and the wake-up of wait4 for a stop or continuation. */
function reportToParent(process: Process, code: number, status: number): void {
  const { parent } = process;
  if (parent === null) return;
  const action = parent.leader.handlers.actions[SIGCHLD];
  if ((action.flags & SA_NOCLDSTOP) === 0) {
    const { pid, usage } = process;
    const info = makeSignalInfo(SIGCHLD, code, { pid, uid: process.leader.cred.uid, status });
    info.utime = usage.utime;
    info.stime = usage.stime;
    sendToProcess(parent, info);
  }
  parent.childHook.emit('notify', 0);
}

/** What sending alone does: stop and continue signals cancel each other, SIGCONT continues. */
function generate(process: Process, signal: number): void {
  if (isStopSignal(signal)) {
    discardEverywhere(process, SIGCONT);
  } else if (signal === SIGCONT) {
    for (const stop of [19, 20, 21, 22]) discardEverywhere(process, stop);
    continueProcess(process);
  } else if (signal === SIGKILL && process.stopSignal !== 0) {
    process.stopSignal = 0;
    for (const task of process.threads) rouse(task);
  }
}

function discardEverywhere(process: Process, signal: number): void {
  process.pending.discard(signal);
  for (const task of process.threads) task.pending.discard(signal);
}

function pickThread(process: Process, signal: number): Task {
  if (!process.leader.blocked.has(signal) && process.leader.state !== 'dead') return process.leader;
  for (const task of process.threads) if (!task.blocked.has(signal)) return task;
  return process.threads.first!;
}

/** What strace shows nevertheless: being traced makes Linux deliver what is ignored. */
function drop(task: Task, info: SignalInfo): number {
  task.kernel.dispatch.tracer?.ignored(task, info);
  return 0;
}

/** Ignored signals are not even queued, unless blocked: the disposition may change before they are let in. */
function isDropped(task: Task, info: SignalInfo): boolean {
  const { process } = task;
  const action = task.handlers.actions[info.signo];
  if (process.isKernelThread || (process === process.kernel.init && action.handler === SIG_DFL)) return true;
  if (task.blocked.has(info.signo) || task.waitsFor(info.signo) || !isIgnored(action, info.signo)) return false;
  return process.kernel.debugger?.wantsIgnored(process, info.signo) !== true;
}

function enqueue(process: Process, pending: PendingSignals, info: SignalInfo, taker: Task): number | Err {
  // A timer's signal has had its place since the timer was made.
  const needsPlace = info.signo >= FIRST_REALTIME && info.source === null;
  if (needsPlace && pending.queued >= Math.min(process.limit(RLIMIT_SIGPENDING), LONGEST_QUEUE)) {
    if (info.code !== SI_USER) return fail(EAGAIN);
    // kill(2) always sends: one that finds the queue full merges with those that wait.
    if (pending.set.has(info.signo)) return 0;
  }
  if (pending.add(info)) taker.handlers.arrived();
  if (!taker.blocked.has(info.signo) || taker.waitsFor(info.signo)) process.kernel.scheduler.wake(taker);
  return 0;
}
