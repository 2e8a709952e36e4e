/** System calls that move bytes between memory and a file: read, write and their variants, lseek. */
import { EBADF, EINVAL, EOPNOTSUPP, type Err, ESPIPE, fail, isErr } from '../../abi/errno.js';
import { SEEK_MAX } from '../../abi/fcntl.js';
import { S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK } from '../../abi/stat.js';
import { type OpenFile, SUSPENDED } from '../../vfs/file.js';
import type { IoIter } from '../../vfs/iter.js';
import type { Task } from '../task.js';
import { PENDING } from '../wait.js';
import { openFile } from './args.js';
import { AT_OFFSET, awaitDriver, readFile, type Waiting, writeFile } from './io.js';
import type { SyscallRows } from './row.js';

function read(task: Task, fd: number, address: number, length: number): number {
  const file = openFile(task, fd);
  if (file === null || !file.readable) return fail(EBADF);
  const iter = task.mm!.iter(address, length);
  return isErr(iter) ? iter : readFile(task, file, iter, AT_OFFSET);
}

function write(task: Task, fd: number, address: number, length: number): number {
  const file = openFile(task, fd);
  if (file === null || !file.writable) return fail(EBADF);
  const iter = task.mm!.iter(address, length);
  return isErr(iter) ? iter : writeFile(task, file, iter, AT_OFFSET);
}

/** A description to use at a position of its own. @returns -EINVAL, -EBADF, -ESPIPE in Linux's order */
function positioned(task: Task, fd: number, position: number): OpenFile | Err {
  if (position < 0) return fail(EINVAL);
  const file = openFile(task, fd);
  if (file === null) return fail(EBADF);
  return file.seekable ? file : fail(ESPIPE);
}

function pread64(task: Task, fd: number, address: number, length: number, position: number): number {
  const file = positioned(task, fd, position);
  if (isErr(file)) return file;
  if (!file.readable) return fail(EBADF);
  const iter = task.mm!.iter(address, length);
  return isErr(iter) ? iter : readFile(task, file, iter, position);
}

function pwrite64(task: Task, fd: number, address: number, length: number, position: number): number {
  const file = positioned(task, fd, position);
  if (isErr(file)) return file;
  if (!file.writable) return fail(EBADF);
  const iter = task.mm!.iter(address, length);
  return isErr(iter) ? iter : writeFile(task, file, iter, position);
}

/** Gathers the vectors at `vectors`; unlike a plain buffer, an empty list ends the call with 0 before the file is asked. */
function vectorRead(task: Task, file: OpenFile, vectors: number, count: number, at: number, waiting?: Waiting): number {
  if (!file.readable) return fail(EBADF);
  const iter = task.mm!.iovIter(vectors, count);
  if (isErr(iter)) return iter;
  return iter.remaining === 0 ? 0 : readFile(task, file, iter, at, waiting);
}

function vectorWrite(
  task: Task,
  file: OpenFile,
  vectors: number,
  count: number,
  at: number,
  waiting?: Waiting,
): number {
  if (!file.writable) return fail(EBADF);
  const iter = task.mm!.iovIter(vectors, count);
  if (isErr(iter)) return iter;
  return iter.remaining === 0 ? 0 : writeFile(task, file, iter as IoIter, at, waiting);
}

function readv(task: Task, fd: number, vectors: number, count: number): number {
  const file = openFile(task, fd);
  return file === null ? fail(EBADF) : vectorRead(task, file, vectors, count, AT_OFFSET);
}

function writev(task: Task, fd: number, vectors: number, count: number): number {
  const file = openFile(task, fd);
  return file === null ? fail(EBADF) : vectorWrite(task, file, vectors, count, AT_OFFSET);
}

/** The second half of the position is shifted out on 64-bit machines. */
function preadv(task: Task, fd: number, vectors: number, count: number, position: number): number {
  const file = positioned(task, fd, position);
  return isErr(file) ? file : vectorRead(task, file, vectors, count, position);
}

function pwritev(task: Task, fd: number, vectors: number, count: number, position: number): number {
  const file = positioned(task, fd, position);
  return isErr(file) ? file : vectorWrite(task, file, vectors, count, position);
}

/** preadv2(2) flags. @source uapi/linux/fs.h */
const RWF_HIPRI = 1;
const RWF_DSYNC = 2;
const RWF_SYNC = 4;
const RWF_NOWAIT = 8;
const RWF_APPEND = 0x10;
const READ_FLAGS = RWF_HIPRI | RWF_NOWAIT;
const WRITE_FLAGS = READ_FLAGS | RWF_DSYNC | RWF_SYNC | RWF_APPEND;

const vectorFile = (task: Task, fd: number, position: number): OpenFile | Err =>
  position === AT_OFFSET ? (openFile(task, fd) ?? fail(EBADF)) : positioned(task, fd, position);

const waitingOf = (flags: number): Waiting => ((flags & RWF_NOWAIT) !== 0 ? 'no-wait' : 'wait');

/** @returns -EOPNOTSUPP for unknown flags, and for RWF_NOWAIT on anything but pipes and sockets */
function checkRwFlags(file: OpenFile, flags: number, known: number): number | Err {
  const type = file.inode.mode & S_IFMT;
  const refused = (flags & RWF_NOWAIT) !== 0 && type !== S_IFIFO && type !== S_IFSOCK;
  return refused || (flags & ~known) !== 0 ? fail(EOPNOTSUPP) : 0;
}

function preadv2(
  task: Task,
  fd: number,
  vectors: number,
  n: number,
  low: number,
  _high: number,
  flags: number,
): number {
  const file = vectorFile(task, fd, low);
  if (isErr(file)) return file;
  if (!file.readable) return fail(EBADF);
  const bad = checkRwFlags(file, flags, READ_FLAGS);
  if (bad !== 0) return bad;
  return vectorRead(task, file, vectors, n, low, waitingOf(flags));
}

function pwritev2(
  task: Task,
  fd: number,
  vectors: number,
  n: number,
  low: number,
  _high: number,
  flags: number,
): number {
  const file = vectorFile(task, fd, low);
  if (isErr(file)) return file;
  if (!file.writable) return fail(EBADF);
  const bad = checkRwFlags(file, flags, WRITE_FLAGS);
  if (bad !== 0) return bad;
  let position = low;
  if ((flags & RWF_APPEND) !== 0 && (file.inode.mode & S_IFMT) === S_IFREG) {
    if (position === AT_OFFSET) file.offset = file.inode.size;
    else position = file.inode.size;
  }
  const result = vectorWrite(task, file, vectors, n, position, waitingOf(flags));
  if ((flags & (RWF_DSYNC | RWF_SYNC)) === 0) return result;
  if (result !== PENDING) return result > 0 ? syncWritten(task, file, result) : result;
  file.ref();
  task.wait.afterwards((written) => {
    const answer = written > 0 && !task.wait.isAbandoned ? syncWritten(task, file, written) : written;
    file.unref();
    return answer;
  });
  return result;
}

/** What was written is to be on its way to where it is kept. @returns the count, why it is not there, PENDING */
function syncWritten(task: Task, file: OpenFile, count: number): number {
  const answer = (synced: number): number => (synced < 0 && synced !== -EINVAL ? synced : count);
  const synced = file.fsync(task);
  if (synced !== SUSPENDED) return answer(synced);
  return awaitDriver(task, file, () => {
    const later = file.fsync(task);
    return later === SUSPENDED ? later : answer(later);
  });
}

function lseek(task: Task, fd: number, offset: number, whence: number): number {
  const file = openFile(task, fd);
  if (file === null) return fail(EBADF);
  if (whence >>> 0 > SEEK_MAX) return fail(EINVAL);
  const result = file.seek(offset, whence >>> 0, task);
  return result === SUSPENDED ? awaitDriver(task, file, () => file.seek(offset, whence >>> 0, task)) : result;
}

export const fileDataSyscalls: SyscallRows = {
  0: { name: 'read', fn: read, support: 'full', args: ['fd', 'bufOut', 'size'] },
  1: { name: 'write', fn: write, support: 'full', args: ['fd', 'bufIn', 'size'] },
  8: { name: 'lseek', fn: lseek, support: 'full', args: ['fd', 'offset', 'whence'] },
  17: { name: 'pread64', fn: pread64, support: 'full', args: ['fd', 'bufOut', 'size', 'offset'] },
  18: { name: 'pwrite64', fn: pwrite64, support: 'full', args: ['fd', 'bufIn', 'size', 'offset'] },
  19: { name: 'readv', fn: readv, support: 'full', args: ['fd', 'iovecOut', 'ulong'] },
  20: { name: 'writev', fn: writev, support: 'full', args: ['fd', 'iovecIn', 'ulong'] },
  295: { name: 'preadv', fn: preadv, support: 'full', args: ['fd', 'iovecOut', 'ulong', 'offset'] },
  296: { name: 'pwritev', fn: pwritev, support: 'full', args: ['fd', 'iovecIn', 'ulong', 'offset'] },
  327: {
    name: 'preadv2',
    fn: preadv2,
    support: 'full',
    args: ['fd', 'iovecOut', 'ulong', 'offset', 'skip', 'rwFlags'],
  },
  328: {
    name: 'pwritev2',
    fn: pwritev2,
    support: 'full',
    args: ['fd', 'iovecIn', 'ulong', 'offset', 'skip', 'rwFlags'],
  },
};
