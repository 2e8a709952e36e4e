/** Modules that are in use: open nodes, sleeping tasks, armed timers, two who load or unload at once, force. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { hasCompiler } from '../drivers/support.js';
import { collect } from '../support/guest.js';
import { driver, type Machine, resources, withMachine } from './support.js';

/** Its node: reads sleep until somebody writes. */
const GATE = driver(
  'gate',
  `static struct banos_wait_queue queue; static int isOpen;
   static long gate_read(struct banos_file *file, struct banos_iter *to, banos_u64 position) {
     long result = banos_wait_event_interruptible(&queue, isOpen);
     return result ? result : 0;
   }
   static long gate_write(struct banos_file *file, struct banos_iter *from, banos_u64 position) {
     isOpen = 1;
     banos_wake_up(&queue);
     return banos_iter_count(from);
   }
   static const struct banos_chrdev_ops ops = { .size = sizeof ops, .read = gate_read, .write = gate_write };
   static const struct banos_chrdev device = { .size = sizeof device, .minors = 2, .name = "gate", .mode = 0666, .ops = &ops };`,
  { init: 'long number = banos_chrdev_register(&device); return number < 0 ? number : 0;' },
);

/** Waits until a task inside sleeps in its read, or whatever it is. */
async function asleep({ kernel }: Machine, comm: string): Promise<void> {
  for (let i = 0; i < 2000; i++) {
    for (const task of kernel.inner.processes.tasks()) if (task.comm === comm && task.driverCall !== null) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`${comm} does not sleep in a driver`);
}

if (!hasCompiler) console.log('SKIP modules in use: they need gcc on x86-64');
else {
  test('an open node holds its module; its devices are in /sys', () =>
    withMachine({ 'gate.o': GATE }, async ({ say, kernel }) => {
      await say('insmod /drivers/gate.o');
      assert.is(
        await say(
          'cat /sys/module/gate/refcnt; exec 3</dev/gate0; cat /sys/module/gate/refcnt; cut -d" " -f3 /proc/modules; /drivers/call delete gate',
        ),
        '0\n1\n1\nEAGAIN\n',
      );
      const number = (await say('cat /sys/class/gate/gate1/dev')).trim();
      assert.is(
        await say(`readlink /sys/dev/char/${number}; grep DEV /sys/class/gate/gate1/uevent`),
        '../../devices/virtual/gate/gate1\nDEVNAME=gate1\nDEVMODE=0666\n',
      );
      assert.is(await say('rmmod gate; ls -d /sys/class/gate/* /dev/gate* 2>/dev/null; cat /proc/modules'), '');
      assert.is(kernel.inner.modules.list().length, 0);
    }));

  test('a task that sleeps in a module holds it; by force it wakes up with ENODEV', () =>
    withMachine({ 'gate.o': GATE }, async (machine) => {
      const { say, kernel, news } = machine;
      await say('insmod /drivers/gate.o; rmmod gate; insmod /drivers/gate.o');
      const before = resources(kernel);
      const reader = collect(kernel.spawn(['cat', '/dev/gate0']));
      await asleep(machine, 'cat');
      assert.is(await say('/drivers/call delete gate'), 'EAGAIN\n');
      news();
      assert.is(await say('/drivers/call delete gate 512'), '0\n');
      assert.equal(news(), ['gate: is removed by force: is in use']);
      const { stderr } = await reader;
      assert.match(stderr, /No such device/);
      assert.is(await say('cat /proc/modules; cat /proc/sys/kernel/tainted; insmod /drivers/gate.o'), '8\n');
      assert.equal(resources(kernel), before);
    }));

  test('a description that outlives its module answers ENODEV, and lets go of nothing twice', () =>
    withMachine({ 'gate.o': GATE }, async ({ say }) => {
      assert.match(
        await say(
          'insmod /drivers/gate.o; exec 3<>/dev/gate0; rmmod -f gate; insmod /drivers/gate.o; cat <&3; echo x >&3; cut -d" " -f3 /proc/modules',
        ),
        /^0\ncat: read error: No such device\n.*write error: No such device\n$/s,
      );
    }));

  /** An attribute of a device that its uninit takes away itself. */
  const SHY = driver(
    'shy',
    `static long number;
     static long show(void *data, char *buffer, size_t size) { return banos_snprintf(buffer, size, "here\\n"); }
     static long store(void *data, const char *text, size_t size) { return 0; }
     static const struct banos_attribute attribute = {
       .size = sizeof attribute, .mode = 0600, .name = "about", .show = show, .store = store };
     static const struct banos_chrdev_ops ops = { .size = sizeof ops };
     static const struct banos_chrdev device = { .size = sizeof device, .minors = 1, .name = "shy", .ops = &ops };`,
    {
      init: 'number = banos_chrdev_register(&device); return number < 0 ? number : banos_attribute_add(number, &attribute);',
      uninit: 'return banos_chrdev_unregister(number);',
    },
  );

  test('an attribute that has gone with its device is gone for whoever has it open', () =>
    withMachine({ 'shy.o': SHY }, async ({ say, news }) => {
      const printed = await say(
        `insmod /drivers/shy.o; exec 3<> /sys/class/shy/shy/about; cat <&3; rmmod shy
        cat <&3; echo x >&3; exec 3< /proc/modules; cat <&3`,
      );
      assert.match(printed, /^here\ncat: read error: No such device\n.*write error: No such device\n$/s);
      assert.equal(
        news().filter((line) => /BUG|Oops/.test(line)),
        [],
      );
    }));

  test('a timer that is armed does not hold its module, and does not fire into nothing', () =>
    withMachine(
      {
        'tick.o': driver(
          'tick',
          `static struct banos_timer timer; static int count;
           static void tick(void *argument) { count++; banos_timer_start(&timer, 1000000); }`,
          { init: 'banos_timer_setup(&timer, tick, 0); banos_timer_start(&timer, 1000000); return 0;' },
        ),
      },
      async ({ say, kernel }) => {
        await say('insmod /drivers/tick.o; sleep 0.05');
        assert.is(kernel.inner.timers.size, 1);
        assert.is(await say('rmmod tick; sleep 0.05; cat /proc/modules'), '');
        assert.is(kernel.inner.timers.size, 0);
      },
    ));

  /** Its init and its uninit go on when they are told to. */
  const SLOW = driver('slow', 'static int go; BANOS_PARAM(go, int, 0644);', {
    init: 'while (!go) banos_msleep(1); go = 0; return 0;',
    uninit: 'while (!go) banos_msleep(1); return 0;',
  });
  const STATE = '/sys/module/slow/initstate';
  const GO = 'echo 1 > /sys/module/slow/parameters/go';
  const until = (state: string): string => `until grep -qs ${state} ${STATE}; do usleep 1000; done`;

  test('two load the same module at once: one of them is told that it is there', () =>
    withMachine({ 'slow.o': SLOW }, async ({ say }) => {
      const output = await say(
        `for i in 1 2 3; do /drivers/call init /drivers/slow.o & done; ${until('coming')}; ${GO}; wait; cut -d" " -f1 /proc/modules`,
      );
      assert.equal(output.split('\n').sort(), ['', '0', 'EEXIST', 'EEXIST', 'slow']);
      assert.is(await say(`cat ${STATE}`), 'live\n');
    }));

  test('two unload the same module at once: one of them is told that it is going', () =>
    withMachine({ 'slow.o': SLOW }, async ({ say }) => {
      await say('insmod /drivers/slow.o go=1');
      const output = await say(
        `/drivers/call delete slow & ${until('going')}; /drivers/call delete slow; ${GO}; wait; cat /proc/modules`,
      );
      assert.is(output, 'EBUSY\n0\n');
    }));

  test('a module that is loading is shown as such, cannot go, and is not there for others', () =>
    withMachine(
      {
        'slow.o': `${SLOW} int slow_value(void) { return 1; } BANOS_EXPORT(slow_value);`,
        'user.o': driver('user', 'int slow_value(void);', { init: 'return slow_value() - 1;' }),
      },
      async ({ say, kernel }) => {
        const loader = collect(kernel.spawn(['/drivers/call', 'init', '/drivers/slow.o']));
        assert.match(
          await say(
            `${until('coming')}; cat /proc/modules ${STATE}; /drivers/call delete slow; /drivers/call init /drivers/user.o`,
          ),
          /^slow \d+ 0 - Loading 0x\w+ \(\+\)\ncoming\nEBUSY\nENOENT\n$/,
        );
        await say(GO);
        assert.is((await loader).stdout, '0\n');
        assert.is(await say('/drivers/call init /drivers/user.o'), '0\n');
      },
    ));

  test('who loads is killed in the middle of init: nothing is left', () =>
    withMachine(
      {
        'waits.o': driver('waits', 'static struct banos_wait_queue queue; static int never;', {
          init: 'banos_kmalloc(100); return banos_wait_event_killable(&queue, never);',
        }),
        'ok.o': driver('ok'),
      },
      async (machine) => {
        const { say, kernel } = machine;
        await say('insmod /drivers/ok.o; rmmod ok');
        const before = resources(kernel);
        const loader = kernel.spawn(['/drivers/call', 'init', '/drivers/waits.o']);
        await asleep(machine, 'call');
        loader.kill('SIGTERM');
        await say('true');
        assert.is(kernel.inner.modules.find('waits')?.state, 'Loading', 'only what kills ends this wait');
        loader.kill('SIGKILL');
        assert.is((await loader.exit).signal, 'SIGKILL');
        assert.equal(resources(kernel), before);
        assert.is(await say('insmod /drivers/ok.o; cut -d" " -f1 /proc/modules'), 'ok\n');
      },
    ));

  test('the message device is loaded by its file, and talks', () =>
    withMachine({ 'message.o': readFileSync('drivers/examples/message.c', 'utf8') }, async ({ say }) => {
      assert.is(
        await say('insmod /drivers/message.o; echo hello > /dev/message2; head -n 1 /dev/message2; rmmod message'),
        'hello\n',
      );
    }));
}

test.run();
