/**
 * Shifts, rotates, double shifts, bit tests and bit scans.
 * @source Intel SDM vol. 2; undefined flags as current AMD processors leave them.
 */
import type { Builder } from '../ir/builder.js';
import type { Value } from '../ir/ir.js';
import { type Row, type RowOptions, row } from './row.js';

type Semantics = (b: Builder) => void;
type Shift = (b: Builder, x: Value, count: Value) => void;

/** The count as an i32, masked as the hardware does. */
function maskedCount(b: Builder, i: number): Value {
  return b.bin('and', b.read(i), b.i32(b.size === 64 ? 63 : 31));
}

/** The count in the type of the operand. */
function fit(b: Builder, count: Value): Value {
  return b.size === 64 ? b.widen(count, 32, false) : count;
}

function bitAt(b: Builder, x: Value, position: Value): Value {
  return b.bin('and', b.wrap(b.bin('shr_u', x, position)), b.i32(1));
}

function topBit(b: Builder, x: Value): Value {
  return bitAt(b, x, b.int(b.size - 1));
}

function secondBit(b: Builder, x: Value): Value {
  return bitAt(b, x, b.int(b.size - 2));
}

const nonZero = (b: Builder, x: Value): Value => b.bin('ne', x, b.i32(0));

const shiftLeft: Shift = (b, x, count) => {
  const n = fit(b, count);
  const res = b.bin('shl', x, n);
  b.write(0, res);
  b.if(nonZero(b, count), () => {
    const cf = b.size < 32 ? bitAt(b, res, b.i32(b.size)) : bitAt(b, x, b.bin('sub', b.int(b.size), n));
    b.flags('result', { res, cf, of: b.bin('xor', topBit(b, res), cf) });
  });
};

const shiftRight: Shift = (b, x, count) => {
  const n = fit(b, count);
  const res = b.bin('shr_u', x, n);
  b.write(0, res);
  b.if(nonZero(b, count), () => {
    b.flags('result', { res, cf: bitAt(b, x, b.bin('sub', n, b.int(1))), of: topBit(b, x) });
  });
};

const shiftArithmetic: Shift = (b, x, count) => {
  const n = fit(b, count);
  const signed = b.signExtend(x, b.size);
  const res = b.bin('shr_s', signed, n);
  b.write(0, res);
  b.if(nonZero(b, count), () => {
    const cf = b.bin('and', b.wrap(b.bin('shr_s', signed, b.bin('sub', n, b.int(1)))), b.i32(1));
    b.flags('result', { res, cf, of: b.i32(0) });
  });
};

/** An 8- or 16-bit value repeated over 32 bits, so that a 32-bit rotation rotates it. */
function replicate(b: Builder, x: Value): Value {
  if (b.size === 8) return b.bin('mul', x, b.i32(0x01010101));
  return b.size === 16 ? b.bin('or', x, b.bin('shl', x, b.i32(16))) : x;
}

function rotate(direction: 'rotl' | 'rotr'): Shift {
  return (b, x, count) => {
    const res = b.bin(direction, replicate(b, x), fit(b, count));
    b.write(0, res);
    b.if(nonZero(b, count), () => {
      const top = topBit(b, res);
      const cf = direction === 'rotl' ? b.bin('and', b.wrap(res), b.i32(1)) : top;
      b.flags('carryOverflow', { cf, of: b.bin('xor', top, direction === 'rotl' ? cf : secondBit(b, res)) });
    });
  };
}

/** Rotation through carry by `count` below the operand size plus one, in i64 (operands up to 32 bits). */
function rotateCarryNarrow(b: Builder, x: Value, count: Value, left: boolean): void {
  const bits = b.size + 1;
  const n = b.widen(b.size === 32 ? count : b.op('i32.rem_u', [count, b.i32(bits)]), 32, false);
  const whole = b.bin('or', b.widen(x, 32, false), b.bin('shl', b.widen(b.carry(), 32, false), b.i64(b.size)));
  const rest = b.bin('sub', b.i64(bits), n);
  const turned = b.bin('or', b.bin(left ? 'shl' : 'shr_u', whole, n), b.bin(left ? 'shr_u' : 'shl', whole, rest));
  const res = b.wrap(turned);
  const cf = b.wrap(b.bin('and', b.bin('shr_u', turned, b.i64(b.size)), b.i64(1)));
  b.write(0, res);
  b.if(nonZero(b, count), () => {
    b.flags('carryOverflow', { cf, of: b.bin('xor', topBit(b, res), left ? cf : secondBit(b, res)) });
  });
}

function rotateCarryWide(b: Builder, x: Value, count: Value, left: boolean): void {
  const n = b.widen(count, 32, false);
  const one = b.i64(1);
  const carry = b.widen(b.carry(), 32, false);
  const rest = b.bin('sub', b.i64(64), n);
  const [main, other] = left ? ['shl', 'shr_u'] : ['shr_u', 'shl'];
  const carryPlace = left ? b.bin('sub', n, one) : rest;
  const parts = b.bin('or', b.bin(main!, x, n), b.bin(other!, b.bin(other!, x, one), rest));
  const res = b.select(b.bin('or', parts, b.bin('shl', carry, carryPlace)), x, nonZero(b, count));
  const cf = bitAt(b, x, left ? rest : b.bin('sub', n, one));
  b.write(0, res);
  b.if(nonZero(b, count), () => {
    b.flags('carryOverflow', { cf, of: b.bin('xor', topBit(b, res), left ? cf : secondBit(b, res)) });
  });
}

function rotateCarry(left: boolean): Shift {
  return (b, x, count) => (b.size === 64 ? rotateCarryWide : rotateCarryNarrow)(b, x, count, left);
}

/** shld and shrd. A 16-bit count above 16 goes on with the source once more, as if it stood there twice. */
function doubleShift(left: boolean): Semantics {
  return (b) => {
    const x = b.modify(0);
    const y = b.read(1);
    const count = maskedCount(b, 2);
    const n = fit(b, count);
    let res: Value;
    let cf: Value;
    if (b.size === 16) {
      const wide = (v: Value, shift: number): Value => b.bin('shl', b.widen(v, 16, false), b.i64(shift));
      const m = b.widen(count, 32, false);
      const triple = b.bin('or', b.bin('or', wide(left ? x : y, 32), wide(y, 16)), wide(left ? y : x, 0));
      const turned = b.bin(left ? 'shl' : 'shr_u', triple, m);
      res = b.wrap(left ? b.bin('shr_u', turned, b.i64(32)) : turned);
      cf = left ? bitAt(b, turned, b.i64(48)) : bitAt(b, triple, b.bin('sub', m, b.i64(1)));
    } else {
      const rest = b.bin('sub', b.int(b.size), n);
      const joined = b.bin('or', b.bin(left ? 'shl' : 'shr_u', x, n), b.bin(left ? 'shr_u' : 'shl', y, rest));
      res = b.select(joined, x, nonZero(b, count));
      cf = bitAt(b, x, left ? rest : b.bin('sub', n, b.int(1)));
    }
    b.write(0, res);
    b.if(nonZero(b, count), () => {
      b.flags('result', { res, cf, of: b.bin('xor', topBit(b, res), topBit(b, x)) });
    });
  };
}

type BitChange = 'none' | 'set' | 'reset' | 'complement';

function changeBit(b: Builder, x: Value, mask: Value, change: BitChange): Value {
  if (change === 'set') return b.bin('or', x, mask);
  if (change === 'reset') return b.bin('and', x, b.bin('xor', mask, b.int(-1)));
  return b.bin('xor', x, mask);
}

/** bt bts btr btc. With a register offset a memory operand is a bit string that starts at its address. */
function bitTest(change: BitChange, immediate: boolean): Semantics {
  return (b) => {
    const { size } = b;
    const far = b.isMemory(0) && !immediate;
    const offset = immediate ? fit(b, b.read(1)) : b.readSigned(1);
    const load = { 16: 'i32.load16_u', 32: 'i32.load', 64: 'i64.load' }[size as 16 | 32 | 64];
    let pa: Value | undefined;
    let x: Value;
    if (far) {
      const words = b.bin('shr_s', b.widen(offset, size, true), b.i64(Math.log2(size)));
      // A 32-bit address size cuts the sum with the bit offset, not with the segment base.
      const segment = b.segmentBase();
      const base = b.bin('sub', b.effectiveAddress(), segment);
      const place = b.bin('add', base, b.bin('shl', words, b.i64(Math.log2(size / 8))));
      const cut = b.select(b.bin('and', place, b.i64(0xffffffffn)), place, b.address32());
      const address = b.bin('add', cut, segment);
      pa = b.probe(address, { size: size / 8, write: change !== 'none', aligned: false });
      x = b.loadAt(pa, load);
    } else x = change === 'none' ? b.read(0) : b.modify(0);
    const position = b.bin('and', offset, b.int(size - 1));
    const cf = bitAt(b, x, position);
    if (change !== 'none') {
      const changed = changeBit(b, x, b.bin('shl', b.int(1), position), change);
      if (pa === undefined) b.write(0, changed);
      else b.storeAt(pa, { 16: 'i32.store16', 32: 'i32.store', 64: 'i64.store' }[size as 16 | 32 | 64], changed);
    }
    b.flags('carry', { cf });
  };
}

/** bsf and bsr: a zero source leaves the destination alone. */
function bitScan(reverse: boolean): Semantics {
  return (b) => {
    const x = b.read(1);
    const found = b.bin('ne', x, b.int(0));
    const place = reverse
      ? b.bin('xor', b.op(`${x.type}.clz`, [x]), b.int(b.size === 64 ? 63 : 31))
      : b.op(`${x.type}.ctz`, [x]);
    b.if(found, () => b.write(0, place));
    b.flags('logic', { res: x });
  };
}

const SHIFTS: readonly [name: string, shift: Shift, hot: boolean][] = [
  ['rol', rotate('rotl'), true],
  ['ror', rotate('rotr'), true],
  ['rcl', rotateCarry(true), false],
  ['rcr', rotateCarry(false), false],
  ['shl', shiftLeft, true],
  ['shr', shiftRight, true],
  ['shl', shiftLeft, false],
  ['sar', shiftArithmetic, true],
];

function shiftRows(): Row[] {
  return SHIFTS.flatMap(([name, shift, hot], digit) => {
    const by =
      (i: number): Semantics =>
      (b) =>
        shift(b, b.modify(0), maskedCount(b, i));
    const options: RowOptions = hot ? { hot: '32r 64r', setsFlags: 'arithmetic' } : {};
    const right: RowOptions = name === 'shr' ? { hot: '8r', setsFlags: 'arithmetic' } : {};
    return [
      row(`c0 /${digit}`, name, 'Eb,Ib', by(1), right),
      row(`c1 /${digit}`, name, 'Ev,Ib', by(1), name === 'shr' ? { ...options, hot: '16r 32r 64r' } : options),
      row(`d0 /${digit}`, name, 'Eb,1', by(1)),
      row(`d1 /${digit}`, name, 'Ev,1', by(1), options),
      row(`d2 /${digit}`, name, 'Eb,Cb', by(1)),
      row(`d3 /${digit}`, name, 'Ev,Cb', by(1), options),
    ];
  });
}

const BIT_TESTS: readonly [name: string, change: BitChange, opcode: string, digit: number][] = [
  ['bt', 'none', 'a3', 4],
  ['bts', 'set', 'ab', 5],
  ['btr', 'reset', 'b3', 6],
  ['btc', 'complement', 'bb', 7],
];

export const shifts: readonly Row[] = [
  ...shiftRows(),
  ...BIT_TESTS.flatMap(([name, change, opcode, digit]) => {
    const lock = change !== 'none';
    return [
      row(`0f ${opcode}`, name, 'Ev,Gv', bitTest(change, false), { lock, hot: lock ? '' : '32r 64r' }),
      row(`0f ba /${digit}`, name, 'Ev,Ib', bitTest(change, true), { lock, hot: lock ? '' : '32r 64r 32bd 64bd' }),
    ];
  }),
  row('0f a4', 'shld', 'Ev,Gv,Ib', doubleShift(true)),
  row('0f a5', 'shld', 'Ev,Gv,Cb', doubleShift(true)),
  row('0f ac', 'shrd', 'Ev,Gv,Ib', doubleShift(false)),
  row('0f ad', 'shrd', 'Ev,Gv,Cb', doubleShift(false)),
  row('0f bc', 'bsf', 'Gv,Ev', bitScan(false), { hot: '32r 64r' }),
  row('0f bd', 'bsr', 'Gv,Ev', bitScan(true), { hot: '32r 64r' }),
];
