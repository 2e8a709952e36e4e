/**
 * Flags that were left in registers: a region that stops in the middle says which operation set them last, and the flag
 * words are computed here from the registers, which are in memory by then.
 */
import type { PhysicalMemory } from '../physical-memory.js';
import { AUX, CF, GPR, RES } from '../state.js';
import type { FlagOperand, FlagSource } from './flags.js';
import { STALE_FLAGS } from './layout.js';

const SIGN = 1n << 63n;
const AUX_MASK = SIGN | 0x10n;

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

  /** Writes the flag words for the source that STALE_FLAGS names. */
  resolve(): void {
    const source = this.#sources[this.#memory.u32[STALE_FLAGS >> 2]! - 1];
    if (source === undefined) return;
    const { kind, size } = source;
    const cut = (n: bigint): bigint => BigInt.asUintN(size, n);
    const read = (o: FlagOperand | undefined): bigint | undefined => (o === undefined ? undefined : cut(this.#read(o)));
    let [a, b, res] = [read(source.a), read(source.b), read(source.res)];
    let carry = 0n;
    let vector = 0n;
    if (kind !== 'logic') {
      if (kind === 'add') {
        a ??= cut(res! - b!);
        b ??= cut(res! - a);
        res ??= cut(a + b);
        carry = res < a ? 1n : 0n;
      } else {
        a ??= cut(res! + b!);
        b ??= cut(a - res!);
        res ??= cut(a - b);
        carry = a < b ? 1n : 0n;
      }
      vector = BigInt.asUintN(64, BigInt.asIntN(size, a ^ b ^ res)) & AUX_MASK;
    }
    const { view } = this.#memory;
    view.setBigInt64(RES, BigInt.asIntN(size, res!), true);
    view.setBigUint64(AUX, vector, true);
    view.setUint32(CF, Number(carry), true);
  }

  #read(operand: FlagOperand): bigint {
    if ('constant' in operand) return operand.constant;
    return this.#memory.view.getBigUint64(GPR + operand.register * 8, true) >> BigInt(operand.byte * 8);
  }
}

function keyOf({ kind, size, a, b, res }: FlagSource): string {
  return [kind, size, text(a), text(b), text(res)].join(' ');
}

function text(operand: FlagOperand | undefined): string {
  if (operand === undefined) return '-';
  return 'constant' in operand ? `#${operand.constant}` : `${operand.register}.${operand.byte}`;
}
