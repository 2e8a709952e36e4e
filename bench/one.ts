/**
 * For work on the engine: one compute kernel in Banos only, in this process, so that Node's own tools see it.
 *
 *   npx tsx bench/one.ts NAME [--profile] [--library musl] [--no-translator]
 *   npx tsx bench/one.ts --list
 *
 * Prints best and median time of a round, and how often native time that is. --profile writes NAME.cpuprofile into the
 * working directory (for a browser's developer tools) and prints the functions that took longest.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { type BootOptions, boot } from '../kernel-core/index.js';
import { compileKernels, type Library } from './compile.js';
import { runGuest } from './guest.js';

interface Options {
  list?: true;
  profile?: true;
  library: Library;
  translator: boolean;
  warmup: string;
  time: string;
}

/** Self time by function: the sampler's hits, summed over where a function was called from. */
function heaviest(profile: {
  nodes: { hitCount?: number; callFrame: { functionName: string; url: string; lineNumber: number } }[];
}): string[] {
  const hits = new Map<string, number>();
  let all = 0;
  for (const { hitCount = 0, callFrame } of profile.nodes) {
    const { functionName, url, lineNumber } = callFrame;
    const name = `${functionName || '(anonymous)'} ${url.replace(/^.*\/(?=[^/]+\/[^/]+$)/, '')}:${lineNumber + 1}`;
    hits.set(name, (hits.get(name) ?? 0) + hitCount);
    all += hitCount;
  }
  const sorted = [...hits].sort((a, b) => b[1] - a[1]).slice(0, 25);
  return sorted
    .filter(([, count]) => count > 0)
    .map(([name, n]) => `${((100 * n) / all).toFixed(1).padStart(5)} %  ${name}`);
}

async function profiled<T>(name: string, work: () => Promise<T>): Promise<T> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: 500 });
  await session.post('Profiler.start');
  const result = await work();
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  writeFileSync(`${name}.cpuprofile`, JSON.stringify(profile));
  for (const line of heaviest(profile)) console.log(line);
  return result;
}

async function main(name: string | undefined, options: Options): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'banos-one-'));
  try {
    const file = compileKernels(options.library, folder);
    const program = join(folder, file);
    if (options.list || name === undefined) {
      process.stdout.write(execFileSync(program, ['--list'], { encoding: 'utf8' }));
      return;
    }
    const bootOptions = {
      mounts: [{ host: folder, guest: '/bench', readOnly: true }],
      ...(!options.translator && { translator: false }),
    } satisfies BootOptions & { translator?: boolean };
    const kernel = await boot(bootOptions);
    const work = () => runGuest(kernel, [`/bench/${file}`, name, options.warmup, options.time]);
    const { output } = await (options.profile ? profiled(name, work) : work());
    const guest = output.trim().split(' ');
    const native = execFileSync(program, [name, '200', '300'], { encoding: 'utf8' }).trim().split(' ');
    await kernel.shutdown();
    if (guest[3] !== native[3]) throw new Error(`checksum ${guest[3]}, natively ${native[3]}`);
    const [best, median] = [Number(guest[0]), Number(guest[1])];
    console.log(
      `${name}: best ${best} ns, median ${median} ns of ${guest[2]} rounds, ${(best / Number(native[0])).toFixed(2)} x native`,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

await new Command('one')
  .argument('[name]', 'kernel, see --list')
  .option('--list', 'name the kernels')
  .option('--profile', 'sample where the time goes')
  .option('--library <name>', 'C library: glibc or musl', 'glibc')
  .option('--no-translator', 'interpret only')
  .option('--warmup <ms>', 'time before the measurement', '400')
  .option('--time <ms>', 'time of the measurement', '1000')
  .action(main)
  .parseAsync();
