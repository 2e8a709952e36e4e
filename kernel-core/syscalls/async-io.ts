/**
 * Signal-driven input and output: who is told by signal that a description with O_ASYNC has become ready.
 * The listener hangs on the inode's hook like any other waiter and goes at the first event after the description is gone.
 * @source fcntl(2) F_SETOWN, F_SETSIG, O_ASYNC; Linux fs/fcntl.c
 */
import { ENOTTY, type Err, fail } from '../../abi/errno.js';
import { F_OWNER_PGRP, F_OWNER_PID, F_OWNER_TID, O_ASYNC } from '../../abi/fcntl.js';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI } from '../../abi/poll.js';
import { SI_KERNEL, SIGIO, SIGURG } from '../../abi/signal.js';
import { S_IFCHR, S_IFIFO, S_IFMT, S_IFSOCK } from '../../abi/stat.js';
import type { OpenFile } from '../../vfs/file.js';
import type { PollMask } from '../../vfs/inode.js';
import type { Kernel } from '../kernel.js';
import { sendToProcess, sendToTask } from '../signals/send.js';
import { makeSignalInfo, type SignalInfo } from '../signals/state.js';
import type { Task } from '../task.js';

export interface AsyncOwner {
  /** F_OWNER_TID, F_OWNER_PID or F_OWNER_PGRP. */
  type: number;
  /** 0: nobody. */
  id: number;
  /** Identity of who set the owner: it must be allowed to signal it. */
  uid: number;
  euid: number;
  /** F_SETSIG; 0: SIGIO without details. */
  signal: number;
}

const owners = new WeakMap<OpenFile, AsyncOwner>();
const listeners = new WeakMap<OpenFile, (mask: PollMask) => void>();

/** The owner record of a description, made on first use. */
export function asyncOwner(file: OpenFile): AsyncOwner {
  let owner = owners.get(file);
  if (owner === undefined) {
    owner = { type: F_OWNER_PID, id: 0, uid: 0, euid: 0, signal: 0 };
    owners.set(file, owner);
  }
  return owner;
}

/** Kinds of files that tell by signal: pipes, sockets, terminals, devices that are streams or have a driver. */
function canTell(file: OpenFile): boolean {
  const type = file.inode.mode & S_IFMT;
  return type === S_IFIFO || type === S_IFSOCK || (type === S_IFCHR && (!file.seekable || file.waitsByItself));
}

/** Switches O_ASYNC. @returns 0; -ENOTTY when this kind of file cannot (fcntl then leaves the flag off in silence) */
export function setAsync(task: Task, file: OpenFile, on: boolean): number | Err {
  if (!canTell(file)) return fail(ENOTTY);
  const { hook } = file.inode;
  const old = listeners.get(file);
  if (old !== undefined) hook.off('notify', old);
  listeners.delete(file);
  file.flags &= ~O_ASYNC;
  if (!on) return 0;
  const { kernel } = task;
  const listener = (mask: PollMask): void => {
    if (file.refs > 0) tell(kernel, file, mask);
    else hook.off('notify', listener);
  };
  listeners.set(file, listener);
  hook.on('notify', listener);
  file.flags |= O_ASYNC;
  return 0;
}

/** si_code by event, as POLL_IN = 1, POLL_OUT = 2, POLL_ERR = 4, POLL_PRI = 5, POLL_HUP = 6. */
function codeOf(mask: PollMask): number {
  if (mask & POLLHUP) return 6;
  if (mask & POLLERR) return 4;
  if (mask & POLLPRI) return 5;
  return mask & POLLIN ? 1 : 2;
}

function tell(kernel: Kernel, file: OpenFile, mask: PollMask): void {
  if ((mask & (POLLIN | POLLOUT | POLLPRI | POLLERR | POLLHUP)) === 0) return;
  const owner = asyncOwner(file);
  if (owner.id === 0) return;
  const detailed = owner.signal !== 0;
  const info = makeSignalInfo(detailed ? owner.signal : SIGIO, detailed ? codeOf(mask) : SI_KERNEL);
  sendToOwner(kernel, owner, info);
}

/** Urgent data has come: SIGURG for the owner, O_ASYNC or not. @source Linux send_sigurg */
export function tellUrgent(kernel: Kernel, file: OpenFile): void {
  const owner = asyncOwner(file);
  if (owner.id !== 0) sendToOwner(kernel, owner, makeSignalInfo(SIGURG, SI_KERNEL));
}

/** @source Linux sigio_perm */
function maySignal(owner: AsyncOwner, target: Task): boolean {
  const { cred } = target;
  const { uid, euid } = owner;
  return euid === 0 || euid === cred.suid || euid === cred.uid || uid === cred.suid || uid === cred.uid;
}

function sendToOwner(kernel: Kernel, owner: AsyncOwner, info: SignalInfo): void {
  const { processes } = kernel;
  if (owner.type === F_OWNER_TID) {
    const task = processes.task(owner.id);
    if (task !== null && maySignal(owner, task)) sendToTask(task, info);
    return;
  }
  const one = processes.get(owner.id);
  const targets = owner.type === F_OWNER_PGRP ? processes.inGroup(owner.id) : one === null ? [] : [one];
  for (const process of targets) {
    if (!process.isZombie && maySignal(owner, process.leader)) sendToProcess(process, { ...info });
  }
}
