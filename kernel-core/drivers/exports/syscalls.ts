/** Exports for system calls that drivers answer. */
import { EFAULT, fail, isErr } from '../../../abi/errno.js';
import type { KernelCall } from '../call.js';
import type { ExportRow } from '../row.js';
import { readStructure } from '../structure.js';

/** struct banos_syscall, as the first version has it. */
const DESCRIPTION_SIZE = 40;
const WRAP = 1;
const MAX_NAME = 65;
/** Six words. */
const ARGUMENTS_SIZE = 48;

function register(call: KernelCall, address: number): number {
  const at = readStructure(call, address, DESCRIPTION_SIZE, DESCRIPTION_SIZE);
  if (typeof at === 'number') return at;
  const name = at.text(8, MAX_NAME);
  if (isErr(name)) return call.bug('banos_register_syscall with a bad name');
  const count = at.u8(20);
  return call.kernel.drivers.syscalls.register(call.owner, {
    number: at.s32(4),
    name,
    wraps: (at.u32(16) & WRAP) !== 0,
    // One too many is refused.
    kinds: Array.from({ length: Math.min(count, 7) }, (_, i) => at.u8(21 + i)),
    result: at.u8(27),
    address: at.pointer(32),
  });
}

function original(call: KernelCall, address: number): number {
  const bytes = new Uint8Array(ARGUMENTS_SIZE);
  if (isErr(call.kernel.drivers.space.read(address, bytes))) return fail(EFAULT);
  return call.kernel.drivers.syscalls.askOriginal(call, new Uint32Array(bytes.buffer));
}

export const syscallExports: readonly ExportRow[] = [
  {
    name: 'banos_register_syscall',
    prototype: 'long banos_register_syscall(const struct banos_syscall *description)',
    fn: register,
  },
  {
    name: 'banos_unregister_syscall',
    prototype: 'long banos_unregister_syscall(int number)',
    fn: (call, number) => call.kernel.drivers.syscalls.unregister(call.owner, number | 0),
  },
  {
    name: 'banos_syscall_original',
    prototype: 'long banos_syscall_original(const banos_u64 arguments[6])',
    fn: original,
  },
];
