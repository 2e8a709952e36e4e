/**
 * The linker's rules, one by one. What is refused is in faults.test.ts; what the linked bytes are is compared with ld in
 * oracle.test.ts, what they do in native.test.ts.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { viewOf } from '../../../elf/fields.js';
import { link } from '../../../elf/link/link.js';
import { type ElfFile, parseElf } from '../../../elf/parse.js';
import {
  assembled,
  basesFrom,
  combine,
  compile,
  compileText,
  i32At,
  i64At,
  KERNEL,
  laidOut,
  linked,
  MODULE_BASE,
  read,
  reasonOf,
  sectionOf,
  symbolOf,
  whyNoCompiler,
} from './support.js';

const HOST = { host_line: -0x7f000000, host_number: -0x7effff00 };

function testRules(): void {
  test('no page is writable and executable', () => {
    const object = linked(compileText('const int c = 1; int v = 2; int z; int f(void) { return c + v + z; }', KERNEL));
    const { text, rodata, data } = object.segments;
    for (const { name, address, write, execute } of object.sections) {
      const home = execute ? text : write ? data : rodata;
      assert.ok(address >= home.address && address <= home.address + home.size, name);
    }
    for (const { address, size } of [text, rodata, data]) assert.equal([address % 4096, size % 4096], [-0, 0]);
  });

  test('weak symbols: a definition of ours or of others, or 0', () => {
    const source = `.weak absent, present\n.data\n.quad absent, present, absent+5\n.text\n call absent`;
    const object = linked(assembled(source), { present: -0x1000 });
    const data = sectionOf(object, '.data');
    assert.equal([i64At(data, 0), i64At(data, 8), i64At(data, 16)], [0, -0x1000, 5]);
    assert.is(i32At(sectionOf(object, '.text'), 1), -(object.segments.text.address + 5));
    assert.equal(object.imports, [
      { name: 'absent', address: 0 },
      { name: 'present', address: -0x1000 },
    ]);
  });

  test('common symbols of several objects: the largest, aligned as the strictest', () => {
    const path = combine([compile('sample.c', KERNEL), compile('second.c', KERNEL)]);
    const object = linked(read(path), HOST);
    const symbol = object.symbols.find(({ name }) => name === 'common_bytes')!;
    assert.equal([symbol.size, symbol.section], [200, 'COMMON']);
    assert.is(symbol.address % 32, 0);
  });

  test('of groups with one signature the first is kept', () => {
    const group = (value: number): string =>
      `.section .data.shared,"awG",@progbits,shared,comdat\n.weak shared\nshared: .quad ${value}\n`;
    const first = linked(assembled(`${group(1)}.data\n.quad shared`));
    assert.is(i64At(sectionOf(first, '.data.shared'), 0), 1);
    // Two groups of one object: what an assembler does not write, `ld -r` of such objects might.
    const image = Uint8Array.from(
      assembled(
        '.section .data.a,"awG",@progbits,aaaa,comdat\n.globl aaaa\naaaa: .quad 1\n' +
          '.section .data.b,"awG",@progbits,bbbb,comdat\n.globl bbbb\nbbbb: .quad 2\n.data\n.quad aaaa, bbbb',
      ),
    );
    const strings = (parseElf(image) as ElfFile).sections.find(({ name }) => name === '.strtab')!;
    image.set(Buffer.from('aaaa'), Buffer.from(image).indexOf('bbbb', strings.offset));
    const object = linked(image);
    const kept = symbolOf(object, 'aaaa');
    assert.equal([i64At(sectionOf(object, '.data'), 0), i64At(sectionOf(object, '.data'), 8)], [kept, kept]);
    assert.not.ok(object.sections.some(({ name }) => name === '.data.b'));
    assert.is(object.symbols.filter(({ name }) => name === 'aaaa').length, 1);
  });

  test('calls that are out of reach go through a stub, also as R_X86_64_PC32; data does not', () => {
    const far = 0x1234_5678_9abc;
    for (const source of [
      '.text\n call far\n jmp far\n jne far',
      '.text\n.byte 0xe8\n.long far-.-4\n.byte 0xe9\n.long far-.-4\n.byte 0x0f, 0x85\n.long far-.-4',
    ]) {
      const object = linked(assembled(source), { far });
      const code = sectionOf(object, '.text');
      const targets = [5, 10, 16].map((end) => end + i32At(code, end - 4));
      assert.is(new Set(targets).size, 1);
      const stub = object.segments.text.bytes.subarray(targets[0]!);
      assert.equal([...stub.subarray(0, 6)], [0xff, 0x25, 0, 0, 0, 0]);
      assert.is(i64At(stub, 6), far);
    }
    assert.match(reasonOf(assembled('.data\n.long far-.'), { far }), /^\.data\+0x0: R_X86_64_PC32 against symbol far/);
    assert.match(reasonOf(assembled('.text\n mov far(%rip), %eax'), { far }), /R_X86_64_PC32 .*-mcmodel=large$/);
  });

  test('addends that are kept in the field (SHT_REL)', () => {
    const image = Uint8Array.from(assembled('.data\n.globl v\n.quad 0\nv: .quad v+0x10\n.long v-.'));
    const file = parseElf(image) as ElfFile;
    const rela = file.sections.find(({ name }) => name === '.rela.data')!;
    const data = file.sections.find(({ name }) => name === '.data')!;
    const view = viewOf(image);
    const count = rela.size / 24;
    for (let i = 0; i < count; i++) {
      const entry = image.slice(rela.offset + 24 * i, rela.offset + 24 * i + 24);
      const addend = viewOf(entry).getBigInt64(16, true);
      const at = data.offset + Number(viewOf(entry).getBigUint64(0, true));
      if (viewOf(entry).getUint32(8, true) === 1) view.setBigInt64(at, addend, true);
      else view.setInt32(at, Number(addend), true);
      image.set(entry.subarray(0, 16), rela.offset + 16 * i);
    }
    const header = file.header.shoff + rela.index * 64;
    view.setUint32(header + 4, 9, true);
    view.setBigUint64(header + 32, BigInt(16 * count), true);
    view.setBigUint64(header + 56, 16n, true);
    const object = linked(image);
    const v = symbolOf(object, 'v');
    const bytes = sectionOf(object, '.data');
    assert.equal([i64At(bytes, 8), i32At(bytes, 16)], [v + 0x10, -8]);
  });

  test('symbols: local and global, with sizes, types and sections', () => {
    const source =
      'static int here(void) { return 1; } int there(void) { return here() + (int)(long)here; } int v[4] = {1};';
    const object = linked(compileText(source, [...KERNEL, '-O0']));
    const brief = object.symbols.map(({ name, type, binding, section }) => [name, type, binding, section]);
    assert.equal(brief, [
      ['here', 2, 0, '.text'],
      ['there', 2, 1, '.text'],
      ['v', 1, 1, '.data'],
    ]);
    assert.is(object.symbols[2]!.size, 16);
    assert.ok(object.symbols[0]!.size > 0);
  });

  test('constructors and destructors in the order to call them in', () => {
    const source = `
      static void a(void) __attribute__((constructor(200))); static void b(void) __attribute__((constructor));
      static void c(void) __attribute__((constructor(101))); static void d(void) __attribute__((destructor(200)));
      static void e(void) __attribute__((destructor)); static void f(void) __attribute__((destructor(101)));
      int v; void a(void) { v = 1; } void b(void) { v = 2; } void c(void) { v = 3; }
      void d(void) { v = 4; } void e(void) { v = 5; } void f(void) { v = 6; }`;
    const object = linked(compileText(source));
    const names = (addresses: readonly number[]): string =>
      addresses.map((at) => object.symbols.find(({ address }) => address === at)!.name).join('');
    assert.is(names(object.constructors), 'cab');
    assert.is(names(object.destructors), 'edf');
    const old = linked(
      assembled(
        '.text\nf: nop\ng: nop\nh: nop\n.section .ctors,"aw"\n.quad -1, f, g, 0\n.section .ctors.65435,"aw"\n.quad h',
      ),
    );
    assert.equal(
      old.constructors,
      [2, 1, 0].map((offset) => old.segments.text.address + offset),
    );
    assert.is(
      reasonOf(assembled('.section .init_array,"aw"\n.quad 0, x'), { x: 5 }),
      "section .init_array: entry 1 lies outside of the module's code",
    );
    assert.is(reasonOf(assembled('.section .dtors,"aw"\nx: .long 0')), 'section .dtors holds no pointers');
  });

  test('the bases decide, nothing else does: low addresses too', () => {
    const layout = laidOut(read(compile('second.c', KERNEL)));
    const bases = basesFrom(layout, 0x10000);
    const object = link(layout, bases, () => 0x4000);
    assert.ok('segments' in object);
    assert.is(symbolOf(object, 'second_sum') % 0x10000 < 0x1000, true);
    assert.ok(MODULE_BASE < 0);
  });

  test('more sections than fit e_shnum, symbols beyond SHN_LORESERVE', () => {
    const lines = Array.from({ length: 65400 }, (_, i) => `.section .d${i},"aw"`);
    const object = linked(assembled(`${lines.join('\n')}\n.globl last\nlast: .quad last`));
    assert.is(i64At(sectionOf(object, '.d65399'), 0), symbolOf(object, 'last'));
  });
}

if (whyNoCompiler !== undefined) console.log(`SKIP elf/link/link: ${whyNoCompiler}`);
else testRules();

test.run();
