/** Every way in which a module is refused: its errno as the man pages have it, and the reason in the log. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { compileDriver, hasCompiler } from '../drivers/support.js';
import { driver, resources, withMachine } from './support.js';

type Source = string | Uint8Array;

/** The object of a driver whose header says that it is for another machine. */
function otherMachine(): Uint8Array {
  const image = compileDriver(driver('other'));
  new DataView(image.buffer, image.byteOffset).setUint16(18, 183, true);
  return image;
}

/** What is wrong: an object, its errno from init_module and banos_install, and the last line of the log. */
const OBJECTS: Readonly<
  Record<string, readonly [source: Source | (() => Source), errno: string, own: string, reason: RegExp]>
> = {
  'no object': [new TextEncoder().encode('x'.repeat(100)), 'ENOEXEC', 'EINVAL', /^linker: 100 bytes are neither/],
  'no section .banos-driver': ['int x(void) { return 1; }', 'ENOEXEC', 'EINVAL', /^linker: no section .banos-driver/],
  'an unknown symbol': [
    driver('unknown', 'int nobody_has_it(void);', { init: 'return nobody_has_it();' }),
    'ENOENT',
    'ENOENT',
    /^unknown: unknown symbol nobody_has_it$/,
  ],
  'upstream fault 3, another machine': [otherMachine, 'ENOEXEC', 'EOPNOTSUPP', /^linker: .*e_machine: 183/],
  'upstream fault 3, a minimal version above the kernel’s': [
    driver('new').replace(
      'BANOS_DRIVER(',
      '#undef BANOS_VERSION_WORD\n#define BANOS_VERSION_WORD(a, b, c) 0x7f000000\nBANOS_DRIVER(',
    ),
    'ENOEXEC',
    'ENOEXEC',
    /^new: needs version 127\.0\.0 of the driver interface; this kernel has 0\.1\.0$/,
  ],
  'upstream fault 3, a relocation that does not fit': [
    () => compileDriver(driver('wide', 'int x; int init_wide(void) { return (int)(long)&x; }'), ['-fno-pic']),
    'ENOEXEC',
    'ENOEXEC',
    /^(wide|linker): \.\S+\+0x\w+: R_X86_64_32 against .* does not fit 32 bits/,
  ],
  'upstream fault 4, a driver_size that is too short': [
    driver('short').replace('BANOS_DRIVER(', '#define sizeof(x) 40\nBANOS_DRIVER('),
    'ENOEXEC',
    'EINVAL',
    /^linker: \.banos-driver: driver_size 40 is too short, 48 bytes are needed$/,
  ],
  'a version of another kernel': [
    `${driver('magic')} BANOS_MODULE_INFO("vermagic", "2.4.18 SMP");`,
    'ENOEXEC',
    'ENOEXEC',
    /^linker: version magic '2\.4\.18 SMP' should be '6\.1\.0-banos'$/,
  ],
  'a dependency that is nowhere': [
    `${driver('needs')} BANOS_DEPENDS("nowhere");`,
    'ENOENT',
    'ENOENT',
    /^nowhere: no such module$/,
  ],
  'an init that returns -19': [
    driver('minus', '', { init: 'return -19;' }),
    'ENODEV',
    'ENODEV',
    /^minus: init failed with -19$/,
  ],
  'an init that returns 12': [
    driver('plus', '', { init: 'return 12;' }),
    'ENOMEM',
    'ENOMEM',
    /^plus: init failed with 12$/,
  ],
  'an init that returns no errno': [
    driver('odd', '', { init: 'return 0x7fffffff;' }),
    'EIO',
    'EIO',
    /^odd: init failed with 2147483647$/,
  ],
  'an init that returns -11': [
    driver('again', '', { init: 'return -11;' }),
    'EAGAIN',
    'EAGAIN',
    /^again: init failed with -11$/,
  ],
  'an export that the kernel has': [
    driver('kernels', 'void banos_dprintln(const char *text) {} BANOS_EXPORT(banos_dprintln);'),
    'ENOEXEC',
    '0',
    /^kernels: exports duplicate symbol banos_dprintln \(owned by kernel\)$/,
  ],
};

if (!hasCompiler) console.log('SKIP refusals of modules: they need gcc on x86-64');
else {
  for (const [what, [source, errno, own, reason]] of Object.entries(OBJECTS)) {
    test(`${what}: refused with ${errno}, with the reason in the log, and nothing of it is left`, () => {
      const image = typeof source === 'function' ? source() : source;
      return withMachine({ 'refused.o': image, 'ok.o': driver('ok') }, async ({ say, news, kernel }) => {
        // What comes with the first module of all stays.
        await say('insmod /drivers/ok.o; rmmod ok; cat /drivers/*.o > /dev/null; /drivers/call finit /nothing');
        const before = resources(kernel);
        news();
        for (const call of ['init', 'finit']) {
          assert.is(await say(`/drivers/call ${call} /drivers/refused.o`), `${errno}\n`);
          assert.match(news().at(-1) ?? '', reason);
          assert.equal(resources(kernel), before, call);
        }
        const answer = await say('/drivers/call install /drivers/refused.o');
        if (own === '0') assert.match(answer, /^\d+\n$/);
        else {
          assert.is(answer, `${own}\n`);
          assert.equal(resources(kernel), before, 'install');
        }
      });
    });
  }

  test('bad arguments', () =>
    withMachine({}, async ({ say }) => {
      assert.is(
        await say('/drivers/call bad'),
        `SYS_finit_module, -1, "", 0 EBADF
SYS_finit_module, -1, "", 8 EINVAL
SYS_finit_module, -1, 8, 4 EBADF
SYS_init_module, 8, 1000, "" EFAULT
SYS_init_module, image, 63, "" ENOEXEC
SYS_init_module, image, 64, 8 EFAULT
SYS_init_module, image, 64, "" ENOEXEC
SYS_init_module, image, -1, "" ENOMEM
SYS_init_module, image, 1L << 40, "" ENOMEM
SYS_delete_module, 8, 0 EFAULT
SYS_delete_module, "", 0 ENOENT
SYS_delete_module, "0123456789012345678901234567890123456789012345678901234", 0 ENOENT
SYS_delete_module, "01234567890123456789012345678901234567890123456789012345", 0 ENOENT
SYS_BANOS_INSTALL, 8 EFAULT
SYS_BANOS_INSTALL, 0xffffffff81000000 EFAULT
SYS_BANOS_INSTALL, image EINVAL
`,
      );
    }));

  test('files that are none, are being written, or are compressed', () =>
    withMachine({ 'ok.o': driver('ok') }, async ({ say, news }) => {
      assert.is(await say('/drivers/call finit /drivers'), 'EINVAL\n');
      assert.is(await say(': > /empty; /drivers/call finit /empty'), 'EINVAL\n');
      assert.is(await say('cp /drivers/ok.o /ok.o; /drivers/call finit /ok.o "" 0 1'), 'EBADF\n');
      assert.is(await say('exec 3>>/ok.o; /drivers/call finit /ok.o'), 'ETXTBSY\n');
      news();
      assert.is(await say('/drivers/call finit /ok.o "" 4'), 'EOPNOTSUPP\n');
      assert.match(news()[0], /compressed modules are not decompressed/);
    }));

  test('only the superuser, and nobody when modules are disabled', () =>
    withMachine({ 'ok.o': driver('ok') }, async ({ say, news, kernel }) => {
      const user = kernel.spawn(
        [
          'sh',
          '-c',
          'for what in init finit install; do /drivers/call $what /drivers/ok.o; done; /drivers/call delete ok',
        ],
        { user: { uid: 1000, gid: 1000 } },
      );
      let text = '';
      user.stdout!.on('data', (bytes) => {
        text += Buffer.from(bytes).toString();
      });
      await user.closed;
      assert.is(text, 'EPERM\n'.repeat(4));
      assert.equal(news(), new Array(4).fill('call: only the superuser may load or unload modules'));
      await say('insmod /drivers/ok.o; echo 1 > /proc/sys/kernel/modules_disabled');
      assert.match(await say('echo 0 > /proc/sys/kernel/modules_disabled'), /Invalid argument/);
      news();
      assert.is(
        await say('/drivers/call delete ok; /drivers/call init /drivers/ok.o; /drivers/call finit x'),
        'EPERM\n'.repeat(3),
      );
      assert.equal(news(), new Array(3).fill('call: modules are disabled: nobody may load or unload modules'));
      assert.is(await say('cat /proc/sys/kernel/modules_disabled'), '1\n');
    }));

  test('securelevel: only images that were registered as safe', () =>
    withMachine({ 'ok.o': driver('ok'), 'other.o': driver('other') }, async ({ say, news, kernel }) => {
      const sys = '/proc/sys/kernel/securelevel';
      const digests = '/sys/kernel/security/module_digests';
      assert.is(await say(`cat ${sys} ${digests}`), '0\n');
      assert.match(await say(`echo junk > ${digests}; echo 3 > ${sys}; echo x > ${sys}`), /(Invalid argument\n.*){3}/s);
      assert.is(await say(`sha256sum /drivers/ok.o > ${digests}; wc -l < ${digests}`), '1\n');
      assert.is(await say(`insmod /drivers/other.o; echo 1 > ${sys}; cat ${sys}`), '1\n');
      news();
      assert.is(await say('/drivers/call init /drivers/other.o'), 'EPERM\n');
      assert.equal(news(), ['linker: securelevel 1: the image is not registered as safe']);
      assert.is(await say('/drivers/call init /drivers/ok.o'), '0\n');
      news();
      assert.is(await say('/drivers/call delete other'), 'EPERM\n');
      assert.equal(news(), ['other: securelevel 1: modules stay']);
      assert.match(await say(`echo $(sha256sum /drivers/other.o) > ${digests}`), /not permitted/);
      assert.match(await say(`echo 0 > ${sys}`), /not permitted/);
      assert.is(await say(`echo 2 > ${sys}; cat ${sys}`), '2\n');
      // Init may lower it.
      assert.is(kernel.inner.modules.security.setSecureLevel(-1, kernel.inner.init.leader), 0);
      assert.is(await say(`cat ${sys}; rmmod other; rmmod ok`), '-1\n');
    }));

  test('symbol versions that do not agree are said by name', () =>
    withMachine(
      {
        'base.o': driver(
          'base',
          'int base_value(void) { return 42; } BANOS_EXPORT(base_value); __asm__(".globl __crc_base_value; .set __crc_base_value, 0x1234");',
        ),
        ...Object.fromEntries(
          [0x1234, 0x5678].map((version) => [
            `user${version.toString(16)}.o`,
            driver(
              `user${version.toString(16)}`,
              `int base_value(void);
               struct version { unsigned long version; char name[56]; };
               __attribute__((section("__versions"), used)) static struct version one = { ${version}, "base_value" };`,
              { init: 'return base_value() - 42;' },
            ),
          ]),
        ),
      },
      async ({ say, news }) => {
        await say('insmod /drivers/base.o; insmod /drivers/user1234.o');
        news();
        assert.is(await say('/drivers/call finit /drivers/user5678.o'), 'ENOEXEC\n');
        assert.equal(news(), ['user5678: disagrees about version of symbol base_value']);
        assert.is(
          await say('/drivers/call finit /drivers/user5678.o "" 1; cut -d" " -f1,4 /proc/modules'),
          '0\nuser5678 -\nuser1234 -\nbase user5678,user1234,\n',
        );
        assert.is(await say('cat /proc/sys/kernel/tainted; cat /sys/module/user5678/taint'), '2\nF\n');
      },
    ));

  test('an image may be installed again, and gets a number', () =>
    withMachine({ 'ok.o': driver('ok') }, async ({ say }) => {
      assert.is(await say('for i in 1 2 3; do /drivers/call install /drivers/ok.o; done'), '0\n1\n2\n');
      assert.is(await say('cut -d" " -f1 /proc/modules'), 'ok_2\nok_1\nok\n');
      assert.is(
        await say('rmmod ok_1; /drivers/call install /drivers/ok.o; cut -d" " -f1 /proc/modules'),
        '3\nok_1\nok_2\nok\n',
      );
    }));
}

test.run();
