/** timerfd_create, timerfd_settime, timerfd_gettime. Nobody can set the clock, so TFD_TIMER_CANCEL_ON_SET never comes to pass. */
import { CAP_WAKE_ALARM } from '../../abi/capability.js';
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
import { capable } from '../../vfs/capability.js';
import { TimerFd } from '../events/timerfd.js';
import type { Task } from '../task.js';
import { openFile } from './args.js';
import { installFile } from './files-open.js';
import { isAlarmClock, readSetting, writeSetting } from './itimerspec.js';
import type { SyscallRows } from './row.js';

const CLOCKS = [CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM];
function timerfdCreate(task: Task, clockArgument: number, flags: number): number {
  const clock = clockArgument | 0;
  if ((flags & ~(TFD_CLOEXEC | TFD_NONBLOCK)) !== 0 || !CLOCKS.includes(clock)) return fail(EINVAL);
  if (isAlarmClock(clock) && !capable(task.cred, CAP_WAKE_ALARM)) return fail(EPERM);
  return installFile(task, new TimerFd(task.kernel, task, clock, flags), flags);
}

function timerFd(task: Task, fd: number): TimerFd | Err {
  const file = openFile(task, fd);
  if (file === null) return fail(EBADF);
  return file instanceof TimerFd ? file : fail(EINVAL);
}

function timerfdSettime(task: Task, fd: number, flags: number, newAddress: number, oldAddress: number): number {
  const found = timerFd(task, fd);
  const clock = isErr(found) ? CLOCK_MONOTONIC : found.inode.clock;
  // What is wrong with the setting is told first.
  const setting = readSetting(task, newAddress, clock, (flags & TFD_TIMER_ABSTIME) !== 0);
  if (isErr(setting) && setting === fail(EFAULT)) return setting;
  if ((flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)) !== 0) return fail(EINVAL);
  if (isErr(setting)) return setting;
  if (isErr(found)) return found;
  const { inode } = found;
  if (isAlarmClock(clock) && !capable(task.cred, CAP_WAKE_ALARM)) return fail(EPERM);
  const old = inode.setting;
  inode.set(setting, flags);
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
