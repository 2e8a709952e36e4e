/**
 * Runs inside of runs: a hook of the processor (a system call, say) runs other code, of another address space, to its end
 * or to where it has to wait, and the code that was running goes on as if nothing had been. So a driver is called from a
 * system call's handler like any other function.
 *
 *   nesting.begin(kernelTable)      what is on the processor is put aside; its registers are still there
 *   cpu.setReg(…), cpu.rip = …      the registers that the other code starts with
 *   cpu.run(budget)                 as often as wanted
 *   cpu.saveContext(…)              if it is to go on later
 *   nesting.end()                   what was put aside is there again
 *
 * The hook may let the outer code go on; if mappings or decodings have changed meanwhile, RESYNC makes it look up its place.
 * Memory of the records that it executes is not given back, but when there is no memory for records at all; that the engine
 * notices by itself, behind system calls. Page-fault hooks must not run anything. No locks.
 */
import type { Engine } from './engine.js';
import type { PageTable } from './page-table.js';
import type { PhysicalMemory } from './physical-memory.js';
import { PAGE_SIZE, RESYNC, TLB } from './state.js';
import { RETURNS } from './tier1/layout.js';

/** Room for what is put aside. */
const STATE_BYTES = RETURNS;
/** Runs inside of each other, the outermost not counted. */
const MAX_NESTING = 4;
const FRAMES = Math.ceil((MAX_NESTING * STATE_BYTES) / PAGE_SIZE);

export class Nesting {
  /** Runs that are put aside. */
  depth = 0;
  readonly #memory: PhysicalMemory;
  readonly #engine: Engine;
  readonly #first: number;
  readonly #tables: (PageTable | undefined)[] = new Array(MAX_NESTING).fill(undefined);
  readonly #changed: boolean[] = new Array(MAX_NESTING).fill(false);

  /** @returns undefined when there is no memory for it */
  static create(memory: PhysicalMemory, engine: Engine): Nesting | undefined {
    const first = memory.allocRun(FRAMES);
    return first === 0 ? undefined : new Nesting(memory, engine, first);
  }

  private constructor(memory: PhysicalMemory, engine: Engine, first: number) {
    this.#memory = memory;
    this.#engine = engine;
    this.#first = first;
  }

  get isFull(): boolean {
    return this.depth === MAX_NESTING;
  }

  /** Precondition: not full. */
  begin(pageTable: PageTable): void {
    const { u32 } = this.#memory;
    this.#changed[this.depth] = this.#engine.putAside(this.#placeOf(this.depth));
    this.#tables[this.depth++] = this.#engine.pageTable;
    if (u32[TLB >> 2] === pageTable.tlb && this.#engine.pageTable === pageTable) return;
    u32[TLB >> 2] = pageTable.tlb;
    this.#engine.setPageTable(pageTable);
  }

  end(): void {
    const depth = --this.depth;
    this.#engine.bringBack(this.#placeOf(depth), this.#changed[depth]!);
    const table = this.#tables[depth];
    this.#tables[depth] = undefined;
    if (table === this.#engine.pageTable) return;
    // One that is gone is nobody's any more: whoever runs next activates its own.
    if (table?.isLive) this.#engine.setPageTable(table);
    else this.#memory.u32[RESYNC >> 2] = 1;
  }

  dispose(): void {
    for (let i = 0; i < FRAMES; i++) this.#memory.unref(this.#first + i);
  }

  #placeOf(depth: number): number {
    return this.#first * PAGE_SIZE + depth * STATE_BYTES;
  }
}
