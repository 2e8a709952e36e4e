/** What the file calls do with their arguments before anything else: descriptors, directory descriptors, path names. */
import { EBADF, ENOENT, ENOTDIR, type Err, fail, isErr } from '../../abi/errno.js';
import { AT_FDCWD, O_PATH } from '../../abi/fcntl.js';
import type { Path } from '../../vfs/dentry.js';
import type { OpenFile } from '../../vfs/file.js';
import type { Task } from '../task.js';

/** PATH_MAX: a name in memory is shorter, its final zero included. */
const PATH_MAX = 4096;

/** @returns the description behind `fd`, without a reference; null: not open, or open with O_PATH only (-EBADF) */
export function openFile(task: Task, fd: number): OpenFile | null {
  const file = task.files.get(fd | 0);
  return file === null || (file.flags & O_PATH) !== 0 ? null : file;
}

/** As `openFile`, but O_PATH will do (Linux: fdget_raw). */
export const anyFile = (task: Task, fd: number): OpenFile | null => task.files.get(fd | 0);

/** @returns the path name at `address`, latin1; -EFAULT, -ENAMETOOLONG */
export const pathName = (task: Task, address: number): string | Err => task.mm!.readCString(address, PATH_MAX);

/**
 * Where an *at call starts to look for `name`.
 * @returns null for the working directory (always for an absolute name: the descriptor is then not looked at);
 * -EBADF; -ENOTDIR when the descriptor has no place in the tree
 */
export function startOf(task: Task, dirfd: number, name: string): Path | null | Err {
  if ((dirfd | 0) === AT_FDCWD || name.charCodeAt(0) === SLASH) return null;
  const file = anyFile(task, dirfd);
  if (file === null) return fail(EBADF);
  return file.path ?? fail(ENOTDIR);
}

const SLASH = 0x2f;

/** What a call on a path needs: the name and where it starts. One object per kind of argument, filled in anew. */
export class PathArgument {
  name = '';
  at: Path | null = null;

  /**
   * Reads the name at `address`, relative to `dirfd`.
   * @param emptyAllowed AT_EMPTY_PATH: an empty name means `dirfd` itself
   * @returns 0, -EFAULT, -ENAMETOOLONG, -ENOENT (empty), -EBADF, -ENOTDIR
   */
  load(task: Task, dirfd: number, address: number, emptyAllowed = false): number | Err {
    const name = pathName(task, address);
    if (isErr(name)) return name;
    if (name === '' && !emptyAllowed) return fail(ENOENT);
    const at = startOf(task, dirfd, name);
    if (isErr(at)) return at;
    this.name = name;
    this.at = at;
    return 0;
  }
}

/** For calls on one path, and the first of two. */
export const pathArgument = new PathArgument();
/** For the second path of rename and link. */
export const otherPath = new PathArgument();
