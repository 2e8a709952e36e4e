/**
 * Anonymous memory that mappings share: mmap with MAP_SHARED | MAP_ANONYMOUS, inherited by fork.
 * A page cache without a file. Every mapping of it holds a reference; the last one gives the frames back.
 */
import { ENOMEM, type Err, fail } from '../../abi/errno.js';
import type { FrameStore } from '../../vfs/filesystem.js';
import { FrameExtents } from '../../vfs/frame-extents.js';
import { MemberSet } from '../../vfs/member-set.js';
import type { PageCache } from '../../vfs/page-cache.js';
import type { CacheMapper } from './cache-mapper.js';
import { PAGE_SIZE } from './layout.js';

export class SharedMemory implements PageCache {
  /** Bytes. */
  readonly size: number;
  readonly mappers = new MemberSet<CacheMapper>();
  #memory: FrameStore;
  #frames = new Map<number, number>();
  #extents: FrameExtents;
  #refs = 1;

  constructor(memory: FrameStore, size: number) {
    this.#memory = memory;
    this.#extents = new FrameExtents(memory);
    this.size = size;
  }

  page(index: number): number | Err {
    if (index * PAGE_SIZE >= this.size) return 0;
    const known = this.#frames.get(index);
    if (known !== undefined) return known;
    const frame = this.#extents.allocForFile(index, this.size / PAGE_SIZE);
    if (frame === 0) return fail(ENOMEM);
    this.#frames.set(index, frame);
    return frame;
  }

  resident(index: number): number {
    return this.#frames.get(index) ?? 0;
  }

  markDirty(): void {}

  /** Forgets pages [from, to): MADV_REMOVE. They read as zeros afterwards. */
  punch(from: number, to: number): void {
    for (const [index, frame] of this.#frames) {
      if (index < from || index >= to) continue;
      this.#frames.delete(index);
      this.#memory.unref(frame);
    }
    for (const mapper of this.mappers) mapper.invalidate(from, to);
  }

  ref(): this {
    this.#refs++;
    return this;
  }

  unref(): void {
    if (--this.#refs !== 0) return;
    for (const frame of this.#frames.values()) this.#memory.unref(frame);
    this.#frames.clear();
    this.#extents.clear();
  }
}
