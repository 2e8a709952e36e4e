/** Modules that need each other: loaded by the kernel itself, held as long as they are needed, and gone when they are not. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { hasCompiler } from '../drivers/support.js';
import { driver, type Machine, resources, withMachine } from './support.js';

const BASE = driver('base', 'int base_value(void) { return 42; } BANOS_EXPORT(base_value);', {
  init: 'banos_dprintln("base comes"); return 0;',
  uninit: 'banos_dprintln("base goes"); return 0;',
});
const USES_BASE = driver('user', 'int base_value(void);', { init: 'return base_value() == 42 ? 0 : -5;' });
const PLACE = '/lib/modules/$(uname -r)';

const install = ({ say }: Machine): Promise<string> =>
  say(`mkdir -p ${PLACE}; cp /drivers/*.ko ${PLACE}; cp /drivers/*.o /`);
/** Prints names, with who uses them, the youngest first. */
const LIST = 'cut -d" " -f1,3,4 /proc/modules';
const loaded = ({ say }: Machine): Promise<string> => say(LIST);

if (!hasCompiler) console.log('SKIP dependencies of modules: they need gcc on x86-64');
else {
  test('a module that another names is loaded with it, and goes when nobody has needed it for ten seconds', () =>
    withMachine(
      { 'base.ko': BASE, 'user.o': `${USES_BASE} BANOS_DEPENDS("base");` },
      async (machine) => {
        const { say, news, kernel } = machine;
        await install(machine);
        const before = resources(kernel);
        assert.is(await say('insmod /user.o'), '');
        assert.is(await loaded(machine), 'user 0 -\nbase 1 user,\n');
        // When nothing runs, the clock goes on to the next event: so these are one run each.
        assert.is(
          await say(`rmmod user; sleep 9; ${LIST}; insmod /user.o; sleep 11; ${LIST}`),
          'base 0 -\nuser 0 -\nbase 1 user,\n',
        );
        assert.is(await say(`rmmod user; sleep 11; ${LIST}`), '');
        assert.equal(news(), ['base comes', 'base goes']);
        assert.equal(resources(kernel), before);
      },
      { seed: 1 },
    ));

  test('who exports a missing symbol is found by the index', () =>
    withMachine({ 'base.ko': BASE, 'user.o': USES_BASE }, async (machine) => {
      const { say } = machine;
      await install(machine);
      assert.match(await say('insmod /user.o'), /unknown symbol/);
      await say(`echo "alias symbol:base_value base" > ${PLACE}/modules.symbols`);
      assert.is(await say('insmod /user.o'), '');
      assert.is(await loaded(machine), 'user 0 -\nbase 1 user,\n');
      assert.match(await say('rmmod base'), /Resource temporarily unavailable/);
      assert.is(await say('rmmod user; rmmod base; cat /proc/modules'), '');
    }));

  test('what was loaded by hand stays', () =>
    withMachine(
      { 'base.ko': BASE, 'user.o': USES_BASE },
      async (machine) => {
        await install(machine);
        await machine.say('insmod /drivers/base.ko; insmod /user.o; rmmod user; sleep 11');
        assert.is(await loaded(machine), 'base 0 -\n');
      },
      { seed: 1 },
    ));

  test('a module may refuse to go by itself', () =>
    withMachine(
      {
        'base.ko': driver('base', 'int base_value(void) { return 42; } BANOS_EXPORT(base_value); static int asked;', {
          uninit: 'return asked++ < 1 ? -16 : 0;',
        }),
        'user.o': `${USES_BASE} BANOS_DEPENDS("base");`,
      },
      async (machine) => {
        const { say, news } = machine;
        await install(machine);
        await say('insmod /user.o; rmmod user; sleep 11');
        assert.is(await loaded(machine), 'base 0 -\n');
        assert.equal(news(), ['base: uninit refused with -16']);
        // It works as before.
        assert.is(await say('insmod /user.o; rmmod user; sleep 11'), '');
        assert.is(await loaded(machine), '');
      },
      { seed: 1 },
    ));

  test('a dependency whose init fails takes the whole load with it', () =>
    withMachine(
      {
        'base.ko': BASE,
        'middle.ko': `${driver('middle', 'int base_value(void);', { init: 'return -base_value();' })} BANOS_DEPENDS("base");`,
        'top.o': `${driver('top')} BANOS_DEPENDS("middle");`,
      },
      async (machine) => {
        const { say, news } = machine;
        await install(machine);
        assert.is(await say(`/drivers/call init /top.o; ${LIST}; sleep 11; ${LIST}`), 'ENOMSG\nbase 0 -\n');
        assert.equal(news(), ['base comes', 'middle: init failed with -42', 'base goes']);
      },
      { seed: 1 },
    ));

  test('two that need the same module are loaded at once, and both find it', () =>
    withMachine(
      {
        'base.ko': driver('base', 'int base_value(void) { return 42; } BANOS_EXPORT(base_value);', {
          init: 'banos_msleep(5); return 0;',
        }),
        ...Object.fromEntries(
          ['one', 'two', 'three'].map((name) => [
            `${name}.o`,
            `${driver(name, 'int base_value(void);', { init: 'return base_value() - 42;' })} BANOS_DEPENDS("base");`,
          ]),
        ),
      },
      async (machine) => {
        const { say } = machine;
        await say(`mkdir -p ${PLACE}; cp /drivers/*.ko ${PLACE}`);
        assert.is(
          await say('for name in one two three; do /drivers/call init /drivers/$name.o & done; wait'),
          '0\n0\n0\n',
        );
        assert.match(await loaded(machine), /^(\w+ 0 -\n){3}base 3 (\w+,){3}\n$/);
      },
    ));

  test('modules that need each other in a circle: EDEADLK', () =>
    withMachine(
      {
        'one.ko': `${driver('one')} BANOS_DEPENDS("two");`,
        'two.ko': `${driver('two')} BANOS_DEPENDS("one");`,
        'self.ko': `${driver('self')} BANOS_DEPENDS("self");`,
      },
      async (machine) => {
        const { say, news } = machine;
        await say(`mkdir -p ${PLACE}; cp /drivers/*.ko ${PLACE}`);
        assert.is(await say('/drivers/call init /drivers/one.ko'), 'EDEADLK\n');
        assert.equal(news(), ['two: needs itself, by way of two, one, two']);
        assert.is(await say('/drivers/call init /drivers/self.ko'), 'EDEADLK\n');
        assert.is(await loaded(machine), '');
      },
    ));

  test('a chain of forty modules, and one that many use', () =>
    withMachine(
      Object.fromEntries(
        Array.from({ length: 40 }, (_, i) => [
          `m${i}.ko`,
          driver(
            `m${i}`,
            `int f${Math.max(i - 1, 0)}(void); int f${i}(void) { return ${i === 0 ? 1 : `f${i - 1}() + 1`}; } BANOS_EXPORT(f${i});`,
            {
              init: `return f${i}() == ${i + 1} ? 0 : -5;`,
            },
          ) + (i === 0 ? '' : ` BANOS_DEPENDS("m${i - 1}");`),
        ]),
      ),
      async (machine) => {
        const { say, kernel } = machine;
        await say(`mkdir -p ${PLACE}; cp /drivers/*.ko ${PLACE}`);
        await say('insmod /drivers/m0.ko; rmmod m0');
        assert.is(await say('insmod /drivers/m39.ko'), '');
        assert.is(kernel.inner.modules.list().length, 40);
        assert.is(await say('cut -d" " -f1,3,4 /proc/modules | sed -n 2p'), 'm38 1 m39,\n');
      },
    ));
}

test.run();
