/** Exports for files in /proc/driver. */
import { isErr } from '../../../abi/errno.js';
import type { KernelCall } from '../call.js';
import type { ExportRow } from '../row.js';
import { readStructure } from '../structure.js';

/** struct banos_proc_file, as the first version has it. */
const FILE_SIZE = 40;
const MAX_NAME = 64;

function create(call: KernelCall, address: number): number {
  const at = readStructure(call, address, FILE_SIZE, FILE_SIZE);
  if (typeof at === 'number') return at;
  const name = at.text(8, MAX_NAME);
  if (isErr(name)) return call.bug('banos_proc_create with a bad name');
  const { drivers } = call.kernel;
  const parts = { name, mode: at.u32(4), show: at.pointer(16), store: at.pointer(24), data: at.pointer(32) };
  return drivers.procFiles.create(drivers, call.owner, parts);
}

export const procExports: readonly ExportRow[] = [
  {
    name: 'banos_proc_create',
    prototype: 'long banos_proc_create(const struct banos_proc_file *file)',
    fn: create,
  },
  {
    name: 'banos_proc_remove',
    prototype: 'long banos_proc_remove(const char *name)',
    fn: (call, address) => {
      const { drivers } = call.kernel;
      const name = drivers.space.readText(address, MAX_NAME);
      return isErr(name) ? call.bug('banos_proc_remove with a bad name') : drivers.procFiles.remove(call.owner, name);
    },
  },
];
