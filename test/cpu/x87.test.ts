/**
 * Every row of the x87 table against the real processor: random stacks, operands, control and status words.
 * Left out of the comparison: condition codes that the architecture leaves undefined, C1 and the last place (±1) of
 * transcendental results, instruction and operand pointers.
 * BANOS_X87_CASES: cases per row (default 120). BANOS_SEED.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readFxsave, writeFxsave } from '../../cpu/x87/image.js';
import { runX87Row, X87_TABLE, type X87Row } from '../../cpu/x87/table.js';
import { X87, X87_MF, X87_SET_AX, X87_SET_FLAGS } from '../../cpu/x87/unit.js';
import * as n from './native/native.js';
import { Random } from './native/random.js';

const CASES = Number(process.env['BANOS_X87_CASES'] ?? 120);
const SEED = Number(process.env['BANOS_SEED'] ?? 1);
const OPERAND = 0x1000;
const buffer = new ArrayBuffer(0x3000);
const memory = { u8: new Uint8Array(buffer), i32: new Int32Array(buffer), view: new DataView(buffer) };
const unit = new X87(memory);
const TRANSCENDENTAL = new Set(['f2xm1', 'fyl2x', 'fyl2xp1', 'fptan', 'fpatan', 'fsin', 'fcos', 'fsincos']);
const RBX = 3;

function modrmOf(row: X87Row, r: Random): number {
  return row.count === 0 ? (row.modrm << 3) | RBX : row.modrm + r.below(row.count);
}

function fillOperand(view: DataView, row: X87Row, r: Random): void {
  const wide = r.big64();
  view.setBigUint64(0, wide, true);
  view.setBigUint64(8, r.big64(), true);
  if (row.name.endsWith('f32')) view.setUint32(0, Number(r.float(32)), true);
  else if (row.name.endsWith('f64')) view.setBigUint64(0, r.float(64), true);
  else if (/i(16|32|64)$/.test(row.name)) view.setBigUint64(0, r.integer(), true);
  else if (row.name === 'fbld') {
    for (let i = 0; i < 9; i++) view.setUint8(i, r.below(10) * 16 + r.below(10));
  } else if (row.name === 'fld f80') {
    const [m, se] = r.extended();
    view.setBigUint64(0, m, true);
    view.setUint16(8, se, true);
  }
}

function makeCase(into: Buffer, row: X87Row, r: Random): void {
  const view = new DataView(into.buffer, into.byteOffset, n.IN_SIZE);
  const operand16 = row.bytes >= 28 && r.chance(4);
  const code = [...(operand16 ? [0x66] : []), ...(row.opcode === 0x9b ? [0x9b] : [row.opcode, modrmOf(row, r)])];
  view.setUint32(n.IN_LENGTH, code.length, true);
  into.set(code, n.IN_CODE);
  for (let i = 0; i < 16; i++) view.setBigUint64(n.IN_GPR + 8 * i, r.big64(), true);
  const offset = r.below(n.BLOCK - 128);
  view.setBigUint64(n.IN_GPR + 8 * RBX, BigInt(n.BLOCK_AT + offset), true);
  view.setBigUint64(n.IN_RFLAGS, BigInt(0x202 | (r.word() & 0x8d5)), true);
  const fx = n.IN_FX;
  const masks = r.chance(3) ? r.below(64) : 0x3f;
  view.setUint16(fx, 0x40 | masks | (r.below(4) << 8) | (r.below(4) << 10), true);
  let status = r.word() & 0x4700;
  if (r.chance(4)) status |= r.below(64);
  if (r.chance(8)) status |= 0x40;
  view.setUint16(fx + 2, status | (r.below(8) << 11), true);
  view.setUint8(fx + 4, r.pick([0xff, 0xff, 0xff, 0xfe, 0x7f, 0, 0x55, r.below(256)]));
  // Half of the cases have a free register to push to.
  if (r.chance(2)) {
    const top = (view.getUint16(fx + 2, true) >> 11) & 7;
    view.setUint8(fx + 4, view.getUint8(fx + 4) & ~(1 << ((top - 1) & 7)));
  }
  view.setUint32(fx + 24, 0x1f80, true);
  for (let i = 0; i < 8; i++) {
    const [m, se] = r.extended();
    view.setBigUint64(fx + 32 + 16 * i, m, true);
    view.setUint16(fx + 40 + 16 * i, se, true);
  }
  for (let i = 0; i < n.BLOCK; i += 8) view.setBigUint64(n.IN_BLOCK + i, r.big64(), true);
  if (row.count === 0 && row.access === 'r') {
    fillOperand(new DataView(into.buffer, into.byteOffset + n.IN_BLOCK + offset, 16), row, r);
  }
}

/** Status bits that are compared. */
function statusMask(row: X87Row): number {
  if (TRANSCENDENTAL.has(row.name)) return 0xffff & ~0x4300;
  return 0xffff;
}

interface Result {
  signal: number;
  fx: Uint8Array;
  block: Uint8Array;
  flags: number;
  ax: number;
}

/** x87 part of an fxsave image. */
const FX_BYTES = 160;
const fxWords = new Int32Array(FX_BYTES / 4);
const fxBytes = new Uint8Array(fxWords.buffer);

function runHere(row: X87Row, into: Buffer): Result {
  const view = new DataView(into.buffer, into.byteOffset, n.IN_SIZE);
  fxBytes.set(into.subarray(n.IN_FX, n.IN_FX + FX_BYTES));
  readFxsave(unit, fxWords, 0, true);
  memory.u8.set(into.subarray(n.IN_BLOCK, n.IN_BLOCK + n.BLOCK), OPERAND);
  unit.flags = Number(view.getBigUint64(n.IN_RFLAGS, true));
  unit.operand16 = into[n.IN_CODE] === 0x66;
  const at = n.IN_CODE + (unit.operand16 ? 1 : 0);
  const modrm = into[at + 1]!;
  const rbx = Number(view.getBigUint64(n.IN_GPR + 8 * RBX, true));
  const before = unit.flags;
  const outcome = runX87Row(unit, row, modrm, OPERAND + rbx - n.BLOCK_AT);
  fxBytes.fill(0);
  writeFxsave(unit, fxWords, 0, true);
  return {
    signal: outcome === X87_MF ? 8 : 5,
    fx: fxBytes.slice(),
    block: memory.u8.slice(OPERAND, OPERAND + n.BLOCK),
    flags: outcome === X87_SET_FLAGS ? (before & ~0x8d5) | unit.flags : before,
    ax: outcome === X87_SET_AX ? unit.ax : Number(view.getBigUint64(n.IN_GPR, true) & 0xffffn),
  };
}

/** Words of a memory environment that hold pointers, as byte ranges from its start. */
function maskPointers(block: Uint8Array, at: number, operand16: boolean): void {
  if (operand16) block.fill(0, at + 6, at + 14);
  else block.fill(0, at + 12, at + 28);
}

/** Distance of two 80-bit values in units of the last place; Infinity when they are not neighbours. */
function distance(a: Uint8Array, b: Uint8Array): number {
  const word = (x: Uint8Array) => {
    const v = new DataView(x.buffer, x.byteOffset, 10);
    const se = v.getUint16(8, true);
    const magnitude = (BigInt(se & 0x7fff) << 63n) + (v.getBigUint64(0, true) & ((1n << 63n) - 1n));
    return se & 0x8000 ? -magnitude : magnitude;
  };
  const d = word(a) - word(b);
  return Number(d < 0n ? -d : d);
}

function compareCase(row: X87Row, input: Buffer, native: Buffer): string[] {
  const problems: string[] = [];
  const here = runHere(row, input);
  const signal = native.readUInt32LE(n.OUT_SIGNAL);
  if (signal !== here.signal) return [`signal ${here.signal}, native ${signal}`];
  const nf = native.subarray(n.OUT_FX, n.OUT_FX + 160);
  const hex = (x: number) => x.toString(16);
  const nativeView = new DataView(nf.buffer, nf.byteOffset, 160);
  const hereView = new DataView(here.fx.buffer);
  const sw = nativeView.getUint16(2, true);
  const hw = hereView.getUint16(2, true);
  if (((sw ^ hw) & statusMask(row)) !== 0) problems.push(`status ${hex(hw)}, native ${hex(sw)}`);
  if (nf[4] !== here.fx[4]) problems.push(`tags ${hex(here.fx[4]!)}, native ${hex(nf[4]!)}`);
  if (nativeView.getUint16(0, true) !== hereView.getUint16(0, true)) problems.push('control');
  for (let i = 0; i < 8; i++) {
    const a = here.fx.subarray(32 + 16 * i, 42 + 16 * i);
    const b = nf.subarray(32 + 16 * i, 42 + 16 * i);
    const d = Buffer.compare(a, b) === 0 ? 0 : distance(a, b);
    if (d === 0) continue;
    if (TRANSCENDENTAL.has(row.name) && i < 2 && d <= 1) continue;
    problems.push(
      `st${i} ${Buffer.from(a).reverse().toString('hex')}, native ${Buffer.from(b).reverse().toString('hex')}`,
    );
  }
  const block = Buffer.from(native.subarray(n.OUT_BLOCK, n.OUT_BLOCK + n.BLOCK));
  if (row.bytes >= 28) {
    const at = Number(input.readBigUInt64LE(n.IN_GPR + 8 * RBX)) - n.BLOCK_AT;
    const operand16 = input[n.IN_CODE] === 0x66;
    maskPointers(block, at, operand16);
    maskPointers(here.block, at, operand16);
  }
  if (Buffer.compare(block, here.block) !== 0) {
    const at = Number(input.readBigUInt64LE(n.IN_GPR + 8 * RBX)) - n.BLOCK_AT;
    const show = (b: Uint8Array) => Buffer.from(b.subarray(at, at + Math.max(row.bytes, 10))).toString('hex');
    problems.push(`memory ${show(here.block)}, native ${show(block)}`);
  }
  const flags = Number(native.readBigUInt64LE(n.OUT_RFLAGS)) & 0x8d5;
  if (flags !== (here.flags & 0x8d5)) problems.push(`flags ${hex(here.flags & 0x8d5)}, native ${hex(flags)}`);
  if (native.readUInt16LE(n.OUT_GPR) !== here.ax) problems.push(`ax ${hex(here.ax)}`);
  return problems;
}

const describe = (input: Buffer): string => {
  const length = input.readUInt32LE(n.IN_LENGTH);
  const st = [0, 1].map((i) =>
    Buffer.from(input.subarray(n.IN_FX + 32 + 16 * i, n.IN_FX + 42 + 16 * i))
      .reverse()
      .toString('hex'),
  );
  const at = Number(input.readBigUInt64LE(n.IN_GPR + 8 * RBX)) - n.BLOCK_AT;
  const operand = input.subarray(n.IN_BLOCK + at, n.IN_BLOCK + at + 10).toString('hex');
  const word = (o: number) => input.readUInt16LE(n.IN_FX + o).toString(16);
  return `${input.subarray(n.IN_CODE, n.IN_CODE + length).toString('hex')} cw ${word(0)} sw ${word(2)} tags ${word(4)} st0 ${st[0]} st1 ${st[1]} mem ${operand}`;
};

const why = n.whyNoNative();
if (why !== undefined) console.log(`SKIP x87 against the processor: ${why}`);
else {
  const native = new n.Native();
  const only = process.env['BANOS_ONLY'];
  const list = X87_TABLE.filter((row) => only === undefined || row.name.startsWith(only));
  const random = new Random(SEED);
  const cases = Buffer.alloc(list.length * CASES * n.IN_SIZE);
  list.forEach((row, k) => {
    for (let c = 0; c < CASES; c++) {
      const at = (k * CASES + c) * n.IN_SIZE;
      makeCase(cases.subarray(at, at + n.IN_SIZE), row, random);
    }
  });
  const outcomes = native.run(cases);
  native.dispose();
  list.forEach((row, k) => {
    test(`${row.name} ${row.opcode.toString(16)} ${row.modrm.toString(16)}`, () => {
      const failures: string[] = [];
      for (let c = 0; c < CASES; c++) {
        const i = k * CASES + c;
        const input = cases.subarray(i * n.IN_SIZE, (i + 1) * n.IN_SIZE);
        const problems = compareCase(row, input, outcomes.subarray(i * n.OUT_SIZE, (i + 1) * n.OUT_SIZE));
        if (problems.length > 0) failures.push(`${describe(input)}\n      ${problems.join('\n      ')}`);
      }
      assert.is(
        failures.length,
        0,
        `${failures.length} of ${CASES} differ:\n    ${failures.slice(0, 4).join('\n    ')}`,
      );
    });
  });
}

test.run();
