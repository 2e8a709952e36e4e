/** Inodes of hostfs: metadata as the host has it, and a safe way to the host file for one call. Links and special nodes. */
import { EINVAL, ELOOP, EROFS, type Err, ESTALE, fail, isErr } from '../../abi/errno.js';
import { O_PATH } from '../../abi/fcntl.js';
import type { Caller } from '../caller.js';
import type { OpenFile } from '../file.js';
import { type AttributeChange, Inode } from '../inode.js';
import { inheritFrom } from '../permission.js';
import type { Hostfs, HostStat } from './hostfs.js';
import type { HostDirectory } from './hostfs-directory.js';
import { ALWAYS_READY } from './memory-file.js';
import type { FifoInode, Pipe } from './pipe.js';
import { openSpecial } from './special.js';

const MODE_BITS = 0o7777;

export abstract class HostInode extends Inode {
  declare readonly fs: Hostfs;
  readonly key: string;
  /** Where it was seen last; the directory is null for the root alone. */
  parent: HostDirectory | null;
  name: string;
  /** Figures of the last look at the host. */
  protected stat: HostStat;

  constructor(fs: Hostfs, stat: HostStat, parent: HostDirectory | null, name: string) {
    super(fs, fs.inodeNumber(stat), stat.mode);
    this.key = stat.key;
    this.parent = parent;
    this.name = name;
    this.stat = stat;
    this.refresh(stat);
  }

  override get size(): number {
    return this.stat.size;
  }

  override get blocks(): number {
    return this.stat.blocks;
  }

  override get blockSize(): number {
    return this.stat.blockSize;
  }

  override poll(): number {
    return ALWAYS_READY;
  }

  override evict(): void {
    this.fs.drop(this);
  }

  override forget(): void {
    this.evict();
  }

  /** Takes over what the host says. */
  refresh(stat: HostStat): void {
    this.stat = stat;
    this.mode = stat.mode;
    this.uid = stat.uid;
    this.gid = stat.gid;
    this.nlink = stat.nlink;
    this.rdev = stat.rdev;
    Object.assign(this.atime, stat.atime);
    Object.assign(this.mtime, stat.mtime);
    Object.assign(this.ctime, stat.ctime);
  }

  /** It was found under this name. */
  relocate(parent: HostDirectory, name: string): void {
    this.parent = parent;
    this.name = name;
  }

  /** A host path to its name; what is there must still be compared. */
  location(): string | Err {
    if (this.parent === null) return this.fs.directoryPath(this as unknown as HostDirectory);
    const directory = this.fs.directoryPath(this.parent);
    return isErr(directory) ? directory : `${directory}/${this.name}`;
  }

  /**
   * Runs a host call on a path that leads to this very inode, then looks at the inode again.
   * @param call gets the path, and whether it is one that the call has to follow
   * @returns what `call` returned; -ENOENT, -ESTALE when the host has no longer this inode there
   */
  protected on(call: (path: string, follow: boolean) => number | Err): number | Err {
    const { host } = this.fs;
    const path = this.location();
    if (isErr(path)) return path;
    // Hosts with paths to descriptors are those that know O_PATH.
    if (host.descriptorPath(0) !== null) {
      const fd = this.parent === null ? host.open(path, O_PATH, 0) : this.fs.openVerified(path, O_PATH, this);
      if (isErr(fd)) return fd;
      const result = this.onDescriptor(fd, call);
      host.close(fd);
      return result;
    }
    const before = host.lstat(path);
    if (isErr(before)) return before;
    if (before.key !== this.key) return fail(ESTALE);
    const result = call(path, false);
    const after = host.lstat(path);
    if (!isErr(after) && after.key === this.key) this.refresh(after);
    return result;
  }

  protected onDescriptor(fd: number, call: (path: string, follow: boolean) => number | Err): number | Err {
    const { host } = this.fs;
    const result = call(host.descriptorPath(fd)!, true);
    const stat = host.statDescriptor(fd);
    if (!isErr(stat)) this.refresh(stat);
    return result;
  }

  override setAttributes(change: AttributeChange): number | Err {
    if (this.fs.readOnly) return fail(EROFS);
    if (change.size !== undefined) {
      const resized = this.resize(change.size);
      if (isErr(resized)) return resized;
    }
    const { mode, uid, gid, atime, mtime } = change;
    const owner = (uid !== undefined && uid !== this.uid) || (gid !== undefined && gid !== this.gid);
    if (!owner && mode === undefined && atime === undefined && mtime === undefined) return 0;
    const { host } = this.fs;
    this.fs.changed();
    return this.on((path, follow) => {
      // The owner first: changing it takes set-id bits away.
      let result = owner ? host.chown(path, uid ?? this.uid, gid ?? this.gid, follow) : 0;
      if (!isErr(result) && mode !== undefined) result = host.chmod(path, mode & MODE_BITS, follow);
      if (!isErr(result) && (atime !== undefined || mtime !== undefined)) {
        result = host.setTimes(path, atime ?? this.atime, mtime ?? this.mtime, follow);
      }
      return result;
    });
  }

  /** Gives a node that was just made its owner and its exact mode, which the host's umask may have cut. */
  initialize(mode: number, caller: Caller): number | Err {
    const inherited = inheritFrom(this.parent!, mode, caller);
    const change: AttributeChange = {};
    if (!this.isSymlink && (inherited.mode & MODE_BITS) !== (this.mode & MODE_BITS)) change.mode = inherited.mode;
    if (this.fs.host.isSuperuser) {
      change.uid = caller.cred.fsuid;
      change.gid = inherited.gid;
    }
    return this.setAttributes(change);
  }

  /** One name less, as we know without asking. */
  unlinked(): void {
    this.nlink = this.isDirectory ? 0 : Math.max(0, this.nlink - 1);
  }

  protected resize(_size: number): number | Err {
    return fail(EINVAL);
  }
}

export class HostSymlink extends HostInode {
  override open(_flags: number, _caller: Caller): OpenFile | Err {
    return fail(ELOOP);
  }

  override readlink(_caller: Caller): string | Err {
    const path = this.location();
    return isErr(path) ? path : this.fs.host.readlink(path);
  }
}

/** A device node, fifo or socket: of the host's only the node is shown; what it leads to is the guest's own. */
export class HostNode extends HostInode implements FifoInode {
  pipe: Pipe | null = null;

  override get size(): number {
    return 0;
  }

  override poll(): number {
    return this.pipe === null ? ALWAYS_READY : this.pipe.poll();
  }

  override open(flags: number, caller: Caller): OpenFile | Err {
    return openSpecial(this, flags, caller);
  }
}
