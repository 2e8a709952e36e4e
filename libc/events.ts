/** Descriptors that stand for events: epoll sets, eventfd, timerfd, signalfd, pidfd, inotify. */
import { EPOLL_EVENT_SIZE } from '../abi/eventpoll.js';
import { decodeTimespec, encodeTimespecs, type Timespec } from './attributes.js';
import { type Argument, InOut, Out, out, type PathLike, shown, wholeNumber, zeroTerminated } from './calls.js';
import { encodeSet } from './sigset.js';
import { Terminals } from './terminals.js';

/** struct epoll_event. */
export interface EpollEvent {
  /** EPOLL* bits. */
  events: number;
  /** What the set gives back: up to 2^53. */
  data: number;
}

/** struct itimerspec. */
export interface TimerSpec {
  it_interval: Timespec;
  it_value: Timespec;
}

const ITIMERSPEC_SIZE = 32;
const WORD = 8;

export abstract class Events extends Terminals {
  /** @param flags EPOLL_CLOEXEC @returns an epoll set */
  epoll_create1(flags = 0): number {
    return this.now('epoll_create1', [flags]);
  }

  /** @param operation EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL (which needs no event) */
  epoll_ctl(epfd: number, operation: number, fd: number, event: EpollEvent | null = null): void {
    let argument: Argument = 0;
    if (event !== null) {
      argument = new Uint8Array(EPOLL_EVENT_SIZE);
      const view = new DataView(argument.buffer);
      view.setUint32(0, wholeNumber(event.events, 'events') >>> 0, true);
      view.setBigInt64(4, BigInt(wholeNumber(event.data, 'data')), true);
    }
    this.now('epoll_ctl', [epfd, operation, fd, argument]);
  }

  /** @param timeout milliseconds; -1: for ever @returns what is ready, at most `maxevents`; nothing when the time is over */
  epoll_wait(epfd: number, maxevents: number, timeout: number): Promise<EpollEvent[]> {
    return this.epoll_pwait(epfd, maxevents, timeout, null);
  }

  /** @param mask signals blocked while waiting; null: as they are */
  async epoll_pwait(
    epfd: number,
    maxevents: number,
    timeout: number,
    mask: readonly number[] | null,
  ): Promise<EpollEvent[]> {
    // However many are allowed, so many are fetched at once: the next call has the others.
    const asked = Math.min(wholeNumber(maxevents, 'maxevents'), MOST_EVENTS);
    const events = new InOut(new Uint8Array(Math.max(asked, 0) * EPOLL_EVENT_SIZE));
    const set = mask === null ? 0 : encodeSet(mask);
    const count = await this.blocking('epoll_pwait', [epfd, events, asked, timeout, set, WORD]);
    const { view } = events;
    return Array.from({ length: count }, (_, i) => ({
      events: view.getUint32(i * EPOLL_EVENT_SIZE, true),
      data: Number(view.getBigInt64(i * EPOLL_EVENT_SIZE + 4, true)),
    }));
  }

  /** @param flags EFD_SEMAPHORE, EFD_NONBLOCK, EFD_CLOEXEC */
  eventfd(initial: number, flags = 0): number {
    return this.now('eventfd2', [initial, flags]);
  }

  /** Waits until the counter is above 0. @returns what it was, or 1 of a semaphore */
  async eventfd_read(fd: number): Promise<bigint> {
    const value = new Out(new Uint8Array(WORD));
    await this.blocking('read', [fd, value, WORD]);
    return value.view.getBigUint64(0, true);
  }

  async eventfd_write(fd: number, value: number | bigint): Promise<void> {
    const word = typeof value === 'bigint' ? value : BigInt(wholeNumber(value, 'value'));
    await this.blocking('write', [fd, new Uint8Array(BigUint64Array.of(word).buffer), WORD]);
  }

  /** @param flags TFD_NONBLOCK, TFD_CLOEXEC. A read gives the number of times it went off, 8 bytes: `eventfd_read` will do */
  timerfd_create(clock: number, flags = 0): number {
    return this.now('timerfd_create', [clock, flags]);
  }

  /** @param flags TFD_TIMER_ABSTIME @returns the setting before */
  timerfd_settime(fd: number, flags: number, { it_interval, it_value }: TimerSpec): TimerSpec {
    const old = out(ITIMERSPEC_SIZE);
    this.now('timerfd_settime', [fd, flags, encodeTimespecs([it_interval, it_value]), old]);
    return decodeTimer(old.view);
  }

  timerfd_gettime(fd: number): TimerSpec {
    const timer = out(ITIMERSPEC_SIZE);
    this.now('timerfd_gettime', [fd, timer]);
    return decodeTimer(timer.view);
  }

  /** @param fd -1: a new one @param mask signals that reads give; blocked by the caller */
  signalfd(fd: number, mask: readonly number[], flags = 0): number {
    return this.now('signalfd4', [fd, encodeSet(mask), WORD, flags]);
  }

  pidfd_open(pid: number, flags = 0): number {
    return this.now('pidfd_open', [pid, flags]);
  }

  /** @param flags IN_NONBLOCK, IN_CLOEXEC */
  inotify_init1(flags = 0): number {
    return this.now('inotify_init1', [flags]);
  }

  /** @param mask IN_* @returns the watch descriptor */
  inotify_add_watch(fd: number, path: PathLike, mask: number): number {
    return this.now('inotify_add_watch', [fd, zeroTerminated(path, 'path'), mask], shown(path));
  }

  inotify_rm_watch(fd: number, watch: number): void {
    this.now('inotify_rm_watch', [fd, watch]);
  }
}

const MOST_EVENTS = 4096;

const decodeTimer = (view: DataView): TimerSpec => ({
  it_interval: decodeTimespec(view, 0),
  it_value: decodeTimespec(view, 16),
});
