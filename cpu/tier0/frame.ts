/** What emitted functions have in common: parameters and locals, numbers that they pass, the look-up in the TLB. */
import { TLB_HASH, TLB_WRITE } from '../state.js';
import type { Code } from '../wasm/code.js';
import type { ValueType } from '../wasm/opcodes.js';

/** The record address: local 0 of every function and of the main loop. */
export const PC = 0;

/** Room for the numbers of one handler's helpers. */
export const HELPERS_PER_HANDLER = 4;

/** Second argument of the translation function: access size, and these. */
export const PROBE_WRITE = TLB_WRITE;
export const PROBE_ALIGNED = 0x4000;
export const PROBE_STACK = 0x8000;

/** How a hot form computes the effective address; function forms call the general routine. */
export type EaMode = 'bd' | 'bis';

/** Function indices that function-mode code calls. */
export interface RuntimeIndices {
  ea: number;
  probe: number;
  trap: number;
  helper: number;
  syscall: number;
  commit: number;
  taken: number;
  go: number;
  near: number;
  named: ReadonlyMap<string, number>;
}

/** Locals and labels of the main loop. */
export interface HotFrame {
  tlb: number;
  fuel: number;
  leave: number;
  next: number;
  exhausted: number;
}

const COUNTED_TYPES: readonly ValueType[] = ['i32', 'i64', 'f32', 'f64', 'v128'];

/** Locals of one type that are reused from handler to handler. */
export class LocalPool {
  #code: Code;
  #locals: Record<ValueType, number[]> = { i32: [], i64: [], f32: [], f64: [], v128: [] };
  #used: Record<ValueType, number> = { i32: 0, i64: 0, f32: 0, f64: 0, v128: 0 };

  constructor(code: Code) {
    this.#code = code;
  }

  take(type: ValueType): number {
    const list = this.#locals[type];
    const index = this.#used[type]++;
    if (index === list.length) list.push(this.#code.local(type));
    return list[index]!;
  }

  reset(): void {
    for (const type of COUNTED_TYPES) this.#used[type] = 0;
  }
}

/** Pushes the offset of an address's entry in its part of the TLB block: `tlbIndex` of state.ts × 16. */
export function tlbOffset(c: Code, address: number): void {
  c.get(address);
  c.i64(12);
  c.op('i64.shr_u');
  c.op('i32.wrap_i64');
  c.i32(TLB_HASH);
  c.op('i32.mul');
  c.i32(19);
  c.op('i32.shr_u');
  c.i32(0x1ff0);
  c.op('i32.and');
}

/** target = address of the TLB entry for the i64 address. Both are locals. */
export function tlbEntry(code: Code, { tlb }: HotFrame, address: number, target: number): void {
  tlbOffset(code, address);
  code.get(tlb);
  code.op('i32.add');
  code.set(target);
}
