/** Exports for address families of drivers. */
import { EINVAL, fail, isErr } from '../../../abi/errno.js';
import type { KernelCall } from '../call.js';
import { DriverFamily, FAMILY_OPERATIONS, type FamilyOperations } from '../families.js';
import type { ExportRow } from '../row.js';
import { readStructure } from '../structure.js';

/** struct banos_family. */
const FAMILY_SIZE = 24;
/** struct banos_family_ops: size, flags, functions. */
const OPS_HEAD = 8;
const OPS_SIZE = OPS_HEAD + 8 * FAMILY_OPERATIONS.length;
const MAX_NAME = 33;
const MAX_ERRNO = 4095;

function register(call: KernelCall, address: number): number {
  const family = readStructure(call, address, FAMILY_SIZE, FAMILY_SIZE);
  if (typeof family === 'number') return family;
  const ops = readStructure(call, family.pointer(16), OPS_SIZE, OPS_SIZE);
  if (typeof ops === 'number') return ops;
  const name = family.text(8, MAX_NAME);
  if (isErr(name)) return call.bug('banos_register_family with a bad name');
  if (!/^[\w-]{1,32}$/.test(name)) return fail(EINVAL);
  const operations = Object.fromEntries(
    FAMILY_OPERATIONS.map((operation, i) => [operation, ops.pointer(OPS_HEAD + 8 * i)]),
  ) as FamilyOperations;
  const { drivers } = call.kernel;
  return drivers.families.register(new DriverFamily(drivers, call.owner, family.s32(4), name, operations));
}

export const familyExports: readonly ExportRow[] = [
  {
    name: 'banos_register_family',
    prototype: 'long banos_register_family(const struct banos_family *family)',
    fn: register,
  },
  {
    name: 'banos_unregister_family',
    prototype: 'long banos_unregister_family(int family)',
    fn: (call, family) => call.kernel.drivers.families.unregister(call.owner, family | 0),
  },
  {
    name: 'banos_socket_notify',
    prototype: 'void banos_socket_notify(struct banos_socket *socket, banos_u32 mask)',
    fn: (call, address, mask) => {
      const socket = call.kernel.drivers.families.sockets.get(address);
      if (socket === undefined) return call.bug('banos_socket_notify of a socket that is not there');
      socket.notify(mask & 0xffff);
      return 0;
    },
  },
  {
    name: 'banos_socket_error',
    prototype: 'void banos_socket_error(struct banos_socket *socket, int error)',
    fn: (call, address, error) => {
      const socket = call.kernel.drivers.families.sockets.get(address);
      if (socket === undefined) return call.bug('banos_socket_error of a socket that is not there');
      const errno = -(error | 0);
      if (!(errno >= 0 && errno <= MAX_ERRNO)) return call.bug('banos_socket_error with no error');
      socket.error = errno;
      return 0;
    },
  },
];
