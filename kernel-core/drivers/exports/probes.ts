/** Exports for probes on system calls and on functions in kernel mode. */
import { isErr } from '../../../abi/errno.js';
import type { KernelCall } from '../call.js';
import type { ExportRow } from '../row.js';
import { readStructure } from '../structure.js';

/** struct banos_probe, struct banos_syscall_probe. */
const PROBE_SIZE = 32;
const PROBE_WITH_RETURN = 40;
const SYSCALL_PROBE_SIZE = 32;
const MAX_SYMBOL = 256;

function registerProbe(call: KernelCall, address: number): number {
  const probe = readStructure(call, address, PROBE_SIZE, PROBE_WITH_RETURN);
  if (typeof probe === 'number') return probe;
  const symbol = probe.text(8, MAX_SYMBOL);
  if (isErr(symbol)) return call.bug('banos_register_probe with a bad symbol');
  const parts = { handler: probe.pointer(16), returned: probe.pointer(32), data: probe.pointer(24) };
  return call.kernel.drivers.probes.register(call.owner, symbol, probe.u32(4), parts);
}

function registerSyscallProbe(call: KernelCall, address: number): number {
  const probe = readStructure(call, address, SYSCALL_PROBE_SIZE, SYSCALL_PROBE_SIZE);
  if (typeof probe === 'number') return probe;
  return call.kernel.drivers.syscallProbes.register(call.owner, {
    number: probe.s32(4),
    entry: probe.pointer(8),
    exit: probe.pointer(16),
    data: probe.pointer(24),
  });
}

/** A pointer, or a negative errno: no address of the heap looks like one. */
export const probeExports: readonly ExportRow[] = [
  {
    name: 'banos_register_probe',
    prototype: 'long banos_register_probe(const struct banos_probe *probe)',
    fn: registerProbe,
  },
  {
    name: 'banos_unregister_probe',
    prototype: 'long banos_unregister_probe(long probe)',
    fn: (call, probe) => call.kernel.drivers.probes.unregister(call.owner, probe),
  },
  {
    name: 'banos_register_syscall_probe',
    prototype: 'long banos_register_syscall_probe(const struct banos_syscall_probe *probe)',
    fn: registerSyscallProbe,
  },
  {
    name: 'banos_unregister_syscall_probe',
    prototype: 'long banos_unregister_syscall_probe(long probe)',
    fn: (call, probe) => call.kernel.drivers.syscallProbes.unregister(call.owner, probe),
  },
];
