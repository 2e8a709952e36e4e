/**
 * Accesses that are checked together (cpu/tier1/groups.ts): whatever the registers hold, the members of a group lie where the
 * group says that they lie from each other, inside of its extent. The statements of random blocks are executed here, over
 * plain numbers, and every address that a member has is compared with the group's.
 */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Decoder } from '../../cpu/decoder.js';
import type { Statement, Value } from '../../cpu/ir/ir.js';
import { table } from '../../cpu/table/index.js';
import { interpreter } from '../../cpu/tier0/interpreter.js';
import { CodeReader } from '../../cpu/tier1/code-reader.js';
import { MAX_SPAN, type Membership } from '../../cpu/tier1/groups.js';
import { type PlannedBlock, planRegion } from '../../cpu/tier1/plan.js';
import type { Instruction } from '../../cpu/tier1/region.js';
import { CODE, Guest, PAGE } from '../cpu/guest.js';
import { complete } from '../support/complete.js';

const guest = new Guest({ translator: null, codeWritable: true });
const reader = new CodeReader(guest.memory, new Decoder(table), interpreter().handlers);

/** The plan of straight-line code. */
function plan(code: readonly number[]): PlannedBlock {
  guest.write(CODE, code);
  reader.begin(guest.table);
  const instructions: Instruction[] = [];
  for (let at = CODE; at < CODE + code.length; at += instructions.at(-1)!.length) {
    const instruction = reader.at(at);
    assert.ok(instruction !== undefined, `no instruction at ${at - CODE} of ${Buffer.from(code).toString('hex')}`);
    instructions.push(instruction);
  }
  const block = { address: CODE, instructions, end: { kind: 'stop' as const } };
  const size = instructions.length;
  const region = {
    root: CODE,
    doors: [],
    blocks: [block],
    size,
    callees: new Set<number>(),
    pages: new Set([CODE / PAGE]),
  };
  return complete(planRegion(region)).blocks[0]!;
}

interface Access {
  value: Value;
  address: bigint;
  size: number;
  write: boolean;
}

const WIDTHS: Readonly<Record<string, number>> = { '8': 1, '16': 2, '32': 4 };
const bytesOf = (name: string): number =>
  WIDTHS[/(?:load|store)(\d+)/.exec(name)?.[1] ?? ''] ?? (name[1] === '6' ? 8 : 4);
const bitsOf = (type: string): number => (type === 'i32' ? 32 : 64);

/** Executes the statements of a block on registers of its own. What memory holds and how conditions turn out is arbitrary. */
class Model {
  readonly accesses: Access[] = [];
  #state = new DataView(new ArrayBuffer(0x1000));
  #results = new Map<Value, bigint>();
  #random: () => bigint;

  constructor(registers: readonly bigint[], random: () => bigint) {
    for (const [r, value] of registers.entries()) this.#state.setBigUint64(r * 8, value, true);
    this.#random = random;
  }

  run(block: PlannedBlock): void {
    for (const { statements, byInterpreter } of block.steps) {
      assert.not(byInterpreter, 'an instruction that this test does not mean');
      this.#results.clear();
      this.#list(statements);
    }
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
        const { size, write } = v.probe!;
        this.accesses.push({ value: v, address: arg(0), size, write });
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

/** Compares every group with the addresses that its members had. @returns how many members were compared */
function check(groups: ReadonlyMap<Value, Membership>, accesses: readonly Access[]): number {
  const base = new Map<object, bigint>();
  const members = new Map<object, number>();
  for (const { value, address, size, write } of accesses) {
    const membership = groups.get(value);
    if (membership === undefined) continue;
    const { group, distance } = membership;
    const from = BigInt.asUintN(64, address - BigInt(distance));
    assert.is(base.get(group) ?? from, from, 'a member lies elsewhere');
    base.set(group, from);
    assert.ok(group.low <= distance && distance + size <= group.high, 'a member lies outside');
    assert.ok(group.high - group.low <= MAX_SPAN, 'the extent is too long for one check');
    assert.ok(group.write || !write, 'a write in a group that only reads');
    members.set(group, (members.get(group) ?? 0) + 1);
  }
  for (const [group, count] of members) assert.is((group as { members: number }).members, count);
  return base.size;
}

const register = fc.nat({ max: 15 });
/** Few, so that blocks use the same ones again. */
const base = fc.constantFrom(3, 5, 7, 12);
const displacement = fc.oneof(
  fc.integer({ min: -64, max: 64 }),
  fc.integer({ min: -600, max: 600 }),
  fc.constantFrom(-(2 ** 31), 2 ** 31 - 1),
);
const dword = (n: number): number[] => [n & 255, (n >> 8) & 255, (n >> 16) & 255, n >>> 24];

interface Memory {
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
function withMemory(
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
function withRegister(opcode: readonly number[], reg: number, rm: number, wide: boolean): number[] {
  return [0x40 | (wide ? 8 : 0) | (reg >> 3 ? 4 : 0) | (rm >> 3), ...opcode, 0xc0 | ((reg & 7) << 3) | (rm & 7)];
}

const wide = fc.boolean();
const accessing = fc
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
const reading = fc
  .tuple(fc.constantFrom([0x39], [0x3b], [0x88], [0x89]), register, memory, wide)
  .map(([opcode, reg, at, w]) => withMemory(opcode, reg, at, w));
const changing = fc.oneof(
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
const stack = fc.tuple(fc.constantFrom(0x50, 0x58), fc.constantFrom(0, 1, 2, 3, 4, 5, 7)).map(([op, r]) => [op | r]);

const block = fc
  .array(
    fc.oneof(
      { weight: 4, arbitrary: reading },
      { weight: 2, arbitrary: accessing },
      { weight: 2, arbitrary: changing },
      { weight: 1, arbitrary: stack },
    ),
    { minLength: 2, maxLength: 20 },
  )
  .map((list) => list.flat());
const edges = fc.constantFrom(0n, 1n, 2n ** 32n - 8n, 2n ** 47n - 16n, 2n ** 63n, 2n ** 64n - 32n);
const registers = fc.array(fc.oneof(fc.bigInt(0n, 2n ** 64n - 1n), edges), { minLength: 16, maxLength: 16 });

test('grouping does not change an address', () => {
  let compared = 0;
  let accessed = 0;
  fc.assert(
    fc.property(block, registers, fc.nat(), (code, values, seed) => {
      const planned = plan(code);
      let state = BigInt(seed) | 1n;
      const random = (): bigint => (state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n));
      const model = new Model(values, random);
      model.run(planned);
      accessed += model.accesses.length;
      compared += check(planned.groups, model.accesses);
    }),
    { numRuns: 2000 },
  );
  assert.ok(accessed > 5000, `only ${accessed} accesses`);
  assert.ok(compared > 1000, `only ${compared} groups`);
});

/** Sizes of the groups that a block has. */
function groupsOf(...code: number[][]): [low: number, high: number, members: number, write: boolean][] {
  const groups = new Set([...plan(code.flat()).groups.values()].map(({ group }) => group));
  return [...groups].map(({ low, high, members, write }) => [low, high, members, write]);
}
const at = (base: number, displacement: number): Memory => ({ base, index: 4, scale: 0, displacement });
const read = (base: number, displacement: number): number[] => withMemory([0x3b], 0, at(base, displacement), true);
const write = (base: number, displacement: number): number[] => withMemory([0x89], 0, at(base, displacement), true);

test('fields of one object are a group, from the first byte to the last', () => {
  assert.equal(groupsOf(read(3, 8), write(3, 40), read(3, -16)), [[-16, 48, 3, true]]);
});

test('a base that moves on by a constant stays the same', () => {
  const add = [...withRegister([0x81], 0, 3, true), ...dword(32)];
  assert.equal(groupsOf(read(3, 0), add, read(3, 0), add, read(3, -64)), [[0, 40, 3, false]]);
});

test('an index that moves on counts as often as it is scaled', () => {
  const indexed = withMemory([0x3b], 0, { base: 3, index: 12, scale: 3, displacement: 0 }, true);
  const add = [...withRegister([0x81], 0, 12, true), ...dword(4)];
  assert.equal(groupsOf(indexed, add, indexed), [[0, 40, 2, false]]);
});

test('another base, a changed one, and what is too far away are apart', () => {
  assert.equal(groupsOf(read(3, 0), read(5, 0)), []);
  const wrapped = [...withRegister([0x81], 0, 3, false), ...dword(32)];
  assert.equal(groupsOf(read(3, 0), wrapped, read(3, 0)), [], 'an addition in 32 bits');
  assert.equal(groupsOf(read(3, 0), withMemory([0x8b], 3, at(5, 0), true), read(3, 0)), [], 'loaded anew');
  assert.equal(groupsOf(read(3, 0), read(3, MAX_SPAN - 7)), []);
  assert.equal(groupsOf(read(3, 0), read(3, MAX_SPAN - 8)), [[0, MAX_SPAN, 2, false]]);
});

test('pushes and pops of one block are a group', () => {
  assert.equal(groupsOf([0x50], [0x51], [0x5a]), [[-16, 0, 3, true]]);
});

test.run();
