/**
 * Loaded objects: where in the module area their segments lie, and the pages that hold them. Text can be read and executed,
 * constants read, data written; nothing is writable and executable.
 */
import { ENOMEM, type Err, fail, isErr } from '../../abi/errno.js';
import { PTE_READ } from '../../cpu/index.js';
import type { LinkedObject, LinkedSegment } from '../../elf/link/link.js';
import { PAGE_SIZE } from '../mm/layout.js';
import { MODULES_END, MODULES_START } from './layout.js';
import type { Owned, Owner } from './owner.js';
import { type KernelSpace, RW, RX } from './space.js';
import type { SymbolIndex, SymbolRange } from './symbols.js';

/** Bytes of each segment. */
export interface SegmentSizes {
  readonly text: number;
  readonly rodata: number;
  readonly data: number;
}

/** Where each begins: signed addresses, multiples of a page. */
export type SegmentBases = SegmentSizes;

const pagesOf = (bytes: number): number => Math.ceil(bytes / PAGE_SIZE);
const MODULE_PAGES = (MODULES_END - MODULES_START) / PAGE_SIZE;

/** Addresses of one module. */
class Reservation implements Owned {
  readonly first: number;
  readonly pages: number;
  readonly #area: ModuleArea;

  constructor(area: ModuleArea, first: number, pages: number) {
    this.#area = area;
    this.first = first;
    this.pages = pages;
  }

  release(): void {
    this.#area.forget(this);
  }
}

export class ModuleArea {
  /** Ascending. */
  readonly #taken: Reservation[] = [];

  /** First fit, with a page that is not there behind each segment. */
  reserve(owner: Owner, sizes: SegmentSizes): SegmentBases | Err {
    const text = pagesOf(sizes.text) + 1;
    const rodata = pagesOf(sizes.rodata) + 1;
    const pages = text + rodata + pagesOf(sizes.data) + 1;
    let first = 0;
    let at = 0;
    for (; at < this.#taken.length; at++) {
      const next = this.#taken[at]!;
      if (first + pages <= next.first) break;
      first = next.first + next.pages;
    }
    if (first + pages > MODULE_PAGES) return fail(ENOMEM);
    this.#taken.splice(at, 0, owner.add(new Reservation(this, first, pages)));
    const base = MODULES_START + first * PAGE_SIZE;
    return { text: base, rodata: base + text * PAGE_SIZE, data: base + (text + rodata) * PAGE_SIZE };
  }

  forget(reservation: Reservation): void {
    const index = this.#taken.indexOf(reservation);
    if (index >= 0) this.#taken.splice(index, 1);
  }
}

export class Instance implements Owned {
  readonly owner: Owner;
  readonly linked: LinkedObject;
  /** Lowest address. */
  readonly base: number;
  /** Bytes of memory, whole pages. */
  readonly size: number;
  readonly #space: KernelSpace;
  readonly #symbols: SymbolIndex;
  readonly #ranges: SymbolRange[];

  /** Maps and fills the segments. @returns -ENOMEM */
  static create(space: KernelSpace, symbols: SymbolIndex, owner: Owner, linked: LinkedObject): Instance | Err {
    const mapped: LinkedSegment[] = [];
    for (const [segment, rights] of segmentsOf(linked)) {
      const failed = space.map(segment.address, pagesOf(segment.size), rights);
      if (isErr(failed)) {
        for (const { address, size } of mapped) space.unmap(address, pagesOf(size));
        return failed;
      }
      mapped.push(segment);
      space.install(segment.address, segment.bytes);
    }
    return new Instance(space, symbols, owner, linked);
  }

  private constructor(space: KernelSpace, symbols: SymbolIndex, owner: Owner, linked: LinkedObject) {
    this.#space = space;
    this.#symbols = symbols;
    this.owner = owner;
    this.linked = linked;
    const segments = segmentsOf(linked).map(([segment]) => segment);
    this.base = Math.min(...segments.map(({ address }) => address));
    this.size = segments.reduce((sum, { size }) => sum + pagesOf(size) * PAGE_SIZE, 0);
    const sorted = [...linked.symbols].sort((a, b) => a.address - b.address);
    this.#ranges = segments.map(({ address, size }) => ({
      module: owner.name,
      start: address,
      end: address + size,
      symbols: sorted.filter((symbol) => symbol.address >= address && symbol.address < address + size),
      owner,
      isCode: address === linked.segments.text.address,
    }));
    for (const range of this.#ranges) symbols.add(range);
  }

  release(): void {
    for (const range of this.#ranges) this.#symbols.remove(range);
    for (const [{ address, size }] of segmentsOf(this.linked)) this.#space.unmap(address, pagesOf(size));
  }
}

const segmentsOf = ({ segments: { text, rodata, data } }: LinkedObject): (readonly [LinkedSegment, number])[] => [
  [text, RX],
  [rodata, PTE_READ],
  [data, RW],
];
