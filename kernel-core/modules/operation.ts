/**
 * Loading and unloading as sequences of steps, each of which may have to wait: for the linker, for another module, for a
 * function of the driver. A sequence is a generator; `Operation` goes on with it in the caller's one wait (wait.ts), so that
 * a system call sleeps once however many steps it has.
 */
import { EAGAIN, EIO, type Err, fail } from '../../abi/errno.js';
import { SUSPENDED } from '../../vfs/file.js';
import type { Owner } from '../drivers/owner.js';
import type { Task } from '../task.js';
import type { Hook, WaitRequest } from '../wait.js';

/** Wait until something is so; it is asked anew whenever the module table's hook is notified. */
export interface Condition {
  readonly isReady: () => boolean;
}

/** Run a function of a driver that returns an `int` and may sleep. The step's result is what it returns. */
export interface DriverCall {
  readonly owner: Owner;
  readonly address: number;
  readonly args: readonly number[];
}

/** A sequence that ends with a `T`. */
export type Steps<T> = Generator<Condition | DriverCall, T, number>;

/** What a system call, or a kernel thread (requests.ts), waits for. Its result is the sequence's. */
export class Operation implements WaitRequest {
  readonly hooks: readonly Hook[];
  readonly what: string;
  /** A signal leaves no module half loaded; only one that kills ends the wait. */
  readonly uninterruptible = true;
  readonly #task: Task;
  readonly #steps: Steps<number>;
  #step: Condition | DriverCall | null = null;
  #isCalling = false;
  #isOver = false;

  constructor(task: Task, hook: Hook, steps: Steps<number>, what: string) {
    this.#task = task;
    this.hooks = [hook];
    this.#steps = steps;
    this.what = what;
  }

  /** -EAGAIN as the result of the whole is a result. */
  get waitsByItself(): boolean {
    return this.#isOver;
  }

  attempt(): number {
    for (;;) {
      let value = 0;
      const step = this.#step;
      if (step !== null && 'isReady' in step) {
        if (!step.isReady()) return fail(EAGAIN);
      } else if (step !== null) {
        value = this.#call(step);
        if (value === SUSPENDED) return value;
      }
      const next = this.#steps.next(value);
      if (next.done === true) {
        this.#isOver = true;
        return next.value;
      }
      this.#step = next.value;
    }
  }

  cleanup(): void {
    // Half-way: what was begun is undone by the sequence itself.
    if (!this.#isOver) this.#steps.return(0);
  }

  #call({ owner, address, args }: DriverCall): number {
    const { runner } = this.#task.kernel.drivers;
    const [a] = args;
    const result = this.#isCalling
      ? runner.resume(this.#task.driverCall!)
      : runner.invoke(owner, this.#task, { address, isInt: true }, a);
    this.#isCalling = result === SUSPENDED;
    return result;
  }
}

/** Runs a sequence on behalf of a task's system call. @returns its result, or PENDING */
export function perform(task: Task, hook: Hook, steps: Steps<number | Err>, what: string): number {
  return task.wait.block(new Operation(task, hook, steps, what));
}

/** @source Linux MAX_ERRNO */
export const MAX_ERRNO = 4095;

/** What a driver's init or uninit that returned something else than 0 means: upstream's drivers return errnos of either sign. */
export function errnoOf(result: number): Err {
  const errno = Math.abs(result);
  return fail(errno <= MAX_ERRNO ? errno : EIO);
}
