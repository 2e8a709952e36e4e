/** The example of a driver that uses another's symbols: loaded and unloaded with it, shown by busybox's tools. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { compileDriver, hasCompiler } from '../drivers/support.js';
import { withMachine } from './support.js';

const NAMES = 'cut -d" " -f1,3,4 /proc/modules';
const COUNTERS = 'cat /proc/driver/counters';

if (!hasCompiler) console.log('SKIP the example that uses a symbol of another driver: it needs gcc on x86-64');
else {
  const example = (name: string): Uint8Array =>
    compileDriver(readFileSync(`drivers/examples/${name}.c`, 'utf8'), ['-Idrivers/examples', '-Wextra', '-Werror']);
  const objects = { 'counter_lib.ko': example('counter_lib'), 'counter_user.ko': example('counter_user') };
  const install = 'cp /drivers/*.ko /lib/modules/$(uname -r)/extra';

  test('the library is loaded with its user, is held by it, and goes when nobody has needed it for ten seconds', () =>
    withMachine(
      objects,
      async ({ say }) => {
        await say(install);
        assert.is(await say('insmod /drivers/counter_user.ko'), '');
        assert.match(
          await say('lsmod'),
          /^counter_user +\d+ +0 \ncounter_lib +\d+ +1 counter_user\n$/m,
          'lsmod shows who needs whom',
        );
        assert.is(await say('modinfo -F depends /drivers/counter_user.ko'), 'counter_lib\n');
        assert.is(await say('readlink /sys/module/counter_lib/holders/counter_user'), '../../counter_user\n');
        assert.match(await say('rmmod counter_lib'), /Resource temporarily unavailable/);
        assert.is(await say('printf "a\\nb\\nc" | tee /dev/tally'), 'a\nb\nc');
        await say('cat /bin/busybox > /dev/tally');
        const lines = await say('cat /bin/busybox | wc -l');
        const size = Number(await say('stat -c %s /bin/busybox'));
        const counted = await say(COUNTERS);
        assert.match(
          counted,
          new RegExp(`^tally.bytes ${size + 5}\ntally.lines ${Number(lines) + 2}\ntally.writes \\d+\ntally.opens 2\n$`),
        );
        assert.is(
          await say(`rmmod counter_user; sleep 5; insmod /drivers/counter_user.ko; ${COUNTERS}`),
          counted,
          'values stay while the library does',
        );
        assert.match(await say('echo other > /proc/driver/counters'), /Invalid argument/);
        assert.is(
          await say(`echo reset > /proc/driver/counters; ${COUNTERS}`),
          'tally.bytes 0\ntally.lines 0\ntally.writes 0\ntally.opens 0\n',
        );
        assert.is(await say(`rmmod counter_user; ${NAMES}; sleep 11; ${NAMES}; ls /proc/driver`), 'counter_lib 0 -\n');
      },
      { seed: 1 },
    ));

  test('modprobe finds the library by its index', () =>
    withMachine(objects, async ({ say }) => {
      assert.is(
        await say(`${install}; depmod; modprobe counter_user; ${NAMES}`),
        'counter_user 0 -\ncounter_lib 1 counter_user,\n',
      );
      assert.is(await say(`modprobe -r counter_user; ${NAMES}`), '');
    }));
}

test.run();
