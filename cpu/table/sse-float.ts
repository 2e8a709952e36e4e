/**
 * Floating-point arithmetic and comparison of SSE and SSE2. The fast way is WebAssembly's own arithmetic, which rounds
 * to nearest and keeps no flags; it counts only when MXCSR's control bits are at their default and the result is finite
 * (NaN payloads, IE, ZE and OE come from the exact path). DE, UE and PE stay unset on the fast way: see
 * docs/decisions/sse-exception-flags.md.
 */
import type { Builder } from '../ir/builder.js';
import type { Value } from '../ir/ir.js';
import { AUX, CF, RES } from '../state.js';
import { type Row, type RowOptions, row } from './row.js';
import { shuffle } from './sse-common.js';
import { approximate, exactArithmetic, exactCompare, exactOrder, OPERATIONS, ORDER } from './sse-exact.js';

interface Width {
  prefix: string;
  suffix: string;
  bits: 32 | 64;
  lanes: number;
  /** Operand code. */
  code: string;
  /** WebAssembly shape. */
  shape: 'f32x4' | 'f64x2' | 'f32' | 'f64';
}
export const WIDTHS: readonly Width[] = [
  { prefix: 'np', suffix: 'ps', bits: 32, lanes: 4, code: 'x', shape: 'f32x4' },
  { prefix: '66', suffix: 'pd', bits: 64, lanes: 2, code: 'x', shape: 'f64x2' },
  { prefix: 'f3', suffix: 'ss', bits: 32, lanes: 1, code: 'ss', shape: 'f32' },
  { prefix: 'f2', suffix: 'sd', bits: 64, lanes: 1, code: 'sd', shape: 'f64' },
];

/** i32: no lane of a comparison result holds. */
function none({ shape }: Width, b: Builder, mask: Value): Value {
  return b.eqz(b.op(shape === 'f32x4' ? 'i32x4.bitmask' : 'i64x2.bitmask', [mask]));
}

/** i32: every lane is finite. */
export function finite(b: Builder, w: Width, v: Value): Value {
  if (b.concrete) return b.check('finite', w.shape, [v]);
  const difference = b.op(`${w.shape}.sub`, [v, v]);
  // Of scalars ≥ is one branch, equality two.
  if (w.lanes === 1) return b.op(`${w.shape}.ge`, [difference, difference]);
  return none(w, b, b.op(`${w.shape}.ne`, [difference, difference]));
}

/** i32: no lane of either is a NaN. */
function ordered(b: Builder, w: Width, x: Value, y: Value): Value {
  if (b.concrete) return b.check('ordered', w.shape, [x, y]);
  if (w.lanes === 1) return b.bin('and', b.op(`${w.shape}.ge`, [x, x]), b.op(`${w.shape}.ge`, [y, y]));
  return none(w, b, b.op('v128.or', [b.op(`${w.shape}.ne`, [x, x]), b.op(`${w.shape}.ne`, [y, y])]));
}

/** i32: control bits are at their default, and this holds. Translated code has been entered with the first. */
export function byDefault(b: Builder, ok: Value): Value {
  const control = b.defaultControl();
  return b.concrete ? ok : b.bin('and', control, ok);
}

const ARITHMETIC: [string, keyof typeof OPERATIONS][] = [
  ['58', 'add'],
  ['59', 'mul'],
  ['5c', 'sub'],
  ['5e', 'div'],
  ['51', 'sqrt'],
  ['5d', 'min'],
  ['5f', 'max'],
];

function arithmeticRow(opcode: string, name: keyof typeof OPERATIONS, w: Width): Row {
  const exact = exactArithmetic(OPERATIONS[name], w.bits, w.lanes);
  return row(
    `${w.prefix} 0f ${opcode}`,
    name + w.suffix,
    `V${w.code},W${w.code}`,
    (b) => {
      if (w.lanes > 1) b.requireAligned(1);
      const y = b.read(1);
      const source = b.addressOf(1, w.lanes > 1 ? 16 : w.bits / 8, false, false);
      const x = b.read(0);
      let result: Value;
      let ok: Value;
      if (name === 'min' || name === 'max') {
        if (w.lanes > 1) result = b.op(`${w.shape}.p${name}`, [y, x]);
        else result = b.select(x, y, b.op(`${w.shape}.${name === 'min' ? 'lt' : 'gt'}`, [x, y]));
        ok = ordered(b, w, x, y);
      } else {
        result = name === 'sqrt' ? b.op(`${w.shape}.sqrt`, [y]) : b.op(`${w.shape}.${name}`, [x, y]);
        ok = finite(b, w, result);
      }
      b.if(
        byDefault(b, ok),
        () => b.write(0, result),
        () => b.helper(exact, source),
      );
    },
    hotScalar(w),
  );
}

/** Doubles are in the main loop, with what they have in registers or at simple addresses. */
function hotScalar({ suffix }: Width): RowOptions {
  return suffix === 'sd' ? { hot: '32r 32bd' } : {};
}

/** cmpps, cmppd, cmpss, cmpsd: all four relations, then the one that the immediate names. */
function compareRow(w: Width): Row {
  const exact = exactCompare(w.bits, w.lanes);
  return row(`${w.prefix} 0f c2`, `cmp${w.suffix}`, `V${w.code},W${w.code},Ib`, (b) => {
    if (w.lanes > 1) b.requireAligned(1);
    const y = b.read(1);
    const source = b.addressOf(1, w.lanes > 1 ? 16 : w.bits / 8, false, false);
    const x = b.read(0);
    const predicate = b.read(2);
    const kind = b.bin('and', predicate, b.i32(3));
    const equal = b.op(`${w.shape}.eq`, [x, y]);
    const less = b.op(`${w.shape}.lt`, [x, y]);
    const lessEqual = b.op(`${w.shape}.le`, [x, y]);
    const negated = b.bin('and', predicate, b.i32(4));
    const vector = w.lanes > 1;
    // Ordered operands only: the relation "unordered" never holds.
    const none = vector ? b.v128(new Array(16).fill(0)) : b.i32(0);
    const isKind = (k: number): Value => b.bin('eq', kind, b.i32(k));
    const chosen = b.select(equal, b.select(less, b.select(lessEqual, none, isKind(2)), isKind(1)), b.eqz(kind));
    let mask: Value;
    if (vector) {
      const flip = b.op('i32x4.splat', [b.bin('sub', b.eqz(negated), b.i32(1))]);
      mask = b.op('v128.xor', [chosen, flip]);
    } else {
      const bit = b.bin('xor', chosen, b.bin('shr_u', negated, b.i32(2)));
      const wide = w.bits === 64 ? b.widen(bit, 32, false) : bit;
      mask = b.bin('sub', b.int(0, w.bits), wide);
    }
    b.if(
      byDefault(b, ordered(b, w, x, y)),
      () => {
        if (vector) b.write(0, mask);
        else b.writeAs(0, w.bits === 32 ? 'i32.store' : 'i64.store', mask);
      },
      () => b.helper(exact, source),
    );
  });
}

/**
 * ucomis and comis: ZF, PF, CF = equal or unordered, unordered, less or unordered; OF, SF, AF = 0. The lazy words that
 * say so: RES is 0 or 1, a PF that RES does not give is flipped by bit 8 of AUX, bit 63 of AUX undoes CF in OF.
 */
function orderRow(opcode: string, name: string, w: Width, signalling: boolean): Row {
  const exact = exactOrder(w.bits, signalling);
  return row(
    `${w.bits === 32 ? 'np' : '66'} 0f ${opcode}`,
    name + w.suffix,
    `V${w.code},W${w.code}`,
    (b) => {
      const y = b.read(1);
      const source = b.addressOf(1, w.bits / 8, false, false);
      const x = b.read(0);
      if (b.concrete) {
        b.if(
          byDefault(b, ordered(b, w, x, y)),
          () => b.flags('order', { a: x, b: y, size: w.bits }),
          () => b.helper(exact, source),
        );
        return;
      }
      const relation = b.bin('sub', b.op(`${w.shape}.gt`, [x, y]), b.op(`${w.shape}.lt`, [x, y]));
      b.if(
        byDefault(b, ordered(b, w, x, y)),
        () => b.set(ORDER, 'i32.store', relation),
        () => b.helper(exact, source),
      );
      const order = b.get(ORDER, 'i32.load');
      const unordered = b.bin('eq', order, b.i32(2));
      const equal = b.eqz(order);
      const carry = b.bin('or', b.bin('lt_s', order, b.i32(0)), unordered);
      b.set(CF, 'i32.store', carry);
      const overflowFix = b.bin('shl', b.widen(carry, 32, false), b.i64(63));
      const parityFix = b.bin('shl', b.widen(equal, 32, false), b.i64(8));
      b.set(AUX, 'i64.store', b.bin('or', overflowFix, parityFix));
      b.set(RES, 'i64.store', b.widen(b.eqz(b.bin('or', equal, unordered)), 32, false));
    },
    hotScalar(w),
  );
}

/** Of which operands the approximations are exact arithmetic with a normal result: 2^−126 to 2^125, as bits. */
const LEAST_NORMAL = 0x00800000;
const LARGEST = 0x7e000000;

/** Four singles with these bits. */
const splat = (b: Builder, bits: number): Value =>
  b.v128(Array.from({ length: 16 }, (_, k) => (bits >> (8 * (k % 4))) & 0xff));
const ONE = 0x3f800000;

/** 1/√x of the lower two singles, correctly rounded, in the lower half. */
function inverseRoots(b: Builder, x: Value): Value {
  const one = b.v128(Array.from({ length: 16 }, (_, k) => [0, 0, 0, 0, 0, 0, 0xf0, 0x3f][k % 8]!));
  const root = b.op('f64x2.sqrt', [b.op('f64x2.promote_low_f32x4', [x])]);
  return b.op('f32x4.demote_f64x2_zero', [b.op('f64x2.div', [one, root])]);
}

/** rcp and rsqrt of all four lanes; scalars are lane 0. What is out of range, negative for a root, or a NaN is the helper's. */
function approximationRow(opcode: string, name: string, w: Width, root: boolean): Row {
  const helper = approximate(root, w.lanes);
  return row(`${w.prefix} 0f ${opcode}`, name + w.suffix, `V${w.code},W${w.code}`, (b) => {
    if (w.lanes > 1) b.requireAligned(1);
    const x = w.lanes > 1 ? b.read(1) : b.op('f32x4.splat', [b.read(1)]);
    const source = b.addressOf(1, w.lanes > 1 ? 16 : 4, false, false);
    const size = root ? x : b.op('f32x4.abs', [x]);
    const isInRange = b.op('v128.and', [
      b.op('f32x4.ge', [size, splat(b, LEAST_NORMAL)]),
      b.op('f32x4.le', [size, splat(b, LARGEST)]),
    ]);
    let result: Value;
    if (!root) result = b.op('f32x4.div', [splat(b, ONE), x]);
    else if (w.lanes === 1) result = inverseRoots(b, x);
    else {
      const upper = shuffle(b, x, x, 8, [1, 1]);
      result = shuffle(b, inverseRoots(b, x), inverseRoots(b, upper), 8, [0, 2]);
    }
    b.if(
      b.bin('eq', b.op('i32x4.bitmask', [isInRange]), b.i32(15)),
      () => b.write(0, w.lanes > 1 ? result : b.op('f32x4.extract_lane', [result], 0)),
      () => b.helper(helper, source),
    );
  });
}

export const sseFloatRows: readonly Row[] = [
  ...ARITHMETIC.flatMap(([opcode, name]) => WIDTHS.map((w) => arithmeticRow(opcode, name, w))),
  ...WIDTHS.map(compareRow),
  ...WIDTHS.filter((w) => w.lanes === 1).flatMap((w) => [
    orderRow('2e', 'ucomi', w, false),
    orderRow('2f', 'comi', w, true),
  ]),
  ...WIDTHS.filter((w) => w.bits === 32).flatMap((w) => [
    approximationRow('52', 'rsqrt', w, true),
    approximationRow('53', 'rcp', w, false),
  ]),
];
