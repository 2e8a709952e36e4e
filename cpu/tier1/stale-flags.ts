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
  /** Number − 1 → source. */
  #sources: FlagSource[] = [];
  #numbers = new Map<string, number>();

  constructor(memory: PhysicalMemory) {
    this.#memory = memory;
  }

  /** Number of a source, from 1. */
  number(source: FlagSource): number {
    const { kind, size, a, b, res } = source;
    const key = [kind, size, text(a), text(b), text(res)].join(' ');
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.#sources.push(source);
      this.#numbers.set(key, number);
    }
    return number;
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

function text(operand: FlagOperand | undefined): string {
  if (operand === undefined) return '-';
  return 'constant' in operand ? `#${operand.constant}` : `${operand.register}.${operand.byte}`;
}
