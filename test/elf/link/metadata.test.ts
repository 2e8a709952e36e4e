/** What a module says about itself, read from real objects and from records that are wrong in every field. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EINVAL } from '../../../abi/errno.js';
import type { LinkedObject } from '../../../elf/link/link.js';
import {
  readDriver,
  readExports,
  readModuleInfo,
  readParameters,
  readVersions,
  versionText,
} from '../../../elf/link/metadata.js';
import { compile, compileText, linked, MODELS, parsed, read, refused, symbolOf, whyNoCompiler } from './support.js';

const HOST = { banos_dprintln: -0x7f000000 };

const assembled = (text: string): LinkedObject => linked(compileText(text, [], 's'), HOST);

/** A driver record field by field; `name`, `f` and `v` are a string, a function and a variable. */
function driver(fields: readonly (string | number)[], more = ''): LinkedObject {
  const [size, minimal, name, license, version, init, uninit] = fields;
  return assembled(`
    .text
    f: ret
    .data
    v: .quad 1
    .section .rodata
    name: .asciz "name"
    endless: .fill 600, 1, 65
    .section .banos-driver,"aw"
    .globl record
    record: .quad ${size}
    .long ${minimal}, 0
    .quad ${name}, ${license}
    .long ${version}, 0
    .quad ${init}, ${uninit}
    ${more}`);
}

function testMetadata(): void {
  for (const [model, flags] of Object.entries(MODELS)) {
    test(`driver record, exports, parameters: ${model}`, () => {
      const object = linked(read(compile('driver.c', flags)), HOST);
      assert.equal(readDriver(object), {
        address: symbolOf(object, 'driver'),
        size: 56,
        minimalVersion: 1,
        name: 'message',
        license: 'MIT',
        version: 7,
        init: symbolOf(object, 'start'),
        uninit: symbolOf(object, 'stop'),
      });
      const exported = readExports(object);
      assert.ok(Array.isArray(exported));
      // gcc may write statics in the order that it likes.
      assert.equal(
        exported.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
        [
          { name: 'message_count', address: symbolOf(object, 'message_count') },
          { name: 'message_totals', address: symbolOf(object, 'message_totals') },
        ],
      );
      assert.equal(readParameters(object), [
        { name: 'level', address: symbolOf(object, 'level'), type: 'int', count: 1, mode: 0o644, given: 0 },
        {
          name: 'sizes',
          address: symbolOf(object, 'sizes'),
          type: 'uint',
          count: 4,
          mode: 0,
          given: symbolOf(object, 'sizes_given'),
        },
      ]);
    });
  }

  test('texts of .modinfo and versions, before anything is linked', () => {
    const object = parsed(read(compile('driver.c')));
    const info = readModuleInfo(object);
    assert.ok('get' in info);
    assert.equal(Object.fromEntries([...info].map(([key, values]) => [key, values.toSorted()])), {
      license: ['MIT'],
      author: ['Somebody', 'Somebody Else'],
      description: ['Keeps a=b messages'],
      depends: [''],
      parm: ['level:how much it says'],
    });
    assert.equal(readVersions(object), new Map([['banos_dprintln', 0xfedcba9876543210n]]));
  });

  test('without any of it', () => {
    const image = compileText('int x = 1;');
    assert.equal(refused(readDriver(linked(image))), {
      errno: -EINVAL,
      reason: 'no section .banos-driver: not a Banos driver',
    });
    assert.equal([readExports(linked(image)), readParameters(linked(image))], [[], []]);
    assert.equal([readModuleInfo(parsed(image)), readVersions(parsed(image))], [new Map(), new Map()]);
  });

  test('upstream fault 4: a driver_size that is too short is refused', () => {
    const reason = 'driver_size 47 is too short, 48 bytes are needed';
    assert.is(refused(readDriver(driver([47, 1, 'name', 0, 1, 'f', 'f']))).reason, `.banos-driver: ${reason}`);
    assert.match(refused(readDriver(driver([0, 1, 'name', 0, 1, 'f', 'f']))).reason, /too short/);
    assert.match(refused(readDriver(driver([57, 1, 'name', 0, 1, 'f', 'f']))).reason, /longer than the section of 56/);
    assert.match(refused(readDriver(driver(['-1', 1, 'name', 0, 1, 'f', 'f']))).reason, /longer than the section/);
    assert.match(refused(readDriver(assembled('.section .banos-driver,"aw"\nx: .long 56'))).reason, /too few/);
    assert.match(refused(readDriver(assembled('.section .banos-driver,"aw",@nobits\nx: .skip 56'))).reason, /no bytes/);
  });

  test('a record of an older interface has no uninit; one of a newer has more', () => {
    const old = readDriver(driver([48, 1, 'name', 0, 1, 'f', 'f']));
    assert.ok('uninit' in old && old.uninit === 0 && old.license === null && old.size === 48);
    const newer = readDriver(driver([72, 1, 'name', 'name', 1, 'f', 0], '.quad 1, 2'));
    assert.ok('uninit' in newer && newer.uninit === 0 && newer.license === 'name' && newer.size === 72);
  });

  test('two drivers in one object', () => {
    const two = driver([56, 1, 'name', 0, 1, 'f', 'f'], '.quad 56, 1, name, 0, 1, f, f');
    assert.is(refused(readDriver(two)).reason, '.banos-driver holds more than one driver');
  });

  test('pointers that lead nowhere', () => {
    const of = (fields: readonly (string | number)[]): string => refused(readDriver(driver(fields))).reason;
    assert.match(of([56, 1, 0, 0, 1, 'f', 'f']), /the driver has no name$/);
    assert.match(of([56, 1, 'endless', 0, 1, 'f', 'f']), /the driver has no name$/);
    assert.match(of([56, 1, 'name+4', 0, 1, 'f', 'f']), /the driver has no name$/);
    assert.match(of([56, 1, 'name', 4096, 1, 'f', 'f']), /license is no string of the module$/);
    assert.match(of([56, 1, 'name', 0, 1, 0, 'f']), /init 0x0 lies outside of the module's code$/);
    assert.match(of([56, 1, 'name', 0, 1, 'v', 'f']), /init 0xffffffffc\w+ lies outside of the module's code$/);
    assert.match(of([56, 1, 'name', 0, 1, 'f', 'v']), /: uninit 0xffffffffc\w+ lies outside/);
    assert.match(of([56, 1, 'name', 0, 1, '0x7fffffffffffffff', 'f']), /init 0x\w+ lies outside/);
  });

  test('exports that are wrong', () => {
    const of = (records: string): string =>
      refused(
        readExports(
          assembled(`.section .rodata\nn: .asciz "n"\n.data\nv: .quad 1\n.section .banos-export,"aw"\nr: ${records}`),
        ),
      ).reason;
    assert.is(of('.quad n'), '.banos-export: 8 bytes are no records of 16');
    assert.is(of('.quad n, v, 0, v'), '.banos-export: record 1 has no name');
    assert.is(of('.quad n, 0'), '.banos-export: record 0, n: 0x0 lies outside of the module');
    assert.match(of('.quad n, banos_dprintln'), /record 0, n: 0xffffffff81000000 lies outside of the module/);
    assert.is(of('.quad n, v, n, r'), '.banos-export: record 1: n is exported twice');
  });

  test('parameters that are wrong', () => {
    const of = (fields: string): string =>
      refused(
        readParameters(
          assembled(`.section .rodata\nn: .asciz "n"\n.data\nv: .quad 1\n.section .banos-param,"a"\nr: ${fields}`),
        ),
      ).reason;
    assert.is(of('.quad 48, n, v'), '.banos-param: record 0 is cut off');
    assert.is(of('.quad 40, n, v, 5, 0, 0'), '.banos-param: record 0: size 40 is not possible');
    assert.is(of('.quad 56, n, v, 5, 0, 0'), '.banos-param: record 0: size 56 is not possible');
    assert.is(of('.quad 48, 0, v, 5, 0, 0'), '.banos-param: record 0 has no name');
    assert.is(of('.quad 48, n, v\n.long 11, 1\n.quad 0, 0'), 'parameter n: unknown type 11');
    assert.is(of('.quad 48, n, v\n.long 5, 0\n.quad 0, 0'), 'parameter n has room for nothing');
    assert.match(of('.quad 48, n, r\n.long 5, 1\n.quad 0, 0'), /^parameter n: 0xf\w+ is not in the module's data$/);
    assert.match(of('.quad 48, n, v\n.long 8, 0xffffffff\n.quad 0, 0'), /is not in the module's data$/);
    assert.match(of('.quad 48, n, v\n.long 5, 1\n.quad 0, n'), /is not in the module's data$/);
    assert.is(of('.quad 48, n, v\n.long 5, 1, 010000, 0\n.quad 0'), 'parameter n: mode 010000 is no permission');
  });

  test('texts and versions that are wrong', () => {
    const info = (text: string) => readModuleInfo(parsed(compileText(`.section .modinfo,"a"\nx: ${text}`, [], 's')));
    assert.is(refused(info('.ascii "license=MIT"')).reason, '.modinfo: the last text does not end');
    assert.is(refused(info('.asciz "license"')).reason, '.modinfo: license is not key=value');
    assert.is(refused(info('.asciz "=MIT"')).reason, '.modinfo: =MIT is not key=value');
    assert.equal(
      info('.asciz "a=1", "", "", "b="'),
      new Map([
        ['a', ['1']],
        ['b', ['']],
      ]),
    );
    const versions = (text: string) =>
      readVersions(parsed(compileText(`.section __versions,"a"\nx: ${text}`, [], 's')));
    assert.is(refused(versions('.quad 1')).reason, '__versions: 8 bytes are no records of 64');
    assert.is(refused(versions('.fill 64, 1, 65')).reason, '__versions: record 0 has no name');
    assert.is(refused(versions('.fill 64, 1, 0')).reason, '__versions: record 0 has no name');
  });

  test('a version in words', () => {
    assert.is(versionText(0x01020304), '1.2.772');
    assert.is(versionText(0xff000001), '255.0.1');
  });
}

if (whyNoCompiler !== undefined) console.log(`SKIP elf/link/metadata: ${whyNoCompiler}`);
else testMetadata();

test.run();
