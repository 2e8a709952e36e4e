/**
 * /dev: a tmpfs with the nodes that Linux's devtmpfs and its user space put there.
 *
 * A node is only a number; what opening it does is a row of `DeviceTable`, for the memory devices those of
 * memory-devices.ts. Terminals and loaded drivers register their rows themselves and make their nodes here.
 */
import { EEXIST, ENOENT, type Err, fail, isErr } from '../../abi/errno.js';
import { S_IFCHR, S_IFDIR } from '../../abi/stat.js';
import { KERNEL_CALLER } from '../caller.js';
import { makeDevice } from '../devices.js';
import type { VfsEnv } from '../filesystem.js';
import type { Inode } from '../inode.js';
import { MEM_MAJOR, MEMORY_DEVICES } from './memory-devices.js';
import type { MemoryFsOptions } from './memory-fs.js';
import { Tmpfs } from './tmpfs.js';

const LINKS = [
  ['fd', '/proc/self/fd'],
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/proc/self/fd/1'],
  ['stderr', '/proc/self/fd/2'],
] as const;

const DIRECTORIES = [
  ['pts', 0o755],
  ['shm', 0o1777],
] as const;

export class Devfs extends Tmpfs {
  constructor(env: VfsEnv, device: number, options: MemoryFsOptions = {}) {
    super(env, device, { mode: 0o755, ...options }, 'devtmpfs');
    for (const { minor, name } of MEMORY_DEVICES) this.addDevice(name, MEM_MAJOR, minor, 0o666);
    for (const [name, target] of LINKS) this.root.symlink(name, target, KERNEL_CALLER);
    for (const [name, mode] of DIRECTORIES) this.root.mkdir(name, S_IFDIR | mode, KERNEL_CALLER);
  }

  /** Makes the node of a character device in /dev. @param mode permission bits @returns it, -EEXIST, -ENOSPC */
  addDevice(name: string, major: number, minor: number, mode: number, uid = 0, gid = 0): Inode | Err {
    if (!isErr(this.root.lookup(name))) return fail(EEXIST);
    const inode = this.root.create(name, S_IFCHR | mode, makeDevice(major, minor), KERNEL_CALLER);
    if (isErr(inode)) return inode;
    inode.uid = uid;
    inode.gid = gid;
    return inode;
  }

  /** Takes the node of a device away. Those who have it open keep it. */
  removeDevice(name: string): number | Err {
    const dentry = this.rootDentry.child(name);
    if (isErr(dentry)) return fail(ENOENT);
    const result = this.root.unlink(name, dentry.inode);
    if (!isErr(result)) dentry.markDeleted();
    dentry.unref();
    return result;
  }
}
