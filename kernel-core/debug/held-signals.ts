/** Signals that a debugger was told of before their tasks got them: each waits for what is to become of it. */
import { SI_USER, SIGKILL } from '../../abi/signal.js';
import { makeSignalInfo, type SignalInfo } from '../signals/state.js';
import type { Task } from '../task.js';

export class HeldSignals {
  /** Those that are delivered without a word. */
  passed: ReadonlySet<number> = new Set();
  readonly #held = new Map<Task, SignalInfo>();

  /** Of the signal that a task stopped with; null: it stopped for another reason. */
  of(task: Task): SignalInfo | null {
    return this.#held.get(task) ?? null;
  }

  /** A task takes a signal. @returns whether it is to be told of */
  take(task: Task, info: SignalInfo): boolean {
    if (info.signo === SIGKILL || info.wasTold === true || task.program !== null) return false;
    if (this.passed.has(info.signo)) return false;
    this.#held.set(task, info);
    return true;
  }

  /** The task goes on with `signal`, the one that it stopped with or another; 0: none. */
  settle(task: Task, signal: number): void {
    const held = this.#held.get(task);
    this.#held.delete(task);
    if (signal === 0) return;
    const info = held?.signo === signal ? held : makeSignalInfo(signal, SI_USER);
    info.wasTold = true;
    // Who sent it has heard that it was taken.
    info.source = null;
    task.pending.add(info);
    task.kernel.scheduler.wake(task);
  }

  forget(task: Task): void {
    this.#held.delete(task);
  }
}
