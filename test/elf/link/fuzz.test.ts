/**
 * Objects that were damaged: fields of headers, symbols, relocations and metadata with values that hurt, bytes, pieces moved,
 * files cut. Whatever comes of it is a module that keeps the rules or a refusal that says why; nothing throws, and nothing
 * takes more memory than the file has bytes for. LINK_FUZZ in the environment: how many (2,000; `npm run fuzz` has 100,000).
 */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SHT_GROUP, SHT_RELA, SHT_STRTAB, SHT_SYMTAB } from '../../../abi/elf.js';
import { EINVAL, ENOENT, ENOEXEC, ENOMEM, ENOSYS, EOPNOTSUPP } from '../../../abi/errno.js';
import { EHDR_SIZE, SHDR_SIZE, viewOf } from '../../../elf/fields.js';
import { layOut } from '../../../elf/link/layout.js';
import { type LinkedObject, link } from '../../../elf/link/link.js';
import { readDriver, readExports, readModuleInfo, readParameters, readVersions } from '../../../elf/link/metadata.js';
import { parseObject } from '../../../elf/link/parse.js';
import { Refusal } from '../../../elf/link/refusal.js';
import { ElfError, type ElfFile, parseElf } from '../../../elf/parse.js';
import { aoutOf } from '../../support/aout.js';
import '../../support/seeded.js';
import { aoutSeed, damaged, EDGES, edit, elfSeed, METADATA, type Seed } from './mutants.js';
import { basesFrom, combine, compile, compileText, MODELS, parsed, read, whyNoCompiler } from './support.js';

const RUNS = Number(process.env['LINK_FUZZ'] ?? 2000);
const ERRNOS: readonly number[] = [EINVAL, ENOENT, ENOEXEC, ENOMEM, ENOSYS, EOPNOTSUPP];

const GROUPS = '.section .text.g,"axG",@progbits,g,comdat\n.weak g\ng: ret\n.data\n.quad g, g@SIZE\n.comm c,40,16\n';

function seeds(): readonly Seed[] {
  const list = Object.entries(MODELS).flatMap(([model, flags]) => [
    elfSeed(`driver, ${model}`, read(compile('driver.c', flags))),
    elfSeed(`sample, ${model}`, read(combine(['sample.c', 'second.c'].map((source) => compile(source, flags))))),
  ]);
  const kernel = MODELS['kernel']!;
  return [
    ...list,
    elfSeed('every', read(compile('every.s'))),
    elfSeed('got', read(compile('got.s'))),
    elfSeed('groups', compileText(GROUPS, [], 's')),
    aoutSeed('driver, a.out', aoutOf(parsed(read(compile('driver.c', kernel))))),
    aoutSeed(
      'sample, a.out',
      aoutOf(parsed(read(combine(['sample.c', 'second.c'].map((source) => compile(source, kernel)))))),
    ),
  ];
}

function checkRefusal({ errno, reason }: Refusal): void {
  assert.ok(ERRNOS.includes(-errno), `errno ${errno}: ${reason}`);
  assert.match(reason, /^[ -~]{10,1200}$/);
}

function checkModule(object: LinkedObject, image: Uint8Array): void {
  let initialised = 0;
  for (const { address, size, bytes } of Object.values(object.segments)) {
    assert.is(Math.abs(address % 4096) + (size % 4096), 0);
    assert.ok(bytes.length <= size);
    initialised += bytes.length;
  }
  const gaps = 4096 * (object.sections.length + 3);
  assert.ok(initialised <= 2 * image.length + gaps, `${initialised} bytes of a file of ${image.length}`);
  const { text, rodata, data } = object.segments;
  for (const { name, address, size, write, execute } of object.sections) {
    const home = execute ? text : write ? data : rodata;
    assert.ok(address >= home.address && address + size <= home.address + home.size, name);
  }
  for (const address of [...object.constructors, ...object.destructors]) {
    assert.ok(address >= text.address && address < text.address + text.size);
  }
  for (const result of [readDriver(object), readExports(object), readParameters(object)]) {
    if (result instanceof Refusal) checkRefusal(result);
  }
}

/** All that a loader does with an image. @returns whether a module came of it */
function load(image: Uint8Array): boolean {
  const object = parseObject(image);
  if (object instanceof Refusal) {
    checkRefusal(object);
    return false;
  }
  for (const result of [readModuleInfo(object), readVersions(object)]) {
    if (result instanceof Refusal) checkRefusal(result);
  }
  const layout = layOut(object);
  if (layout instanceof Refusal) {
    checkRefusal(layout);
    return false;
  }
  const known = /^(host_|banos_|outside)/;
  const module = link(layout, basesFrom(layout), (name) => (known.test(name) ? -0x7f000000 : undefined));
  if (module instanceof Refusal) checkRefusal(module);
  else checkModule(module, image);
  return !(module instanceof Refusal);
}

function testFuzz(): void {
  const list = seeds();

  test('the objects that are damaged are well before', () => {
    for (const { name, image } of list) assert.ok(load(image), name);
  });

  test('every field of headers, sections, symbols, relocations and metadata is among those that are changed', () => {
    for (const { name, image, fields } of list.filter((seed) => !seed.name.endsWith('a.out'))) {
      const file = parseElf(image) as ElfFile;
      const isField = new Uint8Array(image.length);
      for (const { at, size } of fields) isField.fill(1, at, at + size);
      const check = (what: string, at: number, size: number): void => {
        const missing = isField.indexOf(0, at);
        assert.ok(missing < 0 || missing >= at + size, `${name}: ${what}, byte ${missing - at}`);
      };
      check('header', 0, EHDR_SIZE);
      check('section headers', file.header.shoff, file.sections.length * SHDR_SIZE);
      const kinds = [SHT_SYMTAB, SHT_RELA, SHT_STRTAB, SHT_GROUP];
      for (const { name: of, type, offset, size } of file.sections) {
        if (kinds.includes(type) || METADATA.test(of)) check(of, offset, size);
      }
    }
  });

  test('each field of a driver with each value that hurts, as ELF and as a.out', () => {
    for (const name of ['driver, kernel', 'driver, a.out']) {
      const seed = list.find((one) => one.name === name)!;
      const places = new Set(seed.fields.map(({ at }) => at));
      for (const at of places) {
        const index = seed.fields.findIndex((field) => field.at === at);
        for (const value of EDGES) load(damaged(seed, [{ kind: 'field', index, value }]));
      }
    }
  });

  test(`${RUNS} damaged objects: a module or a reason`, () => {
    let accepted = 0;
    fc.assert(
      fc.property(fc.nat(list.length - 1), fc.array(edit, { minLength: 1, maxLength: 4 }), (which, edits) => {
        if (load(damaged(list[which]!, edits))) accepted++;
      }),
      { numRuns: RUNS, includeErrorInReport: true },
    );
    // Otherwise nearly all of them are stopped at the door, and what lies behind it is not tested.
    assert.ok(accepted > RUNS / 20 && accepted < RUNS, `${accepted} of ${RUNS} were linked`);
    console.log(`${accepted} of ${RUNS} damaged objects were linked, the others refused`);
  });

  test('arbitrary bytes behind a magic number', () => {
    const magic = fc.constantFrom([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1], [0, 0x9d, 1, 7, 0, 0, 0, 0], []);
    fc.assert(
      fc.property(magic, fc.uint8Array({ maxLength: 400 }), (begin, bytes) => {
        load(Uint8Array.from([...begin, ...bytes]));
      }),
    );
  });
}

test('names that overlap are not copied without end', () => {
  const image = sectionsOf(1000, 64, 200_000);
  const result = parseElf(image);
  assert.instance(result, ElfError);
  assert.match(String(result), /the names of sections are longer than the file$/);
});

/** An ELF object whose sections have, each, the longest name that there can be. */
function sectionsOf(count: number, namesAt: number, namesSize: number): Uint8Array {
  const headersAt = namesAt + namesSize;
  const image = new Uint8Array(headersAt + count * 64);
  image.fill(0x41, namesAt, headersAt - 1);
  image.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  const view = viewOf(image);
  view.setUint16(16, 1, true);
  view.setUint16(18, 62, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(40, BigInt(headersAt), true);
  view.setUint16(52, 64, true);
  view.setUint16(58, 64, true);
  view.setUint16(60, count, true);
  view.setUint16(62, 1, true);
  for (let i = 1; i < count; i++) {
    const at = headersAt + 64 * i;
    view.setUint32(at, namesSize - 16_000, true);
    view.setUint32(at + 4, i === 1 ? 3 : 1, true);
    if (i > 1) continue;
    view.setBigUint64(at + 24, BigInt(namesAt), true);
    view.setBigUint64(at + 32, BigInt(namesSize), true);
  }
  return image;
}

if (whyNoCompiler !== undefined) console.log(`SKIP elf/link/fuzz: ${whyNoCompiler}`);
else testFuzz();

test.run();
