/**
 * The access that may have hit a watchpoint. As on the processor, a watchpoint is told of when the instruction is over;
 * what counts until then is which bytes it accesses. Of repeated string instructions, of which one step may do many
 * rounds, that is known only afterwards, from how far their pointer got.
 */
import type { DebugMarks } from './debug-marks.js';
import type { PhysicalMemory } from './physical-memory.js';
import { RCX, RDI, RSI } from './state.js';

const TWO_32 = 2 ** 32;
/** Bytes of one round. */
const ELEMENTS: readonly number[] = [1, 2, 4, 8];

export class WatchedAccess {
  /** Start of the access that hit a watchpoint, once the instruction is over; NaN: none. */
  hit = Number.NaN;
  readonly #memory: PhysicalMemory;
  /** Accesses of string instructions to watched pages whose ends are not known yet. */
  readonly #open: { marks: DebugMarks; start: number; write: boolean; pointer: number; count: number }[] = [];
  #pending = Number.NaN;

  constructor(memory: PhysicalMemory) {
    this.#memory = memory;
  }

  clear(): void {
    this.hit = Number.NaN;
    this.#pending = Number.NaN;
    this.#forget();
  }

  /** An instruction is about to access memory. @returns whether `settle` has to be called when it is over */
  begin(marks: DebugMarks, start: number, size: number, write: boolean): boolean {
    if (!marks.isWatched(Math.floor(start / 4096)) && !marks.isWatched(Math.floor((start + size - 1) / 4096)))
      return false;
    const found = marks.watching(start, start + size, write);
    if (found !== undefined) {
      // The debugger looks for its watchpoint by the address.
      this.#pending = Math.max(start, found.address);
      return true;
    }
    const pointer = [RDI, RSI].find((register) => this.#read(register) === start);
    const count = this.#read(RCX);
    if (pointer === undefined || count <= 1) return false;
    this.#open.push({ marks, start, write, pointer, count });
    return true;
  }

  /** @param happened false: the instruction faulted @returns whether a watchpoint was hit */
  settle(happened: boolean): boolean {
    for (const access of happened ? this.#open : []) {
      const end = this.#read(access.pointer);
      const rounds = access.count - this.#read(RCX);
      // Else it was no string instruction, or it did nothing.
      if (rounds <= 0 || !ELEMENTS.includes((end - access.start) / rounds)) continue;
      const found = access.marks.watching(access.start, end, access.write);
      if (found !== undefined) this.#pending = Math.max(access.start, found.address);
    }
    this.#forget();
    const isHit = happened && !Number.isNaN(this.#pending);
    if (isHit) this.hit = this.#pending;
    this.#pending = Number.NaN;
    return isHit;
  }

  /** Every run begins and ends with it, and to set the length of an array is a call of V8's runtime. */
  #forget(): void {
    if (this.#open.length > 0) this.#open.length = 0;
  }

  #read(address: number): number {
    const { i32, u32 } = this.#memory;
    return i32[(address >> 2) + 1]! * TWO_32 + u32[address >> 2]!;
  }
}
