/** Drivers that do not come to an end: others go on, the log tells, and who kills the process gets rid of them. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EAGER } from '../cpu/guest.js';
import { hasCompiler } from '../drivers/support.js';
import { driver, resources, withMachine } from './support.js';

/** /dev/loop: reading it never ends, but when it looks for signals; polling it never ends. */
const LOOPER = driver(
  'looper',
  `
    static volatile int turns; BANOS_PARAM(turns, int, 0444);
    static long read(struct banos_file *file, struct banos_iter *to, banos_u64 position) { for (;;) turns++; }
    static long write(struct banos_file *file, struct banos_iter *from, banos_u64 position) {
      while (!banos_signal_pending()) turns++;
      return -BANOS_EINTR;
    }
    static const struct banos_chrdev_ops ops = { .size = sizeof(ops), .read = read, .write = write };
    static const struct banos_chrdev device = { .size = sizeof(device), .minors = 1, .name = "looper", .mode = 0666, .ops = &ops };
  `,
  { init: 'return banos_chrdev_register(&device) < 0 ? -1 : 0;' },
);

/** Shell: until a driver goes round in its loop. */
const loops = (count: string): string =>
  `until [ "$(cat /sys/module/${count} 2> /dev/null || echo 0)" -gt 0 ]; do usleep 1000; done`;
const LOOPS = loops('looper/parameters/turns');

if (!hasCompiler) console.log('SKIP drivers without an end: they need gcc on x86-64');
else {
  for (const [kind, translator] of [
    ['interpreted', false],
    ['translated at once', EAGER],
  ] as const) {
    test(`a read that never ends is over when its process is killed, ${kind}`, () =>
      withMachine(
        { 'looper.o': LOOPER },
        async ({ say, news }) => {
          await say('insmod /drivers/looper.o');
          news();
          // A signal that is not deadly ends nothing; others have their turns.
          const out = await say(`
            cat /dev/looper & pid=$!
            ${LOOPS}; kill -USR1 $pid; kill -TERM $pid; sleep 0.02
            grep State /proc/$pid/status; echo others go on
            kill -KILL $pid; wait $pid; echo $?`);
          assert.match(out, /^State:\tR \(running\)\nothers go on\n(Killed\n)?137\n(Killed\n)?$/);
          const report = news().join('\n');
          assert.match(report, /^BUG: soft lockup: it goes on though its process was killed/);
          assert.match(report, /RIP: 0010:read\+0x\w+\/0x\w+ \[looper\]/);
          assert.match(await say('cat /proc/modules; rmmod looper; echo $?'), /\(OD\)|\(D\)/);
          assert.is(await say('rmmod -f looper; lsmod | wc -l'), '1\n');
        },
        { translator },
      ));
  }

  test('one that looks for signals ends by itself, and its module is as before', () =>
    withMachine({ 'looper.o': LOOPER }, async ({ say, news, kernel }) => {
      await say('insmod /drivers/looper.o; rmmod looper');
      const before = resources(kernel);
      await say('insmod /drivers/looper.o');
      news();
      const out = await say(
        `echo x > /dev/looper & pid=$!; ${LOOPS}; kill -KILL $pid; wait $pid; echo $?; rmmod looper`,
      );
      assert.match(out, /137\n/);
      assert.equal(news(), []);
      assert.equal(resources(kernel), before);
    }));

  test('an insmod whose init never ends can be killed, and leaves nothing behind', () =>
    withMachine(
      {
        'ok.o': driver('ok'),
        'init.o': driver('init', 'static volatile int n; BANOS_PARAM(n, int, 0444);', {
          init: 'banos_kmalloc(100); for (;;) n++;',
        }),
      },
      async ({ say, news, kernel }) => {
        await say('insmod /drivers/ok.o; rmmod ok');
        const before = resources(kernel);
        news();
        const out = await say(`
          insmod /drivers/init.o & pid=$!
          ${loops('init/parameters/n')}; cat /proc/modules; kill -KILL $pid; wait $pid; echo $?; cat /proc/modules; insmod /drivers/ok.o; rmmod ok`);
        assert.match(out, /^init \d+ 0 - Loading 0x\w+ \(\+\)\n(Killed\n)?137\n(Killed\n)?$/);
        assert.match(news().join('\n'), /^BUG: soft lockup: it goes on though its process was killed/);
        assert.equal(resources(kernel), before);
      },
    ));

  test('the log says where a driver is that has not come to an end for long, as often as watchdog_thresh wants', () =>
    withMachine(
      { 'looper.o': LOOPER },
      async ({ say, news }) => {
        assert.is(
          await say('cat /proc/sys/kernel/watchdog_thresh; echo 61 > /proc/sys/kernel/watchdog_thresh'),
          '10\nsh: write error: Invalid argument\n',
        );
        await say('insmod /drivers/looper.o; echo 1 > /proc/sys/kernel/watchdog_thresh');
        news();
        await say('cat /dev/looper & pid=$!; sleep 4.1; kill -KILL $pid; wait');
        const lines = news()
          .filter((line) => /watchdog|^RIP/.test(line))
          .slice(0, 4);
        const [first, place, second] = lines;
        assert.match(first!, /^watchdog: BUG: soft lockup - looper does not come to an end for 2s! \[cat:\d+\]$/);
        assert.match(place!, /^RIP: 0010:read\+0x\w+\/0x\w+ \[looper\]$/);
        assert.match(second!, /for 4s!/);
        await say('rmmod -f looper; echo 0 > /proc/sys/kernel/watchdog_thresh; insmod /drivers/looper.o');
        news();
        await say('cat /dev/looper & pid=$!; sleep 2.1; kill -KILL $pid; wait');
        assert.not.match(news().join('\n'), /watchdog/);
        await say('rmmod -f looper');
      },
      { seed: 5 },
    ));
}

test.run();
