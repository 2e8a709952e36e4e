/** Lets a page cache tell an address space that pages are gone (truncate, hole punching). One per space and cache. */
import type { PageCache, PageMapper } from '../../vfs/page-cache.js';
import type { AddressSpace } from './address-space.js';
import { PAGE_SIZE } from './layout.js';
import { dropPages } from './pages.js';

export class CacheMapper implements PageMapper {
  /** Mappings of the space that show the cache. */
  users = 1;
  #space: AddressSpace;
  #cache: PageCache;

  constructor(space: AddressSpace, cache: PageCache) {
    this.#space = space;
    this.#cache = cache;
  }

  /**
   * Pages [index, end) are gone. Private copies go with a truncation (no `end`), as on Linux, and stay when a hole
   * was punched.
   */
  invalidate(index: number, end = Number.POSITIVE_INFINITY): void {
    for (const vma of this.#space.areas.list) {
      if (vma.cache !== this.#cache) continue;
      if (end !== Number.POSITIVE_INFINITY && !vma.isShared) continue;
      const from = vma.start + Math.max(0, index - vma.index) * PAGE_SIZE;
      const to = Math.min(vma.end, vma.start + (end - vma.index) * PAGE_SIZE);
      if (from < to) dropPages(this.#space, from, to);
    }
  }
}
