/**
 * The drivers' heap. Every block has red zones before and behind it, is poisoned when it is freed, and belongs to the module
 * that asked for it; what is wrong with a block shows when it is freed, when its place is given out again, or when its owner
 * goes. Where blocks lie and how long they are is kept here and not in the heap: a driver that writes where it should not
 * damages its data, never ours.
 *
 * Small blocks share a page with others of their size; large ones have whole pages, and the page behind them is not there.
 * @source Linux mm/slub.c for the values of red zones and poison
 */
import { isErr } from '../../abi/errno.js';
import { PTE_READ } from '../../cpu/index.js';
import { PAGE_SIZE } from '../mm/layout.js';
import { HEAP_START } from './layout.js';
import type { Owned, Owner } from './owner.js';
import { type KernelSpace, RW } from './space.js';

/** Bytes before and (at least) behind a block. */
const RED_ZONE = 16;
const RED = 0xcc;
const POISON = 0x6b;
/** Sizes of places for small blocks, red zones included. Blocks are aligned to 16 bytes. */
const CLASSES = [48, 64, 96, 128, 192, 256, 384, 512, 1024, 2048];
/** Most that one driver call may ask for. @source Linux KMALLOC_MAX_SIZE, 4 MiB */
const MAX_BLOCK = 4 * 2 ** 20;
/** Addresses that the heap may use: 64 TiB on Linux; no more than memory can fill. */
const HEAP_PAGES = 2 ** 24;

/** What a look at a block found. */
export type HeapFault =
  | 'not allocated'
  | 'freed before'
  | 'red zone before it overwritten'
  | 'red zone behind it overwritten';

export class HeapBlock implements Owned {
  readonly heap: KernelHeap;
  readonly owner: Owner;
  readonly address: number;
  /** Bytes that were asked for. */
  readonly size: number;
  /** Index in CLASSES, or -1 for whole pages. */
  readonly kind: number;
  /** Return address of the call that allocated it. */
  readonly caller: number;

  constructor(heap: KernelHeap, owner: Owner, address: number, size: number, kind: number, caller: number) {
    this.heap = heap;
    this.owner = owner;
    this.address = address;
    this.size = size;
    this.kind = kind;
    this.caller = caller;
  }

  release(): void {
    this.heap.drop(this);
  }
}

export class KernelHeap {
  /** Bytes in use, as asked for. */
  used = 0;
  /** Told of damage that shows when nobody is there to blame: a freed block was written to. */
  onDamage: ((text: string) => void) | null = null;
  readonly #space: KernelSpace;
  readonly #blocks = new Map<number, HeapBlock>();
  /** By class: places to be given out. */
  readonly #free: number[][] = CLASSES.map(() => []);
  /** Ranges of pages that are not used any more, by length. */
  readonly #freeRuns = new Map<number, number[]>();
  #nextPage = 0;
  /** Pages of small blocks. */
  readonly #slabs: number[] = [];

  constructor(space: KernelSpace) {
    this.#space = space;
  }

  get blocks(): number {
    return this.#blocks.size;
  }

  /** @returns address of at least `size` bytes, 0 when there is no memory. Contents are anything. */
  alloc(owner: Owner, size: number, caller: number): number {
    if (!(size >= 0 && size <= MAX_BLOCK)) return 0;
    const kind = CLASSES.findIndex((place) => size + 2 * RED_ZONE <= place);
    return kind < 0 ? this.#allocPages(owner, size, RED_ZONE, caller) : this.#allocSmall(owner, size, kind, caller);
  }

  /** Whole pages without red zones, aligned to a page: for mmap. */
  allocPages(owner: Owner, pages: number, caller: number): number {
    if (!(pages > 0 && pages * PAGE_SIZE <= MAX_BLOCK)) return 0;
    return this.#allocPages(owner, pages * PAGE_SIZE, 0, caller);
  }

  /** The block that begins at an address. */
  find(address: number): HeapBlock | undefined {
    return this.#blocks.get(address);
  }

  /** The block of whole pages that an address lies in. */
  pagesAround(address: number): HeapBlock | undefined {
    for (const block of this.#blocks.values()) {
      if (block.kind < 0 && address >= block.address && address < block.address + block.size) return block;
    }
    return undefined;
  }

  /** @returns what is wrong with it; null: nothing, it is free now */
  free(address: number): HeapFault | null {
    const block = this.#blocks.get(address);
    if (block === undefined) return this.#wasFreed(address) ? 'freed before' : 'not allocated';
    const fault = this.check(block);
    if (fault !== null) return fault;
    block.owner.remove(block);
    this.drop(block);
    return null;
  }

  /** Looks at the red zones. */
  check(block: HeapBlock): HeapFault | null {
    const { address, size, kind } = block;
    if (kind < 0 && (address & (PAGE_SIZE - 1)) === 0) return null;
    if (!this.#holds(address - RED_ZONE, address, RED)) return 'red zone before it overwritten';
    return this.#holds(address + size, this.#endOf(block), RED) ? null : 'red zone behind it overwritten';
  }

  /** Every block of an owner that is damaged. */
  damaged(owner: Owner): HeapBlock[] {
    return [...this.#blocks.values()].filter((block) => block.owner === owner && this.check(block) !== null);
  }

  /** Gives the place of a block back, whatever it looks like. The owner has forgotten it. */
  drop(block: HeapBlock): void {
    const { address, size, kind } = block;
    this.#blocks.delete(address);
    this.used -= size;
    if (kind >= 0) {
      this.#space.fill(address, POISON, size);
      this.#free[kind]!.push(address);
      return;
    }
    const start = Math.floor(address / PAGE_SIZE) * PAGE_SIZE;
    const pages = Math.ceil((address + size - start + (address === start ? 0 : RED_ZONE)) / PAGE_SIZE);
    this.#space.unmap(start, pages);
    this.#giveRun(start, pages);
  }

  dispose(): void {
    for (const block of this.#blocks.values()) if (block.kind < 0) this.drop(block);
    for (const page of this.#slabs) this.#space.unmap(page, 1);
  }

  #allocSmall(owner: Owner, size: number, kind: number, caller: number): number {
    const free = this.#free[kind]!;
    if (free.length === 0 && !this.#addSlab(kind)) return 0;
    const address = free.shift()!;
    const place = CLASSES[kind]!;
    const end = address - RED_ZONE + place;
    // The length that was poisoned is not known any more: the red zone behind it may have been shorter or longer.
    if (!this.#holds(address, end, POISON, RED)) this.onDamage?.(`kmalloc-${place}: freed object written to`);
    this.#space.fill(address - RED_ZONE, RED, RED_ZONE);
    this.#space.fill(address + size, RED, end - address - size);
    return this.#add(owner, address, size, kind, caller);
  }

  #allocPages(owner: Owner, size: number, zone: number, caller: number): number {
    const pages = Math.ceil((size + 2 * zone) / PAGE_SIZE);
    const start = this.#mapRun(pages);
    if (start === 0) return 0;
    if (zone > 0) {
      this.#space.fill(start, RED, zone);
      this.#space.fill(start + zone + size, RED, pages * PAGE_SIZE - zone - size);
    }
    return this.#add(owner, start + zone, size, -1, caller);
  }

  #add(owner: Owner, address: number, size: number, kind: number, caller: number): number {
    this.used += size;
    this.#blocks.set(address, owner.add(new HeapBlock(this, owner, address, size, kind, caller)));
    return address;
  }

  #addSlab(kind: number): boolean {
    const page = this.#mapRun(1);
    if (page === 0) return false;
    this.#slabs.push(page);
    this.#space.fill(page, POISON, PAGE_SIZE);
    const place = CLASSES[kind]!;
    for (let at = 0; at + place <= PAGE_SIZE; at += place) this.#free[kind]!.push(page + at + RED_ZONE);
    return true;
  }

  /** Maps pages, with one behind them that nobody gets. @returns 0 when there is no memory */
  #mapRun(pages: number): number {
    const free = this.#freeRuns.get(pages)?.pop();
    const start = free ?? HEAP_START + this.#nextPage * PAGE_SIZE;
    if (free === undefined) {
      if (this.#nextPage + pages + 1 > HEAP_PAGES) return 0;
      this.#nextPage += pages + 1;
    }
    if (!isErr(this.#space.map(start, pages, RW))) return start;
    this.#giveRun(start, pages);
    return 0;
  }

  #giveRun(start: number, pages: number): void {
    const runs = this.#freeRuns.get(pages);
    if (runs === undefined) this.#freeRuns.set(pages, [start]);
    else runs.push(start);
  }

  #endOf({ address, size, kind }: HeapBlock): number {
    if (kind >= 0) return address - RED_ZONE + CLASSES[kind]!;
    return Math.ceil((address + size + RED_ZONE) / PAGE_SIZE) * PAGE_SIZE;
  }

  #wasFreed(address: number): boolean {
    return this.#free.some((places) => places.includes(address));
  }

  /** Whether all bytes of a range, which lies in one page, are one of two values. */
  #holds(from: number, to: number, value: number, other = value): boolean {
    if (from === to) return true;
    const { u8 } = this.#space.memory;
    const at = this.#space.physical(from, PTE_READ);
    for (let i = at; i < at + to - from; i++) if (u8[i] !== value && u8[i] !== other) return false;
    return true;
  }
}
