/** Conversions of SSE and SSE2 between integers, binary32 and binary64. Fast and exact ways as in sse-float.ts. */
import type { Builder } from '../ir/builder.js';
import type { Value } from '../ir/ir.js';
import { type Row, row } from './row.js';
import { checkMmx, enterMmx } from './sse-common.js';
import { exactFromInteger, exactResize, exactToIntegers, exactToRegister } from './sse-exact.js';
import { byDefault, finite, WIDTHS } from './sse-float.js';

const PS = WIDTHS[0]!;
const PD = WIDTHS[1]!;
const SS = WIDTHS[2]!;
const SD = WIDTHS[3]!;
const SCALARS = [SS, SD];

const rows: Row[] = [];

// ── from integers ────────────────────────────────────────────────────────────────────────────────────────────────────

for (const w of SCALARS) {
  rows.push(
    row(
      `${w.prefix} 0f 2a`,
      `cvtsi2${w.suffix}`,
      `V${w.code},Ey`,
      (b) => {
        const from = b.size === 64 ? 64 : 32;
        const result = b.op(`${w.shape}.convert_i${from}_s`, [b.read(1)]);
        // Every 32-bit integer is a binary64 number: nothing to round.
        if (from === 32 && w.bits === 64) {
          b.write(0, result);
          return;
        }
        const source = b.addressOf(1, from / 8, false, false);
        b.if(
          b.defaultControl(),
          () => b.write(0, result),
          () => b.helper(exactFromInteger(from, w.bits, 1), source),
        );
      },
      w === SD ? { hot: '32r 64r' } : {},
    ),
  );
}

const dq2ps = exactFromInteger(32, 32, 4);
rows.push(
  row('np 0f 5b', 'cvtdq2ps', 'Vx,Wx', (b) => {
    b.requireAligned(1);
    const result = b.op('f32x4.convert_i32x4_s', [b.read(1)]);
    const source = b.addressOf(1, 16, false, false);
    b.if(
      b.defaultControl(),
      () => b.write(0, result),
      () => b.helper(dq2ps, source),
    );
  }),
  row('f3 0f e6', 'cvtdq2pd', 'Vx,Wq', (b) => {
    b.write(0, b.op('f64x2.convert_low_i32x4_s', [b.readAs(1, 'v128.load64_zero')]));
  }),
);

// ── between the widths ───────────────────────────────────────────────────────────────────────────────────────────────

const ps2pd = exactResize(32, 2, 4);
const pd2ps = exactResize(64, 2, 4);
const ss2sd = exactResize(32, 1, 2);
const sd2ss = exactResize(64, 1, 1);

/** Writes the fast result when it counts, else calls the exact one. */
function choose(b: Builder, ok: Value, result: Value, exact: Parameters<Builder['helper']>[0], bytes: number): void {
  const source = b.addressOf(1, bytes, false, false);
  b.if(
    byDefault(b, ok),
    () => b.write(0, result),
    () => b.helper(exact, source),
  );
}

rows.push(
  row('np 0f 5a', 'cvtps2pd', 'Vx,Wq', (b) => {
    const result = b.op('f64x2.promote_low_f32x4', [b.readAs(1, 'v128.load64_zero')]);
    choose(b, finite(b, PD, result), result, ps2pd, 8);
  }),
  row('66 0f 5a', 'cvtpd2ps', 'Vx,Wx', (b) => {
    b.requireAligned(1);
    const result = b.op('f32x4.demote_f64x2_zero', [b.read(1)]);
    choose(b, finite(b, PS, result), result, pd2ps, 16);
  }),
  row('f3 0f 5a', 'cvtss2sd', 'Vsd,Wss', (b) => {
    const result = b.op('f64.promote_f32', [b.read(1)]);
    choose(b, finite(b, SD, result), result, ss2sd, 4);
  }),
  row('f2 0f 5a', 'cvtsd2ss', 'Vss,Wsd', (b) => {
    const result = b.op('f32.demote_f64', [b.read(1)]);
    choose(b, finite(b, SS, result), result, sd2ss, 8);
  }),
);

// ── to integers ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** 2^31 and 2^63 in both widths, as bits. */
const LIMITS = {
  32: { 32: 0x4f000000n, 64: 0x41e0000000000000n },
  64: { 32: 0x5f000000n, 64: 0x43e0000000000000n },
};

function scalarLimit(b: Builder, to: 32 | 64, bits: 32 | 64): Value {
  const limit = LIMITS[to][bits];
  return bits === 32
    ? b.op('f32.reinterpret_i32', [b.i32(Number(limit))])
    : b.op('f64.reinterpret_i64', [b.i64(limit)]);
}

function vectorLimit(b: Builder, bits: 32 | 64): Value {
  const limit = LIMITS[32][bits];
  return b.v128(Array.from({ length: 16 }, (_, k) => Number((limit >> BigInt((8 * k) % bits)) & 0xffn)));
}

for (const truncate of [false, true]) {
  const letters = truncate ? 'cvtt' : 'cvt';
  for (const w of SCALARS) {
    const exact = { 32: exactToRegister(w.bits, 32, truncate), 64: exactToRegister(w.bits, 64, truncate) };
    rows.push(
      row(
        `${w.prefix} 0f ${truncate ? '2c' : '2d'}`,
        `${letters}${w.suffix}2si`,
        `Gy,W${w.code}`,
        (b) => {
          const to = b.size === 64 ? 64 : 32;
          const x = b.read(1);
          const whole = truncate ? x : b.op(`${w.shape}.nearest`, [x]);
          const inRange = b.op(`${w.shape}.lt`, [b.op(`${w.shape}.abs`, [whole]), scalarLimit(b, to, w.bits)]);
          const result = b.op(`i${to}.trunc_sat_${w.shape}_s`, [whole]);
          choose(b, inRange, result, exact[to], w.bits / 8);
        },
        w === SD && truncate ? { hot: '32r 64r' } : {},
      ),
    );
  }
  const ps2dq = exactToIntegers(32, 4, truncate, 4);
  const pd2dq = exactToIntegers(64, 2, truncate, 4);
  rows.push(
    row(`${truncate ? 'f3' : '66'} 0f 5b`, `${letters}ps2dq`, 'Vx,Wx', (b) => {
      b.requireAligned(1);
      const x = b.read(1);
      const whole = truncate ? x : b.op('f32x4.nearest', [x]);
      const inRange = b.op('f32x4.lt', [b.op('f32x4.abs', [whole]), vectorLimit(b, 32)]);
      const result = b.op('i32x4.trunc_sat_f32x4_s', [whole]);
      choose(b, b.bin('eq', b.op('i32x4.bitmask', [inRange]), b.i32(15)), result, ps2dq, 16);
    }),
    row(`${truncate ? '66' : 'f2'} 0f e6`, `${letters}pd2dq`, 'Vx,Wx', (b) => {
      b.requireAligned(1);
      const x = b.read(1);
      const whole = truncate ? x : b.op('f64x2.nearest', [x]);
      const inRange = b.op('f64x2.lt', [b.op('f64x2.abs', [whole]), vectorLimit(b, 64)]);
      const result = b.op('i32x4.trunc_sat_f64x2_s_zero', [whole]);
      choose(b, b.bin('eq', b.op('i64x2.bitmask', [inRange]), b.i32(3)), result, pd2dq, 16);
    }),
  );
  // mmx results: rare, so always exact.
  const ps2pi = exactToIntegers(32, 2, truncate, 2);
  const pd2pi = exactToIntegers(64, 2, truncate, 2);
  const toMmx = (b: Builder, helper: typeof ps2pi, bytes: number): void => {
    checkMmx(b);
    if (bytes === 16) b.requireAligned(1);
    const source = b.addressOf(1, bytes, false, false);
    // The switch to MMX happens even when the conversion raises #XM.
    enterMmx(b);
    b.helper(helper, source);
    b.writeAs(0, 'i32.store16', b.i32(0xffff), 8);
  };
  const opcode = truncate ? '2c' : '2d';
  rows.push(
    row(`np 0f ${opcode}`, `${letters}ps2pi`, 'Pq,Wq', (b) => toMmx(b, ps2pi, 8)),
    row(`66 0f ${opcode}`, `${letters}pd2pi`, 'Pq,Wx', (b) => toMmx(b, pd2pi, 16)),
  );
}

const pi2ps = exactFromInteger(32, 32, 2);
const pi2pd = exactFromInteger(32, 64, 2);
rows.push(
  row('np 0f 2a', 'cvtpi2ps', 'Vq,Qq', (b) => {
    checkMmx(b);
    const source = b.addressOf(1, 8, false, false);
    // A memory operand does not involve the mmx registers.
    if (!b.isMemory(1)) enterMmx(b);
    b.helper(pi2ps, source);
  }),
  row('66 0f 2a', 'cvtpi2pd', 'Vx,Qq', (b) => {
    checkMmx(b);
    const source = b.addressOf(1, 8, false, false);
    if (!b.isMemory(1)) enterMmx(b);
    b.helper(pi2pd, source);
  }),
);

export const sseConvertRows: readonly Row[] = rows;
