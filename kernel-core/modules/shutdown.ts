/**
 * Drivers when the kernel is shut down: what they have mounted is unmounted, and every module's uninit is called, of those that
 * need others first. It ends whatever drivers do: who sleeps in one for too long is woken with an error, and modules that
 * take too long go as they are.
 */
import { isErr } from '../../abi/errno.js';
import { KERN_ERR, KERN_WARNING } from '../../abi/klog.js';
import { MNT_DETACH } from '../../abi/mount.js';
import { DriverFileSystem } from '../drivers/filesystem.js';
import type { Kernel } from '../kernel.js';
import { Timer } from '../timers.js';
import type { Steps } from './operation.js';
import type { ModuleTable } from './table.js';
import { ModuleThread } from './thread.js';
import { takeAway } from './unload.js';

/** Nanoseconds that are granted. */
const PATIENCE = 2_000_000_000;

function inTime(kernel: Kernel, late: () => void): Timer {
  const timer = new Timer(late);
  kernel.timers.arm(timer, kernel.host.monotonic() + PATIENCE);
  kernel.scheduler.timersChanged();
  return timer;
}

/**
 * Programs have been told to end: those that still sleep in drivers after a while are woken with an error.
 * @returns what forgets about it
 */
export function hurrySleepers(kernel: Kernel): () => void {
  const timer = inTime(kernel, () => {
    for (const { driverCall, process, comm, tid } of kernel.processes.tasks()) {
      if (driverCall?.state !== 'suspended' || process.isKernelThread) continue;
      kernel.modules.log(driverCall.owner.name, `${comm}:${tid} is to end and sleeps in it: it is woken`, KERN_WARNING);
      driverCall.release();
    }
  });
  return () => kernel.timers.cancel(timer);
}

/** Precondition: no program is left. */
export async function endModules(kernel: Kernel): Promise<void> {
  const { modules } = kernel;
  if (modules.list().length === 0) return;
  unmountAll(kernel);
  await new Promise<void>((resolve) => {
    // Begun first: time does not pass before.
    const thread = ModuleThread.start(
      modules,
      'shutdown',
      () => endAll(modules),
      () => {
        kernel.timers.cancel(timer);
        resolve();
      },
    );
    const timer = inTime(kernel, () => {
      for (const { name } of modules.list()) modules.log(name, 'does not end at shutdown: it goes as it is', KERN_ERR);
      resolve();
    });
    if (isErr(thread)) kernel.timers.arm(timer, 0);
  });
}

/** File systems of drivers, with what is mounted below them. */
function unmountAll({ namespace }: Kernel): void {
  for (const mount of namespace.list().reverse()) {
    if (mount.namespace !== namespace || !(mount.fs instanceof DriverFileSystem)) continue;
    mount.fs.sync();
    // What is mounted over it goes first.
    while (mount.namespace === namespace && namespace.umount({ mount, dentry: mount.root }, MNT_DETACH) === 0) {}
  }
}

function* endAll(table: ModuleTable): Steps<number> {
  const { drivers } = table.kernel;
  yield { isReady: () => drivers.detached === 0 };
  for (;;) {
    const module = table.list().find(({ state, users }) => state === 'Live' && users.size === 0);
    if (module === undefined) return 0;
    yield* takeAway(table, module, true, { waitsFor: null });
    yield { isReady: () => drivers.detached === 0 };
  }
}
