/**
 * Random straight-line sequences that end in a conditional jump, against the real processor. Single instructions never
 * reach the interpreter's variants for dead flags and for a comparison fused with its jump; sequences do.
 * AF is left out: the logic instructions among them leave it undefined.
 *
 * BANOS_SEQUENCES (default 6000), BANOS_SEED.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { table } from '../../cpu/table/index.js';
import { describe, differences } from './native/compare.js';
import { type Form, formsOf, generate } from './native/generate.js';
import { Machine } from './native/machine.js';
import * as n from './native/native.js';
import { Random } from './native/random.js';

const COUNT = Number(process.env['BANOS_SEQUENCES'] ?? 6000);
const SEED = Number(process.env['BANOS_SEED'] ?? 1);
const CODE_BYTES = 32;
const AF = 0x10;
/** Instructions whose results and flags, AF apart, are all defined. */
const PLAIN =
  /^(add|sub|adc|sbb|cmp|and|or|xor|test|inc|dec|neg|not|mov|movzx|movsx|movsxd|lea|set\w+|cmov\w+|clc|stc|cmc|lahf|sahf|cbw|cwd|bswap|xchg)$/;
const FLAG_SETTERS = /^(add|sub|adc|sbb|cmp|and|or|xor|test|inc|dec|neg)$/;

/** Appends the instruction of a generated case to `code`. @returns false when it does not fit */
function append(code: number[], scratch: Buffer, form: Form, r: Random, limit: number): boolean {
  generate(scratch, form, r);
  const length = scratch.readUInt32LE(n.IN_LENGTH);
  if (code.length + length > limit) return false;
  code.push(...scratch.subarray(n.IN_CODE, n.IN_CODE + length));
  return true;
}

interface Forms {
  /** Any form of the plain instructions. */
  first: readonly Form[];
  /** Register forms. */
  plain: readonly Form[];
  setters: readonly Form[];
}

function makeSequence(into: Buffer, scratch: Buffer, r: Random, { first, plain, setters }: Forms): void {
  // One ordinary case, whose registers and memory suit its own operand, starts the sequence.
  generate(into, r.pick(first), r);
  const code = [...into.subarray(n.IN_CODE, n.IN_CODE + into.readUInt32LE(n.IN_LENGTH))];
  const wanted = 1 + r.below(5);
  for (let k = 0; k < wanted; k++) append(code, scratch, r.pick(plain), r, CODE_BYTES - 10);
  append(code, scratch, r.pick(setters), r, CODE_BYTES - 2);
  const condition = r.below(16);
  if (r.chance(3)) code.push(0x0f, 0x80 | condition, 20, 0, 0, 0);
  else code.push(0x70 | condition, 20);
  const fits = code.slice(0, CODE_BYTES);
  into.fill(0xcc, n.IN_CODE, n.IN_CODE + CODE_BYTES);
  into.set(fits, n.IN_CODE);
  into.writeUInt32LE(fits.length, n.IN_LENGTH);
}

const why = n.whyNoNative();
if (why !== undefined) console.log(`SKIP generated instruction sequences: ${why}`);
else {
  test('sequences ending in conditional jumps', () => {
    const native = new n.Native();
    const machine = new Machine();
    const r = new Random(SEED);
    const first = formsOf(table).filter(({ row }) => row.map < 2 && PLAIN.test(row.name));
    const plain = first.filter(({ form }) => form === 'r');
    const setters = plain.filter(({ row }) => FLAG_SETTERS.test(row.name));
    const cases = Buffer.alloc(COUNT * n.IN_SIZE);
    const scratch = Buffer.alloc(n.IN_SIZE);
    const input = (i: number) => cases.subarray(i * n.IN_SIZE, (i + 1) * n.IN_SIZE);
    for (let i = 0; i < COUNT; i++) makeSequence(input(i), scratch, r, { first, plain, setters });
    const outcomes = native.run(cases);
    native.dispose();
    const here = Buffer.alloc(n.OUT_SIZE);
    const failures: string[] = [];
    for (let i = 0; i < COUNT; i++) {
      machine.run(input(i), here);
      const there = outcomes.subarray(i * n.OUT_SIZE, (i + 1) * n.OUT_SIZE);
      for (const b of [here, there]) b.writeUInt32LE(b.readUInt32LE(n.OUT_RFLAGS) & ~AF, n.OUT_RFLAGS);
      const found = differences(setters[0]!, input(i), here, there);
      if (found.length > 0) failures.push(`${describe(setters[0]!, input(i))}\n      ${found.join('\n      ')}`);
    }
    if (failures.length > 0) console.log(failures.slice(0, 5).join('\n'));
    assert.is(failures.length, 0, `${failures.length} of ${COUNT} sequences differ`);
  });
}

test.run();
