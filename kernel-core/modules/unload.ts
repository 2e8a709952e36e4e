/**
 * Unloading a module: nobody may hold it, its uninit may refuse, and then everything that it had is given back. By force
 * whoever holds it gets errors. Modules that were loaded because another needed them go by themselves.
 */
import { EBUSY, EIO, ENOENT, EPERM, type Err, EWOULDBLOCK, fail } from '../../abi/errno.js';
import { O_TRUNC } from '../../abi/fcntl.js';
import { KERN_INFO } from '../../abi/klog.js';
import type { Task } from '../task.js';
import { Timer } from '../timers.js';
import type { Module, Progress } from './module.js';
import { errnoOf, perform, type Steps } from './operation.js';
import { moduleName } from './search.js';
import type { ModuleTable } from './table.js';

/** How long a module that nobody needs any more stays, in case somebody needs it again. @source NetBSD module(9) */
const KEEP_UNUSED = 10_000_000_000;

/**
 * For delete_module(2).
 * @param flags O_TRUNC: by force. There is no waiting, with or without O_NONBLOCK, as on Linux since 3.13
 * @returns 0; -ENOENT; -EWOULDBLOCK: others hold it; -EBUSY: it is coming or going, or does not want to; PENDING
 */
export function unload(table: ModuleTable, task: Task, name: string, flags: number): number {
  const steps = unloadNamed(table, name, (flags & O_TRUNC) !== 0, { waitsFor: null });
  return perform(task, table.hook, steps, 'delete_module');
}

/**
 * For a driver: unloads another module, which nobody may hold.
 * @param requester name of the module that asks; '': none
 * @returns as `unload`; -EBUSY also when it is the one that asks
 */
export function* unloadRequested(
  table: ModuleTable,
  wanted: string,
  requester: string,
  progress: Progress,
): Steps<number> {
  const name = moduleName(wanted);
  if (name !== requester) return yield* unloadNamed(table, name, false, progress);
  table.log(name, 'cannot unload itself');
  return fail(EBUSY);
}

function* unloadNamed(table: ModuleTable, name: string, byForce: boolean, progress: Progress): Steps<number> {
  if (!table.security.permitsUnloading) {
    table.log(name, `securelevel ${table.security.secureLevel}: modules stay`);
    return fail(EPERM);
  }
  const module = table.find(name);
  if (module === undefined) return fail(ENOENT);
  return yield* unloadModule(table, module, byForce, progress);
}

function* unloadModule(table: ModuleTable, module: Module, byForce: boolean, progress: Progress): Steps<number | Err> {
  const refused = refusal(table, module, byForce);
  return refused ?? (yield* takeAway(table, module, byForce, progress));
}

/** Unloads a module that may go. @param byForce whatever its uninit says */
export function* takeAway(
  table: ModuleTable,
  module: Module,
  byForce: boolean,
  progress: Progress,
): Steps<number | Err> {
  const { owner, driver, linked } = module;
  table.withdraw(module);
  owner.isClosing = true;
  progress.waitsFor = module;
  let isGone = true;
  try {
    if (!owner.hasCrashed) {
      const result = driver.uninit === 0 ? 0 : (yield { owner, address: driver.uninit, args: [driver.address] }) | 0;
      if (!byForce && (result !== 0 || owner.hasCrashed)) {
        isGone = false;
        owner.isClosing = false;
        table.publish(module);
        if (owner.hasCrashed) return fail(EIO);
        table.log(module.name, `uninit refused with ${result}`, KERN_INFO);
        return errnoOf(result);
      }
      for (const address of owner.hasCrashed ? [] : linked.destructors) yield { owner, address, args: [] };
    }
    return 0;
  } finally {
    progress.waitsFor = null;
    if (isGone) {
      table.remove(module);
      for (const dependency of module.dependencies) considerUnloading(table, dependency);
    }
  }
}

/** Why it cannot go now; null: it can. @source Linux kernel/module/main.c delete_module */
function refusal(table: ModuleTable, module: Module, byForce: boolean): Err | null {
  const { owner } = module;
  if (module.users.size > 0) {
    table.log(module.name, `is needed by ${[...module.users].map(({ name }) => name).join(', ')}`, KERN_INFO);
    return fail(EWOULDBLOCK);
  }
  if (module.state !== 'Live') return fail(EBUSY);
  const reason =
    module.driver.uninit === 0
      ? 'has no uninit'
      : owner.hasCrashed
        ? 'has crashed'
        : owner.holds > 0
          ? 'is in use'
          : '';
  if (reason === '') return null;
  if (!byForce) {
    table.log(module.name, `${reason}: only by force`, KERN_INFO);
    return owner.holds > 0 && module.driver.uninit !== 0 && !owner.hasCrashed ? fail(EWOULDBLOCK) : fail(EBUSY);
  }
  table.taint(module, 'R', `is removed by force: ${reason}`);
  return null;
}

/** Something that held the module is gone: if it was loaded for others only, it goes when nobody has needed it for a while. */
export function considerUnloading(table: ModuleTable, module: Module): void {
  if (!module.isAutoLoaded || module.users.size > 0 || table.find(module.name) !== module) return;
  const { timers, host } = table.kernel;
  module.unloadTimer ??= module.owner.add(new UnloadTimer(table, module));
  timers.arm(module.unloadTimer.timer, host.monotonic() + KEEP_UNUSED);
  table.kernel.scheduler.timersChanged();
}

export class UnloadTimer {
  readonly timer: Timer;
  readonly #table: ModuleTable;

  constructor(table: ModuleTable, module: Module) {
    this.#table = table;
    this.timer = new Timer(() => {
      if (!table.security.permitsUnloading || module.users.size > 0) return;
      if (module.references > 0) considerUnloading(table, module);
      else goOn(table, unloadModule(table, module, false, { waitsFor: null }), 0);
    });
  }

  release(): void {
    this.#table.kernel.timers.cancel(this.timer);
  }
}

/** Goes on with a sequence that no task waits for. */
function goOn(table: ModuleTable, steps: Steps<number>, value: number): void {
  const next = steps.next(value);
  if (next.done === true) return;
  const step = next.value;
  if ('isReady' in step) return;
  table.kernel.drivers.callDetached(step.owner, step.address, step.args, (result) => goOn(table, steps, result));
}
