/** Exports for schedulers of drivers. */
import { EINVAL, ENOMEM, fail, isErr } from '../../../abi/errno.js';
import type { KernelCall } from '../call.js';
import type { ExportRow } from '../row.js';
import { DriverScheduler, SCHED_TASK_SIZE } from '../schedulers.js';
import { readStructure } from '../structure.js';

/** struct banos_scheduler, as the first version has it. */
const SCHEDULER_SIZE = 48;
const MAX_NAME = 33;

function register(call: KernelCall, address: number): number {
  const at = readStructure(call, address, SCHEDULER_SIZE, SCHEDULER_SIZE);
  if (typeof at === 'number') return at;
  const name = at.text(8, MAX_NAME);
  if (isErr(name)) return call.bug('banos_register_scheduler with a bad name');
  const operations = {
    enqueue: at.pointer(16),
    pickNext: at.pointer(24),
    ran: at.pointer(32),
    slice: at.pointer(40),
  };
  if (!/^[\w-]{1,32}$/.test(name) || operations.enqueue === 0 || operations.pickNext === 0) return fail(EINVAL);
  const { drivers } = call.kernel;
  const shown = drivers.heap.alloc(call.owner, SCHED_TASK_SIZE, 0);
  if (shown === 0) return fail(ENOMEM);
  drivers.space.fill(shown, 0, SCHED_TASK_SIZE);
  const result = drivers.schedulers.register(new DriverScheduler(drivers, call.owner, name, operations, shown));
  if (isErr(result)) drivers.heap.free(shown);
  return result;
}

export const schedulerExports: readonly ExportRow[] = [
  {
    name: 'banos_register_scheduler',
    prototype: 'long banos_register_scheduler(const struct banos_scheduler *scheduler)',
    fn: register,
  },
  {
    name: 'banos_unregister_scheduler',
    prototype: 'long banos_unregister_scheduler(const char *name)',
    fn: (call, address) => {
      const { drivers } = call.kernel;
      const name = drivers.space.readText(address, MAX_NAME);
      if (isErr(name)) return call.bug('banos_unregister_scheduler with a bad name');
      return drivers.schedulers.unregister(call.owner, name);
    },
  },
];
