/** Symbolic links in memory. */
import { ELOOP, type Err, fail } from '../../abi/errno.js';
import { S_IFLNK } from '../../abi/stat.js';
import type { Caller } from '../caller.js';
import type { OpenFile } from '../file.js';
import { ALWAYS_READY } from './memory-file.js';
import { type MemoryFileSystem, MemoryInode } from './memory-fs.js';

/** Targets with their NUL up to this length occupy no page. @source Linux mm/shmem.c SHORT_SYMLINK_LEN */
const SHORT_TARGET = 128;

export class MemorySymlink extends MemoryInode {
  static readonly MODE = S_IFLNK | 0o777;
  readonly target: string;

  /** @param target latin1 */
  constructor(fs: MemoryFileSystem, ino: number, target: string) {
    super(fs, ino, MemorySymlink.MODE);
    this.target = target;
  }

  override get size(): number {
    return this.target.length;
  }

  override get blocks(): number {
    return this.target.length < SHORT_TARGET ? 0 : 8;
  }

  override poll(): number {
    return ALWAYS_READY;
  }

  override open(_flags: number, _caller: Caller): OpenFile | Err {
    return fail(ELOOP);
  }

  override readlink(_caller: Caller): string | Err {
    return this.target;
  }
}
