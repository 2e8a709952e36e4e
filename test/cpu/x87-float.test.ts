/**
 * The soft float against JavaScript's own arithmetic, on any host: binary64 and binary32 results of the four operations
 * and the square root, conversions, transcendental functions near Math's values, and what x87 must do without asking a
 * processor: a long double keeps 64 bits, a decimal load and store round trip, a stack fault.
 */
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FCW, FSW, FTOP, FTW } from '../../cpu/state.js';
import { ADD, arithmetic, DIV, MUL, SUB, sqrt } from '../../cpu/x87/arithmetic.js';
import { pack32, pack64, packed, unpack32, unpack64 } from '../../cpu/x87/formats.js';
import { runX87Row, X87, X87_MF, X87_TABLE } from '../../cpu/x87/index.js';
import { round } from '../../cpu/x87/rounding.js';
import { atan2, cos, exp2m1, sin, tan, yLog2x } from '../../cpu/x87/transcendental.js';
import { env, F32, F64, type Format, INF, NORMAL, Unpacked } from '../../cpu/x87/unpacked.js';
import '../support/seeded.js';

const view = new DataView(new ArrayBuffer(8));
const a = new Unpacked();
const b = new Unpacked();
const r = new Unpacked();

function fromDouble(into: Unpacked, value: number): void {
  view.setFloat64(0, value);
  unpack64(into, view.getInt32(0), view.getInt32(4));
}

function toDouble(from: Unpacked): number {
  pack64(from);
  view.setInt32(0, packed.hi);
  view.setInt32(4, packed.lo);
  return view.getFloat64(0);
}

function fromSingle(into: Unpacked, value: number): void {
  view.setFloat32(0, value);
  unpack32(into, view.getInt32(0));
}

function toSingle(from: Unpacked): number {
  view.setInt32(0, pack32(from));
  return view.getFloat32(0);
}

function begin(): void {
  env.rc = 0;
  env.masks = 0x3f;
  env.flags = 0;
  env.flush = false;
}

const OPERATIONS: [number, (x: number, y: number) => number][] = [
  [ADD, (x, y) => x + y],
  [SUB, (x, y) => x - y],
  [MUL, (x, y) => x * y],
  [DIV, (x, y) => x / y],
];

const runs = { numRuns: 3000, seed: 1 };

test('binary64 arithmetic is JavaScript’s', () => {
  fc.assert(
    fc.property(fc.double(), fc.double(), (x, y) => {
      for (const [op, expected] of OPERATIONS) {
        begin();
        fromDouble(a, x);
        fromDouble(b, y);
        arithmetic(op, r, a, b, F64);
        if (!Object.is(toDouble(r), expected(x, y))) return false;
      }
      begin();
      fromDouble(a, x);
      sqrt(r, a, F64);
      return Object.is(toDouble(r), Math.sqrt(x));
    }),
    runs,
  );
});

test('binary32 arithmetic is Math.fround of it', () => {
  fc.assert(
    fc.property(fc.float(), fc.float(), (x, y) => {
      for (const [op, expected] of OPERATIONS) {
        begin();
        fromSingle(a, x);
        fromSingle(b, y);
        arithmetic(op, r, a, b, F32);
        // Twice 24 bits and more make double rounding harmless for these operations.
        if (!Object.is(toSingle(r), Math.fround(expected(x, y)))) return false;
      }
      return true;
    }),
    runs,
  );
});

test('narrowing to binary32 rounds as Math.fround', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true }), (x) => {
      begin();
      fromDouble(r, x);
      if (r.kind === NORMAL) round(r, 0, F32);
      return Object.is(toSingle(r), Math.fround(x));
    }),
    runs,
  );
});

test('the rounding modes bracket the exact value', () => {
  const rounded = (x: number, rc: number, format: Format): number => {
    begin();
    env.rc = rc;
    fromDouble(r, x);
    round(r, 0, format);
    return r.kind === INF ? (r.sign ? -Infinity : Infinity) : toSingle(r);
  };
  fc.assert(
    fc.property(
      fc.double({ noNaN: true, noDefaultInfinity: true }).filter((x) => x !== 0),
      (x) => {
        const down = rounded(x, 1, F32);
        const up = rounded(x, 2, F32);
        const toZero = rounded(x, 3, F32);
        return down <= x && x <= up && Object.is(toZero, x < 0 ? up : down);
      },
    ),
    runs,
  );
});

test('transcendental functions are near Math’s', () => {
  const near = (f: (r: Unpacked, a: Unpacked) => boolean, expected: (x: number) => number, low: number, high: number) =>
    fc.assert(
      fc.property(fc.double({ min: low, max: high, noNaN: true }), (x) => {
        begin();
        fromDouble(a, x);
        f(r, a);
        if (r.kind === NORMAL) round(r, 0, F64);
        const wanted = expected(x);
        return Math.abs(toDouble(r) - wanted) <= Math.abs(wanted) * 1e-15 + 1e-18;
      }),
      { numRuns: 300, seed: 1 },
    );
  near(sin, Math.sin, -3, 3);
  near(cos, Math.cos, -1.5, 1.5);
  near(tan, Math.tan, -1.5, 1.5);
  near(exp2m1, (x) => Math.expm1(x * Math.LN2), -1, 1);
  fromDouble(b, 1);
  near((out, x) => atan2(out, x, b), Math.atan, -1e9, 1e9);
  near((out, x) => yLog2x(out, b, x), Math.log2, 1e-300, 1e300);
});

// Instructions, on a state of their own.
const AT = 0x800;
const buffer = new ArrayBuffer(0x1000);
const memory = { u8: new Uint8Array(buffer), i32: new Int32Array(buffer), view: new DataView(buffer) };
const unit = new X87(memory);

function run(name: string, modrm?: number): number {
  const row = X87_TABLE.find((candidate) => candidate.name === name);
  if (row === undefined) throw new Error(`no row ${name}`);
  return runX87Row(unit, row, modrm ?? (row.count === 0 ? row.modrm << 3 : row.modrm), AT);
}

test.before.each(() => {
  memory.u8.fill(0);
  unit.init();
});

test('a long double keeps 64 bits of a sum', () => {
  memory.view.setBigInt64(AT, 2n ** 62n, true);
  run('fild i64');
  run('fld1');
  run('faddp sti, st0', 0xc1);
  run('fistp i64');
  assert.is(memory.view.getBigInt64(AT, true), 2n ** 62n + 1n);
  assert.is(memory.i32[FTOP >> 2], 0);
  assert.is(memory.i32[FTW >> 2], 0xffff);
});

test('packed decimals round trip', () => {
  const digits = [0x89, 0x67, 0x45, 0x23, 0x01, 0x98, 0x76, 0x54, 0x32, 0x80];
  memory.u8.set(digits, AT);
  run('fbld');
  memory.u8.fill(0, AT, AT + 10);
  run('fbstp');
  assert.equal([...memory.u8.subarray(AT, AT + 10)], digits);
});

test('a pop of an empty stack is a stack underflow with the indefinite value', () => {
  run('fstp f64');
  assert.is(memory.view.getBigUint64(AT, true), 0xfff8000000000000n);
  assert.is(memory.i32[FSW >> 2]! & 0x241, 0x41);
});

test('an unmasked division by zero leaves its operands and stops the next instruction', () => {
  run('fld1');
  run('fldz');
  memory.i32[FCW >> 2] = 0x37f & ~4;
  run('fdivp sti, st0', 0xf9);
  assert.is(memory.i32[FTOP >> 2], 6);
  assert.is(run('fwait'), X87_MF);
  assert.is(run('fnclex'), 0);
  assert.is(run('fwait'), 0);
});

test.run();
