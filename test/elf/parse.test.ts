/** The strict reader: real files parse, every broken field is named, nothing makes it throw. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ET_REL, PT_LOAD, SHN_XINDEX, SHT_NOBITS, SHT_NULL, SHT_PROGBITS, SHT_STRTAB } from '../../abi/elf.js';
import { isPowerOfTwo, u64, viewOf } from '../../elf/fields.js';
import { ElfError, type ElfFile, parseElf, sectionBytes, tableString } from '../../elf/parse.js';
import { buildElf, plainPieces } from './support.js';

interface SectionRecipe {
  name: number;
  type: number;
  offset: number;
  size: number;
  link?: number;
  align?: number;
}

const NAMES = '\0.text\0.names\0.bss\0';
const NAMES_AT = 64;
const TABLE_AT = 128;

const plainSections: readonly SectionRecipe[] = [
  { name: 0, type: SHT_NULL, offset: 0, size: 0 },
  { name: 1, type: SHT_PROGBITS, offset: 16, size: 8, align: 16 },
  { name: 7, type: SHT_STRTAB, offset: NAMES_AT, size: NAMES.length },
  { name: 14, type: SHT_NOBITS, offset: 0x10000, size: 0x100000 },
];

/** A relocatable file: names at 64, section headers at 128. */
function buildObject(sections: readonly SectionRecipe[] = plainSections, patch?: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(TABLE_AT + sections.length * 64);
  bytes.set(buildElf({ type: ET_REL, pieces: [] }).subarray(0, 64));
  bytes.set(Buffer.from(NAMES, 'latin1'), NAMES_AT);
  const view = viewOf(bytes);
  view.setBigUint64(40, BigInt(TABLE_AT), true);
  view.setUint16(60, sections.length, true);
  view.setUint16(62, 2, true);
  sections.forEach(({ name, type, offset, size, link = 0, align = 1 }, i) => {
    const at = TABLE_AT + i * 64;
    view.setUint32(at, name, true);
    view.setUint32(at + 4, type, true);
    view.setBigUint64(at + 24, BigInt(offset), true);
    view.setBigUint64(at + 32, BigInt(size), true);
    view.setUint32(at + 40, link, true);
    view.setBigUint64(at + 48, BigInt(align), true);
  });
  patch?.(view);
  return bytes;
}

const parsed = (bytes: Uint8Array): ElfFile => {
  const result = parseElf(bytes);
  assert.not.instance(result, ElfError, String(result));
  return result as ElfFile;
};

/** The field that a refusal names; '' when the file is accepted. */
const refused = (bytes: Uint8Array): string => {
  const result = parseElf(bytes);
  return result instanceof ElfError ? result.field : '';
};

const replaced = (index: number, change: Partial<SectionRecipe>): Uint8Array =>
  buildObject(plainSections.map((section, i) => (i === index ? { ...section, ...change } : section)));

test('sections with names and bytes', () => {
  const file = parsed(buildObject());
  assert.equal(
    file.sections.map((section) => section.name),
    ['', '.text', '.names', '.bss'],
  );
  assert.is(sectionBytes(file, file.sections[1]!).length, 8);
  assert.is(sectionBytes(file, file.sections[3]!).length, 0);
  assert.is(file.sections[2]!.index, 2);
  assert.is(file.segments.length, 0);
});

test('program headers', () => {
  const file = parsed(buildElf({ entry: 5, pieces: plainPieces }));
  assert.is(file.header.entry, 5);
  assert.equal(
    file.segments.map(({ type, vaddr, memsz }) => [type, vaddr, memsz]),
    [
      [PT_LOAD, 0x400000, 0x1100],
      [PT_LOAD, 0x402100, 0x3000],
    ],
  );
  assert.is(file.sections.length, 0);
});

test('numbers of sections that do not fit the header are kept in section 0', () => {
  const bytes = buildObject(plainSections, (view) => {
    view.setUint16(60, 0, true);
    view.setUint16(62, SHN_XINDEX, true);
    view.setBigUint64(TABLE_AT + 32, 4n, true);
    view.setUint32(TABLE_AT + 40, 2, true);
  });
  assert.is(parsed(bytes).sections[3]!.name, '.bss');
  viewOf(bytes).setBigUint64(TABLE_AT + 32, 1n << 40n, true);
  assert.is(refused(bytes), 'shdr[0].sh_size');
  viewOf(bytes).setBigUint64(TABLE_AT + 32, 5n, true);
  assert.is(refused(bytes), 'shdr[0].sh_size');
});

test('refusals name the field', () => {
  const header = (at: number, size: 1 | 2 | 4 | 8, value: number): string => {
    const bytes = buildObject();
    const view = viewOf(bytes);
    if (size === 1) view.setUint8(at, value);
    else if (size === 2) view.setUint16(at, value, true);
    else if (size === 4) view.setUint32(at, value, true);
    else view.setBigUint64(at, BigInt(value), true);
    return refused(bytes);
  };
  assert.is(refused(new Uint8Array(63)), 'e_ident');
  assert.is(header(1, 1, 0), 'e_ident');
  assert.is(header(4, 1, 1), 'EI_CLASS');
  assert.is(header(5, 1, 2), 'EI_DATA');
  assert.is(header(6, 1, 0), 'EI_VERSION');
  assert.is(header(16, 2, 5), 'e_type');
  assert.is(header(18, 2, 3), 'e_machine');
  assert.is(header(20, 4, 2), 'e_version');
  assert.is(header(52, 2, 63), 'e_ehsize');
  assert.is(header(40, 8, 0), 'e_shnum');
  assert.is(header(40, 8, 2 ** 40), 'e_shoff');
  assert.is(header(58, 2, 40), 'e_shentsize');
  assert.is(header(60, 2, 60000), 'e_shnum');
  assert.is(header(62, 2, 9), 'e_shstrndx');
  assert.is(header(62, 2, 1), 'e_shstrndx');
  assert.is(header(56, 2, 100), 'e_phoff');
  assert.is(replacedField(0, { type: SHT_PROGBITS }), 'shdr[0].sh_type');
  assert.is(replacedField(1, { size: 10000 }), 'shdr[1].sh_size');
  assert.is(replacedField(1, { offset: 2 ** 52 }), 'shdr[1].sh_size');
  assert.is(replacedField(1, { link: 77 }), 'shdr[1].sh_link');
  assert.is(replacedField(1, { align: 24 }), 'shdr[1].sh_addralign');
  assert.is(replacedField(1, { name: 500 }), 'shdr[1].sh_name');
  assert.is(replacedField(2, { size: NAMES.length - 1 }), 'shdr[3].sh_name');
  const segment = (change: object): string =>
    refused(buildElf({ pieces: [{ ...plainPieces[0]!, ...change }], length: 0x2000 }));
  assert.is(segment({ memsz: 10 }), 'phdr[0].p_memsz');
  assert.is(segment({ align: 3 }), 'phdr[0].p_align');
  assert.is(segment({ offset: 0x1000 }), 'phdr[0].p_filesz');
});

const replacedField = (index: number, change: Partial<SectionRecipe>): string => refused(replaced(index, change));

test('raw numbers: rounding never makes a power of two', () => {
  const view = new DataView(new ArrayBuffer(8));
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => {
      view.setBigUint64(0, value, true);
      const read = u64(view, 0);
      const error = BigInt(read) - value;
      assert.ok(error > -(2n ** 11n) && error < 2n ** 11n);
      assert.is(isPowerOfTwo(read), value > 0n && (value & (value - 1n)) === 0n);
    }),
    { examples: [[2n ** 63n - 1n], [2n ** 64n - 1n], [2n ** 53n + 1n], [2n ** 63n], [0n], [1n]], seed: 1 },
  );
});

test('strings must end inside their table', () => {
  const table = Uint8Array.from(Buffer.from('ab\0cd'));
  assert.is(tableString(table, 0), 'ab');
  assert.is(tableString(table, 2), '');
  assert.is(tableString(table, 3), null);
  assert.is(tableString(table, 5), null);
});

test('changed and truncated files never throw, and what is accepted lies inside the file', () => {
  const change = fc.tuple(fc.nat(400), fc.constantFrom(0, 1, 2, 4, 0x7f, 0x80, 0xff));
  const base = fc.constantFrom(buildObject(), buildElf({ pieces: plainPieces }));
  fc.assert(
    fc.property(base, fc.array(change, { maxLength: 5 }), fc.nat(5000), (original, changes, length) => {
      const bytes = Uint8Array.from(original.subarray(0, Math.max(length, 64)));
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
      const file = parseElf(bytes);
      if (file instanceof ElfError) {
        assert.ok(file.toString().includes(': '));
        return;
      }
      for (const section of file.sections) {
        if (section.type !== SHT_NULL && section.type !== SHT_NOBITS) {
          assert.is(sectionBytes(file, section).length, section.size);
        }
      }
    }),
    { numRuns: 3000, seed: 3 },
  );
});

if (spawnSync('gcc', ['--version']).status !== 0) console.log('SKIP objects of the host compiler: no gcc');
else {
  test('objects and programs of the host compiler', () => {
    const folder = mkdtempSync(join(tmpdir(), 'banos-elf-'));
    const source = join(folder, 'x.c');
    writeFileSync(source, 'int zeros[9]; int main(void) { return zeros[1]; }\n');
    for (const flags of [['-c'], [], ['-static'], ['-g']]) {
      execFileSync('gcc', [...flags, '-o', join(folder, 'x'), source]);
      const file = parsed(readFileSync(join(folder, 'x')));
      assert.ok(file.sections.some((section) => section.name === '.text'));
    }
    rmSync(folder, { recursive: true });
  });
}

test.run();
