/** What goes before a round: bounded steps over all that roots lead to, which hold as long as the code stays as it is. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { PageTable } from '../../cpu/page-table.js';
import type { RegionFormer } from '../../cpu/tier1/form.js';
import { Survey } from '../../cpu/tier1/survey.js';

const SIZE = 700;

/** Functions of SIZE instructions each: number n calls n + 1, up to `count`. */
function make(count: number, isWorthy = (_root: number): boolean => true) {
  const looked: number[] = [];
  const former = {
    begin: () => looked.splice(0),
    size: (root: number) => looked.push(root) && SIZE,
    calls: (root: number) => (root + 1 < count ? [root + 1] : []),
  };
  const space = { codeChanges: 0, isLive: true };
  const survey = new Survey(space as PageTable, former as unknown as RegionFormer, [0], isWorthy);
  return { looked, space, survey };
}
const standing = () => 0;

test('all that is worth a region is looked at once, with what it calls, some at a time', () => {
  const { looked, survey } = make(10);
  const steps: number[] = [];
  for (let before = 0; survey.step(standing); before = looked.length) steps.push(looked.length - before);
  assert.equal(steps, [3, 3, 3, 1]);
  assert.equal(
    looked,
    Array.from({ length: 10 }, (_, i) => i),
  );
  assert.not(survey.step(standing), 'it stays over');
  assert.ok(survey.holds);
});

test('a step is over when its time is', () => {
  const { looked, survey } = make(10);
  let now = 0;
  assert.ok(survey.step(() => (now += 2_000_000)));
  assert.is(looked.length, 1);
});

test('what a root calls that is worth nothing is not looked at', () => {
  const { looked, survey } = make(10, (root) => root < 2);
  while (survey.step(standing));
  assert.equal(looked, [0, 1, 2]);
});

test('code that changes ends it: the round looks for itself', () => {
  for (const change of ['written', 'unmapped'] as const) {
    const { looked, space, survey } = make(10);
    assert.ok(survey.step(standing));
    if (change === 'written') survey.written();
    else space.codeChanges++;
    assert.not(survey.holds);
    assert.not(survey.step(standing));
    assert.is(looked.length, 3);
  }
});

test('it waits while others run, not for ever, and not for a program that is gone', () => {
  const { space, survey } = make(10);
  assert.ok(survey.wait());
  space.isLive = false;
  assert.not(survey.wait());
  const other = make(10).survey;
  let waits = 0;
  while (other.wait()) waits++;
  assert.is(waits, 1000);
});

test.run();
