/**
 * Translated code that is used again: by later processes, and by later runs through a directory (`codeCache` of boot).
 * Whatever happens to that directory, programs do the same.
 */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DirectoryStore } from '../../kernel-core/code-store.js';
import { NodeHost } from '../../kernel-core/host-node.js';
import { type BootOptions, boot, type CpuStatistics } from '../../kernel-core/index.js';
import { Random } from '../cpu/native/random.js';
import { collect, type Outcome } from '../support/guest.js';
import { generatePrograms } from './programs/generate.js';
import { canRunNatively, EAGER, Probes, runNative, type TranslatorOption } from './support.js';

/** As `MAX_BATCH`, `STEP` and `MAX_REGION` of cpu/tier1. */
const MAX_BATCH = 2000;
const STEP = 100;
const MAX_REGION = 500;
const PROGRAMS = 40;
const CALLS = 100;

const sources = join(import.meta.dirname, 'programs');
const scratch = mkdtempSync(join(tmpdir(), 'banos-code-cache-'));
test.after(() => rmSync(scratch, { recursive: true, force: true }));

let directories = 0;
const freshDirectory = (): string => join(scratch, `cache${directories++}`);

interface Run extends Outcome {
  stats: NonNullable<CpuStatistics['translator']>;
}

/** Runs commands, one after the other, in one kernel; the outcome is the last one's, the statistics are of all. */
async function run(
  mount: string,
  commands: readonly (readonly string[])[],
  codeCache: BootOptions['codeCache'],
  translator: TranslatorOption = EAGER,
): Promise<Run> {
  const kernel = await boot({
    mounts: [{ host: mount, guest: '/probes', readOnly: true }],
    codeCache,
    translator,
    seed: 1,
  });
  let outcome!: Outcome;
  for (const argv of commands) outcome = await collect(kernel.spawn(argv, { env: {} }));
  kernel.assertIdle();
  await kernel.shutdown();
  const { translator: stats } = kernel.cpuStats();
  return { ...outcome, stats: stats! };
}

const filesOf = (directory: string): string[] => readdirSync(directory).map((name) => join(directory, name));

if (canRunNatively('code cache')) {
  const probes = new Probes();
  test.after(() => probes.dispose());
  const work = probes.build('work', [join(import.meta.dirname, 'cache', 'work.c')], '-O2');
  const expected = runNative(work).stdout;
  const start = (codeCache: BootOptions['codeCache'], commands = [['/probes/work']]) =>
    run(probes.directory, commands, codeCache);
  /** A directory as a first run leaves it. */
  const filled = async (): Promise<{ directory: string; first: Run }> => {
    const directory = freshDirectory();
    const first = await start(directory);
    assert.is(first.stdout, expected);
    assert.is(first.stats.cache!.hits, 0);
    assert.ok(first.stats.cache!.stores > 0, 'something was kept');
    return { directory, first };
  };

  test('later processes of a program use what the first ones translated', async () => {
    // The first few still find code that one alone is too short for.
    const processes = (count: number): string[][] => new Array<string[]>(count).fill(['/probes/work']);
    const some = await start(undefined, processes(4));
    const more = await start(undefined, processes(8));
    assert.is(more.stdout, expected);
    const added = more.stats.regionInstructions - some.stats.regionInstructions;
    assert.ok(added < some.stats.regionInstructions / 2, `${added} more than ${some.stats.regionInstructions}`);
  });

  test('a second run takes code from the directory instead of translating', async () => {
    const directory = freshDirectory();
    // As it is by default: one that takes to everything at once finds more in every run.
    const first = await run(probes.directory, [['/probes/work']], directory, {});
    const second = await run(probes.directory, [['/probes/work']], directory, {});
    assert.is(second.stdout, expected);
    assert.is(second.stats.cache!.hits, first.stats.cache!.stores, 'all that was kept');
    assert.ok(second.stats.cache!.misses < first.stats.cache!.misses);
    assert.ok(second.stats.instructions > first.stats.instructions, 'it was in place earlier');
  });

  test('without the directory there are no figures of a cache', async () => {
    assert.is((await start(undefined)).stats.cache, undefined);
  });

  test('a changed program is another program', async () => {
    const { directory } = await filled();
    const other = mkdtempSync(join(scratch, 'other-'));
    const bytes = readFileSync(work);
    // The constant of mix().
    const at = bytes.indexOf(Buffer.from([0x2d, 0x35, 0xeb, 0x7f]));
    assert.ok(at > 0);
    bytes[at] = 0x2b;
    writeFileSync(join(other, 'work'), bytes, { mode: 0o755 });
    const native = runNative(join(other, 'work')).stdout;
    assert.is.not(native, expected);
    assert.is((await run(other, [['/probes/work']], directory)).stdout, native);
  });

  test('damaged files are ignored, and written anew', async () => {
    const { directory, first } = await filled();
    for (const file of filesOf(directory)) {
      const bytes = readFileSync(file);
      for (let at = 100; at < bytes.length; at += 1000) bytes[at]! ^= 0x10;
      writeFileSync(file, bytes);
    }
    const second = await start(directory);
    assert.is(second.stdout, expected);
    assert.is(second.stats.cache!.hits, 0);
    assert.is((await start(directory)).stats.cache!.hits, first.stats.cache!.stores);
  });

  test('truncated, empty and foreign files, and directories in the place of files, are ignored', async () => {
    const { directory } = await filled();
    for (const [i, file] of filesOf(directory).entries()) {
      if (i % 4 === 0) truncateSync(file, statSync(file).size >> 1);
      else if (i % 4 === 1) truncateSync(file, 0);
      else if (i % 4 === 2) writeFileSync(file, 'something else\n'.repeat(100));
      else {
        rmSync(file);
        mkdirSync(file);
      }
    }
    writeFileSync(join(directory, 'README'), 'not ours');
    assert.is((await start(directory)).stdout, expected);
    assert.is(readFileSync(join(directory, 'README'), 'latin1'), 'not ours', 'files of others stay');
  });

  test('a directory that cannot be used: one warning, and the program runs', async () => {
    const file = join(scratch, 'no-directory');
    writeFileSync(file, '');
    const warnings: string[] = [];
    const { stdout, stats } = await start({ directory: join(file, 'cache'), onWarning: (text) => warnings.push(text) });
    assert.is(stdout, expected);
    assert.is(stats.cache!.hits, 0);
    assert.is(warnings.length, 1, warnings.join('\n'));
    assert.match(warnings[0]!, 'cannot use the code cache');
  });

  test('code that a program makes while it runs is not kept', async () => {
    const functions = probes.build('functions', [join(import.meta.dirname, 'cache', 'functions.c')]);
    const directory = freshDirectory();
    const hasty = { ...(EAGER as object), firstRound: 5000 };
    for (const _ of [1, 2]) {
      const { stdout, stats } = await run(probes.directory, [['/probes/functions', '300']], directory, hasty);
      assert.is(stdout, runNative(functions, ['300']).stdout);
      const { misses, stores } = stats.cache!;
      assert.ok(misses > 10, `only ${misses} modules were made`);
      assert.ok(stores < misses / 2, `${stores} of ${misses} modules were kept`);
    }
  });

  test('several kernels with one directory at once', async () => {
    const directory = freshDirectory();
    const runs = await Promise.all([start(directory), start(directory), start(directory)]);
    for (const { stdout } of runs) assert.is(stdout, expected);
    const last = await start(directory);
    assert.is(last.stdout, expected);
    assert.ok(last.stats.cache!.hits > 0);
    assert.equal(
      readdirSync(directory).filter((name) => !/^[0-9a-f]{32}\.code$/.test(name)),
      [],
      'nothing unfinished is left',
    );
  });

  test('what is translated in one go is bounded', async () => {
    const { stats } = await start(undefined);
    assert.ok(stats.largestStep > 0 && stats.largestStep < STEP + MAX_REGION, `a step of ${stats.largestStep}`);
    assert.ok(stats.largestBatch > 0 && stats.largestBatch <= MAX_BATCH, `a batch of ${stats.largestBatch}`);
  });

  // The same numbers of records, flag sources and windows would prove little: another program runs before.
  const source = join(probes.directory, 'programs.s');
  writeFileSync(
    source,
    generatePrograms(PROGRAMS, (k) => new Random(Math.imul(k, 104729) + 5)),
  );
  const runner = probes.build('runner', [source, join(sources, 'enter.S'), join(sources, 'runner.c')]);
  const args = ['0', String(PROGRAMS), String(CALLS), '5'];

  test('generated programs do what the processor does in code of another run', async () => {
    const directory = freshDirectory();
    const native = runNative(runner, args).stdout;
    const command = ['/probes/runner', ...args];
    const cold = await run(probes.directory, [command], directory);
    assert.is(cold.stdout, native, 'the first run');
    const warm = await run(probes.directory, [['/probes/work'], command], directory);
    assert.ok(warm.stats.cache!.hits > cold.stats.cache!.stores / 2, `${warm.stats.cache!.hits} modules found`);
    assert.is(warm.stdout, native, 'with code of the first run');
    const again = await run(probes.directory, [command], directory);
    assert.is(again.stdout, native, 'with code of both');
  });
}

test('the directory stays within its limit: the oldest files go first', () => {
  const directory = freshDirectory();
  const store = new DirectoryStore(new NodeHost(), { directory, limit: 25_000 });
  const names = [...'abcdef'].map((letter) => letter.repeat(32));
  for (const [i, name] of names.entries()) {
    store.save(name, new Uint8Array(10_000));
    utimesSync(join(directory, `${name}.code`), 1000 + i, 1000 + i);
  }
  store.trim();
  assert.equal(readdirSync(directory).sort(), [`${names[4]}.code`, `${names[5]}.code`]);
  const reader = new DirectoryStore(new NodeHost(), { directory });
  assert.is(reader.load(names[0]!), undefined);
  assert.is(reader.load(names[5]!)!.length, 10_000);
});

test.run();
