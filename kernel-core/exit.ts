/**
 * The end of tasks and processes: give back what the task shared, make the process a zombie when its last task is
 * gone, tell the parent, hand the children over, and reap.
 * @source exit(2), _exit(2), wait(2); POSIX on orphaned process groups and the loss of a controlling terminal
 */
import { CLD_DUMPED, CLD_EXITED, CLD_KILLED, SA_NOCLDWAIT, SIGCHLD, SIGCONT, SIGHUP } from '../abi/signal.js';
import { releasePath } from '../vfs/namei.js';
import { tellEnd, tellGone } from './events/pidfd.js';
import { wakeFutex } from './futex.js';
import { addUsage, type Process } from './process.js';
import { releaseRobustLocks } from './robust-list.js';
import { kernelSignal, sendToGroup, sendToProcess } from './signals/send.js';
import { LAST_SIGNAL, makeSignalInfo, SIG_IGN } from './signals/state.js';
import type { Task } from './task.js';

/** What letting go of an address space counts for, in instructions, and each of its pages. */
const EXIT_COST = 8_000;
const PAGE_COST = 30;

/** Ends one task. @param status wait(2) status word of the process if this was its last task */
export function exitTask(task: Task, status: number): void {
  const { kernel, process } = task;
  if (task.state === 'dead') return;
  task.wait.abandon();
  task.program?.ended();
  kernel.dispatch.tracer?.exit(task, status);
  task.traced = null;
  releaseMemory(task);
  task.files.unref(task);
  releaseFs(task);
  task.handlers.refs--;
  task.state = 'dead';
  task.pending.clear();
  kernel.scheduler.forget(task);
  process.threads.delete(task);
  kernel.debugger?.taskEnded(task);
  if (task === process.leader) tellEnd(task);
  else {
    kernel.processes.removeTask(task);
    tellGone(task);
  }
  if (process.threads.size === 0) exitProcess(process, process.groupExit ?? status);
}

/** Lets go of the address space (exit, execve) and releases a parent that waits in vfork. */
export function releaseMemory(task: Task): void {
  const { mm, kernel } = task;
  if (mm === null) return;
  releaseRobustLocks(task);
  if (task.clearChildTid !== 0 && mm.refs > 1) {
    mm.writeU32(task.clearChildTid, 0);
    wakeFutex(kernel, mm, task.clearChildTid, 1);
  }
  task.clearChildTid = 0;
  kernel.scheduler.charge(EXIT_COST + PAGE_COST * mm.rss);
  task.process.usage.maxRss = Math.max(task.process.usage.maxRss, mm.rss);
  kernel.scheduler.forget(task);
  if (mm.refs === 1) kernel.codeDump?.leaving(mm);
  task.mm = null;
  mm.unref();
  const { vforkHook } = task;
  task.vforkHook = null;
  if (vforkHook === null) return;
  vforkHook.emit('notify', 0);
  kernel.debugger?.releasedMemory(task);
}

function releaseFs(task: Task): void {
  const { fs } = task;
  if (--fs.refs > 0) return;
  for (const path of [fs.root, fs.cwd]) releasePath(path);
}

function exitProcess(process: Process, status: number): void {
  const { kernel } = process;
  const { processes } = kernel;
  kernel.debugger?.processEnded(process, status);
  process.isZombie = true;
  process.exitStatus = status;
  process.stopSignal = 0;
  process.stopReport = 0;
  process.continueReport = false;
  process.pending.clear();
  if (process.realTimer !== null) kernel.timers.cancel(process.realTimer);
  process.posixTimers?.dispose();
  if (process.isSessionLeader) leaveTerminal(process);
  process.tty = null;
  adoptChildren(process);
  const { parent } = process;
  if (parent !== null && parent !== kernel.init && parent.session === process.session && parent.pgid !== process.pgid) {
    hangUpOrphanedGroup(process, process.pgid, process);
  }
  processes.entomb(process);
  tellEnd(process.leader);
  notifyParent(process);
}

/** A session leader ends: its session loses the terminal, or learns now that the terminal is gone. */
function leaveTerminal(process: Process): void {
  const { kernel, session, tty } = process;
  if (tty !== null) {
    tty.sessionLeaderExited(session.sid);
  } else if (session.hungUpGroup !== 0) {
    sendToGroup(kernel, session.hungUpGroup, kernelSignal(SIGHUP));
    sendToGroup(kernel, session.hungUpGroup, kernelSignal(SIGCONT));
  }
}

/** Children go to the nearest subreaper, else to init. Their groups may become orphaned by that. */
function adoptChildren(process: Process): void {
  const { kernel } = process;
  let heir: Process = kernel.init;
  for (let p = process.parent; p !== null; p = p.parent) {
    if (p.subreaper && !p.isZombie) {
      heir = p;
      break;
    }
  }
  for (const child of [...process.children]) {
    process.children.delete(child);
    child.parent = heir;
    heir.children.add(child);
    for (const task of child.threads) {
      if (task.parentDeathSignal !== 0) sendToProcess(child, kernelSignal(task.parentDeathSignal));
    }
    if (child.session === process.session && child.pgid !== process.pgid) {
      hangUpOrphanedGroup(child, child.pgid, null);
    }
    if (child.isZombie) notifyParent(child);
  }
}

function hangUpOrphanedGroup(member: Process, pgid: number, leaving: Process | null): void {
  const { kernel, session } = member;
  const { processes } = kernel;
  if (!processes.isOrphanedGroup(pgid, session, leaving) || !processes.hasStoppedMember(pgid)) return;
  sendToGroup(kernel, pgid, kernelSignal(SIGHUP));
  sendToGroup(kernel, pgid, kernelSignal(SIGCONT));
}

function notifyParent(process: Process): void {
  const { kernel, parent } = process;
  if (parent === null || parent === kernel.init || process.isKernelThread) {
    const { onExit, exitStatus } = process;
    reap(process);
    onExit?.(exitStatus);
    return;
  }
  const { exitSignal } = process;
  const action = parent.leader.handlers.actions[SIGCHLD];
  const autoReap = exitSignal === SIGCHLD && (action.handler === SIG_IGN || (action.flags & SA_NOCLDWAIT) !== 0);
  // clone(2) takes any byte as exit signal; a number that is no signal is not sent.
  if (exitSignal > 0 && exitSignal <= LAST_SIGNAL && !(autoReap && action.handler === SIG_IGN)) {
    sendToProcess(parent, childInfo(process));
  }
  if (autoReap) reap(process);
  parent.childHook.emit('notify', 0);
}

/** siginfo of a child's end. */
export function childInfo(process: Process) {
  const { exitStatus, pid, usage } = process;
  const signal = exitStatus & 0x7f;
  const code = signal === 0 ? CLD_EXITED : (exitStatus & 0x80) !== 0 ? CLD_DUMPED : CLD_KILLED;
  return makeSignalInfo(process.exitSignal, code, {
    pid,
    uid: process.leader.cred.uid,
    status: signal === 0 ? exitStatus >> 8 : signal,
    utime: usage.utime,
    stime: usage.stime,
  });
}

/** Takes a zombie out of the tables; its times go to the parent. */
export function reap(process: Process): void {
  const { kernel, parent } = process;
  if (parent !== null) {
    addUsage(parent.childUsage, process.usage);
    addUsage(parent.childUsage, process.childUsage);
    parent.children.delete(process);
  }
  process.parent = null;
  kernel.processes.remove(process);
  tellGone(process.leader);
  kernel.processReaped();
}
