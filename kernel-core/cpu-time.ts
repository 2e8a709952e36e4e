/**
 * Timers and limits on processor time: setitimer's ITIMER_VIRTUAL and ITIMER_PROF, and RLIMIT_CPU. Processor time is
 * counted in instructions, a nanosecond each; the kernel's work is counted in instructions' worth. It is looked at when a
 * task leaves the processor, so a timer can be late by a slice. @source setitimer(2), getrlimit(2)
 */
import { RLIMIT_CPU } from '../abi/resource.js';
import { SIGKILL, SIGPROF, SIGVTALRM, SIGXCPU } from '../abi/signal.js';
import type { Process } from './process.js';
import { kernelSignal, sendToProcess } from './signals/send.js';
import { expiriesUntil, type TimerSetting } from './timers.js';

const NANOSECONDS = 1_000_000_000;

/** One timer; both in nanoseconds of processor time. */
class CpuTimer {
  readonly #signal: number;
  #deadline = Number.POSITIVE_INFINITY;
  #interval = 0;

  constructor(signal: number) {
    this.#signal = signal;
  }

  get isArmed(): boolean {
    return this.#deadline !== Number.POSITIVE_INFINITY;
  }

  /** @param value nanoseconds from `now` on; 0 stops it */
  set(now: number, { interval, value }: TimerSetting): void {
    this.#interval = interval;
    this.#deadline = value === 0 ? Number.POSITIVE_INFINITY : now + value;
  }

  setting(now: number): TimerSetting {
    return { interval: this.#interval, value: this.isArmed ? Math.max(1, this.#deadline - now) : 0 };
  }

  expire(process: Process, now: number): void {
    if (now < this.#deadline) return;
    const interval = this.#interval;
    if (interval > 0) this.#deadline += expiriesUntil(now, this.#deadline, interval) * interval;
    else this.#deadline = Number.POSITIVE_INFINITY;
    sendToProcess(process, kernelSignal(this.#signal));
  }
}

/** A process' timers on processor time. */
export class CpuTimers {
  /** The program's own time only. */
  readonly virtual = new CpuTimer(SIGVTALRM);
  /** With the kernel's work for it. */
  readonly profiling = new CpuTimer(SIGPROF);
}

export const cpuTime = ({ usage }: Process): number => usage.utime + usage.stime;

/** Something about the process depends on its processor time: it has to be looked at after each slice. */
export function watchCpuTime(process: Process): void {
  const { cpuTimers } = process;
  const isTimed = cpuTimers !== null && (cpuTimers.virtual.isArmed || cpuTimers.profiling.isArmed);
  process.watchesCpuTime = isTimed || process.limits[RLIMIT_CPU]!.soft !== Number.POSITIVE_INFINITY;
}

/** A task of the process has used processor time. */
export function checkCpuTime(process: Process): void {
  const total = cpuTime(process);
  process.cpuTimers?.virtual.expire(process, process.usage.utime);
  process.cpuTimers?.profiling.expire(process, total);
  const limit = process.limits[RLIMIT_CPU]!;
  if (total >= limit.hard * NANOSECONDS) {
    sendToProcess(process, kernelSignal(SIGKILL));
  } else if (total >= limit.soft * NANOSECONDS) {
    // Once for each second from there on.
    sendToProcess(process, kernelSignal(SIGXCPU));
    process.limits[RLIMIT_CPU] = { soft: limit.soft + 1, hard: limit.hard };
  }
  watchCpuTime(process);
}
