/** System calls that make and end descriptors: open, close, duplicates, pipes. */
import { E2BIG, EAGAIN, EBADF, EFAULT, EINVAL, type Err, fail, isErr } from '../../abi/errno.js';
import {
  AT_FDCWD,
  O_ACCMODE,
  O_APPEND,
  O_ASYNC,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECT,
  O_DIRECTORY,
  O_EXCL,
  O_LARGEFILE,
  O_NOATIME,
  O_NOCTTY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_SYNC,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
} from '../../abi/fcntl.js';
import { type OpenFile, SUSPENDED } from '../../vfs/file.js';
import { createPipe, PipeFile } from '../../vfs/fs/pipefs.js';
import { openAt } from '../../vfs/open.js';
import type { Task } from '../task.js';
import { anyFile, pathArgument } from './args.js';
import { awaitDriver } from './io.js';
import { getI64 } from './layouts.js';
import type { SyscallRows } from './row.js';

const TMPFILE_BIT = O_TMPFILE & ~O_DIRECTORY;
/** What open takes; other bits are ignored, but openat2 refuses them. @source Linux VALID_OPEN_FLAGS */
const OPEN_FLAGS =
  O_ACCMODE |
  O_CREAT |
  O_EXCL |
  O_NOCTTY |
  O_TRUNC |
  O_APPEND |
  O_NONBLOCK |
  O_SYNC |
  O_ASYNC |
  O_DIRECT |
  O_LARGEFILE |
  O_DIRECTORY |
  O_NOFOLLOW |
  O_NOATIME |
  O_CLOEXEC |
  O_PATH |
  TMPFILE_BIT;
const PATH_FLAGS = O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC;
/** Permission and set-id bits. */
const MODE_BITS = 0o7777;

/** Puts a new description into the caller's table. Takes over the reference, also on failure. @returns descriptor, -EMFILE */
export function installFile(task: Task, file: OpenFile, flags: number): number | Err {
  const fd = task.files.install(file, (flags & O_CLOEXEC) !== 0, task.fileLimit);
  if (isErr(fd)) file.unref();
  return fd;
}

/** Opens `pathArgument`. @param flags made regular already @returns descriptor; PENDING while a fifo's peer is missing */
function openLoaded(task: Task, flags: number, mode: number): number {
  const { at, name } = pathArgument;
  const file = openAt(task.fs, task, at, name, flags, mode);
  if (isErr(file)) return file;
  if (file.waitsByItself) return openDevice(task, file, flags);
  if (!(file instanceof PipeFile) || (flags & O_NONBLOCK) !== 0 || !file.openPending())
    return installFile(task, file, flags);
  let opened = false;
  return task.wait.block({
    hooks: [file.inode.hook],
    attempt: () => {
      if (file.openPending()) return -EAGAIN;
      opened = true;
      return installFile(task, file, flags);
    },
    cleanup: () => {
      if (!opened) file.unref();
    },
    what: 'wait_for_partner',
  });
}

/** A driver's open may sleep. Takes over the reference. */
function openDevice(task: Task, file: OpenFile, flags: number): number {
  const step = (): number => {
    const result = file.finishOpen(task);
    if (result === SUSPENDED) return result;
    if (result === 0) return installFile(task, file, flags);
    file.unref();
    return result;
  };
  const result = (file.flags & O_PATH) !== 0 ? installFile(task, file, flags) : step();
  return result === SUSPENDED ? awaitDriver(task, file, step) : result;
}

function openat(task: Task, dirfd: number, address: number, flagBits: number, mode: number): number {
  let flags = (flagBits & OPEN_FLAGS) | O_LARGEFILE;
  if ((flags & O_PATH) !== 0) flags &= PATH_FLAGS;
  const creates = (flags & (O_CREAT | TMPFILE_BIT)) !== 0;
  const error = checkTmpfile(flags);
  if (error !== 0) return error;
  const loaded = pathArgument.load(task, dirfd, address);
  return loaded !== 0 ? loaded : openLoaded(task, flags, creates ? mode & MODE_BITS : 0);
}

/** O_TMPFILE asks for a directory and write access; on its own its bit means nothing. @source Linux build_open_flags */
function checkTmpfile(flags: number): number | Err {
  if ((flags & (O_CREAT | O_DIRECTORY)) === (O_CREAT | O_DIRECTORY)) return fail(EINVAL);
  if ((flags & TMPFILE_BIT) === 0) return 0;
  if ((flags & O_DIRECTORY) === 0) return fail(EINVAL);
  return (flags & O_ACCMODE) === O_RDONLY ? fail(EINVAL) : 0;
}

const open = (task: Task, address: number, flags: number, mode: number): number =>
  openat(task, AT_FDCWD, address, flags, mode);

const creat = (task: Task, address: number, mode: number): number =>
  openat(task, AT_FDCWD, address, O_CREAT | O_WRONLY | O_TRUNC, mode);

/** struct open_how: flags, mode, resolve; three u64. */
const OPEN_HOW_SIZE = 24;
const PAGE_SIZE = 4096;
const how = new Uint8Array(PAGE_SIZE);
const howView = new DataView(how.buffer);

function openat2(task: Task, dirfd: number, address: number, howAddress: number, size: number): number {
  // The size is unsigned: a negative one is very large.
  if (size < 0 || size > PAGE_SIZE) return fail(E2BIG);
  if (size < OPEN_HOW_SIZE) return fail(EINVAL);
  if (task.mm!.read(howAddress, how.subarray(0, size)) !== 0) return fail(EFAULT);
  for (let i = OPEN_HOW_SIZE; i < size; i++) if (how[i] !== 0) return fail(E2BIG);
  const given = getI64(howView, 0);
  const mode = getI64(howView, 8);
  const resolveBits = getI64(howView, 16);
  if (given < 0 || given > 0x7fffffff || (given & ~OPEN_FLAGS) !== 0 || resolveBits !== 0) return fail(EINVAL);
  const flags = given | ((given & O_PATH) !== 0 ? 0 : O_LARGEFILE);
  const creates = (flags & (O_CREAT | TMPFILE_BIT)) !== 0;
  if (creates ? mode < 0 || mode > MODE_BITS : mode !== 0) return fail(EINVAL);
  if ((flags & O_PATH) !== 0 && (flags & ~PATH_FLAGS) !== 0) return fail(EINVAL);
  const error = checkTmpfile(flags);
  if (error !== 0) return error;
  const loaded = pathArgument.load(task, dirfd, address);
  return loaded !== 0 ? loaded : openLoaded(task, flags, mode);
}

const close = (task: Task, fd: number): number => task.files.close(fd | 0, task);

const CLOSE_RANGE_UNSHARE = 2;
const CLOSE_RANGE_CLOEXEC = 4;

function closeRange(task: Task, first: number, last: number, flags: number): number {
  if ((flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) !== 0) return fail(EINVAL);
  const from = first >>> 0;
  const to = last >>> 0;
  if (from > to) return fail(EINVAL);
  if ((flags & CLOSE_RANGE_UNSHARE) !== 0 && task.files.refs > 1) {
    const own = task.files.clone();
    task.files.unref(task);
    task.files = own;
  }
  for (const fd of [...task.files.descriptors()]) {
    if (fd < from || fd > to) continue;
    if ((flags & CLOSE_RANGE_CLOEXEC) !== 0) task.files.setCloseOnExec(fd, true);
    else task.files.close(fd, task);
  }
  return 0;
}

function dup(task: Task, fd: number): number {
  const file = anyFile(task, fd);
  return file === null ? fail(EBADF) : installFile(task, file.ref(), 0);
}

function dup2(task: Task, from: number, to: number): number {
  const source = from | 0;
  if (source === (to | 0)) return anyFile(task, source) === null ? fail(EBADF) : source;
  return duplicate(task, from, to, false);
}

function dup3(task: Task, from: number, to: number, flags: number): number {
  if ((flags & ~O_CLOEXEC) !== 0) return fail(EINVAL);
  if ((from | 0) === (to | 0)) return fail(EINVAL);
  return duplicate(task, from, to, (flags & O_CLOEXEC) !== 0);
}

function duplicate(task: Task, from: number, to: number, closeOnExec: boolean): number {
  const target = to | 0;
  if (target < 0 || target >= task.fileLimit) return fail(EBADF);
  const file = anyFile(task, from);
  if (file === null) return fail(EBADF);
  task.files.replace(target, file.ref(), closeOnExec, task);
  return target;
}

/** The descriptor pair as pipe(2) writes it. */
const pair = new Uint8Array(8);
const pairView = new DataView(pair.buffer);

function pipe2(task: Task, address: number, flags: number): number {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT)) !== 0) return fail(EINVAL);
  const ends = createPipe(task.kernel.vfsEnv, flags & (O_NONBLOCK | O_DIRECT));
  if (isErr(ends)) return ends;
  const reader = installFile(task, ends.reader, flags);
  if (isErr(reader)) {
    ends.writer.unref();
    return reader;
  }
  const writer = installFile(task, ends.writer, flags);
  if (isErr(writer)) {
    task.files.close(reader, task);
    return writer;
  }
  pairView.setInt32(0, reader, true);
  pairView.setInt32(4, writer, true);
  if (task.mm!.write(address, pair) === 0) return 0;
  task.files.close(reader, task);
  task.files.close(writer, task);
  return fail(EFAULT);
}

export const fileOpenSyscalls: SyscallRows = {
  2: { name: 'open', fn: open, support: 'full', args: ['path', 'openFlags', 'openMode'], result: 'fd' },
  3: { name: 'close', fn: close, support: 'full', args: ['fd'] },
  22: { name: 'pipe', fn: (task, address) => pipe2(task, address, 0), support: 'full', args: ['fdPairOut'] },
  32: { name: 'dup', fn: dup, support: 'full', args: ['fd'], result: 'fd' },
  33: { name: 'dup2', fn: dup2, support: 'full', args: ['fd', 'fd'], result: 'fd' },
  85: { name: 'creat', fn: creat, support: 'full', args: ['path', 'mode'], result: 'fd' },
  257: { name: 'openat', fn: openat, support: 'full', args: ['dirfd', 'path', 'openFlags', 'openMode'], result: 'fd' },
  292: { name: 'dup3', fn: dup3, support: 'full', args: ['fd', 'fd', 'dup3Flags'], result: 'fd' },
  293: { name: 'pipe2', fn: pipe2, support: 'full', args: ['fdPairOut', 'pipeFlags'] },
  436: { name: 'close_range', fn: closeRange, support: 'full', args: ['uint', 'uint', 'closeRangeFlags'] },
  437: {
    name: 'openat2',
    fn: openat2,
    support: 'partial',
    note: 'RESOLVE_* restrictions answer EINVAL',
    args: ['dirfd', 'path', 'openHow', 'size'],
    result: 'fd',
  },
};
