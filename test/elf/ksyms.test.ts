/** The image of /dev/ksyms, read by the binutils: every symbol, and not one warning. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { STB_GLOBAL, STB_LOCAL, STB_WEAK, STT_FUNC, STT_NOTYPE, STT_OBJECT } from '../../abi/elf.js';
import { type KernelArea, type KernelSymbol, ksymsImage } from '../../elf/ksyms.js';
import { ElfError, parseElf } from '../../elf/parse.js';
import '../support/seeded.js';

const TEXT = -0x7f000000;
const MODULE = -0x40000000;
const AREAS: readonly KernelArea[] = [
  { name: '.data.message', address: MODULE + 0x3000, size: 0x1000, write: true, execute: false },
  { name: '.text', address: TEXT, size: 0x1000, write: false, execute: true },
  { name: '.text.message', address: MODULE, size: 0x2000, write: false, execute: true },
  { name: '.rodata.message', address: MODULE + 0x2000, size: 0x1000, write: false, execute: false },
];
const SYMBOLS: readonly KernelSymbol[] = [
  { name: 'message_write', address: MODULE + 0x40, size: 0x1f0, type: STT_FUNC, binding: STB_LOCAL },
  { name: 'message_count', address: MODULE + 0x10, size: 48, type: STT_FUNC, binding: STB_GLOBAL },
  { name: 'buffer', address: MODULE + 0x3010, size: 256, type: STT_OBJECT, binding: STB_LOCAL },
  { name: 'limits', address: MODULE + 0x2008, size: 8, type: STT_OBJECT, binding: STB_GLOBAL },
  { name: 'data_end', address: MODULE + 0x4000, size: 0, type: STT_NOTYPE, binding: STB_GLOBAL },
  { name: 'banos_printk', address: TEXT + 32, size: 16, type: STT_FUNC, binding: STB_GLOBAL },
  { name: 'banos_kmalloc', address: TEXT + 16, size: 16, type: STT_FUNC, binding: STB_WEAK },
  { name: 'buffer', address: TEXT + 64, size: 4, type: STT_FUNC, binding: STB_LOCAL },
  { name: 'version', address: 0x1234, size: 0, type: STT_NOTYPE, binding: STB_GLOBAL },
];

const directory = mkdtempSync(join(tmpdir(), 'banos-ksyms-'));
test.after(() => rmSync(directory, { recursive: true, force: true }));

/** What a tool says of an image; it must not complain. */
function say(command: string, args: readonly string[], image: Uint8Array): string {
  const path = join(directory, 'ksyms');
  writeFileSync(path, image);
  const { status, stdout, stderr } = spawnSync(command, [...args, path], { encoding: 'latin1', env: { LC_ALL: 'C' } });
  assert.equal({ status, stderr }, { status: 0, stderr: '' });
  return stdout;
}

if (spawnSync('readelf', ['--version']).status !== 0) {
  console.log('SKIP elf/ksyms: it needs the binutils');
} else {
  // Data has no bytes in this file: nm shows it as it shows .bss.
  test('nm', () => {
    assert.equal(say('nm', ['-n'], ksymsImage(AREAS, SYMBOLS)).trimEnd().split('\n'), [
      '0000000000001234 A version',
      'ffffffff81000010 W banos_kmalloc',
      'ffffffff81000020 T banos_printk',
      'ffffffff81000040 t buffer',
      'ffffffffc0000010 T message_count',
      'ffffffffc0000040 t message_write',
      'ffffffffc0002008 B limits',
      'ffffffffc0003010 b buffer',
      'ffffffffc0004000 B data_end',
    ]);
  });

  test('readelf', () => {
    const image = ksymsImage(AREAS, SYMBOLS);
    const symbols = say('readelf', ['-sW'], image);
    assert.match(symbols, /Symbol table '\.symtab' contains 10 entries/);
    assert.match(symbols, /ffffffffc0000040 +496 FUNC +LOCAL +DEFAULT +\d+ message_write/);
    assert.match(symbols, /ffffffff81000010 +16 FUNC +WEAK +DEFAULT +\d+ banos_kmalloc/);
    assert.match(symbols, /0000000000001234 +0 NOTYPE +GLOBAL +DEFAULT +ABS version/);
    const all = say('readelf', ['-aW'], image);
    assert.match(all, /\.text\.message +NOBITS +ffffffffc0000000 +\w+ 002000 00 +AX/);
    assert.match(all, /\.data\.message +NOBITS +ffffffffc0003000 +\w+ 001000 00 +WA/);
  });

  test('objdump', () => {
    const text = say('objdump', ['-t', '-h'], ksymsImage(AREAS, SYMBOLS));
    assert.match(text, /^ffffffffc0000040 l +F \.text\.message\t00000000000001f0 message_write$/m);
    assert.match(text, /^ffffffffc0003010 l +O \.data\.message\t0000000000000100 buffer$/m);
    assert.match(text, /^ffffffff81000020 g +F \.text\t0000000000000010 banos_printk$/m);
    assert.match(text, /^0000000000001234 g +\*ABS\*\t0000000000000000 version$/m);
  });

  test('nothing to tell', () => {
    assert.match(say('readelf', ['-aW'], ksymsImage([], [])), /Symbol table '\.symtab' contains 1 entry/);
  });
}

test('any symbols make a file that a strict reader accepts, and all are in it', () => {
  const symbol = fc.record({
    name: fc.string({ unit: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)), maxLength: 40 }),
    address: fc.integer({ min: -(2 ** 47), max: 2 ** 47 }),
    size: fc.nat(),
    type: fc.nat(2),
    binding: fc.nat(2),
  });
  fc.assert(
    fc.property(fc.array(symbol), (symbols) => {
      const file = parseElf(ksymsImage(AREAS, symbols));
      assert.not.instance(file, ElfError);
      if (!('sections' in file)) return;
      assert.is(file.sections[1]!.size, 24 * (symbols.length + 1));
      assert.is(file.sections[1]!.info, symbols.filter(({ binding }) => binding === STB_LOCAL).length + 1);
    }),
  );
});

test.run();
