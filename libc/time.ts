/** Clocks and sleeping, on the kernel's clocks: virtual ones in a deterministic run. */
import { CLOCK_MONOTONIC, CLOCK_REALTIME } from '../abi/time.js';
import { decodeTimespec, encodeTimespecs, type Timespec } from './attributes.js';
import { out, wholeNumber } from './calls.js';
import { Signals } from './signals.js';

const TIMESPEC_SIZE = 16;

export const toTimespec = (seconds: number): Timespec => {
  if (!(seconds >= 0 && seconds < 2 ** 53)) throw new RangeError('a time needs a number of seconds from 0 on');
  const tv_sec = Math.floor(seconds);
  return { tv_sec, tv_nsec: Math.floor((seconds - tv_sec) * 1e9) };
};

export abstract class Time extends Signals {
  /** @param clock CLOCK_REALTIME, CLOCK_MONOTONIC … */
  clock_gettime(clock: number): Timespec {
    const time = out(TIMESPEC_SIZE);
    this.now('clock_gettime', [clock, time]);
    return decodeTimespec(time.view);
  }

  clock_getres(clock: number): Timespec {
    const time = out(TIMESPEC_SIZE);
    this.now('clock_getres', [clock, time]);
    return decodeTimespec(time.view);
  }

  clock_settime(clock: number, time: Timespec): void {
    this.now('clock_settime', [clock, encodeTimespecs([time])]);
  }

  /** Seconds since the epoch. */
  time(): number {
    return this.clock_gettime(CLOCK_REALTIME).tv_sec;
  }

  /** @param flags TIMER_ABSTIME @throws ErrnoError: EINTR after a handler */
  async clock_nanosleep(clock: number, flags: number, time: Timespec): Promise<void> {
    await this.blocking('clock_nanosleep', [clock, flags, encodeTimespecs([time]), 0]);
  }

  nanosleep(time: Timespec): Promise<void> {
    return this.clock_nanosleep(CLOCK_MONOTONIC, 0, time);
  }

  /** @param seconds whole @returns the seconds left when a handler ran */
  async sleep(seconds: number): Promise<number> {
    const end = this.clock_gettime(CLOCK_MONOTONIC).tv_sec + wholeNumber(seconds, 'seconds');
    try {
      await this.nanosleep(toTimespec(seconds));
      return 0;
    } catch (error) {
      if ((error as { code?: string }).code !== 'EINTR') throw error;
      return Math.max(0, end - this.clock_gettime(CLOCK_MONOTONIC).tv_sec);
    }
  }

  async usleep(microseconds: number): Promise<void> {
    await this.nanosleep(toTimespec(wholeNumber(microseconds, 'microseconds') / 1e6));
  }
}
