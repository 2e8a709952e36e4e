/** Rows of the compute kernels: programs/main.c times each of them after a warm-up, in every engine, and checks the sums. */
import { join } from 'node:path';
import { type Bench, compare, type Sample } from './bench.js';
import { compileKernels, LIBRARIES, type Library, reason } from './compile.js';
import type { Engine } from './engines.js';

/** Warm-up and measurement in milliseconds: this machine needs less of both than a translator. */
const TIMES = { native: ['100', '300'], qemu: ['200', '300'], banos: ['400', '500'] } as const;
const QUICK = { native: ['50', '100'], qemu: ['50', '100'], banos: ['300', '150'] } as const;

/** In rounds too short for this table: start.ts uses it. */
const NOT_A_ROW = 'crc32-short';
const CHECKS = 'guard';

async function sample(engine: Engine, program: string, name: string, times: readonly string[]): Promise<Sample> {
  const { output } = await engine.run([program, name, ...times]);
  const match = /^(\d+) \d+ \d+ ([0-9a-f]{16})\n$/.exec(output);
  if (match === null) throw new Error(`unexpected output ${JSON.stringify(output)}`);
  return { value: Number(match[1]), check: match[2] };
}

async function measureLibrary(bench: Bench, library: Library): Promise<void> {
  let program: string;
  try {
    program = join(bench.folder, compileKernels(library, bench.folder));
  } catch (error) {
    bench.results.missing.push(`kernels with ${library}: ${reason(error)}`);
    return;
  }
  const table = bench.quick ? QUICK : TIMES;
  const times = (engine: Engine) =>
    engine === bench.native ? table.native : engine === bench.qemu ? table.qemu : table.banos;
  const { output } = await bench.native.run([program, '--list']);
  for (const line of output.trim().split('\n')) {
    const [name, what] = line.split('\t') as [string, string];
    const head = { group: name === CHECKS ? 'checks' : 'kernels', name, library, what, unit: 'ns' } as const;
    if (name === NOT_A_ROW || !bench.wanted(head)) continue;
    await compare(bench, head, (engine) => sample(engine, program, name, times(engine)));
  }
}

export async function measureKernels(bench: Bench): Promise<void> {
  for (const library of Object.keys(LIBRARIES) as Library[]) await measureLibrary(bench, library);
}
