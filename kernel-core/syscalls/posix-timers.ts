/** timer_create and the calls on what it makes. @source timer_create(2), timer_settime(2), timer_getoverrun(2), timer_delete(2) */
import { CAP_WAKE_ALARM } from '../../abi/capability.js';
import { EFAULT, EINVAL, EOPNOTSUPP, EPERM, type Err, fail, isErr } from '../../abi/errno.js';
import { SIGALRM, SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD, SIGEV_THREAD_ID } from '../../abi/signal.js';
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
import { capable } from '../../vfs/capability.js';
import { type PosixTimer, PosixTimers, type TimerEvent } from '../posix-timers.js';
import { LAST_SIGNAL } from '../signals/state.js';
import type { Task } from '../task.js';
import { isAlarmClock, readSetting, writeSetting } from './itimerspec.js';
import type { SyscallRows } from './row.js';

const TIMED = [CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI, CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM];
/** Clocks that can be read only; timers on processor time are not built. */
const UNTIMED = [
  CLOCK_MONOTONIC_RAW,
  CLOCK_REALTIME_COARSE,
  CLOCK_MONOTONIC_COARSE,
  CLOCK_PROCESS_CPUTIME_ID,
  CLOCK_THREAD_CPUTIME_ID,
];
/** struct sigevent: value (8), signal (4), how (4), thread (4), unused. */
const SIGEVENT_SIZE = 64;
const DEFAULT_EVENT: TimerEvent = { signo: SIGALRM, value: null, target: null };

function timerCreate(task: Task, clockArgument: number, event: number, address: number): number {
  const clock = clockArgument | 0;
  const bytes = new Uint8Array(SIGEVENT_SIZE);
  if (event !== 0 && task.mm!.read(event, bytes) !== 0) return fail(EFAULT);
  if (UNTIMED.includes(clock)) return fail(EOPNOTSUPP);
  if (!TIMED.includes(clock)) return fail(EINVAL);
  const { process } = task;
  process.posixTimers ??= new PosixTimers(process);
  const id = process.posixTimers.reserve();
  if (isErr(id)) return id;
  const checked = event === 0 ? DEFAULT_EVENT : eventOf(task, new DataView(bytes.buffer));
  if (isErr(checked)) return checked;
  if (isAlarmClock(clock) && !capable(task.cred, CAP_WAKE_ALARM)) return fail(EPERM);
  const timer = process.posixTimers.create(id, clock, checked);
  if (task.mm!.writeU32(address, timer.id) === 0) return 0;
  process.posixTimers.delete(timer);
  return fail(EFAULT);
}

function eventOf(task: Task, view: DataView): TimerEvent | Err {
  const value = { lo: view.getUint32(0, true), hi: view.getUint32(4, true) };
  const signo = view.getInt32(8, true);
  const how = view.getInt32(12, true);
  if (how === SIGEV_NONE) return { signo: 0, value, target: null };
  if (![SIGEV_SIGNAL, SIGEV_THREAD, SIGEV_SIGNAL | SIGEV_THREAD_ID].includes(how)) return fail(EINVAL);
  if (signo <= 0 || signo > LAST_SIGNAL) return fail(EINVAL);
  if ((how & SIGEV_THREAD_ID) === 0) return { signo, value, target: null };
  const target = task.kernel.processes.task(view.getInt32(16, true));
  return target?.process === task.process ? { signo, value, target } : fail(EINVAL);
}

const find = (task: Task, id: number): PosixTimer | undefined => task.process.posixTimers?.get(id | 0);

function timerSettime(task: Task, id: number, flags: number, newAddress: number, oldAddress: number): number {
  if (newAddress === 0) return fail(EINVAL);
  const timer = find(task, id);
  // What is wrong with the setting is told first.
  const setting = readSetting(task, newAddress, timer?.clock ?? CLOCK_MONOTONIC, (flags & TIMER_ABSTIME) !== 0);
  if (isErr(setting)) return setting;
  if (timer === undefined) return fail(EINVAL);
  const old = timer.setting;
  timer.set(setting);
  return oldAddress === 0 ? 0 : writeSetting(task, oldAddress, old);
}

function timerGettime(task: Task, id: number, address: number): number {
  const timer = find(task, id);
  return timer === undefined ? fail(EINVAL) : writeSetting(task, address, timer.setting);
}

const timerGetoverrun = (task: Task, id: number): number => find(task, id)?.overrun ?? fail(EINVAL);

function timerDelete(task: Task, id: number): number {
  const timer = find(task, id);
  if (timer === undefined) return fail(EINVAL);
  task.process.posixTimers!.delete(timer);
  return 0;
}

export const posixTimerSyscalls: SyscallRows = {
  222: {
    name: 'timer_create',
    fn: timerCreate,
    support: 'partial',
    note: 'clocks of processor time answer EOPNOTSUPP',
    args: ['clockId', 'sigevent', 'intOut'],
  },
  223: {
    name: 'timer_settime',
    fn: timerSettime,
    support: 'full',
    args: ['int', 'timerFlags', 'itimerspecIn', 'itimerspecOut'],
  },
  224: { name: 'timer_gettime', fn: timerGettime, support: 'full', args: ['int', 'itimerspecOut'] },
  225: { name: 'timer_getoverrun', fn: timerGetoverrun, support: 'full', args: ['int'] },
  226: { name: 'timer_delete', fn: timerDelete, support: 'full', args: ['int'] },
};
