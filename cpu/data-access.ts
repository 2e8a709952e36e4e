/**
 * Accesses to memory that the inline look-up of emitted code does not find: pages entered into the TLB, accesses over two
 * pages, watched pages, addresses that are none.
 */
import type { CpuHooks } from './cpu.js';
import { pageFault } from './exceptions.js';
import { EXIT_FAULT, TRAP_GP, TRAP_SS } from './exits.js';
import { PTE_READ, PTE_WRITE } from './page-table.js';
import { R_BASE, R_INDEX, R_SEGMENT } from './record.js';
import { isCanonical, type RunState, TWO_32 } from './run-state.js';
import {
  FS_BASE,
  GS_BASE,
  PAGE_SIZE,
  RBP,
  RESYNC,
  RSP,
  SLOW_EA,
  SPLIT_FIRST,
  SPLIT_FIRST_SIZE,
  SPLIT_READ,
  SPLIT_SECOND,
  SPLIT_SIZE,
  SPLIT_WRITE,
  TLB_WRITE,
  ZERO,
} from './state.js';
import { PROBE_ALIGNED, PROBE_STACK, PROBE_WRITE } from './tier0/frame.js';
import type { WatchedAccess } from './watched-access.js';

export class DataAccess {
  misses = 0;
  readonly #run: RunState;
  readonly #hooks: CpuHooks;
  readonly #watched: WatchedAccess;
  readonly #trap: (vector: number, record: number) => void;

  /** @param trap raises an exception at an instruction */
  constructor(run: RunState, hooks: CpuHooks, watched: WatchedAccess, trap: (vector: number, record: number) => void) {
    this.#run = run;
    this.#hooks = hooks;
    this.#watched = watched;
    this.#trap = trap;
  }

  /**
   * The access at SLOW_EA. One over two pages is a copy in a buffer, which `commit` writes back.
   * @param info size in bytes and PROBE_*
   * @returns its physical address; 0 after raising a fault
   */
  slow(info: number, record: number): number {
    const pc = record >>> 0;
    const { memory } = this.#run;
    const low = memory.i32[SLOW_EA >> 2]!;
    const high = memory.i32[(SLOW_EA >> 2) + 1]!;
    const size = info & 0xfff;
    const write = (info & PROBE_WRITE) !== 0;
    this.misses++;
    if (info & PROBE_ALIGNED && low & (size - 1)) {
      this.#trap(TRAP_GP, pc);
      return 0;
    }
    const offset = low & (PAGE_SIZE - 1);
    // The last byte counts, too: an access can run from the lower half into the hole.
    if (!isCanonical(high) || (high === 0x7fff && ((low + size - 1) | 0) >= 0 && low < 0)) {
      this.#trap(info & PROBE_STACK || this.#usesStackSegment(pc) ? TRAP_SS : TRAP_GP, pc);
      return 0;
    }
    const access = write ? PTE_WRITE : PTE_READ;
    const { marks } = this.#run.pageTable!;
    if (marks !== null && this.#watched.begin(marks, this.#run.read64(SLOW_EA), size, write)) {
      // It is looked at when the instruction is over.
      memory.u32[RESYNC >> 2] = 1;
    }
    if (offset + size <= PAGE_SIZE) {
      const page = this.#page(low, high, access, pc);
      return page === 0 ? 0 : page + offset;
    }
    return this.#split(low, high, size, access, pc);
  }

  /** Writes the buffer of an access over two pages back. */
  commit(): void {
    const { u8, u32 } = this.#run.memory;
    const head = u32[SPLIT_FIRST_SIZE >> 2]!;
    u8.copyWithin(u32[SPLIT_FIRST >> 2]!, SPLIT_WRITE, SPLIT_WRITE + head);
    u8.copyWithin(u32[SPLIT_SECOND >> 2]!, SPLIT_WRITE + head, SPLIT_WRITE + u32[SPLIT_SIZE >> 2]!);
  }

  /** rsp and rbp as base select the stack segment, unless an override says otherwise. */
  #usesStackSegment(pc: number): boolean {
    const { u16 } = this.#run.memory;
    const base = u16[(pc + R_BASE) >> 1]!;
    if (base !== RSP && base !== RBP) return false;
    const segment = u16[(pc + R_SEGMENT) >> 1]!;
    const index = u16[(pc + R_INDEX) >> 1]!;
    return segment === ZERO && index !== FS_BASE && index !== GS_BASE;
  }

  #split(low: number, high: number, size: number, access: number, pc: number): number {
    const offset = low & (PAGE_SIZE - 1);
    const head = PAGE_SIZE - offset;
    const nextLow = (low + head) | 0;
    const nextHigh = nextLow === 0 ? (high + 1) | 0 : high;
    // The second translation may run a hook that replaces the first page: ask again until both hold.
    let first = 0;
    let second = 0;
    for (let again = true; again; ) {
      first = this.#page(low, high, access, pc);
      if (first === 0) return 0;
      second = this.#page(nextLow, nextHigh, access, pc);
      if (second === 0) return 0;
      again = this.#page(low, high, access, pc) !== first;
    }
    const { u8, u32 } = this.#run.memory;
    const buffer = access === PTE_WRITE ? SPLIT_WRITE : SPLIT_READ;
    u8.copyWithin(buffer, first + offset, first + PAGE_SIZE);
    u8.copyWithin(buffer + head, second, second + size - head);
    if (access === PTE_WRITE) {
      u32[SPLIT_FIRST >> 2] = first + offset;
      u32[SPLIT_SECOND >> 2] = second;
      u32[SPLIT_FIRST_SIZE >> 2] = head;
      u32[SPLIT_SIZE >> 2] = size;
    }
    return buffer;
  }

  /** Physical address of the page of a canonical address (halves), entered into the TLB; 0 after raising a fault. */
  #page(low: number, high: number, access: number, pc: number): number {
    const run = this.#run;
    for (;;) {
      const pageTable = run.pageTable!;
      const entry = pageTable.entryAt(low, high);
      // As on the hardware, whatever has any right can be read.
      if (entry !== 0 && (access === PTE_READ ? (entry & 7) !== 0 : (entry & access) !== 0)) {
        const frame = entry >>> 3;
        if (access === PTE_WRITE) {
          run.memory.willWrite(frame);
          run.memory.noteWriteCached(frame);
        }
        const page = low & -PAGE_SIZE;
        if (pageTable.marks?.isWatched(high * 2 ** 20 + (low >>> 12)) !== true) {
          pageTable.fill(access === PTE_WRITE ? TLB_WRITE : 0, page, high, frame * PAGE_SIZE - page, frame);
        }
        return frame * PAGE_SIZE;
      }
      run.setRip(pc);
      if (pageFault(run, this.#hooks, high * TWO_32 + (low >>> 0), access, entry)) continue;
      run.leave(EXIT_FAULT, run.restAt(pc));
      return 0;
    }
  }
}
