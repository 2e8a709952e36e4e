/**
 * x87 moves and products in the intermediate form, for the case that no register is missing or in the way, that numbers
 * are none of the rare kinds, and that results are rounded to nearest; whatever else happens is left to the helper. C libraries
 * read and print numbers with long double: these are most of what they execute.
 */
import type { Builder } from '../ir/builder.js';
import type { Value } from '../ir/ir.js';
import { FCW, FOP, FSW, FTOP, FTW, GPR, ST } from '../state.js';

/** Emits the instruction. @param pa probed operand, or undefined for register forms. @param otherwise the helper's call */
export type FastForm = (b: Builder, pa: Value | undefined, fop: number, otherwise: () => void) => void;

const C1 = 0x200;
/** The status word's place for an inexact result, and for one that was rounded away from zero (C1). */
const PE_BIT = 5;
const C1_BIT = 9;
/** Of the control word: exception masks, and with them the rounding mode, and with that the precision. */
const ROUNDING = 0xc3f;
const ROUNDING_AND_PRECISION = 0xf3f;
const ALL_MASKED = 0x3f;
const EXTENDED = 0x300;
const BIAS = 16383;
const INTEGER_BIT = -(2 ** 63);

/** Two i32, 0 or 1. */
interface Rounding {
  inexact: Value;
  up: Value;
}

/**
 * Of a significand and the bits behind it: whether rounding to nearest, ties to even, goes up.
 * @param half of the last place, as `rest` counts
 */
function roundToNearest(b: Builder, significand: Value, rest: Value, half: Value): Rounding {
  const isOdd = b.wrap(b.bin('and', significand, b.i64(1)));
  const isTie = b.bin('and', b.bin('eq', rest, half), isOdd);
  const up = b.bin('or', b.bin('gt_u', rest, half), isTie);
  return { inexact: b.bin('ne', rest, b.i64(0)), up };
}

function isBetween(b: Builder, x: Value, low: number, high: number): Value {
  return b.bin('le_u', b.bin('sub', x, b.i32(low)), b.i32(high - low));
}

/** binary32 and binary64, in an i64. */
interface Format {
  bits: 32 | 64;
  fraction: number;
  exponentMask: number;
  bias: number;
}
const BINARY32: Format = { bits: 32, fraction: 23, exponentMask: 0xff, bias: 127 };
const BINARY64: Format = { bits: 64, fraction: 52, exponentMask: 0x7ff, bias: 1023 };

class Stack {
  readonly b: Builder;
  readonly top: Value;
  readonly tags: Value;

  constructor(b: Builder) {
    this.b = b;
    this.top = b.get(FTOP, 'i32.load');
    this.tags = b.get(FTW, 'i32.load');
  }

  /** Physical number of ST(i). */
  number(i: Value): Value {
    return this.b.bin('and', this.b.bin('add', this.top, i), this.b.i32(7));
  }

  /** Tag bits of a physical register, in place. */
  mask(number: Value): Value {
    return this.b.bin('shl', this.b.i32(3), this.b.bin('shl', number, this.b.i32(1)));
  }

  isEmpty(mask: Value): Value {
    return this.b.bin('eq', this.b.bin('and', this.tags, mask), mask);
  }

  isUsed(mask: Value): Value {
    return this.b.bin('ne', this.b.bin('and', this.tags, mask), mask);
  }

  /** State address of a physical register. */
  address(number: Value): Value {
    return this.b.bin('add', this.b.bin('shl', number, this.b.i32(4)), this.b.i32(ST));
  }

  /** New tags and top, C1 clear, the opcode noted. */
  finish(tags: Value, top: Value, fop: Value, rounding?: Rounding): void {
    const { b } = this;
    b.set(FTW, 'i32.store', tags);
    b.set(FTOP, 'i32.store', top);
    this.note(fop, rounding);
  }

  /** C1 and the precision exception as the rounding has it, the opcode noted. */
  note(fop: Value, rounding?: Rounding): void {
    const { b } = this;
    let status = b.bin('and', b.get(FSW, 'i32.load'), b.i32(~C1));
    if (rounding !== undefined) {
      status = b.bin('or', status, b.bin('shl', rounding.inexact, b.i32(PE_BIT)));
      status = b.bin('or', status, b.bin('shl', rounding.up, b.i32(C1_BIT)));
    }
    b.set(FSW, 'i32.store', status);
    b.set(FOP, 'i32.store', fop);
  }

  /** Whether the control word has, under a mask, these bits. */
  isControl(mask: number, bits: number): Value {
    const { b } = this;
    return b.bin('eq', b.bin('and', b.get(FCW, 'i32.load'), b.i32(mask)), b.i32(bits));
  }

  /** The number in a physical register. */
  read(number: Value): { significand: Value; exponent: Value; signExponent: Value } {
    const { b } = this;
    const at = this.address(number);
    const signExponent = b.get(at, 'i32.load', 8);
    return { significand: b.get(at, 'i64.load'), exponent: b.bin('and', signExponent, b.i32(0x7fff)), signExponent };
  }

  write(number: Value, significand: Value, signExponent: Value): void {
    const at = this.address(number);
    this.b.set(at, 'i64.store', significand);
    this.b.set(at, 'i32.store', signExponent, 8);
  }

  withUsed(tags: Value, mask: Value): Value {
    return this.b.bin('and', tags, this.b.bin('xor', mask, this.b.i32(-1)));
  }
}

/** i of ST(i), from the general register of the same number that the record names. */
function stackIndex(b: Builder): Value {
  const shifted = b.bin('shr_u', b.bin('sub', b.addressOf(0, 8, false, false), b.i32(GPR)), b.i32(3));
  return b.bin('and', shifted, b.i32(7));
}

const load80: FastForm = (b, pa, fop, otherwise) => {
  const s = new Stack(b);
  const number = s.number(b.i32(-1));
  const mask = s.mask(number);
  b.if(
    s.isEmpty(mask),
    () => {
      const at = s.address(number);
      b.set(at, 'i64.store', b.loadAt(pa!, 'i64.load'));
      b.set(at, 'i32.store', b.loadAt(pa!, 'i32.load16_u', 8), 8);
      s.finish(s.withUsed(s.tags, mask), number, b.i32(fop));
    },
    otherwise,
  );
};

const store80: FastForm = (b, pa, fop, otherwise) => {
  const s = new Stack(b);
  const mask = s.mask(s.top);
  b.if(
    s.isUsed(mask),
    () => {
      const at = s.address(s.top);
      b.storeAt(pa!, 'i64.store', b.get(at, 'i64.load'));
      b.storeAt(pa!, 'i32.store16', b.get(at, 'i32.load', 8), 8);
      s.finish(b.bin('or', s.tags, mask), s.number(b.i32(1)), b.i32(fop));
    },
    otherwise,
  );
};

/** fld st(i) */
const duplicate: FastForm = (b, _pa, fop, otherwise) => {
  const s = new Stack(b);
  const index = stackIndex(b);
  const source = s.number(index);
  const number = s.number(b.i32(-1));
  const mask = s.mask(number);
  b.if(
    b.bin('and', s.isEmpty(mask), s.isUsed(s.mask(source))),
    () => {
      b.set(s.address(number), 'v128.store', b.get(s.address(source), 'v128.load'));
      s.finish(s.withUsed(s.tags, mask), number, b.bin('add', index, b.i32(fop)));
    },
    otherwise,
  );
};

/** fstp st(i) */
const copyAndPop: FastForm = (b, _pa, fop, otherwise) => {
  const s = new Stack(b);
  const index = stackIndex(b);
  const target = s.number(index);
  const mask = s.mask(s.top);
  b.if(
    s.isUsed(mask),
    () => {
      b.set(s.address(target), 'v128.store', b.get(s.address(s.top), 'v128.load'));
      const tags = b.bin('or', s.withUsed(s.tags, s.mask(target)), mask);
      s.finish(tags, s.number(b.i32(1)), b.bin('add', index, b.i32(fop)));
    },
    otherwise,
  );
};

/** fld of binary32 and binary64: exact. */
function loadFloat({ bits, fraction, exponentMask, bias }: Format): FastForm {
  return (b, pa, fop, otherwise) => {
    const s = new Stack(b);
    const number = s.number(b.i32(-1));
    const mask = s.mask(number);
    const x = b.loadAt(pa!, bits === 32 ? 'i64.load32_u' : 'i64.load');
    const exponent = b.bin('and', b.wrap(b.bin('shr_u', x, b.i64(fraction))), b.i32(exponentMask));
    const isNormal = isBetween(b, exponent, 1, exponentMask - 1);
    const isZeroOrInfinite = b.eqz(b.bin('and', x, b.i64(2 ** fraction - 1)));
    b.if(
      b.bin('and', s.isEmpty(mask), b.bin('or', isNormal, isZeroOrInfinite)),
      () => {
        const significand = b.bin('or', b.bin('shl', x, b.i64(63 - fraction)), b.i64(INTEGER_BIT));
        const sign = b.bin('shl', b.bin('and', b.wrap(b.bin('shr_u', x, b.i64(bits - 1))), b.i32(1)), b.i32(15));
        const isInfinite = b.bin('eq', exponent, b.i32(exponentMask));
        const biased = b.select(b.i32(0x7fff), b.bin('add', exponent, b.i32(BIAS - bias)), isInfinite);
        const signExponent = b.bin('or', sign, b.select(biased, b.i32(0), exponent));
        s.write(number, b.select(significand, b.i64(0), exponent), signExponent);
        s.finish(s.withUsed(s.tags, mask), number, b.i32(fop));
      },
      otherwise,
    );
  };
}

/** fild: exact. */
function loadInteger(load: string): FastForm {
  return (b, pa, fop, otherwise) => {
    const s = new Stack(b);
    const number = s.number(b.i32(-1));
    const mask = s.mask(number);
    b.if(
      s.isEmpty(mask),
      () => {
        const x = b.loadAt(pa!, load);
        const sign = b.bin('shr_s', x, b.i64(63));
        const magnitude = b.bin('sub', b.bin('xor', x, sign), sign);
        const zeros = b.op('i64.clz', [magnitude]);
        const exponent = b.bin('sub', b.i32(BIAS + 63), b.wrap(zeros));
        const signExponent = b.bin('or', b.bin('and', b.wrap(sign), b.i32(0x8000)), exponent);
        s.write(number, b.bin('shl', magnitude, zeros), b.select(b.i32(0), signExponent, b.eqz(x)));
        s.finish(s.withUsed(s.tags, mask), number, b.i32(fop));
      },
      otherwise,
    );
  };
}

/** fst and fstp to binary32 and binary64. */
function storeFloat({ bits, fraction, exponentMask, bias }: Format, pop: boolean): FastForm {
  return (b, pa, fop, otherwise) => {
    const s = new Stack(b);
    const mask = s.mask(s.top);
    const { significand, exponent, signExponent } = s.read(s.top);
    const narrow = b.bin('sub', exponent, b.i32(BIAS - bias));
    // Rounding up may make it one more: still no overflow.
    const isInRange = isBetween(b, narrow, 1, exponentMask - 2);
    const isNormal = b.bin('and', b.bin('lt_s', significand, b.i64(0)), isInRange);
    const isZero = b.bin('and', b.eqz(significand), b.eqz(exponent));
    const isUsual = b.bin('and', s.isControl(ROUNDING, ALL_MASKED), b.bin('or', isNormal, isZero));
    b.if(
      b.bin('and', s.isUsed(mask), isUsual),
      () => {
        const dropped = 63 - fraction;
        const kept = b.bin('shr_u', significand, b.i64(dropped));
        const rest = b.bin('and', significand, b.i64(2 ** dropped - 1));
        const rounding = roundToNearest(b, kept, rest, b.i64(2 ** (dropped - 1)));
        // The integer bit adds one to the exponent; so does a carry out of the fraction.
        const below = b.bin('shl', b.widen(b.bin('sub', narrow, b.i32(1)), 32, true), b.i64(fraction));
        const rounded = b.bin('add', b.bin('add', below, kept), b.widen(rounding.up, 32, false));
        const sign = b.bin('and', b.bin('shr_u', signExponent, b.i32(15)), b.i32(1));
        const x = b.bin(
          'or',
          b.select(rounded, b.i64(0), isNormal),
          b.bin('shl', b.widen(sign, 32, false), b.i64(bits - 1)),
        );
        if (bits === 32) b.storeAt(pa!, 'i32.store', b.wrap(x));
        else b.storeAt(pa!, 'i64.store', x);
        if (pop) s.finish(b.bin('or', s.tags, mask), s.number(b.i32(1)), b.i32(fop), rounding);
        else s.note(b.i32(fop), rounding);
      },
      otherwise,
    );
  };
}

/** fmul and fmulp of registers, to the full precision. */
function multiply(toTop: boolean, pop: boolean): FastForm {
  return (b, _pa, fop, otherwise) => {
    const s = new Stack(b);
    const index = stackIndex(b);
    const other = s.number(index);
    const mask = s.mask(s.top);
    const [x, y] = [s.read(s.top), s.read(other)];
    const areUsed = b.bin('and', s.isUsed(mask), s.isUsed(s.mask(other)));
    const areNormal = b.bin(
      'and',
      b.bin('lt_s', b.bin('and', x.significand, y.significand), b.i64(0)),
      b.bin('and', isBetween(b, x.exponent, 1, 0x7ffe), isBetween(b, y.exponent, 1, 0x7ffe)),
    );
    const least = b.bin('sub', b.bin('add', x.exponent, y.exponent), b.i32(BIAS));
    // The significands may make it one more, rounding another one.
    const isUsual = b.bin(
      'and',
      b.bin('and', s.isControl(ROUNDING_AND_PRECISION, EXTENDED | ALL_MASKED), areNormal),
      isBetween(b, least, 1, 0x7ffc),
    );
    b.if(
      b.bin('and', areUsed, isUsual),
      () => {
        const high = b.call('mulhu', [x.significand, y.significand], 'i64');
        const low = b.bin('mul', x.significand, y.significand);
        const isWhole = b.bin('lt_s', high, b.i64(0));
        const doubled = b.bin('or', b.bin('shl', high, b.i64(1)), b.bin('shr_u', low, b.i64(63)));
        const significand = b.select(high, doubled, isWhole);
        const rest = b.select(low, b.bin('shl', low, b.i64(1)), isWhole);
        const rounding = roundToNearest(b, significand, rest, b.i64(INTEGER_BIT));
        const rounded = b.bin('add', significand, b.widen(rounding.up, 32, false));
        // All ones were rounded up: the next power of two.
        const isCarried = b.eqz(rounded);
        const exponent = b.bin('add', b.bin('add', least, isWhole), isCarried);
        const sign = b.bin('and', b.bin('xor', x.signExponent, y.signExponent), b.i32(0x8000));
        const result = b.bin('or', rounded, b.bin('shl', b.widen(isCarried, 32, false), b.i64(63)));
        s.write(toTop ? s.top : other, result, b.bin('or', sign, exponent));
        const operation = b.bin('add', index, b.i32(fop));
        if (pop) s.finish(b.bin('or', s.tags, mask), s.number(b.i32(1)), operation, rounding);
        else s.note(operation, rounding);
      },
      otherwise,
    );
  };
}

/** By opcode and modrm field (memory) or first modrm byte (register). */
export const FAST_FORMS: ReadonlyMap<string, FastForm> = new Map([
  ['db /5', load80],
  ['db /7', store80],
  ['d9 c0', duplicate],
  ['dd d8', copyAndPop],
  ['d9 /0', loadFloat(BINARY32)],
  ['dd /0', loadFloat(BINARY64)],
  ['df /0', loadInteger('i64.load16_s')],
  ['db /0', loadInteger('i64.load32_s')],
  ['df /5', loadInteger('i64.load')],
  ['d9 /2', storeFloat(BINARY32, false)],
  ['d9 /3', storeFloat(BINARY32, true)],
  ['dd /2', storeFloat(BINARY64, false)],
  ['dd /3', storeFloat(BINARY64, true)],
  ['d8 c8', multiply(true, false)],
  ['dc c8', multiply(false, false)],
  ['de c8', multiply(false, true)],
]);
