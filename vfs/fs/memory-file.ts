/** Regular files in memory: an inode over `MemoryPages`, and its open descriptions. */
import { EBADF, EFBIG, EINVAL, EOPNOTSUPP, type Err, fail, isErr } from '../../abi/errno.js';
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  O_APPEND,
  O_NOATIME,
  SEEK_DATA,
  SEEK_HOLE,
} from '../../abi/fcntl.js';
import { POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../../abi/poll.js';
import { MAX_FILE_SIZE } from '../attributes.js';
import type { Caller } from '../caller.js';
import { OpenFile } from '../file.js';
import type { IoIter } from '../iter.js';
import type { PageCache } from '../page-cache.js';
import { withoutSetId, writeDropsSetId } from '../permission.js';
import { seekTo } from '../seek.js';
import { touchAtime } from '../times.js';
import { type MemoryFileSystem, MemoryInode, PAGE_SIZE } from './memory-fs.js';
import { type FileBacking, MemoryPages } from './memory-pages.js';

/** Always readable and writable, as poll(2) says of regular files. */
export const ALWAYS_READY = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;

const SECTORS_PER_PAGE = PAGE_SIZE / 512;

export class MemoryFile extends MemoryInode {
  readonly pages: MemoryPages;

  constructor(fs: MemoryFileSystem, ino: number, mode: number, backing: FileBacking | null = null) {
    super(fs, ino, mode);
    this.pages = new MemoryPages(fs, backing);
  }

  override get size(): number {
    return this.pages.size;
  }

  override get blocks(): number {
    return this.pages.pages * SECTORS_PER_PAGE;
  }

  override poll(): number {
    return ALWAYS_READY;
  }

  override open(flags: number, _caller: Caller): OpenFile | Err {
    return new MemoryFileHandle(this, flags);
  }

  override evict(): void {
    this.pages.release();
    super.evict();
  }

  protected override resize(size: number): number | Err {
    return this.pages.resize(size);
  }
}

class MemoryFileHandle extends OpenFile {
  declare readonly inode: MemoryFile;

  override get seekable(): boolean {
    return true;
  }

  override read(to: IoIter, position: number, _caller: Caller): number | Err {
    const { pages, memory } = this.inode;
    let done = 0;
    while (to.remaining > 0 && position + done < pages.size) {
      const at = position + done;
      const within = at % PAGE_SIZE;
      const count = Math.min(PAGE_SIZE - within, pages.size - at, to.remaining);
      const frame = pages.peek((at - within) / PAGE_SIZE);
      if (isErr(frame)) return done > 0 ? done : frame;
      const start = frame * PAGE_SIZE + within;
      const put = frame === 0 ? to.zero(count) : to.put(memory.env.frames.u8, start, start + count);
      if (isErr(put)) {
        if (done === 0) return put;
        break;
      }
      done += put;
      if (put < count) break;
    }
    if (!(this.flags & O_NOATIME)) touchAtime(this.inode, this.path === null ? null : this.path.mount);
    return done;
  }

  override write(from: IoIter, position: number, caller: Caller): number | Err {
    const { inode } = this;
    if (from.remaining === 0) return 0;
    const start = this.flags & O_APPEND ? inode.size : position;
    if (start >= MAX_FILE_SIZE) return fail(EFBIG);
    if (writeDropsSetId(inode, caller)) inode.mode = withoutSetId(inode, caller);
    inode.touchMtime();
    let done = 0;
    let result: number | Err = 0;
    while (from.remaining > 0 && start + done < MAX_FILE_SIZE) {
      result = this.#writePage(from, start + done);
      if (isErr(result) || result === 0) break;
      done += result;
    }
    return done > 0 ? done : result;
  }

  override seek(offset: number, whence: number): number | Err {
    const { pages } = this.inode;
    const sparse = whence === SEEK_DATA || whence === SEEK_HOLE;
    const position = sparse
      ? pages.seek(offset, whence === SEEK_HOLE)
      : seekTo(offset, whence, pages.size, this.offset);
    if (!isErr(position)) this.offset = position;
    return position;
  }

  override mapping(): PageCache | Err {
    return this.inode.pages;
  }

  override fsync(): number | Err {
    return 0;
  }

  override allocate(mode: number, offset: number, length: number): number | Err {
    const { inode } = this;
    if (offset < 0 || length <= 0) return fail(EINVAL);
    if (!this.writable) return fail(EBADF);
    if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)) return fail(EOPNOTSUPP);
    if (mode & FALLOC_FL_PUNCH_HOLE && !(mode & FALLOC_FL_KEEP_SIZE)) return fail(EOPNOTSUPP);
    const end = offset + length;
    if (end > MAX_FILE_SIZE) return fail(EFBIG);
    const result = mode & FALLOC_FL_PUNCH_HOLE ? inode.pages.punch(offset, end) : inode.pages.reserve(offset, end);
    if (isErr(result)) return result;
    if (!(mode & FALLOC_FL_KEEP_SIZE)) inode.pages.extend(end);
    inode.touchMtime();
    return 0;
  }

  /** Writes at most to the end of the page that `at` lies in. */
  #writePage(from: IoIter, at: number): number | Err {
    const { pages, memory } = this.inode;
    const { frames } = memory.env;
    const within = at % PAGE_SIZE;
    const index = (at - within) / PAGE_SIZE;
    const count = Math.min(PAGE_SIZE - within, from.remaining, MAX_FILE_SIZE - at);
    const frame = pages.ensure(index);
    if (isErr(frame)) return frame;
    frames.willWrite(frame);
    const start = frame * PAGE_SIZE + within;
    const taken = from.take(frames.u8, start, start + count);
    if (!isErr(taken)) pages.extend(at + taken);
    return taken;
  }
}
