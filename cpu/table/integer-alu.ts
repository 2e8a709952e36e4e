/**
 * Two-operand arithmetic and logic, inc/dec/neg/not, test, multiplication, division.
 * @source Intel SDM vol. 2; AMD APM vol. 3. Flags that are undefined there behave as on current processors.
 */
import { TRAP_DE } from '../exits.js';
import type { Builder } from '../ir/builder.js';
import type { Value } from '../ir/ir.js';
import { RAX, RDX, TEMP0 } from '../state.js';
import { type Row, type RowOptions, row } from './row.js';

type Semantics = (b: Builder) => void;

function arithmetic(kind: 'add' | 'sub'): Semantics {
  return (b) => {
    const x = b.modify(0);
    const y = b.read(1);
    const res = b.bin(kind, x, y);
    b.write(0, res);
    b.flags(kind, { a: x, b: y, res });
  };
}

function withCarry(kind: 'adc' | 'sbb'): Semantics {
  return (b) => {
    const x = b.modify(0);
    const y = b.read(1);
    const carry = b.size === 64 ? b.widen(b.carry(), 32, false) : b.carry();
    const op = kind === 'adc' ? 'add' : 'sub';
    const res = b.bin(op, b.bin(op, x, y), carry);
    b.write(0, res);
    b.flags(kind, { a: x, b: y, res });
  };
}

function logic(op: 'and' | 'or' | 'xor'): Semantics {
  return (b) => {
    const res = b.bin(op, b.modify(0), b.read(1));
    b.write(0, res);
    b.flags('logic', { res });
  };
}

function compare(b: Builder): void {
  const x = b.read(0);
  const y = b.read(1);
  b.flags('sub', { a: x, b: y, res: b.bin('sub', x, y) });
}

function test(b: Builder): void {
  b.flags('logic', { res: b.bin('and', b.read(0), b.read(1)) });
}

interface AluOp {
  name: string;
  semantics: Semantics;
  sets: 'sub' | 'logic' | 'arithmetic';
  /** Hot forms of the encodings Eb,Gb / Ev,Gv / Gb,Eb / Gv,Ev / al,Ib / rAX,Iz / Eb,Ib / Ev,Iz / Ev,Ibs. */
  hot: readonly string[];
}

const ADDITIVE = [
  '',
  '32r 64r 32bd 64bd',
  '8r',
  '32r 64r 32bd 64bd 32bis 64bis',
  '',
  '32r 64r',
  '8bd',
  '32r 64r 32bd 64bd',
  '32r 64r 32bd 64bd',
];
const LOGICAL = [
  '8r 8bd',
  '32r 64r 32bd 64bd 64bis',
  '8r 8bd',
  '32r 64r 32bd 64bd',
  '8r',
  '32r 64r',
  '8r 8bd',
  '16r 32r 64r 32bd',
  '32r 64r 32bd 64bd',
];
const CARRYING = ['', '32r 64r', '', '32r 64r 64bd', '', '', '', '', '32r 64r'];
const COMPARING = [
  '8rf 8bd 8bis',
  '32rf 64rf 32bdf 64bdf 64bis',
  '8bdf 8bis',
  '32bdf 64bdf',
  '8rf',
  '32rf 64rf',
  '8rf 8bdf 8bis',
  '16r 32rf 64rf 32bdf',
  '32rf 64rf 32bdf 64bdf 64bis',
];

const ALU: readonly AluOp[] = [
  { name: 'add', semantics: arithmetic('add'), sets: 'arithmetic', hot: ADDITIVE },
  { name: 'or', semantics: logic('or'), sets: 'logic', hot: LOGICAL },
  { name: 'adc', semantics: withCarry('adc'), sets: 'arithmetic', hot: CARRYING },
  { name: 'sbb', semantics: withCarry('sbb'), sets: 'arithmetic', hot: CARRYING },
  { name: 'and', semantics: logic('and'), sets: 'logic', hot: LOGICAL },
  { name: 'sub', semantics: arithmetic('sub'), sets: 'arithmetic', hot: ADDITIVE },
  { name: 'xor', semantics: logic('xor'), sets: 'logic', hot: LOGICAL },
  { name: 'cmp', semantics: compare, sets: 'sub', hot: COMPARING },
];

function aluRows(): Row[] {
  return ALU.flatMap(({ name, semantics, sets, hot }, digit) => {
    const code = (low: number): string => (digit * 8 + low).toString(16);
    const lock = name !== 'cmp';
    const options = (i: number): RowOptions => ({ hot: hot[i]!, lock, setsFlags: sets });
    return [
      row(code(0), name, 'Eb,Gb', semantics, options(0)),
      row(code(1), name, 'Ev,Gv', semantics, options(1)),
      row(code(2), name, 'Gb,Eb', semantics, { ...options(2), lock: false }),
      row(code(3), name, 'Gv,Ev', semantics, { ...options(3), lock: false }),
      row(code(4), name, 'Ab,Ib', semantics, { ...options(4), lock: false }),
      row(code(5), name, 'Av,Iz', semantics, { ...options(5), lock: false }),
      row(`80 /${digit}`, name, 'Eb,Ib', semantics, options(6)),
      row(`81 /${digit}`, name, 'Ev,Iz', semantics, options(7)),
      row(`83 /${digit}`, name, 'Ev,Ibs', semantics, options(8)),
    ];
  });
}

function step(kind: 'inc' | 'dec'): Semantics {
  return (b) => {
    const x = b.modify(0);
    const res = b.bin(kind === 'inc' ? 'add' : 'sub', x, b.int(1));
    b.write(0, res);
    b.flags(kind, { a: x, res });
  };
}

function negate(b: Builder): void {
  const x = b.modify(0);
  const zero = b.int(0);
  const res = b.bin('sub', zero, x);
  b.write(0, res);
  b.flags('sub', { a: zero, b: x, res });
}

function invert(b: Builder): void {
  b.write(0, b.bin('xor', b.modify(0), b.int(-1)));
}

/** Writes a double-width product or a division result: ax for bytes, else rdx:rax. */
function writePair(b: Builder, low: Value, high: Value): void {
  if (b.size === 8) {
    b.set(RAX, 'i32.store8', low);
    b.set(RAX + 1, 'i32.store8', high);
    return;
  }
  b.setGpr(0, low);
  b.setGpr(2, high);
}

function multiply(signed: boolean): Semantics {
  return (b) => {
    const { size } = b;
    const factor = signed ? b.readSigned(0) : b.read(0);
    let low: Value;
    let high: Value;
    let res: Value;
    if (size === 64) {
      const rax = b.gpr(0);
      low = b.bin('mul', rax, factor);
      high = signed ? highProduct(b, rax, factor) : b.call('mulhu', [rax, factor], 'i64');
      res = low;
    } else {
      const rax = b.widen(b.gpr(0), size, signed);
      const product = b.bin('mul', rax, b.widen(factor, size, signed));
      low = b.wrap(product);
      high = b.wrap(b.bin('shr_u', product, b.i64(size)));
      res = low;
    }
    writePair(b, low, high);
    const top = b.truncate(high);
    const overflow = signed
      ? b.bin('ne', b.signExtend(top, size), b.bin('shr_s', b.signExtend(low, size), b.int(size - 1)))
      : b.bin('ne', top, b.int(0));
    b.flags('result', { res, cf: overflow, of: overflow });
  };
}

/** High half of a signed 64 × 64 bit product, from 32 × 32 bit pieces. */
function highProduct(b: Builder, x: Value, y: Value): Value {
  const bits = b.i64(32);
  const low = (v: Value): Value => b.bin('and', v, b.i64(0xffffffffn));
  const high = (v: Value): Value => b.bin('shr_s', v, bits);
  const [x0, x1, y0, y1] = [low(x), high(x), low(y), high(y)];
  const first = b.bin('add', b.bin('mul', x1, y0), b.bin('shr_u', b.bin('mul', x0, y0), bits));
  const second = b.bin('add', b.bin('mul', x0, y1), low(first));
  return b.bin('add', b.bin('add', b.bin('mul', x1, y1), high(first)), high(second));
}

/** imul with two or three operands: `x` and `y` of the operand size. */
function multiplyInto(b: Builder, x: Value, y: Value): void {
  const { size } = b;
  const res = b.bin('mul', x, y);
  let overflow: Value;
  if (size === 64) {
    overflow = b.bin('ne', highProduct(b, x, y), b.bin('shr_s', res, b.i64(63)));
  } else {
    const product = b.bin('mul', b.widen(x, size, true), b.widen(y, size, true));
    overflow = b.bin('ne', product, b.widen(b.wrap(product), size, true));
  }
  b.write(0, res);
  b.flags('result', { res, cf: overflow, of: overflow });
}

function divide(signed: boolean): Semantics {
  return (b) => {
    if (b.size === 64) divide64(b, signed);
    else divideNarrow(b, signed);
  };
}

/** 16, 32 and 64 bits by half as many, inside i64. */
function divideNarrow(b: Builder, signed: boolean): void {
  const { size } = b;
  const divisor = b.widen(signed ? b.readSigned(0) : b.read(0), size, signed);
  b.trapIf(b.eqz(divisor), TRAP_DE);
  let dividend: Value;
  if (size === 8) dividend = b.widen(b.gpr(0, 16), 16, signed);
  else {
    const high = b.bin('shl', b.widen(b.gpr(2), size, signed), b.i64(size));
    dividend = b.bin('or', high, b.widen(b.gpr(0), size, false));
  }
  if (!signed) {
    const quotient = b.bin('div_u', dividend, divisor);
    b.trapIf(b.bin('ne', b.bin('shr_u', quotient, b.i64(size)), b.i64(0)), TRAP_DE);
    writePair(b, b.wrap(quotient), b.wrap(b.bin('rem_u', dividend, divisor)));
    return;
  }
  // The one quotient that i64 cannot hold: −2^63 / −1.
  const extreme = b.bin('eq', dividend, b.i64(-(2n ** 63n)));
  b.trapIf(b.bin('and', extreme, b.bin('eq', divisor, b.i64(-1))), TRAP_DE);
  const quotient = b.bin('div_s', dividend, divisor);
  const shift = b.i64(64 - size);
  const fits = b.bin('eq', b.bin('shr_s', b.bin('shl', quotient, shift), shift), quotient);
  b.trapIf(b.eqz(fits), TRAP_DE);
  writePair(b, b.wrap(quotient), b.wrap(b.bin('rem_s', dividend, divisor)));
}

/** 128 bits by 64: magnitudes through `udiv128`, which leaves the remainder in TEMP0. */
function divide64(b: Builder, signed: boolean): void {
  const divisor = b.read(0);
  b.trapIf(b.eqz(divisor), TRAP_DE);
  const low = b.get(RAX, 'i64.load');
  const high = b.get(RDX, 'i64.load');
  if (b.concrete) {
    divideFast(b, signed, low, high, divisor);
    return;
  }
  if (!signed) {
    b.trapIf(b.bin('ge_u', high, divisor), TRAP_DE);
    b.if(
      b.eqz(high),
      () => {
        b.set(RAX, 'i64.store', b.bin('div_u', low, divisor));
        b.set(RDX, 'i64.store', b.bin('rem_u', low, divisor));
      },
      () => {
        b.set(RAX, 'i64.store', b.call('udiv128', [high, low, divisor], 'i64'));
        b.set(RDX, 'i64.store', b.get(TEMP0, 'i64.load'));
      },
    );
    return;
  }
  // What compilers divide fits 64 bits: rdx is the sign of rax.
  const isNarrow = b.bin('eq', high, b.bin('shr_s', low, b.i64(63)));
  const isExtreme = b.bin('and', b.bin('eq', low, b.i64(-(2n ** 63n))), b.bin('eq', divisor, b.i64(-1)));
  b.if(
    b.bin('and', isNarrow, b.eqz(isExtreme)),
    () => {
      b.set(RAX, 'i64.store', b.bin('div_s', low, divisor));
      b.set(RDX, 'i64.store', b.bin('rem_s', low, divisor));
    },
    () => divideMagnitudes(b, low, high, divisor),
  );
}

/** In the translator: dividends of 64 bits; all others are tier 0's. */
function divideFast(b: Builder, signed: boolean, low: Value, high: Value, divisor: Value): void {
  if (signed) {
    b.assume(b.bin('eq', high, b.bin('shr_s', low, b.i64(63))));
    // −2^63 / −1 faults.
    b.assume(b.bin('ne', divisor, b.i64(-1)));
  } else b.assume(b.eqz(high));
  const suffix = signed ? 's' : 'u';
  b.set(RAX, 'i64.store', b.bin(`div_${suffix}`, low, divisor));
  b.set(RDX, 'i64.store', b.bin(`rem_${suffix}`, low, divisor));
}

function divideMagnitudes(b: Builder, low: Value, high: Value, divisor: Value): void {
  const sign = (x: Value): Value => b.bin('shr_s', x, b.i64(63));
  const applySign = (x: Value, mask: Value): Value => b.bin('sub', b.bin('xor', x, mask), mask);
  const dividendSign = sign(high);
  const quotientSign = b.bin('xor', dividendSign, sign(divisor));
  const magnitudeLow = applySign(low, dividendSign);
  // −(high:low) = ~high + (low == 0) : −low
  const carry = b.bin('and', b.widen(b.eqz(low), 32, false), dividendSign);
  const magnitudeHigh = b.bin('add', b.bin('xor', high, dividendSign), carry);
  const magnitude = applySign(divisor, sign(divisor));
  b.trapIf(b.bin('ge_u', magnitudeHigh, magnitude), TRAP_DE);
  const quotient = b.call('udiv128', [magnitudeHigh, magnitudeLow, magnitude], 'i64');
  const remainder = b.get(TEMP0, 'i64.load');
  const limit = b.bin('sub', b.i64(2n ** 63n - 1n), quotientSign); // 2^63 when the quotient is negative
  b.trapIf(b.bin('gt_u', quotient, limit), TRAP_DE);
  b.set(RAX, 'i64.store', applySign(quotient, quotientSign));
  b.set(RDX, 'i64.store', applySign(remainder, dividendSign));
}

const testOptions = (hot: string): RowOptions => ({ hot, setsFlags: 'logic' });

export const alu: readonly Row[] = [
  ...aluRows(),
  row('84', 'test', 'Eb,Gb', test, testOptions('8rf 8bd')),
  row('85', 'test', 'Ev,Gv', test, testOptions('32rf 64rf')),
  row('a8', 'test', 'Ab,Ib', test, testOptions('8rf')),
  row('a9', 'test', 'Av,Iz', test, testOptions('32r')),
  ...[0, 1].flatMap((digit) => [
    row(`f6 /${digit}`, 'test', 'Eb,Ib', test, digit === 0 ? testOptions('8rf 8bdf') : {}),
    row(`f7 /${digit}`, 'test', 'Ev,Iz', test, digit === 0 ? testOptions('32rf 64r 32bd 64bd') : {}),
  ]),
  row('fe /0', 'inc', 'Eb', step('inc'), { lock: true }),
  row('ff /0', 'inc', 'Ev', step('inc'), { lock: true, hot: '32r 64r 32bd 64bd', setsFlags: 'arithmetic' }),
  row('fe /1', 'dec', 'Eb', step('dec'), { lock: true }),
  row('ff /1', 'dec', 'Ev', step('dec'), { lock: true, hot: '32r 64r 32bd 64bd', setsFlags: 'arithmetic' }),
  row('f6 /2', 'not', 'Eb', invert, { lock: true }),
  row('f7 /2', 'not', 'Ev', invert, { lock: true, hot: '32r 64r' }),
  row('f6 /3', 'neg', 'Eb', negate, { lock: true }),
  row('f7 /3', 'neg', 'Ev', negate, { lock: true, hot: '32r 64r', setsFlags: 'arithmetic' }),
  row('f6 /4', 'mul', 'Eb', multiply(false)),
  row('f7 /4', 'mul', 'Ev', multiply(false)),
  row('f6 /5', 'imul', 'Eb', multiply(true)),
  row('f7 /5', 'imul', 'Ev', multiply(true)),
  row('f6 /6', 'div', 'Eb', divide(false)),
  row('f7 /6', 'div', 'Ev', divide(false)),
  row('f6 /7', 'idiv', 'Eb', divide(true)),
  row('f7 /7', 'idiv', 'Ev', divide(true)),
  row('0f af', 'imul', 'Gv,Ev', (b) => multiplyInto(b, b.modify(0), b.read(1)), {
    hot: '32r 64r 32bd',
    setsFlags: 'arithmetic',
  }),
  row('69', 'imul', 'Gv,Ev,Iz', (b) => multiplyInto(b, b.read(1), b.read(2)), {
    hot: '32r 64r',
    setsFlags: 'arithmetic',
  }),
  row('6b', 'imul', 'Gv,Ev,Ibs', (b) => multiplyInto(b, b.read(1), b.read(2)), {
    hot: '32r 64r',
    setsFlags: 'arithmetic',
  }),
];
