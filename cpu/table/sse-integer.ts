/**
 * Packed integer instructions: SSE2 on xmm registers and, from the same semantics, MMX (with SSE's additions) on mmx
 * registers.
 */
import type { Builder } from '../ir/builder.js';
import type { Value } from '../ir/ir.js';
import { type Row, row } from './row.js';
import {
  checkMmx,
  enterMmx,
  fields,
  knownImmediate,
  mmxRow,
  readVector,
  shuffle,
  type VectorOp,
  writeMmx,
  xmmRow,
  zeroVector,
} from './sse-common.js';

const rows: Row[] = [];

/** What the string functions of C libraries are made of. */
const HOT: Record<string, string> = { pxor: '32r', pcmpeqb: '32r 32bd', pminub: '32r', por: '32r' };

/** `np 0f op` on mmx registers and `66 0f op` on xmm registers. */
function both(opcode: string, name: string, f: VectorOp, mmx: VectorOp = f): void {
  const hot = HOT[name];
  rows.push(mmxRow(`np 0f ${opcode}`, name, mmx), xmmRow(`66 0f ${opcode}`, name, f, hot === undefined ? {} : { hot }));
}

const plain =
  (operator: string): VectorOp =>
  (b, x, y) =>
    b.op(operator, [x, y]);

// Lane-wise operators that WebAssembly has under another name.
const PLAIN: [opcode: string, name: string, operator: string][] = [
  ['fc', 'paddb', 'i8x16.add'],
  ['fd', 'paddw', 'i16x8.add'],
  ['fe', 'paddd', 'i32x4.add'],
  ['d4', 'paddq', 'i64x2.add'],
  ['ec', 'paddsb', 'i8x16.add_sat_s'],
  ['ed', 'paddsw', 'i16x8.add_sat_s'],
  ['dc', 'paddusb', 'i8x16.add_sat_u'],
  ['dd', 'paddusw', 'i16x8.add_sat_u'],
  ['f8', 'psubb', 'i8x16.sub'],
  ['f9', 'psubw', 'i16x8.sub'],
  ['fa', 'psubd', 'i32x4.sub'],
  ['fb', 'psubq', 'i64x2.sub'],
  ['e8', 'psubsb', 'i8x16.sub_sat_s'],
  ['e9', 'psubsw', 'i16x8.sub_sat_s'],
  ['d8', 'psubusb', 'i8x16.sub_sat_u'],
  ['d9', 'psubusw', 'i16x8.sub_sat_u'],
  ['d5', 'pmullw', 'i16x8.mul'],
  ['f5', 'pmaddwd', 'i32x4.dot_i16x8_s'],
  ['e0', 'pavgb', 'i8x16.avgr_u'],
  ['e3', 'pavgw', 'i16x8.avgr_u'],
  ['da', 'pminub', 'i8x16.min_u'],
  ['de', 'pmaxub', 'i8x16.max_u'],
  ['ea', 'pminsw', 'i16x8.min_s'],
  ['ee', 'pmaxsw', 'i16x8.max_s'],
  ['74', 'pcmpeqb', 'i8x16.eq'],
  ['75', 'pcmpeqw', 'i16x8.eq'],
  ['76', 'pcmpeqd', 'i32x4.eq'],
  ['64', 'pcmpgtb', 'i8x16.gt_s'],
  ['65', 'pcmpgtw', 'i16x8.gt_s'],
  ['66', 'pcmpgtd', 'i32x4.gt_s'],
  ['db', 'pand', 'v128.and'],
  ['eb', 'por', 'v128.or'],
  ['ef', 'pxor', 'v128.xor'],
];
for (const [opcode, name, operator] of PLAIN) both(opcode, name, plain(operator));
both('df', 'pandn', (b, x, y) => b.op('v128.andnot', [y, x]));

/** High halves of the 16×16 products. */
const mulHigh =
  (sign: 's' | 'u'): VectorOp =>
  (b, x, y) =>
    shuffle(
      b,
      b.op(`i32x4.extmul_low_i16x8_${sign}`, [x, y]),
      b.op(`i32x4.extmul_high_i16x8_${sign}`, [x, y]),
      2,
      [1, 3, 5, 7, 9, 11, 13, 15],
    );
both('e5', 'pmulhw', mulHigh('s'));
both('e4', 'pmulhuw', mulHigh('u'));

const evenWords = (b: Builder, x: Value): Value => shuffle(b, x, x, 4, [0, 2, 0, 2]);
both('f4', 'pmuludq', (b, x, y) => b.op('i64x2.extmul_low_i32x4_u', [evenWords(b, x), evenWords(b, y)]));

both('f6', 'psadbw', (b, x, y) => {
  const difference = b.op('v128.or', [b.op('i8x16.sub_sat_u', [x, y]), b.op('i8x16.sub_sat_u', [y, x])]);
  const words = b.op('i16x8.extadd_pairwise_i8x16_u', [difference]);
  const doubles = b.op('i32x4.extadd_pairwise_i16x8_u', [words]);
  const odd = b.op('i64x2.shr_u', [doubles, b.i32(32)]);
  const even = b.op('i64x2.shr_u', [b.op('i64x2.shl', [doubles, b.i32(32)]), b.i32(32)]);
  return b.op('i64x2.add', [even, odd]);
});

/** Narrowing: mmx operands are first put side by side, so that the low half of the result is theirs. */
function pack(opcode: string, name: string, operator: string): void {
  both(opcode, name, plain(operator), (b, x, y) => {
    const joined = shuffle(b, x, y, 8, [0, 2]);
    return b.op(operator, [joined, joined]);
  });
}
pack('63', 'packsswb', 'i8x16.narrow_i16x8_s');
pack('67', 'packuswb', 'i8x16.narrow_i16x8_u');
pack('6b', 'packssdw', 'i16x8.narrow_i32x4_s');

/** Lanes from..from+count of both vectors of 16/bytes lanes, alternating. */
function interleave(bytes: number, from: number, count: number): number[] {
  return Array.from({ length: 16 / bytes }, (_, k) => (k < 2 * count ? from + (k >> 1) + (k & 1 ? 16 / bytes : 0) : 0));
}
const UNPACK: [low: string, high: string, suffix: string, bytes: number][] = [
  ['60', '68', 'bw', 1],
  ['61', '69', 'wd', 2],
  ['62', '6a', 'dq', 4],
  ['6c', '6d', 'qdq', 8],
];
for (const [low, high, suffix, bytes] of UNPACK) {
  const half = 8 / bytes;
  const of =
    (from: number, count: number): VectorOp =>
    (b, x, y) =>
      shuffle(b, x, y, bytes, interleave(bytes, from, count));
  rows.push(
    xmmRow(`66 0f ${low}`, `punpckl${suffix}`, of(0, half)),
    xmmRow(`66 0f ${high}`, `punpckh${suffix}`, of(half, half)),
  );
  if (bytes === 8) continue;
  rows.push(
    mmxRow(`np 0f ${low}`, `punpckl${suffix}`, of(0, half / 2), 'Qd'),
    mmxRow(`np 0f ${high}`, `punpckh${suffix}`, of(half / 2, half / 2)),
  );
}

// ── shifts ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Lane shift by a 64-bit count: counts beyond the lane give 0, or the sign for sra. */
function shift(
  b: Builder,
  x: Value,
  count: Value,
  shape: string,
  bits: number,
  kind: 'shl' | 'shr_u' | 'shr_s',
): Value {
  const beyond = b.bin('gt_u', count, b.i64(bits - 1));
  const n = b.wrap(count);
  if (kind === 'shr_s') return b.op(`${shape}.shr_s`, [x, b.select(b.i32(bits - 1), n, beyond)]);
  return b.select(zeroVector(b), b.op(`${shape}.${kind}`, [x, n]), beyond);
}

const SHIFTS: [
  name: string,
  opcode: string,
  group: string,
  digit: number,
  shape: string,
  bits: number,
  kind: 'shl' | 'shr_u' | 'shr_s',
][] = [
  ['psrlw', 'd1', '71', 2, 'i16x8', 16, 'shr_u'],
  ['psrld', 'd2', '72', 2, 'i32x4', 32, 'shr_u'],
  ['psrlq', 'd3', '73', 2, 'i64x2', 64, 'shr_u'],
  ['psraw', 'e1', '71', 4, 'i16x8', 16, 'shr_s'],
  ['psrad', 'e2', '72', 4, 'i32x4', 32, 'shr_s'],
  ['psllw', 'f1', '71', 6, 'i16x8', 16, 'shl'],
  ['pslld', 'f2', '72', 6, 'i32x4', 32, 'shl'],
  ['psllq', 'f3', '73', 6, 'i64x2', 64, 'shl'],
];
for (const [name, opcode, group, digit, shape, bits, kind] of SHIFTS) {
  both(opcode, name, (b, x, y) => shift(b, x, b.op('i64x2.extract_lane', [y], 0), shape, bits, kind));
  const immediate = (b: Builder): Value => shift(b, readVector(b, 0), b.widen(b.read(1), 32, false), shape, bits, kind);
  rows.push(
    row(`np 0f ${group} /${digit}`, name, 'Nq,Ib', (b) => {
      checkMmx(b);
      const result = immediate(b);
      enterMmx(b);
      writeMmx(b, 0, result);
    }),
    row(`66 0f ${group} /${digit}`, name, 'Ux,Ib', (b) => b.write(0, immediate(b))),
  );
}

const IOTA = Array.from({ length: 16 }, (_, k) => k);
/** Whole-register byte shifts: a swizzle, in which an index out of range gives 0. */
function byteShift(b: Builder, operator: 'i8x16.add' | 'i8x16.sub'): void {
  const count = b.read(1);
  const known = knownImmediate(b, 1);
  if (known !== undefined) {
    // 16…31 are bytes of the zero vector.
    const by = Math.min(known, 16) * (operator === 'i8x16.add' ? 1 : -1);
    const bytes = IOTA.map((k) => (k + by >= 0 && k + by < 16 ? k + by : 16));
    b.write(0, b.op('i8x16.shuffle', [b.read(0), zeroVector(b)], bytes));
    return;
  }
  const n = b.select(b.i32(16), count, b.bin('gt_u', count, b.i32(16)));
  const indices = b.op(operator, [b.v128(IOTA), b.op('i8x16.splat', [n])]);
  b.write(0, b.op('i8x16.swizzle', [b.read(0), indices]));
}
rows.push(
  row('66 0f 73 /3', 'psrldq', 'Ux,Ib', (b) => byteShift(b, 'i8x16.add')),
  row('66 0f 73 /7', 'pslldq', 'Ux,Ib', (b) => byteShift(b, 'i8x16.sub')),
);

// ── shuffles by immediate ────────────────────────────────────────────────────────────────────────────────────────────

/** Byte offset of the lane that field `k` of a shuffle immediate selects. */
function laneOffset(b: Builder, control: Value, k: number, bytes: number): Value {
  const lane = b.bin('and', b.bin('shr_u', control, b.i32(2 * k)), b.i32(3));
  return b.bin('mul', lane, b.i32(bytes));
}

/** Loads the four lanes that the immediate selects from operand 1, whatever it is. */
function selectLanes(b: Builder, load: 'i32.load' | 'i32.load16_u', bytes: number, base: number): Value[] {
  const size = b.sizeOf(1) / 8;
  const from = b.addressOf(1, size, false, size === 16 && b.isMemory(1));
  const control = b.read(2);
  return [0, 1, 2, 3].map((k) => {
    const at = b.bin('add', from, laneOffset(b, control, k, bytes));
    return b.isMemory(1) ? b.loadAt(at, load, base) : b.get(at, load, base);
  });
}

/** A shuffle of operand 1 alone by a known immediate: 16-byte lanes `order(fields)` of `bytes` bytes. */
function shuffleKnown(b: Builder, bytes: number, order: (lanes: readonly number[]) => readonly number[]): boolean {
  const control = knownImmediate(b, 2);
  if (control === undefined) return false;
  b.requireAligned(1);
  const x = b.read(1);
  b.write(0, shuffle(b, x, x, bytes, order(fields(control))));
  return true;
}

rows.push(
  row('66 0f 70', 'pshufd', 'Vx,Wx,Ib', (b) => {
    if (shuffleKnown(b, 4, (four) => four)) return;
    const [l0, l1, l2, l3] = selectLanes(b, 'i32.load', 4, 0);
    let v = b.op('i32x4.splat', [l0!]);
    v = b.op('i32x4.replace_lane', [v, l1!], 1);
    v = b.op('i32x4.replace_lane', [v, l2!], 2);
    b.write(0, b.op('i32x4.replace_lane', [v, l3!], 3));
  }),
  row('f2 0f 70', 'pshuflw', 'Vx,Wx,Ib', (b) => {
    if (shuffleKnown(b, 2, (four) => [...four, 4, 5, 6, 7])) return;
    const selected = selectLanes(b, 'i32.load16_u', 2, 0);
    let v = b.read(1);
    for (let k = 0; k < 4; k++) v = b.op('i16x8.replace_lane', [v, selected[k]!], k);
    b.write(0, v);
  }),
  row('f3 0f 70', 'pshufhw', 'Vx,Wx,Ib', (b) => {
    if (shuffleKnown(b, 2, (four) => [0, 1, 2, 3, ...four.map((lane) => 4 + lane)])) return;
    const selected = selectLanes(b, 'i32.load16_u', 2, 8);
    let v = b.read(1);
    for (let k = 0; k < 4; k++) v = b.op('i16x8.replace_lane', [v, selected[k]!], 4 + k);
    b.write(0, v);
  }),
  row('np 0f 70', 'pshufw', 'Pq,Qq,Ib', (b) => {
    checkMmx(b);
    const selected = selectLanes(b, 'i32.load16_u', 2, 0);
    let v = b.op('i16x8.splat', [selected[0]!]);
    for (let k = 1; k < 4; k++) v = b.op('i16x8.replace_lane', [v, selected[k]!], k);
    enterMmx(b);
    writeMmx(b, 0, v);
  }),
);

// ── words and masks between register files ───────────────────────────────────────────────────────────────────────────

/** Address of the word that the immediate selects in register operand `i`. */
function wordAddress(b: Builder, i: number, words: number): Value {
  const lane = b.bin('and', b.read(2), b.i32(words - 1));
  return b.bin('add', b.addressOf(i, b.sizeOf(i) / 8, false, false), b.bin('shl', lane, b.i32(1)));
}

/** The source of pinsrw: a whole register or 16 bits of memory. */
const insertedWord = (b: Builder): Value => b.readAs(1, 'i32.load16_u');

rows.push(
  row('66 0f c4', 'pinsrw', 'Vx,Ew,Ib', (b) => {
    const word = insertedWord(b);
    b.set(wordAddress(b, 0, 8), 'i32.store16', word);
  }),
  row('np 0f c4', 'pinsrw', 'Pq,Ew,Ib', (b) => {
    checkMmx(b);
    const word = insertedWord(b);
    enterMmx(b);
    b.set(wordAddress(b, 0, 4), 'i32.store16', word);
    b.writeAs(0, 'i32.store16', b.i32(0xffff), 8);
  }),
  row('66 0f c5', 'pextrw', 'Gd,Ux,Ib', (b) => b.write(0, b.get(wordAddress(b, 1, 8), 'i32.load16_u'))),
  row('np 0f c5', 'pextrw', 'Gd,Nq,Ib', (b) => {
    checkMmx(b);
    const word = b.get(wordAddress(b, 1, 4), 'i32.load16_u');
    enterMmx(b);
    b.write(0, word);
  }),
  row('66 0f d7', 'pmovmskb', 'Gd,Ux', (b) => b.write(0, b.op('i8x16.bitmask', [b.read(1)])), { hot: '32r' }),
  row('np 0f d7', 'pmovmskb', 'Gd,Nq', (b) => {
    checkMmx(b);
    const mask = b.op('i8x16.bitmask', [readVector(b, 1)]);
    enterMmx(b);
    b.write(0, mask);
  }),
);

export const sseIntegerRows: readonly Row[] = rows;
