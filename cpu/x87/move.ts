/** x87 loads, stores and conversions between the register stack and memory operands. */

import { pack32, pack64, packed, unpack32, unpack64 } from './formats.js';
import { fromInteger, integer, round, toInteger } from './rounding.js';
import { C1, nan1, type X87 } from './unit.js';
import { DE, env, F32, F64, IE, NORMAL, OE, PE, QNAN, raise, UE } from './unpacked.js';

const le32 = (u: X87, at: number) => u.memory.view.getInt32(at, true);
const put32 = (u: X87, at: number, v: number) => u.memory.view.setInt32(at, v, true);

/** Reads a memory operand into `u.b`, exactly. Sizes: 'f32' | 'f64' | 'i16' | 'i32' | 'i64'. */
export type Operand = 'f32' | 'f64' | 'i16' | 'i32' | 'i64';

export function readOperand(u: X87, kind: Operand, at: number): void {
  const { b } = u;
  b.denormal = false;
  switch (kind) {
    case 'f32':
      unpack32(b, le32(u, at));
      return;
    case 'f64':
      unpack64(b, le32(u, at + 4), le32(u, at));
      return;
    case 'i64': {
      let hi = le32(u, at + 4);
      let lo = le32(u, at);
      const sign = hi < 0 ? 1 : 0;
      if (sign !== 0) {
        lo = -lo | 0;
        hi = lo === 0 ? -hi | 0 : ~hi;
      }
      fromInteger(b, sign, hi, lo);
      return;
    }
    default: {
      const v = kind === 'i16' ? u.memory.view.getInt16(at, true) : le32(u, at);
      fromInteger(b, v < 0 ? 1 : 0, 0, v < 0 ? -v | 0 : v);
    }
  }
}

/** fld of memory operands other than 80-bit ones, fild. */
export function load(u: X87, kind: Operand, at: number): void {
  if (!u.canPush()) return;
  readOperand(u, kind, at);
  const { b } = u;
  u.begin();
  if (b.kind >= QNAN) {
    if (!nan1(u.r, b)) {
      u.commit();
      return;
    }
    b.set(u.r);
  } else if (b.denormal) raise(DE);
  // A denormal is pushed even when its exception is unmasked.
  u.commit();
  u.top--;
  u.store(0, b);
}

export function load80(u: X87, at: number): void {
  if (!u.canPush()) return;
  const lo = le32(u, at);
  const hi = le32(u, at + 4);
  u.pushWords(u.memory.view.getUint16(at + 8, true), hi, lo);
  u.status &= ~C1;
}

export function store80(u: X87, at: number): void {
  if (u.isEmpty(0)) {
    if (!u.stackFault(false)) return;
    put80(u, at, 0xffff, 0xc0000000, 0);
  } else {
    const { i32 } = u.memory;
    const x = u.index(0);
    put80(u, at, i32[x + 2]! & 0xffff, i32[x + 1]!, i32[x]!);
    u.status &= ~C1;
  }
  u.pop();
}

function put80(u: X87, at: number, se: number, hi: number, lo: number): void {
  put32(u, at, lo);
  put32(u, at + 4, hi);
  u.memory.view.setUint16(at + 8, se, true);
}

/** fst and fstp to binary32 and binary64. */
export function storeFloat(u: X87, kind: 'f32' | 'f64', at: number, pop: boolean): void {
  const { a, r } = u;
  if (u.isEmpty(0)) {
    if (!u.stackFault(false)) return;
    if (kind === 'f32') put32(u, at, 0xffc00000);
    else {
      put32(u, at, 0);
      put32(u, at + 4, 0xfff80000);
    }
    if (pop) u.pop();
    return;
  }
  u.load(0, a);
  u.begin();
  let ok = true;
  if (a.kind >= QNAN) ok = nan1(r, a);
  else {
    r.set(a);
    if (a.kind === NORMAL) round(r, 0, kind === 'f32' ? F32 : F64);
    // Unmasked overflow and underflow leave memory as it was; the inexactness of the result does not count then.
    if ((env.flags & ~env.masks & (OE | UE)) !== 0) {
      ok = false;
      env.flags &= ~PE;
      env.up = 0;
    }
  }
  if (!u.commit() || !ok) return;
  if (kind === 'f32') put32(u, at, pack32(r));
  else {
    pack64(r);
    put32(u, at, packed.lo);
    put32(u, at + 4, packed.hi);
  }
  if (pop) u.pop();
}

/** fist and fistp. */
export function storeInteger(u: X87, bytes: 2 | 4 | 8, at: number, pop: boolean): void {
  const { a } = u;
  let valid = false;
  if (u.isEmpty(0)) {
    if (!u.stackFault(false)) return;
  } else {
    u.load(0, a);
    u.begin();
    valid = a.kind <= NORMAL && toInteger(a, env.rc) && fits(bytes, a.sign);
    if (valid) {
      if (integer.inexact) raise(PE);
    } else {
      env.up = 0;
      raise(IE);
    }
    if (!u.commit()) return;
  }
  let hi = 0x80000000 | 0;
  let lo = 0;
  if (valid) {
    ({ hi, lo } = integer);
    if (a.sign !== 0) {
      lo = -lo | 0;
      hi = lo === 0 ? -hi | 0 : ~hi;
    }
  } else if (bytes === 4) lo = hi;
  else if (bytes === 2) lo = 0x8000;
  if (bytes === 2) u.memory.view.setUint16(at, lo & 0xffff, true);
  else {
    put32(u, at, lo);
    if (bytes === 8) put32(u, at + 4, hi);
  }
  if (pop) u.pop();
}

/** Whether ±`integer` fits a signed integer of `bytes`. */
function fits(bytes: number, sign: number): boolean {
  const { hi, lo } = integer;
  if (bytes === 8) return hi >= 0 || (sign !== 0 && hi === (0x80000000 | 0) && lo === 0);
  const limit = bytes === 4 ? 0x80000000 : 0x8000;
  return hi === 0 && (lo >>> 0 < limit || (sign !== 0 && lo >>> 0 === limit));
}

const BCD_LIMIT = 10n ** 18n;

/** fbld: 18 packed decimal digits and a sign byte. */
export function loadBcd(u: X87, at: number): void {
  if (!u.canPush()) return;
  const { view } = u.memory;
  let v = 0n;
  for (let i = 8; i >= 0; i--) {
    const byte = view.getUint8(at + i);
    v = v * 100n + BigInt((byte >> 4) * 10 + (byte & 15));
  }
  fromInteger(u.b, view.getUint8(at + 9) >>> 7, Number(v >> 32n) | 0, Number(v & 0xffffffffn) | 0);
  u.status &= ~C1;
  u.top--;
  u.store(0, u.b);
}

/** fbstp. */
export function storeBcd(u: X87, at: number): void {
  const { a } = u;
  let v = BCD_LIMIT;
  if (u.isEmpty(0)) {
    if (!u.stackFault(false)) return;
  } else {
    u.load(0, a);
    u.begin();
    if (a.kind <= NORMAL && toInteger(a, env.rc)) v = (BigInt(integer.hi >>> 0) << 32n) | BigInt(integer.lo >>> 0);
    if (v >= BCD_LIMIT) {
      env.up = 0;
      raise(IE);
    } else if (integer.inexact) raise(PE);
    if (!u.commit()) return;
  }
  const { view } = u.memory;
  if (v >= BCD_LIMIT) {
    put80(u, at, 0xffff, 0xc0000000, 0);
  } else {
    for (let i = 0; i < 9; i++) {
      const two = Number(v % 100n);
      v /= 100n;
      view.setUint8(at + i, Math.floor(two / 10) * 16 + (two % 10));
    }
    view.setUint8(at + 9, a.sign << 7);
  }
  u.pop();
}
