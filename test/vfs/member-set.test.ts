/** A set of what comes and goes: order, membership, and that taking out keeps the others. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MemberSet } from '../../vfs/member-set.js';

const named = (name: string) => ({ name });

test('members are visited in the order of their coming, also when some have gone', () => {
  const set = new MemberSet<{ name: string }>();
  const members = ['a', 'b', 'c', 'd'].map(named);
  for (const member of members) set.add(member);
  assert.is(set.delete(members[1]!), true);
  assert.equal(
    [...set].map(({ name }) => name),
    ['a', 'c', 'd'],
  );
  assert.is(set.delete(members[3]!), true);
  set.add(members[1]!);
  assert.equal(
    [...set].map(({ name }) => name),
    ['a', 'c', 'b'],
  );
  assert.is(set.size, 3);
  assert.is(set.first, members[0]);
});

test('what is no member is not taken out', () => {
  const set = new MemberSet<{ name: string }>();
  const [one, other] = [named('same'), named('same')];
  set.add(one);
  assert.is(set.delete(other), false);
  assert.is(set.delete(one), true);
  assert.is(set.delete(one), false);
  assert.is(set.size, 0);
  assert.is(set.first, undefined);
});

test('the member that came last is found first', () => {
  const set = new MemberSet<{ name: string }>();
  const [old, young] = [named('x'), named('x')];
  set.add(old);
  set.add(young);
  assert.is(
    set.findLast(({ name }) => name === 'x'),
    young,
  );
  assert.is(
    set.findLast(({ name }) => name === 'y'),
    undefined,
  );
});

test.run();
