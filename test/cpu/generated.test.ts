/**
 * Every form of every row of the instruction table, with random registers, flags, memory and addressing modes, against
 * the real processor: registers, flags, vector and x87 state, memory, signal, si_code, si_addr, rip.
 * What is left out of the comparison: see native/compare.ts.
 *
 * BANOS_CASES: cases per form (default 40; some thousands for a long run). BANOS_SEED. BANOS_ONLY: prefix of names.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { table } from '../../cpu/table/index.js';
import { describe, differences } from './native/compare.js';
import { type Form, formsOf, generate } from './native/generate.js';
import { Machine } from './native/machine.js';
import * as n from './native/native.js';
import { Random } from './native/random.js';

const CASES = Number(process.env['BANOS_CASES'] ?? 40);
const SEED = Number(process.env['BANOS_SEED'] ?? 1);
const ONLY = process.env['BANOS_ONLY'] ?? '';
/** Failures printed per instruction. */
const SHOWN = Number(process.env['BANOS_SHOWN'] ?? 3);
/** Forms that go to the native harness together. */
const BATCH = 200;

function runForms(native: n.Native, machine: Machine, forms: readonly Form[], random: Random): Map<string, string[]> {
  const failures = new Map<string, string[]>();
  const cases = Buffer.alloc(forms.length * CASES * n.IN_SIZE);
  const input = (i: number) => cases.subarray(i * n.IN_SIZE, (i + 1) * n.IN_SIZE);
  for (let i = 0; i < forms.length * CASES; i++) generate(input(i), forms[Math.floor(i / CASES)]!, random);
  const outcomes = native.run(cases);
  machine.reset();
  const here = Buffer.alloc(n.OUT_SIZE);
  for (let i = 0; i < forms.length * CASES; i++) {
    const form = forms[Math.floor(i / CASES)]!;
    machine.run(input(i), here);
    const found = differences(form, input(i), here, outcomes.subarray(i * n.OUT_SIZE, (i + 1) * n.OUT_SIZE));
    if (found.length === 0) continue;
    const list = failures.get(form.row.name) ?? [];
    failures.set(form.row.name, list);
    list.push(`${describe(form, input(i))}\n      ${found.join('\n      ')}`);
  }
  return failures;
}

const why = n.whyNoNative();
if (why !== undefined) console.log(`SKIP generated instruction tests: ${why}`);
else {
  const native = new n.Native();
  const machine = new Machine();
  const random = new Random(SEED);
  const forms = formsOf(table).filter(({ row }) => row.name.startsWith(ONLY));
  for (let from = 0; from < forms.length; from += BATCH) {
    const batch = forms.slice(from, from + BATCH);
    test(`forms ${from}–${from + batch.length - 1}: ${batch[0]!.row.name} … ${batch.at(-1)!.row.name}`, () => {
      const failures = runForms(native, machine, batch, random);
      for (const [name, list] of failures) {
        console.log(`${name}: ${list.length} differ, such as\n    ${list.slice(0, SHOWN).join('\n    ')}`);
      }
      assert.is([...failures.keys()].join(' '), '', 'these differ');
    });
  }
  test('the forms were many', () => assert.ok(forms.length > 0));
  test.after(() => native.dispose());
}

test.run();
