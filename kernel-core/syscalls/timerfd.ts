/** timerfd_create, timerfd_settime, timerfd_gettime. Nobody can set the clock, so TFD_TIMER_CANCEL_ON_SET never comes to pass. */
import { EBADF, EFAULT, EINVAL, EPERM, type Err, fail, isErr } from '../../abi/errno.js';
import {
  CLOCK_BOOTTIME,
  CLOCK_BOOTTIME_ALARM,
  CLOCK_MONOTONIC,
  CLOCK_REALTIME,
  CLOCK_REALTIME_ALARM,
  TFD_CLOEXEC,
  TFD_NONBLOCK,
  TFD_TIMER_ABSTIME,
  TFD_TIMER_CANCEL_ON_SET,
} from '../../abi/time.js';
import { isSuperuser } from '../../vfs/caller.js';
import { LONGEST, monotonicAt, TimerFd, type TimerSetting } from '../events/timerfd.js';
import type { Task } from '../task.js';
import { openFile } from './args.js';
import { installFile } from './files-open.js';
import { getI64, NANOSECONDS, putI64 } from './layouts.js';
import type { SyscallRows } from './row.js';

const CLOCKS = [CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM];
/** They would wake a sleeping machine. */
const isAlarm = (clock: number): boolean => clock === CLOCK_REALTIME_ALARM || clock === CLOCK_BOOTTIME_ALARM;
const isWallClock = (clock: number): boolean => clock === CLOCK_REALTIME || clock === CLOCK_REALTIME_ALARM;
/** struct itimerspec: interval, value; two struct timespec. */
const ITIMERSPEC_SIZE = 32;
const bytes = new Uint8Array(ITIMERSPEC_SIZE);
const view = new DataView(bytes.buffer);

function timerfdCreate(task: Task, clockArgument: number, flags: number): number {
  const clock = clockArgument | 0;
  if ((flags & ~(TFD_CLOEXEC | TFD_NONBLOCK)) !== 0 || !CLOCKS.includes(clock)) return fail(EINVAL);
  if (isAlarm(clock) && !isSuperuser(task.cred)) return fail(EPERM);
  return installFile(task, new TimerFd(task.kernel, task, clock, flags), flags);
}

function timerFd(task: Task, fd: number): TimerFd | Err {
  const file = openFile(task, fd);
  if (file === null) return fail(EBADF);
  return file instanceof TimerFd ? file : fail(EINVAL);
}

const isValid = (offset: number): boolean => {
  const nanoseconds = getI64(view, offset + 8);
  return getI64(view, offset) >= 0 && nanoseconds >= 0 && nanoseconds < NANOSECONDS;
};

const durationAt = (offset: number): number =>
  Math.min(LONGEST, getI64(view, offset) * NANOSECONDS + getI64(view, offset + 8));

function writeSetting(task: Task, address: number, { interval, value }: TimerSetting): number | Err {
  for (const [i, time] of [interval, value].entries()) {
    putI64(view, 16 * i, Math.floor(time / NANOSECONDS));
    putI64(view, 16 * i + 8, time % NANOSECONDS);
  }
  return task.mm!.write(address, bytes);
}

function timerfdSettime(task: Task, fd: number, flags: number, newAddress: number, oldAddress: number): number {
  if (task.mm!.read(newAddress, bytes) !== 0) return fail(EFAULT);
  const known = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
  if ((flags & ~known) !== 0 || !isValid(0) || !isValid(16)) return fail(EINVAL);
  const file = timerFd(task, fd);
  if (isErr(file)) return file;
  const { inode } = file;
  if (isAlarm(inode.clock) && !isSuperuser(task.cred)) return fail(EPERM);
  const old = inode.setting;
  const value = durationAt(16);
  let deadline: number | null = null;
  if (value > 0) {
    if ((flags & TFD_TIMER_ABSTIME) === 0) deadline = task.kernel.host.monotonic() + value;
    else if (!isWallClock(inode.clock)) deadline = value;
    else deadline = monotonicAt(task.kernel, getI64(view, 16), getI64(view, 24));
  }
  inode.set(deadline, durationAt(0), flags);
  return oldAddress === 0 ? 0 : writeSetting(task, oldAddress, old);
}

function timerfdGettime(task: Task, fd: number, address: number): number {
  const file = timerFd(task, fd);
  if (isErr(file)) return file;
  file.inode.proceed();
  return writeSetting(task, address, file.inode.setting);
}

export const timerfdSyscalls: SyscallRows = {
  283: { name: 'timerfd_create', fn: timerfdCreate, support: 'full', args: ['clockId', 'timerfdFlags'], result: 'fd' },
  286: {
    name: 'timerfd_settime',
    fn: timerfdSettime,
    support: 'full',
    args: ['fd', 'timerfdFlags', 'itimerspecIn', 'itimerspecOut'],
  },
  287: { name: 'timerfd_gettime', fn: timerfdGettime, support: 'full', args: ['fd', 'itimerspecOut'] },
};
