/** File systems without a mount of their own: what pipes, sockets and anonymous inodes lie on. */
import type { Err } from '../../abi/errno.js';
import { S_IFDIR, S_IFMT } from '../../abi/stat.js';
import type { Caller } from '../caller.js';
import { DirectoryFile } from '../directory-file.js';
import type { OpenFile } from '../file.js';
import { FileSystem, type FsStatistics, type VfsEnv } from '../filesystem.js';
import { type AttributeChange, Inode } from '../inode.js';

/** Stands where a file system must have a root; nothing leads to it. */
class EmptyRoot extends Inode {
  override poll(): number {
    return 0;
  }

  override open(flags: number, _caller: Caller): OpenFile | Err {
    return new DirectoryFile(this, flags);
  }
}

export class AnonymousFs extends FileSystem {
  readonly root: Inode;
  readonly #magic: number;
  #lastIno = 1;

  constructor(env: VfsEnv, type: string, device: number, magic: number) {
    super(env, type, device);
    this.#magic = magic;
    this.root = new EmptyRoot(this, 1, S_IFDIR | 0o555);
  }

  /** A number for a new inode. */
  nextIno(): number {
    return ++this.#lastIno;
  }

  override statfs(): FsStatistics {
    return { type: this.#magic, blockSize: 4096, blocks: 0, blocksFree: 0, files: 0, filesFree: 0, nameLength: 255 };
  }
}

/** chmod, chown and utimes on an inode that keeps its metadata in memory and has no length. */
export function applyAttributes(inode: Inode, change: AttributeChange): number | Err {
  if (change.mode !== undefined) inode.mode = (inode.mode & S_IFMT) | (change.mode & ~S_IFMT);
  if (change.uid !== undefined) inode.uid = change.uid;
  if (change.gid !== undefined) inode.gid = change.gid;
  if (change.atime !== undefined) Object.assign(inode.atime, change.atime);
  if (change.mtime !== undefined) Object.assign(inode.mtime, change.mtime);
  inode.fs.env.now(inode.ctime);
  return 0;
}
