/**
 * Everything is an inode: files, directories, pipes, sockets, both ends of a terminal, epoll sets, timers.
 *
 * An inode says what is ready (`poll`, pure) and tells when that may have changed (`notify`). The hook is an
 * eventemitter3 emitter made on first use; epoll, poll, select and every blocked call hang on it and on nothing else.
 */
import { EventEmitter } from 'eventemitter3';
import { EINVAL, ENOTDIR, EOPNOTSUPP, EPERM, type Err, fail } from '../abi/errno.js';
import { S_IFDIR, S_IFLNK, S_IFMT } from '../abi/stat.js';
import type { Caller, Timespec } from './caller.js';
import type { Path } from './dentry.js';
import type { OpenFile } from './file.js';
import type { FileSystem } from './filesystem.js';
import type { Mark } from './fsnotify.js';
import type { LockTable } from './locks.js';

/** POLL* bits. */
export type PollMask = number;

export interface InodeEvents {
  /** The bits that may have become ready. A late or superfluous call is harmless. Listeners never throw. */
  notify: (mask: PollMask) => void;
}

/** What changes of metadata a caller asks for; absent fields stay. Times already resolved (UTIME_NOW is the caller's business). */
export interface AttributeChange {
  mode?: number;
  uid?: number;
  gid?: number;
  atime?: Timespec;
  mtime?: Timespec;
  /** New length in bytes (truncate); sets mtime even when the length stays. */
  size?: number;
}

/** One directory entry as getdents64 reports it. `name` is latin1: one character per byte. */
export interface DirectoryEntry {
  name: string;
  ino: number;
  /** DT_* value. */
  type: number;
}

export abstract class Inode {
  readonly fs: FileSystem;
  readonly ino: number;
  /** File type and permission bits, as st_mode. */
  mode: number;
  uid = 0;
  gid = 0;
  nlink = 1;
  /** Device number of a device node, as st_rdev. */
  rdev = 0;
  readonly atime: Timespec = { sec: 0, nsec: 0 };
  readonly mtime: Timespec = { sec: 0, nsec: 0 };
  readonly ctime: Timespec = { sec: 0, nsec: 0 };
  /** Dentries that name it. Kept by `Dentry`. */
  dentries = 0;
  /** Above 0: descriptions open for writing; below 0: programs running from it. @source Linux i_writecount */
  writeCount = 0;
  /** Made by O_TMPFILE without O_EXCL: linkat may give it its first name. */
  linkable = false;
  /** Advisory locks, made on first use (locks.ts). */
  locks: LockTable | null = null;
  /** Who is told what happens to it (fsnotify.ts). */
  marks: Set<Mark> | null = null;
  #emitter: EventEmitter<InodeEvents> | null = null;

  constructor(fs: FileSystem, ino: number, mode: number) {
    this.fs = fs;
    this.ino = ino;
    this.mode = mode;
    fs.env.now(this.atime);
    Object.assign(this.mtime, this.atime);
    Object.assign(this.ctime, this.atime);
  }

  /** Length in bytes, as st_size. */
  get size(): number {
    return 0;
  }

  /** 512-byte blocks in use, as st_blocks. */
  get blocks(): number {
    return Math.ceil(this.size / 4096) * 8;
  }

  /** Preferred size of reads and writes in bytes, as st_blksize. */
  get blockSize(): number {
    return 4096;
  }

  get isDirectory(): boolean {
    return (this.mode & S_IFMT) === S_IFDIR;
  }

  get isSymlink(): boolean {
    return (this.mode & S_IFMT) === S_IFLNK;
  }

  /** Events ready now. Pure: takes no lock, wakes nobody. */
  abstract poll(): PollMask;

  /** Where waiters hang. */
  get hook(): EventEmitter<InodeEvents> {
    this.#emitter ??= new EventEmitter<InodeEvents>();
    return this.#emitter;
  }

  /** Number of listeners on the hook, for leak checks. */
  get watchers(): number {
    return this.#emitter === null ? 0 : this.#emitter.listenerCount('notify');
  }

  /** Tells the hook. Preconditions: the change is visible, no lock is held. */
  notify(mask: PollMask): void {
    if (this.#emitter !== null) this.#emitter.emit('notify', mask);
  }

  /**
   * Makes an open file description on this inode. Permission has been checked; O_CREAT, O_TRUNC, O_EXCL are done.
   * @param flags O_* flags of open(2)
   * @returns the description with one reference; -ENXIO, -EAGAIN (a fifo that must wait for its peer) …
   */
  abstract open(flags: number, caller: Caller): OpenFile | Err;

  /** Called when the last link and the last user (dentry, hence open description) are gone; gives storage back. */
  evict(): void {}

  /** Called when nobody uses the inode any more though links to it remain: a file system that makes inodes on lookup forgets it. */
  forget(): void {}

  /** Ends it unless something uses it: a dentry, a mark. */
  releaseIfUnused(): void {
    if (this.dentries > 0 || this.marks !== null) return;
    if (this.nlink === 0) this.evict();
    else this.forget();
  }

  /** What /proc/PID/fd shows for an inode without a name in the tree: `pipe:[12]`, `anon_inode:[eventpoll]`. */
  get anonymousName(): string | null {
    return null;
  }

  /** Changes metadata. Permission has been checked. @returns 0 or an error (-EROFS, -ENOSPC, -EFBIG …) */
  setAttributes(_change: AttributeChange): number | Err {
    return fail(EPERM);
  }

  /** Who may do what its permission bits do not say, where that is not up to capabilities: rwx of `caller`. @returns null: it is */
  granted(_caller: Caller): number | null {
    return null;
  }

  /** A directory whose names come and go without the kernel's doing (procfs, hostfs): nothing is remembered about them. */
  get volatileNames(): boolean {
    return false;
  }

  /** A directory in which nobody makes names: each call that would is told -ENOENT, whoever makes it. @source procfs of Linux, whose lookup fails */
  get namesAreGiven(): boolean {
    return false;
  }

  // Directories. `name` is latin1, one component, never '.' or '..'. Permission and type checks have been made by namei.

  /** @param caller who looks; absent: the file system itself @returns the child, or -ENOENT */
  lookup(_name: string, _caller?: Caller): Inode | Err {
    return fail(ENOTDIR);
  }

  /** Makes a regular file, device, fifo or socket node. @param mode type and permission bits, umask applied @returns the new inode; -EEXIST, -ENOSPC, -EROFS */
  create(_name: string, _mode: number, _rdev: number, _caller: Caller): Inode | Err {
    return fail(EPERM);
  }

  /** Makes a regular file without a name (O_TMPFILE), with 0 links. */
  createUnlinked(_mode: number, _caller: Caller): Inode | Err {
    return fail(EOPNOTSUPP);
  }

  mkdir(_name: string, _mode: number, _caller: Caller): Inode | Err {
    return fail(EPERM);
  }

  symlink(_name: string, _target: string, _caller: Caller): Inode | Err {
    return fail(EPERM);
  }

  link(_name: string, _inode: Inode): number | Err {
    return fail(EPERM);
  }

  unlink(_name: string, _inode: Inode): number | Err {
    return fail(EPERM);
  }

  rmdir(_name: string, _inode: Inode): number | Err {
    return fail(EPERM);
  }

  /** Moves `name` of this directory to `newName` of `newParent` (same file system), replacing what is there or, with RENAME_EXCHANGE, swapping. Checks of rename(2) that need no storage have been made. */
  rename(_name: string, _newParent: Inode, _newName: string, _flags: number): number | Err {
    return fail(EPERM);
  }

  /**
   * Lists entries from `cookie` (0 at the start, else what an earlier call gave); '.' and '..' are the caller's.
   * @param emit gets an entry and the cookie that continues behind it; false stops
   */
  readdir(_cookie: number, _emit: (entry: DirectoryEntry, next: number) => boolean): number | Err {
    return fail(ENOTDIR);
  }

  /** Target of a symbolic link, latin1. `caller` matters to procfs' magic links. */
  readlink(_caller: Caller): string | Err {
    return fail(EINVAL);
  }

  /**
   * A link of procfs that leads to an object and not to a name: following it does not walk `readlink`'s text.
   * @returns null for ordinary links; the path, or the inode of something without a path (pipe, socket), both
   * without a reference of their own; -ENOENT, -EACCES
   */
  magicLink(_caller: Caller): Path | Inode | Err | null {
    return null;
  }
}
