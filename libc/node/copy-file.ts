/** Copying one file for `kernel.fs`: what libuv's uv_fs_copyfile does, with the guest's calls. */
import { constants as host } from 'node:fs';
import { EOPNOTSUPP } from '../../abi/errno.js';
import { O_CLOEXEC, O_CREAT, O_EXCL, O_RDONLY, O_WRONLY } from '../../abi/fcntl.js';
import { errnoError } from '../../kernel-core/index.js';
import type { PathLike } from '../calls.js';
import type { Libc } from '../libc.js';

export const COPYFILE = {
  COPYFILE_EXCL: host.COPYFILE_EXCL,
  COPYFILE_FICLONE: host.COPYFILE_FICLONE,
  COPYFILE_FICLONE_FORCE: host.COPYFILE_FICLONE_FORCE,
};
export const COPYFILE_MASK = host.COPYFILE_EXCL | host.COPYFILE_FICLONE | host.COPYFILE_FICLONE_FORCE;

const CHUNK = 65536;
const PERMISSIONS = 0o777;

/** The target gets the permissions of the source. A file copied to itself stays; a copy that fails is removed. */
export async function copyFile(libc: Libc, from: PathLike, to: PathLike, mode: number): Promise<void> {
  const source = await libc.open(from, O_RDONLY | O_CLOEXEC);
  try {
    const { st_mode, st_dev, st_ino } = libc.fstat(source);
    const exclusive = mode & COPYFILE.COPYFILE_EXCL ? O_EXCL : 0;
    const permissions = st_mode & PERMISSIONS;
    const target = await libc.open(to, O_WRONLY | O_CREAT | O_CLOEXEC | exclusive, permissions);
    try {
      const found = libc.fstat(target);
      if (found.st_dev === st_dev && found.st_ino === st_ino) return;
      // No file system here shares the blocks of two files.
      if (mode & COPYFILE.COPYFILE_FICLONE_FORCE) throw errnoError(-EOPNOTSUPP, 'copyfile');
      libc.ftruncate(target, 0);
      libc.fchmod(target, permissions);
      await copyBytes(libc, source, target);
    } catch (error) {
      try {
        libc.unlink(to);
      } catch {
        // It stays; why the copy failed is what is told.
      }
      throw error;
    } finally {
      libc.close(target);
    }
  } finally {
    libc.close(source);
  }
}

async function copyBytes(libc: Libc, source: number, target: number): Promise<void> {
  const buffer = new Uint8Array(CHUNK);
  for (let n = await libc.read(source, buffer); n > 0; n = await libc.read(source, buffer)) {
    await libc.writeAll(target, buffer.subarray(0, n));
  }
}
