/** The name of a path, as /proc/PID/fd, maps and getcwd(2) show it. @source Linux fs/d_path.c */
import { ENOENT, ERANGE, type Err, fail } from '../abi/errno.js';
import type { Path } from './dentry.js';
import type { OpenFile } from './file.js';
import type { Inode } from './inode.js';
import { PATH_MAX } from './namei.js';

interface Rooted {
  readonly root: Path;
}

/** Text from the root to `path`, and whether the root was met on the way. */
function climb(root: Path, path: Path): { text: string; reached: boolean } {
  let { mount, dentry } = path;
  let text = '';
  for (;;) {
    if (mount === root.mount && dentry === root.dentry) return { text: text || '/', reached: true };
    if (dentry === mount.root || dentry.parent === null) {
      if (mount.parent === null || dentry !== mount.root) return { text: text || '/', reached: false };
      dentry = mount.mountpoint!;
      mount = mount.parent;
      continue;
    }
    text = `/${dentry.name}${text}`;
    dentry = dentry.parent;
  }
}

/** What an inode without a name in the tree is called. */
export const inodeString = (inode: Inode): string => inode.anonymousName ?? `anon_inode:[${inode.fs.type}]`;

/** The name of `path` as seen from `ctx.root`, with " (deleted)" behind it when it is gone. Latin1. */
export function pathString(ctx: Rooted, path: Path): string {
  const { dentry } = path;
  const anonymous = dentry.inode.anonymousName;
  if (dentry.parent === null && anonymous !== null) return anonymous;
  const { text } = climb(ctx.root, path);
  return dentry.deleted ? `${text} (deleted)` : text;
}

/** The name of an open file, also of pipes and other files without a path. */
export const fileString = (ctx: Rooted, file: OpenFile): string =>
  file.path === null ? inodeString(file.inode) : pathString(ctx, file.path);

/** getcwd(2)'s text without NUL. @returns -ENOENT when the directory was removed; "(unreachable)" in front when it lies outside the root */
export function workingDirectory(ctx: { root: Path; cwd: Path }): string | Err {
  if (ctx.cwd.dentry.deleted) return fail(ENOENT);
  const { text, reached } = climb(ctx.root, ctx.cwd);
  return text.length >= PATH_MAX ? fail(ERANGE) : reached ? text : `(unreachable)${text}`;
}
