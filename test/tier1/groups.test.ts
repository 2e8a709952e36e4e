/**
 * Accesses that are checked together (cpu/tier1/groups.ts): whatever the registers hold, the members of a group lie where the
 * group says that they lie from each other, inside of its extent. The statements of random blocks are executed here, over
 * plain numbers, and every address that a member has is compared with the group's.
 */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MAX_SPAN } from '../../cpu/tier1/groups.js';
import type { Group } from '../../cpu/tier1/memory-access.js';
import type { PlannedBlock } from '../../cpu/tier1/planned-block.js';
import {
  accessing,
  changing,
  dword,
  type Made,
  type Memory,
  Model,
  plan,
  planBlocks,
  reading,
  registers,
  stack,
  withMemory,
  withRegister,
} from './access-model.js';

/** Compares every group with the addresses that its members had. @returns how many members were compared */
function check(made: readonly Made[]): number {
  const base = new Map<object, bigint>();
  const members = new Map<object, number>();
  for (const { access, address } of made) {
    const { size, write, membership } = access;
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
      compared += check(model.accesses);
    }),
    { numRuns: 2000 },
  );
  assert.ok(accessed > 5000, `only ${accessed} accesses`);
  assert.ok(compared > 1000, `only ${compared} groups`);
});

/** Groups that accesses of a block are members of. */
function groupsIn({ steps }: PlannedBlock): Group[] {
  const accesses = steps.flatMap((step) => step.accesses);
  return [...new Set(accesses.flatMap(({ membership }) => (membership === undefined ? [] : [membership.group])))];
}

/** Sizes of the groups that a block has. */
function groupsOf(...code: number[][]): [low: number, high: number, members: number, write: boolean][] {
  return groupsIn(plan(code.flat())).map(({ low, high, members, write }) => [low, high, members, write]);
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

/** Instructions that stand in few bytes: a region of many blocks has to fit in a page. */
const piece = fc
  .array(
    fc.oneof(
      { weight: 5, arbitrary: reading },
      { weight: 2, arbitrary: changing },
      { weight: 3, arbitrary: stack },
      // cpuid is tier 0's
      { weight: 1, arbitrary: fc.constant([0x0f, 0xa2]) },
    ),
    { maxLength: 6 },
  )
  .map((list) => list.flat());
const BLOCKS = 7;
const shape = fc.array(
  fc.record({
    code: piece,
    to: fc.array(fc.nat({ max: BLOCKS - 1 }), { minLength: 1, maxLength: 2 }),
    isCall: fc.integer({ min: 0, max: 7 }).map((n) => n === 0),
  }),
  { minLength: BLOCKS, maxLength: BLOCKS },
);

test('over blocks, a member lies where the last check of its group was made, on every way through the region', () => {
  let elsewhere = 0;
  fc.assert(
    fc.property(shape, registers, fc.nat(), (blocks, values, seed) => {
      const planned = planBlocks(
        blocks.map(({ code }) => code),
        blocks.map(({ to, isCall }) => ({ to: isCall ? to.slice(0, 1) : to, isCall })),
      );
      let state = BigInt(seed) | 1n;
      const random = (): bigint => (state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n));
      const model = new Model(values, random);
      const bases = new Map<object, bigint>();
      let at = 0;
      for (let length = 0; length < 40; length++) {
        model.accesses.length = 0;
        model.run(planned[at]!);
        for (const { access, address } of model.accesses) {
          const { size, write, membership } = access;
          if (membership === undefined) continue;
          const { group, distance } = membership;
          const from = BigInt.asUintN(64, address - BigInt(distance));
          if (group.leader === access) bases.set(group, from);
          else assert.is(bases.get(group), from, 'a member lies elsewhere, or was not checked');
          if (group.home !== at) elsewhere++;
          assert.ok(group.low <= distance && distance + size <= group.high, 'a member lies outside');
          assert.ok(group.write || !write, 'a write in a group that only reads');
        }
        const to = blocks[at]!.isCall ? blocks[at]!.to.slice(0, 1) : blocks[at]!.to;
        at = to[Number(random() >> 60n) % to.length]!;
      }
    }),
    { numRuns: 1500 },
  );
  assert.ok(elsewhere > 5000, `only ${elsewhere} members in other blocks`);
});

/** Of a diamond: the leader's block, both arms, and where they meet. */
function diamond(...codes: [number[], number[], number[], number[]]): PlannedBlock[] {
  const to = [[1, 2], [3], [3], []];
  return planBlocks(
    codes,
    to.map((to) => ({ to, isCall: false })),
  );
}

test('what a block before has checked is checked, unless a path in between changes the base', () => {
  const [first, , , last] = diamond(read(3, 8), [0x90], [0x90], read(3, 24));
  assert.is(groupsIn(last!)[0], groupsIn(first!)[0]);
  const wrapped = [...withRegister([0x81], 0, 3, false), ...dword(32)];
  assert.equal(groupsIn(diamond(read(3, 8), [0x90], wrapped, read(3, 24))[3]!), []);
  assert.equal(groupsIn(diamond([0x90], read(3, 8), [0x90], read(3, 24))[3]!), [], 'checked in one arm only');
});

test('a write behind a branch does not make the check of a read one for writing, but on the stack', () => {
  assert.equal(groupsIn(diamond(read(3, 8), write(3, 16), [0x90], [0x90])[1]!), []);
  const [, arm] = diamond([0x58], [0x50], [0x90], [0x90]);
  assert.ok(groupsIn(arm!)[0]!.write);
});

test.run();
