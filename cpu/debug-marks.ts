/**
 * What a debugger wants to be told of in one address space: instructions that are about to execute, and accesses to
 * memory. Plain sets, never changed once a page table has them (`Cpu.mark` replaces them).
 *
 * How they work, without any cost where there are none: the page table forgets all that is cached of the space, so that
 * everything passes the slow ways once. There a page with a breakpoint gets records that trap at it (`CodeCache`), a region
 * of translated code that contains it is dropped and not made again with it (`InstalledRegions`, `CodeReader`), and a page
 * with a watchpoint stays out of the TLB and of windows, so that each access to it is looked at (`Engine`).
 */
import { PAGE_SIZE } from './state.js';

export interface Watchpoint {
  /** Signed, as all addresses. */
  readonly address: number;
  /** Bytes. */
  readonly length: number;
  /** Reads count, too. */
  readonly reads: boolean;
}

export class DebugMarks {
  readonly breakpoints: ReadonlySet<number>;
  readonly watchpoints: readonly Watchpoint[];
  /** Offsets of the breakpoints in each page. */
  readonly #offsets = new Map<number, Set<number>>();
  readonly #watched = new Set<number>();

  constructor(breakpoints: Iterable<number>, watchpoints: Iterable<Watchpoint>) {
    this.breakpoints = new Set(breakpoints);
    this.watchpoints = [...watchpoints];
    for (const address of this.breakpoints) {
      const vpn = Math.floor(address / PAGE_SIZE);
      const offsets = this.#offsets.get(vpn) ?? new Set();
      this.#offsets.set(vpn, offsets.add(address - vpn * PAGE_SIZE));
    }
    for (const { address, length } of this.watchpoints) {
      for (let vpn = Math.floor(address / PAGE_SIZE); vpn * PAGE_SIZE < address + length; vpn++) this.#watched.add(vpn);
    }
  }

  /** Pages with breakpoints. */
  get pages(): Iterable<number> {
    return this.#offsets.keys();
  }

  /** Of the breakpoints in a page; undefined without. */
  offsetsIn(vpn: number): ReadonlySet<number> | undefined {
    return this.#offsets.get(vpn);
  }

  isWatched(vpn: number): boolean {
    return this.#watched.has(vpn);
  }

  /** The watchpoint that an access concerns. @param end exclusive */
  watching(start: number, end: number, write: boolean): Watchpoint | undefined {
    return this.watchpoints.find(
      ({ address, length, reads }) => (write || reads) && start < address + length && end > address,
    );
  }
}
