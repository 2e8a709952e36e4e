/**
 * The page table of one address space: the truth about which virtual page is which frame with which rights, and
 * the owner of the TLB block (read, write, instruction) that emitted code consults. Every change drops the cached
 * translation of its page. Mapped frames are not referenced from here: their owner does that. No locks.
 *
 * A map of leaves for 2 MiB each, with 512 entries `frame << 3 | prot`; 0 is absent.
 */
import { ENOMEM, type Err, fail } from '../abi/errno.js';
import type { DebugMarks } from './debug-marks.js';
import type { PhysicalMemory } from './physical-memory.js';
import {
  emptyTag,
  MARKED_ENTRIES,
  PAGE_SIZE,
  RESYNC,
  TLB_EXEC,
  TLB_FRAMES,
  TLB_WRITE,
  tlbIndex,
  VALIDITY,
  VALIDITY_BYTES,
} from './state.js';
import { Windows } from './windows.js';

/** Rights of a page, as bits; also the kind of an access. */
export const PTE_READ = 1;
export const PTE_WRITE = 2;
export const PTE_EXEC = 4;

const PROT_MASK = 7;
const FRAME_SHIFT = 3;
const LEAF_PAGES = 512;
const LEAF_MASK = LEAF_PAGES - 1;
/** Leaves are numbered by 27 bits, so that a page has one whether its number is signed or not. */
const LEAF_NUMBER = 0x7ffffff;
const TLB_PARTS = [0, TLB_WRITE, TLB_EXEC];
/** A TLB that had so many entries filled is cleared as a whole. */
const MOST_FILLED = 256;

interface Leaf {
  readonly entries: Uint32Array;
  /** Entries outside of [low, end) are 0. */
  low: number;
  end: number;
}

/** Zeroed leaves of tables that are gone: processes come and go, and making an array costs more than clearing one. */
const spareLeaves: Leaf[] = [];
const MOST_SPARE_LEAVES = 64;

export class PageTable {
  /** Physical address of the TLB block (see state.ts). */
  readonly tlb: number;
  readonly windows: Windows;
  /** Leaves of 512 pages that the table has. */
  leaves = 0;
  /** Until `dispose`. */
  isLive = true;
  /** How often a page that can be executed has gone, or become another. */
  codeChanges = 0;
  #memory: PhysicalMemory;
  #leaves = new Map<number, Leaf>();
  #lastIndex = -1;
  #lastLeaf: Leaf | undefined;
  #tlbFrame: number;
  /** Some region has been found to have its code here; since the last change of code, and ever. */
  #hasValid = false;
  #hadValid = false;
  /** Entries of the TLB that were filled, as indices of words, as long as they are few. */
  readonly #filled: number[] = [];
  #marks: DebugMarks | null = null;

  /** @returns -ENOMEM when there are no frames for the TLB */
  static create(memory: PhysicalMemory): PageTable | Err {
    const frame = memory.allocRun(TLB_FRAMES);
    return frame === 0 ? fail(ENOMEM) : new PageTable(memory, frame);
  }

  private constructor(memory: PhysicalMemory, tlbFrame: number) {
    this.#memory = memory;
    this.#tlbFrame = tlbFrame;
    this.tlb = tlbFrame * PAGE_SIZE;
    memory.tlbBlocks.push(this.tlb);
    this.windows = new Windows(memory, this.tlb, (vpn) =>
      this.#marks?.isWatched(vpn) === true ? 0 : this.entryOf(vpn),
    );
    this.#mark(); // the frames are zero
  }

  /** Maps a page, replacing what was there. @param vpn virtual address / 4096, rounded down: below 0 in the kernel's half */
  set(vpn: number, frame: number, prot: number): void {
    const leaf = this.#leafForWrite(vpn);
    const at = vpnLow(vpn) & LEAF_MASK;
    const old = leaf.entries[at]!;
    leaf.entries[at] = (frame << FRAME_SHIFT) | prot;
    if (at < leaf.low) leaf.low = at;
    if (at >= leaf.end) leaf.end = at + 1;
    // Nothing is cached of a page that was absent.
    if (old === 0) this.windows.extend(vpn);
    else this.#drop(vpn, old);
  }

  clear(vpn: number): void {
    const leaf = this.#leaf(leafOf(vpn));
    if (leaf === undefined) return;
    const at = vpnLow(vpn) & LEAF_MASK;
    const old = leaf.entries[at]!;
    leaf.entries[at] = 0;
    this.#drop(vpn, old);
  }

  /** Changes the rights of a present page; nothing when it is absent. */
  protect(vpn: number, prot: number): void {
    const leaf = this.#leaf(leafOf(vpn));
    const at = vpnLow(vpn) & LEAF_MASK;
    const entry = leaf?.entries[at] ?? 0;
    if (entry === 0) return;
    leaf!.entries[at] = (entry & ~PROT_MASK) | prot;
    this.#drop(vpn, entry);
  }

  /** 0 when absent. */
  frameOf(vpn: number): number {
    return this.entryOf(vpn) >>> FRAME_SHIFT;
  }

  /** 0 when absent or without any right. */
  protOf(vpn: number): number {
    return this.entryOf(vpn) & PROT_MASK;
  }

  /** `frame << 3 | prot`, 0 when absent. */
  entryOf(vpn: number): number {
    return this.#leaf(leafOf(vpn))?.entries[vpnLow(vpn) & LEAF_MASK] ?? 0;
  }

  /** As `entryOf`, by the halves of a canonical address. */
  entryAt(low: number, high: number): number {
    return this.#leaf(((high & 0xffff) << 11) | (low >>> 21))?.entries[(low >>> 12) & LEAF_MASK] ?? 0;
  }

  /**
   * Enters a page into the TLB. @param part 0 for reads, TLB_WRITE or TLB_EXEC @param low, high halves of the page's address
   * @param value what the part's look-up adds or finds: see state.ts
   */
  fill(part: number, low: number, high: number, value: number, frame: number): void {
    const { i32 } = this.#memory;
    const at = (this.tlb + part + tlbIndex((low >>> 12) | (high << 20)) * 16) >>> 2;
    i32[at] = low;
    i32[at + 1] = high;
    i32[at + 2] = value;
    i32[at + 3] = frame;
    if (this.#filled.length < MOST_FILLED) this.#filled.push(at);
  }

  /** Visits the present pages of [fromVpn, toVpn) in ascending order. The visitor may change the visited page only. */
  forEach(fromVpn: number, toVpn: number, visit: (vpn: number, frame: number, prot: number) => void): void {
    const first = leafOf(fromVpn);
    const last = leafOf(toVpn - 1);
    if (last - first <= this.#leaves.size) {
      for (let index = first; index <= last; index++) {
        const leaf = this.#leaves.get(index);
        if (leaf !== undefined) visitLeaf(leaf, index * LEAF_PAGES, fromVpn, toVpn, visit);
      }
      return;
    }
    const within = [...this.#leaves.keys()].filter((index) => index >= first && index <= last);
    for (const index of within.sort((a, b) => a - b)) {
      visitLeaf(this.#leaves.get(index)!, index * LEAF_PAGES, fromVpn, toVpn, visit);
    }
  }

  /** The first present page of [fromVpn, toVpn); `toVpn` when there is none. */
  firstPresent(fromVpn: number, toVpn: number): number {
    let vpn = fromVpn;
    while (vpn < toVpn) {
      const leaf = this.#leaf(leafOf(vpn));
      const start = vpn - (vpnLow(vpn) & LEAF_MASK);
      if (leaf !== undefined) {
        const end = Math.min(leaf.end, toVpn - start);
        for (let i = Math.max(vpn - start, leaf.low); i < end; i++) if (leaf.entries[i] !== 0) return start + i;
      }
      vpn = start + LEAF_PAGES;
      if (toVpn - vpn > LEAF_PAGES * this.#leaves.size) vpn = this.#firstLeaf(vpn, toVpn);
    }
    return toVpn;
  }

  /** The first page of [fromVpn, toVpn) that has a leaf, where leaves are few in it. */
  #firstLeaf(fromVpn: number, toVpn: number): number {
    let first = toVpn;
    const from = leafOf(fromVpn);
    for (const index of this.#leaves.keys()) {
      if (index >= from && index * LEAF_PAGES < first) first = index * LEAF_PAGES;
    }
    return Math.max(first, fromVpn);
  }

  /** What a debugger wants to be told of; null: nothing. */
  get marks(): DebugMarks | null {
    return this.#marks;
  }

  /** For `Engine.mark`, which sees to the records. */
  set marks(marks: DebugMarks | null) {
    this.#marks = marks;
    this.flush();
  }

  /** Forgets every cached translation. */
  flush(): void {
    const { u32 } = this.#memory;
    const first = this.tlb >>> 2;
    u32.fill(0, first, first + (TLB_FRAMES * PAGE_SIZE) / 4);
    this.#mark();
    this.windows.dropAll();
    this.#invalidate();
    u32[RESYNC >>> 2] = 1;
  }

  isValid(region: number): boolean {
    return this.#memory.u8[this.tlb + VALIDITY + region] === 1;
  }

  /** Notes that the code of a region is here as it was translated; holds until an executable page changes. */
  setValid(region: number): void {
    this.#hasValid = true;
    this.#hadValid = true;
    this.#memory.u8[this.tlb + VALIDITY + region] = 1;
  }

  /**
   * Takes all pages out of a table that is about to be disposed of: no guest uses it any more, so that nothing cached has to be
   * forgotten.
   * @param visit gets the frame of each; does not touch the table
   */
  clearAll(visit: (frame: number) => void): void {
    for (const { entries, low, end } of this.#leaves.values()) {
      for (let i = low; i < end; i++) if (entries[i] !== 0) visit(entries[i]! >>> FRAME_SHIFT);
    }
    this.#dropLeaves();
  }

  /** Frees the frames of the table itself, not the mapped ones. The object is dead afterwards. */
  dispose(): void {
    this.isLive = false;
    this.#marks = null;
    const { tlbBlocks } = this.#memory;
    const last = tlbBlocks.pop()!;
    if (last !== this.tlb) tlbBlocks[tlbBlocks.indexOf(this.tlb)] = last;
    this.#dropLeaves();
    const isZero = this.#clear();
    for (let i = 0; i < TLB_FRAMES; i++) this.#memory.unref(this.#tlbFrame + i, isZero);
  }

  /**
   * Makes the TLB block zero again, as the next one has to be: a process that ends soon has written little of it.
   * @returns false: it was left as it is, because it would all have to be cleared
   */
  #clear(): boolean {
    if (this.#filled.length === MOST_FILLED || !this.windows.clear()) return false;
    const { u32, u8 } = this.#memory;
    for (const at of this.#filled) u32.fill(0, at, at + 4);
    for (const part of TLB_PARTS) for (const entry of MARKED_ENTRIES) u32[((this.tlb + part) >>> 2) + entry * 4] = 0;
    if (this.#hadValid) u8.fill(0, this.tlb + VALIDITY, this.tlb + VALIDITY + VALIDITY_BYTES);
    return true;
  }

  #dropLeaves(): void {
    for (const leaf of this.#leaves.values()) {
      if (spareLeaves.length >= MOST_SPARE_LEAVES) break;
      if (leaf.low < leaf.end) leaf.entries.fill(0, leaf.low, leaf.end);
      leaf.low = LEAF_PAGES;
      leaf.end = 0;
      spareLeaves.push(leaf);
    }
    this.#leaves.clear();
    this.#lastIndex = -1;
    this.#lastLeaf = undefined;
    this.#memory.tableLeaves -= this.leaves;
    this.leaves = 0;
  }

  /** Whether `set` of this page makes a leaf. */
  needsLeaf(vpn: number): boolean {
    return this.#leaf(leafOf(vpn)) === undefined;
  }

  /** @param index 27-bit number of a leaf */
  #leaf(index: number): Leaf | undefined {
    if (index !== this.#lastIndex) {
      this.#lastLeaf = this.#leaves.get(index);
      this.#lastIndex = index;
    }
    return this.#lastLeaf;
  }

  #leafForWrite(vpn: number): Leaf {
    const index = leafOf(vpn);
    const known = this.#leaf(index);
    if (known !== undefined) return known;
    const leaf = spareLeaves.pop() ?? { entries: new Uint32Array(LEAF_PAGES), low: LEAF_PAGES, end: 0 };
    this.#leaves.set(index, leaf);
    this.leaves++;
    this.#memory.tableLeaves++;
    this.#lastLeaf = leaf;
    return leaf;
  }

  /** Makes zeroed entries empty ones. */
  #mark(): void {
    const { u32 } = this.#memory;
    for (const part of TLB_PARTS) {
      for (const entry of MARKED_ENTRIES) u32[((this.tlb + part) >>> 2) + entry * 4] = emptyTag(entry);
    }
  }

  #invalidate(): void {
    this.codeChanges++;
    if (!this.#hasValid) return;
    this.#hasValid = false;
    this.#memory.u8.fill(0, this.tlb + VALIDITY, this.tlb + VALIDITY + VALIDITY_BYTES);
    this.#memory.u32[RESYNC >>> 2] = 1;
  }

  /** @param old entry of the page before it changed */
  #drop(vpn: number, old: number): void {
    if (old !== 0) {
      // Regions rely on what they have checked until they are left.
      this.#memory.u32[RESYNC >>> 2] = 1;
      this.windows.drop(vpn);
      if (old & PTE_EXEC) this.#invalidate();
    }
    const { u32 } = this.#memory;
    const index = tlbIndex(vpn);
    const empty = emptyTag(index);
    const at = (this.tlb >>> 2) + index * 4;
    u32[at] = empty;
    u32[at + 1] = 0;
    u32[at + TLB_WRITE / 4] = empty;
    u32[at + TLB_WRITE / 4 + 1] = 0;
    u32[at + TLB_WRITE / 4 + 3] = 0;
    if (u32[at + TLB_EXEC / 4 + 2] === 0) return;
    u32[at + TLB_EXEC / 4] = empty;
    u32[at + TLB_EXEC / 4 + 1] = 0;
    u32[at + TLB_EXEC / 4 + 2] = 0;
    u32[RESYNC >>> 2] = 1;
  }
}

/** The low 20 bits of a page number. Page numbers are doubles: `%` on them is slow. */
function vpnLow(vpn: number): number {
  return vpn - Math.floor(vpn / 2 ** 20) * 2 ** 20;
}

/** Number of the leaf of a page, 27 bits. */
function leafOf(vpn: number): number {
  return Math.floor(vpn / LEAF_PAGES) & LEAF_NUMBER;
}

function visitLeaf(
  { entries, low, end: behind }: Leaf,
  leafStart: number,
  fromVpn: number,
  toVpn: number,
  visit: (vpn: number, frame: number, prot: number) => void,
): void {
  const end = Math.min(behind, toVpn - leafStart);
  for (let i = Math.max(low, fromVpn - leafStart); i < end; i++) {
    const entry = entries[i]!;
    if (entry !== 0) visit(leafStart + i, entry >>> FRAME_SHIFT, entry & PROT_MASK);
  }
}
