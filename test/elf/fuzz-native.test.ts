/**
 * Every field of the ELF header and of the program headers, with every kind of bad value, and truncations: the same
 * errno, the same kill, or the same memory as the host's kernel. What the host would run is fed to both.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ET_DYN, ET_EXEC, PF_R, PF_W, PF_X, PT_GNU_STACK, PT_INTERP, PT_LOAD } from '../../abi/elf.js';
import { ExecOracle, loadHere, type Outcome, whyNoOracle } from './exec-oracle.js';
import { buildElf, type Piece, plainPieces } from './support.js';

const why = whyNoOracle();
const EHDR = 64;
const PHDR = 56;

interface Field {
  readonly name: string;
  readonly at: number;
  readonly size: 1 | 2 | 4 | 8;
}

const HEADER_FIELDS: readonly Field[] = [
  ...[0, 1, 2, 3, 4, 5, 6, 7, 8].map((at) => ({ name: `e_ident[${at}]`, at, size: 1 }) as const),
  { name: 'e_type', at: 16, size: 2 },
  { name: 'e_machine', at: 18, size: 2 },
  { name: 'e_version', at: 20, size: 4 },
  { name: 'e_entry', at: 24, size: 8 },
  { name: 'e_phoff', at: 32, size: 8 },
  { name: 'e_shoff', at: 40, size: 8 },
  { name: 'e_flags', at: 48, size: 4 },
  { name: 'e_ehsize', at: 52, size: 2 },
  { name: 'e_phentsize', at: 54, size: 2 },
  { name: 'e_phnum', at: 56, size: 2 },
  { name: 'e_shentsize', at: 58, size: 2 },
  { name: 'e_shnum', at: 60, size: 2 },
  { name: 'e_shstrndx', at: 62, size: 2 },
];

const SEGMENT_FIELDS: readonly Field[] = [
  { name: 'p_type', at: 0, size: 4 },
  { name: 'p_flags', at: 4, size: 4 },
  { name: 'p_offset', at: 8, size: 8 },
  { name: 'p_vaddr', at: 16, size: 8 },
  { name: 'p_paddr', at: 24, size: 8 },
  { name: 'p_filesz', at: 32, size: 8 },
  { name: 'p_memsz', at: 40, size: 8 },
  { name: 'p_align', at: 48, size: 8 },
];

/** The host may run 32-bit programs. */
const FOREIGN = 'e_machine=3';
/** vm.mmap_min_addr is a setting: what a host puts below ours cannot be compared. */
const LOWEST = 0x10000;
const isLow = (outcome: Outcome): boolean =>
  'rip' in outcome && outcome.maps.some((line) => Number.parseInt(line, 16) < LOWEST);

const valuesFor = (size: number, old: bigint): bigint[] => {
  const top = 1n << BigInt(size * 8);
  const wide =
    size < 8 ? [] : [0x1000n, 0x1234n, 0x10000n, 0x7fffffffefffn, 0x7fffffffffffn, 1n << 47n, 1n << 53n, 1n << 62n];
  const edges = [
    0n,
    1n,
    2n,
    3n,
    7n,
    old + 1n,
    old - 1n,
    old * 2n,
    old + 0x1000n,
    top / 2n - 1n,
    top / 2n,
    top - 0x1000n,
    top - 1n,
  ];
  return [...new Set([...edges, ...wide].map((value) => ((value % top) + top) % top))].filter((value) => value !== old);
};

const read = (view: DataView, at: number, size: number): bigint => {
  let value = 0n;
  for (let i = size - 1; i >= 0; i--) value = value * 256n + BigInt(view.getUint8(at + i));
  return value;
};

const patch = (bytes: Uint8Array, at: number, size: number, value: bigint): Uint8Array => {
  const copy = Uint8Array.from(bytes);
  for (let i = 0; i < size; i++) copy[at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
  return copy;
};

function mutations(bytes: Uint8Array, base: number, fields: readonly Field[], label: string): [string, Uint8Array][] {
  const view = new DataView(bytes.buffer);
  return fields.flatMap(({ name, at, size }) =>
    valuesFor(size, read(view, base + at, size))
      .map((value): [string, Uint8Array] => [`${label}${name}=${value}`, patch(bytes, base + at, size, value)])
      .filter(([what]) => !what.endsWith(FOREIGN)),
  );
}

/** As much as the two can agree on: the stack's contents are compared elsewhere. */
const essence = (outcome: Outcome): unknown => ('rip' in outcome ? { rip: outcome.rip, maps: outcome.maps } : outcome);

/** Lists the disagreements, so that one run shows them all. */
function compare(oracle: ExecOracle, cases: readonly [string, Uint8Array][]): void {
  const paths = cases.map(([, bytes], i) => oracle.add(`case${i}`, bytes));
  const native = oracle.run(paths);
  const wrong: string[] = [];
  cases.forEach(([name], i) => {
    const theirs = native[i]!;
    const mine = JSON.stringify(essence(loadHere(paths[i]!)));
    const host = JSON.stringify(essence(theirs));
    if (mine !== host && !isLow(theirs)) wrong.push(`${name}\n   here ${mine}\n   host ${host}`);
  });
  assert.is(wrong.length, 0, `${wrong.length} of ${cases.length} differ:\n${wrong.slice(0, 20).join('\n')}`);
}

if (why !== undefined) {
  console.log(`SKIP fuzz-native: ${why}`);
} else {
  const oracle = new ExecOracle();
  const plain = buildElf({ entry: 0x400100, pieces: plainPieces });
  const pie = buildElf({
    type: ET_DYN,
    entry: 0x100,
    pieces: plainPieces.map((piece) => ({ ...piece, vaddr: piece.vaddr - 0x400000 })),
  });

  test('the unchanged programs load alike', () => {
    compare(oracle, [
      ['plain', plain],
      ['pie', pie],
      ['nothing', new Uint8Array(0)],
    ]);
  });

  test('every field of the file header', () => {
    compare(oracle, mutations(plain, 0, HEADER_FIELDS, ''));
    compare(oracle, mutations(pie, 0, HEADER_FIELDS, 'pie '));
  });

  test('every field of the first and the last segment', () => {
    compare(oracle, [
      ...mutations(plain, EHDR, SEGMENT_FIELDS, 'first '),
      ...mutations(plain, EHDR + PHDR, SEGMENT_FIELDS, 'last '),
    ]);
  });

  test('every field of the segments of a position-independent program', () => {
    compare(oracle, [
      ...mutations(pie, EHDR, SEGMENT_FIELDS, 'pie first '),
      ...mutations(pie, EHDR + PHDR, SEGMENT_FIELDS, 'pie last '),
    ]);
  });

  test('truncations', () => {
    const cases: [string, Uint8Array][] = [];
    for (let length = 1; length < plain.length; length += length < 200 ? 7 : 311) {
      cases.push([`${length} bytes`, plain.slice(0, length)], [`pie ${length} bytes`, pie.slice(0, length)]);
    }
    compare(oracle, cases);
  });

  const stack: Piece = { type: PT_GNU_STACK, flags: PF_R | PF_W | PF_X, offset: 0, vaddr: 0, filesz: 0, memsz: 0 };
  const withInterpreter = (path: string, type: number): Uint8Array => {
    const name = Buffer.from(path, 'latin1');
    const at = 0x1300;
    const shift = type === ET_DYN ? 0x400000 : 0;
    const bytes = buildElf({
      type,
      entry: 0x400100 - shift,
      pieces: [
        ...plainPieces.map((piece) => ({ ...piece, vaddr: piece.vaddr - shift })),
        { type: PT_INTERP, flags: PF_R, offset: at, vaddr: 0, filesz: name.length, memsz: name.length },
        stack,
      ],
      length: at + name.length,
    });
    bytes.set(name, at);
    return bytes;
  };

  test('interpreters: names, kinds, broken ones', () => {
    const good = oracle.add('interpreter', pie);
    const fixed = oracle.add(
      'fixed',
      buildElf({ entry: 0x10100, pieces: plainPieces.map((p) => ({ ...p, vaddr: p.vaddr + 0x100000 })) }),
    );
    const overlapping = oracle.add('overlapping', plain);
    const noSegments = oracle.add('no-segments', buildElf({ entry: 0x10100, pieces: [stack] }));
    const broken: [string, Uint8Array][] = [
      ...mutations(pie, 0, HEADER_FIELDS, 'header '),
      ...mutations(pie, EHDR, SEGMENT_FIELDS, 'first '),
      ...mutations(pie, EHDR + PHDR, SEGMENT_FIELDS, 'last '),
      ['short', pie.slice(0, 40)],
      ['table cut off', pie.slice(0, 100)],
      ['text', Buffer.from('hello')],
      ['script', Buffer.from('#!/bin/sh\n'.padEnd(100))],
    ];
    const cases: [string, Uint8Array][] = [];
    for (const type of [ET_EXEC, ET_DYN]) {
      for (const path of [good, fixed, overlapping, noSegments, '/nonexistent', '', '/tmp', `${good}/x`]) {
        cases.push([`${type} ${path}`, withInterpreter(`${path}\0`, type)]);
      }
      cases.push([`${type} unterminated`, withInterpreter(good, type)]);
      cases.push([`${type} double`, withInterpreter(`${good}\0/other\0`, type)]);
      broken.forEach(([name, bytes], i) => {
        if (i % 3 !== type % 3) return; // a third of them in each kind of program
        const path = oracle.add(`broken${i}`, bytes);
        cases.push([`${type} interpreter with ${name}`, withInterpreter(`${path}\0`, type)]);
      });
    }
    compare(oracle, cases);
    const interp = withInterpreter(`${good}\0`, ET_EXEC);
    compare(oracle, mutations(interp, EHDR + 2 * PHDR, SEGMENT_FIELDS, 'PT_INTERP '));
    compare(oracle, mutations(interp, EHDR + 3 * PHDR, SEGMENT_FIELDS, 'PT_GNU_STACK '));
  });

  test('many program headers', () => {
    const filler: Piece = { type: 0x60000000, flags: 0, offset: 0, vaddr: 0, filesz: 0, memsz: 0 };
    compare(
      oracle,
      [70, 1000, 1168, 1169, 2000, 65533].map((count) => [
        `${count} more`,
        buildElf({
          entry: 0x400100,
          pieces: [...plainPieces.map((p) => ({ ...p, type: PT_LOAD })), ...new Array<Piece>(count).fill(filler)],
        }),
      ]),
    );
  });

  test('first lines of scripts', () => {
    const program = oracle.add('program', plain);
    const pad = (bytes: number): string => 'x'.repeat(Math.max(0, bytes));
    const lines = [
      '#!',
      '#!\n',
      '#! \n',
      '#!  \t',
      '#!/nonexistent\n',
      `#!${program}`,
      `#!${program}\n`,
      `#! ${program} \n`,
      `#!\t${program}\targument with blanks  \t\n`,
      `#!${program}\0rubbish\n`,
      `#!${program} a\0b\n`,
      `#!${program} ${pad(300)}\n`,
      `#!/${pad(252)}`,
      `#!/${pad(253)}`,
      `#!/${pad(253)}\n`,
      `#!/${pad(254)}\n`,
      `#!/${pad(300)}`,
      `#!${' '.repeat(254)}`,
      `#!${' '.repeat(300)}${program}\n`,
      `#!${' '.repeat(255 - 2 - program.length)}${program}\n`,
      `#!${' '.repeat(254 - 2 - program.length)}${program}\n`,
      `#!${' '.repeat(253 - 2 - program.length)}${program}\n`,
      `#!${program}\r\n`,
      '#!/tmp\n',
      '#!relative\n',
      '#',
      ' #!/bin/sh\n',
    ];
    compare(
      oracle,
      lines.map((line, i) => [`line ${i} ${JSON.stringify(line.slice(0, 60))}`, Buffer.from(line, 'latin1')]),
    );
  });

  test.after(() => oracle.dispose());
}

test.run();
