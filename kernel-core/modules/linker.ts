/**
 * The linker: a task of the kernel's own that parses, lays out and links objects, one request after the other. Who wants a
 * module only asks it and waits; what it makes belongs to the module table.
 */
import { isErr } from '../../abi/errno.js';
import { makeKernelTask } from '../drivers/thread.js';
import type { Kernel } from '../kernel.js';
import type { Task } from '../task.js';
import type { Hook } from '../wait.js';
import type { Steps } from './operation.js';

const NAME = 'linker';
/** What linking counts for: instructions for each byte of an image. */
const COST_PER_BYTE = 4;

interface Request {
  readonly bytes: number;
  readonly work: () => void;
}

export class Linker {
  readonly task: Task;
  readonly #hook: Hook;
  readonly #requests: Request[] = [];

  /** Starts the task. @param hook notified after each request */
  constructor(kernel: Kernel, hook: Hook) {
    const task = makeKernelTask(kernel, NAME, kernel.kthreadd);
    if (isErr(task)) throw new Error('the linker has no task');
    this.task = task;
    this.#hook = hook;
    task.kernelThread = this;
    task.state = 'sleeping';
  }

  /** Its turn: one request. @returns instructions that it counts for */
  run(): number {
    const request = this.#requests.shift();
    if (request !== undefined) {
      request.work();
      this.#hook.emit('notify', 0);
    }
    if (this.#requests.length === 0) this.task.kernel.scheduler.sleep(this.task);
    return 1 + (request?.bytes ?? 0) * COST_PER_BYTE;
  }

  /**
   * Has some work done by the linker.
   * @param bytes of the image that it is about
   * @param undo for a result that nobody takes any more, because who asked is gone
   */
  *ask<T>(bytes: number, work: () => T, undo: (result: T) => void = () => {}): Steps<T> {
    let answer: { readonly result: T } | null = null;
    let isTaken = false;
    const request: Request = {
      bytes,
      work: () => {
        answer = { result: work() };
      },
    };
    this.#requests.push(request);
    this.task.kernel.scheduler.wake(this.task);
    try {
      yield { isReady: () => answer !== null };
      isTaken = true;
      return (answer as unknown as { result: T }).result;
    } finally {
      if (!isTaken) this.#withdraw(request, () => answer !== null && undo((answer as { result: T }).result));
    }
  }

  #withdraw(request: Request, undo: () => void): void {
    const index = this.#requests.indexOf(request);
    if (index >= 0) this.#requests.splice(index, 1);
    else undo();
  }
}
