/** System calls about the length and storage of files: truncate, fallocate, syncing, advice. */

import { EBADF, EFBIG, EINVAL, EISDIR, ENODEV, EOPNOTSUPP, type Err, ESPIPE, fail, isErr } from '../../abi/errno.js';
import {
  AT_FDCWD,
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_UNSHARE_RANGE,
  FALLOC_FL_ZERO_RANGE,
} from '../../abi/fcntl.js';
import { S_IFBLK, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG } from '../../abi/stat.js';
import { type OpenFile, SUSPENDED } from '../../vfs/file.js';
import { fileModified } from '../../vfs/fsnotify.js';
import type { Inode } from '../../vfs/inode.js';
import { LOOKUP_FOLLOW, releasePath, resolve } from '../../vfs/namei.js';
import { truncateFile, truncatePath } from '../../vfs/operations.js';
import type { Task } from '../task.js';
import { openFile, pathArgument } from './args.js';
import { awaitDriver, roomBelowLimit } from './io.js';
import type { SyscallRows } from './row.js';

/** May the file grow to `size` under RLIMIT_FSIZE? @returns 0 or -EFBIG, with SIGXFSZ */
function checkGrowth(task: Task, inode: Inode, size: number): number | Err {
  if (size <= inode.size) return 0;
  const room = roomBelowLimit(task, size - 1, 1);
  return isErr(room) ? room : 0;
}

function truncate(task: Task, address: number, size: number): number {
  if (size < 0) return fail(EINVAL);
  const loaded = pathArgument.load(task, AT_FDCWD, address);
  if (loaded !== 0) return loaded;
  const path = resolve(task.fs, task, null, pathArgument.name, LOOKUP_FOLLOW);
  if (isErr(path)) return path;
  const { inode } = path.dentry;
  const growth = (inode.mode & S_IFMT) === S_IFREG ? checkGrowth(task, inode, size) : 0;
  const result = growth !== 0 ? growth : truncatePath(path, task, size);
  releasePath(path);
  return result;
}

function ftruncate(task: Task, fd: number, size: number): number {
  if (size < 0) return fail(EINVAL);
  const file = openFile(task, fd);
  if (file === null) return fail(EBADF);
  if ((file.inode.mode & S_IFMT) !== S_IFREG || !file.writable) return fail(EINVAL);
  const growth = checkGrowth(task, file.inode, size);
  return growth !== 0 ? growth : truncateFile(file, task, size);
}

const KNOWN_MODES =
  FALLOC_FL_KEEP_SIZE |
  FALLOC_FL_PUNCH_HOLE |
  FALLOC_FL_COLLAPSE_RANGE |
  FALLOC_FL_ZERO_RANGE |
  FALLOC_FL_INSERT_RANGE |
  FALLOC_FL_UNSHARE_RANGE;

/** Modes of which only one can be asked for, with what else goes with each. @source Linux fs/open.c vfs_fallocate */
const EXCLUSIVE = new Map([
  [0, FALLOC_FL_KEEP_SIZE],
  [FALLOC_FL_UNSHARE_RANGE, FALLOC_FL_KEEP_SIZE],
  [FALLOC_FL_ZERO_RANGE, FALLOC_FL_KEEP_SIZE],
  [FALLOC_FL_PUNCH_HOLE, FALLOC_FL_KEEP_SIZE],
  [FALLOC_FL_COLLAPSE_RANGE, 0],
  [FALLOC_FL_INSERT_RANGE, 0],
]);

function checkAllocation(mode: number): number | Err {
  if ((mode & ~KNOWN_MODES) !== 0) return fail(EOPNOTSUPP);
  const kind = mode & ~FALLOC_FL_KEEP_SIZE;
  const allowed = EXCLUSIVE.get(kind);
  if (allowed === undefined || (mode & ~kind & ~allowed) !== 0) return fail(EOPNOTSUPP);
  return kind === FALLOC_FL_PUNCH_HOLE && (mode & FALLOC_FL_KEEP_SIZE) === 0 ? fail(EOPNOTSUPP) : 0;
}

function fallocate(task: Task, fd: number, mode: number, offset: number, length: number): number {
  const file = openFile(task, fd);
  if (file === null) return fail(EBADF);
  if (offset < 0 || length <= 0) return fail(EINVAL);
  const bad = checkAllocation(mode | 0);
  if (bad !== 0) return bad;
  if (!file.writable) return fail(EBADF);
  const type = file.inode.mode & S_IFMT;
  if (type === S_IFIFO) return fail(ESPIPE);
  if (type === S_IFDIR) return fail(EISDIR);
  if (type !== S_IFREG && type !== S_IFBLK) return fail(ENODEV);
  const end = offset + length;
  if (end > Number.MAX_SAFE_INTEGER) return fail(EFBIG);
  const growth = (mode & FALLOC_FL_KEEP_SIZE) === 0 ? checkGrowth(task, file.inode, end) : 0;
  if (growth !== 0) return growth;
  const result = file.allocate(mode | 0, offset, length);
  if (result === 0) fileModified(file);
  return result;
}

function fsync(task: Task, fd: number): number {
  const file = openFile(task, fd);
  return file === null ? fail(EBADF) : syncFile(task, file);
}

function syncFile(task: Task, file: OpenFile): number {
  const result = file.fsync(task);
  return result === SUSPENDED ? awaitDriver(task, file, () => file.fsync(task)) : result;
}

function sync(task: Task): number {
  for (const { fs } of task.fs.namespace.list()) fs.sync();
  return 0;
}

function syncfs(task: Task, fd: number): number {
  const file = openFile(task, fd);
  return file === null ? fail(EBADF) : file.inode.fs.sync();
}

const SYNC_RANGE_FLAGS = 7;

function syncFileRange(task: Task, fd: number, offset: number, length: number, flags: number): number {
  const file = openFile(task, fd);
  if (file === null) return fail(EBADF);
  if ((flags & ~SYNC_RANGE_FLAGS) !== 0) return fail(EINVAL);
  if (offset < 0 || length < 0) return fail(EINVAL);
  const type = file.inode.mode & S_IFMT;
  if (type !== S_IFREG && type !== S_IFBLK && type !== S_IFDIR && type !== S_IFLNK) return fail(ESPIPE);
  return type === S_IFREG ? syncFile(task, file) : 0;
}

const LAST_ADVICE = 5;

/** Advice changes nothing: every page is in memory already. */
function fadvise(task: Task, fd: number, _offset: number, length: number, advice: number): number {
  const file = openFile(task, fd);
  if (file === null) return fail(EBADF);
  if ((file.inode.mode & S_IFMT) === S_IFIFO) return fail(ESPIPE);
  return length < 0 || advice >>> 0 > LAST_ADVICE ? fail(EINVAL) : 0;
}

function readahead(task: Task, fd: number): number {
  const file = openFile(task, fd);
  if (file === null || !file.readable) return fail(EBADF);
  const type = file.inode.mode & S_IFMT;
  return type !== S_IFREG && type !== S_IFBLK ? fail(EINVAL) : 0;
}

export const fileSpaceSyscalls: SyscallRows = {
  74: { name: 'fsync', fn: fsync, support: 'full', args: ['fd'] },
  75: { name: 'fdatasync', fn: fsync, support: 'full', args: ['fd'] },
  76: { name: 'truncate', fn: truncate, support: 'full', args: ['path', 'offset'] },
  77: { name: 'ftruncate', fn: ftruncate, support: 'full', args: ['fd', 'offset'] },
  162: { name: 'sync', fn: sync, support: 'full', args: [] },
  187: { name: 'readahead', fn: readahead, support: 'full', args: ['fd', 'offset', 'size'] },
  221: { name: 'fadvise64', fn: fadvise, support: 'full', args: ['fd', 'offset', 'size', 'fadvise'] },
  277: {
    name: 'sync_file_range',
    fn: syncFileRange,
    support: 'full',
    args: ['fd', 'offset', 'offset', 'syncRangeFlags'],
  },
  285: { name: 'fallocate', fn: fallocate, support: 'full', args: ['fd', 'fallocateMode', 'offset', 'offset'] },
  306: { name: 'syncfs', fn: syncfs, support: 'full', args: ['fd'] },
};
