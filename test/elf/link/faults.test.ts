/**
 * Objects that are refused, and what the refusal says; first the faults of upstream's loader, each by name. (Fault 4 is in
 * metadata.test.ts; 5 and 6 are the module table's.)
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EM_X86_64, SHT_NOBITS, SHT_SYMTAB } from '../../../abi/elf.js';
import { EINVAL, ENOENT, ENOEXEC, ENOMEM, ENOSYS, EOPNOTSUPP } from '../../../abi/errno.js';
import { viewOf } from '../../../elf/fields.js';
import { parseObject } from '../../../elf/link/parse.js';
import { type ElfFile, parseElf } from '../../../elf/parse.js';
import {
  assembled,
  compile,
  compileText,
  i64At,
  KERNEL,
  linked,
  patched,
  read,
  reasonOf,
  refused,
  run,
  sectionOf,
  symbolOf,
  tryLink,
  whyNoCompiler,
} from './support.js';

const HOST = { host_line: -0x7f000000, host_number: -0x7effff00 };

function testFaults(): void {
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

  test('two definitions of one symbol', () => {
    const image = Uint8Array.from(assembled('.data\n.globl one, two\none: .quad 1\ntwo: .quad 2'));
    const file = parseElf(image) as ElfFile;
    const strings = file.sections.find(({ name }) => name === '.strtab')!;
    const at = Buffer.from(image).indexOf('two', strings.offset);
    image.set(Buffer.from('one'), at);
    assert.equal(refused(tryLink(image)), { errno: -ENOEXEC, reason: 'symbol one is defined twice' });
  });

  test('a reference into a section that is not loaded, whatever its name is', () => {
    assert.is(
      reasonOf(assembled('.section .notes,""\nx: .quad 1\n.data\n.quad x')),
      '.data+0x0: R_X86_64_64 against section .notes, which is not loaded',
    );
    assert.is(
      reasonOf(assembled('.section "a\x01b",""\n.globl x\nx: .quad 1\n.data\n.quad x')),
      '.data+0x0: R_X86_64_64 against symbol x of section a\\x01b, which is not loaded',
    );
  });

  test('names of symbols that overlap are not copied without end', () => {
    const symbols = Array.from({ length: 500 }, (_, i) => `.globl s${i}\ns${i}: .byte 0`);
    const image = assembled(`.data\n.globl ${'x'.repeat(9000)}\n${'x'.repeat(9000)}: .byte 0\n${symbols.join('\n')}`);
    const long =
      Buffer.from(image).indexOf('xxxx') -
      (parseElf(image) as ElfFile).sections.find(({ name }) => name === '.strtab')!.offset;
    const repeated = patched(image, '.symtab', (header, { offset, size }) => {
      for (let at = offset + 24; at < offset + size; at += 24) new DataView(header.buffer, at).setUint32(0, long, true);
    });
    assert.match(reasonOf(repeated), /^symbol \d+: the names of symbols are longer than the file$/);
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
}

if (whyNoCompiler !== undefined) console.log(`SKIP elf/link/faults: ${whyNoCompiler}`);
else testFaults();

test.run();
