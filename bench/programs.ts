/** Rows of real programs on real input: Debian's Lua and sqlite, dynamically linked, and busybox. Whole runs, start to end. */
import { copyFileSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Bench, compare } from './bench.js';

const PROGRAMS = join(import.meta.dirname, 'programs');
const SCRIPT = /\.(lua|sql|awk|bc)$/;

/** Debian's programs, and what to say when one is not there. */
const DEBIAN = ['lua5.4', 'luajit', 'sqlite3'];

/** A 31-bit linear congruential generator: the same input in every run. */
function makeText(lines: number): string {
  let seed = 1;
  const next = (limit: number): number => {
    seed = (seed * 48271) % 2147483647;
    return seed % limit;
  };
  const letters = 'etaoinshrdlcumwfgypbvkjxqz';
  // Frequent letters come first and are drawn more often, as in prose; so are words below.
  const letter = (): string => letters[Math.min(next(26), next(26))];
  const vocabulary = Array.from({ length: 3000 }, () => Array.from({ length: 2 + next(9) }, letter).join(''));
  const word = (): string => vocabulary[Math.min(next(3000), next(3000), next(3000))];
  const line = (number: number): string =>
    `${number} ${next(1000000)} ${Array.from({ length: 4 + next(9) }, word).join(' ')}`;
  return `${Array.from({ length: lines }, (_, number) => line(number)).join('\n')}\n`;
}

interface Program {
  name: string;
  what: string;
  /** The first word names a file of the bench's folder. */
  argv: readonly string[];
}

const PROGRAM_ROWS: readonly Program[] = [
  { name: 'lua tables', what: "Debian's lua5.4: tables, closures, sorting", argv: ['lua5.4', '/tables.lua'] },
  {
    name: 'lua strings',
    what: "Debian's lua5.4: patterns, concatenation",
    argv: ['lua5.4', '/strings.lua', '/small.txt'],
  },
  { name: 'luajit tables', what: "Debian's luajit: a guest that makes code", argv: ['luajit', '/tables.lua'] },
  {
    name: 'sqlite',
    what: "Debian's sqlite3: insert, index, join, group",
    argv: ['sqlite3', ':memory:', '.read /queries.sql'],
  },
  {
    name: 'awk',
    what: 'busybox awk: fields, counts, patterns',
    argv: ['busybox', 'awk', '-f', '/words.awk', '/small.txt'],
  },
  { name: 'sort', what: 'busybox sort by a numeric column', argv: ['busybox', 'sort', '-k2,2n', '/small.txt'] },
  {
    name: 'grep',
    what: 'busybox grep, regular expression',
    argv: ['busybox', 'grep', '-c', 'e[a-z]*t [a-m]*s', '/text.txt'],
  },
  { name: 'gzip', what: 'busybox gzip of 4 MB of text', argv: ['busybox', 'gzip', '-c', '/text.txt'] },
  { name: 'gunzip', what: 'busybox gunzip of the same', argv: ['busybox', 'gunzip', '-c', '/text.gz'] },
  { name: 'sha256sum', what: 'busybox sha256sum of the same', argv: ['busybox', 'sha256sum', '/text.txt'] },
  { name: 'bc', what: 'busybox bc: digits of pi, a factorial', argv: ['busybox', 'bc', '/pi.bc'] },
];

/** A warm run is measured that often, also in a quick bench. */
const LEAST_REPEATS = 3;

const LINES = 70_000;
const SMALL_LINES = 6_000;

export async function preparePrograms(bench: Bench): Promise<void> {
  const { folder } = bench;
  for (const name of readdirSync(PROGRAMS)) {
    if (SCRIPT.test(name)) copyFileSync(join(PROGRAMS, name), join(folder, name));
  }
  for (const name of DEBIAN) if (existsSync(`/usr/bin/${name}`)) copyFileSync(`/usr/bin/${name}`, join(folder, name));
  writeFileSync(join(folder, 'text.txt'), makeText(LINES));
  writeFileSync(join(folder, 'small.txt'), makeText(SMALL_LINES));
  const { gzipSync } = await import('node:zlib');
  writeFileSync(join(folder, 'text.gz'), gzipSync(makeText(LINES)));
}

export async function measurePrograms(bench: Bench): Promise<void> {
  const { folder } = bench;
  const rows = PROGRAM_ROWS.filter(({ name }) => bench.wanted({ group: 'programs', name }));
  if (rows.length > 0) await preparePrograms(bench);
  for (const { name, what, argv } of rows) {
    const [program, ...args] = argv;
    if (!existsSync(join(folder, program))) {
      bench.results.missing.push(`${name}: ${program} is not installed`);
      continue;
    }
    // Arguments that begin with a slash, also behind a dot command, are files of the folder.
    const words = [join(folder, program), ...args.map((word) => word.replace(/^(\.read )?\//, `$1${folder}/`))];
    const head = { group: 'programs', name, what, unit: 'ms' } as const;
    await compare(
      bench,
      head,
      async (engine) => {
        const { output, ms } = await engine.run(words);
        return { value: ms, check: output.replaceAll(folder, '') };
      },
      { warmUp: 'runs', repeats: Math.max(bench.repeats, LEAST_REPEATS) },
    );
  }
}
