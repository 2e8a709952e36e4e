/**
 * `npm run bench`: the figures that Banos is judged by, each as a ratio to Linux on the same machine in the same run.
 * Prints one table and writes bench/results/<time>.json. Needs busybox-static, and gcc with a static C library for the
 * rows of compiled programs; what cannot be measured here is named instead.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { boot, type Kernel } from '../kernel-core/index.js';
import { repeat, runHost, timed } from './measure.js';
import { measureTier0 } from './tier0.js';

interface Row {
  name: string;
  unit: string;
  banos: number;
  /** The same natively; null where there is nothing to compare with. */
  native: number | null;
  /** What is wanted at this stage, where something was said. */
  goal?: string;
}

const SOURCE = import.meta.dirname;
const PROJECT = SOURCE.replace(/([\\/])dist[\\/]bench$/, '');
const MAIN = join(PROJECT, 'dist', 'bundle', 'cli.js');
const LOOP = 'i=0; while [ $i -lt 1000 ]; do i=$((i+1)); done';
const require = createRequire(import.meta.url);
const folder = mkdtempSync(join(tmpdir(), 'banos-bench-'));
const rows: Row[] = [];
const missing: string[] = [];

async function runGuest(kernel: Kernel, argv: readonly string[]): Promise<string> {
  const child = kernel.spawn(argv);
  let output = '';
  child.stdout!.on('data', (bytes: Uint8Array) => {
    output += Buffer.from(bytes).toString('latin1');
  });
  child.stderr!.resume();
  child.stdin!.end();
  const { code } = await child.exit;
  await child.closed;
  if (code !== 0) throw new Error(`${argv.join(' ')} in Banos: exit status ${code}`);
  return output;
}

/** Milliseconds until a shell on a terminal shows its prompt. */
function toPrompt(file: string, args: readonly string[]): Promise<number> {
  const pty = require('node-pty');
  return new Promise((resolve) => {
    const start = performance.now();
    const terminal = pty.spawn(file, args, { cols: 80, rows: 24 });
    let shown = '';
    const listener = terminal.onData((text: string) => {
      shown += text;
      if (!/[#$] /.test(shown)) return;
      listener.dispose();
      resolve(performance.now() - start);
      terminal.onExit(() => {});
      terminal.kill('SIGKILL');
    });
  });
}

async function startRows(busybox: string): Promise<void> {
  const node = await repeat(9, () => timed(() => runHost(process.execPath, ['-e', '0'])));
  rows.push({ name: "Node's own start-up", unit: 'ms', banos: node, native: null });
  rows.push({
    name: 'banos run busybox true, from the host',
    unit: 'ms',
    banos: await repeat(9, () => timed(() => runHost(process.execPath, [MAIN, 'run', 'busybox', 'true']))),
    native: await repeat(9, () => timed(() => runHost(busybox, ['true']))),
  });
  try {
    require.resolve('node-pty');
  } catch {
    missing.push('start to prompt: node-pty is not installed');
    return;
  }
  const prompt = await repeat(9, () => toPrompt(process.execPath, [MAIN, 'shell']));
  const native = await repeat(9, () => toPrompt(busybox, ['sh']));
  rows.push({ name: 'start to prompt', unit: 'ms', banos: prompt, native });
  rows.push({ name: "start to prompt, beyond Node's start-up", unit: 'ms', banos: prompt - node, native, goal: '150' });
}

async function shellRows(kernel: Kernel, busybox: string): Promise<void> {
  rows.push({
    name: 'shell loop of 1000 rounds',
    unit: 'ms',
    banos: await repeat(9, () => timed(() => runGuest(kernel, ['sh', '-c', LOOP]))),
    native: await repeat(9, () => timed(() => runHost(busybox, ['sh', '-c', LOOP]))),
    goal: '100',
  });
}

async function callRows(kernel: Kernel, busybox: string): Promise<void> {
  const program = join(folder, 'calls');
  try {
    execFileSync('gcc', ['-O2', '-static', '-o', program, join(SOURCE, 'calls.c')], { stdio: 'pipe' });
  } catch (error) {
    missing.push(`getpid, fork+wait, pipe: gcc -static: ${(error as Error).message.split('\n')[0]}`);
    return;
  }
  process.env['BANOS_BUSYBOX'] = busybox;
  for (const [what, name, nativeRounds, banosRounds] of [
    ['getpid', 'getpid', '1000000', '300000'],
    ['fork', 'fork+wait', '1000', '500'],
    ['exec', 'busybox true (fork+exec+wait)', '500', '200'],
    ['pipe', 'pipe round trip', '20000', '10000'],
  ] as const) {
    rows.push({
      name,
      unit: 'ns',
      banos: await repeat(5, async () => Number(await runGuest(kernel, ['/bench/calls', what, banosRounds]))),
      native: await repeat(5, async () => Number(await runHost(program, [what, nativeRounds]))),
    });
  }
}

function tier0Rows(): void {
  try {
    const { mips, ratio, nativeMs } = measureTier0();
    rows.push({ name: 'tier 0, sieve+crc+fib', unit: 'ms', banos: nativeMs * ratio, native: nativeMs });
    rows.push({ name: 'tier 0 speed', unit: 'MIPS', banos: mips, native: mips * ratio, goal: '>= 150' });
  } catch (error) {
    missing.push(`tier 0: ${(error as Error).message.split('\n')[0]}`);
  }
}

const figure = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2));

function print(): void {
  const cells = rows.map(({ name, unit, banos, native, goal = '' }) => [
    name,
    unit,
    figure(banos),
    native === null ? '' : figure(native),
    native === null || native === 0 ? '' : `${figure(banos / native)}x`,
    goal,
  ]);
  cells.unshift(['', 'unit', 'Banos', 'Linux', 'ratio', 'goal']);
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  for (const row of cells) {
    console.log(
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
        .join('  ')
        .trimEnd(),
    );
  }
  for (const line of missing) console.log(`not measured: ${line}`);
}

function save(): void {
  const results = join(PROJECT, 'bench', 'results');
  mkdirSync(results, { recursive: true });
  const time = new Date().toISOString();
  const machine = { cpu: cpus()[0]?.model, cpus: cpus().length, kernel: release(), node: process.version };
  const file = join(results, `${time.replace(/[:.]/g, '-')}.json`);
  writeFileSync(file, `${JSON.stringify({ time, machine, rows, missing }, null, 2)}\n`);
}

try {
  const busybox: string = require('busybox-static').binaryPath;
  await startRows(busybox);
  const kernel = await boot({ mounts: [{ host: folder, guest: '/bench', readOnly: true }] });
  await shellRows(kernel, busybox);
  await callRows(kernel, busybox);
  await kernel.shutdown();
  tier0Rows();
  print();
  save();
} finally {
  rmSync(folder, { recursive: true });
}
