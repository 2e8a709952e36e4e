/** Exports for loading and unloading other modules. */
import { isErr } from '../../../abi/errno.js';
import { requestLoad, requestUnload } from '../../modules/requests.js';
import type { KernelCall } from '../call.js';
import type { ExportRow } from '../row.js';

/** Longest name or path, its zero included. */
const MAX_NAME = 4096;

function withName(call: KernelCall, address: number, request: (call: KernelCall, name: string) => number): number {
  const name = call.kernel.drivers.space.readText(address, MAX_NAME);
  return isErr(name) ? call.bug('the name of a module with a bad pointer') : request(call, name);
}

export const moduleExports: readonly ExportRow[] = [
  {
    name: 'banos_request_module',
    prototype: 'int banos_request_module(const char *name)',
    fn: (call, name) => withName(call, name, requestLoad),
  },
  {
    name: 'banos_unload_module',
    prototype: 'int banos_unload_module(const char *name)',
    fn: (call, name) => withName(call, name, requestUnload),
  },
];
