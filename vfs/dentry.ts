/**
 * Names in the tree: a dentry ties a name in a parent directory to an inode; a path is a dentry seen through a mount.
 *
 * Strings that name files hold one byte per character (latin1), because Linux names are bytes; only the npm
 * boundary converts from and to UTF-8.
 */
import type { Inode } from './inode.js';
import type { Mount } from './mount.js';

export interface Path {
  readonly mount: Mount;
  readonly dentry: Dentry;
}

export class Dentry {
  /** null for the root of a file system. */
  parent: Dentry | null;
  name: string;
  readonly inode: Inode;
  refs = 1;

  constructor(parent: Dentry | null, name: string, inode: Inode) {
    this.parent = parent;
    this.name = name;
    this.inode = inode;
  }

  ref(): this {
    this.refs++;
    return this;
  }

  unref(): void {
    this.refs--;
  }
}
