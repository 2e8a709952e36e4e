/**
 * The linker's rules, one by one; first the faults of upstream's loader, each by name. What the linked bytes are is compared
 * with ld in oracle.test.ts, what they do in native.test.ts.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EM_X86_64, SHT_NOBITS, SHT_SYMTAB } from '../../../abi/elf.js';
import { EINVAL, ENOENT, ENOEXEC, ENOMEM, ENOSYS, EOPNOTSUPP } from '../../../abi/errno.js';
import { viewOf } from '../../../elf/fields.js';
import { link } from '../../../elf/link/link.js';
import { parseObject } from '../../../elf/link/parse.js';
import { type ElfFile, parseElf, type Section } from '../../../elf/parse.js';
import {
  basesFrom,
  combine,
  compile,
  compileText,
  laidOut,
  linked,
  MODULE_BASE,
  read,
  refused,
  run,
  sectionOf,
  symbolOf,
  tryLink,
  whyNoCompiler,
} from './support.js';

const KERNEL = ['-mcmodel=kernel', '-fno-pic'];
const HOST = { host_line: -0x7f000000, host_number: -0x7effff00 };

const assembled = (text: string): Uint8Array => compileText(text, [], 's');

/** Reads one little-endian signed number. */
const i64At = (bytes: Uint8Array, at: number): number => Number(viewOf(bytes).getBigInt64(at, true));
const i32At = (bytes: Uint8Array, at: number): number => viewOf(bytes).getInt32(at, true);

/** A copy of the object in which one section's header says something else. */
function patched(image: Uint8Array, name: string, change: (header: DataView, section: Section) => void): Uint8Array {
  const copy = Uint8Array.from(image);
  const file = parseElf(copy) as ElfFile;
  const section = file.sections.find((candidate) => candidate.name === name)!;
  change(new DataView(copy.buffer, file.header.shoff + section.index * 64, 64), section);
  return copy;
}

const reasonOf = (image: Uint8Array, names: Record<string, number> = {}): string =>
  refused(tryLink(image, names)).reason;

function testRules(): void {
  test('upstream fault 1: symbols that are not at the beginning of their section', () => {
    const object = linked(
      assembled('.text\n nop\n nop\n.globl f\nf: ret\n.data\n.quad 1\n.globl v\nv: .quad f, v, 1f\n1: .byte 1'),
    );
    assert.is(symbolOf(object, 'f'), object.segments.text.address + 2);
    assert.is(symbolOf(object, 'v'), object.segments.data.address + 8);
    const data = sectionOf(object, '.data');
    assert.equal(
      [i64At(data, 8), i64At(data, 16), i64At(data, 24)],
      [symbolOf(object, 'f'), symbolOf(object, 'v'), object.segments.data.address + 32],
    );
  });

  test('upstream fault 2: zeros are not read from the file, alignment is kept', () => {
    const source =
      'char a = 1; long b __attribute__((aligned(512))) = 2; static long z[100]; long *f(void) { return z; }';
    const object = linked(compileText(source, KERNEL));
    const { data } = object.segments;
    const bss = object.sections.find(({ name }) => name === '.bss')!;
    assert.is(symbolOf(object, 'b') % 512, 0);
    assert.is(bss.address % 32, 0, '.bss is aligned');
    assert.ok(bss.address >= data.address + data.bytes.length, '.bss lies behind what is copied');
    assert.ok(bss.address + bss.size <= data.address + data.size, 'and inside the segment');
  });

  test('upstream fault 3: bounds of sections, symbols, relocations, strings', () => {
    const image = read(compile('second.c', KERNEL));
    assert.is(refused(parseObject(image.subarray(0, image.length - 1))).errno, -EINVAL);
    assert.is(refused(parseObject(new Uint8Array(3))).errno, -EINVAL);
    const far = patched(image, '.rela.text', (header) => header.setUint32(44, 999, true));
    assert.match(reasonOf(far), /^section \.rela\.text \[\d+\]: relocates section 999, which does not exist$/);
    const noStrings = patched(image, '.symtab', (header) => header.setUint32(40, 1, true));
    assert.match(reasonOf(noStrings), /no string table \(\.strtab\)/);
    const short = patched(image, '.strtab', (header) => header.setBigUint64(32, 1n, true));
    assert.match(reasonOf(short), /name lies outside of the string table/);
    const cut = patched(image, '.symtab', (header) => header.setBigUint64(32, 25n, true));
    assert.match(reasonOf(cut), /^section \.symtab \[\d+\]: size 25 is not in symbols$/);
  });

  test('upstream fault 3: a relocation outside of its section, of a symbol that does not exist', () => {
    const image = read(compile('second.c', KERNEL));
    const first = (change: (entry: DataView) => void): Uint8Array =>
      patched(image, '.rela.text', (header, section) => change(new DataView(header.buffer, section.offset, 24)));
    const size = linked(image, HOST).sections.find(({ name }) => name === '.text')!.size;
    const outside = first((entry) => entry.setBigUint64(0, BigInt(size - 3), true));
    assert.match(
      reasonOf(outside, HOST),
      new RegExp(`^\\.text\\+0x${(size - 3).toString(16)}: R_X86_64_\\w+ lies outside of`),
    );
    const wrapped = first((entry) => entry.setBigUint64(0, 0xffffffffffffffffn, true));
    assert.match(reasonOf(wrapped, HOST), /lies outside of its section/);
    const nobody = first((entry) => entry.setUint32(12, 100000, true));
    assert.match(reasonOf(nobody, HOST), /^section \.rela\.text \[\d+\]: entry 0 names symbol 100000 of \d+$/);
  });

  test('upstream fault 3: the machine', () => {
    const image = Uint8Array.from(read(compile('second.c', KERNEL)));
    assert.is(viewOf(image).getUint16(18, true), EM_X86_64);
    viewOf(image).setUint16(18, 183, true);
    assert.equal(refused(parseObject(image)), {
      errno: -EOPNOTSUPP,
      reason: 'bad ELF file: e_machine: 183 is not EM_X86_64',
    });
  });

  test('upstream fault 3: overflow, with the symbol, the place and what helps', () => {
    const image = compileText('extern int f(int); int x; int *g(void) { f(x); return &x; }', ['-fno-pic']);
    const { errno, reason } = refused(tryLink(image, { f: 0x10 }));
    assert.is(errno, -ENOEXEC);
    assert.match(
      reason,
      /^\.text\+0x\w+: R_X86_64_32 against symbol x: 0xffffffffc0\w+ does not fit 32 bits; .*-mcmodel=kernel$/,
    );
    const far = refused(
      tryLink(compileText('extern int v; long g(void) { return (long)&v; }', KERNEL), { v: 0x7000_0000_0000 }),
    );
    assert.match(far.reason, /^\.text\+0x\w+: R_X86_64_32S against symbol v: 0x70000000\w* does not fit 32 bits/);
  });

  test('an unresolved symbol is named', () => {
    const object = read(compile('second.c', KERNEL));
    assert.equal(refused(tryLink(object)), { errno: -ENOENT, reason: 'unknown symbol host_line' });
    const many = assembled(Array.from({ length: 10 }, (_, i) => `.quad missing${i}`).join('\n'));
    assert.is(
      reasonOf(many),
      'unknown symbols missing0, missing1, missing2, missing3, missing4, missing5, missing6, missing7 and 2 more',
    );
  });

  test('names in a reason are printable and not long', () => {
    assert.is(reasonOf(assembled('.quad "a\x1bb"')), 'unknown symbol a\\x1bb');
    assert.is(reasonOf(assembled(`.quad ${'x'.repeat(200)}`)).length, 'unknown symbol '.length + 96);
  });

  test('a relocation type that nobody knows', () => {
    const image = patched(read(compile('second.c', KERNEL)), '.rela.text', (header, section) => {
      new DataView(header.buffer, section.offset, 24).setUint32(8, 77, true);
    });
    const { errno, reason } = refused(tryLink(image, HOST));
    assert.is(errno, -ENOSYS);
    assert.match(reason, /^\.text\+0x\w+: unknown relocation type 77 against /);
    const copy = patched(read(compile('second.c', KERNEL)), '.rela.text', (header, section) => {
      new DataView(header.buffer, section.offset, 24).setUint32(8, 5, true);
    });
    assert.match(reasonOf(copy, HOST), /R_X86_64_COPY against .*: only programs and shared objects have it/);
  });

  test('a program, a stripped object, an object without relocations', () => {
    const path = compile('second.c', KERNEL);
    run('ld', ['-e', '0', '--defsym=host_line=0', '-o', 'program', path]);
    assert.match(reasonOf(read(`${path.slice(0, path.lastIndexOf('/'))}/program`)), /e_type 2 is not ET_REL/);
    const plain = assembled('.data\n.globl v\nv: .quad 7');
    assert.is(i64At(sectionOf(linked(plain), '.data'), 0), 7);
    const none = patched(plain, '.symtab', (header) => header.setUint32(4, 1, true));
    assert.match(reasonOf(none), /^no symbol table/);
    const two = patched(plain, '.strtab', (header) => header.setUint32(4, SHT_SYMTAB, true));
    assert.match(reasonOf(two), /second symbol table/);
  });

  test('thread-local storage is refused by name', () => {
    const { errno, reason } = refused(
      tryLink(compileText('__thread int per_thread; int f(void) { return per_thread; }')),
    );
    assert.is(errno, -ENOEXEC);
    assert.match(reason, /^symbol per_thread is thread-local/);
    const initial = assembled('.text\n movq %fs:0, %rax\n addq other@GOTTPOFF(%rip), %rax');
    assert.match(reasonOf(initial, { other: 0 }), /^symbol other is thread-local/);
  });

  test('a function that is chosen at load time is refused by name', () => {
    const source =
      'static int a(void) { return 1; } static void *pick(void) { return a; } int f(void) __attribute__((ifunc("pick")));';
    assert.match(reasonOf(compileText(source)), /^symbol f is an indirect function/);
  });

  test('a section that is writable and executable, one aligned to more than a page', () => {
    assert.is(
      reasonOf(assembled('.section .both,"awx"\n.globl f\nf: nop')),
      'section .both is both writable and executable',
    );
    assert.is(
      reasonOf(assembled('.data\n.balign 8192\n.globl v\nv: .quad 1')),
      'section .data is to be aligned to 8192, more than a page',
    );
    assert.is(reasonOf(assembled('.comm big,8,8192')), 'common symbol big is to be aligned to 8192, more than a page');
  });

  test('too much memory', () => {
    assert.is(refused(tryLink(assembled('.bss\n.globl v\nv: .skip 0x20000000'))).errno, -ENOMEM);
    const huge = patched(assembled('.bss\n.globl v\nv: .skip 8'), '.bss', (header) =>
      header.setBigUint64(32, 2n ** 64n - 1n, true),
    );
    assert.is(refused(tryLink(huge)).errno, -ENOMEM);
    assert.is(refused(tryLink(assembled('.comm big,0x7fffffffffffffff,8'))).errno, -ENOMEM);
  });

  test('sections that share bytes of the file', () => {
    const image = assembled('.text\n.globl f\nf: .fill 4000, 1, 0x90\n.data\n.fill 4000');
    const shared = patched(image, '.data', (header) => header.setBigUint64(24, 64n, true));
    assert.ok(parseElf(shared), 'a reader may accept it');
    const longer = patched(shared, '.data', (header) => header.setBigUint64(32, BigInt(image.length - 64), true));
    assert.match(reasonOf(longer), /^sections share bytes/);
  });

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

  test('two definitions of one symbol', () => {
    const image = Uint8Array.from(assembled('.data\n.globl one, two\none: .quad 1\ntwo: .quad 2'));
    const file = parseElf(image) as ElfFile;
    const strings = file.sections.find(({ name }) => name === '.strtab')!;
    const at = Buffer.from(image).indexOf('two', strings.offset);
    image.set(Buffer.from('one'), at);
    assert.equal(refused(tryLink(image)), { errno: -ENOEXEC, reason: 'symbol one is defined twice' });
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

  test('a reference into a section that is not loaded', () => {
    assert.is(
      reasonOf(assembled('.section .notes,""\nx: .quad 1\n.data\n.quad x')),
      '.data+0x0: R_X86_64_64 against section .notes, whose section .notes is not loaded',
    );
  });

  test('a symbol outside of its section', () => {
    const image = assembled('.data\n.globl v\nv: .quad 1');
    const moved = patched(image, '.symtab', (header, section) => {
      const last = section.offset + section.size - 24;
      new DataView(header.buffer, last, 24).setBigUint64(8, 9n, true);
    });
    assert.match(reasonOf(moved), /^symbol v: 0x9 lies outside of section \.data \[\d+\], which has 8 bytes$/);
  });

  test('a relocation in a section of zeros', () => {
    const image = patched(assembled('.data\n.quad x'), '.data', (header) => header.setUint32(4, SHT_NOBITS, true));
    assert.is(reasonOf(image, { x: 1 }), '.data+0x0: R_X86_64_64 in a section of zeros');
  });

  test('the size of a symbol of another module is not known', () => {
    assert.match(
      reasonOf(assembled('.data\n.quad x@SIZE'), { x: 1 }),
      /R_X86_64_SIZE64 against symbol x, which another/,
    );
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
