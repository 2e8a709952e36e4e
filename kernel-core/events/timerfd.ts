/**
 * timerfd: a timer that can be read and waited for. As on Linux an interval timer that expired stands still until
 * somebody reads it or asks for its time; what it missed is counted then. @source timerfd_create(2), Linux fs/timerfd.c
 */
import { EAGAIN, EFAULT, EINVAL, type Err, fail } from '../../abi/errno.js';
import { O_NONBLOCK, O_RDWR } from '../../abi/fcntl.js';
import { POLLIN } from '../../abi/poll.js';
import { TFD_IOC_SET_TICKS } from '../../abi/time.js';
import type { Caller } from '../../vfs/caller.js';
import type { UserMemory } from '../../vfs/file.js';
import { AnonymousFile, AnonymousInode } from '../../vfs/fs/anon-inode.js';
import type { PollMask } from '../../vfs/inode.js';
import type { IoIter } from '../../vfs/iter.js';
import type { Kernel } from '../kernel.js';
import { expiriesUntil, type NewSetting, Timer, type TimerSetting } from '../timers.js';

const SIZE = 8;
const NANOSECONDS = 1_000_000_000;
const bytes = new Uint8Array(SIZE);
const view = new DataView(bytes.buffer);

class TimerFdInode extends AnonymousInode {
  readonly kernel: Kernel;
  readonly clock: number;
  readonly #timer: Timer;
  #interval = 0;
  /** Expired and not looked at: an interval timer goes on when it is. */
  #expired = false;
  /** Expirations not yet read. */
  ticks = 0;
  /** TFD_* of the last setting. */
  flags = 0;

  constructor(kernel: Kernel, caller: Caller, clock: number) {
    super(kernel.vfsEnv, 'timerfd', caller);
    this.kernel = kernel;
    this.clock = clock;
    this.#timer = new Timer(() => this.#expire());
  }

  override poll(): PollMask {
    return this.ticks > 0 ? POLLIN : 0;
  }

  set({ interval, deadline }: NewSetting, flags: number): void {
    const { timers, scheduler, host } = this.kernel;
    timers.cancel(this.#timer);
    this.#expired = false;
    this.ticks = 0;
    this.#interval = interval;
    this.flags = flags;
    if (deadline === null) return;
    timers.arm(this.#timer, deadline);
    if (deadline > host.monotonic()) scheduler.timersChanged();
    else timers.expireNow(this.#timer);
  }

  /** What it is set to, without a change: a stopped interval timer stays so. */
  get setting(): TimerSetting {
    const { host } = this.kernel;
    const { deadline } = this.#timer;
    let left = 0;
    if (this.#timer.armed) left = deadline - host.monotonic();
    else if (this.#expired && this.#interval > 0) left = deadline + this.#missed() * this.#interval - host.monotonic();
    return { interval: this.#interval, value: Math.max(0, left) };
  }

  /** Lets an interval timer that expired go on, counting what it missed. */
  proceed(): void {
    if (!this.#expired) return;
    this.#expired = false;
    if (this.#interval === 0) return;
    const missed = this.#missed();
    this.ticks += missed - 1;
    this.kernel.timers.arm(this.#timer, this.#timer.deadline + missed * this.#interval);
    this.kernel.scheduler.timersChanged();
  }

  stop(): void {
    this.kernel.timers.cancel(this.#timer);
  }

  #missed(): number {
    return expiriesUntil(this.kernel.host.monotonic(), this.#timer.deadline, this.#interval);
  }

  #expire(): void {
    this.#expired = true;
    this.ticks++;
    this.notify(POLLIN);
  }
}

export class TimerFd extends AnonymousFile {
  declare readonly inode: TimerFdInode;

  constructor(kernel: Kernel, caller: Caller, clock: number, flags: number) {
    super(new TimerFdInode(kernel, caller, clock), O_RDWR | (flags & O_NONBLOCK));
  }

  override read(to: IoIter, _position: number, _caller: Caller): number | Err {
    const { inode } = this;
    if (to.remaining < SIZE) return fail(EINVAL);
    if (inode.ticks === 0) return fail(EAGAIN);
    inode.proceed();
    view.setBigUint64(0, BigInt(inode.ticks), true);
    inode.ticks = 0;
    return to.put(bytes, 0, SIZE) === SIZE ? SIZE : fail(EFAULT);
  }

  /** TFD_IOC_SET_TICKS: as if it had expired so often. */
  override ioctl(request: number, argument: number, user: UserMemory, caller: Caller): number | Err {
    if (request !== TFD_IOC_SET_TICKS) return super.ioctl(request, argument, user, caller);
    if (user.read(argument, bytes) !== 0) return fail(EFAULT);
    const ticks = Number(view.getBigUint64(0, true));
    if (ticks === 0) return fail(EINVAL);
    this.inode.ticks = ticks;
    this.inode.notify(POLLIN);
    return 0;
  }

  override get info(): string {
    const { clock, ticks, flags, setting } = this.inode;
    const pair = (time: number): string => `(${Math.floor(time / NANOSECONDS)}, ${Math.floor(time % NANOSECONDS)})`;
    return (
      `clockid: ${clock}\nticks: ${ticks}\nsettime flags: 0${flags.toString(8)}\n` +
      `it_value: ${pair(setting.value)}\nit_interval: ${pair(setting.interval)}\n`
    );
  }

  protected override release(): void {
    this.inode.stop();
    super.release();
  }
}
