/**
 * From a system call's number to its handler, and from the handler's result back to the program.
 *
 * Life of a system call: the engine's `syscall` hook calls `enter`, which looks up the row, calls the handler with the
 * argument registers as numbers and puts the result into rax. The engine goes on at once unless the task now sleeps, has
 * a signal to take, or got new registers; then it leaves, and the scheduler sees to it. Calls of TypeScript programs come
 * by `fromProgram`; the end of a call that slept, by `finish`.
 */
import { EFAULT, ERESTARTNOINTR, fail } from '../abi/errno.js';
import type { Cpu } from '../cpu/index.js';
import type { SyscallProbes } from './drivers/syscall-probes.js';
import type { Kernel } from './kernel.js';
import { USER_END } from './mm/layout.js';
import { relieveMemory } from './oom.js';
import type { Scheduler } from './scheduler.js';
import { isRestart } from './signals/deliver.js';
import type { SyscallRow } from './syscalls/row.js';
import type { Task, TracedCall } from './task.js';
import type { Tracer } from './trace/tracer.js';
import { CONTEXT_REPLACED, PENDING } from './wait.js';

const RAX = 0;
/** Argument registers of a system call, in order. */
const RDI = 7;
const RSI = 6;
const RDX = 2;
const R10 = 10;
const R8 = 8;
const R9 = 9;
const INT_MAX = 0x7fffffff;
/** The upper half of a negative number. */
const SIGN = 0xffffffff;
/** What a call counts for, in instructions. */
const CALL_COST = 100;

/** @param isInt of the upper half only a sign counts, if it is nothing but that */
function argument(cpu: Cpu, register: number, isInt: number): number {
  if (isInt === 0) return cpu.reg(register);
  const low = cpu.regLo(register);
  return cpu.regHi(register) === SIGN && low > INT_MAX ? low | 0 : low;
}

export class SyscallDispatch {
  /** Calls that were made. */
  count = 0;
  /** The TypeScript program's task that makes a call outside of a slice. */
  programCaller: Task | null = null;
  readonly #kernel: Kernel;
  readonly #cpu: Cpu;
  readonly #scheduler: Scheduler;
  #tracer: Tracer | null = null;
  /** What drivers want to be told of; null: nothing. */
  #callProbes: SyscallProbes | null = null;
  /** There is a tracer, or there are probes. */
  #isWatched = false;

  /** @param kernel with its processor and its scheduler */
  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#cpu = kernel.cpu;
    this.#scheduler = kernel.scheduler;
  }

  /** The wait of `task` ended: its call returns `result`. */
  finish(task: Task, result: number): void {
    if (task.program !== null) {
      task.program.returned(this.#settle(task, result));
      return;
    }
    this.#scheduler.load(task);
    this.#return(task, result);
  }

  /**
   * A TypeScript program's task makes a system call, in a turn of the scheduler or outside of one.
   * @returns the result, maybe one that asks to be restarted; PENDING; CONTEXT_REPLACED
   */
  fromProgram(task: Task, number: number, args: readonly number[]): number {
    const row = this.#kernel.syscalls[number] ?? this.#kernel.unknownSyscall;
    this.count++;
    // Time must pass for a program that only calls, also on the virtual clock.
    this.#kernel.host.elapsed(CALL_COST);
    task.syscall = number;
    const [a, b, c, d, e, f] = args;
    this.programCaller = task;
    const veto = this.#isWatched ? this.#beginWatched(task, { number, row, args }) : 0;
    const result = veto === 0 ? row.fn(task, a, b, c, d, e, f) : veto;
    this.programCaller = null;
    this.#scheduler.timersChanged();
    if (result === PENDING) return result;
    if (result !== CONTEXT_REPLACED) return this.#settle(task, result);
    this.#endWatched(task, 0);
    return result;
  }

  get tracer(): Tracer | null {
    return this.#tracer;
  }

  set tracer(tracer: Tracer | null) {
    this.#tracer = tracer;
    this.#isWatched = tracer !== null || this.#callProbes !== null;
  }

  /** Tells probes of system calls from now on; null: there are none any more. */
  watchCalls(probes: SyscallProbes | null): void {
    this.#callProbes = probes;
    this.#isWatched = this.#tracer !== null || probes !== null;
  }

  /** The program on the CPU makes a call. @returns whether it goes on at once */
  enter(): boolean {
    const cpu = this.#cpu;
    const task = this.#scheduler.current!;
    // By halves: what is always an integer stays one.
    const low = cpu.regLo(RAX);
    const known = cpu.regHi(RAX) === 0 ? this.#kernel.syscalls[low] : undefined;
    const row = known ?? this.#kernel.unknownSyscall;
    this.count++;
    this.#scheduler.charge(CALL_COST);
    task.syscall = known === undefined ? cpu.reg(RAX) : low | 0;
    // Only what the call has: what else the registers hold may be beyond 32 bits, and then costs an allocation each.
    const { count, ints } = row;
    const a = count > 0 ? argument(cpu, RDI, ints & 1) : 0;
    const b = count > 1 ? argument(cpu, RSI, ints & 2) : 0;
    const c = count > 2 ? argument(cpu, RDX, ints & 4) : 0;
    const d = count > 3 ? argument(cpu, R10, ints & 8) : 0;
    const e = count > 4 ? argument(cpu, R8, ints & 16) : 0;
    const f = count > 5 ? argument(cpu, R9, ints & 32) : 0;
    if (this.#isWatched) return this.#watched(task, row, [a, b, c, d, e, f]);
    const result = row.fn(task, a, b, c, d, e, f);
    if (result === PENDING) return false;
    if (result === CONTEXT_REPLACED) return this.#mayEnter(task);
    return this.#return(task, result);
  }

  /** As `enter`, with the tracer and probes told before and after. Its own copy of the arguments outlives a sleep. */
  #watched(task: Task, row: SyscallRow, args: number[]): boolean {
    const veto = this.#beginWatched(task, { number: task.syscall, row, args });
    const result = veto === 0 ? row.fn(task, args[0], args[1], args[2], args[3], args[4], args[5]) : veto;
    if (result === PENDING) return false;
    if (result === CONTEXT_REPLACED) {
      this.#endWatched(task, 0);
      return false;
    }
    return this.#return(task, result);
  }

  /** @returns 0, or what the call answers without having been made */
  #beginWatched(task: Task, call: TracedCall): number {
    this.#tracer?.enter(task, call.row, call.args);
    task.traced = call;
    return this.#callProbes?.enter(task, call) ?? 0;
  }

  #endWatched(task: Task, result: number): void {
    const call = task.traced;
    if (call === null) return;
    task.traced = null;
    this.#tracer?.leave(task, call.row, call.args, result);
    this.#callProbes?.leave(task, call, result);
  }

  /** Puts the result into rax. @returns whether the program may go on without a look at signals */
  #return(task: Task, result: number): boolean {
    this.#cpu.setReg(RAX, this.#settle(task, result));
    return this.#mayGoOn(task);
  }

  /** May the task go on at once where its new registers say? Not at a wild address: that fault is not one of a jump there. */
  #mayEnter(task: Task): boolean {
    if (task.state !== 'running' || task.program !== null) return false;
    const { rip } = this.#cpu;
    return rip >= 0 && rip < USER_END && this.#mayGoOn(task);
  }

  #mayGoOn(task: Task): boolean {
    return task.syscall < 0 && !task.hasDeliverableSignal && task.savedMask === null && !this.#scheduler.isSliceSpent;
  }

  /** A call has its result. @returns what the program is to see, unless it asks to be restarted */
  #settle(task: Task, result: number): number {
    if (task.traced !== null) this.#endWatched(task, result);
    const answer = task.mm?.outOfMemory === true ? this.#exhausted(task, result) : result;
    if (!isRestart(answer)) task.syscall = -1;
    return answer;
  }

  /** A call could not touch a page for want of memory. @returns what it answers once somebody has died for it */
  #exhausted(task: Task, result: number): number {
    task.mm!.outOfMemory = false;
    return relieveMemory(task) && result === -EFAULT ? fail(ERESTARTNOINTR) : result;
  }
}
