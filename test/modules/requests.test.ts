/** Modules that drivers load and unload: each other, themselves, in circles, two at once, from where nobody may sleep. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { hasCompiler } from '../drivers/support.js';
import { collect } from '../support/guest.js';
import { driver, resources, withMachine } from './support.js';

/** Its node: `+NAME` loads a module, `-NAME` unloads one, `*NAME` loads it from a timer. */
const ASKER = driver(
  'asker',
  `static struct banos_timer timer; static char later[64];
   static void ask(void *name) { banos_request_module(name); }
   static long asker_write(struct banos_file *file, struct banos_iter *from, banos_u64 position) {
     char text[64] = {0};
     long count = banos_copy_from_iter(text, sizeof text - 1, from);
     if (count < 2) return -22;
     if (text[count - 1] == '\\n') text[count - 1] = 0;
     if (text[0] == '*') {
       memcpy(later, text, sizeof later);
       banos_timer_setup(&timer, ask, later + 1);
       banos_timer_start(&timer, 1);
       return count;
     }
     long result = text[0] == '+' ? banos_request_module(text + 1) : banos_unload_module(text + 1);
     return result ? result : count;
   }
   static const struct banos_chrdev_ops ops = { .size = sizeof ops, .write = asker_write };
   static const struct banos_chrdev device = { .size = sizeof device, .minors = 1, .name = "asker", .mode = 0666, .ops = &ops };`,
  { init: 'long number = banos_chrdev_register(&device); return number < 0 ? number : 0;' },
);
const BASE = driver('base', 'int base_value(void) { return 42; } BANOS_EXPORT(base_value);', {
  init: 'banos_msleep(2); return 0;',
  uninit: 'banos_msleep(2); return 0;',
});
const USER = `${driver('user', 'int base_value(void);', { init: 'return base_value() - 42;' })} BANOS_DEPENDS("base");`;
/** Its init and uninit ask for others, go on whatever comes of it, and say what did. */
const asking = (name: string, init: string, uninit = '0'): string =>
  driver(name, '', {
    init: `banos_printk("${name} comes: %d", ${init}); return 0;`,
    uninit: `banos_printk("${name} goes: %d", ${uninit}); return 0;`,
  });

const NAMES = 'cut -d" " -f1 /proc/modules';
const PLACE = '/lib/modules/$(uname -r)/extra';

if (!hasCompiler) console.log('SKIP modules that ask for others: they need gcc on x86-64');
else {
  test('a driver loads and unloads others, by name with all that they need, and by path', () =>
    withMachine({ 'asker.o': ASKER, 'base.ko': BASE, 'user.ko': USER }, async ({ say, news, kernel }) => {
      await say(`cp /drivers/*.ko ${PLACE}; insmod /drivers/asker.o`);
      const before = resources(kernel);
      const ask = (...what: string[]): Promise<string> =>
        say(`{ ${what.map((one) => `echo ${one} > /dev/asker`).join('; ')}; } 2>&1 | sed 's/.*: //'; ${NAMES}`);
      assert.is(await ask('+user'), 'user\nbase\nasker\n');
      assert.is(await ask('+user', '+base'), 'user\nbase\nasker\n', 'they are there');
      assert.is(await ask('-base'), 'Resource temporarily unavailable\nuser\nbase\nasker\n', 'user needs it');
      assert.is(await ask('-user', '-base'), 'asker\n');
      assert.is(await ask('-base', '+nowhere', '+/nowhere'), `${'No such file or directory\n'.repeat(3)}asker\n`);
      assert.is(await ask('+/drivers/base.ko', '+/drivers/base.ko', '-base'), 'File exists\nasker\n');
      assert.is(await ask('+/drivers/call'), 'Exec format error\nasker\n');
      assert.is([...kernel.inner.processes.all()].filter(({ leader }) => leader.comm === 'kmod').length, 0);
      assert.equal(resources(kernel), before);
      news();
      await say('echo 1 > /proc/sys/kernel/modules_disabled');
      assert.is(await ask('+base', '-asker'), `${'Operation not permitted\n'.repeat(2)}asker\n`);
      assert.equal(news(), new Array(2).fill('asker: modules are disabled: nobody may load or unload modules'));
    }));

  test('a module that loads or unloads itself: EEXIST, EBUSY', () =>
    withMachine(
      {
        'asker.o': ASKER,
        'self.o': asking(
          'self',
          'banos_request_module("self") * 1000 + banos_unload_module("self")',
          'banos_unload_module("self")',
        ),
      },
      async ({ say, news }) => {
        assert.is(
          await say('insmod /drivers/asker.o; echo +asker > /dev/asker; echo -asker > /dev/asker; rmmod asker'),
          'sh: write error: File exists\nsh: write error: Resource busy\n',
        );
        news();
        assert.is(await say(`insmod /drivers/self.o; ${NAMES}; rmmod self; ${NAMES}`), 'self\n');
        const itself = 'self: cannot unload itself';
        assert.equal(news(), [itself, 'self comes: -17016', itself, 'self goes: -16']);
      },
    ));

  test('modules that wait for each other by what they ask for: EDEADLK for one of them', () =>
    withMachine(
      {
        'one.ko': asking('one', 'banos_request_module("two")', 'banos_request_module("needs-one")'),
        'two.ko': asking('two', 'banos_request_module("one")'),
        'needs-one.ko': `${driver('needs_one')} BANOS_DEPENDS("one");`,
        'begins.ko': asking('begins', 'banos_request_module("needs_begins")'),
        'needs_begins.ko': `${driver('needs_begins')} BANOS_DEPENDS("begins");`,
      },
      async ({ say, news }) => {
        await say(`cp /drivers/*.ko ${PLACE}`);
        assert.is(await say(`insmod /drivers/one.ko; ${NAMES}`), 'two\none\n');
        assert.equal(news(), ['one: needs itself, by way of two, one', 'two comes: -35', 'one comes: 0']);
        assert.is(await say(`rmmod two; rmmod one; ${NAMES}`), '');
        assert.equal(news(), ['two goes: 0', 'one: needs itself, by way of one, needs_one, one', 'one goes: -35']);
        assert.is(await say(`insmod /drivers/begins.ko; ${NAMES}; rmmod begins`), 'begins\n');
        assert.is(news()[0], 'begins: needs itself, by way of begins, needs_begins, begins');
      },
    ));

  test('two drivers that load or unload the same module at once', () =>
    withMachine(
      {
        'asker.o': ASKER,
        'slow.ko': driver('slow', 'static int go; BANOS_PARAM(go, int, 0644);', {
          init: 'while (!go) banos_msleep(1); go = 0; return 0;',
          uninit: 'while (!go) banos_msleep(1); return 0;',
        }),
      },
      async ({ say }) => {
        await say(`cp /drivers/*.ko ${PLACE}; insmod /drivers/asker.o`);
        const state = '/sys/module/slow/initstate';
        const until = (what: string): string => `until grep -qs ${what} ${state}; do usleep 1000; done`;
        const go = 'echo 1 > /sys/module/slow/parameters/go';
        assert.is(
          await say(
            `for i in 1 2 3; do { echo +slow > /dev/asker && echo loaded; } & done; ${until('coming')}; ${go}; wait; ${NAMES}`,
          ),
          'loaded\nloaded\nloaded\nslow\nasker\n',
        );
        assert.is(
          await say(
            `{ echo -slow > /dev/asker && echo gone; } & ${until('going')}; echo -slow > /dev/asker; ${go}; wait; ${NAMES}`,
          ),
          'gone\nasker\nsh: write error: Resource busy\n',
        );
      },
    ));

  test('who asks is killed: what was asked for goes on', () =>
    withMachine(
      {
        'asker.o': ASKER,
        'slow.ko': driver('slow', 'static int go; BANOS_PARAM(go, int, 0644);', {
          init: 'while (!go) banos_msleep(1); return 0;',
        }),
      },
      async ({ say, kernel }) => {
        await say(`cp /drivers/*.ko ${PLACE}; insmod /drivers/asker.o`);
        const child = kernel.spawn(['sh', '-c', 'echo +slow > /dev/asker; echo not reached']);
        const outcome = collect(child);
        await say('until grep -qs coming /sys/module/slow/initstate; do usleep 1000; done');
        child.kill('SIGKILL');
        assert.is((await outcome).stdout, '');
        assert.is(
          await say('cat /sys/module/slow/initstate; rmmod asker; echo 1 > /sys/module/slow/parameters/go'),
          'coming\n',
        );
        assert.is(await say(`until grep -q live /sys/module/slow/initstate; do usleep 1000; done; ${NAMES}`), 'slow\n');
      },
    ));

  test('a timer may not ask: it cannot sleep', () =>
    withMachine({ 'asker.o': ASKER, 'base.ko': BASE }, async ({ say, news }) => {
      await say(`cp /drivers/*.ko ${PLACE}; insmod /drivers/asker.o; echo "*base" > /dev/asker; usleep 1000`);
      assert.match(news()[0], /^BUG: scheduling while atomic/);
      assert.is(await say(`rmmod -f asker; ${NAMES}`), '');
    }));
}

test.run();
