/** Sets of signals as the kernel has them. */
import { wholeNumber } from './calls.js';

const SIGNALS = 64;

/** sigset_t: bit n - 1 is signal n. */
export function encodeSet(signals: Iterable<number>): Uint8Array {
  let set = 0n;
  for (const signal of signals) {
    if (!(wholeNumber(signal, 'signal') >= 1 && signal <= SIGNALS)) throw new RangeError(`no such signal: ${signal}`);
    set |= 1n << BigInt(signal - 1);
  }
  return new Uint8Array(BigUint64Array.of(set).buffer);
}

export function decodeSet(view: DataView, offset = 0): number[] {
  const set = view.getBigUint64(offset, true);
  return Array.from({ length: SIGNALS }, (_, i) => i + 1).filter((signal) => (set >> BigInt(signal - 1)) & 1n);
}
