/**
 * Pipes and fifos: inodes, their two kinds of description, and the rendezvous of a fifo's open.
 *
 * Nothing waits here: read and write answer -EAGAIN, an open that lacks its peer is `openPending`; whoever waits
 * hangs on the inode's hook. A write into a pipe without readers is -EPIPE; the signal is the system call's.
 */
import { EAGAIN, EBADF, EINVAL, ENXIO, EPIPE, type Err, ESPIPE, fail } from '../../abi/errno.js';
import { O_ACCMODE, O_DIRECT, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } from '../../abi/fcntl.js';
import { FIONREAD } from '../../abi/ioctl.js';
import { PIPEFS_MAGIC } from '../../abi/mount.js';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../../abi/poll.js';
import { S_IFIFO, S_IRUSR, S_IWUSR } from '../../abi/stat.js';
import { type Caller, KERNEL_CALLER } from '../caller.js';
import { makeDevice } from '../devices.js';
import { OpenFile, type UserMemory } from '../file.js';
import type { VfsEnv } from '../filesystem.js';
import { type AttributeChange, Inode } from '../inode.js';
import type { IoIter } from '../iter.js';
import { touchAtime } from '../times.js';
import { AnonymousFs, applyAttributes } from './anonymous-fs.js';
import { type FifoInode, Pipe } from './pipe.js';

/** st_dev of pipes. Device numbers with major 0 below 16 belong to file systems without a mount. */
const PIPEFS_DEVICE = makeDevice(0, 15);

/** What can happen to the end that reads, and to the one that writes. */
const READER_EVENTS = POLLIN | POLLRDNORM | POLLHUP;
const WRITER_EVENTS = POLLOUT | POLLWRNORM | POLLERR;

const instances = new WeakMap<VfsEnv, AnonymousFs>();

function pipefsOf(env: VfsEnv): AnonymousFs {
  let fs = instances.get(env);
  if (fs === undefined) instances.set(env, (fs = new AnonymousFs(env, 'pipefs', PIPEFS_DEVICE, PIPEFS_MAGIC)));
  return fs;
}

class PipeInode extends Inode implements FifoInode {
  pipe: Pipe | null = null;

  override get anonymousName(): string {
    return `pipe:[${this.ino}]`;
  }

  override get blocks(): number {
    return 0;
  }

  override poll(): number {
    return this.pipe === null ? 0 : this.pipe.poll();
  }

  override open(flags: number, caller: Caller): OpenFile | Err {
    return openEnd(this, flags, caller, false);
  }

  override setAttributes(change: AttributeChange): number | Err {
    return applyAttributes(this, change);
  }
}

/**
 * pipe2(2).
 * @param flags O_NONBLOCK, O_DIRECT (packet mode); O_CLOEXEC is the descriptors' business
 * @param caller whose the inode is
 */
export function createPipe(
  env: VfsEnv,
  flags: number,
  caller: Caller = KERNEL_CALLER,
): { reader: PipeFile; writer: PipeFile } | Err {
  const fs = pipefsOf(env);
  const inode = new PipeInode(fs, fs.nextIno(), S_IFIFO | S_IRUSR | S_IWUSR);
  inode.uid = caller.cred.fsuid;
  inode.gid = caller.cred.fsgid;
  const status = flags & (O_NONBLOCK | O_DIRECT);
  return {
    reader: new PipeFile(inode, (status & O_NONBLOCK) | O_RDONLY, false),
    writer: new PipeFile(inode, status | O_WRONLY, false),
  };
}

/**
 * Opens a fifo. A blocking open that lacks its peer is answered at once with a description that is `openPending`.
 * @returns -ENXIO for a non-blocking writer without readers
 */
export const openFifo = (inode: FifoInode, flags: number, caller: Caller): OpenFile | Err =>
  openEnd(inode, flags, caller, true);

function openEnd(inode: FifoInode, flags: number, _caller: Caller, rendezvous: boolean): OpenFile | Err {
  const access = flags & O_ACCMODE;
  if (access > O_RDWR) return fail(EINVAL);
  const readers = inode.pipe === null ? 0 : inode.pipe.readers;
  if (rendezvous && access === O_WRONLY && flags & O_NONBLOCK && readers === 0) return fail(ENXIO);
  const writers = inode.pipe === null ? 0 : inode.pipe.writers;
  const file = new PipeFile(inode, flags, rendezvous);
  // Linux tells both kinds of openers on the queue of the readers.
  if ((file.readable && readers === 0) || (file.writable && writers === 0)) inode.notify(READER_EVENTS);
  return file;
}

/** One end of a pipe, or both (O_RDWR on a fifo). */
export class PipeFile extends OpenFile {
  declare readonly inode: FifoInode;
  readonly pipe: Pipe;
  /** Opens of the other end when this open began to wait for one; -1: does not wait. */
  #awaited = -1;
  /** `writerOpens` at a non-blocking open without a writer, else -1. */
  #seenWriters = -1;

  constructor(inode: FifoInode, flags: number, rendezvous: boolean) {
    super(inode, flags);
    inode.pipe ??= new Pipe(inode.fs.env.frames);
    const { pipe } = inode;
    this.pipe = pipe;
    if (rendezvous && !this.writable && pipe.writers === 0) {
      if (flags & O_NONBLOCK) this.#seenWriters = pipe.writerOpens;
      else this.#awaited = pipe.writerOpens;
    } else if (rendezvous && !this.readable && pipe.readers === 0) this.#awaited = pipe.readerOpens;
    if (this.readable) {
      pipe.readers++;
      pipe.readerOpens++;
    }
    if (this.writable) {
      pipe.writers++;
      pipe.writerOpens++;
    }
  }

  /** Does the open(2) that made it still wait for the other end? */
  openPending(): boolean {
    if (this.#awaited === -1) return false;
    const opens = this.writable ? this.pipe.readerOpens : this.pipe.writerOpens;
    if (opens !== this.#awaited) this.#awaited = -1;
    return this.#awaited !== -1;
  }

  /** F_GETPIPE_SZ, bytes. */
  getPipeSize(): number {
    return this.pipe.capacity;
  }

  /** F_SETPIPE_SZ. @returns the new capacity in bytes; -EINVAL, -EPERM, -EBUSY */
  setPipeSize(bytes: number, caller: Caller): number | Err {
    const result = this.pipe.resize(bytes, caller);
    if (result > 0) this.inode.notify(WRITER_EVENTS);
    return result;
  }

  override poll(): number {
    const reader = this.readable ? this.pipe.pollReader(this.#seenWriters) : 0;
    return this.writable ? reader | this.pipe.pollWriter() : reader;
  }

  /** Each end has its own queue of waiters on Linux. */
  override heard(mask: number): number {
    let ours = this.readable ? READER_EVENTS : 0;
    if (this.writable) ours |= WRITER_EVENTS;
    return mask & ours;
  }

  override read(to: IoIter, _position: number, _caller: Caller): number | Err {
    const { pipe, inode } = this;
    const wasFull = pipe.isFull;
    const count = pipe.read(to);
    if (count > 0) touchAtime(inode, this.path === null ? null : this.path.mount);
    if (wasFull && !pipe.isFull) inode.notify(POLLOUT | POLLWRNORM);
    return count;
  }

  override write(from: IoIter, _position: number, _caller: Caller): number | Err {
    const { pipe, inode } = this;
    if (from.remaining === 0) return 0;
    if (pipe.readers === 0) return fail(EPIPE);
    const count = pipe.write(from, (this.flags & O_DIRECT) !== 0);
    if (count > 0) {
      const { env } = inode.fs;
      env.now(inode.mtime);
      env.now(inode.ctime);
    }
    // A write that found no room tells readers of what there is; one that goes on waiting does so no more.
    if (count > 0 || (count === -EAGAIN && (this.flags & O_NONBLOCK) !== 0)) inode.notify(POLLIN | POLLRDNORM);
    return count;
  }

  override ioctl(request: number, argument: number, user: UserMemory, caller: Caller): number | Err {
    if (request !== FIONREAD) return super.ioctl(request, argument, user, caller);
    const value = new Uint8Array(4);
    new DataView(value.buffer).setInt32(0, this.pipe.available, true);
    return user.write(argument, value);
  }

  override allocate(_mode: number, offset: number, length: number): number | Err {
    if (offset < 0 || length <= 0) return fail(EINVAL);
    return fail(this.writable ? ESPIPE : EBADF);
  }

  protected override release(): void {
    const { pipe, inode } = this;
    if (this.readable) pipe.readers--;
    if (this.writable) pipe.writers--;
    if (pipe.readers === 0 && pipe.writers === 0) {
      pipe.release();
      inode.pipe = null;
    } else if (pipe.readers === 0 || pipe.writers === 0) {
      inode.notify(POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM | POLLERR | POLLHUP);
    }
    super.release();
  }
}
