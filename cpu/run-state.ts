/**
 * What the parts of a run share: memory, the active address space, why the run ended, and what is left of its budget.
 *
 * Addresses come and go as two 32-bit halves; as JavaScript numbers they are signed 64-bit values, exact for every
 * canonical address.
 */
import type { FaultInfo } from './exits.js';
import type { PageTable } from './page-table.js';
import type { PhysicalMemory } from './physical-memory.js';
import { R_OFF } from './record.js';
import { EXIT_REASON, FUEL, PAGE_VA, RESYNC, RIP } from './state.js';

export const TWO_32 = 2 ** 32;

/** Where it is known which address space is the active one. */
export interface ActiveSpace {
  /** Set before the first run. */
  readonly pageTable: PageTable | undefined;
}

export class RunState implements ActiveSpace {
  readonly memory: PhysicalMemory;
  readonly fault: FaultInfo = { signal: 0, code: 0, address: 0, trapno: 0, err: 0, cr2: 0 };
  pageTable: PageTable | undefined;
  /** What is left of the budget, in bytes of records, when the loop was left by an import. */
  rest = 0;
  /** A mapping or decoding has changed since the run that is on the processor was put in place of another (nesting.ts). */
  hasChanged = false;

  constructor(memory: PhysicalMemory) {
    this.memory = memory;
  }

  /** The run loop has to be left. @param reason EXIT_* */
  leave(reason: number, rest: number): void {
    this.memory.i32[EXIT_REASON >> 2] = reason;
    this.rest = rest;
  }

  /** The place is about to be looked up, so that what has changed does not matter to this run any more. */
  beginResync(): void {
    const { u32 } = this.memory;
    if (u32[RESYNC >> 2] === 0) return;
    u32[RESYNC >> 2] = 0;
    this.hasChanged = true;
  }

  /** What is left of the budget at a record, in bytes of records: FUEL counts from the record's address. */
  restAt(record: number): number {
    return (this.memory.i32[FUEL >> 2]! - record) | 0;
  }

  setFault(signal: number, code: number, address: number, trapno: number, err: number): void {
    const { fault } = this;
    fault.signal = signal;
    fault.code = code;
    fault.address = address;
    fault.trapno = trapno;
    fault.err = err;
  }

  instructionAddress(record: number): number {
    return this.read64(PAGE_VA) + this.memory.u16[(record + R_OFF) >> 1]!;
  }

  setRip(record: number): void {
    const { i32, u16 } = this.memory;
    // The place in the page carries nothing over.
    i32[RIP >> 2] = i32[PAGE_VA >> 2]! + u16[(record + R_OFF) >> 1]!;
    i32[(RIP >> 2) + 1] = i32[(PAGE_VA >> 2) + 1]!;
  }

  read64(at: number): number {
    const { i32, u32 } = this.memory;
    return i32[(at >> 2) + 1]! * TWO_32 + u32[at >> 2]!;
  }

  write64(at: number, value: number): void {
    const { i32 } = this.memory;
    // Not `%`: of doubles it is a call.
    i32[at >> 2] = value | 0;
    i32[(at >> 2) + 1] = Math.floor(value / TWO_32);
  }
}

/** Bits 63 to 47 all equal, from the high half. */
export function isCanonical(high: number): boolean {
  const top = high >> 15;
  return top === 0 || top === -1;
}
