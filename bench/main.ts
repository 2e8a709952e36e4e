/**
 * `npm run bench`: the figures that Banos is judged by, each against Linux and qemu-user on the same machine in the same
 * run. Prints one table; a full run is kept in bench/results/. What cannot be measured here is named; what answers wrong
 * fails the bench. Rows come from kernels.ts, programs.ts, rates.ts, typescript.ts and start.ts.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, loadavg, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import type { Bench } from './bench.js';
import { writeDocs } from './docs.js';
import { BanosEngine, HostEngine } from './engines.js';
import { measureKernels } from './kernels.js';
import { measurePrograms } from './programs.js';
import { measureRates } from './rates.js';
import { type Results, table } from './report.js';
import { measureStart } from './start.js';
import { measureTypeScript } from './typescript.js';

const PROJECT = import.meta.dirname.replace(/([\\/]dist)?[\\/]bench$/, '');

interface Options {
  only?: string;
  quick?: true;
  node?: string;
  json?: string;
  docs?: true;
  from?: string;
  translator: boolean;
}

/** First line that a program prints, or null when it cannot run. */
function firstLine(file: string, args: readonly string[]): string | null {
  try {
    return execFileSync(file, args, { encoding: 'utf8', stdio: 'pipe', cwd: PROJECT }).split('\n')[0]!;
  } catch {
    return null;
  }
}

function describeCommit(): string {
  const commit = firstLine('git', ['rev-parse', '--short', 'HEAD']) ?? 'unknown';
  const changed = firstLine('git', ['status', '--porcelain', '--untracked-files=no']);
  return changed ? `${commit}+changes` : commit;
}

function newResults(nodes: readonly string[], { translator, quick }: Options): Results {
  const versions = nodes.map((node) => firstLine(node, ['--version']) ?? 'unknown');
  return {
    time: new Date().toISOString(),
    commit: describeCommit(),
    quick: quick === true,
    machine: {
      cpu: cpus()[0]?.model ?? 'unknown',
      cpus: cpus().length,
      kernel: release(),
      gcc: firstLine('gcc', ['--version']) ?? 'none',
      qemu: firstLine('qemu-x86_64', ['--version']) ?? 'none',
      load: Number(loadavg()[0]!.toFixed(2)),
    },
    engines: versions.map((version) => `Banos${translator ? '' : ' (interpreter)'}, Node ${version.replace(/^v/, '')}`),
    rows: [],
    missing: [],
    failures: [],
  };
}

/** Puts busybox into the folder, so that every engine finds it under the same path. */
function copyBusybox(folder: string): void {
  try {
    const { binaryPath } = createRequire(import.meta.url)('busybox-static') as { binaryPath: string };
    copyFileSync(binaryPath, join(folder, 'busybox'));
  } catch {
    // Rows that need it say so.
  }
}

function makeBench(folder: string, nodes: readonly string[], options: Options): Bench {
  const results = newResults(nodes, options);
  const pattern = options.only === undefined ? null : new RegExp(options.only, 'i');
  const libraries = existsSync('/usr/lib/x86_64-linux-gnu') && existsSync('/usr/lib64');
  const fresh = (index: number) =>
    new BanosEngine(results.engines[index]!, {
      node: nodes[index]!,
      folder,
      translator: options.translator,
      libraries,
    });
  const hasQemu = firstLine('qemu-x86_64', ['--version']) !== null;
  if (!hasQemu) results.missing.push('the qemu column: qemu-x86_64 (qemu-user) is not installed');
  return {
    folder,
    native: new HostEngine('native'),
    qemu: hasQemu ? new HostEngine('qemu', ['qemu-x86_64']) : null,
    banos: nodes.map((_, index) => fresh(index)),
    fresh,
    results,
    repeats: options.quick ? 1 : 2,
    quick: options.quick === true,
    wanted: ({ group, name, library }) => pattern === null || pattern.test(`${group} ${name} ${library ?? ''}`),
  };
}

async function measure(options: Options): Promise<Results> {
  const folder = mkdtempSync(join(tmpdir(), 'banos-bench-'));
  const nodes = [process.execPath, ...(options.node === undefined ? [] : [options.node])];
  const bench = makeBench(folder, nodes, options);
  try {
    copyBusybox(folder);
    await measureKernels(bench);
    for (const engine of bench.banos) engine.close();
    await measurePrograms(bench);
    await measureRates(bench);
    measureTypeScript(bench, nodes);
    await measureStart(bench, nodes);
  } finally {
    for (const engine of bench.banos) engine.close();
    rmSync(folder, { recursive: true });
  }
  return bench.results;
}

function save(results: Results, file: string): void {
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
}

function keep(results: Results): void {
  const folder = join(PROJECT, 'bench', 'results');
  mkdirSync(folder, { recursive: true });
  save(results, join(folder, `${results.time.slice(0, 16).replace(':', '')}-${results.commit}.json`));
}

async function main(options: Options): Promise<void> {
  const stored = options.from !== undefined;
  const results = stored ? (JSON.parse(readFileSync(options.from!, 'utf8')) as Results) : await measure(options);
  if (process.stderr.isTTY && !stored) process.stderr.write('\r\x1b[K');
  console.log(table(results));
  if (options.json !== undefined) save(results, options.json);
  if (!stored && options.only === undefined && !options.quick) keep(results);
  if (options.docs) writeDocs(results, join(PROJECT, 'docs'));
  if (results.failures.length > 0) process.exitCode = 1;
}

await new Command('bench')
  .description('Measures Banos against Linux and qemu-user on this machine.')
  .option('--only <pattern>', 'rows whose "group name library" matches the regular expression')
  .option('--quick', 'one short measurement per row')
  .option('--node <path>', 'measure with this Node binary too')
  .option('--no-translator', 'interpret only')
  .option('--json <file>', 'write the results there')
  .option('--docs', 'update docs/benchmarks.md and its plot')
  .option('--from <file>', 'measure nothing, take stored results')
  .action(main)
  .parseAsync();
