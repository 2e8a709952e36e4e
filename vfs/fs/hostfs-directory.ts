/** Directories of hostfs: every call starts from a path that leads to the directory and to nothing else. */
import {
  EEXIST,
  EINVAL,
  ENOENT,
  ENOTEMPTY,
  EPERM,
  EROFS,
  type Err,
  ESTALE,
  EXDEV,
  fail,
  isErr,
} from '../../abi/errno.js';
import { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR, RENAME_NOREPLACE } from '../../abi/fcntl.js';
import { S_IFLNK, S_IFMT, S_IFREG } from '../../abi/stat.js';
import type { Caller } from '../caller.js';
import { DirectoryFile } from '../directory-file.js';
import type { OpenFile } from '../file.js';
import type { DirectoryEntry, Inode } from '../inode.js';
import type { HostStat } from './hostfs-files.js';
import { HostInode } from './hostfs-inode.js';

/** Bits that chmod passes on; a new host file gets them at once where the host's umask allows. */
const PERMISSIONS = 0o777;
/** Names of a directory that are remembered within one moment. */
const SEEN_LIMIT = 10_000;

export class HostDirectory extends HostInode {
  /** Names that were listed, with the cookies they keep while the inode lives. */
  readonly #cookies = new Map<string, number>();
  #nextCookie = 1;
  /** What names led to at `#seenAt`; paths are walked from the top again and again. */
  readonly #seen = new Map<string, HostStat | Err>();
  #seenAt = -1;

  /** The host may change names at any time. */
  override get volatileNames(): boolean {
    return true;
  }

  override open(flags: number, _caller: Caller): OpenFile | Err {
    return new DirectoryFile(this, flags);
  }

  /** A directory that the host shows in two places (bind mounts) must not become its own parent. */
  override relocate(parent: HostDirectory, name: string): void {
    for (let above: HostDirectory | null = parent; above !== null; above = above.parent) if (above === this) return;
    if (this.parent !== null) super.relocate(parent, name);
  }

  override lookup(name: string): Inode | Err {
    const seen = this.#lookedAt().get(name);
    if (seen !== undefined) return isErr(seen) ? seen : this.fs.inodeFor(seen, this, name, false);
    const path = this.#child(name);
    if (isErr(path)) return path === -EINVAL ? fail(ENOENT) : path;
    const stat = this.fs.host.lstat(path);
    this.#seen.set(name, stat);
    return isErr(stat) ? stat : this.fs.inodeFor(stat, this, name);
  }

  /** Names that need not be looked at again. */
  #lookedAt(): Map<string, HostStat | Err> {
    const { moment } = this.fs;
    if (moment !== this.#seenAt || this.#seen.size >= SEEN_LIMIT) {
      this.#seen.clear();
      this.#seenAt = moment;
    }
    return this.#seen;
  }

  override create(name: string, mode: number, _rdev: number, caller: Caller): Inode | Err {
    // The host lets nobody but its own superuser make devices, and Node makes no fifos.
    if ((mode & S_IFMT) !== S_IFREG) return fail(EPERM);
    return this.#make(name, mode, caller, (path) => {
      const fd = this.fs.host.open(path, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, mode & PERMISSIONS);
      if (!isErr(fd)) this.fs.host.close(fd);
      return fd;
    });
  }

  override mkdir(name: string, mode: number, caller: Caller): Inode | Err {
    return this.#make(name, mode, caller, (path) => this.fs.host.mkdir(path, mode & PERMISSIONS));
  }

  override symlink(name: string, target: string, caller: Caller): Inode | Err {
    return this.#make(name, S_IFLNK | PERMISSIONS, caller, (path) => this.fs.host.symlink(target, path));
  }

  override link(name: string, inode: Inode): number | Err {
    if (this.fs.readOnly) return fail(EROFS);
    if (!(inode instanceof HostInode) || inode.fs !== this.fs) return fail(EXDEV);
    const from = inode.location();
    if (isErr(from)) return from;
    const to = this.#child(name);
    if (isErr(to)) return to;
    const { host } = this.fs;
    this.fs.changed();
    const linked = host.link(from, to);
    if (isErr(linked)) return linked;
    const stat = host.lstat(to);
    if (isErr(stat)) return stat;
    if (stat.key !== inode.key) {
      host.unlink(to);
      return fail(ESTALE);
    }
    inode.refresh(stat);
    return 0;
  }

  override unlink(name: string, inode: Inode): number | Err {
    return this.#remove(name, inode, (path) => this.fs.host.unlink(path));
  }

  override rmdir(name: string, inode: Inode): number | Err {
    return this.#remove(name, inode, (path) => this.fs.host.rmdir(path));
  }

  /** RENAME_EXCHANGE is not offered: Node has no call for it. */
  override rename(name: string, newParent: Inode, newName: string, flags: number): number | Err {
    if (this.fs.readOnly) return fail(EROFS);
    if (flags & ~RENAME_NOREPLACE || !(newParent instanceof HostDirectory)) return fail(EINVAL);
    const { host } = this.fs;
    const from = this.#child(name);
    if (isErr(from)) return from;
    const to = newParent.#child(newName);
    if (isErr(to)) return to;
    const source = host.lstat(from);
    if (isErr(source)) return source;
    const target = host.lstat(to);
    if (flags & RENAME_NOREPLACE && !isErr(target)) return fail(EEXIST);
    this.fs.changed();
    const renamed = host.rename(from, to);
    if (isErr(renamed)) return renamed === -EEXIST ? fail(ENOTEMPTY) : renamed;
    if (!isErr(target) && target.key !== source.key) this.fs.known(target)?.unlinked();
    this.fs.known(source)?.relocate(newParent, newName);
    this.#look();
    newParent.#look();
    return 0;
  }

  /** The host is asked again when a listing starts; names that stay keep their cookies, so that other listings go on. */
  override readdir(cookie: number, emit: (entry: DirectoryEntry, next: number) => boolean): number | Err {
    const path = this.fs.directoryPath(this);
    if (isErr(path)) return path;
    if (cookie === 0) {
      const listed = this.#list(path);
      if (isErr(listed)) return listed;
    }
    for (const [name, id] of this.#cookies) {
      if (id <= cookie) continue;
      const seen = this.#lookedAt();
      const stat = seen.get(name) ?? this.fs.host.lstat(`${path}/${name}`);
      seen.set(name, stat);
      if (isErr(stat)) continue;
      if (!emit({ name, ino: this.fs.inodeNumber(stat), type: (stat.mode & S_IFMT) >>> 12 }, id)) break;
    }
    return 0;
  }

  #list(path: string): number | Err {
    const names = this.fs.host.list(path);
    if (isErr(names)) return names;
    const present = new Set(names);
    for (const name of this.#cookies.keys()) if (!present.has(name)) this.#cookies.delete(name);
    for (const name of names) if (!this.#cookies.has(name)) this.#cookies.set(name, this.#nextCookie++);
    return 0;
  }

  /** Host path of `name`. @returns -EINVAL for what the host would not take as one name */
  #child(name: string): string | Err {
    if (!this.fs.host.isName(name)) return fail(EINVAL);
    const path = this.fs.directoryPath(this);
    return isErr(path) ? path : `${path}/${name}`;
  }

  #make(name: string, mode: number, caller: Caller, build: (path: string) => number | Err): Inode | Err {
    if (this.fs.readOnly) return fail(EROFS);
    const path = this.#child(name);
    if (isErr(path)) return path;
    this.fs.changed();
    const made = build(path);
    if (isErr(made)) return made;
    const inode = this.lookup(name);
    if (isErr(inode)) return inode;
    this.#look();
    if (!(inode instanceof HostInode) || (inode.mode & S_IFMT) !== (mode & S_IFMT || inode.mode & S_IFMT)) {
      return fail(ESTALE);
    }
    const initialized = inode.initialize(mode, caller);
    return isErr(initialized) ? initialized : inode;
  }

  #remove(name: string, inode: Inode, call: (path: string) => number | Err): number | Err {
    if (this.fs.readOnly) return fail(EROFS);
    const path = this.#child(name);
    if (isErr(path)) return path;
    this.fs.changed();
    const removed = call(path);
    if (isErr(removed)) return removed;
    (inode as HostInode).unlinked();
    this.#look();
    return 0;
  }

  /** Own times and link count after a change of names. */
  #look(): void {
    const path = this.fs.directoryPath(this);
    if (isErr(path)) return;
    const stat = this.fs.host.lstat(`${path}/.`);
    if (!isErr(stat) && stat.key === this.key) this.refresh(stat);
  }
}
