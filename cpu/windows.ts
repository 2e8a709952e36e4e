/**
 * Windows of one address space (tier1/layout.ts): extents of pages whose frames are contiguous, which translated code
 * checks an access against instead of looking its page up. A window is a cache of the page table: it is opened where an
 * access missed, grows as neighbours become present, and is closed when a page in it changes. The slots are in the TLB
 * block; those of the active address space are copied to WINDOWS. An access that is in none of its windows finds other
 * extents by a hash of its address, in a table of the TLB block. No locks.
 */
import type { PhysicalMemory } from './physical-memory.js';
import { EXTENT_ENTRIES, extentIndex, PAGE_SIZE, RESYNC, TLB, TLB_EXTENTS, TLB_WINDOWS } from './state.js';
import {
  NARROW_SPAN,
  SECOND_WINDOW,
  SITE_SLOTS,
  W_DELTA,
  W_LOW,
  W_PAGES,
  W_READ,
  W_READ_WIDE,
  W_WRITE,
  W_WRITE_WIDE,
  WIDE_SPAN,
  WINDOW_BYTES,
  WINDOW_COUNT,
  WINDOW_SIZE,
  WINDOWS,
} from './tier1/layout.js';

const PTE_WRITE = 2;
const PTE_ANY = 7;
const FRAME_SHIFT = 3;
const TWO_20 = 2 ** 20;
/** Pages of one window: its length has to fit 32 bits. */
const MAX_PAGES = TWO_20 - 1;

/** Extents that the records by address are made from. */
const MAX_EXTENTS = 32;
/** The second windows: translated code copies records of the extents by address to those of the active address space. */
const SECOND_SLOTS = -1 << SITE_SLOTS;

type EntryOf = (vpn: number) => number;

/** Pages [low, end) whose frames are at one distance. */
interface Extent {
  readonly low: number;
  readonly end: number;
  readonly writable: boolean;
  /** Frame − page. */
  readonly delta: number;
}

export const CLOSED = 0;
export const OPENED = 1;
export const TAKEN = 2;
export type OpenResult = typeof CLOSED | typeof OPENED | typeof TAKEN;

export class Windows {
  #memory: PhysicalMemory;
  #base: number;
  #tlb: number;
  #entryOf: EntryOf;
  /** Slots that may be open, as bits. */
  #open = 0;
  /** What the records of the extents by address are made from; all of them that there are, and perhaps more. */
  #extents: Extent[] = [];
  /** `PhysicalMemory.codeMarks` when they were made. */
  #codeMarks = 0;

  /** @param tlb physical address of the TLB block */
  constructor(memory: PhysicalMemory, tlb: number, entryOf: EntryOf) {
    this.#memory = memory;
    this.#tlb = tlb;
    this.#base = tlb + TLB_WINDOWS;
    this.#entryOf = entryOf;
  }

  /** The address space becomes the active one. @returns its slots that have to be copied to where translated code looks, as bits */
  activate(): number {
    const memory = this.#memory;
    const differing = this.#open | memory.activeWindows;
    memory.activeWindows = this.#extents.length > 0 ? this.#open | SECOND_SLOTS : this.#open;
    return differing;
  }

  #copySlot(slot: number): void {
    const { i32 } = this.#memory;
    const from = (this.#base + slot * WINDOW_SIZE) >> 2;
    const to = (WINDOWS + slot * WINDOW_SIZE) >> 2;
    for (let i = 0; i < WINDOW_SIZE / 4; i++) i32[to + i] = i32[from + i]!;
  }

  /** Whether a page is inside of an open slot that permits the access. */
  holds(slot: number, vpn: number, write: boolean): boolean {
    if ((this.#open & (1 << slot)) === 0) return false;
    const { u32 } = this.#memory;
    const at = (this.#base + slot * WINDOW_SIZE) >> 2;
    if (u32[at + (write ? W_WRITE : W_READ) / 4] === 0) return false;
    const distance = vpn - this.#lowPage(at);
    return distance >= 0 && distance < u32[at + W_PAGES / 4]!;
  }

  isOpen(slot: number): boolean {
    return (this.#open & (1 << slot)) !== 0 && this.#memory.u32[(this.#base + slot * WINDOW_SIZE + W_READ) >> 2] !== 0;
  }

  /** The first page that a slot holds. */
  firstPage(slot: number): number | undefined {
    return this.isOpen(slot) ? this.#lowPage((this.#base + slot * WINDOW_SIZE) >> 2) : undefined;
  }

  /**
   * Makes a slot hold the extent around a page.
   * @param replace the slot may give up another extent for it
   * @returns CLOSED when the page table does not permit the access, or not through a window; TAKEN when the slot has another
   *   extent (which it has given up, with `replace`)
   */
  open(slot: number, vpn: number, write: boolean, replace = false): OpenResult {
    const entry = this.#entryOf(vpn);
    if ((entry & PTE_ANY) === 0 || (write && !this.#isWritable(entry))) return CLOSED;
    const at = (this.#base + slot * WINDOW_SIZE) >> 2;
    // Of what is known already, only what is new needs a look.
    const old = this.#held(slot);
    const known = this.#known();
    if (old !== undefined) known.push(old);
    const extent = this.#around(vpn, entry, known);
    const isTaken = old !== undefined && (old.low < extent.low || old.low >= extent.end);
    if (isTaken && !replace) return TAKEN;
    this.#write(at, extent);
    this.#noteWrites(extent, known);
    this.#open |= 1 << slot;
    if (this.#isActive()) {
      this.#memory.activeWindows |= 1 << slot;
      this.#copySlot(slot);
    }
    return isTaken ? TAKEN : OPENED;
  }

  /**
   * An access was outside of its windows, and the extents by address did not have it: they get what is around the page,
   * when the page table permits the access.
   */
  note(vpn: number, write: boolean): void {
    const entry = this.#entryOf(vpn);
    if ((entry & PTE_ANY) === 0 || (write && !this.#isWritable(entry))) return;
    this.#extents = this.#known();
    const writable = this.#isWritable(entry);
    let extent = this.#extents.find((known) => known.writable === writable && known.low <= vpn && vpn < known.end);
    if (extent === undefined) {
      const { low, end } = (extent = this.#around(vpn, entry, this.#extents));
      this.#noteWrites(extent, this.#extents);
      // It takes the place of its parts.
      this.#extents = this.#extents.filter((known) => known.low < low || known.end > end);
      if (this.#extents.length === MAX_EXTENTS) this.#clearExtents();
      this.#extents.push(extent);
    }
    this.#write((this.#tlb + TLB_EXTENTS + extentIndex(vpn) * WINDOW_SIZE) >> 2, extent);
    if (this.#isActive()) this.#memory.activeWindows |= SECOND_SLOTS;
  }

  /** What the records by address are made from, if no frame has become code since. */
  #known(): Extent[] {
    const { codeMarks } = this.#memory;
    if (this.#codeMarks === codeMarks) return [...this.#extents];
    this.#codeMarks = codeMarks;
    this.#extents.length = 0;
    return [];
  }

  /**
   * All pages around one that have its rights and its distance.
   * @param known extents of this address space: where one of them goes on, its pages need no look
   */
  #around(vpn: number, entry: number, known: readonly Extent[]): Extent {
    const writable = this.#isWritable(entry);
    const delta = (entry >>> FRAME_SHIFT) - vpn;
    const isPart = (other: Extent): boolean => other.delta === delta && other.writable === writable;
    const inside = known.find((other) => other.low <= vpn && vpn < other.end && isPart(other));
    let low = inside?.low ?? vpn;
    let end = inside?.end ?? vpn + 1;
    for (; end - low < MAX_PAGES && this.#fits(end, delta, writable); end++) {
      const part = known.find((other) => other.low === end && isPart(other));
      if (part !== undefined) end = part.end - 1;
    }
    for (; end - low < MAX_PAGES && this.#fits(low - 1, delta, writable); low--) {
      const part = known.find((other) => other.end === low && isPart(other));
      if (part !== undefined) low = part.low + 1;
    }
    return { low, end: Math.min(end, low + MAX_PAGES), writable, delta };
  }

  /** What an open slot holds. */
  #held(slot: number): Extent | undefined {
    if (!this.isOpen(slot)) return undefined;
    const { u32 } = this.#memory;
    const at = (this.#base + slot * WINDOW_SIZE) >> 2;
    const low = this.#lowPage(at);
    const delta = (this.#entryOf(low) >>> FRAME_SHIFT) - low;
    return { low, end: low + u32[at + W_PAGES / 4]!, writable: u32[at + W_WRITE / 4] !== 0, delta };
  }

  /** The frames of a writable extent may be written without a look from now on. @param known for these it was said before */
  #noteWrites({ low, end, writable, delta }: Extent, known: readonly Extent[]): void {
    if (!writable) return;
    for (let page = low; page < end; page++) {
      const part = known.find((other) => other.low === page && other.delta === delta && other.writable);
      if (part !== undefined) page = part.end - 1;
      else this.#memory.noteWriteCached(page + delta);
    }
  }

  #clearExtents(): void {
    if (this.#extents.length === 0) return;
    this.#extents.length = 0;
    clearExtents(this.#memory.u32, this.#tlb);
  }

  /** A page that was absent is there: windows that end at it grow. */
  extend(vpn: number): void {
    const { u32 } = this.#memory;
    for (let open = this.#open; open !== 0; open &= open - 1) {
      const slot = 31 - Math.clz32(open & -open);
      const at = (this.#base + slot * WINDOW_SIZE) >> 2;
      const distance = vpn - this.#lowPage(at);
      if ((distance === u32[at + W_PAGES / 4]! || distance === -1) && u32[at + W_READ / 4] !== 0) {
        this.open(slot, vpn, u32[at + W_WRITE / 4] !== 0);
      }
    }
  }

  /** Closes what holds a page. */
  drop(vpn: number): void {
    let isClosed = false;
    for (let open = this.#open; open !== 0; open &= open - 1) {
      const slot = 31 - Math.clz32(open & -open);
      const at = (this.#base + slot * WINDOW_SIZE) >> 2;
      const distance = vpn - this.#lowPage(at);
      if (distance < 0 || distance >= this.#memory.u32[at + W_PAGES / 4]!) continue;
      this.#close(slot);
      isClosed = true;
    }
    // What the extents still know would keep the window closed: it opens where they are missed, too.
    if (isClosed || this.#extents.some(({ low, end }) => low <= vpn && vpn < end)) this.#clearExtents();
  }

  dropAll(): void {
    for (let slot = 0; slot < WINDOW_COUNT; slot++) if (this.#open & (1 << slot)) this.#close(slot);
    this.#clearExtents();
  }

  #close(slot: number): void {
    this.#open &= ~(1 << slot);
    const { u32 } = this.#memory;
    const from = (this.#base + slot * WINDOW_SIZE) >> 2;
    u32.fill(0, from, from + WINDOW_SIZE / 4);
    if (!this.#isActive()) return;
    const to = (WINDOWS + slot * WINDOW_SIZE) >> 2;
    u32.fill(0, to, to + WINDOW_SIZE / 4);
  }

  #isActive(): boolean {
    return this.#memory.u32[TLB >> 2] === this.#tlb;
  }

  #lowPage(at: number): number {
    const { u32, i32 } = this.#memory;
    return i32[at + 1]! * TWO_20 + (u32[at]! >>> 12);
  }

  #isWritable(entry: number): boolean {
    return (entry & PTE_WRITE) !== 0 && !this.#memory.isCode(entry >>> FRAME_SHIFT);
  }

  #fits(vpn: number, delta: number, writable: boolean): boolean {
    const entry = this.#entryOf(vpn);
    if ((entry & PTE_ANY) === 0 || entry >>> FRAME_SHIFT !== vpn + delta) return false;
    return !writable || this.#isWritable(entry);
  }

  #write(at: number, { low, end, writable, delta }: Extent): void {
    const pages = end - low;
    const { u32, i32 } = this.#memory;
    const bytes = pages * PAGE_SIZE;
    i32[at + 1] = Math.floor(low / TWO_20);
    u32[at] = (low - Math.floor(low / TWO_20) * TWO_20) * PAGE_SIZE;
    u32[at + W_READ / 4] = bytes - NARROW_SPAN + 1;
    u32[at + W_READ_WIDE / 4] = bytes - WIDE_SPAN + 1;
    u32[at + W_WRITE / 4] = writable ? bytes - NARROW_SPAN + 1 : 0;
    u32[at + W_WRITE_WIDE / 4] = writable ? bytes - WIDE_SPAN + 1 : 0;
    // Both are whole numbers far below 2^53; what counts are the low 32 bits.
    u32[at + W_DELTA / 4] = (delta - Math.floor(delta / TWO_20) * TWO_20) * PAGE_SIZE;
    u32[at + W_PAGES / 4] = pages;
  }
}

/**
 * Closes for writing the windows of a TLB block (and of WINDOWS, when it is the active one) that hold a frame, and empties
 * its extents by address.
 */
export function evictFrame(u32: Uint32Array, tlb: number, frame: number): void {
  clearExtents(u32, tlb);
  closeWrites(u32, tlb + TLB_WINDOWS, frame);
  // Regions rely on what they have checked until they are left; also those of a run that is put aside.
  u32[RESYNC >> 2] = 1;
  if (u32[TLB >> 2] === tlb) closeWrites(u32, WINDOWS, frame);
}

/** Empties the extents by address, and takes away what translated code has copied from them. */
function clearExtents(u32: Uint32Array, tlb: number): void {
  const first = (tlb + TLB_EXTENTS) >>> 2;
  u32.fill(0, first, first + (EXTENT_ENTRIES * WINDOW_SIZE) / 4);
  if (u32[TLB >> 2] !== tlb) return;
  const own = (tlb + TLB_WINDOWS) >>> 2;
  u32.copyWithin((WINDOWS + SECOND_WINDOW) >> 2, own + SECOND_WINDOW / 4, own + WINDOW_BYTES / 4);
}

function closeWrites(u32: Uint32Array, base: number, frame: number): void {
  for (let slot = 0; slot < WINDOW_COUNT; slot++) {
    const at = (base + slot * WINDOW_SIZE) >> 2;
    if (u32[at + W_WRITE / 4] === 0) continue;
    const first = ((u32[at + W_LOW / 4]! + u32[at + W_DELTA / 4]!) >>> 0) / PAGE_SIZE;
    if (frame < first || frame >= first + u32[at + W_PAGES / 4]!) continue;
    u32[at + W_WRITE / 4] = 0;
    u32[at + W_WRITE_WIDE / 4] = 0;
  }
}
