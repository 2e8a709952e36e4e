/**
 * Sum, product, quotient and root of NORMAL operands: the arithmetic below every x87 instruction and below the exact path of
 * SSE. Results are exact up to 96 bits with a sticky one, then rounded. Nothing here allocates (division and square root,
 * which use BigInt, excepted) and nothing throws.
 */
import { bitLength, round, roundBig, sExt, sHi, shiftRightJam, sLo } from './rounding.js';
import { env, type Format, RC_DOWN, setZero, significand, type Unpacked } from './unpacked.js';

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
  shiftRightJam(y.hi, y.lo, 0, d);
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
