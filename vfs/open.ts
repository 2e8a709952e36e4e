/** open(2) and its relatives. @source Linux fs/namei.c path_openat, fs/open.c do_dentry_open */
import {
  EACCES,
  EEXIST,
  EINVAL,
  EISDIR,
  ELOOP,
  ENOENT,
  ENOTDIR,
  ENXIO,
  EPERM,
  EROFS,
  type Err,
  ETXTBSY,
  fail,
  isErr,
} from '../abi/errno.js';
import {
  O_ACCMODE,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOATIME,
  O_NOCTTY,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
} from '../abi/fcntl.js';
import { MS_NODEV } from '../abi/mount.js';
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } from '../abi/stat.js';
import { truncateInode } from './attributes.js';
import type { Caller } from './caller.js';
import { Dentry, holdPath, type Path } from './dentry.js';
import { OpenFile } from './file.js';
import { fileOpened, nameMade } from './fsnotify.js';
import type { Inode } from './inode.js';
import {
  checkName,
  type FsContext,
  LAST_NAME,
  LOOKUP_DIRECTORY,
  LOOKUP_FOLLOW,
  resolve,
  type Start,
  Walk,
} from './namei.js';
import { isOwner, MAY_EXEC, MAY_READ, MAY_WRITE, permission } from './permission.js';

/** What O_TMPFILE adds to O_DIRECTORY. */
const TMPFILE_BIT = O_TMPFILE & ~O_DIRECTORY;
/** All that O_PATH looks at. */
const PATH_FLAGS = O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC;
/** Not kept among the status flags of a description, nor the business of an inode. @source Linux do_dentry_open */
const CREATION_FLAGS = O_CREAT | O_EXCL | O_TRUNC;
const MODE_BITS = 0o7777;

/** A description that only names its inode (O_PATH). */
class PathFile extends OpenFile {}

/** MAY_* bits that the access mode asks for; 3 means reading and writing for ioctl's sake. */
function accessMask(flags: number): number {
  const mode = flags & O_ACCMODE;
  const mask = mode === O_RDONLY ? MAY_READ : mode === O_WRONLY ? MAY_WRITE : MAY_READ | MAY_WRITE;
  return flags & O_TRUNC ? mask | MAY_WRITE : mask;
}

/**
 * Opens `name`, making it with O_CREAT.
 * @param flags O_* of open(2); unknown bits are ignored, as open(2) does
 * @param mode permission bits of a new file; the context's umask is applied here
 * @returns the description with one reference. A fifo that waits for its peer says so by `openPending`.
 */
export function openAt(
  ctx: FsContext,
  caller: Caller,
  at: Start,
  name: string,
  flags: number,
  mode: number,
): OpenFile | Err {
  if (flags & O_PATH) return openPath(ctx, caller, at, name, flags & PATH_FLAGS);
  if ((flags & (O_DIRECTORY | O_CREAT)) === (O_DIRECTORY | O_CREAT)) return fail(EINVAL);
  if (flags & TMPFILE_BIT) return openTemporary(ctx, caller, at, name, flags, mode);
  const bad = checkName(name);
  if (bad !== 0) return bad;
  const walk = Walk.start(ctx, caller, at, name);
  if (isErr(walk)) return walk;
  const file = openWalk(walk, ctx, caller, name, flags, mode);
  walk.release();
  return file;
}

/** Opens what `path` names, as open(2) with neither O_CREAT nor O_TRUNC would. `path` stays the caller's. */
export function openResolved(path: Path, caller: Caller, flags: number): OpenFile | Err {
  const allowed = mayOpen(path, caller, accessMask(flags), flags);
  return allowed === 0 ? openInode(path, caller, flags) : allowed;
}

function openWalk(
  walk: Walk,
  ctx: FsContext,
  caller: Caller,
  name: string,
  flags: number,
  mode: number,
): OpenFile | Err {
  let error = walk.toParent(name);
  if (error !== 0) return error;
  let created = false;
  if (flags & O_CREAT) {
    const made = finishOrCreate(walk, ctx, caller, flags, mode & MODE_BITS);
    if (isErr(made)) return made;
    created = made === 1;
    if (flags & O_EXCL && !created) return fail(EEXIST);
    if (walk.inode.isDirectory) return fail(EISDIR);
  } else {
    error = walk.finish(!(flags & O_NOFOLLOW), (flags & O_DIRECTORY) !== 0);
    if (error !== 0) return error;
  }
  if (created) return openInode(walk, caller, flags);
  const truncate = flags & O_TRUNC && (walk.inode.mode & S_IFMT) === S_IFREG;
  if (truncate && walk.mount.readOnly) return fail(EROFS);
  error = mayOpen(walk, caller, accessMask(flags), flags);
  if (error !== 0) return error;
  const file = openInode(walk, caller, flags);
  if (truncate && !isErr(file)) {
    const cut = truncateInode(walk.dentry, caller, 0);
    if (isErr(cut)) {
      file.unref();
      return cut;
    }
  }
  return file;
}

/** The end of a walk with O_CREAT. @returns 1 when the file was made, 0 when it was there */
function finishOrCreate(walk: Walk, ctx: FsContext, caller: Caller, flags: number, mode: number): 0 | 1 | Err {
  for (;;) {
    if (walk.kind !== LAST_NAME) {
      const error = walk.finish(false, false);
      return error === 0 ? 0 : error;
    }
    if (walk.trailing) return fail(EISDIR);
    const child = walk.dentry.child(walk.last, caller);
    if (isErr(child)) {
      if (child !== -ENOENT || walk.inode.namesAreGiven) return child;
      const made = create(walk, ctx, caller, mode);
      return made === 0 ? 1 : made;
    }
    if (!child.inode.isSymlink || flags & (O_NOFOLLOW | O_EXCL)) {
      walk.enter(child);
      return 0;
    }
    const target = walk.followLink(child);
    child.unref();
    if (isErr(target)) return target;
    if (target === null) return 0;
    const error = walk.toParent(target);
    if (error !== 0) return error;
  }
}

function create(walk: Walk, ctx: FsContext, caller: Caller, mode: number): 0 | Err {
  const dir = walk.dentry;
  if (dir.deleted) return fail(ENOENT);
  if (walk.mount.readOnly) return fail(EROFS);
  const allowed = permission(dir.inode, caller, MAY_WRITE | MAY_EXEC);
  if (allowed !== 0) return allowed;
  const inode = dir.inode.create(walk.last, S_IFREG | (mode & ~ctx.umask), 0, caller);
  if (isErr(inode)) return inode;
  walk.enter(new Dentry(dir, walk.last, inode));
  nameMade(dir.inode, walk.last, inode, false);
  return 0;
}

/** @source Linux may_open */
function mayOpen(path: Path, caller: Caller, mask: number, flags: number): 0 | Err {
  const { inode } = path.dentry;
  switch (inode.mode & S_IFMT) {
    case S_IFLNK:
      return fail(ELOOP);
    case S_IFDIR:
      if (mask & MAY_WRITE) return fail(EISDIR);
      break;
    case S_IFCHR:
    case S_IFBLK:
      if (path.mount.flags & MS_NODEV) return fail(EACCES);
      break;
  }
  const allowed = permission(inode, caller, mask);
  if (allowed !== 0) return allowed;
  return flags & O_NOATIME && !isOwner(inode, caller) ? fail(EPERM) : 0;
}

const isSpecial = (inode: Inode): boolean => {
  const type = inode.mode & S_IFMT;
  return type === S_IFCHR || type === S_IFBLK || type === S_IFIFO || type === S_IFSOCK;
};

/** Makes the description and ties it to its path and counts. Permission has been checked. */
function openInode(path: Path, caller: Caller, flags: number): OpenFile | Err {
  const { inode } = path.dentry;
  if ((inode.mode & S_IFMT) === S_IFSOCK) return fail(ENXIO);
  const access = flags & O_ACCMODE;
  const writes = (access === O_WRONLY || access === O_RDWR) && !isSpecial(inode);
  if (writes) {
    if (inode.writeCount < 0) return fail(ETXTBSY);
    if (path.mount.readOnly) return fail(EROFS);
  }
  const file = inode.open(flags & ~CREATION_FLAGS, caller);
  if (isErr(file)) return file;
  // A terminal has looked at it.
  file.flags &= ~O_NOCTTY;
  attach(file, path);
  if (writes) {
    inode.writeCount++;
    path.mount.writers++;
    file.countsAsWriter = true;
  }
  fileOpened(file);
  return file;
}

function attach(file: OpenFile, path: Path): void {
  holdPath(path);
  file.path = { mount: path.mount, dentry: path.dentry };
}

function openPath(ctx: FsContext, caller: Caller, at: Start, name: string, flags: number): OpenFile | Err {
  const follow = flags & O_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
  const directory = flags & O_DIRECTORY ? LOOKUP_DIRECTORY : 0;
  const path = resolve(ctx, caller, at, name, follow | directory);
  if (isErr(path)) return path;
  const file = new PathFile(path.dentry.inode, flags);
  file.path = path;
  return file;
}

/** open(2) with O_TMPFILE: a file without a name in the directory `name`. */
function openTemporary(
  ctx: FsContext,
  caller: Caller,
  at: Start,
  name: string,
  flags: number,
  mode: number,
): OpenFile | Err {
  if ((flags & O_TMPFILE) !== O_TMPFILE || !(accessMask(flags & O_ACCMODE) & MAY_WRITE)) return fail(EINVAL);
  const follow = flags & O_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
  const dir = resolve(ctx, caller, at, name, follow | LOOKUP_DIRECTORY);
  if (isErr(dir)) return dir;
  const file = temporaryIn(dir, ctx, caller, flags, mode);
  dir.dentry.unref();
  dir.mount.unref();
  return file;
}

function temporaryIn(dir: Path, ctx: FsContext, caller: Caller, flags: number, mode: number): OpenFile | Err {
  if (dir.mount.readOnly) return fail(EROFS);
  if (!dir.dentry.inode.isDirectory) return fail(ENOTDIR);
  const allowed = permission(dir.dentry.inode, caller, MAY_WRITE | MAY_EXEC);
  if (allowed !== 0) return allowed;
  const inode = dir.dentry.inode.createUnlinked(S_IFREG | (mode & MODE_BITS & ~ctx.umask), caller);
  if (isErr(inode)) return inode;
  inode.linkable = !(flags & O_EXCL);
  const dentry = new Dentry(dir.dentry, `#${inode.ino}`, inode, true);
  const file = openInode({ mount: dir.mount, dentry }, caller, flags);
  dentry.unref();
  return file;
}
