/**
 * Modules that drivers ask for. A driver's function that asks is in the middle of something and has a stack of its own, so a
 * kernel thread loads or unloads on its behalf, and it sleeps until that is done. A signal that kills ends its sleep; the
 * thread goes on.
 *
 * Who asks while it comes or goes itself could wait for ever for somebody who waits for it: `Module.requests` says who waits
 * for whom, and load.ts refuses to close the circle.
 */
import { EAGAIN, EEXIST, EPERM, ERESTARTSYS, type Err, fail, isErr } from '../../abi/errno.js';
import { SUSPENDED } from '../../vfs/file.js';
import type { KernelCall } from '../drivers/call.js';
import { makeKernelTask } from '../drivers/thread.js';
import { exitTask } from '../exit.js';
import type { KernelWork, Task } from '../task.js';
import { loadRequested } from './load.js';
import type { Progress } from './module.js';
import { Operation, type Steps } from './operation.js';
import { moduleName } from './search.js';
import type { ModuleTable } from './table.js';
import { unloadRequested } from './unload.js';

const THREAD_NAME = 'kmod';

/** The thread, until its work is done. */
class ModuleThread implements KernelWork {
  /** null: not yet. */
  result: number | null = null;
  readonly #task: Task;
  readonly #table: ModuleTable;
  readonly #operation: Operation;
  readonly #onEnd: () => void;
  readonly #wake = (): void => this.#task.kernel.scheduler.wake(this.#task);

  constructor(table: ModuleTable, task: Task, steps: Steps<number>, onEnd: () => void) {
    this.#table = table;
    this.#task = task;
    this.#operation = new Operation(task, table.hook, steps, 'kmod');
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

/**
 * Has something done, and waits for it.
 * @param steps gets the task that does it, and the name of the module that waits ('': the kernel itself)
 * @returns what comes of it; -EPERM: modules are disabled; -EAGAIN: no thread; SUSPENDED
 */
function request(
  call: KernelCall,
  steps: (table: ModuleTable, task: Task, requester: string, progress: Progress) => Steps<number>,
): number {
  if (!call.maySleep) return call.bug('scheduling while atomic');
  const { kernel, owner } = call;
  const table = kernel.modules;
  const requester = table.list().find((module) => module.owner === owner);
  if (table.security.modulesDisabled) {
    table.log(owner.name, 'modules are disabled: nobody may load or unload modules');
    return fail(EPERM);
  }
  const task = makeKernelTask(kernel, THREAD_NAME, kernel.kthreadd);
  if (isErr(task)) return task;
  const progress: Progress = { waitsFor: null };
  requester?.requests.add(progress);
  const thread = new ModuleThread(table, task, steps(table, task, requester?.name ?? '', progress), () => call.wake());
  return call.sleep(() => {
    const result = thread.result ?? (call.isKilled ? fail(ERESTARTSYS) : SUSPENDED);
    if (result !== SUSPENDED) requester?.requests.delete(progress);
    return result;
  });
}

/** @param name or a path @returns 0 when it is there; -EEXIST: it is the one that asks; as init_module(2) */
export const requestLoad = (call: KernelCall, name: string): number | Err =>
  moduleName(name) === call.owner.name
    ? fail(EEXIST)
    : request(call, (table, task, requester, progress) => loadRequested(table, task, name, requester, progress));

/** @returns as delete_module(2) */
export const requestUnload = (call: KernelCall, name: string): number | Err =>
  request(call, (table, _task, requester, progress) => unloadRequested(table, name, requester, progress));
