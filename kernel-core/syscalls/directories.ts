/** System calls about names: listing directories, the working directory, making, removing, moving and linking names. */
import { EBADF, EFAULT, EINVAL, ENOENT, ENOTDIR, ERANGE, type Err, fail, isErr } from '../../abi/errno.js';
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_FOLLOW,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
} from '../../abi/fcntl.js';
import { DirectoryFile } from '../../vfs/directory-file.js';
import type { DirectoryEntry } from '../../vfs/inode.js';
import {
  chdir,
  chdirPath,
  chroot,
  linkAt,
  mkdirAt,
  mknodAt,
  readlinkAt,
  refuseNode,
  renameAt,
  rmdirAt,
  symlinkAt,
  unlinkAt,
  workingDirectory,
} from '../../vfs/operations.js';
import type { Task } from '../task.js';
import { anyFile, openFile, otherPath, pathArgument, pathName } from './args.js';
import { putI64 } from './layouts.js';
import type { SyscallRows } from './row.js';

// Listing.

/** Bytes of entries that one call returns at most. */
const LIST_BUFFER = 32768;
const list = new Uint8Array(LIST_BUFFER);
const listView = new DataView(list.buffer);

/** How one of the two getdents calls lays out an entry. Both have 20 bytes besides the name. */
interface EntryLayout {
  nameAt: number;
  /** Where the DT_* byte goes in an entry of `length` bytes. */
  typeAt: (length: number) => number;
}

const ENTRY_OVERHEAD = 20;
/** struct linux_dirent64: ino, off (i64), reclen (u16), type (u8), name. */
const DIRENT64: EntryLayout = { nameAt: 19, typeAt: () => 18 };
/** struct linux_dirent: ino, off (i64), reclen (u16), name; the type is the last byte of the record. */
const DIRENT: EntryLayout = { nameAt: 18, typeAt: (length) => length - 1 };

/** Puts an entry at `at` of the list buffer. @returns its length, 0 when it does not fit below `room` */
function putEntry(layout: EntryLayout, at: number, room: number, entry: DirectoryEntry, next: number): number {
  const { name, ino, type } = entry;
  const length = (ENTRY_OVERHEAD + name.length + 7) & ~7;
  if (at + length > room) return 0;
  list.fill(0, at, at + length);
  putI64(listView, at, ino);
  putI64(listView, at + 8, next);
  listView.setUint16(at + 16, length, true);
  for (let i = 0; i < name.length; i++) list[at + layout.nameAt + i] = name.charCodeAt(i);
  list[at + layout.typeAt(length)] = type;
  return length;
}

function listDirectory(task: Task, fd: number, address: number, count: number, layout: EntryLayout): number {
  const file = openFile(task, fd);
  if (file === null) return fail(EBADF);
  if (!(file instanceof DirectoryFile)) return fail(ENOTDIR);
  const room = Math.min(count >>> 0, LIST_BUFFER);
  const start = file.offset;
  let used = 0;
  let full = false;
  const result = file.list((entry, next) => {
    const length = putEntry(layout, used, room, entry, next);
    full = length === 0;
    used += length;
    return !full;
  });
  if (used === 0) return isErr(result) ? result : full ? fail(EINVAL) : 0;
  if (task.mm!.write(address, list.subarray(0, used)) === 0) return used;
  file.offset = start;
  return fail(EFAULT);
}

// The working directory.

function chdirCall(task: Task, address: number): number {
  const name = pathName(task, address);
  return isErr(name) ? name : chdir(task.fs, task, name);
}

function fchdir(task: Task, fd: number): number {
  const file = anyFile(task, fd);
  if (file === null) return fail(EBADF);
  return file.path === null ? fail(ENOTDIR) : chdirPath(task.fs, task, file.path);
}

function chrootCall(task: Task, address: number): number {
  const name = pathName(task, address);
  return isErr(name) ? name : chroot(task.fs, task, name);
}

/** Longest text that goes out at once: a path with its zero. */
const text = new Uint8Array(4096);

/** Copies latin1 text into `text`. @returns its bytes */
function encode(value: string): number {
  for (let i = 0; i < value.length; i++) text[i] = value.charCodeAt(i);
  return value.length;
}

function getcwd(task: Task, address: number, size: number): number {
  const cwd = workingDirectory(task.fs);
  if (isErr(cwd)) return cwd;
  const length = encode(cwd);
  text[length] = 0;
  if (size >= 0 && length + 1 > size) return fail(ERANGE);
  return task.mm!.write(address, text.subarray(0, length + 1)) === 0 ? length + 1 : fail(EFAULT);
}

// Making and removing names.

function mkdirat(task: Task, dirfd: number, address: number, mode: number): number {
  const loaded = pathArgument.load(task, dirfd, address);
  return loaded !== 0 ? loaded : mkdirAt(task.fs, task, pathArgument.at, pathArgument.name, mode);
}

function mknodat(task: Task, dirfd: number, address: number, mode: number, device: number): number {
  const refused = refuseNode(mode);
  const loaded = refused !== 0 ? refused : pathArgument.load(task, dirfd, address);
  return loaded !== 0
    ? loaded
    : mknodAt(task.fs, task, pathArgument.at, pathArgument.name, mode & 0xffff, device >>> 0);
}

function unlinkat(task: Task, dirfd: number, address: number, flags: number): number {
  if ((flags & ~AT_REMOVEDIR) !== 0) return fail(EINVAL);
  const loaded = pathArgument.load(task, dirfd, address);
  if (loaded !== 0) return loaded;
  const remove = (flags & AT_REMOVEDIR) !== 0 ? rmdirAt : unlinkAt;
  return remove(task.fs, task, pathArgument.at, pathArgument.name);
}

/** Reads the second path argument. @returns the name, or why there is none: what is wrong with the first one is told before */
function otherName(task: Task, dirfd: number, address: number): string | Err {
  const loaded = otherPath.load(task, dirfd, address);
  return isErr(loaded) ? loaded : otherPath.name;
}

function renameat2(task: Task, dirfd: number, old: number, newDirfd: number, target: number, flags: number): number {
  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) !== 0) return fail(EINVAL);
  if ((flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)) !== 0 && (flags & RENAME_EXCHANGE) !== 0) return fail(EINVAL);
  const loaded = pathArgument.load(task, dirfd, old);
  if (loaded !== 0) return loaded;
  const name = otherName(task, newDirfd, target);
  return renameAt(task.fs, task, pathArgument.at, pathArgument.name, otherPath.at, name, flags);
}

function linkat(task: Task, dirfd: number, old: number, newDirfd: number, target: number, flags: number): number {
  if ((flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) !== 0) return fail(EINVAL);
  const loaded = pathArgument.load(task, dirfd, old, (flags & AT_EMPTY_PATH) !== 0);
  if (loaded !== 0) return loaded;
  const name = otherName(task, newDirfd, target);
  return linkAt(task.fs, task, pathArgument.at, pathArgument.name, otherPath.at, name, flags);
}

function symlinkat(task: Task, targetAddress: number, dirfd: number, address: number): number {
  const target = pathName(task, targetAddress);
  if (isErr(target)) return target;
  if (target === '') return fail(ENOENT);
  const loaded = pathArgument.load(task, dirfd, address);
  return loaded !== 0 ? loaded : symlinkAt(task.fs, task, target, pathArgument.at, pathArgument.name);
}

function readlinkat(task: Task, dirfd: number, address: number, buffer: number, size: number): number {
  const room = size | 0;
  if (room <= 0) return fail(EINVAL);
  const loaded = pathArgument.load(task, dirfd, address, true);
  if (loaded !== 0) return loaded;
  const target = readlinkAt(task.fs, task, pathArgument.at, pathArgument.name);
  if (isErr(target)) return target;
  const length = Math.min(encode(target), room);
  return task.mm!.write(buffer, text.subarray(0, length)) === 0 ? length : fail(EFAULT);
}

export const directorySyscalls: SyscallRows = {
  78: {
    name: 'getdents',
    fn: (task, fd, address, count) => listDirectory(task, fd, address, count, DIRENT),
    support: 'full',
    args: ['fd', 'direntsOut', 'size'],
  },
  79: { name: 'getcwd', fn: getcwd, support: 'full', args: ['stringOut', 'size'] },
  80: { name: 'chdir', fn: chdirCall, support: 'full', args: ['path'] },
  81: { name: 'fchdir', fn: fchdir, support: 'full', args: ['fd'] },
  82: {
    name: 'rename',
    fn: (task, old, target) => renameat2(task, AT_FDCWD, old, AT_FDCWD, target, 0),
    support: 'full',
    args: ['path', 'path'],
  },
  83: {
    name: 'mkdir',
    fn: (task, address, mode) => mkdirat(task, AT_FDCWD, address, mode),
    support: 'full',
    args: ['path', 'mode'],
  },
  84: {
    name: 'rmdir',
    fn: (task, address) => unlinkat(task, AT_FDCWD, address, AT_REMOVEDIR),
    support: 'full',
    args: ['path'],
  },
  86: {
    name: 'link',
    fn: (task, old, target) => linkat(task, AT_FDCWD, old, AT_FDCWD, target, 0),
    support: 'full',
    args: ['path', 'path'],
  },
  87: { name: 'unlink', fn: (task, address) => unlinkat(task, AT_FDCWD, address, 0), support: 'full', args: ['path'] },
  88: {
    name: 'symlink',
    fn: (task, target, address) => symlinkat(task, target, AT_FDCWD, address),
    support: 'full',
    args: ['path', 'path'],
  },
  89: {
    name: 'readlink',
    fn: (task, address, buffer, size) => readlinkat(task, AT_FDCWD, address, buffer, size),
    support: 'full',
    args: ['path', 'bufOut', 'size'],
  },
  133: {
    name: 'mknod',
    fn: (task, address, mode, device) => mknodat(task, AT_FDCWD, address, mode, device),
    support: 'full',
    args: ['path', 'nodeMode', 'device'],
  },
  161: { name: 'chroot', fn: chrootCall, support: 'full', args: ['path'] },
  217: {
    name: 'getdents64',
    fn: (task, fd, address, count) => listDirectory(task, fd, address, count, DIRENT64),
    support: 'full',
    args: ['fd', 'dirents64Out', 'size'],
  },
  258: { name: 'mkdirat', fn: mkdirat, support: 'full', args: ['dirfd', 'path', 'mode'] },
  259: { name: 'mknodat', fn: mknodat, support: 'full', args: ['dirfd', 'path', 'nodeMode', 'device'] },
  263: { name: 'unlinkat', fn: unlinkat, support: 'full', args: ['dirfd', 'path', 'unlinkFlags'] },
  264: {
    name: 'renameat',
    fn: (task, dirfd, old, newDirfd, target) => renameat2(task, dirfd, old, newDirfd, target, 0),
    support: 'full',
    args: ['dirfd', 'path', 'dirfd', 'path'],
  },
  265: { name: 'linkat', fn: linkat, support: 'full', args: ['dirfd', 'path', 'dirfd', 'path', 'linkFlags'] },
  266: { name: 'symlinkat', fn: symlinkat, support: 'full', args: ['path', 'dirfd', 'path'] },
  267: { name: 'readlinkat', fn: readlinkat, support: 'full', args: ['dirfd', 'path', 'bufOut', 'size'] },
  316: {
    name: 'renameat2',
    fn: renameat2,
    support: 'partial',
    note: 'RENAME_WHITEOUT answers EINVAL',
    args: ['dirfd', 'path', 'dirfd', 'path', 'renameFlags'],
  },
};
