/**
 * A driver's flow of control: one call of a driver function from the kernel, with its stack, what it waits for and what it
 * holds. `CallRunner` (calls.ts) runs it; exported functions get it as their first argument.
 *
 * States: idle → running → (suspended → running)* → idle. While it is suspended its registers are in `context`, and whoever
 * called it waits: a task in its system call, a kernel thread in its turn. A wake-up makes it ready and that task run; what
 * happened is found out by `attempt`, as everywhere (wait.ts).
 */
import { SUSPENDED } from '../../vfs/file.js';
import type { IoIter } from '../../vfs/iter.js';
import type { Kernel } from '../kernel.js';
import { PAGE_SIZE } from '../mm/layout.js';
import type { Task } from '../task.js';
import { Timer } from '../timers.js';
import type { CallRunner } from './calls.js';
import { PER_CPU } from './layout.js';
import type { Owned, Owner } from './owner.js';
import type { ProbedReturn } from './probes.js';
import type { KernelStack } from './stacks.js';
import type { SyscallLayer } from './syscalls.js';

/** An exported function found that the driver has done what it must not: the call ends with an oops. */
export const BUG = -0x10003;

/** A lock that a flow of control holds: what an oops lets go of. */
export interface HeldLock {
  /** Address of the driver's lock object. */
  readonly address: number;
  readonly what: string;
  /** Its holder is gone. */
  abandon(): void;
}

/** What a call gets as its second argument, and what lives as long as it does: a text, a mapping. */
export interface Companion {
  /** The call is about to begin. @returns the argument */
  begin(call: KernelCall): number;
  /** It is over, or could not begin. @param result what it returns @returns what the operation answers */
  finish(result: number): number;
}

export class KernelCall implements Owned {
  readonly runner: CallRunner;
  readonly kernel: Kernel;
  readonly stack: KernelStack;
  /** Registers while it is suspended. */
  readonly context: Uint8Array;
  /** Whose code runs. */
  owner!: Owner;
  /** On whose behalf; null: nobody's (a timer). */
  task: Task | null = null;
  /** It may not sleep, nor be put off when a slice is over. */
  isAtomic = false;
  state: 'idle' | 'running' | 'suspended' = 'idle';
  /** Suspended, it has something to do: it was woken, or its slice was over. */
  isReady = false;
  /** Suspended in an exported function: what tries again. @returns its result, or SUSPENDED. Null: it may just go on. */
  attempt: (() => number) | null = null;
  /** The deadline of the sleep has passed. */
  expired = false;
  /** Its module is being forced out: it does not go on. */
  isAborted = false;
  /** Spinlocks held and the like: sleeping is a bug. */
  atomicDepth = 0;
  readonly held: HeldLock[] = [];
  /** Where the bytes of a read or write go; what `struct banos_iter *` stands for. */
  iter: IoIter | null = null;
  /** Bytes that they were in the beginning: more than it was asked for no driver has moved. */
  wanted = 0;
  companion: Companion | null = null;
  /** Functions that it is in and whose return is probed, the innermost last. */
  readonly returns: ProbedReturn[] = [];
  /** Its function returns an int: the upper half of rax is anything. */
  isInt = false;
  /** Address of the wait queue that it is on; 0: none. */
  queue = 0;
  /** The queue was woken since it was put on it. */
  isWoken = false;
  /** The system call that it answers; null: none. */
  syscall: SyscallLayer | null = null;
  /** Suspended, it waits for the call that it stands in front of: halves of its arguments. */
  originalWords: Uint32Array | null = null;
  /** Instructions since it began. */
  instructions = 0;
  /** Since when it has not slept, monotonic nanoseconds, and how often the log was told; -1: it was not looked at yet. */
  busySince = -1;
  complaints = 0;
  /** `instructions` when it was seen that its process was killed; -1: it is not. */
  killedAt = -1;
  /** Why an exported function ended it. */
  bugText = '';
  readonly #returnAddress: number;
  readonly #timer = new Timer(() => {
    this.expired = true;
    this.wake();
  });

  /** @param returnAddress where driver functions return to */
  constructor(runner: CallRunner, stack: KernelStack, returnAddress: number) {
    this.#returnAddress = returnAddress;
    this.runner = runner;
    this.kernel = runner.kernel;
    this.stack = stack;
    this.context = runner.kernel.cpu.newContext();
  }

  /** Address that the driver knows the iterator by: a place on the stack that nothing else uses. */
  get iterAddress(): number {
    return this.stack.top - 64;
  }

  /** Address of its function's return address. A multiple of 16 and 8 more, as a call instruction leaves the stack. */
  get returnSlot(): number {
    return this.stack.top - 72;
  }

  /** Puts a function and its arguments on the processor. */
  load(address: number, a: number, b: number, c: number, d: number): void {
    this.kernel.cpu.setArguments(a, b, c, d);
    this.enter(address);
  }

  /** Puts a function on the processor, where its arguments are. */
  enter(address: number): void {
    const { returnSlot, stack } = this;
    const place = stack.topPage + PAGE_SIZE - (stack.top - returnSlot);
    this.kernel.cpu.enterFunction(address, returnSlot, PER_CPU, place, this.#returnAddress);
  }

  get maySleep(): boolean {
    return !this.isAtomic && this.atomicDepth === 0;
  }

  /**
   * From an exported function: the driver sleeps until `attempt`, which is asked at every wake-up, has a result.
   * @param deadline monotonic nanoseconds; `expired` is true from then on
   * @returns SUSPENDED, or BUG when it may not sleep
   */
  sleep(attempt: () => number, deadline = Number.POSITIVE_INFINITY): number {
    if (!this.maySleep) return this.bug('scheduling while atomic');
    this.attempt = attempt;
    this.expired = false;
    if (deadline !== Number.POSITIVE_INFINITY) {
      this.kernel.timers.arm(this.#timer, deadline);
      this.kernel.scheduler.timersChanged();
    }
    return SUSPENDED;
  }

  /** Or begins: it is in no loop. */
  hasSlept(): void {
    this.busySince = -1;
    this.complaints = 0;
    this.killedAt = -1;
  }

  /** The sleep is over. */
  stopTimer(): void {
    this.kernel.timers.cancel(this.#timer);
  }

  /** Something that it may wait for has happened. Harmless at any time. */
  wake(): void {
    if (this.state !== 'suspended') return;
    this.isReady = true;
    if (this.task !== null) this.kernel.scheduler.wake(this.task);
  }

  /** From an exported function. @returns BUG */
  bug(text: string): number {
    this.bugText = text;
    return BUG;
  }

  /** A signal that the task would see is there. */
  get isInterrupted(): boolean {
    const { task } = this;
    return task !== null && (task.hasDeliverableSignal || task.kernelThread?.isStopping === true);
  }

  /** The task is to end. */
  get isKilled(): boolean {
    return this.task?.isKilled === true;
  }

  /** Its module goes by force: whoever waits for it gets an error. */
  release(): void {
    this.isAborted = true;
    this.wake();
  }
}
