/** Pages of memory that belong to one description or one mapping: allocated, and filled, when somebody wants them. */
import { ENOMEM, type Err, fail } from '../../abi/errno.js';
import type { FrameStore } from '../filesystem.js';
import { MemberSet } from '../member-set.js';
import type { PageCache, PageMapper } from '../page-cache.js';
import { PAGE_SIZE } from './memory-fs.js';

export class FramePages implements PageCache {
  readonly size: number;
  readonly mappers = new MemberSet<PageMapper>();
  readonly #frames: FrameStore;
  readonly #fill: (page: Uint8Array, offset: number) => void;
  readonly #pages = new Map<number, number>();

  /**
   * @param size bytes; Infinity: as many as anybody wants
   * @param fill puts into a page, which is all zeros, what is at `offset`
   */
  constructor(frames: FrameStore, size: number, fill: (page: Uint8Array, offset: number) => void = () => {}) {
    this.#frames = frames;
    this.size = size;
    this.#fill = fill;
  }

  page(index: number): number | Err {
    const offset = index * PAGE_SIZE;
    if (offset >= this.size) return 0;
    let frame = this.#pages.get(index);
    if (frame === undefined) {
      frame = this.#frames.allocFrame();
      if (frame === 0) return fail(ENOMEM);
      this.#fill(this.#frames.u8.subarray(frame * PAGE_SIZE, (frame + 1) * PAGE_SIZE), offset);
      this.#pages.set(index, frame);
    }
    return frame;
  }

  resident(index: number): number {
    return this.#pages.get(index) ?? 0;
  }

  markDirty(_index: number): void {}

  release(): void {
    for (const frame of this.#pages.values()) this.#frames.unref(frame);
    this.#pages.clear();
  }
}
