/**
 * The locks of a socket: what they prevent, and that none is lost. Pieces of two large messages would come mixed, a
 * reader that came last would be served first, and a lock would stay with a call that a signal has ended.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkLockOrder, endLockCheck } from '../../kernel-core/lock-order.js';
import { Turn } from '../../kernel-core/syscalls/socket-turn.js';
import { CallLock } from '../../net/call-lock.js';

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a free lock costs nothing until a call sleeps', () => {
  const lock = new CallLock();
  const first = new Turn(lock, { task: {}, wake: () => {} });
  const second = new Turn(lock, { task: {}, wake: () => {} });
  assert.ok(first.hasCome);
  assert.ok(second.hasCome);
  assert.not(lock.isTaken);
  first.leave();
  second.leave();
  assert.not(lock.isTaken);
});

test('a call that sleeps has the lock at once, before any other can run', () => {
  const lock = new CallLock();
  const first = new Turn(lock, { task: {}, wake: () => {} });
  const second = new Turn(lock, { task: {}, wake: () => {} });
  first.keep();
  assert.ok(first.hasCome);
  assert.not(second.hasCome);
  first.leave();
  assert.ok(second.hasCome);
});

test('the lock comes to those in line in their order, and to nobody who came later', async () => {
  const lock = new CallLock();
  const woken: number[] = [];
  const turns = [0, 1, 2, 3].map((n) => new Turn(lock, { task: {}, wake: () => woken.push(n) }));
  for (const turn of turns) turn.keep();
  for (const [n, turn] of turns.entries()) {
    await settle();
    assert.ok(turn.hasCome, `turn ${n}`);
    for (const later of turns.slice(n + 1)) assert.not(later.hasCome);
    assert.not(new Turn(lock, { task: {}, wake: () => {} }).hasCome);
    turn.leave();
  }
  assert.equal(woken, [1, 2, 3]);
  assert.not(lock.isTaken);
});

test('between release and grant the lock is nobody else’s', () => {
  const lock = new CallLock();
  const first = new Turn(lock, { task: {}, wake: () => {} });
  const second = new Turn(lock, { task: {}, wake: () => {} });
  first.keep();
  second.keep();
  first.leave();
  // The grant to the second is on its way: a third must not slip in.
  assert.not(new Turn(lock, { task: {}, wake: () => {} }).hasCome);
  second.leave();
});

test('a call in line that a signal ends hands the lock on', async () => {
  const lock = new CallLock();
  const woken: string[] = [];
  const holder = new Turn(lock, { task: {}, wake: () => {} });
  const interrupted = new Turn(lock, { task: {}, wake: () => woken.push('interrupted') });
  const next = new Turn(lock, { task: {}, wake: () => woken.push('next') });
  holder.keep();
  interrupted.keep();
  next.keep();
  interrupted.leave();
  holder.leave();
  await settle();
  assert.ok(next.hasCome);
  assert.equal(woken, ['next']);
  next.leave();
  await settle();
  assert.not(lock.isTaken);
});

test('a call that ends between release and grant hands the lock on', async () => {
  const lock = new CallLock();
  const holder = new Turn(lock, { task: {}, wake: () => {} });
  const ended = new Turn(lock, { task: {}, wake: () => assert.unreachable() });
  holder.keep();
  ended.keep();
  holder.leave();
  ended.leave();
  await settle();
  assert.not(lock.isTaken);
});

test('leaving twice releases once', async () => {
  const lock = new CallLock();
  const first = new Turn(lock, { task: {}, wake: () => {} });
  const second = new Turn(lock, { task: {}, wake: () => {} });
  first.keep();
  first.leave();
  second.keep();
  first.leave();
  assert.ok(lock.isTaken);
  second.leave();
  assert.not(lock.isTaken);
});

test('the check of the order tells a call that takes a second lock, and one that leaves in order is nothing to it', () => {
  const seen = checkLockOrder();
  const task = {};
  const [first, second] = [new CallLock(), new CallLock()];
  const one = new Turn(first, { task, wake: () => {} });
  one.keep();
  one.leave();
  const again = new Turn(second, { task, wake: () => {} });
  again.keep();
  assert.equal([seen.taken, seen.violations, seen.held.size], [2, [], 1]);
  const wrong = new Turn(first, { task, wake: () => {} });
  wrong.keep();
  assert.equal(seen.violations, ['the lock of a socket is taken by a call that has another']);
  wrong.leave();
  again.leave();
  assert.is(seen.held.size, 0);
  endLockCheck();
});

test.run();
