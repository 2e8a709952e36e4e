/** Addition to square root, comparison, partial remainder, scaling: x87's exact operations on unpacked values. */

import { addNormal, divNormal, mulNormal, sqrtNormal } from './float.js';
import { integer, round, roundBig, toInteger } from './rounding.js';
import { C0, C1, C2, C3, CC, nan1, nan2 } from './unit.js';
import {
  compare,
  DE,
  EXT24,
  EXT53,
  EXT64,
  env,
  type Format,
  IE,
  INF,
  NORMAL,
  PE,
  QNAN,
  RC_DOWN,
  raise,
  SNAN,
  setIndefinite,
  setInf,
  setZero,
  significand,
  type Unpacked,
  ZE,
  ZERO,
} from './unpacked.js';

/** Format that the precision control selects (0 = 24 bits, 2 = 53, 3 = 64; the reserved 1 acts as 64). */
export function precisionOf(control: number): Format {
  const pc = (control >>> 8) & 3;
  if (pc === 2) return EXT53;
  return pc === 0 ? EXT24 : EXT64;
}

/** The reg field of the arithmetic opcodes. */
export const ADD = 0;
export const MUL = 1;
export const SUB = 4;
const SUBR = 5;
export const DIV = 6;

/** Masked response to an invalid operation. */
function invalid(r: Unpacked): boolean {
  if (raise(IE)) return false;
  setIndefinite(r);
  return true;
}

/** r = a op b. @returns false when an unmasked exception leaves no result. */
export function arithmetic(op: number, r: Unpacked, a: Unpacked, b: Unpacked, f: Format): boolean {
  if (a.kind >= QNAN || b.kind >= QNAN) return nan2(r, a, b);
  switch (op) {
    case ADD:
      return add(r, a, b, b.sign, f);
    case MUL:
      return mul(r, a, b, f);
    case SUB:
      return add(r, a, b, b.sign ^ 1, f);
    case SUBR:
      return add(r, b, a, a.sign ^ 1, f);
    case DIV:
      return div(r, a, b, f);
    default:
      return div(r, b, a, f);
  }
}

function add(r: Unpacked, a: Unpacked, b: Unpacked, bSign: number, f: Format): boolean {
  if (a.kind === INF && b.kind === INF && a.sign !== bSign) return invalid(r);
  if ((a.denormal || b.denormal) && raise(DE)) return false;
  if (a.kind === NORMAL && b.kind === NORMAL) addNormal(r, a, b, bSign, f);
  else if (a.kind === INF) setInf(r, a.sign);
  else if (b.kind === INF) setInf(r, bSign);
  else if (a.kind === NORMAL) roundOf(r, a, a.sign, f);
  else if (b.kind === NORMAL) roundOf(r, b, bSign, f);
  else setZero(r, a.sign === bSign ? a.sign : env.rc === RC_DOWN ? 1 : 0);
  return true;
}

function roundOf(r: Unpacked, a: Unpacked, sign: number, f: Format): void {
  r.set(a);
  r.sign = sign;
  round(r, 0, f);
}

function mul(r: Unpacked, a: Unpacked, b: Unpacked, f: Format): boolean {
  const sign = a.sign ^ b.sign;
  if ((a.kind === INF && b.kind === ZERO) || (a.kind === ZERO && b.kind === INF)) return invalid(r);
  if ((a.denormal || b.denormal) && raise(DE)) return false;
  if (a.kind === NORMAL && b.kind === NORMAL) mulNormal(r, a, b, f);
  else if (a.kind === INF || b.kind === INF) setInf(r, sign);
  else setZero(r, sign);
  return true;
}

function div(r: Unpacked, a: Unpacked, b: Unpacked, f: Format): boolean {
  const sign = a.sign ^ b.sign;
  if (a.kind === b.kind && a.kind !== NORMAL) return invalid(r);
  if (b.kind === ZERO && a.kind === NORMAL) {
    if (raise(ZE)) return false;
    setInf(r, sign);
    return true;
  }
  if ((a.denormal || b.denormal) && raise(DE)) return false;
  if (a.kind === INF || b.kind === ZERO) setInf(r, sign);
  else if (b.kind === INF || a.kind === ZERO) setZero(r, sign);
  else divNormal(r, a, b, f);
  return true;
}

export function sqrt(r: Unpacked, a: Unpacked, f: Format): boolean {
  if (a.kind >= QNAN) return nan1(r, a);
  if (a.kind === ZERO) setZero(r, a.sign);
  else if (a.sign !== 0) return invalid(r);
  else if (a.kind === INF) setInf(r, 0);
  else {
    if (a.denormal && raise(DE)) return false;
    sqrtNormal(r, a, f);
  }
  return true;
}

/**
 * Condition codes of a comparison (C3, C2, C0).
 * @param quiet fucom: quiet NaNs compare unordered without IE
 */
export function compareCodes(a: Unpacked, b: Unpacked, quiet: boolean): number {
  if (a.kind >= QNAN || b.kind >= QNAN) {
    if (!quiet || a.kind >= SNAN || b.kind >= SNAN) env.flags |= IE;
    return C3 | C2 | C0;
  }
  if (a.denormal || b.denormal) env.flags |= DE;
  const c = compare(a, b);
  if (c === 0) return C3;
  return c < 0 ? C0 : 0;
}

export function roundToInteger(r: Unpacked, a: Unpacked): boolean {
  if (a.kind >= QNAN) return nan1(r, a);
  if (a.denormal && raise(DE)) return false;
  r.set(a);
  r.denormal = false;
  if (a.kind !== NORMAL || a.exp >= 63) return true;
  toInteger(a, env.rc);
  const { up } = env;
  if (integer.inexact) raise(PE);
  if ((integer.hi | integer.lo) === 0) setZero(r, a.sign);
  else roundBig(r, (BigInt(integer.hi >>> 0) << 32n) | BigInt(integer.lo >>> 0), 0, false, EXT64);
  env.up = up;
  return true;
}

/** r = a × 2^trunc(b). */
export function scale(r: Unpacked, a: Unpacked, b: Unpacked): boolean {
  if (a.kind >= QNAN || b.kind >= QNAN) return nan2(r, a, b);
  if (b.kind === INF && ((b.sign === 0 && a.kind === ZERO) || (b.sign !== 0 && a.kind === INF))) return invalid(r);
  if ((a.denormal || b.denormal) && raise(DE)) return false;
  if (b.kind === INF) {
    if (b.sign !== 0) setZero(r, a.sign);
    else setInf(r, a.sign);
    return true;
  }
  r.set(a);
  r.denormal = false;
  if (a.kind !== NORMAL) return true;
  let n = 0;
  if (b.kind === NORMAL && b.exp >= 0) {
    // Beyond ±2^17 everything over- or underflows even after wrapping.
    n = b.exp > 16 ? 0x20000 : Math.floor((b.hi >>> 0) / 2 ** (31 - b.exp));
    if (b.sign !== 0) n = -n;
  }
  r.exp += n;
  round(r, 0, EXT64);
  return true;
}

/** Splits a into exponent and significand. @returns false when an unmasked exception leaves no result. */
export function extract(exponent: Unpacked, fraction: Unpacked, a: Unpacked): boolean {
  if (a.kind >= QNAN) {
    if (!nan1(exponent, a)) return false;
    fraction.set(exponent);
    return true;
  }
  if (a.kind === ZERO) {
    if (raise(ZE)) return false;
    setInf(exponent, 1);
    setZero(fraction, a.sign);
    return true;
  }
  if (a.kind === INF) {
    setInf(fraction, a.sign);
    setInf(exponent, 0);
    return true;
  }
  if (a.denormal && raise(DE)) return false;
  const e = a.exp;
  fraction.set(a);
  fraction.exp = 0;
  fraction.denormal = false;
  if (e === 0) setZero(exponent, 0);
  else {
    exponent.sign = e < 0 ? 1 : 0;
    roundBig(exponent, BigInt(Math.abs(e)), 0, false, EXT64);
  }
  return true;
}

/** Condition codes of the last `remainder`, and which of them it determines. */
export const remainderCodes = { codes: 0, affected: 0 };

/**
 * Partial remainder of a by b. C2 = 1: incomplete, the exponent difference was reduced.
 * @param nearest fprem1: quotient rounded to nearest even instead of towards zero
 */
export function remainder(r: Unpacked, a: Unpacked, b: Unpacked, nearest: boolean): boolean {
  remainderCodes.codes = 0;
  remainderCodes.affected = C1 | C2;
  if (a.kind >= QNAN || b.kind >= QNAN) return nan2(r, a, b);
  if (a.kind === INF || b.kind === ZERO) return invalid(r);
  if ((a.denormal || b.denormal) && raise(DE)) return false;
  remainderCodes.affected = CC;
  r.set(a);
  r.denormal = false;
  if (a.kind === ZERO) return true;
  if (b.kind === INF) {
    round(r, 0, EXT64);
    return true;
  }
  const d = a.exp - b.exp;
  if (d < (nearest ? -1 : 0)) {
    round(r, 0, EXT64);
    return true;
  }
  const mb = significand(b);
  let sign = a.sign;
  let rest: bigint;
  let q: bigint;
  let scaleOfRest = b.exp - 63;
  if (d < 64) {
    const ma = d >= 0 ? significand(a) << BigInt(d) : significand(a);
    const divisor = d >= 0 ? mb : mb << BigInt(-d);
    if (d < 0) scaleOfRest = a.exp - 63;
    q = ma / divisor;
    rest = ma - q * divisor;
    if (nearest) {
      const twice = rest << 1n;
      if (twice > divisor || (twice === divisor && (q & 1n) === 1n)) {
        q++;
        rest = divisor - rest;
        sign ^= 1;
      }
    }
    const low = Number(q & 7n);
    remainderCodes.codes = ((low & 4) !== 0 ? C0 : 0) | ((low & 2) !== 0 ? C3 : 0) | ((low & 1) !== 0 ? C1 : 0);
  } else {
    const n = (d & 31) | 32;
    q = (significand(a) << BigInt(n)) / mb;
    rest = (significand(a) << BigInt(n)) - q * mb;
    scaleOfRest = b.exp - 63 + d - n;
    remainderCodes.codes = C2;
  }
  if (rest === 0n) {
    setZero(r, a.sign);
    return true;
  }
  r.sign = sign;
  roundBig(r, rest, scaleOfRest, false, EXT64);
  return true;
}
