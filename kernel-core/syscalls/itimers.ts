/** setitimer, getitimer, alarm. @source setitimer(2), alarm(2) */
import { EINVAL, type Err, fail } from '../../abi/errno.js';
import { SIGALRM } from '../../abi/signal.js';
import { ITIMER_PROF, ITIMER_REAL, ITIMER_VIRTUAL } from '../../abi/time.js';
import { CpuTimers, cpuTime, watchCpuTime } from '../cpu-time.js';
import type { Process } from '../process.js';
import { kernelSignal, sendToProcess } from '../signals/send.js';
import type { Task } from '../task.js';
import { expiriesUntil, Timer, type TimerSetting } from '../timers.js';
import { NANOSECONDS, readTimeval, writeTimeval } from './layouts.js';
import type { SyscallRows } from './row.js';

/** Nanoseconds that a real timer that is due and has not fired shows. */
const SOON = 1000;

function setReal(process: Process, { interval, value }: TimerSetting): void {
  const { kernel } = process;
  process.realTimer ??= new Timer(() => fireReal(process));
  process.realInterval = interval;
  if (value === 0) kernel.timers.cancel(process.realTimer);
  else kernel.timers.arm(process.realTimer, kernel.host.monotonic() + value);
}

function fireReal(process: Process): void {
  const { kernel, realInterval } = process;
  sendToProcess(process, kernelSignal(SIGALRM));
  if (realInterval === 0) return;
  const { deadline } = process.realTimer!;
  const passed = expiriesUntil(kernel.host.monotonic(), deadline, realInterval);
  kernel.timers.arm(process.realTimer!, deadline + passed * realInterval);
}

function settingOfReal({ realTimer, realInterval, kernel }: Process): TimerSetting {
  const value = realTimer?.armed ? Math.max(SOON, realTimer.deadline - kernel.host.monotonic()) : 0;
  return { interval: realInterval, value };
}

interface IntervalTimer {
  set(process: Process, setting: TimerSetting): void;
  get(process: Process): TimerSetting;
}

const onCpuTime = (which: keyof CpuTimers, clock: (process: Process) => number): IntervalTimer => ({
  set(process, setting) {
    process.cpuTimers ??= new CpuTimers();
    process.cpuTimers[which].set(clock(process), setting);
    watchCpuTime(process);
  },
  get: (process) => process.cpuTimers?.[which].setting(clock(process)) ?? { interval: 0, value: 0 },
});

const TIMERS = new Map<number, IntervalTimer>([
  [ITIMER_REAL, { set: setReal, get: settingOfReal }],
  [ITIMER_VIRTUAL, onCpuTime('virtual', ({ usage }) => usage.utime)],
  [ITIMER_PROF, onCpuTime('profiling', cpuTime)],
]);

function alarm({ process }: Task, seconds: number): number {
  const { value } = settingOfReal(process);
  setReal(process, { interval: 0, value: (seconds >>> 0) * NANOSECONDS });
  return value === 0 ? 0 : Math.max(1, Math.round(value / NANOSECONDS));
}

function getitimer(task: Task, which: number, address: number): number {
  const timer = TIMERS.get(which | 0);
  return timer === undefined ? fail(EINVAL) : writeSetting(task, address, timer.get(task.process));
}

function writeSetting(task: Task, address: number, { interval, value }: TimerSetting): number | Err {
  const result = writeTimeval(task.mm!, address, interval);
  return result === 0 ? writeTimeval(task.mm!, address + 16, value) : result;
}

function setitimer(task: Task, which: number, newAddress: number, oldAddress: number): number {
  const timer = TIMERS.get(which | 0);
  if (timer === undefined) return fail(EINVAL);
  const setting: TimerSetting = { interval: 0, value: 0 };
  if (newAddress !== 0) {
    setting.interval = readTimeval(task.mm!, newAddress);
    if (setting.interval < 0) return setting.interval;
    setting.value = readTimeval(task.mm!, newAddress + 16);
    if (setting.value < 0) return setting.value;
  }
  const old = timer.get(task.process);
  timer.set(task.process, setting);
  return oldAddress === 0 ? 0 : writeSetting(task, oldAddress, old);
}

export const itimerSyscalls: SyscallRows = {
  36: { name: 'getitimer', fn: getitimer, support: 'full', args: ['itimerWhich', 'itimervalOut'] },
  37: { name: 'alarm', fn: alarm, support: 'full', args: ['uint'] },
  38: { name: 'setitimer', fn: setitimer, support: 'full', args: ['itimerWhich', 'itimervalIn', 'itimervalOut'] },
};
