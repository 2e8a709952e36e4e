/** Clocks, sleeping, processor time. @source clock_gettime(2), nanosleep(2), times(2), getrusage(2) */
import {
  EFAULT,
  EINVAL,
  EOPNOTSUPP,
  EPERM,
  ERESTART_RESTARTBLOCK,
  ERESTARTNOHAND,
  fail,
  isErr,
} from '../../abi/errno.js';
import {
  CLOCK_BOOTTIME,
  CLOCK_BOOTTIME_ALARM,
  CLOCK_MONOTONIC,
  CLOCK_MONOTONIC_COARSE,
  CLOCK_MONOTONIC_RAW,
  CLOCK_PROCESS_CPUTIME_ID,
  CLOCK_REALTIME,
  CLOCK_REALTIME_ALARM,
  CLOCK_REALTIME_COARSE,
  CLOCK_TAI,
  CLOCK_THREAD_CPUTIME_ID,
  TIMER_ABSTIME,
} from '../../abi/time.js';
import type { Timespec } from '../../vfs/caller.js';
import { cpuTime } from '../cpu-time.js';
import type { Task } from '../task.js';
import { interruptedOnly } from '../wait.js';
import { encodeUsage, NANOSECONDS, putI64, readTimespec, writePair, writeTimespec } from './layouts.js';
import type { SyscallRows } from './row.js';

/** USER_HZ: what times(2) and /proc count in. */
const TICK = NANOSECONDS / 100;
const now: Timespec = { sec: 0, nsec: 0 };

/** Fills `now`. @returns false for a clock that does not exist */
function readClock(task: Task, clock: number): boolean {
  const { host } = task.kernel;
  switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_TAI:
      host.realtime(now);
      return true;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
      return setNow(host.monotonic());
    case CLOCK_PROCESS_CPUTIME_ID:
    case CLOCK_THREAD_CPUTIME_ID:
      return setNow(cpuTime(task.process));
    default:
      return false;
  }
}

function setNow(nanoseconds: number): boolean {
  now.sec = Math.floor(nanoseconds / NANOSECONDS);
  now.nsec = Math.floor(nanoseconds - now.sec * NANOSECONDS);
  return true;
}

function clockGettime(task: Task, clock: number, address: number): number {
  if (!readClock(task, clock | 0)) return fail(EINVAL);
  return writePair(task.mm!, address, now.sec, now.nsec);
}

function clockGetres(task: Task, clock: number, address: number): number {
  if (!readClock(task, clock | 0)) return fail(EINVAL);
  const coarse = clock === CLOCK_REALTIME_COARSE || clock === CLOCK_MONOTONIC_COARSE;
  return address === 0 ? 0 : writePair(task.mm!, address, 0, coarse ? 4_000_000 : 1);
}

/** The wall clock belongs to the host. */
function clockSettime(task: Task, clock: number): number {
  return fail(readClock(task, clock | 0) ? EPERM : EINVAL);
}

function gettimeofday(task: Task, address: number, zone: number): number {
  task.kernel.host.realtime(now);
  if (address !== 0 && writePair(task.mm!, address, now.sec, Math.floor(now.nsec / 1000)) !== 0) return fail(EFAULT);
  return zone !== 0 && task.mm!.write(zone, new Uint8Array(8)) !== 0 ? fail(EFAULT) : 0;
}

function time(task: Task, address: number): number {
  task.kernel.host.realtime(now);
  const bytes = new Uint8Array(8);
  putI64(new DataView(bytes.buffer), 0, now.sec);
  return address !== 0 && task.mm!.write(address, bytes) !== 0 ? fail(EFAULT) : now.sec;
}

/** Sleeps until a monotonic time. A signal without handler resumes it; one with a handler ends it, the rest is reported. */
function sleepUntil(task: Task, deadline: number, remainder: number): number {
  return task.wait.block({
    hooks: [],
    attempt: () => {
      if (!task.hasDeliverableSignal) return interruptedOnly();
      const left = deadline - task.kernel.host.monotonic();
      if (left <= 0) return 0;
      task.restart = (again) => sleepUntil(again, deadline, remainder);
      if (remainder !== 0 && writeTimespec(task.mm!, remainder, left) !== 0) return fail(EFAULT);
      return fail(ERESTART_RESTARTBLOCK);
    },
    deadline,
    what: 'hrtimer_nanosleep',
  });
}

function nanosleep(task: Task, address: number, remainder: number): number {
  const duration = readTimespec(task.mm!, address);
  if (isErr(duration)) return duration;
  return sleepUntil(task, task.kernel.host.monotonic() + duration, remainder);
}

function clockNanosleep(task: Task, clock: number, flags: number, address: number, remainder: number): number {
  if (clock === CLOCK_THREAD_CPUTIME_ID || !readClock(task, clock | 0)) return fail(EINVAL);
  if (clock === CLOCK_PROCESS_CPUTIME_ID || clock === CLOCK_MONOTONIC_RAW || clock === CLOCK_REALTIME_COARSE)
    return fail(EOPNOTSUPP);
  const duration = readTimespec(task.mm!, address);
  if (isErr(duration)) return duration;
  const monotonic = task.kernel.host.monotonic();
  if ((flags & TIMER_ABSTIME) === 0) return sleepUntil(task, monotonic + duration, remainder);
  const deadline = monotonic + duration - (now.sec * NANOSECONDS + now.nsec);
  return task.wait.block({
    hooks: [],
    attempt: interruptedOnly,
    deadline,
    interrupted: ERESTARTNOHAND,
    what: 'hrtimer_nanosleep',
  });
}

/** struct tms: user, system, and the same of waited-for children, in ticks. @returns ticks since boot */
function times(task: Task, address: number): number {
  const { usage, childUsage } = task.process;
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer);
  const all = [usage.utime, usage.stime, childUsage.utime, childUsage.stime];
  for (const [i, value] of all.entries()) putI64(view, 8 * i, Math.floor(value / TICK));
  if (address !== 0 && task.mm!.write(address, bytes) !== 0) return fail(EFAULT);
  return Math.floor(task.kernel.host.monotonic() / TICK);
}

function getrusage(task: Task, who: number, address: number): number {
  const which = who | 0;
  if (which < -1 || which > 1) return fail(EINVAL);
  const { process } = task;
  process.usage.maxRss = Math.max(process.usage.maxRss, task.mm!.rss);
  return task.mm!.write(address, encodeUsage(which === -1 ? process.childUsage : process.usage));
}

export const timeSyscalls: SyscallRows = {
  35: { name: 'nanosleep', fn: nanosleep, support: 'full', args: ['timespecIn', 'timespecRemainder'] },
  96: { name: 'gettimeofday', fn: gettimeofday, support: 'full', args: ['timevalOut', 'address'] },
  98: { name: 'getrusage', fn: getrusage, support: 'full', args: ['rusageWho', 'rusageOut'] },
  100: { name: 'times', fn: times, support: 'full', args: ['tmsOut'] },
  201: { name: 'time', fn: time, support: 'full', args: ['address'], result: 'time' },
  227: {
    name: 'clock_settime',
    fn: clockSettime,
    support: 'partial',
    note: "the clock is the host's: EPERM",
    args: ['clockId', 'timespecIn'],
  },
  228: { name: 'clock_gettime', fn: clockGettime, support: 'full', args: ['clockId', 'timespecOut'] },
  229: { name: 'clock_getres', fn: clockGetres, support: 'full', args: ['clockId', 'timespecOut'] },
  230: {
    name: 'clock_nanosleep',
    fn: clockNanosleep,
    support: 'full',
    args: ['clockId', 'timerFlags', 'timespecIn', 'timespecRemainder'],
  },
};
