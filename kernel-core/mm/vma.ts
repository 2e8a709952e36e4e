/**
 * Mappings of an address space (Linux: vm_area_struct) and their ordered set.
 * The set never overlaps; it is an array sorted by address, because lookups outnumber changes by far.
 */
import { PROT_EXEC, PROT_READ, PROT_WRITE } from '../../abi/mman.js';
import { PTE_EXEC, PTE_READ, PTE_WRITE } from '../../cpu/index.js';
import type { OpenFile } from '../../vfs/file.js';
import type { PageCache } from '../../vfs/page-cache.js';
import { PAGE_SIZE, STACK_GUARD } from './layout.js';
import type { SharedMemory } from './shared-memory.js';

/** Writes reach everybody who maps the same pages. */
export const VM_SHARED = 1;
/** Rights that mprotect may give. */
export const VM_MAYREAD = 2;
export const VM_MAYWRITE = 4;
export const VM_MAYEXEC = 8;
export const VM_GROWSDOWN = 0x10;
export const VM_LOCKED = 0x20;
export const VM_LOCKONFAULT = 0x40;
export const VM_NORESERVE = 0x80;
export const VM_DONTFORK = 0x100;
export const VM_WIPEONFORK = 0x200;
export const VM_DONTDUMP = 0x400;
export const VM_MAY_ANY = VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;

export class Vma {
  /** Bytes, page-aligned, end exclusive. */
  start: number;
  end: number;
  /** PROT_READ | PROT_WRITE | PROT_EXEC as asked for. */
  prot: number;
  /** VM_* */
  flags: number;
  /** The file that /proc/PID/maps shows; referenced. */
  readonly file: OpenFile | null;
  /** Pages behind a file mapping, or behind shared anonymous memory; null for private anonymous memory. */
  readonly cache: PageCache | null;
  /** Shared anonymous memory; referenced. Then `cache` is the same object. */
  readonly shared: SharedMemory | null;
  /** Index in `cache` of the page at `start`. Meaningless without cache. */
  index: number;

  constructor(start: number, end: number, prot: number, flags: number, backing: Backing, index: number) {
    this.start = start;
    this.end = end;
    this.prot = prot;
    this.flags = flags;
    this.file = backing.file;
    this.cache = backing.cache;
    this.shared = backing.shared;
    this.index = index;
  }

  get isShared(): boolean {
    return (this.flags & VM_SHARED) !== 0;
  }

  get growsDown(): boolean {
    return (this.flags & VM_GROWSDOWN) !== 0;
  }

  get pages(): number {
    return (this.end - this.start) / PAGE_SIZE;
  }

  /** Start including the guard gap that placement keeps free. */
  get gapStart(): number {
    return this.growsDown ? Math.max(0, this.start - STACK_GUARD) : this.start;
  }

  /** Index in the cache of the page at `address`. */
  cacheIndex(address: number): number {
    return this.index + Math.floor((address - this.start) / PAGE_SIZE);
  }

  /** Offset in the file as /proc/PID/maps shows it, in bytes. */
  get offset(): number {
    return this.cache === null ? 0 : this.index * PAGE_SIZE;
  }

  /** Private, writable and counted against what memory there is. */
  get isAccountable(): boolean {
    return (this.prot & PROT_WRITE) !== 0 && (this.flags & (VM_SHARED | VM_NORESERVE)) === 0;
  }

  /** Counted against RLIMIT_DATA. */
  get isData(): boolean {
    return isDataMapping(this.prot, this.flags);
  }

  /** Could `next`, which starts where this ends, be one mapping with this? */
  continuesAs(next: Vma): boolean {
    return (
      this.end === next.start &&
      this.prot === next.prot &&
      this.flags === next.flags &&
      this.file === next.file &&
      this.cache === next.cache &&
      (this.cache === null || this.index + this.pages === next.index)
    );
  }
}

/** What a mapping shows. All null: private anonymous memory. */
export interface Backing {
  readonly file: OpenFile | null;
  readonly cache: PageCache | null;
  readonly shared: SharedMemory | null;
}

export const ANONYMOUS: Backing = { file: null, cache: null, shared: null };

export const isDataMapping = (prot: number, flags: number): boolean =>
  (prot & PROT_WRITE) !== 0 && (flags & (VM_SHARED | VM_GROWSDOWN)) === 0;

/** Page-table rights of PROT_* bits: as on x86, whatever may be written or executed may be read. */
export function pteRights(prot: number): number {
  const rights = (prot & PROT_WRITE ? PTE_WRITE : 0) | (prot & PROT_EXEC ? PTE_EXEC : 0);
  return rights !== 0 || prot & PROT_READ ? rights | PTE_READ : 0;
}

export class VmaSet {
  readonly list: Vma[] = [];
  #last: Vma | null = null;
  /**
   * Where the last search from above ended: no gap of `#fullFor` bytes or more lies between `#fullFrom` and
   * `#fullTo`. Without it a program that makes 65530 mappings would have each mmap walk over all of them.
   */
  #fullFrom = 0;
  #fullTo = 0;
  #fullFor = 0;

  get count(): number {
    return this.list.length;
  }

  /** The mapping that holds `address`, or null. */
  at(address: number): Vma | null {
    const last = this.#last;
    if (last !== null && address >= last.start && address < last.end) return last;
    const vma = this.list[this.indexFrom(address)];
    if (vma === undefined || address < vma.start) return null;
    this.#last = vma;
    return vma;
  }

  /** Position of the first mapping that ends above `address`; `count` if there is none. */
  indexFrom(address: number): number {
    const { list } = this;
    let low = 0;
    let high = list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (list[middle]!.end > address) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The first mapping that overlaps [start, end), or undefined. */
  overlapping(start: number, end: number): Vma | undefined {
    const vma = this.list[this.indexFrom(start)];
    return vma !== undefined && vma.start < end ? vma : undefined;
  }

  insert(vma: Vma): void {
    this.list.splice(this.indexFrom(vma.start), 0, vma);
  }

  /** Takes `count` mappings from position `from` out. */
  remove(from: number, count: number): void {
    this.#last = null;
    this.#fullTo = 0;
    this.list.splice(from, count);
  }

  clear(): void {
    this.#last = null;
    this.#fullTo = 0;
    this.list.length = 0;
  }

  /** Highest start of a free range of `length` bytes within [low, high); -1 if there is none. */
  highestGap(length: number, low: number, high: number): number {
    const { list } = this;
    const isKnown = length >= this.#fullFor && high <= this.#fullTo && this.#fullFrom > low;
    let top = isKnown ? Math.min(high, this.#fullFrom) : high;
    for (let i = this.indexFrom(top - 1); ; i--) {
      const above = list[i];
      if (above !== undefined) top = Math.min(top, above.gapStart);
      const bottom = Math.max(low, list[i - 1]?.end ?? 0);
      if (top - bottom >= length) {
        this.#fullFrom = top;
        this.#fullTo = high;
        this.#fullFor = length;
        return top - length;
      }
      if (i <= 0 || bottom <= low) return -1;
    }
  }

  /** Lowest start of a free range of `length` bytes within [low, high); -1 if there is none. */
  lowestGap(length: number, low: number, high: number): number {
    let bottom = low;
    for (let i = this.indexFrom(low); ; i++) {
      const above = this.list[i];
      const top = Math.min(high, above?.gapStart ?? high);
      if (top - bottom >= length) return bottom;
      if (above === undefined || above.end >= high) return -1;
      bottom = Math.max(bottom, above.end);
    }
  }
}
