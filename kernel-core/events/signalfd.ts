/**
 * signalfd: signals of whoever reads, as records. What is ready depends on who asks: its own pending signals and those
 * of its process. Waiters hang on the hook of the asking task's signal handlers, which is told of every signal sent to
 * the tasks that share them. @source signalfd(2), Linux fs/signalfd.c
 */

import { EAGAIN, EFAULT, EINVAL, type Err, fail } from '../../abi/errno.js';
import { SIGNALFD_SIGINFO_SIZE } from '../../abi/event-files.js';
import { O_NONBLOCK, O_RDWR } from '../../abi/fcntl.js';
import { POLLIN } from '../../abi/poll.js';
import { SI_TIMER, SIGBUS, SIGCHLD, SIGFPE, SIGILL, SIGSEGV, SIGTRAP } from '../../abi/signal.js';
import type { Caller } from '../../vfs/caller.js';
import { AnonymousFile, AnonymousInode } from '../../vfs/fs/anon-inode.js';
import type { PollMask } from '../../vfs/inode.js';
import type { IoIter } from '../../vfs/iter.js';
import type { UserNamespace } from '../../vfs/user-namespace.js';
import { takeWanted } from '../signals/deliver.js';
import { SigSet } from '../signals/sigset.js';
import type { SignalInfo } from '../signals/state.js';
import type { Task } from '../task.js';
import type { Hook } from '../wait.js';

const FAULTS = [SIGILL, SIGFPE, SIGSEGV, SIGBUS, SIGTRAP];
/** Nanoseconds of a clock tick, as utime and stime count. */
const TICK = 10_000_000;
const bytes = new Uint8Array(SIGNALFD_SIGINFO_SIZE);
const view = new DataView(bytes.buffer);

class SignalFdInode extends AnonymousInode {
  /** Signals it takes. */
  readonly mask = new SigSet();
  readonly #owner: Task;

  constructor(owner: Task) {
    super(owner.kernel.vfsEnv, 'signalfd', owner);
    this.#owner = owner;
  }

  /** Who asks: the task that the kernel works for. */
  get asker(): Task {
    return this.#owner.kernel.caller ?? this.#owner;
  }

  override get hook(): Hook {
    return this.asker.handlers.arrivals;
  }

  override poll(): PollMask {
    const { mask, asker } = this;
    const { set: own } = asker.pending;
    const { set: shared } = asker.process.pending;
    return (mask.lo & (own.lo | shared.lo)) !== 0 || (mask.hi & (own.hi | shared.hi)) !== 0 ? POLLIN : 0;
  }
}

export class SignalFd extends AnonymousFile {
  declare readonly inode: SignalFdInode;

  constructor(owner: Task, mask: SigSet, flags: number) {
    super(new SignalFdInode(owner), O_RDWR | (flags & O_NONBLOCK));
    this.#take(mask);
  }

  /** Changes what it takes, and lets those look again who wait. */
  setMask(mask: SigSet): void {
    this.#take(mask);
    this.inode.hook.emit('notify', 0);
  }

  override read(to: IoIter, _position: number, caller: Caller): number | Err {
    const { mask, asker } = this.inode;
    if (to.remaining < SIGNALFD_SIGINFO_SIZE) return fail(EINVAL);
    let done = 0;
    while (to.remaining >= SIGNALFD_SIGINFO_SIZE) {
      const info = takeWanted(asker, mask);
      if (info === null) break;
      encode(info, caller.cred.userNamespace);
      if (to.put(bytes, 0, SIGNALFD_SIGINFO_SIZE) !== SIGNALFD_SIGINFO_SIZE) return done > 0 ? done : fail(EFAULT);
      done += SIGNALFD_SIGINFO_SIZE;
    }
    return done > 0 ? done : fail(EAGAIN);
  }

  #take(mask: SigSet): void {
    this.inode.mask.copy(mask);
    this.inode.mask.clearUnblockable();
  }

  override get info(): string {
    const { lo, hi } = this.inode.mask;
    const word = (value: number): string => (value >>> 0).toString(16).padStart(8, '0');
    return `sigmask:\t${word(hi)}${word(lo)}\n`;
  }
}

/** struct signalfd_siginfo into `bytes`. @source uapi/linux/signalfd.h */
function encode(info: SignalInfo, reader: UserNamespace): void {
  bytes.fill(0);
  view.setUint32(0, info.signo, true);
  view.setInt32(4, info.errno, true);
  view.setInt32(8, info.code, true);
  if (info.code > 0 && FAULTS.includes(info.signo)) {
    view.setBigUint64(72, BigInt.asUintN(64, BigInt(Math.trunc(info.address))), true);
    return;
  }
  if (info.code === SI_TIMER) {
    view.setUint32(24, info.timerId, true);
    view.setUint32(32, info.overrun, true);
  } else {
    view.setUint32(12, info.pid, true);
    view.setUint32(16, reader.users.shown(info.uid), true);
  }
  if (info.code > 0 && info.signo === SIGCHLD) {
    view.setInt32(40, info.status, true);
    view.setUint32(56, Math.floor(info.utime / TICK), true);
    view.setUint32(64, Math.floor(info.stime / TICK), true);
  } else if (info.code < 0) {
    view.setInt32(44, info.valueLo, true);
    view.setInt32(48, info.valueLo, true);
    view.setInt32(52, info.valueHi, true);
  }
}
