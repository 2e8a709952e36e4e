/** Metadata: access, chmod, chown, times, truncate, stat, statfs. @source Linux fs/attr.c, fs/open.c, fs/utimes.c, fs/stat.c */
import { CAP_CHOWN, CAP_FSETID } from '../abi/capability.js';
import {
  EACCES,
  EFBIG,
  EINVAL,
  EISDIR,
  EOPNOTSUPP,
  EPERM,
  EROFS,
  type Err,
  ETXTBSY,
  fail,
  isErr,
} from '../abi/errno.js';
import { AT_EACCESS, AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW } from '../abi/fcntl.js';
import { MS_NOATIME, MS_NODEV, MS_NODIRATIME, MS_NOEXEC, MS_NOSUID, MS_RDONLY, MS_RELATIME } from '../abi/mount.js';
import { S_IFDIR, S_IFMT, S_IFREG, S_ISGID } from '../abi/stat.js';
import { type Caller, isInGroup, type Timespec } from './caller.js';
import { capableOver, ofRealUser } from './capability.js';
import type { Dentry } from './dentry.js';
import { type Path, releasePath } from './dentry.js';
import type { OpenFile } from './file.js';
import type { FsStatistics } from './filesystem.js';
import { attributesChanged } from './fsnotify.js';
import type { AttributeChange, Inode } from './inode.js';
import type { Mount } from './mount.js';
import { type FsContext, LOOKUP_EMPTY, LOOKUP_FOLLOW, resolve, type Start } from './namei.js';
import { isOwner, MAY_EXEC, MAY_WRITE, permission, withoutSetId, writeDropsSetId } from './permission.js';

/** Largest file in bytes: offsets beyond are not exact numbers here. */
export const MAX_FILE_SIZE = Number.MAX_SAFE_INTEGER;

/** What stat(2) reports. Plain and mutable, to be filled again and again. Times are copies. */
export interface Stat {
  dev: number;
  ino: number;
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  rdev: number;
  size: number;
  blksize: number;
  blocks: number;
  readonly atime: Timespec;
  readonly mtime: Timespec;
  readonly ctime: Timespec;
}

export const makeStat = (): Stat => ({
  dev: 0,
  ino: 0,
  mode: 0,
  nlink: 0,
  uid: 0,
  gid: 0,
  rdev: 0,
  size: 0,
  blksize: 0,
  blocks: 0,
  atime: { sec: 0, nsec: 0 },
  mtime: { sec: 0, nsec: 0 },
  ctime: { sec: 0, nsec: 0 },
});

export function fillStat(inode: Inode, out: Stat): void {
  out.dev = inode.fs.device;
  out.ino = inode.ino;
  out.mode = inode.mode;
  out.nlink = inode.nlink;
  out.uid = inode.uid;
  out.gid = inode.gid;
  out.rdev = inode.rdev;
  out.size = inode.size;
  out.blksize = inode.blockSize;
  out.blocks = inode.blocks;
  copyTime(inode.atime, out.atime);
  copyTime(inode.mtime, out.mtime);
  copyTime(inode.ctime, out.ctime);
}

function copyTime(from: Timespec, to: Timespec): void {
  to.sec = from.sec;
  to.nsec = from.nsec;
}

/**
 * access(2), faccessat2(2).
 * @param mode R_OK | W_OK | X_OK, or F_OK
 * @param flags AT_EACCESS (effective identity instead of the real one), AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH
 */
export function accessAt(
  ctx: FsContext,
  caller: Caller,
  at: Start,
  name: string,
  mode: number,
  flags: number,
): 0 | Err {
  if (mode & ~7 || flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return fail(EINVAL);
  const asker = flags & AT_EACCESS ? caller : asRealIdentity(caller);
  const follow = flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
  const path = resolve(ctx, asker, at, name, follow | (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0));
  if (isErr(path)) return path;
  const result = mayAccess(path, asker, mode);
  releasePath(path);
  return result;
}

function mayAccess({ mount, dentry: { inode } }: Path, caller: Caller, mode: number): 0 | Err {
  const type = inode.mode & S_IFMT;
  if (mode & MAY_EXEC && type === S_IFREG && mount.flags & MS_NOEXEC) return fail(EACCES);
  const result = permission(inode, caller, mode);
  if (result !== 0 || !(mode & MAY_WRITE)) return result;
  // Devices, fifos and sockets can be written to on a read-only mount.
  const stored = type === S_IFREG || inode.isDirectory || inode.isSymlink;
  return stored && mount.readOnly ? fail(EROFS) : 0;
}

const asRealIdentity = (caller: Caller): Caller => ({
  pid: caller.pid,
  cred: {
    ...caller.cred,
    fsuid: caller.cred.uid,
    fsgid: caller.cred.gid,
    capabilities: ofRealUser(caller.cred),
  },
});

/** The inode and mount that an attribute call is about; a description without a path has no mount. */
export interface Target {
  /** The name it was found by; null without one. */
  readonly dentry: Dentry | null;
  readonly inode: Inode;
  readonly mount: Mount | null;
}

const targetOf = (path: Path): Target => ({ dentry: path.dentry, inode: path.dentry.inode, mount: path.mount });

function apply({ dentry, inode }: Omit<Target, 'mount'>, change: AttributeChange): number | Err {
  const result = inode.setAttributes(change);
  if (!isErr(result)) attributesChanged(dentry, change);
  return result;
}

const isReadOnly = ({ inode, mount }: Target): boolean =>
  mount === null ? (inode.fs.flags & MS_RDONLY) !== 0 : mount.readOnly;

/** chmod(2). @param mode permission bits; others are ignored */
export const chmodPath = (path: Path, caller: Caller, mode: number): number | Err =>
  changeMode(targetOf(path), caller, mode);

export function changeMode(target: Target, caller: Caller, mode: number): number | Err {
  const { inode } = target;
  if (isReadOnly(target)) return fail(EROFS);
  if (inode.isSymlink) return fail(EOPNOTSUPP);
  if (!isOwner(inode, caller)) return fail(EPERM);
  let bits = mode & 0o7777;
  if (bits & S_ISGID && !isInGroup(caller.cred, inode.gid) && !capableOver(caller.cred, inode, CAP_FSETID))
    bits &= ~S_ISGID;
  return apply(target, { mode: (inode.mode & S_IFMT) | bits });
}

/** chown(2). @param uid, gid -1 leaves it as it is. Takes set-id bits away. */
export const chownPath = (path: Path, caller: Caller, uid: number, gid: number): number | Err =>
  changeOwner(targetOf(path), caller, uid, gid);

export function changeOwner(target: Target, caller: Caller, uid: number, gid: number): number | Err {
  const { inode } = target;
  const { cred } = caller;
  if (isReadOnly(target)) return fail(EROFS);
  const superuser = capableOver(cred, inode, CAP_CHOWN);
  const owner = cred.fsuid === inode.uid;
  if (uid !== -1 && !superuser && !(owner && uid === inode.uid)) return fail(EPERM);
  if (gid !== -1 && !superuser && !(owner && (gid === inode.gid || isInGroup(cred, gid)))) return fail(EPERM);
  const change: AttributeChange = {};
  if (uid !== -1) change.uid = uid;
  if (gid !== -1) change.gid = gid;
  if ((inode.mode & S_IFMT) !== S_IFDIR) {
    const mode = withoutSetId(inode, caller);
    if (mode !== inode.mode) {
      if (!isOwner(inode, caller)) return fail(EPERM);
      change.mode = mode;
    }
  }
  return apply(target, change);
}

/** A time to set: a point, the present moment, or what is there (UTIME_OMIT). */
export type TimeChange = Timespec | 'now' | 'omit';

/** utimensat(2); `atime` and `mtime` both 'now' is also what a null argument means. */
export const utimensPath = (path: Path, caller: Caller, atime: TimeChange, mtime: TimeChange): number | Err =>
  changeTimes(targetOf(path), caller, atime, mtime);

export function changeTimes(target: Target, caller: Caller, atime: TimeChange, mtime: TimeChange): number | Err {
  const { inode } = target;
  if (atime === 'omit' && mtime === 'omit') return 0;
  if (isReadOnly(target)) return fail(EROFS);
  if (!isOwner(inode, caller)) {
    if (atime !== 'now' || mtime !== 'now') return fail(EPERM);
    const allowed = permission(inode, caller, MAY_WRITE);
    if (allowed !== 0) return allowed;
  }
  const now: Timespec = { sec: 0, nsec: 0 };
  inode.fs.env.now(now);
  const change: AttributeChange = {};
  if (atime !== 'omit') change.atime = atime === 'now' ? now : atime;
  if (mtime !== 'omit') change.mtime = mtime === 'now' ? now : mtime;
  return apply(target, change);
}

/** truncate(2). @param size bytes */
export function truncatePath(path: Path, caller: Caller, size: number): number | Err {
  if (size < 0) return fail(EINVAL);
  const { inode } = path.dentry;
  if (inode.isDirectory) return fail(EISDIR);
  if ((inode.mode & S_IFMT) !== S_IFREG) return fail(EINVAL);
  const allowed = permission(inode, caller, MAY_WRITE);
  if (allowed !== 0) return allowed;
  if (path.mount.readOnly) return fail(EROFS);
  if (inode.writeCount < 0) return fail(ETXTBSY);
  return truncateInode(path.dentry, caller, size);
}

/** ftruncate(2). @returns -EINVAL when it is no regular file open for writing */
export function truncateFile(file: OpenFile, caller: Caller, size: number): number | Err {
  if (size < 0 || !file.writable || (file.inode.mode & S_IFMT) !== S_IFREG) return fail(EINVAL);
  // A regular file that is open has a name, if only of the past.
  return truncateInode(file.path!.dentry, caller, size);
}

/** Sets the length of a regular file that may be written to, taking set-id bits away. @returns 0, -EFBIG, -ENOSPC … */
export function truncateInode(dentry: Dentry, caller: Caller, size: number): number | Err {
  const { inode } = dentry;
  if (size > MAX_FILE_SIZE) return fail(EFBIG);
  const change: AttributeChange = { size };
  if (writeDropsSetId(inode, caller)) change.mode = withoutSetId(inode, caller);
  return apply({ dentry, inode }, change);
}

export interface StatfsResult extends FsStatistics {
  /** ST_* bits, which are those of the mount's flags (MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC …) and ST_VALID. */
  flags: number;
  device: number;
}

/** @source Linux include/linux/statfs.h */
const ST_VALID = 0x20;
const ST_RELATIME = 0x1000;
/** Flags that have the same value for statfs(2) and mount(2). */
const SAME_FLAGS = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME;

export function statfs(path: Path): StatfsResult {
  const { mount } = path;
  const { fs } = mount;
  let flags = ST_VALID | (mount.flags & SAME_FLAGS);
  if (mount.readOnly) flags |= MS_RDONLY;
  if (mount.flags & MS_RELATIME) flags |= ST_RELATIME;
  return { ...fs.statfs(), flags, device: fs.device };
}
