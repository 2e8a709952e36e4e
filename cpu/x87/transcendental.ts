/**
 * x87's transcendental functions by series in fixed point: results are correctly rounded except
 * in cases closer than 2^-100 to a rounding boundary, so within 1 ulp of any processor's.
 */

import { roundBig } from './rounding.js';
import { atanFixed, cosSeries, expSeries, ln2, log2Fixed, ONE, P, pi, sinSeries } from './series.js';
import { nan1, nan2 } from './unit.js';
import {
  compareMagnitude,
  DE,
  EXT64,
  env,
  IE,
  INF,
  NORMAL,
  PE,
  QNAN,
  raise,
  setIndefinite,
  setInf,
  setZero,
  significand,
  UE,
  type Unpacked,
  ZE,
  ZERO,
} from './unpacked.js';

const abs = (x: bigint) => (x < 0n ? -x : x);

/** Below 2^TINY the first term of a series is the result, up to sticky. */
const TINY = -68;
/** Bits below the last place that make a first term sticky in the right direction. */
const GUARD = 64;

/** The π by which x87 reduces arguments has 66 bits, in every processor since the 387. */
const PI_66 = 0xc90fdaa22168c234cn;
const PI_66_FRACTION = 66n;

/** |a| with P fraction bits; a.exp >= TINY, and below 2^100. */
function fixed(a: Unpacked): bigint {
  const s = 256 + a.exp - 63;
  return s >= 0 ? significand(a) << BigInt(s) : significand(a) >> BigInt(-s);
}

/** Rounds |value| (P fraction bits) into r with `sign`. */
function fromFixed(r: Unpacked, sign: number, value: bigint): void {
  r.sign = sign;
  roundBig(r, value, -256, true, EXT64);
}

/** r = a·(1 ± tiny): the first term with a sticky nudge up (+1) or down (-1). */
function nudge(r: Unpacked, a: Unpacked, sign: number, direction: 1 | -1): void {
  r.sign = sign;
  roundBig(r, (significand(a) << BigInt(GUARD)) + BigInt(direction), a.exp - 63 - GUARD, true, EXT64);
}

/** Sine and cosine of a NORMAL |a| < 2^63, a.exp >= TINY, both with P fraction bits, signed. */
function sinCos(a: Unpacked): { sin: bigint; cos: bigint } {
  const magnitude = fixed(a);
  const half = PI_66 << (P - PI_66_FRACTION - 1n);
  const n = (2n * magnitude + half) / (2n * half);
  const x = magnitude - n * half;
  const s = x < 0n ? -sinSeries(-x) : sinSeries(x);
  const c = cosSeries(x < 0n ? -x : x);
  let sin = s;
  let cos = c;
  const quadrant = Number(n & 3n);
  if (quadrant === 1) {
    sin = c;
    cos = -s;
  } else if (quadrant === 2) {
    sin = -s;
    cos = -c;
  } else if (quadrant === 3) {
    sin = -c;
    cos = s;
  }
  return a.sign !== 0 ? { sin: -sin, cos } : { sin, cos };
}

/** The argument is too large for fsin, fcos, fsincos and fptan: they set C2 and leave it. */
export const outOfRange = (a: Unpacked) => a.kind === NORMAL && a.exp >= 63;

/** Common start of the trigonometric functions. @returns 0: r is the result, 1: aborted, 2: compute. */
function trigSpecial(r: Unpacked, a: Unpacked): number {
  if (a.kind >= QNAN) return nan1(r, a) ? 0 : 1;
  if (a.kind === INF) {
    if (raise(IE)) return 1;
    setIndefinite(r);
    return 0;
  }
  return a.denormal && raise(DE) ? 1 : 2;
}

export function sin(r: Unpacked, a: Unpacked): boolean {
  const special = trigSpecial(r, a);
  if (special !== 2) return special === 0;
  if (a.kind === ZERO) setZero(r, a.sign);
  else if (a.exp < TINY) nudge(r, a, a.sign, -1);
  else {
    const v = sinCos(a).sin;
    fromFixed(r, v < 0n ? 1 : 0, abs(v));
  }
  return true;
}

export function cos(r: Unpacked, a: Unpacked): boolean {
  const special = trigSpecial(r, a);
  if (special !== 2) return special === 0;
  if (a.kind === ZERO) setOne(r);
  else {
    const v = a.exp < TINY ? ONE - 1n : sinCos(a).cos;
    fromFixed(r, v < 0n ? 1 : 0, abs(v));
  }
  return true;
}

export function tan(r: Unpacked, a: Unpacked): boolean {
  const special = trigSpecial(r, a);
  if (special !== 2) return special === 0;
  if (a.kind === ZERO) setZero(r, a.sign);
  else if (a.exp < TINY) nudge(r, a, a.sign, 1);
  else {
    const { sin: s, cos: c } = sinCos(a);
    fromFixed(r, s < 0n !== c < 0n ? 1 : 0, (abs(s) << P) / abs(c));
  }
  return true;
}

export function setOne(r: Unpacked): void {
  r.kind = NORMAL;
  r.sign = 0;
  r.exp = 0;
  r.hi = 0x80000000 | 0;
  r.lo = 0;
}

/** r = atan2(y, x). */
export function atan2(r: Unpacked, y: Unpacked, x: Unpacked): boolean {
  if (y.kind >= QNAN || x.kind >= QNAN) return nan2(r, y, x);
  if ((y.denormal || x.denormal) && raise(DE)) return false;
  if (y.kind === ZERO || (x.kind === INF && y.kind !== INF)) {
    if (x.sign === 0) setZero(r, y.sign);
    else fromFixed(r, y.sign, pi());
    return true;
  }
  if (y.kind === INF && x.kind === INF) {
    fromFixed(r, y.sign, ((x.sign === 0 ? 1n : 3n) * pi()) >> 2n);
    return true;
  }
  if (y.kind === INF || x.kind === ZERO) {
    fromFixed(r, y.sign, pi() >> 1n);
    return true;
  }
  const d = y.exp - x.exp;
  if (d < TINY && x.sign === 0) {
    // y/x itself: the cubic term is below the sticky bit, unless the quotient is exact.
    const q = (significand(y) << 130n) / significand(x);
    r.sign = y.sign;
    roundBig(r, (q << 32n) - 1n, d - 130 - 32, true, EXT64);
    return true;
  }
  let angle: bigint;
  if (d < TINY) angle = 1n;
  else if (d > -TINY) angle = (pi() >> 1n) - 1n;
  else if (compareMagnitude(y, x) <= 0) angle = atanFixed((significand(y) << (P + BigInt(d))) / significand(x));
  else angle = (pi() >> 1n) - atanFixed((significand(x) << (P - BigInt(d))) / significand(y));
  fromFixed(r, y.sign, x.sign !== 0 ? pi() - angle : angle);
  return true;
}

/** r = 2^a − 1 for |a| <= 1. Outside, where the result is undefined, the operand, as AMD processors leave it. */
export function exp2m1(r: Unpacked, a: Unpacked): boolean {
  if (a.kind >= QNAN) return nan1(r, a);
  if (a.kind === INF) {
    if (a.sign === 0) setInf(r, 0);
    else {
      setOne(r);
      r.sign = 1;
    }
    return true;
  }
  if (a.denormal && raise(DE)) return false;
  if (a.kind === ZERO) {
    setZero(r, a.sign);
    return true;
  }
  if (a.exp < TINY) {
    r.sign = a.sign;
    roundBig(r, significand(a) * ln2(), a.exp - 63 - 256, true, EXT64);
    return true;
  }
  const x = fixed(a);
  if (x >= ONE) {
    r.set(a);
    if (x === ONE && a.sign !== 0) r.exp = -1;
    raise(PE);
    return true;
  }
  const y = (x * ln2()) >> P;
  fromFixed(r, a.sign, a.sign === 0 ? expSeries(y) - ONE : ONE - expSeries(-y));
  return true;
}

/** r = y × l, l with P fraction bits. */
function timesLog(r: Unpacked, y: Unpacked, l: bigint, sticky: boolean): void {
  r.sign = y.sign ^ (l < 0n ? 1 : 0);
  if (l === 0n) setZero(r, r.sign);
  else roundBig(r, significand(y) * abs(l), y.exp - 63 - 256, sticky, EXT64);
  // An exact result is reported as inexact, too.
  env.flags |= r.kind === NORMAL && r.hi >= 0 ? PE | UE : PE;
}

function invalid(r: Unpacked): boolean {
  if (raise(IE)) return false;
  setIndefinite(r);
  return true;
}

/** r = y × log2(x). */
export function yLog2x(r: Unpacked, y: Unpacked, x: Unpacked): boolean {
  if (y.kind >= QNAN || x.kind >= QNAN) return nan2(r, y, x);
  if (x.sign !== 0 && x.kind !== ZERO) return invalid(r);
  if (x.kind === ZERO) {
    if (y.kind === ZERO) return invalid(r);
    if (y.kind === NORMAL && raise(ZE)) return false;
    setInf(r, y.sign ^ 1);
    return true;
  }
  const one = x.kind === NORMAL && x.exp === 0 && x.hi === (0x80000000 | 0) && x.lo === 0;
  if ((y.kind === INF && one) || (y.kind === ZERO && x.kind === INF)) return invalid(r);
  if ((y.denormal || x.denormal) && raise(DE)) return false;
  const below = x.kind === NORMAL && x.exp < 0 ? 1 : 0;
  if (x.kind === INF || y.kind === INF) setInf(r, y.sign ^ below);
  else if (y.kind === ZERO || one) setZero(r, y.sign ^ below);
  else {
    const mantissa = significand(x) << (P - 63n);
    const l = (BigInt(x.exp) << P) + log2Fixed(mantissa);
    const exact = mantissa === ONE;
    // Near 1 from below the two parts cancel exactly: log2Fixed carries full precision relative to the fraction.
    timesLog(r, y, below === 1 && x.exp === -1 ? log2Fixed(mantissa >> 1n) : l, !exact);
  }
  return true;
}

/** r = y × log2(x + 1). */
export function yLog2xPlus1(r: Unpacked, y: Unpacked, x: Unpacked): boolean {
  if (y.kind >= QNAN || x.kind >= QNAN) return nan2(r, y, x);
  if (x.sign !== 0 && x.kind === INF) return invalid(r);
  if ((y.kind === INF && x.kind === ZERO) || (y.kind === ZERO && x.kind === INF)) return invalid(r);
  if ((y.denormal || x.denormal) && raise(DE)) return false;
  const sign = x.sign ^ y.sign;
  if (x.kind === INF || y.kind === INF) setInf(r, sign);
  else if (x.kind === ZERO || y.kind === ZERO) setZero(r, sign);
  else if (x.sign !== 0 && x.exp >= 0) {
    // No logarithm, but no exception either: AMD processors pass the operand on.
    r.set(x);
    raise(PE);
  } else if (x.exp < TINY) {
    r.sign = sign;
    roundBig(r, (significand(x) * significand(y) * ONE * ONE) / ln2(), x.exp + y.exp - 126 - 256, true, EXT64);
  } else {
    const f = x.exp > 100 ? significand(x) << BigInt(256 + x.exp - 63) : fixed(x);
    timesLog(r, y, log2Fixed(x.sign !== 0 ? ONE - f : ONE + f), true);
  }
  return true;
}

/** fsincos: both results; flags of both. */
export function sinAndCos(s: Unpacked, c: Unpacked, a: Unpacked): boolean {
  if (!sin(s, a)) return false;
  const { up } = env;
  const ok = cos(c, a);
  env.up = up;
  return ok;
}

/** Constants of fldl2t, fldl2e, fldpi, fldlg2, fldln2: rounded to 64 bits by the rounding mode; no exceptions. */
export function constant(r: Unpacked, which: number): void {
  const log2of = (n: bigint) => log2Fixed(n << P);
  const value =
    which === 1
      ? log2of(10n)
      : which === 2
        ? (ONE << P) / ln2()
        : which === 3
          ? pi()
          : which === 4
            ? (ONE << P) / log2of(10n)
            : ln2();
  fromFixed(r, 0, value);
  env.flags &= ~PE;
  env.up = 0;
}
