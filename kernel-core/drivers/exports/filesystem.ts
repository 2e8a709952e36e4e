/** Exports for file systems. */
import { isErr } from '../../../abi/errno.js';
import type { Timespec } from '../../../vfs/caller.js';
import type { KernelCall } from '../call.js';
import { DriverDirectory } from '../fs-directory.js';
import { registerFsType, unregisterFsType } from '../fs-types.js';
import type { ExportRow } from '../row.js';

/** Bytes of a name that are looked at; a longer one is none. */
const NAME_LIMIT = 257;

const now: Timespec = { sec: 0, nsec: 0 };

function emit(call: KernelCall, dir: number, nameAt: number, ino: number, type: number, next: number): number {
  const { drivers } = call.kernel;
  const name = drivers.space.readText(nameAt, NAME_LIMIT);
  const directory = drivers.fsInodes.get(dir);
  if (isErr(name) || !(directory instanceof DriverDirectory)) return call.bug('banos_dir_emit with a bad pointer');
  return directory.add(name, ino, type >>> 0, next);
}

export const filesystemExports: readonly ExportRow[] = [
  {
    name: 'banos_register_filesystem',
    prototype: 'long banos_register_filesystem(const char *name, const struct banos_fs_ops *operations)',
    fn: (call, name, operations) => registerFsType(call, name, operations),
  },
  {
    name: 'banos_unregister_filesystem',
    prototype: 'long banos_unregister_filesystem(const char *name)',
    fn: (call, name) => unregisterFsType(call, name),
  },
  {
    name: 'banos_dir_emit',
    prototype:
      'long banos_dir_emit(struct banos_inode *dir, const char *name, banos_u64 ino, banos_u32 type, banos_u64 next)',
    fn: emit,
  },
  {
    name: 'banos_inode_changed',
    prototype: 'void banos_inode_changed(struct banos_inode *inode, banos_u32 mask)',
    fn: (call, address, mask) => {
      const inode = call.kernel.drivers.fsInodes.get(address);
      if (inode === undefined) return call.bug('banos_inode_changed with a bad pointer');
      inode.refresh();
      if ((mask & 0xffff) !== 0) inode.notify(mask & 0xffff);
      return 0;
    },
  },
  {
    name: 'banos_real_time',
    prototype: 'void banos_real_time(struct banos_time *now)',
    fn: (call, address) => {
      const { space } = call.kernel.drivers;
      call.kernel.vfsEnv.now(now);
      const failed = space.writeI64(address, now.sec) | space.writeI64(address + 8, now.nsec);
      return failed === 0 ? 0 : call.bug('banos_real_time with a bad pointer');
    },
  },
];
