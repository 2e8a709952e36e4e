/**
 * The functions behind repeated string instructions: many elements at once, as long as they lie in one page of each
 * operand. How many depends on addresses and data only, never on what is cached: slices end at the same place in every run.
 */
import { RAX, RCX, RDI, RSI } from '../state.js';
import type { Code } from '../wasm/code.js';
import type { ValueType } from '../wasm/opcodes.js';

export type Define = (params: readonly ValueType[], results: ValueType[], write: (c: Code) => void) => number;

/** (bytes per element or 0, physical source, physical target, count) → elements done */
const COPY: readonly ValueType[] = ['i32', 'i32', 'i32', 'i64'];
/** (1, or 0 for nothing; physical source, its step, physical target, count, 1 while equal or 0 while different) → elements */
const COMPARE: readonly ValueType[] = ['i32', 'i32', 'i32', 'i32', 'i64', 'i32'];

const LOADS = { 8: 'i32.load8_u', 16: 'i32.load16_u', 32: 'i32.load', 64: 'i64.load' } as const;

/** By the names that `Builder.call` uses. */
export function bulkFunctions(define: Define): [name: string, func: number][] {
  return [
    ['bulkMove', define(COPY, ['i32'], (c) => bulkStep(c, true))],
    ['bulkStore', define(COPY, ['i32'], (c) => bulkStep(c, false))],
    ...([8, 16, 32, 64] as const).map((size): [string, number] => [
      `bulkCompare${size}`,
      define(COMPARE, ['i32'], (c) => compareRun(c, size)),
    ]),
  ];
}

/** elements = min(elements, whole elements between the address and the end of its page); `size` pushes the bytes of one. */
function limitToPage(c: Code, elements: number, address: number, size: () => void): void {
  const limit = c.local('i32');
  c.i32(4096);
  c.get(address);
  c.i32(4095);
  c.op('i32.and');
  c.op('i32.sub');
  size();
  c.op('i32.div_u');
  c.tee(limit);
  c.get(elements);
  c.get(limit);
  c.get(elements);
  c.op('i32.lt_u');
  c.select();
  c.set(elements);
}

/** elements = min(count, 4096) */
function limitToCount(c: Code, elements: number, count: number): void {
  c.get(count);
  c.i64(4096);
  c.get(count);
  c.i64(4096);
  c.op('i64.lt_u');
  c.select();
  c.op('i32.wrap_i64');
  c.set(elements);
}

/**
 * Repeated cmps or scas upwards: how many elements compare so that the repetition goes on, but not the last one that can
 * be looked at. That one is left to the ordinary step, which sets the flags and cannot fault: it lies in the same pages.
 */
function compareRun(c: Code, size: 8 | 16 | 32 | 64): void {
  const [enabled, source, step, target, count, wanted] = [0, 1, 2, 3, 4, 5] as const;
  const elements = c.local('i32');
  const done = c.local('i32');
  const bytes = size / 8;
  limitToCount(c, elements, count);
  limitToPage(c, elements, target, () => c.i32(bytes));
  c.get(step);
  c.if();
  limitToPage(c, elements, source, () => c.i32(bytes));
  c.end();
  c.get(elements);
  c.get(enabled);
  c.op('i32.mul');
  c.set(elements);
  const end = c.block();
  const again = c.loop();
  c.get(done);
  c.i32(1);
  c.op('i32.add');
  c.get(elements);
  c.op('i32.ge_u');
  c.brIf(end);
  c.get(source);
  c.memory(LOADS[size], 0);
  c.get(target);
  c.memory(LOADS[size], 0);
  c.op(size === 64 ? 'i64.eq' : 'i32.eq');
  c.get(wanted);
  c.op('i32.ne');
  c.brIf(end);
  c.get(source);
  c.get(step);
  c.op('i32.add');
  c.set(source);
  c.get(target);
  c.i32(bytes);
  c.op('i32.add');
  c.set(target);
  c.get(done);
  c.i32(1);
  c.op('i32.add');
  c.set(done);
  c.br(again);
  c.end();
  c.end();
  c.get(done);
}

/** Repeated movs or stos upwards: as many elements as lie in the current page of each operand. */
function bulkStep(c: Code, move: boolean): void {
  const [size, source, target, count] = [0, 1, 2, 3] as const;
  const elements = c.local('i32');
  const bytes = c.local('i32');
  c.get(size);
  c.op('i32.eqz');
  c.if();
  c.i32(0);
  c.return();
  c.end();
  limitToCount(c, elements, count);
  limitToPage(c, elements, target, () => c.get(size));
  if (move) limitToPage(c, elements, source, () => c.get(size));
  c.get(elements);
  c.get(size);
  c.op('i32.mul');
  c.tee(bytes);
  c.op('i32.eqz');
  c.if();
  c.i32(0);
  c.return();
  c.end();
  if (move) copyForward(c, size, source, target, bytes);
  else fillPattern(c, size, target, bytes);
  if (move) advance(c, RSI, bytes);
  advance(c, RDI, bytes);
  c.i32(0);
  c.get(count);
  c.get(elements);
  c.op('i64.extend_i32_u');
  c.op('i64.sub');
  c.memory('i64.store', RCX);
  c.get(elements);
}

/**
 * Copies as a loop from below would. When the target lies above the source by less than `bytes`, the bytes between them
 * repeat: each piece may be as long as what is already the same. An element that overlaps itself is not for here: 0 is
 * returned.
 */
function copyForward(c: Code, size: number, source: number, target: number, bytes: number): void {
  const distance = c.local('i32');
  const done = c.local('i32');
  const piece = c.local('i32');
  c.get(target);
  c.get(source);
  c.op('i32.sub');
  c.tee(distance);
  c.get(bytes);
  c.op('i32.ge_u'); // also when the target lies below
  c.if();
  c.get(target);
  c.get(source);
  c.get(bytes);
  c.memoryCopy();
  c.else();
  c.get(distance);
  c.get(size);
  c.op('i32.lt_u');
  c.if();
  c.i32(0);
  c.return();
  c.end();
  const again = c.loop();
  c.get(done);
  c.get(distance);
  c.op('i32.add');
  c.tee(piece);
  c.get(bytes);
  c.get(done);
  c.op('i32.sub');
  c.get(piece);
  c.get(bytes);
  c.get(done);
  c.op('i32.sub');
  c.op('i32.lt_u');
  c.select();
  c.set(piece);
  c.get(target);
  c.get(done);
  c.op('i32.add');
  c.get(source);
  c.get(piece);
  c.memoryCopy();
  c.get(done);
  c.get(piece);
  c.op('i32.add');
  c.tee(done);
  c.get(bytes);
  c.op('i32.lt_u');
  c.brIf(again);
  c.end();
  c.end();
}

function advance(c: Code, register: number, bytes: number): void {
  c.i32(0);
  c.i32(0);
  c.memory('i64.load', register);
  c.get(bytes);
  c.op('i64.extend_i32_u');
  c.op('i64.add');
  c.memory('i64.store', register);
}

/** Stores the low `size` bytes of rax over and over. Moves `target`. */
function fillPattern(c: Code, size: number, target: number, bytes: number): void {
  const pattern = c.local('i64');
  const end = c.local('i32');
  c.get(target);
  c.get(bytes);
  c.op('i32.add');
  c.set(end);
  c.i32(0);
  c.memory('i64.load', RAX);
  c.set(pattern);
  for (const [width, mask, factor] of [
    [1, 0xffn, 0x0101010101010101n],
    [2, 0xffffn, 0x0001000100010001n],
    [4, 0xffffffffn, 0x0000000100000001n],
  ] as const) {
    c.get(size);
    c.i32(width);
    c.op('i32.eq');
    c.if();
    c.get(pattern);
    c.i64(mask);
    c.op('i64.and');
    c.i64(factor);
    c.op('i64.mul');
    c.set(pattern);
    c.end();
  }
  const done = c.block();
  const again = c.loop();
  c.get(end);
  c.get(target);
  c.op('i32.sub');
  c.i32(8);
  c.op('i32.lt_u');
  c.brIf(done);
  c.get(target);
  c.get(pattern);
  c.memory('i64.store', 0);
  c.get(target);
  c.i32(8);
  c.op('i32.add');
  c.set(target);
  c.br(again);
  c.end();
  c.end();
  const finished = c.block();
  const tail = c.loop();
  c.get(target);
  c.get(end);
  c.op('i32.ge_u');
  c.brIf(finished);
  c.get(target);
  c.get(pattern);
  c.op('i32.wrap_i64');
  c.memory('i32.store8', 0);
  c.get(pattern);
  c.i64(8);
  c.op('i64.shr_u');
  c.set(pattern);
  c.get(target);
  c.i32(1);
  c.op('i32.add');
  c.set(target);
  c.br(tail);
  c.end();
  c.end();
}
