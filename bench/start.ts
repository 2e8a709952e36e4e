/** Rows of beginnings and of memory: start to prompt, a shell loop, spawning, time to full speed, resident memory. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { addRow, type Bench, compare, failed, progress } from './bench.js';
import { compileKernels, reason } from './compile.js';
import type { BanosEngine, Engine } from './engines.js';
import { repeat, runHost, timed, timeToPeak } from './measure.js';
import type { Row } from './report.js';
import { measureTier0 } from './tier0.js';

const PROJECT = import.meta.dirname.replace(/([\\/]dist)?[\\/]bench$/, '');
const MAIN = join(PROJECT, 'dist', 'bundle', 'cli.js');
/** So short a run is measured that often. */
const LOOP_REPEATS = 10;
const LOOP = 'i=0; while [ $i -lt 1000 ]; do i=$((i+1)); done';
const require = createRequire(import.meta.url);

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

type Measure = (engine: BanosEngine, index: number) => Promise<number>;

/** A row that only Banos has, or whose native figure is known already. */
async function banosRow(bench: Bench, head: Omit<Row, 'banos' | 'qemu'>, measure: Measure): Promise<void> {
  progress(`${head.group}: ${head.name}`);
  const banos: (number | null)[] = [];
  for (const [index, engine] of bench.banos.entries()) {
    try {
      banos.push(await measure(engine, index));
    } catch (error) {
      failed(bench, head, engine.name, error);
      banos.push(null);
    }
  }
  addRow(bench, { ...head, qemu: null, banos });
}

async function promptRows(bench: Bench, busybox: string, nodes: readonly string[]): Promise<void> {
  if (!bench.wanted({ group: 'start', name: 'start to prompt' })) return;
  try {
    require.resolve('node-pty');
  } catch {
    bench.results.missing.push('start to prompt: node-pty is not installed');
    return;
  }
  if (!existsSync(MAIN)) {
    bench.results.missing.push('start to prompt: dist/ is not built');
    return;
  }
  const times = bench.quick ? 3 : 9;
  const bare: number[] = [];
  for (const node of nodes) bare.push(await repeat(times, () => timed(() => runHost(node, ['-e', '0']))));
  const native = await repeat(times, () => toPrompt(busybox, ['sh']));
  const prompts: number[] = [];
  for (const node of nodes) prompts.push(await repeat(times, () => toPrompt(node, [MAIN, 'shell'])));
  const row = (name: string, banos: number[], linux: number | null, goal?: string): void =>
    addRow(bench, { group: 'start', name, unit: 'ms', native: linux, qemu: null, banos, ...(goal && { goal }) });
  row("Node's own start-up", bare, null);
  row('start to prompt', prompts, native);
  row(
    "start to prompt, beyond Node's",
    prompts.map((ms, i) => ms - bare[i]),
    null,
  );
}

/** Best of the engine's own figures of one warm kernel: whole runs, milliseconds. */
async function shellRows(bench: Bench, busybox: string): Promise<void> {
  const loop = { group: 'start', name: 'shell loop, 1000 rounds, warm', unit: 'ms', goal: '< 10 ms' } as const;
  if (bench.wanted(loop)) {
    await compare(
      bench,
      loop,
      async (engine: Engine) => {
        const { output, ms } = await engine.run([busybox, 'sh', '-c', LOOP]);
        return { value: ms, check: output };
      },
      { warmUp: 'runs', repeats: Math.max(bench.repeats, LOOP_REPEATS) },
    );
  }
  const spawn = { group: 'start', name: 'busybox true through spawn', unit: 'ms', goal: '< 1 ms' } as const;
  if (!bench.wanted(spawn)) return;
  await banosRow(bench, { ...spawn, native: null }, async (engine) => {
    return (await engine.ask({ kind: 'spawn', argv: ['busybox', 'true'], rounds: bench.quick ? 50 : 300 })) as number;
  });
}

async function peakRow(bench: Bench): Promise<void> {
  const head = { group: 'start', name: 'time to 90 % of peak, CRC-32', unit: 'ms', goal: '<= 300 ms' } as const;
  if (!bench.wanted(head)) return;
  let program: string;
  try {
    program = join(bench.folder, compileKernels('glibc', bench.folder));
  } catch (error) {
    bench.results.missing.push(`${head.name}: ${reason(error)}`);
    return;
  }
  const run = async (engine: Engine) =>
    timeToPeak((await engine.run([program, '--trace', 'crc32-short', '1500'])).output);
  const native = await run(bench.native);
  await banosRow(bench, { ...head, native }, async (_, index) => {
    const times: number[] = [];
    for (let i = 0; i < Math.max(bench.repeats, 2); i++) {
      const engine = bench.fresh(index);
      try {
        times.push(await run(engine));
      } finally {
        engine.close();
      }
    }
    return Math.min(...times);
  });
}

const IDLE = 100;

async function memoryRows(bench: Bench): Promise<void> {
  const shell = { group: 'memory', name: 'resident, kernel with a shell', unit: 'MB', goal: '< 120 MB' } as const;
  const each = { group: 'memory', name: 'per further idle busybox', unit: 'kB', goal: '< 300 kB' } as const;
  if (!bench.wanted(shell) && !bench.wanted(each)) return;
  const growth: (number | null)[] = [];
  await banosRow(bench, { ...shell, native: null }, async (_, index) => {
    const engine = bench.fresh(index);
    try {
      growth[index] = null;
      await engine.ask({ kind: 'idle', argv: ['sh'], count: 1 });
      const base = (await engine.ask({ kind: 'memory' })) as number;
      await engine.ask({ kind: 'idle', argv: ['cat'], count: IDLE });
      growth[index] = (((await engine.ask({ kind: 'memory' })) as number) - base) / IDLE / 1e3;
      return base / 1e6;
    } finally {
      engine.close();
    }
  });
  addRow(bench, { ...each, native: null, qemu: null, banos: growth });
}

function tier0Rows(bench: Bench): void {
  if (!bench.wanted({ group: 'start', name: 'tier 0 speed' })) return;
  progress('tier 0');
  try {
    const { mips, ratio } = measureTier0();
    const banos = bench.banos.map((_, index) => (index === 0 ? mips : null));
    addRow(bench, {
      group: 'start',
      name: 'tier 0 speed',
      unit: 'MIPS',
      native: mips * ratio,
      qemu: null,
      banos,
      goal: '>= 150',
    });
  } catch (error) {
    bench.results.missing.push(`tier 0: ${reason(error)}`);
  }
}

export async function measureStart(bench: Bench, nodes: readonly string[]): Promise<void> {
  const busybox = join(bench.folder, 'busybox');
  if (existsSync(busybox)) {
    await promptRows(bench, busybox, nodes);
    await shellRows(bench, busybox);
    await memoryRows(bench);
  } else {
    bench.results.missing.push('start, shell and memory: busybox-static is not installed');
  }
  await peakRow(bench);
  tier0Rows(bench);
}
