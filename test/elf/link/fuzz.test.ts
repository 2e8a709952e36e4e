/**
 * Objects that were damaged: fields of headers, symbols, relocations and metadata with values that hurt, bytes, pieces moved,
 * files cut. Whatever comes of it is a module that keeps the rules or a refusal that says why; nothing throws, and nothing
 * takes more memory than the file has bytes for. LINK_FUZZ in the environment: how many (2,000).
 */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EINVAL, ENOENT, ENOEXEC, ENOMEM, ENOSYS, EOPNOTSUPP } from '../../../abi/errno.js';
import { viewOf } from '../../../elf/fields.js';
import { layOut } from '../../../elf/link/layout.js';
import { type LinkedObject, link } from '../../../elf/link/link.js';
import { readDriver, readExports, readModuleInfo, readParameters, readVersions } from '../../../elf/link/metadata.js';
import { parseObject } from '../../../elf/link/parse.js';
import { Refusal } from '../../../elf/link/refusal.js';
import { ElfError, parseElf } from '../../../elf/parse.js';
import { aoutOf } from '../../support/aout.js';
import '../../support/seeded.js';
import { basesFrom, combine, compile, compileText, MODELS, parsed, read, whyNoCompiler } from './support.js';

const RUNS = Number(process.env['LINK_FUZZ'] ?? 2000);
const ERRNOS: readonly number[] = [EINVAL, ENOENT, ENOEXEC, ENOMEM, ENOSYS, EOPNOTSUPP];

interface Seed {
  readonly name: string;
  readonly image: Uint8Array;
  /** Where the file's fields are. */
  readonly fields: readonly { at: number; size: number }[];
}

const row = (at: number, sizes: readonly number[]): { at: number; size: number }[] =>
  sizes.map((size, i) => ({ at: at + sizes.slice(0, i).reduce((sum, each) => sum + each, 0), size }));
const rows = (at: number, bytes: number, sizes: readonly number[]): { at: number; size: number }[] => {
  const step = sizes.reduce((sum, each) => sum + each, 0);
  return Array.from({ length: Math.floor(bytes / step) }, (_, i) => row(at + i * step, sizes)).flat();
};

const HEADER = [4, 1, 1, 1, 1, 8, 2, 2, 4, 8, 8, 8, 4, 2, 2, 2, 2, 2, 2];
const SECTION = [4, 4, 8, 8, 8, 8, 4, 4, 8, 8];
const SYMBOL = [4, 1, 1, 2, 8, 8];
const RELA = [8, 4, 4, 8];
const WORDS = [8, 8];

function elfSeed(name: string, image: Uint8Array): Seed {
  const file = parseElf(image);
  assert.ok('sections' in file);
  const inside = file.sections.flatMap(({ name: of, type, offset, size }) => {
    if (type === 2) return rows(offset, size, SYMBOL);
    if (type === 4) return rows(offset, size, RELA);
    return /^\.banos-|^\.modinfo|^__versions|array/.test(of) || type === 17 ? rows(offset, size, WORDS) : [];
  });
  const table = rows(file.header.shoff, file.sections.length * 64, SECTION);
  // The few fields of the headers weigh as much as the many of the tables.
  const few = [...row(0, HEADER), ...table];
  return { name, image, fields: [...few, ...inside, ...Array.from(inside, (_, i) => few[i % few.length]!)] };
}

function aoutSeed(name: string, image: Uint8Array): Seed {
  const view = viewOf(image);
  const size = (at: number): number => Number(view.getBigUint64(at, true));
  const relocations = 64 + size(8) + size(16);
  const symbols = relocations + size(48) + size(56);
  const header = row(0, [4, 4, 8, 8, 8, 8, 8, 8, 8]);
  const inside = [
    ...rows(relocations, size(48) + size(56), [4, 3, 1]),
    ...rows(symbols, size(32), [8, 1, 1, 2, 4, 8]),
    { at: symbols + size(32), size: 8 },
  ];
  return { name, image, fields: [...inside, ...Array.from(inside, (_, i) => header[i % header.length]!)] };
}

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

type Edit =
  | { kind: 'field'; index: number; value: bigint }
  | { kind: 'bytes'; at: number; bytes: Uint8Array }
  | { kind: 'move'; from: number; to: number; size: number }
  | { kind: 'cut'; at: number };

const EDGES = [0n, 1n, 2n, 7n, 8n, 0x7fn, 0xffn, 0xff00n, 0xfff1n, 0xfff2n, 0xffffn, 0x1000n, 0x7fffffffn, 0x80000000n];
const LARGE = [0xffffffffn, 1n << 32n, 1n << 53n, (1n << 63n) - 1n, 1n << 63n, (1n << 64n) - 1n];
const value = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...EDGES, ...LARGE) },
  { weight: 2, arbitrary: fc.bigInt({ min: 0n, max: 0x400n }) },
  { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }) },
);
const anywhere = fc.nat(0xfffffff);
const edit: fc.Arbitrary<Edit> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('field' as const), index: anywhere, value }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('bytes' as const),
      at: anywhere,
      bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('move' as const), from: anywhere, to: anywhere, size: fc.nat(256) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cut' as const), at: anywhere }) },
);

function damaged({ image, fields }: Seed, edits: readonly Edit[]): Uint8Array {
  let copy: Uint8Array = Uint8Array.from(image);
  for (const change of edits) {
    if (copy.length === 0) break;
    if (change.kind === 'field') {
      const { at, size } = fields[change.index % fields.length]!;
      for (let i = 0; i < size && at + i < copy.length; i++)
        copy[at + i] = Number((change.value >> BigInt(8 * i)) & 0xffn);
    } else if (change.kind === 'bytes') {
      const at = change.at % copy.length;
      copy.set(change.bytes.subarray(0, copy.length - at), at);
    } else if (change.kind === 'move') {
      const from = change.from % copy.length;
      copy.copyWithin(change.to % copy.length, from, from + change.size);
    } else copy = copy.slice(0, change.at % copy.length);
  }
  return copy;
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
