/** Parameters of modules: what they take, refuse and show. The forms are Linux's (kernel/params.c). */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAssignments } from '../../kernel-core/modules/parameters.js';
import { hasCompiler } from '../drivers/support.js';
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
}

test.run();
