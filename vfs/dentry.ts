/**
 * Names in the tree: a dentry ties a name in a parent directory to an inode; a path is a dentry seen through a mount.
 *
 * There is one dentry per (parent, name). It lives while somebody holds it, and after that as long as the file
 * system's list of unused dentries has room; a child holds its parent. A dentry that is used again stays in the list
 * (a name that is looked up again and again must not cost two changes of a set) and leaves it when its turn comes. A dentry whose name is gone (`deleted`), or
 * whose directory changes behind the kernel's back (`Inode.volatileNames`), goes with its last holder. The last
 * dentry of an inode tells the inode: `evict` without links, `forget` with.
 *
 * Strings that name files hold one byte per character (latin1), because Linux names are bytes; only the npm
 * boundary converts from and to UTF-8.
 */

import { ENAMETOOLONG, type Err, fail, isErr } from '../abi/errno.js';
import type { Caller } from './caller.js';
import { inodeDeleted } from './fsnotify.js';
import type { Inode } from './inode.js';
import type { Mount } from './mount.js';

export const NAME_MAX = 255;

/** Unused dentries that a file system keeps. */
const UNUSED_LIMIT = 4096;

export interface Path {
  readonly mount: Mount;
  readonly dentry: Dentry;
}

/** Takes a reference of `path` for another holder. */
export function holdPath(path: Path): Path {
  path.mount.ref();
  path.dentry.ref();
  return path;
}

/** Gives a reference back. The dentry first: the mount may take its file system with it. */
export function releasePath(path: Path): void {
  path.dentry.unref();
  path.mount.unref();
}

export class Dentry {
  /** null for the root of a file system and for inodes without a name. */
  parent: Dentry | null;
  name: string;
  readonly inode: Inode;
  /** Holders: paths, descriptions, children. */
  refs = 1;
  /** Stands in its file system's list of unused dentries. */
  #listed = false;
  /** The name is gone: unlinked, replaced, or found changed. */
  deleted = false;
  /** Mounts that sit on it, in whatever namespace. */
  mounts = 0;
  #children: Map<string, Dentry> | null = null;

  /** Makes the dentry of `name`, with one reference; in `parent`'s cache unless it is made `deleted` (O_TMPFILE). */
  constructor(parent: Dentry | null, name: string, inode: Inode, deleted = false) {
    this.parent = parent;
    this.name = name;
    this.inode = inode;
    this.deleted = deleted;
    inode.dentries++;
    if (parent === null) return;
    parent.ref();
    if (!deleted) parent.#adopt(this);
  }

  ref(): this {
    this.refs++;
    return this;
  }

  unref(): void {
    if (--this.refs > 0) return;
    if (this.parent === null || this.deleted || this.parent.inode.volatileNames) this.#kill();
    else if (!this.#listed) this.#list();
  }

  /** The child in the cache, without a reference. */
  cached(name: string): Dentry | undefined {
    return this.#children?.get(name);
  }

  /**
   * The child called `name`, from the cache or the file system. Permission to search has been checked.
   * @param caller who looks, for directories that show each what is his; absent: nobody in particular
   * @returns it with a reference; -ENOENT, -ENAMETOOLONG, -EIO …
   */
  child(name: string, caller?: Caller): Dentry | Err {
    const known = this.#children?.get(name);
    if (known !== undefined && !this.inode.volatileNames) return known.ref();
    if (name.length > NAME_MAX) return fail(ENAMETOOLONG);
    const inode = this.inode.lookup(name, caller);
    if (known !== undefined) {
      if (inode === known.inode || known.mounts > 0) return known.ref();
      known.markDeleted();
    }
    return isErr(inode) ? inode : new Dentry(this, name, inode);
  }

  /** The name is gone. Holders keep the dentry; new lookups do not find it. */
  markDeleted(): void {
    if (this.deleted) return;
    this.deleted = true;
    if (this.parent !== null) this.parent.#disown(this);
    if (this.refs === 0) this.drop();
  }

  /** Follows a rename: from now on `name` in `parent`. What was there must have been marked deleted. */
  move(parent: Dentry, name: string): void {
    const old = this.parent!;
    old.#disown(this);
    this.parent = parent.ref();
    this.name = name;
    parent.#adopt(this);
    old.unref();
  }

  /** Follows an exchange of two names. */
  exchange(other: Dentry): void {
    const { parent, name } = this;
    parent!.#disown(this);
    other.parent!.#disown(other);
    this.parent = other.parent;
    this.name = other.name;
    other.parent = parent;
    other.name = name;
    this.parent!.#adopt(this);
    parent!.#adopt(other);
  }

  /** Is it `ancestor` or below it? */
  isWithin(ancestor: Dentry): boolean {
    for (let dentry: Dentry | null = this; dentry !== null; dentry = dentry.parent) {
      if (dentry === ancestor) return true;
    }
    return false;
  }

  /** Leaves the list of unused dentries, and ends unless somebody holds it again. */
  drop(): void {
    this.#unlist();
    if (this.refs === 0) this.#kill();
  }

  #list(): void {
    const unused = this.inode.fs.unusedDentries;
    this.#listed = true;
    unused.add(this);
    if (unused.size <= UNUSED_LIMIT) return;
    for (const oldest of unused) {
      oldest.drop();
      break;
    }
  }

  #unlist(): void {
    if (!this.#listed) return;
    this.#listed = false;
    this.inode.fs.unusedDentries.delete(this);
  }

  #kill(): void {
    const { parent, inode } = this;
    this.#unlist();
    if (parent !== null && !this.deleted) parent.#disown(this);
    this.deleted = true;
    this.parent = null;
    if (--inode.dentries === 0) {
      if (inode.nlink === 0) inodeDeleted(inode);
      inode.releaseIfUnused();
    }
    parent?.unref();
  }

  #adopt(child: Dentry): void {
    this.#children ??= new Map();
    this.#children.set(child.name, child);
  }

  #disown(child: Dentry): void {
    if (this.#children?.get(child.name) === child) this.#children.delete(child.name);
  }
}
