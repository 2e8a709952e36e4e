/** A kernel thread that does one sequence of steps (operation.ts): loading or unloading that no system call waits for. */
import { EAGAIN, type Err, fail, isErr } from '../../abi/errno.js';
import { SUSPENDED } from '../../vfs/file.js';
import { makeKernelTask } from '../drivers/thread.js';
import { exitTask } from '../exit.js';
import type { KernelWork, Task } from '../task.js';
import { Operation, type Steps } from './operation.js';
import type { ModuleTable } from './table.js';

export class ModuleThread implements KernelWork {
  /** null: not yet. */
  result: number | null = null;
  readonly #task: Task;
  readonly #table: ModuleTable;
  readonly #operation: Operation;
  readonly #onEnd: () => void;
  readonly #wake = (): void => this.#task.kernel.scheduler.wake(this.#task);

  /**
   * Starts one.
   * @param steps gets the task
   * @param onEnd called when all is done
   * @returns -EAGAIN
   */
  static start(
    table: ModuleTable,
    name: string,
    steps: (task: Task) => Steps<number>,
    onEnd: () => void,
  ): ModuleThread | Err {
    const { kernel } = table;
    const task = makeKernelTask(kernel, name, kernel.kthreadd);
    return isErr(task) ? task : new ModuleThread(table, name, task, steps(task), onEnd);
  }

  private constructor(table: ModuleTable, name: string, task: Task, steps: Steps<number>, onEnd: () => void) {
    this.#table = table;
    this.#task = task;
    this.#operation = new Operation(task, table.hook, steps, name);
    this.#onEnd = onEnd;
    table.hook.on('notify', this.#wake);
    task.kernelThread = this;
    task.state = 'running';
    task.kernel.scheduler.enqueue(task);
  }

  run(): number {
    const task = this.#task;
    const result = this.#operation.attempt();
    if (result === SUSPENDED) {
      if (!task.driverCall!.isReady) task.kernel.scheduler.sleep(task);
    } else if (result === fail(EAGAIN) && !this.#operation.waitsByItself) task.kernel.scheduler.sleep(task);
    else this.#end(result);
    return 1;
  }

  #end(result: number): void {
    this.result = result;
    this.#table.hook.off('notify', this.#wake);
    this.#onEnd();
    exitTask(this.#task, 0);
  }
}
