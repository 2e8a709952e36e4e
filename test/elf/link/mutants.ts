/**
 * Damaged objects, for the linker alone (fuzz.test.ts) and for a kernel that loads them (test/modules/hostile.test.ts): where
 * the fields of an object lie, and what is done to them.
 */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { SHT_GROUP, SHT_RELA, SHT_STRTAB, SHT_SYMTAB } from '../../../abi/elf.js';
import { viewOf } from '../../../elf/fields.js';
import { parseElf } from '../../../elf/parse.js';

interface Field {
  readonly at: number;
  readonly size: number;
}

export interface Seed {
  readonly name: string;
  readonly image: Uint8Array;
  /** Where the file's fields are; those that matter more, several times. */
  readonly fields: readonly Field[];
}

const row = (at: number, sizes: readonly number[]): Field[] =>
  sizes.map((size, i) => ({ at: at + sizes.slice(0, i).reduce((sum, each) => sum + each, 0), size }));
const rows = (at: number, bytes: number, sizes: readonly number[]): Field[] => {
  const step = sizes.reduce((sum, each) => sum + each, 0);
  return Array.from({ length: Math.floor(bytes / step) }, (_, i) => row(at + i * step, sizes)).flat();
};

/** Words of eight bytes; the last one may be shorter. */
const words = (at: number, bytes: number): Field[] => [
  ...rows(at, bytes, [8]),
  ...(bytes % 8 === 0 ? [] : [{ at: at + bytes - (bytes % 8), size: bytes % 8 }]),
];

const HEADER = [4, 1, 1, 1, 1, 8, 2, 2, 4, 8, 8, 8, 4, 2, 2, 2, 2, 2, 2];
const SECTION = [4, 4, 8, 8, 8, 8, 4, 4, 8, 8];
const SYMBOL = [4, 1, 1, 2, 8, 8];
const RELA = [8, 4, 4, 8];
/** Sections that say something about the module. */
export const METADATA = /^\.banos-|^\.modinfo|^__versions|array/;

export function elfSeed(name: string, image: Uint8Array): Seed {
  const file = parseElf(image);
  assert.ok('sections' in file);
  const inside = file.sections.flatMap(({ name: of, type, offset, size }) => {
    if (type === SHT_SYMTAB) return rows(offset, size, SYMBOL);
    if (type === SHT_RELA) return rows(offset, size, RELA);
    if (type === SHT_GROUP) return rows(offset, size, [4]);
    return METADATA.test(of) || type === SHT_STRTAB ? words(offset, size) : [];
  });
  const table = rows(file.header.shoff, file.sections.length * 64, SECTION);
  // The few fields of the headers weigh as much as the many of the tables.
  const few = [...row(0, HEADER), ...table];
  return { name, image, fields: [...few, ...inside, ...Array.from(inside, (_, i) => few[i % few.length]!)] };
}

export function aoutSeed(name: string, image: Uint8Array): Seed {
  const view = viewOf(image);
  const size = (at: number): number => Number(view.getBigUint64(at, true));
  const relocations = 64 + size(8) + size(16);
  const symbols = relocations + size(48) + size(56);
  const header = row(0, [4, 4, 8, 8, 8, 8, 8, 8, 8]);
  const inside = [
    ...rows(relocations, size(48) + size(56), [4, 3, 1]),
    ...rows(symbols, size(32), [8, 1, 1, 2, 4, 8]),
    ...words(symbols + size(32), image.length - symbols - size(32)),
    // Data: what the module says of itself is among it.
    ...words(64 + size(8), size(16)),
  ];
  return { name, image, fields: [...inside, ...Array.from(inside, (_, i) => header[i % header.length]!)] };
}

type Edit =
  | { kind: 'field'; index: number; value: bigint }
  | { kind: 'bytes'; at: number; bytes: Uint8Array }
  | { kind: 'move'; from: number; to: number; size: number }
  | { kind: 'cut'; at: number };

/** Values that hurt: limits of fields, indices with a meaning, offsets that wrap around. */
export const EDGES = [
  0n,
  1n,
  2n,
  7n,
  8n,
  0x7fn,
  0xffn,
  0xff00n,
  0xfff1n,
  0xfff2n,
  0xffffn,
  0x1000n,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  1n << 32n,
  1n << 53n,
  (1n << 63n) - 1n,
  1n << 63n,
  (1n << 64n) - 1n,
];
const value = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...EDGES) },
  { weight: 2, arbitrary: fc.bigInt({ min: 0n, max: 0x400n }) },
  { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }) },
);
const anywhere = fc.nat(0xfffffff);
export const edit: fc.Arbitrary<Edit> = fc.oneof(
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

export function damaged({ image, fields }: Seed, edits: readonly Edit[]): Uint8Array {
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
