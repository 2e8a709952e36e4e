/**
 * Calls of driver functions: they run on the processor inside of whatever runs there (cpu/nesting.ts), in the kernel address
 * space, on a stack of their own, and mostly return at once. A call that sleeps, or has used up its slice, is suspended:
 * SUSPENDED is what the operation answers, the call is the task's `driverCall`, and the task waits in the one wait primitive
 * until `resume` has a result.
 *
 *   invoke ──► run ──► returned ──────────────────────────────► result
 *               │  ▲
 *               │  └─ exported function (`exportCalled`, a system call instruction of kernel mode) ─ result ┐
 *               │  ▲                                                                                       │
 *               │  └───────────────────────────────────────────────────────────────────────────────────────┘
 *               ├──► sleeps, slice is over ──► SUSPENDED ──► … wake … resume ──► run
 *               └──► fault, BUG, deadline ──► oops ──────────► -EIO
 *
 * Time is instructions: they count against the slice of the task on whose behalf they run.
 */
import { EAGAIN, EIO, ENODEV, ENOMEM, type Err, fail, isErr } from '../../abi/errno.js';
import { EXIT_FAULT, EXIT_SLICE, EXIT_SYSCALL, type Nesting } from '../../cpu/index.js';
import type { Caller } from '../../vfs/caller.js';
import { SUSPENDED } from '../../vfs/file.js';
import type { IoIter } from '../../vfs/iter.js';
import type { Kernel } from '../kernel.js';
import { SLICE } from '../scheduler.js';
import { Task } from '../task.js';
import { PENDING } from '../wait.js';
import { BUG, type Companion, type HeldLock, KernelCall } from './call.js';
import { lockup } from './lockup.js';
import type { Owner } from './owner.js';
import { C_ARGUMENTS, R8, R9, R10, RAX, RCX, RDI, RDX, RSI } from './registers.js';
import type { KernelSpace } from './space.js';
import { KernelStacks } from './stacks.js';
import { hex } from './symbols.js';
import type { SyscallLayer } from './syscalls.js';
import type { KernelText } from './text.js';

/** The system call instruction is two bytes long. */
const SYSCALL_LENGTH = 2;
/** What a call counts for besides its instructions. */
const CALL_COST = 100;
/** Instructions that a call gets at once, at least: one that is always put off would never end. */
const LEAST_BUDGET = 10_000;

export interface CallParts {
  kernel: Kernel;
  space: KernelSpace;
  text: KernelText;
  nesting: Nesting;
  /** Writes the report of a call that failed, with its registers on the processor. */
  oops: (call: KernelCall, reason: OopsReason) => void;
}

/** Why a call ends. */
export type OopsReason = { kind: 'fault' } | { kind: 'bug'; text: string } | { kind: 'syscall' };

/** Why a call leaves the processor. */
type Outcome = 'none' | 'returned' | 'suspended' | 'bug' | 'syscall';

/** A function of a driver. */
export interface DriverFunction {
  readonly address: number;
  /** It returns an int, not a long or a pointer. */
  readonly isInt: boolean;
}

export class CallRunner {
  readonly kernel: Kernel;
  readonly space: KernelSpace;
  readonly stacks: KernelStacks;
  /** The call whose code is on the processor; null: none. */
  active: KernelCall | null = null;
  /** The call that was suspended last. */
  suspended: KernelCall | null = null;
  /** Calls made. */
  count = 0;
  readonly #text: KernelText;
  readonly #nesting: Nesting;
  readonly #oops: CallParts['oops'];
  readonly #idle: KernelCall[] = [];
  /** Of the active call: why it leaves the processor. */
  #outcome: Outcome = 'none';

  constructor({ kernel, space, text, nesting, oops }: CallParts) {
    this.kernel = kernel;
    this.space = space;
    this.stacks = new KernelStacks(space);
    this.#text = text;
    this.#nesting = nesting;
    this.#oops = oops;
  }

  /**
   * Calls a driver function that may not sleep.
   * @returns what it returns, a signed 64-bit number; -EIO when it failed; -ENODEV when its module is going
   */
  invokeAtomic(
    owner: Owner,
    task: Task | null,
    { address, isInt }: DriverFunction,
    a = 0,
    b = 0,
    c = 0,
    d = 0,
  ): number {
    const call = this.#begin(owner, task, true);
    if (isErr(call)) return call;
    call.isInt = isInt;
    return this.#start(call, address, a, b, c, d);
  }

  /** As `invokeAtomic`. @param iter what the second argument stands for */
  moveAtomic(owner: Owner, task: Task | null, address: number, a: number, iter: IoIter, c: number): number {
    const call = this.#begin(owner, task, true);
    if (isErr(call)) return call;
    call.iter = iter;
    call.wanted = iter.remaining;
    return this.#start(call, address, a, call.iterAddress, c, 0);
  }

  /**
   * Calls a driver function on behalf of `task`, which is in no other that sleeps.
   * @param iter what the second argument stands for; null: it is `b`
   * @returns as `invokeAtomic`; SUSPENDED: it is `task.driverCall` and `suspended` now, to be resumed
   */
  invoke(
    owner: Owner,
    task: Task | null,
    { address, isInt }: DriverFunction,
    a = 0,
    b = 0,
    c = 0,
    iter: IoIter | null = null,
  ): number {
    // Inside of another call there is nobody who could wait.
    const call = this.#begin(owner, task, this.active !== null);
    if (isErr(call)) return call;
    call.isInt = isInt;
    call.iter = iter;
    call.wanted = iter === null ? 0 : iter.remaining;
    return this.#start(call, address, a, iter === null ? b : call.iterAddress, c, 0);
  }

  /**
   * As `invoke`; of a caller who is no task, and so cannot wait, as `invokeAtomic`.
   * @param companion what the second argument stands for; `finish` of it is called in any case
   */
  invokeWith(
    owner: Owner,
    caller: Caller | undefined,
    { address, isInt }: DriverFunction,
    a: number,
    companion: Companion,
    c = 0,
  ): number {
    const task = caller instanceof Task ? caller : null;
    const call = this.#begin(owner, task, task === null || this.active !== null);
    if (isErr(call)) return companion.finish(call);
    call.isInt = isInt;
    call.companion = companion;
    return this.#start(call, address, a, companion.begin(call), c, 0);
  }

  /** The call that `caller` sleeps in, which whoever makes the same operation again goes on with; null: there is none. */
  underWay(caller: Caller | undefined): KernelCall | null {
    return this.active === null && caller instanceof Task ? caller.driverCall : null;
  }

  /** Goes on with the call that `underWay` has found. @returns as `invoke`; -EAGAIN in a call that must not wait */
  goOn(call: KernelCall): number {
    return call.task!.wait.refused ? fail(EAGAIN) : this.resume(call);
  }

  /**
   * As `invoke`, with six arguments: a system call that a driver answers.
   * @param words halves of the arguments, the low ones first; null: they are in the registers that a system call has them in
   */
  invokeSyscall(layer: SyscallLayer, task: Task, words: Uint32Array | null): number {
    const call = this.#begin(layer.owner, task);
    if (isErr(call)) return call;
    call.syscall = layer;
    const { cpu } = this.kernel;
    this.#nesting.begin(this.space.pageTable);
    if (words === null) cpu.setRegHalves(RCX, cpu.regLo(R10), cpu.regHi(R10));
    else for (const [i, reg] of C_ARGUMENTS.entries()) cpu.setRegHalves(reg, words[2 * i]!, words[2 * i + 1]!);
    call.enter(layer.address);
    return this.#run(call);
  }

  /**
   * Makes a call that begins when it is resumed first.
   * @returns it, suspended and ready
   */
  prepare(owner: Owner, task: Task, { address, isInt }: DriverFunction, a = 0): KernelCall | Err {
    const call = this.#begin(owner, task);
    if (isErr(call)) return call;
    call.isInt = isInt;
    this.#nesting.begin(this.space.pageTable);
    call.load(address, a, 0, 0, 0);
    this.kernel.cpu.saveContext(call.context);
    this.#nesting.end();
    this.#suspend(call, true);
    return call;
  }

  /** Goes on with a suspended call. @returns as `invoke` */
  resume(call: KernelCall): number {
    if (call.isAborted) return this.#finish(call, fail(ENODEV));
    // A debugger has stopped it just now: whoever waits tries at once.
    if (this.kernel.scheduler.isHeld) return SUSPENDED;
    if (this.#nesting.isFull) return SUSPENDED;
    const { attempt } = call;
    let result = 0;
    if (attempt !== null) {
      result = attempt();
      if (result === SUSPENDED) {
        call.isReady = false;
        return SUSPENDED;
      }
      call.stopTimer();
      call.attempt = null;
      call.hasSlept();
    }
    const { cpu } = this.kernel;
    this.#nesting.begin(this.space.pageTable);
    cpu.loadContext(call.context);
    if (attempt !== null) cpu.setReg(RAX, result);
    call.owner.remove(call);
    return this.#run(call);
  }

  /**
   * The system call instruction in kernel mode.
   * @returns whether the driver goes on at once
   */
  exportCalled(): boolean {
    const { cpu } = this.kernel;
    const call = this.active!;
    const row = this.#text.at(cpu.rip);
    if (row === null) {
      this.#outcome = 'returned';
      return false;
    }
    if (row === undefined) {
      cpu.rip = cpu.rip - SYSCALL_LENGTH;
      this.#outcome = 'syscall';
      return false;
    }
    const { fn } = row;
    const count = fn.length - 1;
    const result = fn(
      call,
      count > 0 ? cpu.reg(RDI) : 0,
      count > 1 ? cpu.reg(RSI) : 0,
      count > 2 ? cpu.reg(RDX) : 0,
      count > 3 ? cpu.reg(R10) : 0,
      count > 4 ? cpu.reg(R8) : 0,
      count > 5 ? cpu.reg(R9) : 0,
    );
    if (result === SUSPENDED || result === BUG) {
      this.#outcome = result === BUG ? 'bug' : 'suspended';
      return false;
    }
    cpu.setReg(RAX, result);
    return true;
  }

  #begin(owner: Owner, task: Task | null, isAtomic = false): KernelCall | Err {
    if (this.#nesting.isFull) return fail(ENOMEM);
    let call = this.#idle.pop();
    if (call === undefined) {
      const stack = this.stacks.take();
      if (isErr(stack)) return stack;
      call = new KernelCall(this, stack, this.#text.returnAddress);
    }
    call.owner = owner;
    call.task = task;
    call.isAtomic = isAtomic;
    call.isInt = false;
    call.instructions = 0;
    call.hasSlept();
    this.count++;
    return call;
  }

  #start(call: KernelCall, address: number, a: number, b: number, c: number, d: number): number {
    this.#nesting.begin(this.space.pageTable);
    call.load(address, a, b, c, d);
    return this.#run(call);
  }

  /** Precondition: its registers are on the processor, and what was there is put aside. */
  #run(call: KernelCall): number {
    const { cpu, scheduler, host, debugger: debug } = this.kernel;
    const outer = this.active;
    this.active = call;
    call.state = 'running';
    scheduler.charge(CALL_COST);
    let result = SUSPENDED;
    let isReady = false;
    for (;;) {
      this.#outcome = 'none';
      const budget = scheduler.current === null ? SLICE : Math.max(scheduler.sliceLeft, LEAST_BUDGET);
      let exit = debug === null ? cpu.run(budget) : debug.runCall(call, outer !== null, budget);
      const { retired } = debug ?? cpu;
      scheduler.charge(retired);
      host.elapsed(retired);
      call.instructions += retired;
      if (exit === EXIT_FAULT) exit = this.kernel.drivers.probes.trapped(call);
      if (call.task !== null) call.task.process.usage.stime += retired;
      if (exit === EXIT_SYSCALL) {
        const outcome = this.#outcome as Outcome;
        if (outcome === 'returned') {
          result = call.isInt ? cpu.regLo(RAX) | 0 : cpu.reg(RAX);
          // What the kernel says to itself no driver says.
          if ((result <= PENDING && result >= BUG) || (call.iter !== null && result > call.wanted)) result = fail(EIO);
          if (call.held.length > 0) {
            const [{ what, address: at }] = call.held as [HeldLock];
            const text = `returned with a ${what} held: ${hex(at)}`;
            result = this.#fail(call, { kind: 'bug', text });
          }
          break;
        }
        if (outcome === 'suspended') break;
        if (outcome === 'none') continue;
        result = this.#fail(call, outcome === 'bug' ? { kind: 'bug', text: call.bugText } : { kind: 'syscall' });
        break;
      }
      if (exit === EXIT_FAULT) {
        result = this.#fail(call, { kind: 'fault' });
        break;
      }
      // Only a call that can be put off is stopped by a debugger.
      if (scheduler.isHeld && call.maySleep && outer === null) {
        isReady = true;
        break;
      }
      if (exit !== EXIT_SLICE) continue;
      const text = lockup(call);
      if (text !== null) {
        result = this.#fail(call, { kind: 'bug', text });
        break;
      }
      if (call.maySleep && outer === null) {
        isReady = true;
        break;
      }
    }
    if (result === SUSPENDED) {
      cpu.saveContext(call.context);
      this.#nesting.end();
      this.active = outer;
      this.#suspend(call, isReady);
      return SUSPENDED;
    }
    this.#nesting.end();
    this.active = outer;
    return this.#finish(call, result);
  }

  #suspend(call: KernelCall, isReady: boolean): void {
    call.state = 'suspended';
    call.isReady = isReady;
    call.owner.add(call);
    this.suspended = call;
    if (call.task !== null) call.task.driverCall = call;
  }

  #fail(call: KernelCall, reason: OopsReason): number {
    call.owner.crashes++;
    this.#oops(call, reason);
    return fail(EIO);
  }

  /** The call is over. */
  #finish(call: KernelCall, result: number): number {
    const { task } = call;
    if (task !== null && task.driverCall === call) task.driverCall = null;
    if (call.held.length > 0 || call.atomicDepth > 0) this.#dropLocks(call);
    if (call.queue !== 0) this.kernel.drivers.waitQueues.finish(call);
    call.stopTimer();
    call.attempt = null;
    call.iter = null;
    // Not for nothing: it is a call of the engine's runtime.
    if (call.returns.length > 0) call.returns.length = 0;
    call.syscall = null;
    call.originalWords = null;
    call.task = null;
    call.isAborted = false;
    call.state = 'idle';
    const { companion } = call;
    call.companion = null;
    this.#idle.push(call);
    return companion === null ? result : companion.finish(result);
  }

  /** Whoever waits for them goes on. */
  #dropLocks(call: KernelCall): void {
    for (const lock of call.held.splice(0)) lock.abandon();
    call.atomicDepth = 0;
  }
}
