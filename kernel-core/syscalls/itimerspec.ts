/** struct itimerspec: interval and value, as timerfd and POSIX timers take and give it. */
import { EFAULT, EINVAL, type Err, fail } from '../../abi/errno.js';
import { CLOCK_BOOTTIME_ALARM, CLOCK_REALTIME, CLOCK_REALTIME_ALARM } from '../../abi/time.js';
import type { Timespec } from '../../vfs/caller.js';
import type { Task } from '../task.js';
import type { NewSetting, TimerSetting } from '../timers.js';
import { getI64, NANOSECONDS, putI64 } from './layouts.js';

/** Two struct timespec. */
const SIZE = 32;
/** Nanoseconds; longer times are cut. @source linux/ktime.h KTIME_MAX */
const LONGEST = 2 ** 63;
const bytes = new Uint8Array(SIZE);
const view = new DataView(bytes.buffer);
const now: Timespec = { sec: 0, nsec: 0 };

/** They would wake a sleeping machine: the superuser's. */
export const isAlarmClock = (clock: number): boolean =>
  clock === CLOCK_REALTIME_ALARM || clock === CLOCK_BOOTTIME_ALARM;
const isWallClock = (clock: number): boolean => clock === CLOCK_REALTIME || clock === CLOCK_REALTIME_ALARM;

const isValid = (offset: number): boolean => {
  const nanoseconds = getI64(view, offset + 8);
  return getI64(view, offset) >= 0 && nanoseconds >= 0 && nanoseconds < NANOSECONDS;
};

const durationAt = (offset: number): number =>
  Math.min(LONGEST, getI64(view, offset) * NANOSECONDS + getI64(view, offset + 8));

/**
 * Reads what a timer on `clock` is to be set to.
 * @param isAbsolute the value is a time and not a duration
 * @returns -EFAULT, -EINVAL
 */
export function readSetting(task: Task, address: number, clock: number, isAbsolute: boolean): NewSetting | Err {
  if (task.mm!.read(address, bytes) !== 0) return fail(EFAULT);
  if (!isValid(0) || !isValid(16)) return fail(EINVAL);
  const { host } = task.kernel;
  const interval = durationAt(0);
  const value = durationAt(16);
  if (value === 0) return { interval, deadline: null };
  if (!isAbsolute) return { interval, deadline: host.monotonic() + value };
  if (!isWallClock(clock)) return { interval, deadline: value };
  host.realtime(now);
  const ahead = (getI64(view, 16) - now.sec) * NANOSECONDS + (getI64(view, 24) - now.nsec);
  return { interval, deadline: host.monotonic() + ahead };
}

export function writeSetting(task: Task, address: number, { interval, value }: TimerSetting): number | Err {
  for (const [i, time] of [interval, value].entries()) {
    putI64(view, 16 * i, Math.floor(time / NANOSECONDS));
    putI64(view, 16 * i + 8, time % NANOSECONDS);
  }
  return task.mm!.write(address, bytes);
}
