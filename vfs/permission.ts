/** Who may do what to an inode. @source Linux fs/namei.c, fs/attr.c, fs/inode.c; path_resolution(7) */
import { CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID, CAP_SYS_PTRACE } from '../abi/capability.js';
import { EACCES, EPERM, EROFS, type Err, fail } from '../abi/errno.js';
import { MS_RDONLY } from '../abi/mount.js';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, S_ISGID, S_ISUID, S_ISVTX, S_IXGRP } from '../abi/stat.js';
import { type Caller, type Credentials, isInGroup } from './caller.js';
import { type CapabilitySet, capable, capableIn, capableOver, capableOverOwner, isSubset } from './capability.js';
import type { Inode } from './inode.js';

export const MAY_EXEC = 1;
export const MAY_WRITE = 2;
export const MAY_READ = 4;

const ANY_EXEC = 0o111;

/**
 * May `caller` access `inode`?
 * @param mask MAY_READ, MAY_WRITE, MAY_EXEC (search, for a directory)
 * @returns 0, -EACCES, or -EROFS (writing to a file, directory or link of a read-only file system)
 */
export function permission(inode: Inode, caller: Caller, mask: number): 0 | Err {
  const { mode } = inode;
  const type = mode & S_IFMT;
  if (mask & MAY_WRITE && inode.fs.flags & MS_RDONLY && (type === S_IFREG || type === S_IFDIR || type === S_IFLNK)) {
    return fail(EROFS);
  }
  const { cred } = caller;
  const granted = cred.fsuid === inode.uid ? mode >> 6 : isInGroup(cred, inode.gid) ? mode >> 3 : mode;
  if ((mask & ~granted & 7) === 0) return 0;
  const special = inode.granted(caller);
  if (special !== null) return (mask & ~special & 7) === 0 ? 0 : fail(EACCES);
  // The superuser still needs some x bit to execute a file.
  if ((type === S_IFDIR || !(mask & MAY_EXEC) || mode & ANY_EXEC) && capableOver(cred, inode, CAP_DAC_OVERRIDE))
    return 0;
  const reads = type === S_IFDIR ? !(mask & MAY_WRITE) : mask === MAY_READ;
  return reads && capableOver(cred, inode, CAP_DAC_READ_SEARCH) ? 0 : fail(EACCES);
}

export const isOwner = (inode: Inode, caller: Caller): boolean =>
  caller.cred.fsuid === inode.uid || capableOverOwner(caller.cred, inode, CAP_FOWNER);

/** May `caller` remove `inode` from `dir`, or does the sticky bit forbid it? */
export const stickyForbids = (dir: Inode, inode: Inode, caller: Caller): boolean =>
  (dir.mode & S_ISVTX) !== 0 &&
  caller.cred.fsuid !== inode.uid &&
  caller.cred.fsuid !== dir.uid &&
  !capableOver(caller.cred, inode, CAP_FOWNER);

/** May `caller` make a hard link to a file that is not its own? @source Linux safe_hardlink_source, fs.protected_hardlinks = 1 */
export function mayLink(inode: Inode, caller: Caller): 0 | Err {
  if (isOwner(inode, caller)) return 0;
  const { mode } = inode;
  const setgidProgram = S_ISGID | S_IXGRP;
  const unsafe = (mode & S_IFMT) !== S_IFREG || mode & S_ISUID || (mode & setgidProgram) === setgidProgram;
  return unsafe || permission(inode, caller, MAY_READ | MAY_WRITE) !== 0 ? fail(EPERM) : 0;
}

/** `mode` of a file after its content or owner changed: set-id bits gone. @source Linux setattr_should_drop_suidgid */
export function withoutSetId(inode: Inode, caller: Caller): number {
  let { mode } = inode;
  mode &= ~S_ISUID;
  if (
    mode & S_ISGID &&
    (mode & S_IXGRP || !(isInGroup(caller.cred, inode.gid) || capableOver(caller.cred, inode, CAP_FSETID)))
  ) {
    mode &= ~S_ISGID;
  }
  return mode;
}

/** Does writing to it take set-id bits away? Only for a caller without privilege, and regular files. */
export const writeDropsSetId = (inode: Inode, caller: Caller): boolean =>
  (inode.mode & (S_ISUID | S_ISGID)) !== 0 &&
  (inode.mode & S_IFMT) === S_IFREG &&
  !capable(caller.cred, CAP_FSETID) &&
  withoutSetId(inode, caller) !== inode.mode;

/** Group and mode of a new node in `dir`. @source Linux inode_init_owner, mode_strip_sgid */
export function inheritFrom(dir: Inode, mode: number, caller: Caller): { gid: number; mode: number } {
  if (!(dir.mode & S_ISGID)) return { gid: caller.cred.fsgid, mode };
  if ((mode & S_IFMT) === S_IFDIR) return { gid: dir.gid, mode: mode | S_ISGID };
  const setgidProgram = S_ISGID | S_IXGRP;
  const strip =
    (mode & setgidProgram) === setgidProgram &&
    !isInGroup(caller.cred, dir.gid) &&
    !capableOver(caller.cred, dir, CAP_FSETID);
  return { gid: dir.gid, mode: strip ? mode & ~S_ISGID : mode };
}

/**
 * May `cred` look into a task with the credentials `target`? The same user and group all over, if it lets itself be looked
 * into and can do nothing that `cred` cannot; or whoever has the capability over it.
 * @param uid, gid, capabilities of `cred`, which count @source Linux kernel/ptrace.c __ptrace_may_access, ptrace(2)
 */
export function mayTrace(
  cred: Credentials,
  uid: number,
  gid: number,
  capabilities: CapabilitySet,
  target: Credentials,
  isDumpable: boolean,
): boolean {
  if (capableIn(cred, target.userNamespace, CAP_SYS_PTRACE)) return true;
  const sameUser = uid === target.uid && uid === target.euid && uid === target.suid;
  const sameGroup = gid === target.gid && gid === target.egid && gid === target.sgid;
  const canNoMore =
    cred.userNamespace === target.userNamespace && isSubset(target.capabilities.permitted, capabilities);
  return isDumpable && sameUser && sameGroup && canNoMore;
}
