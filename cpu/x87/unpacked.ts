/**
 * Floating-point values as x87 and the exact path of SSE compute with them: unpacked, with 64-bit significands held as two
 * 32-bit words; the formats they are rounded to, and the environment of an operation.
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

export const RC_NEAREST = 0;
export const RC_DOWN = 1;
export const RC_UP = 2;
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

export function significand(a: Unpacked): bigint {
  return (BigInt(a.hi >>> 0) << 32n) | BigInt(a.lo >>> 0);
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
