/**
 * Rounding to any precision and exponent range, in any rounding mode, with the exceptions of IEEE 754 as x86 orders them;
 * to integers, too. Nothing here throws, and nothing but `roundBig` allocates.
 */
import {
  EXT64,
  env,
  type Format,
  NORMAL,
  normalise,
  OE,
  PE,
  RC_DOWN,
  RC_NEAREST,
  RC_UP,
  setInf,
  setZero,
  UE,
  type Unpacked,
  ZERO,
} from './unpacked.js';

const MASK32 = 0xffffffffn;

/** Shift results: module state instead of a returned tuple. */
export let sHi = 0;
export let sLo = 0;
export let sExt = 0;

/** (hi, lo, ext) >> n into sHi, sLo, sExt; bits shifted out are ored into bit 0. n >= 0. */
export function shiftRightJam(hi: number, lo: number, ext: number, n: number): void {
  let lost = 0;
  while (n >= 32) {
    lost |= ext;
    ext = lo;
    lo = hi;
    hi = 0;
    n -= 32;
    if ((hi | lo | ext) === 0) {
      n = 0;
    }
  }
  if (n !== 0) {
    lost |= ext << (32 - n);
    ext = (ext >>> n) | (lo << (32 - n));
    lo = (lo >>> n) | (hi << (32 - n));
    hi >>>= n;
  }
  sHi = hi | 0;
  sLo = lo | 0;
  sExt = lost !== 0 ? ext | 1 : ext | 0;
}

/** Whether the discarded part of (hi, lo, ext) at `precision` bits is nonzero. */
function isInexact(hi: number, lo: number, ext: number, precision: number): boolean {
  if (precision === 64) return ext !== 0;
  if (precision === 53) return ((lo & 0x7ff) | ext) !== 0;
  return ((hi & 0xff) | lo | ext) !== 0;
}

function roundsUp(sign: number, hi: number, lo: number, ext: number, precision: number, rc: number): boolean {
  if (rc !== RC_NEAREST) return rc === (sign !== 0 ? RC_DOWN : RC_UP) && isInexact(hi, lo, ext, precision);
  if (precision === 64) return ext < 0 && (ext << 1 !== 0 || (lo & 1) !== 0);
  if (precision === 53) return (lo & 0x400) !== 0 && ((lo & 0x3ff) | ext | (lo & 0x800)) !== 0;
  return (hi & 0x80) !== 0 && ((hi & 0x7f) | lo | ext | (hi & 0x100)) !== 0;
}

/** Cuts sHi:sLo (from hi, lo) to `precision` bits, plus one unit when `up`. @returns true on a carry out of bit 63. */
function cut(hi: number, lo: number, precision: number, up: boolean): boolean {
  if (precision === 24) {
    sLo = 0;
    sHi = hi & ~0xff;
    if (!up) return false;
    sHi = (sHi + 0x100) | 0;
    return sHi === 0;
  }
  const unit = precision === 53 ? 0x800 : 1;
  sHi = hi;
  sLo = lo & -unit;
  if (!up) return false;
  sLo = (sLo + unit) | 0;
  if (sLo !== 0) return false;
  sHi = (sHi + 1) | 0;
  return sHi === 0;
}

/**
 * Rounds sign/exp/hi/lo of `r` extended by 32 more bits `ext` (bit 0 sticky) to a format, in place; `r` is normalised.
 * Denormal results are left with exp = emin and bit 63 clear. Sets OE, UE, PE and `up`. Unmasked overflow and underflow
 * leave the value with its exponent wrapped, as x87 stores it into registers.
 */
export function round(r: Unpacked, ext: number, f: Format): void {
  const { rc } = env;
  const { precision } = f;
  let { exp, hi, lo } = r;
  env.up = 0;
  if (exp < f.emin) {
    // Tininess is detected after rounding, as if the exponent were unbounded.
    let tiny = true;
    if (exp === f.emin - 1 && roundsUp(r.sign, hi, lo, ext, precision, rc)) tiny = !cut(hi, lo, precision, true);
    if (tiny && (env.masks & UE) === 0) {
      env.flags |= UE;
      exp += f.wrap;
      if (exp < f.emin) {
        // So far that wrapping does not help: fscale, and conversions to binary32, whose result is not stored.
        if (f.wrap === EXT64.wrap || isInexact(hi, lo, ext, precision)) env.flags |= PE;
        setZero(r, r.sign);
        return;
      }
    } else if (tiny && env.flush) {
      env.flags |= UE | PE;
      setZero(r, r.sign);
      return;
    } else {
      shiftRightJam(hi, lo, ext, f.emin - exp);
      hi = sHi;
      lo = sLo;
      ext = sExt;
      exp = f.emin;
      const inexact = isInexact(hi, lo, ext, precision);
      const up = inexact && roundsUp(r.sign, hi, lo, ext, precision, rc);
      cut(hi, lo, precision, up);
      if (inexact) {
        env.flags |= tiny ? UE | PE : PE;
        env.up = up ? 1 : 0;
      }
      r.hi = sHi;
      r.lo = sLo;
      r.exp = exp;
      if ((sHi | sLo) === 0) setZero(r, r.sign);
      else r.kind = NORMAL;
      return;
    }
  }
  const inexact = isInexact(hi, lo, ext, precision);
  const up = inexact && roundsUp(r.sign, hi, lo, ext, precision, rc);
  if (cut(hi, lo, precision, up)) {
    sHi = 0x80000000 | 0;
    exp++;
  }
  if (exp > f.emax) {
    env.flags |= OE;
    if ((env.masks & OE) === 0) {
      exp -= f.wrap;
      if (exp > f.emax) {
        if (f.wrap === EXT64.wrap || inexact) env.flags |= PE;
        env.up = 1;
        setInf(r, r.sign);
        return;
      }
    } else {
      env.flags |= PE;
      if (rc === RC_NEAREST || rc === (r.sign !== 0 ? RC_DOWN : RC_UP)) {
        env.up = 1;
        setInf(r, r.sign);
        return;
      }
      r.kind = NORMAL;
      r.exp = f.emax;
      cut(-1, -1, precision, false);
      r.hi = sHi;
      r.lo = sLo;
      return;
    }
  }
  if (inexact) {
    env.flags |= PE;
    env.up = up ? 1 : 0;
  }
  r.kind = NORMAL;
  r.exp = exp;
  r.hi = sHi;
  r.lo = sLo;
}

/** Rounds a positive integer `m` (any width; `sticky`: more nonzero bits below) × 2^scale into r with r.sign. */
export function roundBig(r: Unpacked, m: bigint, scale: number, sticky: boolean, f: Format): void {
  const bits = bitLength(m);
  const shift = bits - 96;
  let top = m;
  let lost = sticky;
  if (shift > 0) {
    top = m >> BigInt(shift);
    lost ||= top << BigInt(shift) !== m;
  } else if (shift < 0) top = m << BigInt(-shift);
  r.hi = Number(top >> 64n) | 0;
  r.lo = Number((top >> 32n) & MASK32) | 0;
  r.exp = scale + bits - 1;
  const ext = Number(top & MASK32) | 0;
  round(r, lost ? ext | 1 : ext, f);
}

export function bitLength(m: bigint): number {
  let n = 0;
  while (m > 0xffffffffffffn) {
    m >>= 48n;
    n += 48;
  }
  let low = Number(m);
  if (low >= 0x100000000) {
    low = Math.floor(low / 0x100000000);
    n += 32;
  }
  return n + 32 - Math.clz32(low);
}

/** Result of `toInteger`: magnitude words, and whether a fraction was discarded (the caller raises PE if it keeps the result). */
export const integer = { hi: 0, lo: 0, inexact: false };

/** Integer part of |a| under rounding mode `rc`; sets env.up. @returns false when the magnitude needs more than 64 bits. */
export function toInteger(a: Unpacked, rc: number): boolean {
  env.up = 0;
  integer.hi = 0;
  integer.lo = 0;
  integer.inexact = false;
  if (a.kind === ZERO) return true;
  if (a.exp > 63) return false;
  if (a.exp === 63) {
    integer.hi = a.hi;
    integer.lo = a.lo;
    return true;
  }
  shiftRightJam(a.hi, a.lo, 0, 63 - a.exp);
  const up = sExt !== 0 && roundsUp(a.sign, sHi, sLo, sExt, 64, rc);
  integer.inexact = sExt !== 0;
  const carry = cut(sHi, sLo, 64, up);
  integer.hi = sHi;
  integer.lo = sLo;
  env.up = up ? 1 : 0;
  return !carry;
}

/** r = ±(hi:lo), exact, normalised. */
export function fromInteger(r: Unpacked, sign: number, hi: number, lo: number): void {
  if ((hi | lo) === 0) {
    setZero(r, sign);
    return;
  }
  r.kind = NORMAL;
  r.sign = sign;
  r.exp = 63;
  r.hi = hi;
  r.lo = lo;
  normalise(r);
}
