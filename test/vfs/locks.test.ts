import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EAGAIN, EDEADLK, EOVERFLOW } from '../../abi/errno.js';
import { F_RDLCK, F_UNLCK, F_WRLCK, LOCK_EX, LOCK_SH, LOCK_UN, O_CREAT, O_RDWR } from '../../abi/fcntl.js';
import type { Caller } from '../../vfs/caller.js';
import type { OpenFile } from '../../vfs/file.js';
import { flock, getRangeLock, LockWait, lockRange, setRangeLock } from '../../vfs/locks.js';
import { openAt } from '../../vfs/operations.js';
import { makeWorld, ok, root, type World } from './env.js';
import '../support/seeded.js';

const process_ = (pid: number): Caller => ({ pid, cred: root.cred });
const A = process_(1);
const B = process_(2);
const C = process_(3);

const open = (w: World, name = 'f'): OpenFile => ok(openAt(w.ctx, root, null, name, O_CREAT | O_RDWR, 0o644));

const write = (file: OpenFile, caller: Caller, start: number, end: number, wait: LockWait | null = null) =>
  setRangeLock(file, F_WRLCK, { start, end }, caller, false, wait);

test('closing any descriptor of a file drops the process’s POSIX locks and wakes who waits', () => {
  const w = makeWorld();
  const one = open(w);
  const other = open(w);
  assert.is(write(one, A, 0, 10), 0);
  assert.is(write(one, B, 5, 6), -EAGAIN);
  let told = 0;
  const listener = () => told++;
  one.inode.hook.on('notify', listener);
  other.flushed(A);
  other.unref();
  assert.is(told, 1);
  assert.is(write(one, B, 5, 6), 0);
  one.inode.hook.off('notify', listener);
  one.flushed(B);
  assert.is(one.inode.locks, null, 'an empty table goes');
  one.unref();
  w.end();
});

test('OFD and flock locks go with the description, not with a descriptor', () => {
  const w = makeWorld();
  const one = open(w);
  const other = open(w);
  assert.is(setRangeLock(one, F_WRLCK, { start: 0, end: 5 }, A, true, null), 0);
  assert.is(flock(one, LOCK_EX), 0);
  one.flushed(A);
  assert.is(setRangeLock(other, F_RDLCK, { start: 4, end: 5 }, A, true, null), -EAGAIN);
  assert.is(flock(other, LOCK_SH), -EAGAIN);
  const found = getRangeLock(other, F_RDLCK, { start: 0, end: 9 }, A, true);
  assert.is((found as { pid: number }).pid, -1);
  one.unref();
  assert.is(setRangeLock(other, F_RDLCK, { start: 4, end: 5 }, A, true, null), 0);
  assert.is(flock(other, LOCK_SH), 0);
  assert.is(flock(other, LOCK_UN), 0);
  other.unref();
  w.end();
});

test('a ring of waiters is EDEADLK, over several files, and not once a waiter gave up', () => {
  const w = makeWorld();
  const f = open(w, 'f');
  const g = open(w, 'g');
  const h = open(w, 'h');
  assert.is(write(f, A, 0, 1), 0);
  assert.is(write(g, B, 0, 1), 0);
  assert.is(write(h, C, 0, 1), 0);
  const ofA = new LockWait();
  const ofB = new LockWait();
  assert.is(write(g, A, 0, 1, ofA), -EAGAIN);
  assert.is(write(h, B, 0, 1, ofB), -EAGAIN);
  assert.is(write(f, C, 0, 1, new LockWait()), -EDEADLK);
  assert.is(write(f, C, 0, 1), -EAGAIN, 'who does not wait closes no ring');
  ofB.end();
  const ofC = new LockWait();
  assert.is(write(f, C, 0, 1, ofC), -EAGAIN);
  assert.is(write(h, B, 0, 1, ofB), -EDEADLK);
  ofA.end();
  ofC.end();
  for (const file of [f, g, h]) {
    for (const caller of [A, B, C]) file.flushed(caller);
    file.unref();
  }
  w.end();
});

test('ranges that cannot be are refused', () => {
  const w = makeWorld();
  const file = open(w);
  assert.is(lockRange(file, 0, 2 ** 53, 1), -EOVERFLOW);
  assert.equal(lockRange(file, 0, 5, 0), { start: 5, end: Number.POSITIVE_INFINITY });
  file.unref();
  w.end();
});

test('random locks behave as a table of bytes would', () => {
  const SIZE = 24;
  const step = fc.record({
    owner: fc.integer({ min: 0, max: 2 }),
    type: fc.constantFrom(F_RDLCK, F_WRLCK, F_UNLCK),
    start: fc.integer({ min: 0, max: SIZE - 1 }),
    length: fc.integer({ min: 1, max: SIZE }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const w = makeWorld();
      const file = open(w);
      /** What each owner has on each byte. */
      const model = [0, 1, 2].map(() => new Array<number>(SIZE).fill(F_UNLCK));
      for (const { owner, type, start, length } of steps) {
        const end = Math.min(SIZE, start + length);
        const blocked =
          type !== F_UNLCK &&
          model.some((bytes, other) =>
            other === owner
              ? false
              : bytes.slice(start, end).some((b) => b === F_WRLCK || (b === F_RDLCK && type === F_WRLCK)),
          );
        const result = setRangeLock(file, type, { start, end }, process_(owner + 1), false, null);
        assert.is(result, blocked ? -EAGAIN : 0);
        if (!blocked) model[owner].fill(type, start, end);
        for (let at = 0; at < SIZE; at++) {
          const found = getRangeLock(file, F_WRLCK, { start: at, end: at + 1 }, process_(9), false);
          const held = model.some((bytes) => bytes[at] !== F_UNLCK);
          assert.is(found !== null, held, `byte ${at}`);
        }
      }
      for (let owner = 1; owner <= 3; owner++) file.flushed(process_(owner));
      assert.is(file.inode.locks, null);
      file.unref();
      w.end();
    }),
    { numRuns: 80 },
  );
});

test.run();
