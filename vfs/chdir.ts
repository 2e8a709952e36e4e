/** Calls that change where a process stands: chdir, fchdir, chroot. @source Linux fs/open.c */
import { CAP_SYS_CHROOT } from '../abi/capability.js';
import { ENOTDIR, EPERM, type Err, fail, isErr } from '../abi/errno.js';
import type { Caller } from './caller.js';
import { capableHere } from './capability.js';
import { holdPath, type Path, releasePath } from './dentry.js';
import { type FsContext, LOOKUP_DIRECTORY, LOOKUP_FOLLOW, resolve } from './namei.js';
import { MAY_EXEC, permission } from './permission.js';

/** chdir(2). */
export function chdir(ctx: FsContext, caller: Caller, name: string): 0 | Err {
  const path = resolve(ctx, caller, null, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY);
  if (isErr(path)) return path;
  const result = chdirPath(ctx, caller, path);
  releasePath(path);
  return result;
}

/** fchdir(2). `path` stays the caller's. */
export function chdirPath(ctx: FsContext, caller: Caller, path: Path): 0 | Err {
  if (!path.dentry.inode.isDirectory) return fail(ENOTDIR);
  const allowed = permission(path.dentry.inode, caller, MAY_EXEC);
  if (allowed !== 0) return allowed;
  const old = ctx.cwd;
  ctx.cwd = holdPath({ mount: path.mount, dentry: path.dentry });
  releasePath(old);
  return 0;
}

/** chroot(2). The working directory stays where it is. */
export function chroot(ctx: FsContext, caller: Caller, name: string): 0 | Err {
  const path = resolve(ctx, caller, null, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY);
  if (isErr(path)) return path;
  let error = permission(path.dentry.inode, caller, MAY_EXEC);
  if (error === 0 && !capableHere(caller.cred, CAP_SYS_CHROOT)) error = fail(EPERM);
  if (error !== 0) {
    releasePath(path);
    return error;
  }
  const old = ctx.root;
  ctx.root = path;
  releasePath(old);
  return 0;
}
