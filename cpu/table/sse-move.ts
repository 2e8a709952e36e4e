/** Data movement of SSE, SSE2 and MMX, shuffles of floating-point lanes, and the floating-point state as a whole. */
import type { Builder } from '../ir/builder.js';
import type { Value } from '../ir/ir.js';
import { FTOP, FTW, MXCSR } from '../state.js';
import { type Row, row } from './row.js';
import { checkMmx, enterMmx, fields, knownImmediate, readVector, shuffle, writeMmx64, xmmRow } from './sse-common.js';
import { loadMxcsr } from './sse-exact.js';

const RDI = 7;

// Compilers copy structures and spill through these: they are in the main loop (the operand size of a vector row is 32).
const load = (encoding: string, name: string, aligned: boolean): Row =>
  row(
    encoding,
    name,
    'Vx,Wx',
    (b) => {
      if (aligned) b.requireAligned(1);
      b.write(0, b.read(1));
    },
    { hot: '32r 32bd' },
  );
const store = (encoding: string, name: string, aligned: boolean, operand = 'Wx'): Row =>
  row(
    encoding,
    name,
    `${operand},Vx`,
    (b) => {
      if (aligned) b.requireAligned(0, true);
      b.write(0, b.read(1));
    },
    operand === 'Wx' ? { hot: '32bd' } : {},
  );

/** movss and movsd: from memory they clear the rest of the register, between registers they keep it. */
const scalarLoad = (encoding: string, name: string, code: 'd' | 'q'): Row =>
  row(
    encoding,
    name,
    `V${code},W${code}`,
    (b) => {
      const widened = code === 'd' ? 'v128.load32_zero' : 'v128.load64_zero';
      if (b.isMemory(1)) b.writeAs(0, 'v128.store', b.readAs(1, widened));
      else b.write(0, b.read(1));
    },
    { hot: code === 'q' ? '64bd' : '32bd' },
  );

/** Writes the whole xmm register of operand 0 with a zero-extended 64-bit value. */
const writeZeroExtended = (b: Builder, v: Value): void => {
  b.writeAs(0, 'i64.store', v);
  b.writeAs(0, 'i64.store', b.i64(0), 8);
};

const moves: Row[] = [
  load('np 0f 10', 'movups', false),
  load('66 0f 10', 'movupd', false),
  load('np 0f 28', 'movaps', true),
  load('66 0f 28', 'movapd', true),
  load('66 0f 6f', 'movdqa', true),
  load('f3 0f 6f', 'movdqu', false),
  store('np 0f 11', 'movups', false),
  store('66 0f 11', 'movupd', false),
  store('np 0f 29', 'movaps', true),
  store('66 0f 29', 'movapd', true),
  store('66 0f 7f', 'movdqa', true),
  store('f3 0f 7f', 'movdqu', false),
  store('np 0f 2b', 'movntps', true, 'Mx'),
  store('66 0f 2b', 'movntpd', true, 'Mx'),
  store('66 0f e7', 'movntdq', true, 'Mx'),

  scalarLoad('f3 0f 10', 'movss', 'd'),
  scalarLoad('f2 0f 10', 'movsd', 'q'),
  row('f3 0f 11', 'movss', 'Wd,Vd', (b) => b.write(0, b.read(1))),
  row('f2 0f 11', 'movsd', 'Wq,Vq', (b) => b.write(0, b.read(1)), { hot: '64bd' }),

  // Halves. The register forms take the other half of the source.
  row('np 0f 12', 'movlps/movhlps', 'Vq,Wq', (b) => b.write(0, b.readAs(1, 'i64.load', b.isMemory(1) ? 0 : 8))),
  row('66 0f 12', 'movlpd', 'Vq,Mq', (b) => b.write(0, b.read(1))),
  row('np 0f 13', 'movlps', 'Mq,Vq', (b) => b.write(0, b.read(1))),
  row('66 0f 13', 'movlpd', 'Mq,Vq', (b) => b.write(0, b.read(1))),
  row('np 0f 16', 'movhps/movlhps', 'Vq,Wq', (b) => b.writeAs(0, 'i64.store', b.read(1), 8)),
  row('66 0f 16', 'movhpd', 'Vq,Mq', (b) => b.writeAs(0, 'i64.store', b.read(1), 8)),
  row('np 0f 17', 'movhps', 'Mq,Vq', (b) => b.write(0, b.readAs(1, 'i64.load', 8))),
  row('66 0f 17', 'movhpd', 'Mq,Vq', (b) => b.write(0, b.readAs(1, 'i64.load', 8))),

  row('66 0f 6e', 'movd/movq', 'Vx,Ey', (b) => writeZeroExtended(b, b.widen(b.read(1), b.size, false))),
  row('66 0f 7e', 'movd/movq', 'Ey,Vx', (b) => b.write(0, b.readAs(1, b.size === 64 ? 'i64.load' : 'i32.load'))),
  row('f3 0f 7e', 'movq', 'Vq,Wq', (b) => writeZeroExtended(b, b.read(1))),
  row('66 0f d6', 'movq', 'Wq,Vq', (b) => {
    if (b.isMemory(0)) b.write(0, b.read(1));
    else writeZeroExtended(b, b.read(1));
  }),

  row('np 0f 50', 'movmskps', 'Gd,Ux', (b) => b.write(0, b.op('i32x4.bitmask', [b.read(1)]))),
  row('66 0f 50', 'movmskpd', 'Gd,Ux', (b) => b.write(0, b.op('i64x2.bitmask', [b.read(1)]))),
  row('66 0f f7', 'maskmovdqu', 'Vx,Ux', (b) => maskedStore(b, 16)),

  row('np 0f ae /2', 'ldmxcsr', 'Md', (b) => b.helper(loadMxcsr, b.addressOf(0, 4, false, false))),
  row('np 0f ae /3', 'stmxcsr', 'Md', (b) => b.write(0, b.get(MXCSR, 'i32.load'))),
];

/** Stores the bytes of operand 0 whose mask byte in operand 1 has its top bit set at rdi. */
function maskedStore(b: Builder, bytes: 8 | 16): void {
  const pa = b.probe(b.gpr(RDI, 64), { size: bytes, write: true, aligned: false });
  const mask = b.op('i8x16.shr_s', [readVector(b, 1), b.i32(7)]);
  const old = b.loadAt(pa, bytes === 16 ? 'v128.load' : 'v128.load64_zero');
  const merged = b.op('v128.bitselect', [readVector(b, 0), old, mask]);
  if (bytes === 16) b.storeAt(pa, 'v128.store', merged);
  else b.storeAt(pa, 'i64.store', b.op('i64x2.extract_lane', [merged], 0));
}

const mmx: Row[] = [
  row('np 0f 6e', 'movd/movq', 'Pq,Ey', (b) => {
    checkMmx(b);
    const v = b.widen(b.read(1), b.size, false);
    enterMmx(b);
    writeMmx64(b, 0, v);
  }),
  row('np 0f 7e', 'movd/movq', 'Ey,Pq', (b) => {
    checkMmx(b);
    const v = b.readAs(1, b.size === 64 ? 'i64.load' : 'i32.load');
    b.write(0, v);
    enterMmx(b);
  }),
  row('np 0f 6f', 'movq', 'Pq,Qq', (b) => {
    checkMmx(b);
    const v = b.read(1);
    enterMmx(b);
    writeMmx64(b, 0, v);
  }),
  row('np 0f 7f', 'movq', 'Qq,Pq', (b) => {
    checkMmx(b);
    const v = b.read(1);
    if (b.isMemory(0)) b.write(0, v);
    else writeMmx64(b, 0, v);
    enterMmx(b);
  }),
  row('np 0f e7', 'movntq', 'Mq,Pq', (b) => {
    checkMmx(b);
    b.write(0, b.read(1));
    enterMmx(b);
  }),
  row('np 0f f7', 'maskmovq', 'Pq,Nq', (b) => {
    checkMmx(b);
    // The switch to MMX happens even when the store faults.
    enterMmx(b);
    maskedStore(b, 8);
  }),
  row('f3 0f d6', 'movq2dq', 'Vx,Nq', (b) => {
    checkMmx(b);
    writeZeroExtended(b, b.read(1));
    enterMmx(b);
  }),
  row('f2 0f d6', 'movdq2q', 'Pq,Uq', (b) => {
    checkMmx(b);
    const v = b.read(1);
    enterMmx(b);
    writeMmx64(b, 0, v);
  }),
  row('np 0f 77', 'emms', '', (b) => {
    checkMmx(b);
    b.set(FTOP, 'i32.store', b.i32(0));
    b.set(FTW, 'i32.store', b.i32(0xffff));
  }),
];

/** Selects lanes by the immediate: the lower half of the result from the destination, the upper from the source. */
const shuffles: Row[] = [
  row('np 0f c6', 'shufps', 'Vx,Wx,Ib', (b) => {
    b.requireAligned(1);
    const known = knownImmediate(b, 2);
    if (known !== undefined) {
      const [l0, l1, l2, l3] = fields(known) as [number, number, number, number];
      const y = b.read(1);
      b.write(0, shuffle(b, b.read(0), y, 4, [l0, l1, 4 + l2, 4 + l3]));
      return;
    }
    const from = b.addressOf(1, 16, false, false);
    const own = b.addressOf(0, 16, false, false);
    const control = b.read(2);
    const at = (base: Value, k: number): Value => {
      const lane = b.bin('and', b.bin('shr_u', control, b.i32(2 * k)), b.i32(3));
      return b.bin('add', base, b.bin('shl', lane, b.i32(2)));
    };
    const source = (k: number): Value =>
      b.isMemory(1) ? b.loadAt(at(from, k), 'i32.load') : b.get(at(from, k), 'i32.load');
    let v = b.op('i32x4.splat', [b.get(at(own, 0), 'i32.load')]);
    v = b.op('i32x4.replace_lane', [v, b.get(at(own, 1), 'i32.load')], 1);
    v = b.op('i32x4.replace_lane', [v, source(2)], 2);
    b.write(0, b.op('i32x4.replace_lane', [v, source(3)], 3));
  }),
  row('66 0f c6', 'shufpd', 'Vx,Wx,Ib', (b) => {
    b.requireAligned(1);
    const y = b.read(1);
    const x = b.read(0);
    const known = knownImmediate(b, 2);
    if (known !== undefined) {
      b.write(0, shuffle(b, x, y, 8, [known & 1, 2 + ((known >> 1) & 1)]));
      return;
    }
    const control = b.read(2);
    const pick = (v: Value, bit: number): Value =>
      b.select(
        b.op('i64x2.extract_lane', [v], 1),
        b.op('i64x2.extract_lane', [v], 0),
        b.bin('and', control, b.i32(bit)),
      );
    const low = b.op('i64x2.splat', [pick(x, 1)]);
    b.write(0, b.op('i64x2.replace_lane', [low, pick(y, 2)], 1));
  }),
  xmmRow('np 0f 14', 'unpcklps', (b, x, y) => shuffle(b, x, y, 4, [0, 4, 1, 5])),
  xmmRow('np 0f 15', 'unpckhps', (b, x, y) => shuffle(b, x, y, 4, [2, 6, 3, 7])),
  xmmRow('66 0f 14', 'unpcklpd', (b, x, y) => shuffle(b, x, y, 8, [0, 2])),
  xmmRow('66 0f 15', 'unpckhpd', (b, x, y) => shuffle(b, x, y, 8, [1, 3])),
];

const LOGIC: [string, string, string][] = [
  ['54', 'and', 'v128.and'],
  ['56', 'or', 'v128.or'],
  ['57', 'xor', 'v128.xor'],
];
const logic: Row[] = ['np', '66'].flatMap((prefix) => {
  const suffix = prefix === 'np' ? 'ps' : 'pd';
  return [
    ...LOGIC.map(([opcode, name, operator]) =>
      xmmRow(
        `${prefix} 0f ${opcode}`,
        name + suffix,
        (b, x, y) => b.op(operator, [x, y]),
        name + suffix === 'xorps' ? { hot: '32r' } : {},
      ),
    ),
    xmmRow(`${prefix} 0f 55`, `andn${suffix}`, (b, x, y) => b.op('v128.andnot', [y, x])),
  ];
});

export const sseMoveRows: readonly Row[] = [...moves, ...mmx, ...shuffles, ...logic];
