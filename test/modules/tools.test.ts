/** busybox's own tools on the module table: insmod, lsmod, rmmod, modinfo, modprobe; /proc and /sys say the same. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { hasCompiler } from '../drivers/support.js';
import { driver, withMachine } from './support.js';

if (!hasCompiler) console.log('SKIP tools for modules: they need gcc on x86-64');
else {
  test('a driver is inserted, listed and removed', () =>
    withMachine(
      {
        'hello.o': driver('hello', '', {
          init: 'banos_dprintln("hello from init"); return 0;',
          uninit: 'banos_dprintln("and good-bye"); return 0;',
        }),
      },
      async ({ run, say, news, kernel }) => {
        assert.is(await say('lsmod; cat /proc/modules'), 'Module                  Size  Used by    Not tainted\n');
        assert.is(await say('insmod /drivers/hello.o'), '');
        assert.equal(news(), ['hello from init']);
        assert.match(await say('cat /proc/modules'), /^hello \d+ 0 - Live 0xffffffffc0000000\n$/);
        assert.match(await say('lsmod'), /\nhello +\d+ +0 \n$/);
        assert.is(await say('cat /sys/module/hello/initstate /sys/module/hello/refcnt'), 'live\n0\n');
        assert.match(await say('cat /sys/module/hello/sections/.text'), /^0xffffffffc0000000\n$/);
        assert.match(await say('grep -w init /proc/kallsyms'), /^ffffffffc0\w{6} t init\t\[hello\]$/m);
        assert.match(await say('ps -o comm'), /^linker$/m);
        assert.match(await say('insmod /drivers/hello.o'), /File exists/);
        // insmod tries with the file, then with its image.
        for (const line of news()) assert.is(line, 'hello: is loaded already');
        const unprivileged = kernel.spawn(['sh', '-c', 'cat /proc/modules; insmod /drivers/hello.o; rmmod hello'], {
          user: { uid: 1000, gid: 1000 },
        });
        let text = '';
        for (const stream of [unprivileged.stdout!, unprivileged.stderr!]) {
          stream.on('data', (bytes: Uint8Array) => {
            text += Buffer.from(bytes).toString();
          });
        }
        await unprivileged.closed;
        assert.match(text, /^hello \d+ 0 - Live 0x0000000000000000$/m);
        assert.is(text.match(/not permitted|Permission denied/g)?.length, 2, text);
        news();
        assert.is(await say('rmmod hello'), '');
        assert.equal(news(), ['and good-bye']);
        assert.is((await run('test -e /sys/module/hello')).code, 1);
        assert.match(await say('rmmod hello'), /No such file/);
        assert.is(await say('cat /proc/modules /proc/sys/kernel/tainted'), '0\n');
      },
    ));

  test('modinfo reads what a driver says of itself', () =>
    withMachine(
      {
        'told.o': `${driver('told')}
          static int count = 3;
          BANOS_PARAM(count, int, 0644);
          BANOS_PARAM_DESCRIPTION(count, "how many");
          BANOS_AUTHOR("somebody");
          BANOS_DESCRIPTION("Says what it is");
          BANOS_MODULE_INFO("version", "1.2");`,
      },
      async ({ say }) => {
        const lines = ['author: +somebody', 'description: +Says what it is', 'version: +1.2', 'parm: +count:how many'];
        const place = '/lib/modules/$(uname -r)';
        for (const command of [
          'modinfo /drivers/told.o',
          'cd /drivers; modinfo ./told.o',
          'cd /drivers; modinfo told.o',
          `cp /drivers/told.o ${place}/extra/told.ko; depmod; modinfo told`,
          'insmod /drivers/told.o; modinfo told; rmmod told',
        ]) {
          const info = await say(command);
          for (const line of lines) assert.match(info, new RegExp(`^${line}$`, 'm'), command);
        }
        assert.match(await say('modinfo -p told'), /^count:how many/m);
        await say('insmod /drivers/told.o');
        assert.is(await say('cat /sys/module/told/version'), '1.2\n');
      },
    ));

  test('modprobe loads what a driver needs, and takes it away again', () =>
    withMachine(
      {
        'base.ko': driver('base', 'int base_value(void) { return 42; } BANOS_EXPORT(base_value);'),
        'user.ko': `${driver('user', 'int base_value(void);', { init: 'return base_value() == 42 ? 0 : -5;' })}
          BANOS_DEPENDS("base");`,
      },
      async ({ say, kernel }) => {
        await say('mkdir -p /lib/modules/$(uname -r)/extra; cp /drivers/*.ko /lib/modules/$(uname -r)/extra; depmod');
        assert.is(await say('modprobe user'), '');
        assert.match(await say('cat /proc/modules'), /^user \d+ 0 - Live 0x\w{16}\nbase \d+ 1 user, Live 0x\w{16}\n$/);
        assert.is(await say('readlink /sys/module/base/holders/user; cat /sys/module/base/refcnt'), '../../user\n1\n');
        assert.match(await say('rmmod base'), /Resource temporarily unavailable/);
        assert.is(await say('modprobe -r user; cat /proc/modules'), '');
        assert.is(kernel.inner.modules.list().length, 0);
      },
    ));
}

test.run();
