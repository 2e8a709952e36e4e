/**
 * Path walk: from a name to a path, component by component.
 *
 * The walk holds a reference of where it stands and gives it to its result. Every component needs search permission
 * on the directory it is looked up in; `..` stays at the caller's root and climbs over mounts; links are followed at
 * most 40 times in all. The order of checks, hence of errors, is that of Linux fs/namei.c.
 */
import { ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, type Err, fail, isErr } from '../abi/errno.js';
import { MS_NOSYMFOLLOW } from '../abi/mount.js';
import type { Caller } from './caller.js';
import { Dentry, holdPath, type Path, releasePath } from './dentry.js';
import { Inode } from './inode.js';
import { kernelMount, type Mount, type MountNamespace } from './mount.js';
import { MAY_EXEC, permission } from './permission.js';
import { touchAtime } from './times.js';

export { holdPath, releasePath };

/** What a process carries about names; fork copies it, holding both paths. */
export interface FsContext {
  root: Path;
  cwd: Path;
  umask: number;
  namespace: MountNamespace;
}

/**
 * Where a relative name starts: a path, the working directory (null), or the error that looking up the descriptor
 * gave. The error counts only if the name is relative, and only after what Linux checks before (*at calls look at
 * their descriptor last).
 */
export type Start = Path | null | Err;

/** Follow a link at the end of the name. */
export const LOOKUP_FOLLOW = 0x1;
/** The result must be a directory (else -ENOTDIR). */
export const LOOKUP_DIRECTORY = 0x2;
/** An empty name means the starting point itself (AT_EMPTY_PATH). */
export const LOOKUP_EMPTY = 0x4;

/** Longest name with its NUL, in bytes. */
export const PATH_MAX = 4096;
const MAX_LINKS = 40;

/** What the last component of a name is. */
export const LAST_NAME = 0;
export const LAST_ROOT = 1;
export const LAST_DOT = 2;
export const LAST_DOTDOT = 3;

const SLASH = 47;

/** @returns 0, -ENOENT for an empty name, -ENAMETOOLONG. @source Linux getname */
export function checkName(name: string, emptyAllowed = false): 0 | Err {
  if (name.length === 0 && !emptyAllowed) return fail(ENOENT);
  return name.length < PATH_MAX ? 0 : fail(ENAMETOOLONG);
}

/** A walk under way. Standing at the parent of the last component after `toParent`, at the end after `finish`. */
export class Walk implements Path {
  mount: Mount;
  dentry: Dentry;
  /** Last component, meaningful when `kind` is LAST_NAME. */
  last = '';
  kind = LAST_ROOT;
  /** A slash follows the last component. */
  trailing = false;
  readonly #ctx: FsContext;
  readonly #caller: Caller;
  #links = 0;

  private constructor(ctx: FsContext, caller: Caller, start: Path) {
    holdPath(start);
    this.mount = start.mount;
    this.dentry = start.dentry;
    this.#ctx = ctx;
    this.#caller = caller;
  }

  /** A walk that stands where `name` starts; -EBADF and the like when that is what `at` is and matters. */
  static start(ctx: FsContext, caller: Caller, at: Start, name: string): Walk | Err {
    const start = name.charCodeAt(0) === SLASH ? ctx.root : (at ?? ctx.cwd);
    return isErr(start) ? start : new Walk(ctx, caller, start);
  }

  get inode(): Inode {
    return this.dentry.inode;
  }

  release(): void {
    releasePath(this);
  }

  /** Walks to the directory that holds the last component of `name`, from where the walk stands. */
  toParent(name: string): 0 | Err {
    let path = name;
    let at = 0;
    for (;;) {
      while (path.charCodeAt(at) === SLASH) at++;
      if (at === path.length) {
        this.kind = LAST_ROOT;
        this.trailing = false;
        return 0;
      }
      if (!this.inode.isDirectory) return fail(ENOTDIR);
      const searchable = permission(this.inode, this.#caller, MAY_EXEC);
      if (searchable !== 0) return searchable;
      const slash = path.indexOf('/', at);
      const end = slash < 0 ? path.length : slash;
      const component = path.slice(at, end);
      this.last = component;
      this.kind = component === '.' ? LAST_DOT : component === '..' ? LAST_DOTDOT : LAST_NAME;
      at = end;
      while (path.charCodeAt(at) === SLASH) at++;
      if (at === path.length) {
        this.trailing = at > end;
        return 0;
      }
      const target = this.#step(true);
      if (isErr(target)) return target;
      if (target !== null) {
        path = `${target}/${path.slice(at)}`;
        at = 0;
      }
    }
  }

  /**
   * Walks the last component.
   * @param follow follow a link there; one with a slash behind it is followed anyway
   */
  finish(follow: boolean, directory: boolean): 0 | Err {
    for (;;) {
      const { trailing } = this;
      const target = this.#step(follow || trailing);
      if (isErr(target)) return target;
      if (target === null) return (directory || trailing) && !this.inode.isDirectory ? fail(ENOTDIR) : 0;
      const error = this.toParent(trailing ? `${target}/` : target);
      if (error !== 0) return error;
    }
  }

  /** Steps to `child`, of whose reference it takes hold, and over what is mounted there. */
  enter(child: Dentry): void {
    this.dentry.unref();
    this.dentry = child;
    this.#descend();
  }

  #descend(): void {
    while (this.dentry.mounts > 0) {
      const above = this.mount.children.get(this.dentry);
      if (above === undefined) return;
      this.#moveTo(above.ref(), above.root.ref());
    }
  }

  /**
   * The link at the end of the walk: its target text, for which the walk stays where it is.
   * @returns the text; null when a magic link moved the walk to its goal
   */
  followLink(link: Dentry): string | null | Err {
    if (this.#links++ >= MAX_LINKS || this.mount.flags & MS_NOSYMFOLLOW) return fail(ELOOP);
    touchAtime(link.inode, this.mount);
    const goal = link.inode.magicLink(this.#caller);
    if (goal !== null) {
      if (isErr(goal)) return goal;
      if (goal instanceof Inode) this.#moveToAnonymous(goal);
      else {
        holdPath(goal);
        this.#moveTo(goal.mount, goal.dentry);
      }
      return null;
    }
    const target = link.inode.readlink(this.#caller);
    if (isErr(target)) return target;
    if (target.length === 0) return fail(ENOENT);
    if (target.charCodeAt(0) === SLASH) {
      const { root } = this.#ctx;
      holdPath(root);
      this.#moveTo(root.mount, root.dentry);
    }
    return target;
  }

  /** @returns text of a link to follow, or null when the step is done */
  #step(follow: boolean): string | null | Err {
    if (this.kind === LAST_DOTDOT) return this.#up();
    if (this.kind !== LAST_NAME) return null;
    const child = this.dentry.child(this.last, this.#caller);
    if (isErr(child)) return child;
    if (!follow || !child.inode.isSymlink) {
      this.enter(child);
      return null;
    }
    const target = this.followLink(child);
    child.unref();
    return target;
  }

  /** Steps up, or stays at the root; either way over what is mounted on the place it comes to. */
  #up(): null | Err {
    const above = this.#parent();
    if (isErr(above)) return above;
    if (above !== null) {
      holdPath(above);
      this.#moveTo(above.mount, above.dentry);
    }
    this.#descend();
    return null;
  }

  /** @returns null when there is no way up; -ENOENT for a directory that was moved out of what a bind mount shows */
  #parent(): Path | null | Err {
    const { root } = this.#ctx;
    let { mount, dentry } = this;
    if (mount === root.mount && dentry === root.dentry) return null;
    while (dentry === mount.root) {
      if (mount.parent === null) return null;
      dentry = mount.mountpoint!;
      mount = mount.parent;
      if (mount === root.mount && dentry === root.dentry) return null;
    }
    const { parent } = dentry;
    if (parent === null) return null;
    if (mount.root !== mount.fs.rootDentry && !parent.isWithin(mount.root)) return fail(ENOENT);
    return { mount, dentry: parent };
  }

  #moveToAnonymous(inode: Inode): void {
    this.#moveTo(kernelMount(inode.fs).ref(), new Dentry(null, '', inode));
  }

  #moveTo(mount: Mount, dentry: Dentry): void {
    this.release();
    this.mount = mount;
    this.dentry = dentry;
  }
}

/**
 * Walks to the parent of the last component, for calls that make or remove names.
 * @returns the walk, whose reference the caller releases; -ENOENT, -ENOTDIR, -EACCES, -ELOOP, -ENAMETOOLONG …
 */
export function walkToParent(ctx: FsContext, caller: Caller, at: Start, name: string | Err): Walk | Err {
  if (isErr(name)) return name;
  const bad = checkName(name);
  if (bad !== 0) return bad;
  const walk = Walk.start(ctx, caller, at, name);
  if (isErr(walk)) return walk;
  const error = walk.toParent(name);
  if (error === 0) return walk;
  walk.release();
  return error;
}

/**
 * Finds what `name` names.
 * @param at where a relative name starts
 * @param name latin1
 * @param flags LOOKUP_*
 * @returns the path, whose reference the caller gives back with `releasePath`; -ENOENT, -ENOTDIR, -EACCES, -ELOOP, -ENAMETOOLONG …
 */
export function resolve(ctx: FsContext, caller: Caller, at: Start, name: string, flags: number): Path | Err {
  const bad = checkName(name, (flags & LOOKUP_EMPTY) !== 0);
  if (bad !== 0) return bad;
  const directory = (flags & LOOKUP_DIRECTORY) !== 0;
  const walk = Walk.start(ctx, caller, at, name);
  if (isErr(walk)) return walk;
  let error: 0 | Err = 0;
  if (name.length > 0) {
    error = walk.toParent(name);
    if (error === 0) error = walk.finish((flags & LOOKUP_FOLLOW) !== 0, directory);
  } else if (directory && !walk.inode.isDirectory) error = fail(ENOTDIR);
  if (error === 0) return { mount: walk.mount, dentry: walk.dentry };
  walk.release();
  return error as Err;
}
