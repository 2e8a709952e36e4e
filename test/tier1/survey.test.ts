/** A round in bounded steps: over all that roots lead to, then choosing; what was found holds as long as the code stays as it is. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { PageTable } from '../../cpu/page-table.js';
import type { RegionFormer } from '../../cpu/tier1/form.js';
import { Survey } from '../../cpu/tier1/survey.js';

const SIZE = 700;
const CHOICES = 5;

/** Functions of SIZE instructions each: number n calls n + 1, up to `count`. Choosing takes CHOICES times SIZE. */
function make(count: number, isWorthy = (_root: number): boolean => true, hurry = 1) {
  const looked: number[] = [];
  const forgotten: number[] = [];
  const counts = { begun: 0, chosen: 0 };
  const former = {
    begin: () => counts.begun++,
    size: (root: number) => looked.push(root) && SIZE,
    calls: (root: number) => (root + 1 < count ? [root + 1] : []),
    forget: (root: number) => forgotten.push(root),
  } as unknown as RegionFormer;
  const space = { codeChanges: 0, isLive: true };
  function* choose(): Generator<number, void> {
    while (counts.chosen < CHOICES) {
      counts.chosen++;
      yield SIZE;
    }
  }
  const survey = new Survey({ space: space as PageTable, former, roots: [0], isWorthy, choose, hurry });
  return { looked, forgotten, counts, space, survey };
}
const standing = () => 0;

/** What each step has looked at and chosen. */
function stepsOf({ looked, counts, survey }: ReturnType<typeof make>): number[] {
  const steps: number[] = [];
  let before = 0;
  for (let goesOn = true; goesOn; before = looked.length + counts.chosen) {
    goesOn = survey.step(standing);
    steps.push(looked.length + counts.chosen - before);
  }
  return steps;
}

test('all that is worth a region is looked at once, with what it calls, then chosen from, some at a time', () => {
  const made = make(10);
  assert.equal(stepsOf(made), [3, 3, 3, 3, 3, 0]);
  assert.equal(made.looked, [...Array(10).keys()]);
  assert.equal(made.counts, { begun: 1, chosen: CHOICES });
  assert.not(made.survey.step(standing), 'it stays over');
});

test('in a hurry a step is longer', () => {
  assert.equal(stepsOf(make(10, undefined, 2)), [6, 6, 3]);
});

test('a step is over when its time is', () => {
  const { looked, survey } = make(10);
  let now = 0;
  assert.ok(survey.step(() => (now += 2_000_000)));
  assert.is(looked.length, 1);
});

test('what a root calls that is worth nothing is not looked at, and what is worth nothing is forgotten', () => {
  const made = make(10, (root) => root < 2);
  stepsOf(made);
  assert.equal(made.looked, [0, 1, 2]);
  assert.equal(made.forgotten, [2]);
});

test('code that changes ends the looking, and whenever it does what is known of it is forgotten', () => {
  for (const change of ['written', 'unmapped'] as const) {
    const { looked, counts, space, survey } = make(10);
    const go = (): void => (change === 'written' ? survey.written() : void space.codeChanges++);
    assert.ok(survey.step(standing));
    go();
    assert.ok(survey.step(standing));
    assert.is(looked.length, 3);
    assert.equal(counts, { begun: 2, chosen: 3 });
    go();
    assert.not(survey.step(standing));
    assert.equal(counts, { begun: 3, chosen: CHOICES });
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
