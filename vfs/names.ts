/**
 * Calls that make, remove and move names: mkdir, mknod, symlink, link, unlink, rmdir, rename, readlink.
 * Each checks in the order of Linux fs/namei.c, so that a call wrong in two ways fails as it does there.
 */
import { CAP_DAC_READ_SEARCH, CAP_MKNOD } from '../abi/capability.js';
import {
  EBUSY,
  EEXIST,
  EINVAL,
  EISDIR,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  EPERM,
  EROFS,
  type Err,
  EXDEV,
  fail,
  isErr,
} from '../abi/errno.js';
import { AT_EMPTY_PATH, AT_SYMLINK_FOLLOW, RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT } from '../abi/fcntl.js';
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  S_IRWXG,
  S_IRWXO,
  S_IRWXU,
  S_ISVTX,
} from '../abi/stat.js';
import type { Caller } from './caller.js';
import { capable, capableHere } from './capability.js';
import { Dentry, releasePath } from './dentry.js';
import { linkLost, nameMade, nameMoved, nameRemoved } from './fsnotify.js';
import type { Inode } from './inode.js';
import type { Mount } from './mount.js';
import {
  checkName,
  type FsContext,
  LAST_DOT,
  LAST_DOTDOT,
  LAST_NAME,
  LOOKUP_EMPTY,
  LOOKUP_FOLLOW,
  resolve,
  type Start,
  type Walk,
  walkToParent,
} from './namei.js';
import { MAY_EXEC, MAY_WRITE, mayLink, permission, stickyForbids } from './permission.js';
import { touchAtime } from './times.js';

const DIRECTORY_MODE_BITS = S_IRWXU | S_IRWXG | S_IRWXO | S_ISVTX;
const MODE_BITS = 0o7777;

/** mkdirat(2). @param mode permission bits; the umask is applied here */
export function mkdirAt(ctx: FsContext, caller: Caller, at: Start, name: string, mode: number): number | Err {
  const bits = mode & DIRECTORY_MODE_BITS & ~ctx.umask;
  return makeName(ctx, caller, at, name, true, (dir, last) => dir.mkdir(last, S_IFDIR | bits, caller));
}

/** What mknod(2) says of a type before it looks at the name. @source Linux may_mknod */
export function refuseNode(mode: number): 0 | Err {
  switch (mode & S_IFMT) {
    case 0:
    case S_IFREG:
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK:
      return 0;
    default:
      return fail((mode & S_IFMT) === S_IFDIR ? EPERM : EINVAL);
  }
}

/** mknodat(2). @param mode type (0: regular file) and permission bits @param rdev as st_rdev */
export function mknodAt(
  ctx: FsContext,
  caller: Caller,
  at: Start,
  name: string,
  mode: number,
  rdev: number,
): number | Err {
  const refused = refuseNode(mode);
  if (refused !== 0) return refused;
  const type = mode & S_IFMT || S_IFREG;
  const device = type === S_IFCHR || type === S_IFBLK;
  const bits = mode & MODE_BITS & ~ctx.umask;
  return makeName(ctx, caller, at, name, false, (dir, last) =>
    device && !capable(caller.cred, CAP_MKNOD) && !(type === S_IFCHR && rdev === 0)
      ? fail(EPERM)
      : dir.create(last, type | bits, device ? rdev : 0, caller),
  );
}

/** symlinkat(2). @param target latin1, not empty */
export function symlinkAt(ctx: FsContext, caller: Caller, target: string, at: Start, name: string): number | Err {
  const bad = checkName(target);
  if (bad !== 0) return bad;
  return makeName(ctx, caller, at, name, false, (dir, last) => dir.symlink(last, target, caller));
}

/** linkat(2). @param newName or why there is none, told when the old one has been found @param flags AT_SYMLINK_FOLLOW, AT_EMPTY_PATH */
export function linkAt(
  ctx: FsContext,
  caller: Caller,
  oldAt: Start,
  oldName: string,
  newAt: Start,
  newName: string | Err,
  flags: number,
): number | Err {
  if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) return fail(EINVAL);
  const follow = flags & AT_SYMLINK_FOLLOW ? LOOKUP_FOLLOW : 0;
  // Linux also lets who opened the descriptor link it; nobody keeps here who that was.
  if (flags & AT_EMPTY_PATH && oldAt !== null && !capableHere(caller.cred, CAP_DAC_READ_SEARCH)) return fail(ENOENT);
  const empty = flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0;
  const old = resolve(ctx, caller, oldAt, oldName, follow | empty);
  if (isErr(old)) return old;
  const result = makeNameAt(ctx, caller, newAt, newName, false, (dir, last, mount) => {
    const { inode } = old.dentry;
    if (old.mount !== mount) return fail(EXDEV);
    const allowed = mayLink(inode, caller);
    if (allowed !== 0) return allowed;
    const mayMake = mayCreate(dir, caller);
    if (mayMake !== 0) return mayMake;
    if (inode.isDirectory) return fail(EPERM);
    if (inode.nlink === 0 && !inode.linkable) return fail(ENOENT);
    const linked = dir.inode.link(last, inode);
    if (isErr(linked)) return linked;
    return inode;
  });
  releasePath(old);
  return result;
}

/** unlinkat(2) without AT_REMOVEDIR. */
export function unlinkAt(ctx: FsContext, caller: Caller, at: Start, name: string): number | Err {
  const walk = walkToParent(ctx, caller, at, name);
  if (isErr(walk)) return walk;
  const result = walk.kind === LAST_NAME ? removeName(walk, caller, false) : fail(EISDIR);
  walk.release();
  return result;
}

/** rmdir(2). */
export function rmdirAt(ctx: FsContext, caller: Caller, at: Start, name: string): number | Err {
  const walk = walkToParent(ctx, caller, at, name);
  if (isErr(walk)) return walk;
  const result = walk.kind === LAST_NAME ? removeName(walk, caller, true) : fail(notRemovable(walk.kind));
  walk.release();
  return result;
}

const notRemovable = (kind: number): number => (kind === LAST_DOT ? EINVAL : kind === LAST_DOTDOT ? ENOTEMPTY : EBUSY);

/** readlinkat(2). @returns the target, latin1; -EINVAL if it is no link, -ENOENT if `name` is empty and `at` is none */
export function readlinkAt(ctx: FsContext, caller: Caller, at: Start, name: string): string | Err {
  const path = resolve(ctx, caller, at, name, at === null ? 0 : LOOKUP_EMPTY);
  if (isErr(path)) return path;
  const { inode } = path.dentry;
  let target: string | Err;
  if (!inode.isSymlink) target = fail(name.length === 0 ? ENOENT : EINVAL);
  else {
    touchAtime(inode, path.mount);
    target = inode.readlink(caller);
  }
  releasePath(path);
  return target;
}

/** Makes the new node in a directory that may be written to. */
type Maker = (dir: Inode, last: string) => Inode | Err;
/** As `Maker`, with the permission to write still to be checked. */
type RawMaker = (dir: Dentry, last: string, mount: Mount) => Inode | Err;

function makeName(
  ctx: FsContext,
  caller: Caller,
  at: Start,
  name: string,
  directory: boolean,
  make: Maker,
): number | Err {
  return makeNameAt(ctx, caller, at, name, directory, (dir, last) => {
    const allowed = mayCreate(dir, caller);
    return allowed === 0 ? make(dir.inode, last) : allowed;
  });
}

/** @source Linux filename_create */
function makeNameAt(
  ctx: FsContext,
  caller: Caller,
  at: Start,
  name: string | Err,
  directory: boolean,
  make: RawMaker,
): number | Err {
  const walk = walkToParent(ctx, caller, at, name);
  if (isErr(walk)) return walk;
  const inode = makeIn(walk, directory, make);
  let result: number | Err = 0;
  if (isErr(inode)) result = inode;
  else {
    const another = inode.dentries > 0;
    new Dentry(walk.dentry, walk.last, inode).unref();
    nameMade(walk.dentry.inode, walk.last, inode, another);
  }
  walk.release();
  return result;
}

function makeIn(walk: Walk, directory: boolean, make: RawMaker): Inode | Err {
  if (walk.kind !== LAST_NAME) return fail(EEXIST);
  const there = walk.dentry.child(walk.last);
  if (!isErr(there)) {
    there.unref();
    return fail(EEXIST);
  }
  if (there !== -ENOENT || walk.inode.namesAreGiven) return there;
  if (walk.trailing && !directory) return fail(ENOENT);
  if (walk.mount.readOnly) return fail(EROFS);
  return make(walk.dentry, walk.last, walk.mount);
}

/** @source Linux may_create */
function mayCreate(dir: Dentry, caller: Caller): 0 | Err {
  return dir.deleted ? fail(ENOENT) : permission(dir.inode, caller, MAY_WRITE | MAY_EXEC);
}

/** @source Linux may_delete @param directory the name must be that of a directory, or must not */
function mayDelete(dir: Dentry, victim: Dentry, caller: Caller, directory: boolean): 0 | Err {
  const allowed = permission(dir.inode, caller, MAY_WRITE | MAY_EXEC);
  if (allowed !== 0) return allowed;
  if (stickyForbids(dir.inode, victim.inode, caller)) return fail(EPERM);
  if (directory !== victim.inode.isDirectory) return fail(directory ? ENOTDIR : EISDIR);
  return dir.deleted ? fail(ENOENT) : 0;
}

function removeName(walk: Walk, caller: Caller, directory: boolean): number | Err {
  if (walk.mount.readOnly) return fail(EROFS);
  const dir = walk.dentry;
  const victim = dir.child(walk.last);
  if (isErr(victim)) return victim;
  const result = remove(walk, dir, victim, caller, directory);
  const { inode } = victim;
  if (result === 0) {
    if (!directory) linkLost(inode);
    victim.markDeleted();
  }
  victim.unref();
  if (result === 0) nameRemoved(dir.inode, walk.last, directory);
  return result;
}

function remove(walk: Walk, dir: Dentry, victim: Dentry, caller: Caller, directory: boolean): number | Err {
  const { inode } = victim;
  if (!directory && walk.trailing) return fail(inode.isDirectory ? EISDIR : ENOTDIR);
  const allowed = mayDelete(dir, victim, caller, directory);
  if (allowed !== 0) return allowed;
  if (victim.mounts > 0) return fail(EBUSY);
  return directory ? dir.inode.rmdir(walk.last, inode) : dir.inode.unlink(walk.last, inode);
}

/** renameat2(2). @param newName or why there is none, told when the old one's directory has been found @param flags RENAME_NOREPLACE, RENAME_EXCHANGE; RENAME_WHITEOUT is refused (-EINVAL) as file systems without it do */
export function renameAt(
  ctx: FsContext,
  caller: Caller,
  oldAt: Start,
  oldName: string,
  newAt: Start,
  newName: string | Err,
  flags: number,
): number | Err {
  if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) return fail(EINVAL);
  if (flags & RENAME_EXCHANGE && flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)) return fail(EINVAL);
  const from = walkToParent(ctx, caller, oldAt, oldName);
  if (isErr(from)) return from;
  const to = walkToParent(ctx, caller, newAt, newName);
  const result = isErr(to) ? to : renameBetween(from, to, caller, flags);
  if (!isErr(to)) to.release();
  from.release();
  return result;
}

function renameBetween(from: Walk, to: Walk, caller: Caller, flags: number): number | Err {
  if (from.mount !== to.mount) return fail(EXDEV);
  if (from.kind !== LAST_NAME) return fail(EBUSY);
  if (to.kind !== LAST_NAME) return fail(flags & RENAME_NOREPLACE ? EEXIST : EBUSY);
  if (from.mount.readOnly) return fail(EROFS);
  const source = from.dentry.child(from.last);
  if (isErr(source)) return source;
  const target = to.dentry.child(to.last);
  let result: number | Err;
  if (isErr(target) && (target !== -ENOENT || to.inode.namesAreGiven)) result = target;
  else result = renameTo(from, source, to, isErr(target) ? null : target, caller, flags);
  if (!isErr(target)) target.unref();
  source.unref();
  return result;
}

function renameTo(
  from: Walk,
  source: Dentry,
  to: Walk,
  target: Dentry | null,
  caller: Caller,
  flags: number,
): number | Err {
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  const misplaced = checkShape(from, source, to, target, flags);
  if (misplaced !== 0) return misplaced;
  if (target !== null && source.inode === target.inode) return 0;
  const allowed = mayRename(from, source, to, target, caller, exchange);
  if (allowed !== 0) return allowed;
  if (source.mounts > 0) return fail(EBUSY);
  if (target !== null && target.mounts > 0) return fail(EBUSY);
  if (flags & RENAME_WHITEOUT) return fail(EINVAL);
  const result = from.inode.rename(from.last, to.inode, to.last, flags);
  if (isErr(result)) return result;
  if (exchange) source.exchange(target!);
  else {
    target?.markDeleted();
    source.move(to.dentry, to.last);
  }
  const replaced = exchange ? null : (target?.inode ?? null);
  nameMoved(from.inode, from.last, to.inode, to.last, source.inode, replaced);
  if (exchange) nameMoved(to.inode, to.last, from.inode, from.last, target!.inode, null);
  return 0;
}

/** What is wrong with the two names whoever asks. @source Linux do_renameat2 */
function checkShape(from: Walk, source: Dentry, to: Walk, target: Dentry | null, flags: number): 0 | Err {
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  if (target !== null && flags & RENAME_NOREPLACE) return fail(EEXIST);
  if (exchange) {
    if (target === null) return fail(ENOENT);
    if (to.trailing && !target.inode.isDirectory) return fail(ENOTDIR);
  }
  if (!source.inode.isDirectory && (from.trailing || (!exchange && to.trailing))) return fail(ENOTDIR);
  if (to.dentry.isWithin(source)) return fail(EINVAL);
  if (target !== null && from.dentry.isWithin(target)) return fail(exchange ? EINVAL : ENOTEMPTY);
  return 0;
}

/** @source Linux vfs_rename */
function mayRename(
  from: Walk,
  source: Dentry,
  to: Walk,
  target: Dentry | null,
  caller: Caller,
  exchange: boolean,
): 0 | Err {
  const directory = source.inode.isDirectory;
  let allowed = mayDelete(from.dentry, source, caller, directory);
  if (allowed !== 0) return allowed;
  if (target === null) allowed = mayCreate(to.dentry, caller);
  else allowed = mayDelete(to.dentry, target, caller, exchange ? target.inode.isDirectory : directory);
  if (allowed !== 0 || from.dentry === to.dentry) return allowed;
  // A directory that changes its parent is written to: its `..` changes.
  if (directory) {
    allowed = permission(source.inode, caller, MAY_WRITE);
    if (allowed !== 0) return allowed;
  }
  return exchange && target!.inode.isDirectory ? permission(target!.inode, caller, MAY_WRITE) : 0;
}
