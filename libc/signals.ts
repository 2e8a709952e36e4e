/**
 * Signals. A handler is a function, which may be asynchronous: the call that the signal interrupted goes on, or fails
 * with EINTR, when its promise has settled. A set of signals is a list of numbers.
 */

import { SA_RESTART, SA_RESTORER, SIG_DFL, SIG_IGN } from '../abi/signal.js';
import { ITIMER_REAL } from '../abi/time.js';
import type { SignalInfo } from '../kernel-core/index.js';
import { encodeTimespecs, type Timespec, word64 } from './attributes.js';
import { out, wholeNumber } from './calls.js';
import { Processes } from './processes.js';
import { decodeSet, encodeSet } from './sigset.js';

/** @param info who sent it and why, as siginfo_t */
export type SignalHandler = (signal: number, info: SignalInfo) => unknown;

export interface SignalAction {
  /** A function, SIG_DFL or SIG_IGN. */
  handler: SignalHandler | typeof SIG_DFL | typeof SIG_IGN;
  /** SA_* */
  flags?: number;
  /** Signals that wait while the handler runs. */
  mask?: readonly number[];
}

/** What sigtimedwait took. */
export interface ReceivedSignal {
  si_signo: number;
  si_code: number;
  si_pid: number;
  si_uid: number;
}

export interface IntervalTimer {
  /** Seconds until the next signal; 0: none. */
  value: number;
  /** Seconds between signals; 0: one only. */
  interval: number;
}

const SIGACTION_SIZE = 32;
const SIGSET_SIZE = 8;
const SIGINFO_SIZE = 128;

export abstract class Signals extends Processes {
  /** @returns what was in force before; `action` null only asks */
  sigaction(signal: number, action: SignalAction | null = null): Required<SignalAction> {
    const old = out(SIGACTION_SIZE);
    this.now('rt_sigaction', [signal, action === null ? 0 : this.#encode(action), old, SIGSET_SIZE]);
    const { view } = old;
    const address = word64(view, 0);
    return {
      handler: this.system.handlerAt(address) ?? (address === SIG_IGN ? SIG_IGN : SIG_DFL),
      flags: view.getUint32(8, true) & ~SA_RESTORER,
      mask: decodeSet(view, 24),
    };
  }

  /** As BSD and glibc have it: interrupted calls start again. @returns the handler before */
  signal(signal: number, handler: SignalAction['handler']): SignalAction['handler'] {
    return this.sigaction(signal, { handler, flags: SA_RESTART }).handler;
  }

  /**
   * A signal that this lets in is delivered when the program next waits: its handler, a function, cannot run before.
   * @param how SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK @param set null only asks @returns the mask before
   */
  sigprocmask(how: number, set: readonly number[] | null): number[] {
    const old = out(SIGSET_SIZE);
    this.now('rt_sigprocmask', [how, set === null ? 0 : encodeSet(set), old, SIGSET_SIZE]);
    return decodeSet(old.view);
  }

  /** Signals that are blocked and wait to be let in. */
  sigpending(): number[] {
    const set = out(SIGSET_SIZE);
    this.now('rt_sigpending', [set, SIGSET_SIZE]);
    return decodeSet(set.view);
  }

  /** Waits with `mask` for a signal with a handler. @returns when the handler has run: what C has as -1 and EINTR is the only outcome */
  async sigsuspend(mask: readonly number[]): Promise<void> {
    await this.#interrupted(this.blocking('rt_sigsuspend', [encodeSet(mask), SIGSET_SIZE]));
  }

  async pause(): Promise<void> {
    await this.#interrupted(this.blocking('pause'));
  }

  /** Takes one of `set`, which the caller has blocked. @param timeout null: for ever @throws ErrnoError: EAGAIN when the time is over */
  async sigtimedwait(set: readonly number[], timeout: Timespec | null): Promise<ReceivedSignal> {
    const info = out(SIGINFO_SIZE);
    const time = timeout === null ? 0 : encodeTimespecs([timeout]);
    const signal = await this.blocking('rt_sigtimedwait', [encodeSet(set), info, time, SIGSET_SIZE]);
    const { view } = info;
    return {
      si_signo: signal,
      si_code: view.getInt32(8, true),
      si_pid: view.getInt32(16, true),
      si_uid: view.getUint32(20, true),
    };
  }

  sigwaitinfo(set: readonly number[]): Promise<ReceivedSignal> {
    return this.sigtimedwait(set, null);
  }

  async sigwait(set: readonly number[]): Promise<number> {
    return (await this.sigwaitinfo(set)).si_signo;
  }

  /** A signal that the process sends itself has been acted on when the promise resolves. */
  async kill(pid: number, signal: number): Promise<void> {
    await this.blocking('kill', [pid, signal]);
  }

  killpg(group: number, signal: number): Promise<void> {
    return this.kill(-wholeNumber(group, 'group'), signal);
  }

  async raise(signal: number): Promise<void> {
    const pid = this.getpid();
    await this.blocking('tgkill', [pid, pid, signal]);
  }

  /** @param seconds whole; 0 takes the alarm back @returns whole seconds that an earlier alarm had left */
  alarm(seconds: number): number {
    return this.now('alarm', [seconds]);
  }

  /** @returns the timer before */
  setitimer(which: number, { value, interval }: IntervalTimer): IntervalTimer {
    const old = out(32);
    const words = [interval, value].flatMap((seconds) => {
      if (!(seconds >= 0)) throw new RangeError('a timer needs a number of seconds');
      return [BigInt(Math.floor(seconds)), BigInt(Math.floor((seconds % 1) * 1_000_000))];
    });
    this.now('setitimer', [which, new Uint8Array(BigInt64Array.from(words).buffer), old]);
    return decodeTimer(old.view);
  }

  getitimer(which: number = ITIMER_REAL): IntervalTimer {
    const timer = out(32);
    this.now('getitimer', [which, timer]);
    return decodeTimer(timer.view);
  }

  #encode({ handler, flags = 0, mask = [] }: SignalAction): Uint8Array {
    if (typeof handler !== 'function' && handler !== SIG_DFL && handler !== SIG_IGN) {
      throw new TypeError('a handler is a function, SIG_DFL or SIG_IGN');
    }
    const address = typeof handler === 'function' ? this.system.addressOf(handler) : handler;
    const bytes = new Uint8Array(SIGACTION_SIZE);
    const view = new DataView(bytes.buffer);
    view.setBigInt64(0, BigInt(address), true);
    view.setUint32(8, wholeNumber(flags, 'flags') >>> 0, true);
    bytes.set(encodeSet(mask), 24);
    return bytes;
  }

  /** Waits for EINTR. */
  async #interrupted(call: Promise<number>): Promise<void> {
    await call.catch((error) => {
      if (error.code !== 'EINTR') throw error;
    });
  }
}

const seconds = (view: DataView, offset: number): number => word64(view, offset) + word64(view, offset + 8) / 1_000_000;
const decodeTimer = (view: DataView): IntervalTimer => ({ interval: seconds(view, 0), value: seconds(view, 16) });
