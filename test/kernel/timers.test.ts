import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Timer, TimerQueue } from '../../kernel-core/timers.js';

test('timers fire in the order of their deadlines, whatever was armed, moved and cancelled before', () => {
  const step = fc.record({
    timer: fc.nat(15),
    action: fc.constantFrom('arm' as const, 'cancel' as const, 'expire' as const),
    time: fc.nat(100),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = new TimerQueue();
      const deadlines = new Map<number, number>();
      const fired: number[] = [];
      const timers = Array.from({ length: 16 }, (_, i) => new Timer(() => fired.push(i)));
      for (const { timer, action, time } of steps) {
        if (action === 'arm') {
          queue.arm(timers[timer], time);
          deadlines.set(timer, time);
        } else if (action === 'cancel') {
          queue.cancel(timers[timer]);
          deadlines.delete(timer);
        } else {
          fired.length = 0;
          queue.expire(time);
          const due = [...deadlines].filter(([, deadline]) => deadline <= time);
          assert.equal(
            fired.map((i) => deadlines.get(i)),
            due.map(([, deadline]) => deadline).sort((a, b) => a - b),
          );
          for (const [i] of due) deadlines.delete(i);
        }
        assert.is(queue.size, deadlines.size);
        assert.is(queue.next, Math.min(Number.POSITIVE_INFINITY, ...deadlines.values()));
        for (const [i, candidate] of timers.entries()) assert.is(candidate.armed, deadlines.has(i));
      }
    }),
    { numRuns: 300, seed: 1 },
  );
});

test('a timer may arm itself again from its own callback', () => {
  const queue = new TimerQueue();
  let count = 0;
  const timer: Timer = new Timer(() => {
    if (++count < 3) queue.arm(timer, timer.deadline + 10);
  });
  queue.arm(timer, 5);
  assert.is(queue.expire(100), 3);
  assert.is(queue.size, 0);
});

test.run();
