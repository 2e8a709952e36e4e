/**
 * Open directories. The offset is a position: 0 before '.', 1 before '..', then the inode's own cookies behind these
 * two, so that telldir and seekdir work on any file system.
 */
import { EINVAL, ENOENT, type Err, fail, isErr } from '../abi/errno.js';
import { O_NOATIME, SEEK_CUR, SEEK_SET } from '../abi/fcntl.js';
import { DT_DIR } from '../abi/stat.js';
import { OpenFile } from './file.js';
import { fileAccessed } from './fsnotify.js';
import type { DirectoryEntry, Inode } from './inode.js';
import { touchAtime } from './times.js';

const DOTS = 2;

export class DirectoryFile extends OpenFile {
  override get seekable(): boolean {
    return true;
  }

  override seek(offset: number, whence: number): number | Err {
    if (whence !== SEEK_SET && whence !== SEEK_CUR) return fail(EINVAL);
    const position = whence === SEEK_CUR ? this.offset + offset : offset;
    if (position < 0) return fail(EINVAL);
    this.offset = position;
    return position;
  }

  override fsync(): number | Err {
    return 0;
  }

  /**
   * Lists from the offset on and moves it behind the last entry that was taken.
   * @param emit gets an entry and the position behind it; false refuses the entry and stops
   * @returns 0, or -ENOENT when the directory was removed, -EIO …
   */
  list(emit: (entry: DirectoryEntry, next: number) => boolean): number | Err {
    const { inode } = this;
    if (inode.nlink === 0 || this.path?.dentry.deleted) return fail(ENOENT);
    if (!(this.flags & O_NOATIME)) touchAtime(inode, this.path === null ? null : this.path.mount);
    const take = (entry: DirectoryEntry, next: number): boolean => {
      if (!emit(entry, next)) return false;
      this.offset = next;
      return true;
    };
    if (this.offset === 0 && !take({ name: '.', ino: inode.ino, type: DT_DIR }, 1)) return 0;
    if (this.offset === 1 && !take({ name: '..', ino: this.#parent().ino, type: DT_DIR }, DOTS)) return 0;
    const result = inode.readdir(this.offset - DOTS, (entry, next) => take(entry, next + DOTS));
    if (isErr(result)) return result;
    fileAccessed(this);
    return 0;
  }

  #parent(): Inode {
    return this.path?.dentry.parent?.inode ?? this.inode;
  }
}
