/** Parameters of modules: what they take, refuse and show. The forms are Linux's (kernel/params.c). */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAssignments } from '../../kernel-core/modules/parameters.js';
import { compileDriver, hasCompiler } from '../drivers/support.js';
import { driver, resources, withMachine } from './support.js';

test('a parameter list is taken apart at blanks outside of quotes', () => {
  const list = (text: string) =>
    parseAssignments(text).map(({ name, value }) => (value === null ? name : `${name}:${value}`));
  assert.equal(list(''), []);
  assert.equal(list(' a=1  b\tc= d==x\n'), ['a:1', 'b', 'c:', 'd:=x']);
  assert.equal(list('a="x y" "b=z w" c=1"2 3"'), ['a:x y', 'b:z w', 'c:1"2 3"']);
  assert.equal(list('a="open'), ['a:open']);
});

const SOURCE = `${driver('many')}
  static _Bool flag; BANOS_PARAM(flag, bool, 0644);
  static _Bool off; BANOS_PARAM(off, invbool, 0644);
  static unsigned char small = 7; BANOS_PARAM(small, byte, 0444);
  static short sixteen = -2; BANOS_PARAM(sixteen, short, 0644);
  static unsigned short usixteen; BANOS_PARAM(usixteen, ushort, 0644);
  static int number = 3; BANOS_PARAM(number, int, 0644);
  static unsigned positive; BANOS_PARAM(positive, uint, 0644);
  static long big; BANOS_PARAM(big, long, 0644);
  static unsigned long ubig; BANOS_PARAM(ubig, ulong, 0644);
  static char *text = "before"; BANOS_PARAM(text, charp, 0644);
  static char *none; BANOS_PARAM(none, charp, 0444);
  static char buffer[8] = "abc"; BANOS_PARAM_STRING(buffer, 0644);
  static int list[4] = {1, 2, 3, 4}; static unsigned given; BANOS_PARAM_ARRAY(list, int, &given, 0644);
  static char *words[2]; BANOS_PARAM_ARRAY(words, charp, 0, 0444);
  static int hidden; BANOS_PARAM(hidden, int, 0);
`;
const FILES = '/sys/module/many/parameters';

if (!hasCompiler) console.log('SKIP parameters of modules: they need gcc on x86-64');
else {
  test('parameters get their values and show them', () =>
    withMachine({ 'many.o': SOURCE }, async ({ say, kernel }) => {
      const show =
        'for p in flag off small sixteen usixteen number positive big ubig text none buffer list words; do cat $p; done';
      await say('insmod /drivers/many.o');
      assert.is(
        await say(`cd ${FILES}; ${show}; ls hidden`),
        'N\nY\n7\n-2\n0\n3\n0\n0\n0\nbefore\n(null)\nabc\n1,2,3,4\n(null),(null)\nls: hidden: No such file or directory\n',
      );
      assert.is(await say(`cd ${FILES}; stat -c %a flag small none`), '644\n444\n444\n');
      await say('rmmod many; insmod /drivers/many.o text=x; rmmod many');
      const before = resources(kernel);
      await say(
        `insmod /drivers/many.o flag off=1 small=255 sixteen=-32768 usixteen=0xffff number=-0x10 positive=0755 big=-9223372036854775808 \
         ubig=18446744073709551615 'text="two words"' none= buffer=1234567 list=5,6 words=a,bc hidden=3`,
      );
      assert.is(
        await say(`cd ${FILES}; ${show}`),
        'Y\nY\n255\n-32768\n65535\n-16\n493\n-9223372036854775808\n18446744073709551615\ntwo words\n\n1234567\n5,6\na,bc\n',
      );
      // Texts are blocks of the module's, and go with it.
      assert.is(resources(kernel).blocks, before.blocks + 4);
      await say(`echo other > ${FILES}/text; echo n > ${FILES}/flag; echo 9 > ${FILES}/list`);
      assert.is(await say(`cd ${FILES}; cat text flag list`), 'other\nN\n9\n');
      assert.is(resources(kernel).blocks, before.blocks + 4);
      for (const [value, name] of [
        ['x', 'number'],
        ['2147483648', 'number'],
        ['-1', 'positive'],
        ['maybe', 'flag'],
        ['12345678', 'buffer'],
        ['1,2,3,4,5', 'list'],
      ]) {
        assert.match(await say(`echo ${value} > ${FILES}/${name}`), /write error/, name);
      }
      assert.match(await say(`echo 1 > ${FILES}/small`), /Permission denied/);
      assert.is(await say(`cd ${FILES}; cat number positive flag buffer list`), '-16\n493\nN\n1234567\n9\n');
      await say('rmmod many');
      assert.equal(resources(kernel), before);
    }));

  test('a bad value refuses the module, an unknown name does not', () =>
    withMachine({ 'many.o': SOURCE }, async ({ say, news, kernel }) => {
      await say('insmod /drivers/many.o text=x; rmmod many');
      const before = resources(kernel);
      for (const [parameters, errno, reason] of [
        ['number=x', 'EINVAL', "many: 'x' invalid for parameter 'number'"],
        ['text=first number', 'EINVAL', "many: '' invalid for parameter 'number'"],
        ['number=99999999999', 'ERANGE', "many: '99999999999' invalid for parameter 'number'"],
        ['buffer=12345678', 'ENOSPC', "many: '12345678' too large for parameter 'buffer'"],
        [
          `text=${'x'.repeat(1025)}`,
          'ENOSPC',
          `many: '${'x'.repeat(1025)}' too large for parameter 'text'`.slice(0, 1023),
        ],
      ]) {
        news();
        assert.is(await say(`/drivers/call finit /drivers/many.o "${parameters}"`), `${errno}\n`);
        assert.is(news().at(-1), reason);
        assert.equal(resources(kernel), before, parameters);
      }
      assert.is(await say('/drivers/call init /drivers/many.o "nothing=1 num-ber=2 number=4"'), '0\n');
      assert.equal(news(), ["many: unknown parameter 'nothing' ignored", "many: unknown parameter 'num-ber' ignored"]);
      assert.is(await say(`cat ${FILES}/number`), '4\n');
    }));

  test('the RAM disks are as many and as large as they are asked to be', () => {
    const image = compileDriver(readFileSync('drivers/examples/ramdisk.c', 'utf8'), ['-Idrivers/examples']);
    return withMachine({ 'ramdisk.o': image }, async ({ say }) => {
      const files = '/sys/module/ramdisk/parameters';
      assert.is(
        await say(`insmod /drivers/ramdisk.o; cat ${files}/count ${files}/size; ls /dev/ramdisk*; rmmod ramdisk`),
        '2\n8192\n/dev/ramdisk0\n/dev/ramdisk1\n',
      );
      assert.is(
        await say(
          `insmod /drivers/ramdisk.o count=3 size=300; cat ${files}/count ${files}/size; stat -c %a ${files}/size
          blockdev --getsize64 /dev/ramdisk2; dd if=/dev/zero of=/dev/ramdisk2 bs=1k 2>&1 | grep records
          mount -t ramdiskfs -o format /dev/ramdisk2 /mnt; df /mnt | tail -n 1 | tr -s ' ' | cut -d' ' -f2
          umount /mnt; rmmod ramdisk`,
        ),
        // Of 300 blocks one says how large all is, one is the map, 128 are for inodes.
        '3\n300\n444\n307200\n301+0 records in\n300+0 records out\n170\n',
      );
      // One block more than a block of the map is for: the map has two.
      assert.is(
        await say(
          `insmod /drivers/ramdisk.o count=1 size=8193; mount -t ramdiskfs -o format /dev/ramdisk /mnt
          df /mnt | tail -n 1 | tr -s ' ' | cut -d' ' -f2; umount /mnt; rmmod ramdisk`,
        ),
        '8062\n',
      );
      assert.is(
        await say(
          `insmod /drivers/ramdisk.o count=1 size=65536; mount -t ramdiskfs -o format /dev/ramdisk /mnt
          dd if=/dev/urandom of=/mnt/file bs=64k count=200 2>/dev/null; stat -c %s /mnt/file; umount /mnt; rmmod ramdisk`,
        ),
        '13107200\n',
      );
      // The blocks of the largest are counted before anybody takes that for an endless loop.
      assert.match(
        await say(
          `insmod /drivers/ramdisk.o count=1 size=262144; mount -t ramdiskfs -o format /dev/ramdisk /mnt
          df /mnt | tail -n 1 | tr -s ' ' | cut -d' ' -f2; umount /mnt; rmmod ramdisk`,
        ),
        /^261\d+\n$/,
      );
      for (const bad of ['count=0', 'count=9', 'size=255', 'size=262145']) {
        assert.is(await say(`/drivers/call init /drivers/ramdisk.o ${bad}; ls /dev/ramdisk* 2>/dev/null`), 'EINVAL\n');
      }
    });
  });
}

test.run();
