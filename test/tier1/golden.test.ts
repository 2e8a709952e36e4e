/**
 * What the translator makes of a few small functions, word for word: a change of the emitter shows in these files, so that
 * somebody looks at it. The functions came out of gcc -O2 and are kept as bytes; beside each stands its source.
 *
 * BANOS_GOLDEN=write writes the files (test/translator/golden) anew. Numbers that depend on where in memory tier 0 keeps its
 * records are masked: they are found by translating each function in two machines whose frames lie differently.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { codeText, Disassembler, EXIT_SYSCALL, sideBySide, stateName, type TranslatedRegion } from '../../cpu/index.js';
import { XMM } from '../../cpu/state.js';
import { CODE, DATA, EAGER, Guest, RAX, RBP, SYSCALL } from '../cpu/guest.js';

const DIRECTORY = join(import.meta.dirname, '..', 'translator', 'golden');
const WRITE = process.env['BANOS_GOLDEN'] === 'write';
const CALLS = 400;
const SLICE = 2000;
/** Frames that the second machine has taken before it decodes anything. */
const SHIFT = 5;

interface Sample {
  source: string;
  /** From CODE on, constants and tables behind the code; the rest of the page is the caller's. */
  code: string;
  /** In rdi, rsi and rdx. */
  args: readonly [number, number, number];
  /** At DATA. */
  data: Uint8Array;
}

const bytesOf = (array: Uint32Array | Float64Array): Uint8Array => new Uint8Array(array.buffer);
const words = bytesOf(Uint32Array.from({ length: 256 }, (_, i) => Math.imul(i + 1, 0x9e3779b1)));

const SAMPLES: Readonly<Record<string, Sample>> = {
  sum: {
    source: 'long sum(const int *p, unsigned long n) { long s = 0; for (i = 0; i < n; i++) s += p[i]; return s; }',
    code: '4885f6741b488d0cb731c00f1f4400004863174883c7044801d04839cf75f1c331c0c3',
    args: [DATA, 50, 0],
    data: words,
  },
  calls: {
    source:
      'unsigned calls(unsigned *p, unsigned n) { unsigned s = 1; do s = mix(s, n); while (--n); return s; }  ' +
      'unsigned mix(unsigned a, unsigned b) { return (a ^ b) * 2654435761u + (a >> 7); }',
    code: '53bf0100000089f30f1f84000000000089dee80900000089c783eb0175f25bc3' + '89f031f8c1ef0769c0b179379e01f8c3',
    args: [DATA, 30, 0],
    data: words,
  },
  choose: {
    source: 'unsigned choose(const unsigned char *p, unsigned long n): a loop with a switch of six cases in a table',
    code:
      '4885f6747b4801fe31d2488d0d770000000f1f8000000000803f0577570fb607486304814801c8ff' +
      'e00f1f8000000000f7d2660f1f4400004883c7014839f775d789d0c30f1f400083ea07ebeb0f1f00' +
      '8d549201ebe2662e0f1f84000000000083f255ebd30f1f0083c203ebcb0f1f0001d2ebc4c1ea03eb' +
      'bf0f1f800000000031d289d0c3000000e0ffffffd8ffffffc8ffffffc0ffffffa8ffffffe8ffffff',
    args: [DATA, 60, 0],
    data: Uint8Array.from({ length: 256 }, (_, i) => (i * 5) % 8),
  },
  'carry-far-away': {
    source: 'the carry of a comparison is read two blocks later, behind a store that may fault',
    code: '31c0488b0f483b4f08488d7f104989c849f7d0eb01cc48ffce4c8947f848d1d04885f675ddc3',
    args: [DATA, 40, 0],
    data: words,
  },
  follow: {
    source:
      'double follow(const double *x, unsigned long n) { for (i = 0; i < n; i++) s = (s + x[i]) * 0.5; return s; }',
    code:
      '4885f6742bf20f100d2b000000488d04f7660fefc00f1f00f20f58074883c708f20f59c14839c775' +
      'efc3660f1f440000660fefc0c3000000000000000000e03f',
    args: [DATA, 60, 0],
    data: bytesOf(Float64Array.from({ length: 100 }, (_, i) => i / 7 - 3)),
  },
  'time-stamps': {
    source: 'a loop that adds up what rdtsc says: an instruction that tier 0 executes',
    code: '31c90f314801c148ffce75f64889c8c3',
    args: [0, 40, 0],
    data: words,
  },
  weave: {
    source:
      'void weave(unsigned *y, const unsigned *x, unsigned long n) { y[i] += x[i] << 3 ^ 5; }, four at a time (-O3)',
    code:
      '4889d04889f94883e0f84883fa070f869c0000004885c0ba01000000660f6f0d9c000000480f45d0' +
      '31c04889d748c1ef0248c1e7040f1f00f30f6f0406f30f6f1401660f72f003660fefc1660ffec20f' +
      '1104014883c0104839c775dc4889d04883e0fcf6c20174484829c24883fa017432f30f7e0486488d' +
      '3c81f30f7e0d3e000000660f72f003660fefc1f30f7e0f660ffec1660fd607f6c20174144883e2fe' +
      '4801d08b14868d14d505000000011481c30000000000000000000000000000000500000005000000' +
      '0500000005000000',
    args: [DATA, DATA + 512, 64],
    data: words,
  },
};

/** mov rdi, r12; mov rsi, r13; mov rdx, r14; call CODE; dec ebp; jnz; syscall */
const CALLER = 0x800;
const caller = [0x4c, 0x89, 0xe7, 0x4c, 0x89, 0xee, 0x4c, 0x89, 0xf2, 0xe8, 0xf2, 0xf7, 0xff, 0xff, 0xff, 0xcd];
caller.push(0x75, 0xee, ...SYSCALL);

interface Ran {
  /** The last version of every region of the function, by root. */
  regions: Map<number, TranslatedRegion>;
  state: unknown;
  translated: number;
}

/** Calls a function until it is hot, and on to the end. @param shift frames taken before */
function run({ code, args, data }: Sample, translator: typeof EAGER | null, shift = 0): Ran {
  const guest = new Guest({ translator });
  for (let i = 0; i < shift; i++) guest.memory.allocFrame();
  const bytes = [...Buffer.from(code, 'hex')];
  guest.write(CODE, bytes);
  guest.write(CODE + CALLER, caller);
  guest.write(DATA, [...data]);
  const regions = new Map<number, TranslatedRegion>();
  guest.cpu.watcher = (region) => {
    if (region.root < CODE + bytes.length) regions.set(region.root, { ...region, code: region.code.slice() });
  };
  guest.cpu.rip = CODE + CALLER;
  guest.cpu.setReg(RBP, CALLS);
  for (const [i, arg] of args.entries()) guest.cpu.setReg(12 + i, arg);
  let reason = 0;
  for (let i = 0; i < 1000 && reason !== EXIT_SYSCALL; i++) reason = guest.cpu.run(SLICE);
  assert.is(reason, EXIT_SYSCALL, 'the caller did not come to its end');
  const memory = Buffer.from(data.map((_, i) => guest.byte(DATA + i))).toString('hex');
  const xmm0 = Buffer.from(guest.memory.u8.slice(XMM, XMM + 16)).toString('hex');
  const registers = [guest.cpu.regLo(RAX), guest.cpu.regHi(RAX), guest.cpu.rflags];
  return { regions, state: { registers, xmm0, memory }, translated: guest.cpu.stats().translated };
}

function textOf({ root, code, marks, locals, functions }: TranslatedRegion, bytes: Uint8Array): string[] {
  const disassembler = new Disassembler();
  const places = [...new Set(marks.map(({ address }) => address))].sort((a, b) => a - b);
  const instructions = places
    .filter((address) => address >= CODE && address < CODE + bytes.length)
    .map((address) => disassembler.instruction(bytes, address - CODE, bytes.length, BigInt(address)))
    .map((instruction) => ({ ...instruction, ir: [] }));
  const breaks = marks.map(({ offset }) => offset);
  const lines = codeText(code, { breaks, locals, functions, addressName: stateName });
  // The column of the intermediate form is empty.
  const rows = sideBySide(instructions, lines, marks).map((row) => row.replace(/│ +│/, '│'));
  // The number of a handler is another whenever the instruction table grows.
  const text = rows.map((row, i) => (rows[i + 1]?.endsWith('call $step') ? row.replace(/\d+\)$/, '<handler>)') : row));
  return [`region at 0x${root.toString(16)}`, ...text, ''];
}

function translate(sample: Sample, shift: number): string[] {
  const bytes = Buffer.from(sample.code, 'hex');
  const roots = [...run(sample, EAGER, shift).regions].sort(([a], [b]) => a - b);
  assert.ok(roots.length > 0, 'no region');
  return roots.flatMap(([, region]) => textOf(region, bytes));
}

const NUMBER = /-?\b(?:0x[0-9a-f]+|\d+)\b/g;

/** Numbers that differ between two texts become <place>; anything else that does is an error. */
function mask(one: readonly string[], other: readonly string[]): string {
  assert.is(one.length, other.length, 'the two machines have code of different length');
  return one
    .map((line, i) => {
      if (line === other[i]) return line.trimEnd();
      const numbers = other[i]!.match(NUMBER) ?? [];
      let n = 0;
      const masked = line.replace(NUMBER, (number) => (number === numbers[n++] ? number : '<place>'));
      let m = 0;
      const mine = line.match(NUMBER) ?? [];
      const theirs = other[i]!.replace(NUMBER, (number) => (number === mine[m++] ? number : '<place>'));
      assert.is(theirs, masked, 'the two machines have different code');
      return masked.trimEnd();
    })
    .join('\n');
}

for (const [name, sample] of Object.entries(SAMPLES)) {
  test(`${name}: the same result in both tiers`, () => {
    const translated = run(sample, EAGER);
    assert.ok(translated.translated > 0 && translated.regions.size > 0, 'nothing was translated');
    assert.equal(translated.state, run(sample, null).state);
  });

  test(`${name}: the code that is emitted is as it was (BANOS_GOLDEN=write after a change that is wanted)`, () => {
    const text = `${sample.source}\n\n${mask(translate(sample, 0), translate(sample, SHIFT))}`;
    const file = join(DIRECTORY, `${name}.txt`);
    if (WRITE) {
      mkdirSync(DIRECTORY, { recursive: true });
      writeFileSync(file, text);
    } else assert.fixture(text, readFileSync(file, 'utf8'));
  });
}

test.run();
