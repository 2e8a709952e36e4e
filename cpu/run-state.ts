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
import { EXIT_REASON, FUEL, PAGE_VA, RIP } from './state.js';

export const TWO_32 = 2 ** 32;

export class RunState {
  readonly memory: PhysicalMemory;
  readonly fault: FaultInfo = { signal: 0, code: 0, address: 0, trapno: 0, err: 0, cr2: 0 };
  /** The active one; set before the first run. */
  pageTable: PageTable | undefined;
  /** What is left of the budget, in bytes of records, when the loop was left by an import. */
  rest = 0;

  constructor(memory: PhysicalMemory) {
    this.memory = memory;
  }

  /** The run loop has to be left. @param reason EXIT_* */
  leave(reason: number, rest: number): void {
    this.memory.i32[EXIT_REASON >> 2] = reason;
    this.rest = rest;
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
    this.write64(RIP, this.instructionAddress(record));
  }

  read64(at: number): number {
    const { i32, u32 } = this.memory;
    return i32[(at >> 2) + 1]! * TWO_32 + u32[at >> 2]!;
  }

  write64(at: number, value: number): void {
    const { i32 } = this.memory;
    i32[at >> 2] = (value % TWO_32) | 0;
    i32[(at >> 2) + 1] = Math.floor(value / TWO_32);
  }
}

/** Bits 63 to 47 all equal, from the high half. */
export function isCanonical(high: number): boolean {
  const top = high >> 15;
  return top === 0 || top === -1;
}
