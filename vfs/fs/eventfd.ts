/**
 * eventfd: a counter of 64 bits that can be waited for. Writing adds, reading takes all, or one of a semaphore.
 * @source eventfd(2), Linux fs/eventfd.c
 */
import { EAGAIN, EFAULT, EINVAL, type Err, fail } from '../../abi/errno.js';
import { EFD_SEMAPHORE } from '../../abi/event-files.js';
import { O_NONBLOCK, O_RDWR } from '../../abi/fcntl.js';
import { POLLIN, POLLOUT } from '../../abi/poll.js';
import type { Caller } from '../caller.js';
import type { VfsEnv } from '../filesystem.js';
import type { PollMask } from '../inode.js';
import type { IoIter } from '../iter.js';
import { AnonymousFile, AnonymousInode } from './anon-inode.js';

const SIZE = 8;
const WORD = 2 ** 32;
const FULL = WORD - 1;
const bytes = new Uint8Array(SIZE);
const view = new DataView(bytes.buffer);

class EventFdInode extends AnonymousInode {
  readonly isSemaphore: boolean;
  readonly id: number;
  /** The count, as two unsigned words; at most 2^64 - 2. */
  low: number;
  high = 0;

  constructor(env: VfsEnv, caller: Caller, id: number, count: number, isSemaphore: boolean) {
    super(env, 'eventfd', caller);
    this.low = count;
    this.isSemaphore = isSemaphore;
    this.id = id;
  }

  override poll(): PollMask {
    const readable = this.low > 0 || this.high > 0 ? POLLIN : 0;
    return this.high === FULL && this.low === FULL - 1 ? readable : readable | POLLOUT;
  }

  /** Puts into `bytes` what a read takes. The count is not 0. */
  take(): void {
    view.setUint32(0, this.isSemaphore ? 1 : this.low, true);
    view.setUint32(4, this.isSemaphore ? 0 : this.high, true);
    if (!this.isSemaphore) {
      this.low = 0;
      this.high = 0;
    } else if (this.low > 0) this.low--;
    else {
      this.low = FULL;
      this.high--;
    }
  }

  /** Adds what is in `bytes`. @returns whether it fits */
  add(): boolean {
    const low = this.low + view.getUint32(0, true);
    const high = this.high + view.getUint32(4, true) + (low > FULL ? 1 : 0);
    const lowWord = low % WORD;
    if (high > FULL || (high === FULL && lowWord === FULL)) return false;
    this.low = lowWord;
    this.high = high;
    return true;
  }
}

class EventFd extends AnonymousFile {
  declare readonly inode: EventFdInode;

  override read(to: IoIter, _position: number, _caller: Caller): number | Err {
    const { inode } = this;
    if (to.remaining < SIZE) return fail(EINVAL);
    if (inode.low === 0 && inode.high === 0) return fail(EAGAIN);
    inode.take();
    // Taken is taken, even if the reader's memory cannot take it: so it is on Linux.
    const put = to.put(bytes, 0, SIZE);
    inode.notify(POLLOUT);
    return put === SIZE ? SIZE : fail(EFAULT);
  }

  override write(from: IoIter, _position: number, _caller: Caller): number | Err {
    const { inode } = this;
    if (from.remaining !== SIZE) return fail(EINVAL);
    const taken = from.take(bytes, 0, SIZE);
    if (taken !== SIZE) return fail(EFAULT);
    if (view.getUint32(0, true) === FULL && view.getUint32(4, true) === FULL) return fail(EINVAL);
    if (!inode.add()) {
      from.rewind(SIZE);
      return fail(EAGAIN);
    }
    inode.notify(POLLIN);
    return SIZE;
  }

  override get info(): string {
    const { inode } = this;
    const count = ((BigInt(inode.high) << 32n) | BigInt(inode.low)).toString(16).padStart(16);
    return `eventfd-count: ${count}\neventfd-id: ${inode.id}\neventfd-semaphore: ${inode.isSemaphore ? 1 : 0}\n`;
  }
}

const lastIds = new WeakMap<VfsEnv, number>();

/** @param count unsigned 32 bits @param flags EFD_*, checked */
export function createEventFd(env: VfsEnv, caller: Caller, count: number, flags: number): AnonymousFile {
  const id = (lastIds.get(env) ?? -1) + 1;
  lastIds.set(env, id);
  const inode = new EventFdInode(env, caller, id, count, (flags & EFD_SEMAPHORE) !== 0);
  return new EventFd(inode, O_RDWR | (flags & O_NONBLOCK));
}
