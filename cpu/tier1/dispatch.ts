/**
 * Emits the choice among the targets of indirect jumps: comparisons for a few, for more a table by a perfect hash of the
 * address, found here, when the code is emitted.
 */
import type { Code } from '../wasm/code.js';

/**
 * Branches on an address: `take(i)` emits the way to target i; falls through when it is none of them.
 * @param address i64 local
 */
export function emitDispatch(code: Code, address: number, targets: readonly number[], take: (i: number) => void): void {
  const hash = targets.length <= 3 ? undefined : perfectHash(targets);
  if (hash === undefined) {
    for (const [i, target] of targets.entries()) {
      code.get(address);
      code.i64(target);
      code.op('i64.eq');
      code.if();
      take(i);
      code.end();
    }
    return;
  }
  const { factor, shift, slots } = hash;
  const otherwise = code.block();
  const labels = targets.map(() => code.block()).reverse();
  code.get(address);
  code.op('i32.wrap_i64');
  code.i32(factor);
  code.op('i32.mul');
  code.i32(shift);
  code.op('i32.shr_u');
  code.brTable(
    slots.map((i) => (i < 0 ? otherwise : labels[i]!)),
    otherwise,
  );
  for (let i = 0; i < targets.length; i++) {
    code.end();
    code.get(address);
    code.i64(targets[i]!);
    code.op('i64.ne');
    code.brIf(otherwise);
    take(i);
  }
  code.end();
}

interface PerfectHash {
  factor: number;
  shift: number;
  /** Slot → target number, −1 for none. */
  slots: number[];
}

/** Tables of at most 2^10 slots. */
const MAX_HASH_BITS = 10;
const HASH_TRIES = 200;

/** A multiplier and a shift under which the low halves of all targets differ; undefined when none was found. */
function perfectHash(targets: readonly number[]): PerfectHash | undefined {
  let factor = 0x9e3779b1 | 0;
  for (let bits = Math.ceil(Math.log2(targets.length)) + 1; bits <= MAX_HASH_BITS; bits++) {
    for (let tries = 0; tries < HASH_TRIES; tries++) {
      factor = (Math.imul(factor, 0x2545f491) + 0x1234567) | 1;
      const slots = new Array<number>(1 << bits).fill(-1);
      const hasCollision = targets.some((target, i) => {
        const slot = Math.imul(target | 0, factor) >>> (32 - bits);
        if (slots[slot]! >= 0) return true;
        slots[slot] = i;
        return false;
      });
      if (!hasCollision) return { factor, shift: 32 - bits, slots };
    }
  }
  return undefined;
}
