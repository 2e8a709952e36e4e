/** How modules come and go: what init and uninit may answer, force, crashes, and what is left afterwards. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { aoutStringsAt } from '../../elf/link/aout.js';
import type { RelocatableObject } from '../../elf/link/object.js';
import { parseObject } from '../../elf/link/parse.js';
import { Refusal } from '../../elf/link/refusal.js';
import { compileDriver, hasCompiler } from '../drivers/support.js';
import { aoutOf } from '../support/aout.js';
import { driver, resources, withMachine } from './support.js';

/** The object of a driver, taken apart. */
function parsed(source: string): RelocatableObject {
  const object = parseObject(compileDriver(source));
  if (object instanceof Refusal) throw new Error(object.reason);
  return object;
}

if (!hasCompiler) console.log('SKIP life of modules: they need gcc on x86-64');
else {
  test('upstream fault 5: an init that fails is a failure, and gives back all that it took', () =>
    withMachine(
      {
        'ok.o': driver('ok'),
        'taker.o': driver('taker', 'static char *text = "before"; BANOS_PARAM(text, charp, 0644);', {
          init: 'for (int i = 0; i < 100; i++) if (!banos_kmalloc(i * 50)) return -12; return -19;',
        }),
      },
      async ({ say, kernel }) => {
        await say('insmod /drivers/ok.o; rmmod ok');
        const before = resources(kernel);
        assert.is(await say('/drivers/call init /drivers/taker.o text=after'), 'ENODEV\n');
        assert.equal(resources(kernel), before);
        assert.is(await say('/drivers/call install /drivers/taker.o'), 'ENODEV\n');
        assert.equal(resources(kernel), before);
      },
    ));

  test('an init that crashes: EIO, a report, and the kernel goes on', () =>
    withMachine(
      {
        'ok.o': driver('ok'),
        'crash.o': driver('crash', '', { init: '*(volatile int *)16 = 1; return 0;' }),
      },
      async ({ say, news, kernel }) => {
        await say('insmod /drivers/ok.o; rmmod ok');
        const before = resources(kernel);
        news();
        assert.is(await say('/drivers/call init /drivers/crash.o'), 'EIO\n');
        assert.match(news().join('\n'), /init\+0x[0-9a-f]+\/0x[0-9a-f]+ \[crash\]/);
        assert.equal(resources(kernel), before);
        // 7 is D, for a crash.
        assert.is(
          await say('cat /proc/sys/kernel/tainted; insmod /drivers/ok.o; cut -d" " -f1 /proc/modules'),
          '128\nok\n',
        );
      },
    ));

  test('upstream fault 6: uninit is called, once, before the memory goes', () =>
    withMachine(
      {
        'polite.o': driver('polite', 'static int count; static char *block;', {
          init: 'block = banos_kmalloc(8); *block = 7; return 0;',
          uninit: 'banos_printk("uninit %d, %d", ++count, *block); banos_kfree(block); return 0;',
        }),
      },
      async ({ say, news, kernel }) => {
        await say('insmod /drivers/polite.o; rmmod polite');
        const before = resources(kernel);
        news();
        assert.is(
          await say('insmod /drivers/polite.o; /drivers/call delete polite; /drivers/call delete polite'),
          '0\nENOENT\n',
        );
        assert.equal(news(), ['uninit 1, 7']);
        assert.is(await say('/drivers/call install /drivers/polite.o; rmmod -f polite'), '2\n');
        assert.equal(news(), ['uninit 1, 7'], 'by force, too');
        assert.equal(resources(kernel), before);
      },
    ));

  test('EEXIST is by the name inside, not by the file’s', () =>
    withMachine(
      { 'one.o': driver('same'), 'two.o': driver('same', 'int other;'), 'same.o': driver('other') },
      async ({ say }) => {
        assert.is(
          await say(
            'for file in one two same; do /drivers/call init /drivers/$file.o; done; cut -d" " -f1 /proc/modules',
          ),
          '0\nEEXIST\n0\nother\nsame\n',
        );
      },
    ));

  test('an uninit may refuse, unless it is by force', () =>
    withMachine(
      {
        'stays.o': driver('stays', 'int stays_value(void) { return 1; } BANOS_EXPORT(stays_value);', {
          uninit: 'return -1;',
        }),
        'user.o': driver('user', 'int stays_value(void);', { init: 'return stays_value() - 1;' }),
      },
      async ({ say, news, kernel }) => {
        await say('insmod /drivers/stays.o');
        news();
        assert.is(await say('/drivers/call delete stays'), 'EPERM\n');
        assert.equal(news(), ['stays: uninit refused with -1']);
        // It is as it was: others can use it.
        assert.is(await say('cat /sys/module/stays/initstate; insmod /drivers/user.o; rmmod user'), 'live\n');
        assert.is(await say('/drivers/call delete stays 512'), '0\n');
        assert.is(kernel.inner.modules.list().length, 0);
      },
    ));

  test('a driver without uninit goes by force only', () =>
    withMachine({ 'stuck.o': driver('stuck').replace('init, uninit', 'init, 0') }, async ({ say, news }) => {
      await say('insmod /drivers/stuck.o');
      news();
      assert.is(await say('/drivers/call delete stuck; /drivers/call delete stuck 2048'), 'EBUSY\nEBUSY\n');
      assert.equal(news(), new Array(2).fill('stuck: has no uninit: only by force'));
      assert.is(await say('/drivers/call delete stuck 512; cat /proc/modules'), '0\n');
      assert.equal(news(), ['stuck: is removed by force: has no uninit']);
      assert.is(await say('cat /proc/sys/kernel/tainted'), '8\n');
    }));

  test('an uninit that crashes leaves a module that goes by force', () =>
    withMachine(
      { 'crash.o': driver('crash', '', { uninit: '*(volatile int *)16 = 1; return 0;' }) },
      async ({ say, kernel }) => {
        await say('insmod /drivers/crash.o');
        assert.is(await say('/drivers/call delete crash; /drivers/call delete crash'), 'EIO\nEBUSY\n');
        assert.match(await say('cat /proc/modules; cat /sys/kernel/oops_count'), /^crash .* \(D\)\n1\n$/);
        assert.is(await say('/drivers/call delete crash 512; cat /proc/modules'), '0\n');
        assert.is(kernel.inner.modules.list().length, 0);
      },
    ));

  test('what taints is said once, and shown', () =>
    withMachine(
      {
        'odd.o': driver('odd').replace('"GPL"', '"Secret"').replace('BANOS_MODULE_INFO("intree", "Y");', ''),
        'more.o': driver('more').replace('"GPL"', '0'),
      },
      async ({ say, news }) => {
        await say('insmod /drivers/odd.o; insmod /drivers/more.o');
        assert.equal(news(), [
          "odd: module license 'Secret' taints kernel.",
          'odd: loading out-of-tree module taints kernel.',
        ]);
        assert.match(await say('cat /proc/modules'), /^more .* \(P\)\nodd .* \(PO\)\n$/);
        assert.match(await say('lsmod | head -n 1; cat /proc/sys/kernel/tainted'), /Tainted: P.*\n4097\n$/);
        await say('rmmod odd; rmmod more');
        assert.is(await say('cat /proc/sys/kernel/tainted'), '4097\n');
      },
    ));

  test('constructors run before init, destructors after uninit', () =>
    withMachine(
      {
        'ctor.o': driver(
          'ctor',
          `__attribute__((constructor)) static void begin(void) { banos_dprintln("constructor"); }
           __attribute__((destructor)) static void end(void) { banos_dprintln("destructor"); }`,
          { init: 'banos_dprintln("init"); return 0;', uninit: 'banos_dprintln("uninit"); return 0;' },
        ),
      },
      async ({ say, news }) => {
        await say('insmod /drivers/ctor.o; rmmod ctor');
        assert.equal(news(), ['constructor', 'init', 'uninit', 'destructor']);
      },
    ));

  test('a driver that was built against version 0.0.1 loads unchanged', () =>
    withMachine(
      {
        // Written out as upstream's header lays it out; the shorter record knows no uninit.
        'old.o': `
          struct old { unsigned long size; unsigned minimal; const char *name; const char *license; unsigned version;
                       int (*init)(struct old *); int (*uninit)(struct old *); };
          extern void banos_dprintln(const char *);
          extern void *banos_lookup_symbol(const char *);
          static int init(struct old *driver) {
            void (*print)(const char *) = banos_lookup_symbol("banos_dprintln");
            if (print != banos_dprintln || banos_lookup_symbol("nothing") != 0) return -2;
            print(driver->name);
            return 0;
          }
          static int uninit(struct old *driver) { return 0; }
          __attribute__((section(".banos-driver"), used, aligned(8))) static struct old record =
            { sizeof(struct old), 1, "Old Driver!", "MIT", 3, init, uninit };`,
        'short.o': `
          struct old { unsigned long size; unsigned minimal; const char *name; const char *license; unsigned version; int (*init)(void *); };
          static int init(void *driver) { return 0; }
          __attribute__((section(".banos-driver"), used, aligned(8))) static struct old record = { 48, 1, "short", 0, 3, init };`,
      },
      async ({ say, news }) => {
        assert.is(await say('/drivers/call install /drivers/old.o'), '0\n');
        assert.is(news().at(-1), 'Old Driver!');
        assert.match(await say('cat /proc/modules'), /^Old_Driver_ /);
        assert.is(
          await say('rmmod Old_Driver_; /drivers/call install /drivers/short.o; /drivers/call delete short'),
          '1\nEBUSY\n',
        );
      },
    ));

  test('a driver of a later interface, with a longer record, runs on this kernel when it says that it can', () =>
    withMachine(
      {
        'later.o': `
          struct later { unsigned long size; unsigned minimal; const char *name; const char *license; unsigned version;
                         int (*init)(struct later *); int (*uninit)(struct later *); int (*suspend)(struct later *); unsigned long flags; };
          extern int banos_printk(const char *, ...);
          static int init(struct later *driver) { banos_printk("%s: %lu bytes", driver->name, driver->size); return 0; }
          static int uninit(struct later *driver) { return 0; }
          __attribute__((section(".banos-driver"), used, aligned(8))) static struct later record =
            { sizeof(struct later), 0x00000001, "later", "MIT", 3, init, uninit, uninit, -1ul };`,
      },
      async ({ say, news }) => {
        assert.is(await say('insmod /drivers/later.o; rmmod later'), '');
        assert.is(news().at(-1), 'later: 72 bytes');
      },
    ));

  test('of a driver that is there twice one goes: what both export is still there', () =>
    withMachine(
      {
        'giver.o': driver('giver', 'int given(void) { return 7; } BANOS_EXPORT(given);'),
        'taker.o': driver('taker', 'int given(void);', { init: 'return given() - 7;' }),
      },
      async ({ say }) => {
        const install = '/drivers/call install /drivers/giver.o';
        assert.is(await say(`${install}; ${install}; ${install}`), '0\n1\n2\n');
        const load = 'insmod /drivers/taker.o; cat /proc/modules | cut -d" " -f1,3,4; rmmod taker';
        assert.is(await say(`rmmod giver_2; ${load}`), 'taker 0 -\ngiver_1 1 taker,\ngiver 0 -\n');
        assert.is(await say(`rmmod giver; ${load}`), 'taker 0 -\ngiver_1 1 taker,\n');
        assert.match(await say(`rmmod giver_1; ${load} 2>/dev/null`), /unknown symbol/i);
      },
    ));

  test('the same driver as an a.out object', () =>
    withMachine(
      {
        'old.out': aoutOf(
          parsed(
            driver('old', 'static int count = 3; BANOS_PARAM(count, int, 0444);', {
              init: 'banos_printk("count is %d", count); return 0;',
            }),
          ),
        ),
      },
      async ({ say, news }) => {
        assert.is(
          await say(
            'insmod /drivers/old.out count=8; cut -d" " -f1 /proc/modules; cat /sys/module/old/parameters/count',
          ),
          'old\n8\n',
        );
        assert.equal(news(), ['count is 8']);
        assert.match(await say('grep -w init /proc/kallsyms; rmmod old'), /^ffffffffc0\w{6} t init\t\[old\]\n$/);
      },
    ));

  test('banos_install takes an a.out object too, as often as one likes, and finds out by itself how long it is', () => {
    const image = aoutOf(parsed(driver('old', '', { init: 'banos_printk("begins"); return 0;' })));
    const changed = (at: number, value: bigint): Uint8Array => {
      const copy = image.slice();
      new DataView(copy.buffer).setBigUint64(at, value, true);
      return copy;
    };
    return withMachine(
      {
        'old.out': image,
        // a_text; a_syms, so that the string table's length lies outside; that length.
        'large.out': changed(8, 1n << 40n),
        'far.out': changed(32, 24n << 16n),
        'strings.out': changed(aoutStringsAt(new DataView(image.buffer, image.byteOffset)), 1n << 60n),
        'program.out': Object.assign(image.slice(), { 2: 0o413 >> 8, 3: 0o413 & 0xff }),
      },
      async ({ say, news }) => {
        const install = (name: string): Promise<string> => say(`/drivers/call install /drivers/${name}.out`);
        assert.is(await install('old'), '0\n');
        assert.is(await install('old'), '1\n');
        assert.equal(news(), ['begins', 'begins']);
        assert.is(await install('large'), 'ENOMEM\n');
        assert.is(await install('far'), 'EFAULT\n');
        assert.is(await install('strings'), 'ENOMEM\n');
        assert.is(await install('program'), 'EINVAL\n');
        assert.match(news().join(), /a program or a shared object/);
        assert.is(await say('rmmod old_1; rmmod old; cat /proc/modules'), '');
      },
    );
  });

  test('upstream fault 6: what a module exports is offered to the next one, by linking and by lookup', () =>
    withMachine(
      {
        'base.o': driver(
          'base',
          'int value = 5; BANOS_EXPORT(value); int get(void) { return value; } BANOS_EXPORT(get);',
        ),
        'user.o': driver('user', 'extern int value; int get(void);', {
          init: 'value = 8; int *found = banos_lookup_symbol("value"); return get() == 8 && found == &value ? 0 : -5;',
        }),
      },
      async ({ say }) => {
        assert.is(
          await say('insmod /drivers/base.o; insmod /drivers/user.o; cut -d" " -f1,3,4 /proc/modules'),
          'user 0 -\nbase 1 user,\n',
        );
        assert.is(await say('/drivers/call delete base; /drivers/call delete base 512'), 'EAGAIN\nEAGAIN\n');
        assert.is(await say('rmmod user; rmmod base; cat /proc/modules'), '');
      },
    ));
}

test.run();
