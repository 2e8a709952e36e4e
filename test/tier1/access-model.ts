/**
 * For tests of accesses that are checked together (cpu/tier1/groups.ts): random code that accesses memory, its plan, and a
 * model that executes the statements of blocks over plain numbers and notes every address.
 */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { Decoder } from '../../cpu/decoder.js';
import type { Statement, Value } from '../../cpu/ir/ir.js';
import { RSP } from '../../cpu/state.js';
import { table } from '../../cpu/table/index.js';
import { interpreter } from '../../cpu/tier0/interpreter.js';
import { CodeReader } from '../../cpu/tier1/code-reader.js';
import { type Access, accessOf } from '../../cpu/tier1/memory-access.js';
import { planRegion } from '../../cpu/tier1/plan.js';
import type { PlannedBlock } from '../../cpu/tier1/planned-block.js';
import type { Block, End, Instruction } from '../../cpu/tier1/region.js';
import { statementsOf } from '../../cpu/tier1/step.js';
import { CODE, Guest, PAGE } from '../cpu/guest.js';
import { complete } from '../support/complete.js';

const guest = new Guest({ translator: null, codeWritable: true });
const reader = new CodeReader(guest.memory, new Decoder(table), interpreter().handlers);

/** The plans of blocks of code, each with where it leads to: nowhere, to one block, to one of two, or to one behind a call. */
export function planBlocks(
  codes: readonly (readonly number[])[],
  ends: readonly { to: readonly number[]; isCall: boolean }[],
): PlannedBlock[] {
  guest.write(CODE, codes.flat());
  reader.begin(guest.table);
  const addresses: number[] = [];
  let at = CODE;
  for (const code of codes) {
    addresses.push(at);
    at += code.length;
  }
  const edge = (block: number) => ({ block, address: addresses[block]! });
  let size = 0;
  const blocks = codes.map((code, b): Block => {
    const instructions: Instruction[] = [];
    const address = addresses[b]!;
    for (let at = address; at < address + code.length; at += instructions.at(-1)!.length) {
      const instruction = reader.at(at);
      assert.ok(instruction !== undefined, `no instruction at ${at - address} of ${Buffer.from(code).toString('hex')}`);
      instructions.push(instruction);
    }
    size += instructions.length;
    const { to, isCall } = ends[b]!;
    const [first, second] = to;
    let end: End = { kind: 'stop' };
    if (first !== undefined && isCall) end = { kind: 'call', callee: CODE, next: edge(first) };
    else if (second !== undefined) end = { kind: 'branch', taken: edge(first!), next: edge(second) };
    else if (first !== undefined) end = { kind: 'jump', to: edge(first) };
    return { address, instructions, end, heat: 0 };
  });
  const pages = new Set([CODE / PAGE]);
  return complete(planRegion({ root: CODE, doors: [], blocks, size, callees: new Set(), pages })).blocks;
}

/** The plan of straight-line code. */
export function plan(code: readonly number[]): PlannedBlock {
  return planBlocks([code], [{ to: [], isCall: false }])[0]!;
}

/** An access that was made. */
export interface Made {
  access: Access;
  address: bigint;
}

const WIDTHS: Readonly<Record<string, number>> = { '8': 1, '16': 2, '32': 4 };
const bytesOf = (name: string): number =>
  WIDTHS[/(?:load|store)(\d+)/.exec(name)?.[1] ?? ''] ?? (name[1] === '6' ? 8 : 4);
const bitsOf = (type: string): number => (type === 'i32' ? 32 : 64);

/** Executes the statements of a block on registers of its own. What memory holds and how conditions turn out is arbitrary. */
export class Model {
  readonly accesses: Made[] = [];
  #state = new DataView(new ArrayBuffer(0x1000));
  #results = new Map<Value, bigint>();
  #random: () => bigint;

  constructor(registers: readonly bigint[], random: () => bigint) {
    for (const [r, value] of registers.entries()) this.#state.setBigUint64(r * 8, value, true);
    this.#random = random;
  }

  run(block: PlannedBlock): void {
    for (const step of block.steps) {
      this.#results.clear();
      if (step.byInterpreter) this.#scramble();
      else this.#list(statementsOf(step));
    }
    if (block.block.end.kind === 'call') this.#call();
  }

  /** What tier 0 does with an instruction is not looked at. */
  #scramble(): void {
    for (let r = 0; r < 16; r++) this.#state.setBigUint64(r * 8, this.#random(), true);
  }

  /** A called function has come back: of the registers only rsp is what it has to be. */
  #call(): void {
    const rsp = this.#state.getBigUint64(RSP, true);
    this.#scramble();
    this.#state.setBigUint64(RSP, rsp + 8n, true);
  }

  #list(statements: readonly Statement[]): void {
    for (const s of statements) {
      switch (s.s) {
        case 'value':
          this.#value(s.value);
          break;
        case 'set':
          this.#write(Number(this.#value(s.address)) + s.offset, bytesOf(s.name), this.#value(s.value));
          break;
        case 'if':
          this.#list(this.#value(s.cond) === 0n ? s.otherwise : s.body);
          break;
        case 'store':
        case 'flags':
          break;
        default:
          throw new Error(`a statement that this test does not mean: ${s.s}`);
      }
    }
  }

  #value(v: Value): bigint {
    let result = this.#results.get(v);
    if (result === undefined) {
      result = BigInt.asUintN(bitsOf(v.type), this.#compute(v));
      this.#results.set(v, result);
    }
    return result;
  }

  #write(at: number, bytes: number, value: bigint): void {
    for (let i = 0; i < bytes; i++) this.#state.setUint8(at + i, Number((value >> BigInt(8 * i)) & 0xffn));
  }

  #read(at: number, name: string): bigint {
    const bytes = bytesOf(name);
    let value = 0n;
    for (let i = bytes - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.#state.getUint8(at + i));
    return name.endsWith('_s') ? BigInt.asIntN(8 * bytes, value) : value;
  }

  #compute(v: Value): bigint {
    const arg = (i: number): bigint => this.#value(v.args[i]!);
    switch (v.op) {
      case 'const':
        return BigInt(v.imm as number | bigint);
      case 'copy':
        return arg(0);
      case 'get':
        return this.#read(Number(arg(0)) + (v.imm as number), v.name);
      case 'probe': {
        this.accesses.push({ access: accessOf(v)!, address: arg(0) });
        return arg(0);
      }
      case 'load':
      case 'cond':
        return v.op === 'cond' ? this.#random() & 1n : this.#random() >> BigInt(64 - 8 * bytesOf(v.name));
      case 'select':
        return arg(2) === 0n ? arg(1) : arg(0);
    }
    const bits = bitsOf(v.args[0]!.type);
    switch (v.op.slice(4)) {
      case 'add':
        return arg(0) + arg(1);
      case 'sub':
        return arg(0) - arg(1);
      case 'and':
        return arg(0) & arg(1);
      case 'or':
        return arg(0) | arg(1);
      case 'xor':
        return arg(0) ^ arg(1);
      case 'shl':
        return arg(0) << (arg(1) & BigInt(bits - 1));
      case 'eqz':
        return arg(0) === 0n ? 1n : 0n;
      case 'wrap_i64':
      case 'extend_i32_u':
        return arg(0);
      case 'extend_i32_s':
        return BigInt.asIntN(32, arg(0));
      case 'extend8_s':
        return BigInt.asIntN(8, arg(0));
      case 'extend16_s':
        return BigInt.asIntN(16, arg(0));
      case 'extend32_s':
        return BigInt.asIntN(32, arg(0));
      default:
        throw new Error(`an operator that this test does not mean: ${v.op}`);
    }
  }
}

export const register = fc.nat({ max: 15 });
/** Few, so that blocks use the same ones again. */
export const base = fc.constantFrom(3, 5, 7, 12);
export const displacement = fc.oneof(
  fc.integer({ min: -64, max: 64 }),
  fc.integer({ min: -600, max: 600 }),
  fc.constantFrom(-(2 ** 31), 2 ** 31 - 1),
);
export const dword = (n: number): number[] => [n & 255, (n >> 8) & 255, (n >> 16) & 255, n >>> 24];

export interface Memory {
  base: number;
  /** 4: none. */
  index: number;
  scale: number;
  displacement: number;
}
const memory: fc.Arbitrary<Memory> = fc.record({
  base,
  index: fc.oneof({ weight: 3, arbitrary: fc.constant(4) }, { weight: 1, arbitrary: fc.constantFrom(0, 6, 12) }),
  scale: fc.nat({ max: 3 }),
  displacement,
});

/** Prefixes, opcode, and a memory operand with a byte for the index, as `mod` 2. */
export function withMemory(
  opcode: readonly number[],
  reg: number,
  at: Memory,
  wide: boolean,
  prefix: readonly number[] = [],
): number[] {
  const rex = 0x40 | (wide ? 8 : 0) | (reg >> 3 ? 4 : 0) | (at.index >> 3 ? 2 : 0) | (at.base >> 3 ? 1 : 0);
  const sib = (at.scale << 6) | ((at.index & 7) << 3) | (at.base & 7);
  return [...prefix, rex, ...opcode, 0x84 | ((reg & 7) << 3), sib, ...dword(at.displacement)];
}

/** reg, r/m registers */
export function withRegister(opcode: readonly number[], reg: number, rm: number, wide: boolean): number[] {
  return [0x40 | (wide ? 8 : 0) | (reg >> 3 ? 4 : 0) | (rm >> 3), ...opcode, 0xc0 | ((reg & 7) << 3) | (rm & 7)];
}

export const wide = fc.boolean();
export const accessing = fc
  .tuple(
    // mov in both directions and sizes, add to and from memory, movzx, movsxd, cmov
    fc.constantFrom(
      [0x8b],
      [0x89],
      [0x88],
      [0x8a],
      [0x01],
      [0x03],
      [0x29],
      [0x0f, 0xb6],
      [0x0f, 0xbf],
      [0x63],
      [0x0f, 0x44],
    ),
    register,
    memory,
    wide,
    fc.constantFrom<readonly number[]>([], [], [], [], [0x66], [0x67], [0x64]),
  )
  .map(([opcode, reg, at, w, prefix]) => withMemory(opcode, reg, at, w, opcode[0] === 0x63 ? [] : prefix));
/** Reads that leave the bases as they are. */
export const reading = fc
  .tuple(fc.constantFrom([0x39], [0x3b], [0x88], [0x89]), register, memory, wide)
  .map(([opcode, reg, at, w]) => withMemory(opcode, reg, at, w));
export const changing = fc.oneof(
  // mov, xchg, add, sub, movsxd, cmov and 8-bit mov of registers
  fc
    .tuple(fc.constantFrom([0x89], [0x87], [0x01], [0x29], [0x63], [0x0f, 0x45], [0x88]), register, base, wide)
    .map(([opcode, reg, rm, w]) => withRegister(opcode, reg, rm, w)),
  // add and sub of a constant, whole and in 32 bits
  fc
    .tuple(fc.constantFrom(0, 5), base, displacement, wide)
    .map(([op, rm, n, w]) => [...withRegister([0x81], op, rm, w), ...dword(n)]),
  fc.tuple(fc.nat({ max: 1 }), base, wide).map(([op, rm, w]) => withRegister([0xff], op, rm, w)),
  fc
    .tuple(base, memory, wide, fc.constantFrom<readonly number[]>([], [0x67]))
    .map(([reg, at, w, p]) => withMemory([0x8d], reg, at, w, p)),
  fc
    .tuple(base, fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n))
    .map(([r, n]) => [
      ...[0x48 | (r >> 3), 0xb8 | (r & 7)],
      ...Array.from({ length: 8 }, (_, i) => Number((n >> BigInt(8 * i)) & 0xffn)),
    ]),
);
/** push, pop, and what goes by rsp and rbp */
export const stack = fc
  .tuple(fc.constantFrom(0x50, 0x58), fc.constantFrom(0, 1, 2, 3, 4, 5, 7))
  .map(([op, r]) => [op | r]);

const edges = fc.constantFrom(0n, 1n, 2n ** 32n - 8n, 2n ** 47n - 16n, 2n ** 63n, 2n ** 64n - 32n);
export const registers = fc.array(fc.oneof(fc.bigInt(0n, 2n ** 64n - 1n), edges), { minLength: 16, maxLength: 16 });
