/** What file systems in memory share: limits on pages and inodes, and inodes that keep their metadata themselves. */
import { EFBIG, EINVAL, ENOSPC, type Err, fail, isErr } from '../../abi/errno.js';
import { S_IFMT } from '../../abi/stat.js';
import { FileSystem, type FsStatistics, type VfsEnv } from '../filesystem.js';
import type { FrameExtents } from '../frame-extents.js';
import { type AttributeChange, Inode } from '../inode.js';

export const PAGE_SIZE = 4096;
/** Limit of inodes when none is given; an inode with a name costs the embedder some hundred bytes. */
const DEFAULT_INODE_LIMIT = 1 << 18;

export interface MemoryFsOptions {
  /** Bytes of file data at most; absent: as much as there are frames. */
  sizeLimit?: number;
  /** Inodes and further hard links at most. */
  inodeLimit?: number;
  /** Permission bits of the root directory; 0o1777 when absent. */
  mode?: number;
  uid?: number;
  gid?: number;
}

export abstract class MemoryFileSystem extends FileSystem {
  /** Infinity when only the frames are a limit. */
  readonly pageLimit: number;
  readonly inodeLimit: number;
  usedPages = 0;
  usedInodes = 0;
  #nextIno = 1;

  constructor(env: VfsEnv, type: string, device: number, options: MemoryFsOptions) {
    super(env, type, device);
    const { sizeLimit } = options;
    this.pageLimit = sizeLimit === undefined ? Number.POSITIVE_INFINITY : Math.ceil(sizeLimit / PAGE_SIZE);
    this.inodeLimit = options.inodeLimit ?? DEFAULT_INODE_LIMIT;
  }

  /** Magic number for statfs(2). */
  protected abstract readonly magic: number;

  /** @returns the number of a new inode, which counts until `releaseInode`; -ENOSPC */
  takeInode(): number | Err {
    if (this.usedInodes >= this.inodeLimit) return fail(ENOSPC);
    this.usedInodes++;
    return this.#nextIno++;
  }

  /** Counts one more name of an inode, which costs as much as an inode. */
  takeLink(): 0 | Err {
    if (this.usedInodes >= this.inodeLimit) return fail(ENOSPC);
    this.usedInodes++;
    return 0;
  }

  releaseInode(): void {
    this.usedInodes--;
  }

  /** @returns a zeroed frame for page `index` of a file of `pages` pages, which counts as used; 0 when there is no room */
  takeFrame(extents: FrameExtents | null, index: number, pages: number): number {
    if (this.usedPages >= this.pageLimit) return 0;
    const frame = extents === null ? this.env.frames.allocFrame() : extents.allocForFile(index, pages);
    if (frame !== 0) this.usedPages++;
    return frame;
  }

  releaseFrame(frame: number): void {
    this.usedPages--;
    this.env.frames.unref(frame);
  }

  override statfs(): FsStatistics {
    const limited = this.pageLimit !== Number.POSITIVE_INFINITY;
    return {
      type: this.magic,
      blockSize: PAGE_SIZE,
      blocks: limited ? this.pageLimit : 0,
      blocksFree: limited ? this.pageLimit - this.usedPages : 0,
      files: this.inodeLimit,
      filesFree: this.inodeLimit - this.usedInodes,
      nameLength: 255,
    };
  }
}

/** An inode whose metadata lives in memory only. */
export abstract class MemoryInode extends Inode {
  /** `fs` with its accounts. */
  readonly memory: MemoryFileSystem;

  constructor(fs: MemoryFileSystem, ino: number, mode: number) {
    super(fs, ino, mode);
    this.memory = fs;
  }

  override evict(): void {
    if (this.nlink === 0) this.memory.orphans--;
    this.memory.releaseInode();
  }

  /** Counts names. Without one the inode lives as long as it is open. */
  setLinks(count: number): void {
    if (count === 0) this.memory.orphans++;
    else if (this.nlink === 0) this.memory.orphans--;
    this.nlink = count;
  }

  override setAttributes(change: AttributeChange): number | Err {
    if (change.size !== undefined) {
      const resized = this.resize(change.size);
      if (isErr(resized)) return resized;
      this.fs.env.now(this.mtime);
    }
    if (change.mode !== undefined) this.mode = (this.mode & S_IFMT) | (change.mode & ~S_IFMT);
    if (change.uid !== undefined) this.uid = change.uid;
    if (change.gid !== undefined) this.gid = change.gid;
    if (change.atime !== undefined) Object.assign(this.atime, change.atime);
    if (change.mtime !== undefined) Object.assign(this.mtime, change.mtime);
    this.fs.env.now(this.ctime);
    return 0;
  }

  /** Changes the length; regular files override it. */
  protected resize(size: number): number | Err {
    return fail(size < 0 ? EFBIG : EINVAL);
  }

  /** Name, content or owner changed. */
  touchCtime(): void {
    this.fs.env.now(this.ctime);
  }

  /** Content changed. */
  touchMtime(): void {
    this.fs.env.now(this.mtime);
    this.ctime.sec = this.mtime.sec;
    this.ctime.nsec = this.mtime.nsec;
  }
}
