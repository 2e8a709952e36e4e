/**
 * Structures of drivers/include/banos/fs.h: where their fields lie, and attributes from and to kernel memory. What a driver
 * wrote into them is checked here.
 */
import { EIO, type Err, fail, isErr } from '../../abi/errno.js';
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } from '../../abi/stat.js';
import { MAX_FILE_SIZE } from '../../vfs/attributes.js';
import type { Timespec } from '../../vfs/caller.js';
import type { DriverFunction } from './calls.js';
import type { KernelSpace } from './space.js';

/** struct banos_fs. */
export const FS = { bytes: 40, flags: 4, root: 16, source: 24, options: 32 } as const;
/** struct banos_inode. */
export const INODE = { bytes: 32, fs: 8, ino: 16, data: 24 } as const;
/** struct banos_statfs. */
export const STATFS = { bytes: 56 } as const;
/** struct banos_rename. */
export const RENAME = { bytes: 56 } as const;
/** struct banos_attributes. */
const ATTRIBUTES_SIZE = 112;
const A_MODE = 4;
const A_INO = 8;
const A_LENGTH = 16;
const A_BLOCKS = 24;
const A_LINKS = 32;
const A_UID = 36;
const A_GID = 40;
const A_DEVICE = 44;
const A_ATIME = 48;
const A_MTIME = 64;
const A_CTIME = 80;
const A_TARGET = 96;
const A_DATA = 104;

// BANOS_ATTR_*.
export const ATTR_MODE = 1;
export const ATTR_UID = 2;
export const ATTR_GID = 4;
export const ATTR_SIZE = 8;
export const ATTR_ATIME = 16;
export const ATTR_MTIME = 32;

/** Operations of struct banos_fs_ops in their order, behind size and flags. */
export const FS_OPERATIONS = [
  'mount',
  'unmount',
  'statfs',
  'lookup',
  'getattr',
  'setattr',
  'create',
  'mkdir',
  'symlink',
  'link',
  'unlink',
  'rmdir',
  'rename',
  'readlink',
  'readdir',
  'open',
  'release',
  'evict',
  'read',
  'write',
  'fsync',
  'poll',
] as const;
export type FsOperation = (typeof FS_OPERATIONS)[number];
/** null: the file system cannot do it. */
export type FsOperations = Readonly<Record<FsOperation, DriverFunction | null>>;
/** Bytes of size and flags, and of all of struct banos_fs_ops. */
export const OPS_HEAD = 8;
export const OPS_SIZE = OPS_HEAD + 8 * FS_OPERATIONS.length;

/** What a driver says of a file. */
export interface DriverAttributes {
  mode: number;
  ino: number;
  length: number;
  blocks: number;
  links: number;
  uid: number;
  gid: number;
  device: number;
  readonly atime: Timespec;
  readonly mtime: Timespec;
  readonly ctime: Timespec;
  /** Address of the target's text; 0: none. */
  target: number;
  /** The driver's own. */
  data: number;
}

export const makeAttributes = (): DriverAttributes => ({
  mode: 0,
  ino: 0,
  length: 0,
  blocks: 0,
  links: 0,
  uid: 0,
  gid: 0,
  device: 0,
  atime: { sec: 0, nsec: 0 },
  mtime: { sec: 0, nsec: 0 },
  ctime: { sec: 0, nsec: 0 },
  target: 0,
  data: 0,
});

const bytes = new Uint8Array(ATTRIBUTES_SIZE);
const view = new DataView(bytes.buffer);
const TWO_32 = 2 ** 32;
const SECOND = 1_000_000_000;
const TYPES: ReadonlySet<number> = new Set([S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK]);

const putI64 = (at: number, value: number): void => {
  view.setUint32(at, value % TWO_32, true);
  view.setInt32(at + 4, Math.floor(value / TWO_32), true);
};
const getI64 = (at: number): number => view.getInt32(at + 4, true) * TWO_32 + view.getUint32(at, true);
const getU64 = (at: number): number => view.getUint32(at + 4, true) * TWO_32 + view.getUint32(at, true);

const putTime = (at: number, { sec, nsec }: Timespec): void => {
  putI64(at, sec);
  view.setUint32(at + 8, nsec, true);
};

function getTime(at: number, out: Timespec): boolean {
  out.sec = getI64(at);
  out.nsec = view.getUint32(at + 8, true);
  return Number.isSafeInteger(out.sec) && out.nsec < SECOND;
}

export function writeAttributes(space: KernelSpace, address: number, from: DriverAttributes): void {
  bytes.fill(0);
  view.setUint32(0, ATTRIBUTES_SIZE, true);
  view.setUint32(A_MODE, from.mode, true);
  putI64(A_INO, from.ino);
  putI64(A_LENGTH, from.length);
  putI64(A_BLOCKS, from.blocks);
  view.setUint32(A_LINKS, from.links, true);
  view.setUint32(A_UID, from.uid, true);
  view.setUint32(A_GID, from.gid, true);
  view.setUint32(A_DEVICE, from.device, true);
  putTime(A_ATIME, from.atime);
  putTime(A_MTIME, from.mtime);
  putTime(A_CTIME, from.ctime);
  putI64(A_TARGET, from.target);
  putI64(A_DATA, from.data);
  space.write(address, bytes);
}

/** @returns 0; -EIO when they cannot be those of a file */
export function readAttributes(space: KernelSpace, address: number, out: DriverAttributes): number | Err {
  if (isErr(space.read(address, bytes))) return fail(EIO);
  out.mode = view.getUint32(A_MODE, true);
  out.ino = getU64(A_INO);
  out.length = getU64(A_LENGTH);
  out.blocks = getU64(A_BLOCKS);
  out.links = view.getUint32(A_LINKS, true);
  out.uid = view.getUint32(A_UID, true);
  out.gid = view.getUint32(A_GID, true);
  out.device = view.getUint32(A_DEVICE, true);
  out.data = getI64(A_DATA);
  const times = getTime(A_ATIME, out.atime) && getTime(A_MTIME, out.mtime) && getTime(A_CTIME, out.ctime);
  const isFile = out.mode <= 0xffff && TYPES.has(out.mode & S_IFMT) && isNumber(out.ino);
  return times && isFile && out.length <= MAX_FILE_SIZE && Number.isSafeInteger(out.blocks) ? 0 : fail(EIO);
}

/** Can it be the number of a file? */
export const isNumber = (ino: number): boolean => Number.isSafeInteger(ino) && ino > 0;

/** One name in a directory; '.' and '..' are not. */
export const isName = (name: string): boolean =>
  name.length > 0 && name.length <= 255 && !name.includes('/') && name !== '.' && name !== '..';

/** Errors are numbers down to this one. */
const MAX_ERRNO = 4095;

/** What a driver's operation answered that is not what it should: its error, or -EIO for what is none. */
export const asError = (result: number): Err => (result < 0 && result >= -MAX_ERRNO ? (result as Err) : fail(EIO));
