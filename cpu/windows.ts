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
/** Records by address that are cleared one by one when the address space goes. */
const MOST_NOTED = 64;
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

const isPart = (extent: Extent, vpn: number, delta: number, writable: boolean): boolean =>
  extent.low <= vpn && vpn < extent.end && extent.delta === delta && extent.writable === writable;

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
  readonly #extents: Extent[] = [];
  /** `PhysicalMemory.codeMarks` when they were made. */
  #codeMarks = 0;
  /** Some slot has been open. */
  #wasOpen = false;
  /** Records of extents by address that were written, as indices of words, as long as they are few. */
  readonly #noted: number[] = [];

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
    this.#forgetOld();
    const extent = this.#around(vpn, entry, old);
    const isTaken = old !== undefined && (old.low < extent.low || old.low >= extent.end);
    if (isTaken && !replace) return TAKEN;
    this.#write(at, extent);
    this.#noteWrites(extent, old);
    this.#open |= 1 << slot;
    this.#wasOpen = true;
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
    this.#forgetOld();
    const writable = this.#isWritable(entry);
    let extent = this.#partAt(vpn, (entry >>> FRAME_SHIFT) - vpn, writable, undefined);
    if (extent === undefined) {
      extent = this.#around(vpn, entry, undefined);
      this.#noteWrites(extent, undefined);
      this.#dropParts(extent);
      if (this.#extents.length === MAX_EXTENTS) this.#clearExtents();
      this.#extents.push(extent);
    }
    const at = (this.#tlb + TLB_EXTENTS + extentIndex(vpn) * WINDOW_SIZE) >> 2;
    if (this.#noted.length < MOST_NOTED) this.#noted.push(at);
    this.#write(at, extent);
    if (this.#isActive()) this.#memory.activeWindows |= SECOND_SLOTS;
  }

  /** What the records by address are made from holds while no frame becomes code. */
  #forgetOld(): void {
    const { codeMarks } = this.#memory;
    if (this.#codeMarks === codeMarks) return;
    this.#codeMarks = codeMarks;
    this.#extents.length = 0;
  }

  /** The extent that is known to hold a page with these rights and this distance. @param old one more that is known */
  #partAt(vpn: number, delta: number, writable: boolean, old: Extent | undefined): Extent | undefined {
    if (old !== undefined && isPart(old, vpn, delta, writable)) return old;
    const extents = this.#extents;
    for (let i = 0; i < extents.length; i++) if (isPart(extents[i]!, vpn, delta, writable)) return extents[i];
    return undefined;
  }

  /** An extent takes the place of its parts. */
  #dropParts({ low, end }: Extent): void {
    const extents = this.#extents;
    let kept = 0;
    for (let i = 0; i < extents.length; i++) {
      const known = extents[i]!;
      if (known.low < low || known.end > end) extents[kept++] = known;
    }
    extents.length = kept;
  }

  /**
   * All pages around one that have its rights and its distance. Where an extent that is known goes on, its pages need no look.
   * @param old one more that is known
   */
  #around(vpn: number, entry: number, old: Extent | undefined): Extent {
    const writable = this.#isWritable(entry);
    const delta = (entry >>> FRAME_SHIFT) - vpn;
    const inside = this.#partAt(vpn, delta, writable, old);
    let low = inside === undefined ? vpn : inside.low;
    let end = inside === undefined ? vpn + 1 : inside.end;
    for (; end - low < MAX_PAGES && this.#fits(end, delta, writable); end++) {
      const part = this.#partAt(end, delta, writable, old);
      if (part !== undefined) end = part.end - 1;
    }
    for (; end - low < MAX_PAGES && this.#fits(low - 1, delta, writable); low--) {
      const part = this.#partAt(low - 1, delta, writable, old);
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

  /** The frames of a writable extent may be written without a look from now on. @param old for it, too, that was said before */
  #noteWrites({ low, end, writable, delta }: Extent, old: Extent | undefined): void {
    if (!writable) return;
    for (let page = low; page < end; page++) {
      const part = this.#partAt(page, delta, true, old);
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
    if (isClosed || this.#hasExtentAt(vpn)) this.#clearExtents();
  }

  #hasExtentAt(vpn: number): boolean {
    for (const { low, end } of this.#extents) if (low <= vpn && vpn < end) return true;
    return false;
  }

  /** The address space is gone: what was written to its TLB block becomes zero. @returns false: so much that it was left */
  clear(): boolean {
    if (this.#noted.length === MOST_NOTED) return false;
    const { u32 } = this.#memory;
    for (const at of this.#noted) u32.fill(0, at, at + WINDOW_SIZE / 4);
    if (this.#wasOpen) u32.fill(0, this.#base >> 2, (this.#base + WINDOW_BYTES) >> 2);
    return true;
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
