/**
 * POSIX timers of a process: each expiry sends a signal. While that signal has not been taken, an interval timer stands
 * still; what it missed until then is its overrun, and it goes on from there, so that no interval, however short, makes
 * the kernel busy. @source timer_create(2), timer_getoverrun(2); Linux kernel/time/posix-timers.c
 */
import { EAGAIN, type Err, fail } from '../abi/errno.js';
import { RLIMIT_SIGPENDING } from '../abi/resource.js';
import { SI_TIMER } from '../abi/signal.js';
import type { Process } from './process.js';
import { sendToProcess, sendToTask } from './signals/send.js';
import { makeSignalInfo, type SignalInfo, type SignalSource } from './signals/state.js';
import type { Task } from './task.js';
import { expiriesUntil, type NewSetting, Timer, type TimerSetting } from './timers.js';

/** Nanoseconds before a timer whose signal nobody wants looks again. */
const IGNORED_PAUSE = 1_000_000;
/** What timer_getoverrun can tell. @source POSIX DELAYTIMER_MAX */
const MAX_OVERRUN = 0x7fffffff;

/** struct sigevent, checked. */
export interface TimerEvent {
  /** 0: no signal. */
  signo: number;
  /** sigev_value; null: the number of the timer. */
  value: { lo: number; hi: number } | null;
  /** Who gets the signal; null: the process. */
  target: Task | null;
}

export class PosixTimer implements SignalSource {
  readonly id: number;
  readonly clock: number;
  /** Expiries that the signal taken last stood for, beyond the first. */
  overrun = 0;
  readonly #process: Process;
  readonly #event: TimerEvent;
  readonly #timer: Timer;
  #interval = 0;
  #isRunning = false;
  /** Expiries whose signal nobody wanted: part of the next overrun. */
  #unnoticed = 0;
  /** The signal of the last expiry has not been taken. */
  #queued: SignalInfo | null = null;

  constructor(process: Process, id: number, clock: number, event: TimerEvent) {
    this.#process = process;
    this.id = id;
    this.clock = clock;
    this.#event = event;
    this.#timer = new Timer(() => this.#expire());
  }

  set({ interval, deadline }: NewSetting): void {
    const { timers, scheduler, host } = this.#process.kernel;
    this.stop();
    this.overrun = 0;
    if (deadline === null) return;
    this.#interval = interval;
    this.#isRunning = true;
    this.#timer.deadline = deadline;
    // Without a signal nothing happens when it expires.
    if (this.#event.signo === 0) return;
    timers.arm(this.#timer, deadline);
    if (deadline > host.monotonic()) scheduler.timersChanged();
    else timers.expireNow(this.#timer);
  }

  get setting(): TimerSetting {
    const interval = this.#interval;
    const left = this.#timer.deadline - this.#process.kernel.host.monotonic();
    // As on Linux, one without a signal goes on telling the time that it was set to when it has been stopped.
    if (!this.#isRunning && this.#event.signo !== 0) return { interval, value: 0 };
    if (left > 0) return { interval, value: left };
    if (interval > 0 && !this.#timer.armed)
      return { interval, value: left + expiriesUntil(0, left, interval) * interval };
    // A timer that is due and has not fired yet has not expired.
    return { interval, value: this.#timer.armed ? 1 : 0 };
  }

  stop(): void {
    this.#queued?.queue?.withdraw(this.#queued);
    this.#queued = null;
    this.#unnoticed = 0;
    this.#interval = 0;
    this.#isRunning = false;
    this.#process.kernel.timers.cancel(this.#timer);
  }

  /** The signal is being taken: the timer goes on. */
  taken(info: SignalInfo): void {
    this.overrun = Math.min(this.#unnoticed + this.#goOn(), MAX_OVERRUN);
    this.#unnoticed = 0;
    info.overrun = this.overrun;
  }

  dropped(): void {
    this.#unnoticed += 1 + this.#goOn();
  }

  /** @returns how many expiries were missed since the last */
  #goOn(): number {
    this.#queued = null;
    if (this.#interval === 0) {
      this.#isRunning = false;
      return 0;
    }
    const { kernel } = this.#process;
    const { deadline } = this.#timer;
    const passed = expiriesUntil(kernel.host.monotonic(), deadline, this.#interval);
    kernel.timers.arm(this.#timer, deadline + passed * this.#interval);
    kernel.scheduler.timersChanged();
    return passed - 1;
  }

  #expire(): void {
    const { kernel } = this.#process;
    const { signo, value, target } = this.#event;
    const info = makeSignalInfo(signo, SI_TIMER, {
      timerId: this.id,
      valueLo: value === null ? this.id : value.lo,
      valueHi: value === null ? 0 : value.hi,
      source: this,
    });
    this.#queued = info;
    if (target === null) sendToProcess(this.#process, info);
    else sendToTask(target, info);
    if (info.queue !== null) return;
    // Nobody wants it: nothing will tell when it has been taken.
    this.dropped();
    const soonest = kernel.host.monotonic() + IGNORED_PAUSE;
    if (this.#timer.armed && this.#timer.deadline < soonest) kernel.timers.arm(this.#timer, soonest);
  }
}

/** The timers of one process; made with the first. Neither fork nor exec hands them on. */
export class PosixTimers {
  readonly #process: Process;
  readonly #timers = new Map<number, PosixTimer>();
  #next = 0;

  constructor(process: Process) {
    this.#process = process;
  }

  /** A number for a new timer; it is used up even if there will be none. @returns -EAGAIN when the process has as many as it may */
  reserve(): number | Err {
    if (this.#timers.size >= this.#process.limit(RLIMIT_SIGPENDING)) return fail(EAGAIN);
    while (this.#timers.has(this.#next)) this.#advance();
    const id = this.#next;
    this.#advance();
    return id;
  }

  create(id: number, clock: number, event: TimerEvent): PosixTimer {
    const timer = new PosixTimer(this.#process, id, clock, event);
    this.#timers.set(id, timer);
    return timer;
  }

  get(id: number): PosixTimer | undefined {
    return this.#timers.get(id);
  }

  delete(timer: PosixTimer): void {
    timer.stop();
    this.#timers.delete(timer.id);
  }

  dispose(): void {
    for (const timer of this.#timers.values()) timer.stop();
    this.#timers.clear();
  }

  #advance(): void {
    this.#next = (this.#next + 1) & 0x7fffffff;
  }
}
