/** What the rows of SSE, SSE2 and MMX share: operand access, the pending x87 exception, lane shuffles. */

import { TRAP_MF } from '../exits.js';
import type { Builder } from '../ir/builder.js';
import type { Value } from '../ir/ir.js';
import { FSW, FTOP, FTW } from '../state.js';
import { type Row, type RowOptions, row } from './row.js';

/** Result of a two-operand vector operation: `x` is the destination's old value, `y` the source. */
export type VectorOp = (b: Builder, x: Value, y: Value) => Value;

/** Summary bit of the x87 status word: an unmasked exception is pending. */
const FSW_ES = 0x80;

/** An operand of 8 or 16 bytes as a vector; mmx registers and 64-bit operands fill the low half, the high one is 0. */
export function readVector(b: Builder, i: number): Value {
  return b.sizeOf(i) === 128 ? b.read(i) : b.readAs(i, 'v128.load64_zero');
}

/** An MMX instruction reports a pending x87 exception first. */
export function checkMmx(b: Builder): void {
  b.trapIf(b.bin('and', b.get(FSW, 'i32.load'), b.i32(FSW_ES)), TRAP_MF);
}

/** The x87 side of an MMX instruction: top of stack 0, all registers in use. Comes after the operands are read. */
export function enterMmx(b: Builder): void {
  b.set(FTOP, 'i32.store', b.i32(0));
  b.set(FTW, 'i32.store', b.i32(0));
}

/** Writes the low half of a vector to an mmx register operand, whose exponent becomes all ones. */
export function writeMmx(b: Builder, i: number, v: Value): void {
  writeMmx64(b, i, b.op('i64x2.extract_lane', [v], 0));
}

export function writeMmx64(b: Builder, i: number, v: Value): void {
  b.writeAs(i, 'i64.store', v);
  b.writeAs(i, 'i32.store16', b.i32(0xffff), 8);
}

/** A packed operation on xmm registers, memory operand aligned. */
export function xmmRow(encoding: string, name: string, f: VectorOp, options: RowOptions = {}): Row {
  return row(
    encoding,
    name,
    'Vx,Wx',
    (b) => {
      b.requireAligned(1);
      const y = b.read(1);
      b.write(0, f(b, b.read(0), y));
    },
    options,
  );
}

/** The same on mmx registers. */
export function mmxRow(encoding: string, name: string, f: VectorOp, source = 'Qq', options: RowOptions = {}): Row {
  return row(
    encoding,
    name,
    `Pq,${source}`,
    (b) => {
      checkMmx(b);
      const y = source === 'Qd' ? b.readAs(1, 'v128.load32_zero') : readVector(b, 1);
      const result = f(b, readVector(b, 0), y);
      enterMmx(b);
      writeMmx(b, 0, result);
    },
    options,
  );
}

/** Byte indices of a shuffle that takes lanes of `bytes` bytes; lanes of the second vector follow those of the first. */
export function lanes(bytes: number, order: readonly number[]): number[] {
  return order.flatMap((lane) => Array.from({ length: bytes }, (_, k) => lane * bytes + k));
}

export function shuffle(b: Builder, x: Value, y: Value, bytes: number, order: readonly number[]): Value {
  return b.op('i8x16.shuffle', [x, y], lanes(bytes, order));
}

/** The immediate of operand `i` where the builder knows it (the translator), else undefined. */
export function knownImmediate(b: Builder, i: number): number | undefined {
  return b.concrete ? Number(b.read(i).imm) : undefined;
}

/** The lanes that the four 2-bit fields of a shuffle immediate name. */
export const fields = (control: number): number[] => [0, 1, 2, 3].map((k) => (control >> (2 * k)) & 3);

export const zeroVector = (b: Builder): Value => b.v128(new Array(16).fill(0));
