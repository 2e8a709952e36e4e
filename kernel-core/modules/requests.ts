/**
 * Modules that drivers ask for. A driver's function that asks is in the middle of something and has a stack of its own, so a
 * kernel thread loads or unloads on its behalf, and it sleeps until that is done. A signal that kills ends its sleep; the
 * thread goes on.
 *
 * Who asks while it comes or goes itself could wait for ever for somebody who waits for it: `Module.requests` says who waits
 * for whom, and load.ts refuses to close the circle.
 */
import { EEXIST, EPERM, ERESTARTSYS, type Err, fail, isErr } from '../../abi/errno.js';
import { SUSPENDED } from '../../vfs/file.js';
import type { KernelCall } from '../drivers/call.js';
import type { Task } from '../task.js';
import { loadRequested } from './load.js';
import type { Progress } from './module.js';
import type { Steps } from './operation.js';
import { moduleName } from './search.js';
import type { ModuleTable } from './table.js';
import { ModuleThread } from './thread.js';
import { unloadRequested } from './unload.js';

const THREAD_NAME = 'kmod';

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
  const progress: Progress = { waitsFor: null };
  const begin = (task: Task): Steps<number> => steps(table, task, requester?.name ?? '', progress);
  const thread = ModuleThread.start(table, THREAD_NAME, begin, () => call.wake());
  if (isErr(thread)) return thread;
  requester?.requests.add(progress);
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
