/**
 * Binary floating point on 64-bit significands held as two 32-bit words: the arithmetic below every x87 instruction and
 * below the exact path of SSE. Values travel unpacked; results are rounded to any precision and exponent range, in any
 * rounding mode, with the exceptions of IEEE 754 as x86 orders them. Nothing here allocates (division and square root,
 * which use BigInt, excepted) and nothing throws.
 *
 * Exponents are unbiased: a NORMAL value is significand × 2^(exp − 63), significand with bit 63 set (denormals are
 * normalised on unpacking and remember it in `denormal`).
 */

export const ZERO = 0;
export const NORMAL = 1;
export const INF = 2;
export const QNAN = 3;
export const SNAN = 4;
/** Pseudo-NaN, pseudo-infinity, unnormal: 80-bit patterns that no operation of a 387 or later accepts. */
export const UNSUPPORTED = 5;

/** Exception bits, at the same places in x87's status word and in MXCSR. */
export const IE = 1;
export const DE = 2;
export const ZE = 4;
export const OE = 8;
export const UE = 16;
export const PE = 32;
/** Exceptions that stop an operation before it has a result. */
export const PRE = IE | DE | ZE;

const RC_NEAREST = 0;
export const RC_DOWN = 1;
const RC_UP = 2;
export const RC_ZERO = 3;

export class Unpacked {
  kind = ZERO;
  sign = 0;
  exp = 0;
  /** Significand words, int32. */
  hi = 0;
  lo = 0;
  denormal = false;

  set(other: Unpacked): void {
    this.kind = other.kind;
    this.sign = other.sign;
    this.exp = other.exp;
    this.hi = other.hi;
    this.lo = other.lo;
    this.denormal = other.denormal;
  }
}

/**
 * What an operation runs under and what it reports. One object, because two operations never overlap.
 * `masks`: exceptions that are masked (bit set = masked). `flags`: exceptions raised, accumulated.
 * `up`: 1 when the last rounding increased the magnitude (C1 of the status word).
 * `flush`: results below the smallest normal number become 0 while underflow is masked (SSE's FTZ).
 */
export const env = { rc: RC_NEAREST, masks: 0x3f, flags: 0, up: 0, flush: false };

/** Precision in bits and exponent range of a destination; `wrap` is the bias adjustment of unmasked over-/underflow. */
export interface Format {
  precision: number;
  emin: number;
  emax: number;
  wrap: number;
}
export const EXT64: Format = { precision: 64, emin: -16382, emax: 16383, wrap: 24576 };
export const EXT53: Format = { precision: 53, emin: -16382, emax: 16383, wrap: 24576 };
export const EXT24: Format = { precision: 24, emin: -16382, emax: 16383, wrap: 24576 };
export const F64: Format = { precision: 53, emin: -1022, emax: 1023, wrap: 1536 };
export const F32: Format = { precision: 24, emin: -126, emax: 127, wrap: 192 };

export function setZero(r: Unpacked, sign: number): void {
  r.kind = ZERO;
  r.sign = sign;
  r.exp = 0;
  r.hi = 0;
  r.lo = 0;
}

export function setInf(r: Unpacked, sign: number): void {
  r.kind = INF;
  r.sign = sign;
  r.exp = 0;
  r.hi = 0x80000000 | 0;
  r.lo = 0;
}

/** The default NaN of x86: negative, quiet, no payload ("real indefinite"). */
export function setIndefinite(r: Unpacked): void {
  r.kind = QNAN;
  r.sign = 1;
  r.exp = 0;
  r.hi = 0xc0000000 | 0;
  r.lo = 0;
}

/** Raises the exceptions in `bits`. @returns true when one of them is unmasked: the operation ends without a result. */
export function raise(bits: number): boolean {
  env.flags |= bits;
  return (bits & ~env.masks) !== 0;
}

/** Normalises a nonzero significand. */
export function normalise(r: Unpacked): void {
  if (r.hi === 0) {
    r.hi = r.lo;
    r.lo = 0;
    r.exp -= 32;
  }
  const s = Math.clz32(r.hi);
  if (s !== 0) {
    r.hi = (r.hi << s) | (r.lo >>> (32 - s));
    r.lo <<= s;
    r.exp -= s;
  }
}

/** Shift results: module state instead of a returned tuple. */
let sHi = 0;
let sLo = 0;
let sExt = 0;

/** (hi, lo, ext) >> n into sHi, sLo, sExt; bits shifted out are ored into bit 0. n > 0. */
function shiftRightJam(hi: number, lo: number, ext: number, n: number): void {
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

/** r = a + b for NORMAL operands, exact up to 96 bits with sticky, then rounded. `bSign` replaces b's sign. */
export function addNormal(r: Unpacked, a: Unpacked, b: Unpacked, bSign: number, f: Format): void {
  let x = a;
  let y = b;
  let xSign = a.sign;
  let ySign = bSign;
  let d = a.exp - b.exp;
  if (d < 0 || (d === 0 && (a.hi >>> 0 < b.hi >>> 0 || (a.hi === b.hi && a.lo >>> 0 < b.lo >>> 0)))) {
    x = b;
    y = a;
    xSign = bSign;
    ySign = a.sign;
    d = -d;
  }
  let exp = x.exp;
  let hi = x.hi;
  let lo = x.lo;
  let ext = 0;
  sHi = y.hi;
  sLo = y.lo;
  sExt = 0;
  if (d !== 0) shiftRightJam(y.hi, y.lo, 0, d);
  if (xSign === ySign) {
    const low = (lo >>> 0) + (sLo >>> 0);
    lo = low | 0;
    const high = (hi >>> 0) + (sHi >>> 0) + (low > 0xffffffff ? 1 : 0);
    hi = high | 0;
    ext = sExt;
    if (high > 0xffffffff) {
      ext = (ext >>> 1) | (ext & 1) | (lo << 31);
      lo = (lo >>> 1) | (hi << 31);
      hi = (hi >>> 1) | 0x80000000;
      exp++;
    }
  } else {
    ext = -sExt | 0;
    const borrow = sExt !== 0 ? 1 : 0;
    const low = (lo >>> 0) - (sLo >>> 0) - borrow;
    lo = low | 0;
    hi = ((hi >>> 0) - (sHi >>> 0) - (low < 0 ? 1 : 0)) | 0;
    if ((hi | lo | ext) === 0) {
      setZero(r, env.rc === RC_DOWN ? 1 : 0);
      env.up = 0;
      return;
    }
    while (hi === 0) {
      hi = lo;
      lo = ext;
      ext = 0;
      exp -= 32;
    }
    const s = Math.clz32(hi);
    if (s !== 0) {
      hi = (hi << s) | (lo >>> (32 - s));
      lo = (lo << s) | (ext >>> (32 - s));
      ext <<= s;
      exp -= s;
    }
  }
  r.sign = xSign;
  r.exp = exp;
  r.hi = hi;
  r.lo = lo;
  round(r, ext, f);
}

/** High word of the 64-bit product of two unsigned words; the low word is Math.imul. */
function mulHigh(a: number, b: number): number {
  const al = a & 0xffff;
  const ah = a >>> 16;
  const bl = b & 0xffff;
  const bh = b >>> 16;
  const low = al * bl;
  const mid = ah * bl + (low >>> 16);
  const mid2 = al * bh + (mid & 0xffff);
  return (ah * bh + (mid >>> 16) + (mid2 >>> 16)) | 0;
}

export function mulNormal(r: Unpacked, a: Unpacked, b: Unpacked, f: Format): void {
  const { hi: ah, lo: al } = a;
  const { hi: bh, lo: bl } = b;
  const p0 = Math.imul(al, bl);
  const m1h = mulHigh(ah, bl) >>> 0;
  const m2h = mulHigh(al, bh) >>> 0;
  const c1 = (mulHigh(al, bl) >>> 0) + (Math.imul(ah, bl) >>> 0) + (Math.imul(al, bh) >>> 0);
  const c2 = (Math.imul(ah, bh) >>> 0) + m1h + m2h + Math.floor(c1 / 0x100000000);
  let hi = ((mulHigh(ah, bh) >>> 0) + Math.floor(c2 / 0x100000000)) | 0;
  let lo = c2 | 0;
  let ext = p0 !== 0 ? c1 | 1 : c1 | 0;
  let exp = a.exp + b.exp + 1;
  if (hi >= 0) {
    // Bit 0 of ext may be a true product bit and sticky at once; below it nothing distinguishes, so doubling keeps it.
    hi = (hi << 1) | (lo >>> 31);
    lo = (lo << 1) | (ext >>> 31);
    ext = (ext << 1) | (ext & 1);
    exp--;
  }
  r.sign = a.sign ^ b.sign;
  r.exp = exp;
  r.hi = hi;
  r.lo = lo;
  round(r, ext, f);
}

const MASK32 = 0xffffffffn;

export function significand(a: Unpacked): bigint {
  return (BigInt(a.hi >>> 0) << 32n) | BigInt(a.lo >>> 0);
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

export function divNormal(r: Unpacked, a: Unpacked, b: Unpacked, f: Format): void {
  const divisor = significand(b);
  const dividend = significand(a) << 66n;
  const q = dividend / divisor;
  const scale = a.exp - b.exp - 66;
  r.sign = a.sign ^ b.sign;
  roundBig(r, q, scale, q * divisor !== dividend, f);
}

/** Largest s with s*s <= n. */
export function isqrt(n: bigint): bigint {
  if (n < 2n) return n;
  const bits = bitLength(n);
  // A seed above the root from a double, then Newton descends monotonically.
  const shift = Math.max(0, (bits - 52) & ~1);
  let x = (BigInt(Math.floor(Math.sqrt(Number(n >> BigInt(shift)))) + 1) + 1n) << BigInt(shift / 2);
  for (;;) {
    const y = (x + n / x) >> 1n;
    if (y >= x) return x;
    x = y;
  }
}

/** r = √a for a positive NORMAL operand. */
export function sqrtNormal(r: Unpacked, a: Unpacked, f: Format): void {
  const odd = (a.exp - 63) & 1;
  // (m << odd) × 2^(2k): the root of m << (odd + 70) has 67 bits or more.
  const n = significand(a) << BigInt(70 + odd);
  const s = isqrt(n);
  r.sign = 0;
  roundBig(r, s, (a.exp - 63 - odd - 70) / 2, s * s !== n, f);
}

/** Unsigned comparison of magnitudes. @returns -1, 0, 1; operands ZERO, NORMAL or INF. */
export function compareMagnitude(a: Unpacked, b: Unpacked): number {
  if (a.kind !== b.kind) return a.kind < b.kind ? -1 : 1;
  if (a.kind !== NORMAL) return 0;
  if (a.exp !== b.exp) return a.exp < b.exp ? -1 : 1;
  if (a.hi !== b.hi) return a.hi >>> 0 < b.hi >>> 0 ? -1 : 1;
  if (a.lo !== b.lo) return a.lo >>> 0 < b.lo >>> 0 ? -1 : 1;
  return 0;
}

/** Ordered comparison. @returns -1, 0, 1; operands are no NaNs. */
export function compare(a: Unpacked, b: Unpacked): number {
  if (a.kind === ZERO && b.kind === ZERO) return 0;
  if (a.kind === ZERO) return b.sign !== 0 ? 1 : -1;
  if (b.kind === ZERO) return a.sign !== 0 ? -1 : 1;
  if (a.sign !== b.sign) return a.sign !== 0 ? -1 : 1;
  const m = compareMagnitude(a, b);
  return a.sign !== 0 ? -m : m;
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
