/**
 * Repeated movs and stos in regions. One step of them is one instruction: as many elements as lie in one page of each operand
 * (tier0/bulk.ts). What is all done in one step upwards, as small copies are, is done in place; everything else is tier 0's,
 * which executes one step for the region, as it does for instructions that have no form here.
 */
import type { Probe, Value } from '../ir/ir.js';
import { DF, GPR, PAGE_SIZE, RAX, RCX, RDI, RSI, ZERO } from '../state.js';
import type { Code } from '../wasm/code.js';
import { ConcreteBuilder } from './concrete.js';
import type { Instruction } from './region.js';
import type { Registers } from './registers.js';
import type { Temps } from './temps.js';

/** Copied element by element up to here: a call of the engine's own copy costs as much as some dozen elements. */
const SMALL = 64;

export interface StringMove {
  /** Bytes of an element. */
  readonly bytes: 1 | 2 | 4 | 8;
  /** Accesses at rsi and rdi; of stos only the latter. */
  readonly read: Value | undefined;
  readonly written: Value;
  /** Registers that it reads and writes, as bits. */
  readonly reads: number;
  readonly writes: number;
}

const LOADS = { 1: 'i32.load8_u', 2: 'i32.load16_u', 4: 'i32.load', 8: 'i64.load' } as const;
const STORES = { 1: 'i32.store8', 2: 'i32.store16', 4: 'i32.store', 8: 'i64.store' } as const;
const number = (register: number): number => (register - GPR) >> 3;
const bit = (register: number): number => 1 << number(register);

/** What a repeated movs or stos is; undefined for all other instructions. */
export function stringMove(instruction: Instruction): StringMove | undefined {
  const { row, size, segment, address32 } = instruction;
  if (row.prefix !== 'f3' || (row.name !== 'movs' && row.name !== 'stos') || address32 || segment !== ZERO) {
    return undefined;
  }
  const b = new ConcreteBuilder(instruction);
  const first: Probe = { size: 1, write: false, aligned: false };
  const isMove = row.name === 'movs';
  const writes = bit(RCX) | bit(RDI) | (isMove ? bit(RSI) : 0);
  return {
    // The opcodes of single bytes are even.
    bytes: (row.opcode & 1 ? size / 8 : 1) as StringMove['bytes'],
    read: isMove ? b.probe(b.get(RSI, 'i64.load'), first) : undefined,
    written: b.probe(b.get(RDI, 'i64.load'), { ...first, write: true }),
    reads: writes | (isMove ? 0 : bit(RAX)),
    writes,
  };
}

/** What string moves need of the code around them. */
export interface StringSurroundings {
  /** Emits the check of an access, and sets its local to the physical address. */
  probe(v: Value): void;
  /** Emits the way out at the instruction, inside an open `if`. */
  stop(): void;
  /** Emits a step in tier 0. */
  inTier0(): void;
  /** Counts the instruction where it is done in place. */
  count(): void;
}

export function emitStringMove(
  code: Code,
  registers: Registers,
  temps: Temps,
  { bytes, read, written }: StringMove,
  around: StringSurroundings,
): void {
  const [count, target] = [registers.general(number(RCX)), registers.general(number(RDI))];
  const source = read === undefined ? -1 : registers.general(number(RSI));
  const length = temps.take('i32');
  // Tier 0 has a better way to fill much memory with small elements.
  const most = read === undefined && bytes < 8 ? SMALL : PAGE_SIZE;
  code.get(count);
  code.op('i32.wrap_i64');
  code.i32(Math.log2(bytes));
  code.op('i32.shl');
  code.set(length);
  code.get(count);
  code.i64(most / bytes);
  code.op('i64.le_u');
  code.i32(0);
  code.memory('i32.load', DF);
  code.op('i32.eqz');
  code.op('i32.and');
  for (const address of read === undefined ? [target] : [target, source]) {
    code.get(address);
    code.op('i32.wrap_i64');
    code.i32(PAGE_SIZE - 1);
    code.op('i32.and');
    code.get(length);
    code.op('i32.add');
    code.i32(PAGE_SIZE);
    code.op('i32.le_u');
    code.op('i32.and');
  }
  code.if();
  code.get(length);
  code.if();
  for (const v of read === undefined ? [written] : [read, written]) {
    v.args[0]!.local = v === read ? source : target;
    around.probe(v);
  }
  if (read === undefined) storeElements(code, temps, bytes, written.local, length, registers.general(number(RAX)));
  else copyElements(code, temps, bytes, read.local, written.local, length, around);
  for (const address of read === undefined ? [target] : [target, source]) {
    code.get(address);
    code.get(length);
    code.op('i64.extend_i32_u');
    code.op('i64.add');
    code.set(address);
  }
  code.i64(0);
  code.set(count);
  code.end();
  around.count();
  code.else();
  around.inTier0();
  code.end();
}

function copyElements(
  code: Code,
  temps: Temps,
  bytes: StringMove['bytes'],
  source: number,
  target: number,
  length: number,
  around: StringSurroundings,
): void {
  const distance = temps.take('i32');
  code.get(target);
  code.get(source);
  code.op('i32.sub');
  code.tee(distance);
  code.i32(bytes);
  code.op('i32.lt_u');
  code.rarely();
  // An element that overlaps itself: tier 0 counts them one by one.
  around.stop();
  code.end();
  const done = code.block();
  code.get(length);
  code.i32(SMALL);
  code.op('i32.gt_u');
  code.get(distance);
  code.get(length);
  code.op('i32.ge_u');
  code.op('i32.and');
  code.if();
  code.get(target);
  code.get(source);
  code.get(length);
  code.memoryCopy();
  code.br(done);
  code.end();
  forElements(code, temps, bytes, length, (at) => {
    code.get(target);
    code.get(at);
    code.op('i32.add');
    code.get(source);
    code.get(at);
    code.op('i32.add');
    code.memory(LOADS[bytes], 0);
    code.memory(STORES[bytes], 0);
  });
  code.end();
}

function storeElements(
  code: Code,
  temps: Temps,
  bytes: StringMove['bytes'],
  target: number,
  length: number,
  element: number,
): void {
  forElements(code, temps, bytes, length, (at) => {
    code.get(target);
    code.get(at);
    code.op('i32.add');
    code.get(element);
    if (bytes < 8) code.op('i32.wrap_i64');
    code.memory(STORES[bytes], 0);
  });
}

/** @param emit gets a local with the distance from the first element, in bytes */
function forElements(code: Code, temps: Temps, bytes: number, length: number, emit: (at: number) => void): void {
  const at = temps.take('i32');
  code.i32(0);
  code.set(at);
  const again = code.loop();
  emit(at);
  code.get(at);
  code.i32(bytes);
  code.op('i32.add');
  code.tee(at);
  code.get(length);
  code.op('i32.lt_u');
  code.brIf(again);
  code.end();
}
