/** Packed forms of floating-point numbers, words in and words out: 80-bit extended, binary64, binary32. */

import { INF, NORMAL, normalise, QNAN, SNAN, setInf, setZero, UNSUPPORTED, type Unpacked, ZERO } from './unpacked.js';

/** 80 bits: `se` = sign and biased exponent (16 bits), significand words. */
export function unpack80(r: Unpacked, se: number, hi: number, lo: number): void {
  const biased = se & 0x7fff;
  r.sign = (se >>> 15) & 1;
  r.hi = hi;
  r.lo = lo;
  r.denormal = false;
  if (biased === 0) {
    if ((hi | lo) === 0) {
      r.kind = ZERO;
      r.exp = 0;
      return;
    }
    r.kind = NORMAL;
    r.exp = -16382;
    r.denormal = true;
    normalise(r);
    return;
  }
  if (hi >= 0) {
    r.kind = UNSUPPORTED;
    return;
  }
  if (biased === 0x7fff) {
    if (((hi & 0x7fffffff) | lo) === 0) r.kind = INF;
    else r.kind = (hi & 0x40000000) !== 0 ? QNAN : SNAN;
    r.exp = 0;
    return;
  }
  r.kind = NORMAL;
  r.exp = biased - 16383;
}

/** Sign and exponent word of a value rounded to the extended range; its significand words go as they are. */
export function pack80(r: Unpacked): number {
  const s = r.sign << 15;
  if (r.kind === NORMAL) return r.hi < 0 ? s | (r.exp + 16383) : s;
  return r.kind === ZERO ? s : s | 0x7fff;
}

export function unpack64(r: Unpacked, high: number, low: number): void {
  const biased = (high >>> 20) & 0x7ff;
  r.sign = high >>> 31;
  r.hi = (high << 11) | (low >>> 21);
  r.lo = low << 11;
  unpackSmall(r, biased, 0x7ff, 1023);
}

export function unpack32(r: Unpacked, word: number): void {
  r.sign = word >>> 31;
  r.hi = word << 8;
  r.lo = 0;
  unpackSmall(r, (word >>> 23) & 0xff, 0xff, 127);
}

function unpackSmall(r: Unpacked, biased: number, top: number, bias: number): void {
  r.denormal = false;
  const fractionIsZero = ((r.hi & 0x7fffffff) | r.lo) === 0;
  if (biased === 0) {
    r.hi &= 0x7fffffff;
    if (fractionIsZero) {
      setZero(r, r.sign);
      return;
    }
    r.kind = NORMAL;
    r.denormal = true;
    r.exp = 1 - bias;
    normalise(r);
    return;
  }
  r.hi |= 0x80000000;
  if (biased === top) {
    if (fractionIsZero) setInf(r, r.sign);
    else r.kind = (r.hi & 0x40000000) !== 0 ? QNAN : SNAN;
    return;
  }
  r.kind = NORMAL;
  r.exp = biased - bias;
}

/** Words of the last packed number. */
export const packed = { hi: 0, lo: 0 };

/** Packs a value already rounded to F64 (NaNs: payload truncated) into `packed`. */
export function pack64(r: Unpacked): void {
  const s = r.sign << 31;
  packed.lo = (r.lo >>> 11) | (r.hi << 21);
  const fraction = (r.hi & 0x7fffffff) >>> 11;
  if (r.kind === NORMAL) packed.hi = r.hi < 0 ? s | ((r.exp + 1023) << 20) | fraction : s | (r.hi >>> 11);
  else if (r.kind === ZERO) {
    packed.hi = s;
    packed.lo = 0;
  } else packed.hi = s | 0x7ff00000 | fraction;
}

/** Packs a value already rounded to F32. */
export function pack32(r: Unpacked): number {
  const s = r.sign << 31;
  const fraction = (r.hi & 0x7fffffff) >>> 8;
  if (r.kind === NORMAL) return r.hi < 0 ? s | ((r.exp + 127) << 23) | fraction : s | (r.hi >>> 8);
  return r.kind === ZERO ? s : s | 0x7f800000 | fraction;
}
