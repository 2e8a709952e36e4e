/** System calls that report metadata: the stat family and statfs. */
import { EBADF, EFAULT, EINVAL, type Err, fail, isErr } from '../../abi/errno.js';
import { AT_EMPTY_PATH, AT_FDCWD, AT_NO_AUTOMOUNT, AT_STATX_SYNC_TYPE, AT_SYMLINK_NOFOLLOW } from '../../abi/fcntl.js';
import { STATX__RESERVED, STATX_ATTR_MOUNT_ROOT, STATX_BASIC_STATS, STATX_MNT_ID } from '../../abi/stat.js';
import type { Timespec } from '../../vfs/caller.js';
import type { Path } from '../../vfs/dentry.js';
import type { Inode } from '../../vfs/inode.js';
import { LOOKUP_EMPTY, LOOKUP_FOLLOW, releasePath, resolve } from '../../vfs/namei.js';
import { fillStat, makeStat, type StatfsResult, statfs } from '../../vfs/operations.js';
import type { Task } from '../task.js';
import { anyFile, pathArgument } from './args.js';
import { putI64 } from './layouts.js';
import type { SyscallRows } from './row.js';

const stat = makeStat();

/** struct stat: 144 bytes. */
const statBytes = new Uint8Array(144);
const statView = new DataView(statBytes.buffer);

function writeStat(task: Task, inode: Inode, address: number): number | Err {
  const { userNamespace } = task.cred;
  fillStat(inode, stat);
  const view = statView;
  putI64(view, 0, stat.dev);
  putI64(view, 8, stat.ino);
  putI64(view, 16, stat.nlink);
  view.setUint32(24, stat.mode, true);
  view.setUint32(28, userNamespace.users.shown(stat.uid), true);
  view.setUint32(32, userNamespace.groups.shown(stat.gid), true);
  putI64(view, 40, stat.rdev);
  putI64(view, 48, stat.size);
  putI64(view, 56, stat.blksize);
  putI64(view, 64, stat.blocks);
  putTime(view, 72, stat.atime);
  putTime(view, 88, stat.mtime);
  putTime(view, 104, stat.ctime);
  return task.mm!.write(address, statBytes);
}

function putTime(view: DataView, offset: number, time: Timespec): void {
  putI64(view, offset, time.sec);
  putI64(view, offset + 8, time.nsec);
}

const STAT_FLAGS = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE;

/** What a stat call is about: the inode, and the path unless it is a descriptor without one. */
interface Subject {
  inode: Inode;
  path: Path | null;
}

/**
 * Finds what (dirfd, name, flags) names and hands it to `report`.
 * @param address of the name; with AT_EMPTY_PATH 0 counts as an empty one
 */
function withSubject(
  task: Task,
  dirfd: number,
  address: number,
  flags: number,
  report: (subject: Subject) => number,
): number {
  const emptyAllowed = (flags & AT_EMPTY_PATH) !== 0;
  if (emptyAllowed && (address === 0 || task.mm!.readU8(address) === 0)) {
    if ((dirfd | 0) === AT_FDCWD) return report({ inode: task.fs.cwd.dentry.inode, path: task.fs.cwd });
    const file = anyFile(task, dirfd);
    return file === null ? fail(EBADF) : report({ inode: file.node, path: file.path });
  }
  const loaded = pathArgument.load(task, dirfd, address, emptyAllowed);
  if (loaded !== 0) return loaded;
  const lookup = (flags & AT_SYMLINK_NOFOLLOW) !== 0 ? 0 : LOOKUP_FOLLOW;
  const { at, name } = pathArgument;
  const path = resolve(task.fs, task, at, name, lookup | (emptyAllowed ? LOOKUP_EMPTY : 0));
  if (isErr(path)) return path;
  const result = report({ inode: path.dentry.inode, path });
  releasePath(path);
  return result;
}

function newfstatat(task: Task, dirfd: number, address: number, out: number, flags: number): number {
  if ((flags & ~STAT_FLAGS) !== 0) return fail(EINVAL);
  return withSubject(task, dirfd, address, flags, ({ inode }) => writeStat(task, inode, out));
}

function fstat(task: Task, fd: number, out: number): number {
  const file = anyFile(task, fd);
  return file === null ? fail(EBADF) : writeStat(task, file.node, out);
}

/** struct statx: 256 bytes. */
const statxBytes = new Uint8Array(256);
const statxView = new DataView(statxBytes.buffer);

/** Device numbers: 12 bits of major between two pieces of minor. @source linux/kdev_t.h new_encode_dev */
const majorOf = (device: number): number => (device >>> 8) & 0xfff;
const minorOf = (device: number): number => (device & 0xff) | ((device >>> 12) & 0xfff00);

function statx(task: Task, dirfd: number, address: number, flags: number, mask: number, out: number): number {
  if (mask & STATX__RESERVED) return fail(EINVAL);
  if ((flags & ~STAT_FLAGS) !== 0) return fail(EINVAL);
  if ((flags & AT_STATX_SYNC_TYPE) === AT_STATX_SYNC_TYPE) return fail(EINVAL);
  return withSubject(task, dirfd, address, flags, (subject) => writeStatx(task, subject, out));
}

function writeStatx(task: Task, { inode, path }: Subject, out: number): number | Err {
  const { userNamespace } = task.cred;
  fillStat(inode, stat);
  const view = statxView;
  statxBytes.fill(0);
  view.setUint32(0, STATX_BASIC_STATS | STATX_MNT_ID, true);
  view.setUint32(4, stat.blksize, true);
  const isMountRoot = path !== null && path.dentry === path.mount.root;
  putI64(view, 8, isMountRoot ? STATX_ATTR_MOUNT_ROOT : 0);
  view.setUint32(16, stat.nlink, true);
  view.setUint32(20, userNamespace.users.shown(stat.uid), true);
  view.setUint32(24, userNamespace.groups.shown(stat.gid), true);
  view.setUint16(28, stat.mode, true);
  putI64(view, 32, stat.ino);
  putI64(view, 40, stat.size);
  putI64(view, 48, stat.blocks);
  putI64(view, 56, STATX_ATTR_MOUNT_ROOT);
  putStatxTime(view, 64, stat.atime);
  putStatxTime(view, 96, stat.ctime);
  putStatxTime(view, 112, stat.mtime);
  view.setUint32(128, majorOf(stat.rdev), true);
  view.setUint32(132, minorOf(stat.rdev), true);
  view.setUint32(136, majorOf(stat.dev), true);
  view.setUint32(140, minorOf(stat.dev), true);
  putI64(view, 144, path === null ? 0 : path.mount.id);
  return task.mm!.write(out, statxBytes);
}

/** struct statx_timestamp: seconds (i64), nanoseconds (u32). */
function putStatxTime(view: DataView, offset: number, time: Timespec): void {
  putI64(view, offset, time.sec);
  view.setUint32(offset + 8, time.nsec, true);
}

/** struct statfs: 120 bytes. */
const statfsBytes = new Uint8Array(120);
const statfsView = new DataView(statfsBytes.buffer);

function writeStatfs(task: Task, figures: Omit<StatfsResult, 'device'>, device: number, out: number): number | Err {
  const view = statfsView;
  const { type, blockSize, blocks, blocksFree, files, filesFree, nameLength, flags } = figures;
  const words = [type, blockSize, blocks, blocksFree, blocksFree, files, filesFree];
  for (let i = 0; i < words.length; i++) putI64(view, 8 * i, words[i]);
  view.setUint32(56, device, true);
  view.setUint32(60, 0, true);
  putI64(view, 64, nameLength);
  putI64(view, 72, blockSize);
  putI64(view, 80, flags);
  return task.mm!.write(out, statfsBytes);
}

/** ST_VALID: the flags word means something; all there is to say about an anonymous file system. */
const ST_VALID = 0x20;

function statfsCall(task: Task, address: number, out: number): number {
  const loaded = pathArgument.load(task, AT_FDCWD, address);
  if (loaded !== 0) return loaded;
  const path = resolve(task.fs, task, null, pathArgument.name, LOOKUP_FOLLOW);
  if (isErr(path)) return path;
  const figures = statfs(path);
  releasePath(path);
  return writeStatfs(task, figures, figures.device, out);
}

function fstatfs(task: Task, fd: number, out: number): number {
  const file = anyFile(task, fd);
  if (file === null) return fail(EBADF);
  if (file.path !== null) {
    const figures = statfs(file.path);
    return writeStatfs(task, figures, figures.device, out);
  }
  const { fs } = file.inode;
  return writeStatfs(task, { ...fs.statfs(), flags: ST_VALID }, fs.device, out);
}

/** struct ustat: free blocks (i32), free inodes (u64), two empty names of 6 bytes; 32 bytes. */
const ustatBytes = new Uint8Array(32);
const ustatView = new DataView(ustatBytes.buffer);

function ustat(task: Task, device: number, out: number): number {
  for (const { fs } of task.fs.namespace.list()) {
    if (fs.device !== device >>> 0) continue;
    const { blocksFree, filesFree } = fs.statfs();
    ustatView.setInt32(0, blocksFree, true);
    putI64(ustatView, 8, filesFree);
    return task.mm!.write(out, ustatBytes) === 0 ? 0 : fail(EFAULT);
  }
  return fail(EINVAL);
}

export const statSyscalls: SyscallRows = {
  4: {
    name: 'stat',
    fn: (task, address, out) => newfstatat(task, AT_FDCWD, address, out, 0),
    support: 'full',
    args: ['path', 'statOut'],
  },
  5: { name: 'fstat', fn: fstat, support: 'full', args: ['fd', 'statOut'] },
  6: {
    name: 'lstat',
    fn: (task, address, out) => newfstatat(task, AT_FDCWD, address, out, AT_SYMLINK_NOFOLLOW),
    support: 'full',
    args: ['path', 'statOut'],
  },
  136: { name: 'ustat', fn: ustat, support: 'full', args: ['device', 'address'] },
  137: { name: 'statfs', fn: statfsCall, support: 'full', args: ['path', 'statfsOut'] },
  138: { name: 'fstatfs', fn: fstatfs, support: 'full', args: ['fd', 'statfsOut'] },
  262: { name: 'newfstatat', fn: newfstatat, support: 'full', args: ['dirfd', 'path', 'statOut', 'statFlags'] },
  332: {
    name: 'statx',
    fn: statx,
    support: 'partial',
    note: 'no birth time and no direct I/O alignment',
    args: ['dirfd', 'path', 'statxFlags', 'statxMask', 'statxOut'],
  },
};
