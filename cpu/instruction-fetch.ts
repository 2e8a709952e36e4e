/** Where execution goes on: from an address to the record of the instruction there, decoded and entered into the TLB at need. */
import { SI_KERNEL, SIGKILL, SIGSEGV } from '../abi/signal.js';
import type { CodeCache, CodePage } from './code-cache.js';
import type { CpuHooks } from './cpu.js';
import { pageFault } from './exceptions.js';
import { EXIT_FAULT, TRAP_GP, TRAP_PF } from './exits.js';
import { PTE_EXEC } from './page-table.js';
import { R_OFF, R_OP } from './record.js';
import { isCanonical, type RunState, TWO_32 } from './run-state.js';
import { FUEL, PAGE_SIZE, PAGE_VA, RESYNC, RIP, SLOW_EA, TLB, TLB_EXEC, tlbIndex } from './state.js';

/** Who else has to know of pages of code. */
export interface FetchEvents {
  /** The number of the pseudo-record that ends what was decoded in one go. */
  readonly opMore: number;
  /** All records go, for want of memory. */
  dropAll(): void;
  /** A page that was not executed before with this content; undefined: nobody wants to know. */
  touched: ((vpn: number, frame: number) => void) | undefined;
}

export class InstructionFetch {
  /** How often all records went. */
  drops = 0;
  readonly #run: RunState;
  readonly #hooks: CpuHooks;
  readonly #code: CodeCache;
  readonly #events: FetchEvents;

  constructor(run: RunState, hooks: CpuHooks, code: CodeCache, events: FetchEvents) {
    this.#run = run;
    this.#hooks = hooks;
    this.#code = code;
    this.#events = events;
  }

  /** @returns the record at rip with FUEL counted from it; 0: it cannot be had, and EXIT_REASON says why @param fuel in bytes of records */
  atRip(fuel: number): number {
    const { memory } = this.#run;
    memory.i32[FUEL >> 2] = fuel;
    memory.i32[SLOW_EA >> 2] = memory.i32[RIP >> 2]!;
    memory.i32[(SLOW_EA >> 2) + 1] = memory.i32[(RIP >> 2) + 1]!;
    const record = this.fetch();
    // What decodes may have replaced the views.
    if (record !== 0) this.#run.memory.i32[FUEL >> 2] = (fuel + record) | 0;
    return record;
  }

  /** Record at SLOW_EA, PAGE_VA set; 0 with the fault set. FUEL is plain and RIP holds the address. */
  fetch(): number {
    const { memory } = this.#run;
    const { i32, u32 } = memory;
    const low = i32[SLOW_EA >> 2]!;
    const high = i32[(SLOW_EA >> 2) + 1]!;
    const page = low & -PAGE_SIZE;
    // Slices begin where code has been: mostly the TLB knows.
    const entry = (u32[TLB >> 2]! + TLB_EXEC + tlbIndex((low >>> 12) | (high << 20)) * 16) >>> 2;
    const known = i32[entry] === page && i32[entry + 1] === high;
    const record = (known && u32[(u32[entry + 2]! >>> 2) + (low - page)]!) || this.#fetchSlowly(low, high);
    if (record === 0) return 0;
    // What decodes and faults in may have replaced the views.
    const words = memory.i32;
    words[PAGE_VA >> 2] = page;
    words[(PAGE_VA >> 2) + 1] = high;
    return record;
  }

  /** Pseudo-records: an instruction over two pages, or the end of what was decoded in one go. @returns the record to go on at, or 0 */
  span(record: number): number {
    const pc = record >>> 0;
    const run = this.#run;
    const { memory } = run;
    const here = run.instructionAddress(pc);
    run.setRip(pc);
    const offset = memory.u16[(pc + R_OFF) >> 1]!;
    const more = memory.u16[(pc + R_OP) >> 1] === this.#events.opMore;
    const rest = run.restAt(pc);
    const found = this.#decoded(() => {
      const page = this.#codePage(here);
      if (more) return page && this.#code.continueRun(page, pc, offset);
      // Should a hook replace the first page now, the look-up after this instruction finds the new one.
      const nextPage = page && this.#codePage(here - offset + PAGE_SIZE);
      const span = page && nextPage && this.#code.spanRecord(page, offset, nextPage.frame);
      if (span && memory.u32[RESYNC >> 2] === 0) this.#code.linkSpan(page as CodePage, pc, offset);
      return span;
    });
    if (found === 0) run.leave(EXIT_FAULT, rest);
    else if (more && found !== pc && memory.u32[RESYNC >> 2] === 0) this.#code.linkRun(pc, found);
    return found;
  }

  /** @returns what a record of the page that executes has behind a debugger's trap; 0: it is not such a trap */
  behindBreak(record: number): number {
    const { i32 } = this.#run.memory;
    const frame = this.#run.pageTable!.entryAt(i32[PAGE_VA >> 2]!, i32[(PAGE_VA >> 2) + 1]!) >>> 3;
    return this.#code.behindBreak(frame, record);
  }

  #fetchSlowly(low: number, high: number): number {
    const run = this.#run;
    if (!isCanonical(high)) {
      run.setFault(SIGSEGV, SI_KERNEL, 0, TRAP_GP, 0);
      run.leave(EXIT_FAULT, run.restAt(0));
      return 0;
    }
    const address = high * TWO_32 + (low >>> 0);
    const record = this.#decoded(() => {
      const page = this.#codePage(address);
      return page && this.#code.record(page, low & (PAGE_SIZE - 1));
    });
    if (record === 0) run.leave(EXIT_FAULT, run.restAt(0));
    return record;
  }

  /**
   * The code page that an address executes from, entered into the instruction TLB.
   * @returns undefined with the fault set; 0 when there is no memory for the page
   */
  #codePage(address: number): CodePage | 0 | undefined {
    const run = this.#run;
    const vpn = Math.floor(address / PAGE_SIZE);
    const high = Math.floor(address / TWO_32);
    const low = (address - high * TWO_32) | 0;
    let entry = run.pageTable!.entryAt(low, high);
    while ((entry & PTE_EXEC) === 0) {
      if (!pageFault(run, this.#hooks, address, PTE_EXEC, entry)) return undefined;
      entry = run.pageTable!.entryAt(low, high);
    }
    const frame = entry >>> 3;
    const page = this.#code.page(frame);
    if (page === undefined) return 0;
    const breaks = run.pageTable!.marks?.offsetsIn(vpn);
    if (breaks !== undefined) this.#code.breakAt(page, breaks);
    if (this.#events.touched !== undefined) this.#touch(page, vpn);
    run.pageTable!.fill(TLB_EXEC, low & -PAGE_SIZE, high, page.table, frame);
    return page;
  }

  #touch(page: CodePage, vpn: number): void {
    if (page.touchedAs === vpn && page.touchedVersion === page.version) return;
    page.touchedAs = vpn;
    page.touchedVersion = page.version;
    this.#events.touched!(vpn, page.frame);
  }

  /**
   * The record that `make` finds or decodes. When it has no memory (0), all other decodings go and it tries again.
   * Records that are executing go with them: emitted code does not touch its record after a look-up that set RESYNC.
   * @returns 0 with the fault set
   */
  #decoded(make: () => number | undefined): number {
    let record = make();
    if (record === 0) {
      this.drops++;
      this.#code.dropAll();
      this.#events.dropAll();
      this.#code.release();
      record = make();
      if (record === 0) this.#run.setFault(SIGKILL, SI_KERNEL, 0, TRAP_PF, 0);
    }
    return record ?? 0;
  }
}
