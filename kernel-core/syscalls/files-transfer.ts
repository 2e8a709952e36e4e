/** System calls that move bytes from file to file inside the kernel: sendfile, copy_file_range, splice, vmsplice; tee is in files-tee.ts. */

import {
  EAGAIN,
  EBADF,
  EFAULT,
  EINVAL,
  EISDIR,
  EOVERFLOW,
  EPIPE,
  type Err,
  ESPIPE,
  EXDEV,
  fail,
  isErr,
} from '../../abi/errno.js';
import {
  O_APPEND,
  O_NONBLOCK,
  SPLICE_F_GIFT,
  SPLICE_F_MORE,
  SPLICE_F_MOVE,
  SPLICE_F_NONBLOCK,
} from '../../abi/fcntl.js';
import { SIGPIPE } from '../../abi/signal.js';
import { S_IFIFO, S_IFMT, S_IFREG } from '../../abi/stat.js';
import { SocketFile } from '../../net/socket.js';
import type { OpenFile } from '../../vfs/file.js';
import { PipeFile } from '../../vfs/fs/pipefs.js';
import { fileAccessed, fileModified } from '../../vfs/fsnotify.js';
import { BytesIter } from '../../vfs/iter.js';
import type { Task } from '../task.js';
import { openFile } from './args.js';
import { AT_OFFSET, raise, readFile, roomBelowLimit, writeFile } from './io.js';
import type { SyscallRows } from './row.js';
import { SleepingMover } from './sleeping-mover.js';
import { OffsetArgument, type Transfer } from './transfer.js';
import { TransferIter } from './transfer-iter.js';

/** Bytes that one call moves at most, so that the event loop is not held up; callers go on after a short count. */
const TRANSFER_MAX = 16 << 20;

const typeOf = (file: OpenFile): number => file.inode.mode & S_IFMT;
const isPipe = (file: OpenFile): boolean => typeOf(file) === S_IFIFO;

/** A socket that keeps apart what is sent: datagrams, sequenced packets. */
const isPacketSocket = (file: OpenFile): boolean => file instanceof SocketFile && !file.socket.isStream;

/** More of it may be asked for at once: not of a message, nor of a line of a terminal. */
const isStream = (file: OpenFile): boolean =>
  file.seekable || isPipe(file) || (file instanceof SocketFile && file.socket.isStream);

const PAGE_SIZE = 4096;
/** Pages of a pipe, or of a file, that become one message. @source Linux fs/splice.c splice_to_socket */
const MESSAGE_PAGES = 16;
const message = new Uint8Array(MESSAGE_PAGES * PAGE_SIZE);

/** Moves what can be moved now, as often as the wait primitive asks. */
class Mover {
  readonly #task: Task;
  readonly #transfer: Transfer;
  readonly #iter: TransferIter;

  constructor(task: Task, transfer: Transfer) {
    this.#task = task;
    this.#transfer = transfer;
    this.#iter = new TransferIter(task, transfer.to, transfer.toAt.position, transfer.count);
  }

  /** @returns bytes moved so far when done, -EAGAIN to wait, an error if nothing was moved */
  step(): number | Err {
    const iter = this.#iter;
    const task = this.#task;
    const readsOnce = !isStream(this.#transfer.from);
    for (;;) {
      if (iter.remaining === 0) return this.#done();
      iter.error = 0;
      let count = this.#read();
      if (count <= 0 && iter.error !== 0) count = iter.error;
      if (count > 0 && !readsOnce) continue;
      if (count >= 0) return this.#done();
      if (count === -EAGAIN) {
        const { all, nonBlocking } = this.#transfer;
        const enough = iter.moved > 0 && (!all || nonBlocking || task.hasDeliverableSignal);
        return enough ? this.#done() : fail(EAGAIN);
      }
      if (count === -EPIPE) raise(task, SIGPIPE);
      return iter.moved > 0 ? this.#done() : (count as Err);
    }
  }

  #read(): number | Err {
    const { from, fromAt, to } = this.#transfer;
    const own = fromAt.position === AT_OFFSET;
    const position = own ? from.offset : fromAt.position;
    const count = isPacketSocket(to)
      ? this.#sendMessage(position)
      : to instanceof PipeFile && !from.seekable && !isPipe(from)
        ? this.#receive(from, to)
        : from.read(this.#iter, position, this.#task);
    if (count > 0) {
      fileAccessed(from);
      fileModified(to);
      if (!own) fromAt.position += count;
      else if (from.seekable) from.offset += count;
    }
    return count;
  }

  /** What a socket or a terminal has given is gone from there: it is asked for no more than the pipe has room for. */
  #receive(from: OpenFile, to: PipeFile): number | Err {
    const { readers, room } = to.pipe;
    if (readers === 0) return fail(EPIPE);
    if (room === 0) return fail(EAGAIN);
    const iter = this.#iter;
    const count = Math.min(iter.remaining, room);
    if (isPacketSocket(from)) {
      // Comes in whole pages; what is too much of it is cut off.
      iter.expect(count);
      return from.read(iter, 0, this.#task);
    }
    const into = new BytesIter(message.subarray(0, Math.min(count, message.length)));
    const received = from.read(into, 0, this.#task);
    return received > 0 ? iter.put(message, 0, received) : received;
  }

  /** Sends one message, whole; what the socket does not take stays in the source. */
  #sendMessage(position: number): number | Err {
    const { from } = this.#transfer;
    const iter = this.#iter;
    if (from instanceof PipeFile) {
      const count = from.pipe.peek(message, iter.remaining, MESSAGE_PAGES);
      const sent = count > 0 ? iter.put(message, 0, count) : count;
      if (sent > 0) from.read(new BytesIter(message.subarray(0, sent)), 0, this.#task);
      return sent;
    }
    const size = Math.min(iter.remaining, message.length - (position % PAGE_SIZE));
    const into = new BytesIter(message.subarray(0, size));
    while (into.remaining > 0) {
      const count = from.read(into, position + into.position, this.#task);
      if (count < 0 && into.position === 0) return count;
      if (count <= 0) break;
    }
    return into.position > 0 ? iter.put(message, 0, into.position) : 0;
  }

  #done(): number | Err {
    const { fromAt, toAt } = this.#transfer;
    if (toAt.given) toAt.position = this.#iter.position;
    if (fromAt.store() !== 0 || toAt.store() !== 0) return fail(EFAULT);
    return this.#iter.moved;
  }
}

function runTransfer(task: Task, transfer: Transfer): number {
  if (transfer.from.waitsByItself || transfer.to.waitsByItself) return new SleepingMover(task, transfer).run();
  const mover = new Mover(task, transfer);
  const result = mover.step();
  if (result !== -EAGAIN || transfer.nonBlocking) return result;
  const { from, to } = transfer;
  from.ref();
  to.ref();
  return task.wait.block({
    hooks: from.inode === to.inode ? [from.inode.hook] : [from.inode.hook, to.inode.hook],
    attempt: () => mover.step(),
    cleanup: () => {
      from.unref();
      to.unref();
    },
    what: 'splice',
  });
}

/** @returns what of `count` may be written to `to`, or -EFBIG */
function limitCount(task: Task, to: OpenFile, at: OffsetArgument, count: number): number | Err {
  const capped = Math.min(count, TRANSFER_MAX);
  if (typeOf(to) !== S_IFREG) return capped;
  return roomBelowLimit(task, at.given ? at.position : to.offset, capped);
}

function sendfile(task: Task, outFd: number, inFd: number, offsetAddress: number, count: number): number {
  const fromAt = new OffsetArgument(task, offsetAddress);
  const read = fromAt.read();
  if (read !== 0) return read;
  const from = openFile(task, inFd);
  if (from === null || !from.readable) return fail(EBADF);
  if (fromAt.given && !from.seekable) return fail(ESPIPE);
  const checked = fromAt.check();
  if (checked !== 0) return checked;
  const to = openFile(task, outFd);
  if (to === null || !to.writable) return fail(EBADF);
  if (count < 0) return fail(EINVAL);
  if (!isPipe(to) && !from.seekable) return fail(EINVAL);
  if (!from.splicesOut || !to.splicesIn) return fail(EINVAL);
  if (from.inode.isDirectory || (to.flags & O_APPEND) !== 0) return fail(EINVAL);
  const toAt = new OffsetArgument(task, 0);
  const limited = limitCount(task, to, toAt, count);
  if (isErr(limited)) return limited;
  const nonBlocking = (to.flags & O_NONBLOCK) !== 0;
  return runTransfer(task, { from, to, fromAt, toAt, count: limited, all: true, nonBlocking });
}

/** Does the end of a range not fit 64 bits? A negative position counts as a huge one. */
const wraps = (position: number, count: number): boolean =>
  position < 0 ? position + count >= 0 : position + count > Number.MAX_SAFE_INTEGER;

function copyFileRange(
  task: Task,
  inFd: number,
  inAddress: number,
  outFd: number,
  outAddress: number,
  count: number,
  flags: number,
): number {
  const from = openFile(task, inFd);
  const to = openFile(task, outFd);
  if (from === null || to === null) return fail(EBADF);
  const fromAt = new OffsetArgument(task, inAddress);
  const toAt = new OffsetArgument(task, outAddress);
  for (const at of [fromAt, toAt]) {
    const read = at.read();
    if (read !== 0) return read;
  }
  if ((flags | 0) !== 0) return fail(EINVAL);
  if (from.inode.isDirectory || to.inode.isDirectory) return fail(EISDIR);
  if (typeOf(from) !== S_IFREG || typeOf(to) !== S_IFREG) return fail(EINVAL);
  if (!from.readable || !to.writable || (to.flags & O_APPEND) !== 0) return fail(EBADF);
  if (from.inode.fs !== to.inode.fs) return fail(EXDEV);
  const source = fromAt.given ? fromAt.position : from.offset;
  const target = toAt.given ? toAt.position : to.offset;
  if (count < 0 || wraps(source, count) || wraps(target, count)) return fail(EOVERFLOW);
  for (const at of [fromAt, toAt]) {
    const checked = at.check();
    if (checked !== 0) return checked;
  }
  const wanted = Math.min(count, Math.max(0, from.inode.size - source));
  if (from.inode === to.inode && source < target + wanted && target < source + wanted) return fail(EINVAL);
  const limited = limitCount(task, to, toAt, wanted);
  if (isErr(limited)) return limited;
  return runTransfer(task, { from, to, fromAt, toAt, count: limited, all: true, nonBlocking: true });
}

export const SPLICE_FLAGS = SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT;

function splice(
  task: Task,
  inFd: number,
  inAddress: number,
  outFd: number,
  outAddress: number,
  count: number,
  flags: number,
): number {
  if (count === 0) return 0;
  if ((flags & ~SPLICE_FLAGS) !== 0) return fail(EINVAL);
  const from = openFile(task, inFd);
  const to = openFile(task, outFd);
  if (from === null || to === null) return fail(EBADF);
  if ((isPipe(from) && inAddress !== 0) || (isPipe(to) && outAddress !== 0)) return fail(ESPIPE);
  const fromAt = new OffsetArgument(task, inAddress);
  const toAt = new OffsetArgument(task, outAddress);
  for (const at of [toAt, fromAt]) {
    const read = at.read();
    if (read !== 0) return read;
  }
  if (!from.readable || !to.writable) return fail(EBADF);
  if (!isPipe(from) && !isPipe(to)) return fail(EINVAL);
  if (isPipe(from) && from.inode === to.inode) return fail(EINVAL);
  if ((fromAt.given && !from.seekable) || (toAt.given && !to.seekable)) return fail(EINVAL);
  if (!from.splicesOut || !to.splicesIn) return fail(EINVAL);
  if (count < 0 || from.inode.isDirectory || (to.flags & O_APPEND) !== 0) return fail(EINVAL);
  for (const at of [toAt, fromAt]) {
    const checked = at.check();
    if (checked !== 0) return checked;
  }
  const limited = limitCount(task, to, toAt, count);
  if (isErr(limited)) return limited;
  const nonBlocking = (flags & SPLICE_F_NONBLOCK) !== 0 || ((from.flags | to.flags) & O_NONBLOCK) !== 0;
  return runTransfer(task, { from, to, fromAt, toAt, count: limited, all: false, nonBlocking });
}

/** Pages are copied, never gifted: what the caller writes to them later does not reach the pipe. */
function vmsplice(task: Task, fd: number, vectors: number, count: number, flags: number): number {
  if ((flags & ~SPLICE_FLAGS) !== 0) return fail(EINVAL);
  const file = openFile(task, fd);
  if (file === null || !isPipe(file)) return fail(EBADF);
  const iter = task.mm!.iovIter(vectors, count);
  if (isErr(iter)) return iter;
  if (iter.remaining === 0) return 0;
  const waiting = (flags & SPLICE_F_NONBLOCK) !== 0 ? 'no-wait' : 'wait';
  if (file.writable) return writeFile(task, file, iter, AT_OFFSET, waiting);
  return readFile(task, file, iter, AT_OFFSET, waiting);
}

export const fileTransferSyscalls: SyscallRows = {
  40: { name: 'sendfile', fn: sendfile, support: 'full', args: ['fd', 'fd', 'movedOffset', 'size'] },
  275: {
    name: 'splice',
    fn: splice,
    support: 'full',
    args: ['fd', 'offsetInOut', 'fd', 'offsetInOut', 'size', 'spliceFlags'],
  },
  278: {
    name: 'vmsplice',
    fn: vmsplice,
    support: 'full',
    args: ['fd', 'iovecIn', 'ulong', 'spliceFlags'],
  },
  326: {
    name: 'copy_file_range',
    fn: copyFileRange,
    support: 'full',
    args: ['fd', 'offsetInOut', 'fd', 'offsetInOut', 'size', 'uint'],
  },
};
