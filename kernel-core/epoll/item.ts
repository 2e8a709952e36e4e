/**
 * An interest: what one epoll set wants to know of one open file description, under one descriptor's number.
 *
 * It hangs in four places, in each by links of its own so that nothing is searched: the set's table by descriptor, the
 * watch on the inode, the set's ready list, and the observers of the description, which end it when the last descriptor
 * of the description is closed (a registration outlives the descriptor that it was made with as long as a duplicate lives).
 */
import { EPOLLET, EPOLLEXCLUSIVE, EPOLLIN, EPOLLONESHOT, EPOLLOUT, EPOLLWAKEUP } from '../../abi/eventpoll.js';
import type { FileObserver, OpenFile } from '../../vfs/file.js';
import type { PollMask } from '../../vfs/inode.js';
import type { Hook } from '../wait.js';
import type { EpollSet } from './set.js';
import type { InodeWatch } from './watch.js';

/** Bits of `events` that say how to report, not what. An interest with no others is switched off. */
export const PRIVATE_BITS = EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE;
const DIRECTIONS = EPOLLIN | EPOLLOUT;

export class EpollItem implements FileObserver {
  readonly set: EpollSet;
  readonly file: OpenFile;
  readonly fd: number;
  /** EPOLL* bits, as a signed 32-bit number. */
  events: number;
  /** epoll_data, lower and upper half. */
  dataLow: number;
  dataHigh: number;
  /** The next interest of the set under the same number: of a description that lost this descriptor but lives on. */
  sameFd: EpollItem | null = null;
  /** Null while it is not attached, and for exclusive interests, which share one hook with those of other sets. */
  watch: InodeWatch | null = null;
  /** Of an exclusive interest. */
  exclusiveHook: Hook | null = null;
  previousInWatch: EpollItem | null = null;
  nextInWatch: EpollItem | null = null;
  isReady = false;
  previousReady: EpollItem | null = null;
  nextReady: EpollItem | null = null;

  constructor(set: EpollSet, file: OpenFile, fd: number, events: number, dataLow: number, dataHigh: number) {
    this.set = set;
    this.file = file;
    this.fd = fd;
    this.events = events;
    this.dataLow = dataLow;
    this.dataHigh = dataHigh;
  }

  get isExclusive(): boolean {
    return (this.events & EPOLLEXCLUSIVE) !== 0;
  }

  /** What is ready of what it wants. */
  poll(): PollMask {
    return this.file.poll() & this.events;
  }

  /**
   * The inode told of `mask` (0: anything).
   * @returns whether that is enough for exclusive interests: somebody who waits on the set has been woken for it
   */
  notified(mask: PollMask): boolean {
    const { events } = this;
    if ((events & ~PRIVATE_BITS) === 0) return false;
    if (mask !== 0 && (this.file.heard(mask) & events) === 0) return false;
    if (!this.set.markReady(this)) return false;
    const direction = mask & DIRECTIONS;
    return direction === 0 || ((direction === EPOLLIN || direction === EPOLLOUT) && (events & direction) !== 0);
  }

  fileReleased(): void {
    this.set.remove(this);
  }
}
