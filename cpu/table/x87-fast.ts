/**
 * x87 moves in the intermediate form, for the case that no register is missing or in the way; whatever else happens is
 * left to the helper. C libraries print numbers with long double: these are most of what they execute.
 */
import type { Builder } from '../ir/builder.js';
import type { Value } from '../ir/ir.js';
import { FOP, FSW, FTOP, FTW, GPR, ST } from '../state.js';

/** Emits the instruction. @param pa probed operand, or undefined for register forms. @param otherwise the helper's call */
export type FastForm = (b: Builder, pa: Value | undefined, fop: number, otherwise: () => void) => void;

const C1 = 0x200;

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
  finish(tags: Value, top: Value, fop: Value): void {
    const { b } = this;
    b.set(FTW, 'i32.store', tags);
    b.set(FTOP, 'i32.store', top);
    b.set(FSW, 'i32.store', b.bin('and', b.get(FSW, 'i32.load'), b.i32(~C1)));
    b.set(FOP, 'i32.store', fop);
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

/** By opcode and modrm field (memory) or first modrm byte (register). */
export const FAST_FORMS: ReadonlyMap<string, FastForm> = new Map([
  ['db /5', load80],
  ['db /7', store80],
  ['d9 c0', duplicate],
  ['dd d8', copyAndPop],
]);
