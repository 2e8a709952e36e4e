/** System calls that check and change metadata: access, modes, owners, times, umask, extended attributes. */

import { EBADF, EFAULT, EINVAL, EOPNOTSUPP, ERANGE, type Err, fail, isErr } from '../../abi/errno.js';
import { AT_EACCESS, AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW } from '../../abi/fcntl.js';
import { UTIME_NOW, UTIME_OMIT } from '../../abi/stat.js';
import type { OpenFile } from '../../vfs/file.js';
import { LOOKUP_EMPTY, LOOKUP_FOLLOW, releasePath, resolve } from '../../vfs/namei.js';
import { accessAt, changeMode, changeOwner, changeTimes, type Target, type TimeChange } from '../../vfs/operations.js';
import { type IdMap, INVALID_ID } from '../../vfs/user-namespace.js';
import type { Task } from '../task.js';
import { anyFile, openFile, pathArgument } from './args.js';
import { getI64 } from './layouts.js';
import type { SyscallRows } from './row.js';

const targetOfFile = ({ node, path }: OpenFile): Target => ({
  dentry: path?.dentry ?? null,
  inode: node,
  mount: path?.mount ?? null,
});

/**
 * Finds what (dirfd, name at `address`) names and hands it to `change`.
 * @param flags AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH; checked by the caller
 */
function withTarget(
  task: Task,
  dirfd: number,
  address: number,
  flags: number,
  change: (target: Target) => number,
): number {
  const emptyAllowed = (flags & AT_EMPTY_PATH) !== 0;
  if (emptyAllowed && (dirfd | 0) !== AT_FDCWD && task.mm!.readU8(address) === 0) {
    const file = anyFile(task, dirfd);
    return file === null ? fail(EBADF) : change(targetOfFile(file));
  }
  const loaded = pathArgument.load(task, dirfd, address, emptyAllowed);
  if (loaded !== 0) return loaded;
  const { at, name } = pathArgument;
  const follow = (flags & AT_SYMLINK_NOFOLLOW) !== 0 ? 0 : LOOKUP_FOLLOW;
  const path = resolve(task.fs, task, at, name, follow | (emptyAllowed ? LOOKUP_EMPTY : 0));
  if (isErr(path)) return path;
  const result = change({ dentry: path.dentry, inode: path.dentry.inode, mount: path.mount });
  releasePath(path);
  return result;
}

/** As `withTarget`, for an open descriptor. */
function withFile(task: Task, fd: number, change: (target: Target) => number): number {
  const file = openFile(task, fd);
  return file === null ? fail(EBADF) : change(targetOfFile(file));
}

// Access.

const ACCESS_FLAGS = AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;

function faccessat2(task: Task, dirfd: number, address: number, mode: number, flags: number): number {
  if ((mode & ~7) !== 0 || (flags & ~ACCESS_FLAGS) !== 0) return fail(EINVAL);
  const loaded = pathArgument.load(task, dirfd, address, (flags & AT_EMPTY_PATH) !== 0);
  return loaded !== 0 ? loaded : accessAt(task.fs, task, pathArgument.at, pathArgument.name, mode, flags);
}

// Modes and owners.

function fchmodat2(task: Task, dirfd: number, address: number, mode: number, flags: number): number {
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return fail(EINVAL);
  return withTarget(task, dirfd, address, flags, (target) => changeMode(target, task, mode & 0xffff));
}

/** An id that stays as it is is -1; NaN: the caller's namespace has none such. */
function idOf(map: IdMap, argument: number): number {
  if ((argument | 0) === -1) return -1;
  const id = map.toKernel(argument >>> 0);
  return id === INVALID_ID ? Number.NaN : id;
}

/** @param uid, gid as the program says them @returns -EINVAL: nobody has that number */
function chown(task: Task, target: Target, uid: number, gid: number): number | Err {
  const { users, groups } = task.cred.userNamespace;
  const user = idOf(users, uid);
  const group = idOf(groups, gid);
  return Number.isNaN(user + group) ? fail(EINVAL) : changeOwner(target, task, user, group);
}

function fchownat(task: Task, dirfd: number, address: number, uid: number, gid: number, flags: number): number {
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return fail(EINVAL);
  return withTarget(task, dirfd, address, flags, (target) => chown(task, target, uid, gid));
}

// Times.

/** Two timespecs or timevals. */
const times = new Uint8Array(32);
const timesView = new DataView(times.buffer);

/** @returns the time at `offset` of a timespec pair; null when its nanoseconds are out of range */
function timespecAt(offset: number): TimeChange | null {
  const nsec = getI64(timesView, offset + 8);
  if (nsec === UTIME_NOW) return 'now';
  if (nsec === UTIME_OMIT) return 'omit';
  return nsec < 0 || nsec > 999_999_999 ? null : { sec: getI64(timesView, offset), nsec };
}

function applyTimes(task: Task, target: Target, atime: TimeChange | null, mtime: TimeChange | null): number {
  return atime === null || mtime === null ? fail(EINVAL) : changeTimes(target, task, atime, mtime);
}

function utimensat(task: Task, dirfd: number, address: number, timesAddress: number, flags: number): number {
  let atime: TimeChange | null = 'now';
  let mtime: TimeChange | null = 'now';
  if (timesAddress !== 0) {
    if (task.mm!.read(timesAddress, times) !== 0) return fail(EFAULT);
    atime = timespecAt(0);
    mtime = timespecAt(16);
    if (atime === 'omit' && mtime === 'omit') return 0;
  }
  if (address === 0 && (dirfd | 0) !== AT_FDCWD) {
    return flags !== 0 ? fail(EINVAL) : withFile(task, dirfd, (target) => applyTimes(task, target, atime, mtime));
  }
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return fail(EINVAL);
  return withTarget(task, dirfd, address, flags, (target) => applyTimes(task, target, atime, mtime));
}

/** utimes, futimesat: microseconds, and nothing to omit. */
function futimesat(task: Task, dirfd: number, address: number, timesAddress: number): number {
  let atime: TimeChange = 'now';
  let mtime: TimeChange = 'now';
  if (timesAddress !== 0) {
    if (task.mm!.read(timesAddress, times) !== 0) return fail(EFAULT);
    const [atimeMicros, mtimeMicros] = [getI64(timesView, 8), getI64(timesView, 24)];
    if (atimeMicros < 0 || atimeMicros >= 1e6 || mtimeMicros < 0 || mtimeMicros >= 1e6) return fail(EINVAL);
    atime = { sec: getI64(timesView, 0), nsec: atimeMicros * 1000 };
    mtime = { sec: getI64(timesView, 16), nsec: mtimeMicros * 1000 };
  }
  if (address === 0 && (dirfd | 0) !== AT_FDCWD) {
    return withFile(task, dirfd, (target) => changeTimes(target, task, atime, mtime));
  }
  return withTarget(task, dirfd, address, 0, (target) => changeTimes(target, task, atime, mtime));
}

/** struct utimbuf: two seconds. */
const seconds = times.subarray(0, 16);

function utime(task: Task, address: number, timesAddress: number): number {
  let atime: TimeChange = 'now';
  let mtime: TimeChange = 'now';
  if (timesAddress !== 0) {
    if (task.mm!.read(timesAddress, seconds) !== 0) return fail(EFAULT);
    atime = { sec: getI64(timesView, 0), nsec: 0 };
    mtime = { sec: getI64(timesView, 8), nsec: 0 };
  }
  return withTarget(task, AT_FDCWD, address, 0, (target) => changeTimes(target, task, atime, mtime));
}

function umask(task: Task, mask: number): number {
  const old = task.fs.umask;
  task.fs.umask = mask & 0o777;
  return old;
}

// Extended attributes. No file system here has any, and each says so as such a one does on Linux: its own calls
// answer EOPNOTSUPP once path, name and size have been found good; a list of none is empty.

const XATTR_NAME_MAX = 255;
const XATTR_SIZE_MAX = 65536;
const XATTR_CREATE = 1;
const XATTR_REPLACE = 2;

/** @returns 0 for a good attribute name; -ERANGE for an empty or long one, -EFAULT */
function checkAttributeName(task: Task, address: number): number | Err {
  const name = task.mm!.readCString(address, XATTR_NAME_MAX + 1);
  if (isErr(name)) return name === (fail(EFAULT) as Err) ? name : fail(ERANGE);
  return name === '' ? fail(ERANGE) : 0;
}

const unsupported = (): number => fail(EOPNOTSUPP);

/** How a variant of an xattr call finds its file: by name, by name without following, by descriptor. */
type Finder = (task: Task, where: number, then: (target: Target) => number) => number;
const byPath: Finder = (task, address, then) => withTarget(task, AT_FDCWD, address, 0, then);
const byLink: Finder = (task, address, then) => withTarget(task, AT_FDCWD, address, AT_SYMLINK_NOFOLLOW, then);
const byDescriptor: Finder = withFile;

const setXattr =
  (find: Finder) =>
  (task: Task, where: number, name: number, value: number, size: number, flags: number): number => {
    if ((flags & ~(XATTR_CREATE | XATTR_REPLACE)) !== 0) return fail(EINVAL);
    const bad = checkAttributeName(task, name);
    if (bad !== 0) return bad;
    if (size < 0 || size > XATTR_SIZE_MAX) return fail(7);
    if (size > 0 && task.mm!.read(value, new Uint8Array(size)) !== 0) return fail(EFAULT);
    return find(task, where, unsupported);
  };

const namedXattr =
  (find: Finder) =>
  (task: Task, where: number, name: number): number => {
    const bad = checkAttributeName(task, name);
    return bad !== 0 ? bad : find(task, where, unsupported);
  };

const listXattr =
  (find: Finder) =>
  (task: Task, where: number): number =>
    find(task, where, () => 0);

const XATTR_NOTE = 'no file system has extended attributes';

export const attributeSyscalls: SyscallRows = {
  21: {
    name: 'access',
    fn: (task, address, mode) => faccessat2(task, AT_FDCWD, address, mode, 0),
    support: 'full',
    args: ['path', 'accessMode'],
  },
  90: {
    name: 'chmod',
    fn: (task, address, mode) => fchmodat2(task, AT_FDCWD, address, mode, 0),
    support: 'full',
    args: ['path', 'mode'],
  },
  91: {
    name: 'fchmod',
    fn: (task, fd, mode) => withFile(task, fd, (target) => changeMode(target, task, mode & 0xffff)),
    support: 'full',
    args: ['fd', 'mode'],
  },
  92: {
    name: 'chown',
    fn: (task, address, uid, gid) => fchownat(task, AT_FDCWD, address, uid, gid, 0),
    support: 'full',
    args: ['path', 'id', 'id'],
  },
  93: {
    name: 'fchown',
    fn: (task, fd, uid, gid) => withFile(task, fd, (target) => chown(task, target, uid, gid)),
    support: 'full',
    args: ['fd', 'id', 'id'],
  },
  94: {
    name: 'lchown',
    fn: (task, address, uid, gid) => fchownat(task, AT_FDCWD, address, uid, gid, AT_SYMLINK_NOFOLLOW),
    support: 'full',
    args: ['path', 'id', 'id'],
  },
  95: { name: 'umask', fn: umask, support: 'full', args: ['mode'], result: 'octal' },
  132: { name: 'utime', fn: utime, support: 'full', args: ['path', 'utimbuf'] },
  188: {
    name: 'setxattr',
    fn: setXattr(byPath),
    support: 'partial',
    note: XATTR_NOTE,
    args: ['path', 'string', 'string', 'size', 'xattrFlags'],
  },
  189: {
    name: 'lsetxattr',
    fn: setXattr(byLink),
    support: 'partial',
    note: XATTR_NOTE,
    args: ['path', 'string', 'string', 'size', 'xattrFlags'],
  },
  190: {
    name: 'fsetxattr',
    fn: setXattr(byDescriptor),
    support: 'partial',
    note: XATTR_NOTE,
    args: ['fd', 'string', 'string', 'size', 'xattrFlags'],
  },
  191: {
    name: 'getxattr',
    fn: namedXattr(byPath),
    support: 'partial',
    note: XATTR_NOTE,
    args: ['path', 'string', 'bufOut', 'size'],
  },
  192: {
    name: 'lgetxattr',
    fn: namedXattr(byLink),
    support: 'partial',
    note: XATTR_NOTE,
    args: ['path', 'string', 'bufOut', 'size'],
  },
  193: {
    name: 'fgetxattr',
    fn: namedXattr(byDescriptor),
    support: 'partial',
    note: XATTR_NOTE,
    args: ['fd', 'string', 'bufOut', 'size'],
  },
  194: {
    name: 'listxattr',
    fn: listXattr(byPath),
    support: 'partial',
    note: XATTR_NOTE,
    args: ['path', 'bufOut', 'size'],
  },
  195: {
    name: 'llistxattr',
    fn: listXattr(byLink),
    support: 'partial',
    note: XATTR_NOTE,
    args: ['path', 'bufOut', 'size'],
  },
  196: {
    name: 'flistxattr',
    fn: listXattr(byDescriptor),
    support: 'partial',
    note: XATTR_NOTE,
    args: ['fd', 'bufOut', 'size'],
  },
  197: { name: 'removexattr', fn: namedXattr(byPath), support: 'partial', note: XATTR_NOTE, args: ['path', 'string'] },
  198: { name: 'lremovexattr', fn: namedXattr(byLink), support: 'partial', note: XATTR_NOTE, args: ['path', 'string'] },
  199: {
    name: 'fremovexattr',
    fn: namedXattr(byDescriptor),
    support: 'partial',
    note: XATTR_NOTE,
    args: ['fd', 'string'],
  },
  235: {
    name: 'utimes',
    fn: (task, address, timesAddress) => futimesat(task, AT_FDCWD, address, timesAddress),
    support: 'full',
    args: ['path', 'timevalPair'],
  },
  260: { name: 'fchownat', fn: fchownat, support: 'full', args: ['dirfd', 'path', 'id', 'id', 'atFlags'] },
  261: { name: 'futimesat', fn: futimesat, support: 'full', args: ['dirfd', 'pathOrNull', 'timevalPair'] },
  268: {
    name: 'fchmodat',
    fn: (task, dirfd, address, mode) => fchmodat2(task, dirfd, address, mode, 0),
    support: 'full',
    args: ['dirfd', 'path', 'mode'],
  },
  269: {
    name: 'faccessat',
    fn: (task, dirfd, address, mode) => faccessat2(task, dirfd, address, mode, 0),
    support: 'full',
    args: ['dirfd', 'path', 'accessMode'],
  },
  280: { name: 'utimensat', fn: utimensat, support: 'full', args: ['dirfd', 'pathOrNull', 'timespecPair', 'atFlags'] },
  439: { name: 'faccessat2', fn: faccessat2, support: 'full', args: ['dirfd', 'path', 'accessMode', 'accessFlags'] },
  452: { name: 'fchmodat2', fn: fchmodat2, support: 'full', args: ['dirfd', 'path', 'mode', 'atFlags'] },
};
