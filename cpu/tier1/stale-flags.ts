/**
 * Flags that were left in registers: a region that stops in the middle says which operation set them last, and the flag
 * words are computed here from the registers, which are in memory by then.
 */
import type { PhysicalMemory } from '../physical-memory.js';
import { AUX, CF, GPR, RES } from '../state.js';
import type { FlagOperand, FlagSource } from './flags.js';
import { SAVED_FLAGS, STALE_FLAGS } from './layout.js';

/** What the carry vector keeps, of its high and its low half. */
const SIGN = -0x80000000;
const AUX_HALF_CARRY = 0x10;

export class StaleFlags {
  #memory: PhysicalMemory;
  /** Number − 1 → source; undefined: the number is free. */
  #sources: (FlagSource | undefined)[] = [];
  #numbers = new Map<string, number>();
  /** Number − 1 → modules that use it. */
  #uses: number[] = [];
  #free: number[] = [];

  constructor(memory: PhysicalMemory) {
    this.#memory = memory;
  }

  /** Number of a source, from 1. It is nobody's until it is retained. */
  number(source: FlagSource): number {
    const key = keyOf(source);
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.#free.pop() ?? this.#sources.length + 1;
      this.#sources[number - 1] = source;
      this.#uses[number - 1] = 0;
      this.#numbers.set(key, number);
    }
    return number;
  }

  /** Sources that are described, used or not. */
  get size(): number {
    return this.#numbers.size;
  }

  /** Code with these numbers is in place. */
  retain(numbers: readonly number[]): void {
    for (const number of numbers) this.#uses[number - 1]!++;
  }

  /** It is gone: numbers that no other code has may be given to other sources. */
  release(numbers: readonly number[]): void {
    for (const number of numbers) {
      if (--this.#uses[number - 1]! > 0) continue;
      this.#numbers.delete(keyOf(this.#sources[number - 1]!));
      this.#sources[number - 1] = undefined;
      this.#free.push(number);
    }
  }

  /** Writes the flag words for the source that STALE_FLAGS names. Numbers are in halves: this is a way out of regions. */
  resolve(): void {
    const source = this.#sources[this.#memory.u32[STALE_FLAGS >> 2]! - 1];
    if (source === undefined) return;
    const { size } = source;
    const kind = source.kind;
    if (source.a !== undefined) this.#read(source.a, size, A);
    if (source.b !== undefined) this.#read(source.b, size, B);
    if (source.res !== undefined) this.#read(source.res, size, R);
    if (kind !== 'logic') {
      // Two of the three are known.
      const isSum = kind === 'add';
      if (source.a === undefined) combine(A, R, B, !isSum, size);
      else if (source.b === undefined) combine(B, isSum ? R : A, isSum ? A : R, false, size);
      if (source.res === undefined) combine(R, A, B, isSum, size);
    }
    const [aLow, aHigh, bLow, bHigh, low, high] = halves as unknown as [number, number, number, number, number, number];
    const { i32 } = this.#memory;
    let carry = 0;
    let vectorLow = 0;
    let vectorHigh = 0;
    if (kind !== 'logic') {
      carry = kind === 'add' ? below(low, high, aLow, aHigh) : below(aLow, aHigh, bLow, bHigh);
      vectorLow = aLow ^ bLow ^ low;
      vectorHigh = size === 64 ? aHigh ^ bHigh ^ high : signOf(vectorLow, size);
    }
    i32[CF >> 2] = carry;
    i32[AUX >> 2] = vectorLow & AUX_HALF_CARRY;
    i32[(AUX >> 2) + 1] = vectorHigh & SIGN;
    i32[RES >> 2] = size === 64 ? low : (low << (32 - size)) >> (32 - size);
    i32[(RES >> 2) + 1] = size === 64 ? high : signOf(low, size);
  }

  /** Puts an operand, cut to its size, where `halves` has it. */
  #read(operand: FlagOperand, size: number, at: number): void {
    let low: number;
    let high = 0;
    const { i32 } = this.#memory;
    if ('constant' in operand) {
      low = Number(BigInt.asIntN(32, operand.constant));
      if (size === 64) high = Number(BigInt.asIntN(32, operand.constant >> 32n));
    } else if ('saved' in operand) {
      const at = (SAVED_FLAGS >> 2) + operand.saved * 2;
      low = i32[at]!;
      if (size === 64) high = i32[at + 1]!;
    } else {
      const register = (GPR + operand.register * 8) >> 2;
      low = i32[register]! >>> (operand.byte * 8);
      if (size === 64) high = i32[register + 1]!;
    }
    halves[at] = size < 32 ? low & ((1 << size) - 1) : low;
    halves[at + 1] = high;
  }
}

/** Low and high halves of a, b and the result. */
const halves = new Int32Array(6);
const A = 0;
const B = 2;
const R = 4;

/** 1 when x < y, unsigned. */
function below(xLow: number, xHigh: number, yLow: number, yHigh: number): number {
  if (xHigh !== yHigh) return xHigh >>> 0 < yHigh >>> 0 ? 1 : 0;
  return xLow >>> 0 < yLow >>> 0 ? 1 : 0;
}

/** −1 or 0: the sign of a number of up to 32 bits. */
function signOf(x: number, size: number): number {
  return (x << (32 - size)) >> 31;
}

/** to = x + y, or x − y, cut to a size. */
function combine(to: number, x: number, y: number, isSum: boolean, size: number): void {
  const [xLow, yLow] = [halves[x]!, halves[y]!];
  const low = (isSum ? xLow + yLow : xLow - yLow) | 0;
  if (size === 64) {
    const carry = isSum ? below(low, 0, xLow, 0) : below(xLow, 0, yLow, 0);
    halves[to + 1] = isSum ? halves[x + 1]! + halves[y + 1]! + carry : halves[x + 1]! - halves[y + 1]! - carry;
  } else halves[to + 1] = 0;
  halves[to] = size < 32 ? low & ((1 << size) - 1) : low;
}

function keyOf({ kind, size, a, b, res }: FlagSource): string {
  return [kind, size, text(a), text(b), text(res)].join(' ');
}

function text(operand: FlagOperand | undefined): string {
  if (operand === undefined) return '-';
  if ('saved' in operand) return `s${operand.saved}`;
  return 'constant' in operand ? `#${operand.constant}` : `${operand.register}.${operand.byte}`;
}
