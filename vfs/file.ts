/**
 * Open file descriptions: what open(2) makes and descriptors share.
 *
 * Reads and writes never block here: an operation that would have to wait returns -EAGAIN, and the caller (the wait
 * primitive of kernel-core) hangs on the inode's hook and tries again. O_NONBLOCK is therefore the caller's business,
 * too. The base class serves files with an offset; pipes, devices and terminals override what differs.
 */
import type { Mutex } from 'async-mutex';
import { EBADF, EINVAL, EISDIR, ENODEV, ENOTTY, type Err, ESPIPE, fail } from '../abi/errno.js';
import { O_ACCMODE, O_PATH, O_RDONLY, O_RDWR, O_WRONLY } from '../abi/fcntl.js';
import { S_IFDIR, S_IFMT, S_IFREG } from '../abi/stat.js';
import type { Caller } from './caller.js';
import { type Path, releasePath } from './dentry.js';
import { fileClosed } from './fsnotify.js';
import type { Inode, PollMask } from './inode.js';
import type { IoIter } from './iter.js';
import type { MappingRequest, PageCache } from './page-cache.js';

/** What an operation of a driver answers that is not over: whoever made it waits, and makes it again. No errno is this large. */
export const SUSPENDED = -0x10002;

/** The guest memory that ioctl arguments point to. Addresses are numbers; every access is checked. */
export interface UserMemory {
  /** Copies in. @returns 0 or -EFAULT */
  read(address: number, target: Uint8Array): number | Err;
  /** Copies out. @returns 0 or -EFAULT */
  write(address: number, source: Uint8Array): number | Err;
}

/** Told when the last reference to a description goes: an epoll set then forgets its interest in it. */
export interface FileObserver {
  fileReleased(): void;
}

export abstract class OpenFile {
  readonly inode: Inode;
  /** O_ACCMODE and status flags (O_APPEND, O_NONBLOCK …); F_SETFL changes the latter. */
  flags: number;
  /** Bytes. */
  offset = 0;
  /** Where it was opened; null for pipes, sockets and other anonymous inodes. */
  path: Path | null = null;
  /** Descriptors, mappings and running calls that hold it. Maintained by `ref`/`unref`. */
  refs = 1;
  /** Counted in `inode.writeCount` and `path.mount.writers`; set by open, undone by release. */
  countsAsWriter = false;
  /** Made on first use. */
  observers: Set<FileObserver> | null = null;

  constructor(inode: Inode, flags: number) {
    this.inode = inode;
    this.flags = flags;
  }

  /** What fstat shows: the node it was opened through, which for a device is not the inode that does the work. */
  get node(): Inode {
    return this.path === null ? this.inode : this.path.dentry.inode;
  }

  /** Access mode 3 grants neither reading nor writing: such descriptions are for ioctl only. */
  get readable(): boolean {
    const access = this.flags & O_ACCMODE;
    return (this.flags & O_PATH) === 0 && (access === O_RDONLY || access === O_RDWR);
  }

  get writable(): boolean {
    const access = this.flags & O_ACCMODE;
    return (this.flags & O_PATH) === 0 && (access === O_WRONLY || access === O_RDWR);
  }

  /**
   * Whether operations wait by themselves, as drivers do, and not on the inode's hook: they answer SUSPENDED meanwhile, to
   * callers who are given and can wait, and -EAGAIN is an answer like any other.
   */
  get waitsByItself(): boolean {
    return false;
  }

  /** Whether lseek, pread and pwrite make sense; if not they answer -ESPIPE. */
  get seekable(): boolean {
    return false;
  }

  /** Events ready on this description. Pure. */
  poll(): PollMask {
    return this.inode.poll();
  }

  /** Whether it has events that come and go. What is always ready cannot be put into an epoll set (-EPERM). */
  get pollable(): boolean {
    const type = this.inode.mode & S_IFMT;
    return type !== S_IFREG && type !== S_IFDIR;
  }

  /** Whether splice and sendfile move bytes out of it. */
  get splicesOut(): boolean {
    return true;
  }

  /** Whether they move bytes into it. */
  get splicesIn(): boolean {
    return true;
  }

  /**
   * The part of a notification of the inode that concerns this description: a pipe's reader does not hear of room.
   * @param mask as notified; 0 stands for "anything"
   */
  heard(mask: PollMask): PollMask {
    return mask;
  }

  /** Lines of /proc/PID/fdinfo behind those that every description has. */
  get info(): string {
    return '';
  }

  /** Opening may take its time: whoever opens asks until it is over. @returns 0, SUSPENDED, or why it cannot be opened */
  finishOpen(_caller: Caller): number | Err {
    return 0;
  }

  /** Reads at `position` (seekable files; others ignore it). @returns bytes, 0 at the end, -EAGAIN if it would have to wait, -EISDIR, -EFAULT … */
  read(_to: IoIter, _position: number, _caller: Caller): number | Err {
    return fail(this.inode.isDirectory ? EISDIR : EINVAL);
  }

  /** What a read that waits answers before it looks for input: an error when what it waits for is gone for good; 0: none. */
  get waitError(): number | Err {
    return 0;
  }

  /** Reads and writes that wait end with -EAGAIN when it has changed meanwhile (a terminal with another line discipline). */
  get waitEpoch(): number {
    return 0;
  }

  /** Writes at `position`. O_APPEND is handled here. @returns bytes (maybe fewer than asked), -EAGAIN if none could be taken yet, -EPIPE, -ENOSPC, -EFBIG … */
  write(_from: IoIter, _position: number, _caller: Caller): number | Err {
    return fail(EINVAL);
  }

  /**
   * Held by a write that has to wait half-way, so that another one does not come between its pieces (terminals; Linux:
   * atomic_write_lock). Taken only across waits. Lock order: nothing is locked while it is held.
   */
  get writeLock(): Mutex | null {
    return null;
  }

  /**
   * How long a blocked read or write may go on waiting, counted from the last notification, in nanoseconds.
   * Terminals with VTIME and sockets with a time-out override it; `timeoutResult` is then what the call returns.
   */
  readTimeout(): number {
    return Number.POSITIVE_INFINITY;
  }

  /** Result of a read whose `readTimeout` ran out: what there is (terminal), or -EAGAIN (socket). */
  readTimedOut(_to: IoIter, _caller: Caller): number | Err {
    return 0;
  }

  /** New offset for lseek. @param whence SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE @returns it, -ESPIPE …, SUSPENDED */
  seek(_offset: number, _whence: number, _caller?: Caller): number | Err {
    return fail(ESPIPE);
  }

  /** @returns result of the ioctl; -ENOTTY if the request is not known to this kind of file; -EAGAIN if it must wait (tcdrain) */
  ioctl(_request: number, _argument: number, _user: UserMemory, _caller: Caller): number | Err {
    return fail(ENOTTY);
  }

  /**
   * Pages for mmap(2).
   * @param _request absent: only to know whether there can be such a mapping
   * @returns the cache, -ENODEV when this kind of file cannot be mapped, SUSPENDED
   */
  mapping(_request?: MappingRequest, _caller?: Caller): PageCache | Err {
    return fail(ENODEV);
  }

  /** @returns 0, SUSPENDED, -EINVAL when there is nothing to be written back, -EIO … */
  fsync(_caller?: Caller): number | Err {
    return fail(EINVAL);
  }

  /** fallocate(2). */
  allocate(_mode: number, _offset: number, _length: number): number | Err {
    return fail(this.writable ? ENODEV : EBADF);
  }

  /** Somebody wants to be told of events by signal, or not any more (Linux: fasync). @returns 0, SUSPENDED, why it cannot be */
  asyncChanged(_on: boolean, _caller: Caller): number | Err {
    return 0;
  }

  /** F_SETFL changed `flags`; F_SETPIPE_SZ and relatives have methods of their own where they exist. */
  flagsChanged(): void {}

  /** A descriptor of this description was closed by `caller` (Linux: flush): its POSIX locks on the file go. Overriders call super. */
  flushed(caller: Caller): void {
    if ((this.flags & O_PATH) === 0) this.inode.locks?.releaseProcess(caller.pid);
  }

  ref(): this {
    this.refs++;
    return this;
  }

  /** Drops a reference; the last one releases the description. */
  unref(): void {
    if (--this.refs > 0) return;
    if (this.path !== null && (this.flags & O_PATH) === 0) fileClosed(this);
    if (this.observers !== null) for (const observer of this.observers) observer.fileReleased();
    this.release();
  }

  /** The last reference is gone: tell peers, give buffers back. Overriders call super. */
  protected release(): void {
    this.inode.locks?.releaseFile(this);
    if (this.countsAsWriter) {
      this.countsAsWriter = false;
      this.node.writeCount--;
      if (this.path !== null) this.path.mount.writers--;
    }
    if (this.path !== null) releasePath(this.path);
    this.path = null;
  }
}
