/**
 * Whether a driver's call on the processor can be stopped. It is stopped as it is put off when its slice is over, so one
 * that has to answer at once cannot be: its breakpoints and watchpoints are passed over, and whoever debugs is told so.
 * Why it is so: docs/decisions/debugger.md.
 */
import type { KernelCall } from '../drivers/call.js';
import type { Kernel } from '../kernel.js';

/** A call on the processor. */
export interface RunningCall {
  readonly call: KernelCall;
  /** It runs inside of another. */
  readonly isInner: boolean;
}

export class DriverStops {
  /** The call on the processor; null: none. */
  running: RunningCall | null = null;
  /** Told, in one line, that the machine has not stopped where it was to. */
  onPassed: ((text: string) => void) | null = null;
  readonly #kernel: Kernel;
  /** What was told since the machine went on: once is enough. */
  readonly #told = new Set<string>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Why the call cannot be stopped now: it may have taken a lock since it began. Null: it can, or a program runs. */
  get obstacle(): string | null {
    if (this.running === null) return null;
    const { call, isInner } = this.running;
    const { task } = call;
    if (call.isAtomic) return 'in a call that may not sleep';
    if (call.atomicDepth > 0) return 'with a spinlock held';
    if (isInner) return "inside of another driver's call";
    if (task === null || task.kernelThread !== null) return 'on behalf of the kernel';
    // What a debugger can have as a thread.
    if (task.program !== null) return 'on behalf of a TypeScript program';
    return task.mm === null || task.state === 'dead' ? 'at the end of a process' : null;
  }

  /** It can be stopped as soon as it has let go of its locks. */
  get isLocked(): boolean {
    if (this.running === null) return false;
    const { call, isInner } = this.running;
    return call.atomicDepth > 0 && !call.isAtomic && !isInner;
  }

  /** The machine goes on: what is passed now is news again. */
  forget(): void {
    this.#told.clear();
  }

  passed(what: 'breakpoint' | 'watchpoint', address: number, obstacle: string): void {
    const text = `${what} at ${this.#kernel.drivers.symbols.describe(address)} passed over: ${obstacle}\n`;
    if (this.#told.has(text)) return;
    this.#told.add(text);
    this.onPassed?.(text);
  }
}
