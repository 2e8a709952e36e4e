/** Types of file systems that drivers register: what mount(2) and /proc/filesystems know them by. */
import { EBUSY, EEXIST, EINVAL, ENODEV, ENOENT, type Err, fail, isErr } from '../../abi/errno.js';
import type { Kernel } from '../kernel.js';
import type { KernelCall } from './call.js';
import type { DriverFunction } from './calls.js';
import { DriverFileSystem } from './filesystem.js';
import { FS_OPERATIONS, type FsOperation, type FsOperations, OPS_HEAD, OPS_SIZE } from './fs-layout.js';
import type { Owned, Owner } from './owner.js';
import { readStructure } from './structure.js';

/** Longest name of a type. */
const MAX_TYPE_NAME = 64;
/** Of struct banos_fs_ops: its first version ends behind these. */
const FIRST_OPERATIONS = 22;
const O_FLAGS = 4;

export class DriverFsType implements Owned {
  readonly kernel: Kernel;
  readonly owner: Owner;
  readonly name: string;
  readonly operations: FsOperations;
  readonly flags: number;
  /** Mounted ones. */
  mounted = 0;

  constructor(kernel: Kernel, owner: Owner, name: string, operations: FsOperations, flags: number) {
    this.kernel = kernel;
    this.owner = owner;
    this.name = name;
    this.operations = operations;
    this.flags = flags;
  }

  release(): void {
    this.kernel.drivers.fsTypes.delete(this.name);
    this.kernel.fileSystemTypes.unregister(this.name);
  }
}

/** banos_register_filesystem. @returns 0; -EINVAL, -EEXIST, -ENODEV; BUG */
export function registerFsType(call: KernelCall, nameAt: number, opsAt: number): number {
  const { kernel, owner } = call;
  const { drivers, fileSystemTypes } = kernel;
  const name = drivers.space.readText(nameAt, MAX_TYPE_NAME);
  if (isErr(name)) return call.bug('banos_register_filesystem with a bad name');
  const structure = readStructure(call, opsAt, OPS_HEAD + 8 * FIRST_OPERATIONS, OPS_SIZE);
  if (typeof structure === 'number') return structure;
  const operations: Partial<Record<FsOperation, DriverFunction | null>> = {};
  for (const [i, operation] of FS_OPERATIONS.entries()) {
    const address = structure.pointer(OPS_HEAD + i * 8);
    operations[operation] = address === 0 ? null : { address, isInt: false };
  }
  const complete = operations as FsOperations;
  if (!/^[!-~]+$/.test(name) || name.length >= MAX_TYPE_NAME) return fail(EINVAL);
  if (complete.mount === null || complete.lookup === null || complete.getattr === null) return fail(EINVAL);
  if (owner.isClosing) return fail(ENODEV);
  if (fileSystemTypes.names.includes(name)) return fail(EEXIST);
  const type = owner.add(new DriverFsType(kernel, owner, name, complete, structure.u32(O_FLAGS)));
  drivers.fsTypes.set(name, type);
  fileSystemTypes.register(name, (source, options, readOnly) =>
    DriverFileSystem.mount(type, source, options, readOnly),
  );
  return 0;
}

/** banos_unregister_filesystem. @returns 0; -ENOENT; -EBUSY; BUG */
export function unregisterFsType(call: KernelCall, nameAt: number): number | Err {
  const { owner } = call;
  const { drivers } = call.kernel;
  const name = drivers.space.readText(nameAt, MAX_TYPE_NAME);
  if (isErr(name)) return call.bug('banos_unregister_filesystem with a bad name');
  const type = drivers.fsTypes.get(name);
  if (type === undefined || type.owner !== owner) return fail(ENOENT);
  if (type.mounted > 0) return fail(EBUSY);
  owner.remove(type);
  type.release();
  return 0;
}
