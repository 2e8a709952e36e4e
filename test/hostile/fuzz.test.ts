/** Every system call with random and hostile arguments: the kernel throws nothing, hangs nowhere, and keeps nothing. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { collect } from '../support/guest.js';
import { canCompile, framesOf, Probes, within, withKernel } from './support.js';

const MINUTES = 60_000;
/** Frames of decoded code and page caches that a run may add. */
const CACHE_FRAMES = 64;
/** One seed is enough for every build; more are for people who look for bugs. */
const SEEDS = (process.env['BANOS_FUZZ_SEEDS'] ?? '1').split(',');

if (canCompile('fuzzing of system calls')) {
  const probes = new Probes();
  test.after(() => probes.dispose());

  const fuzz = (name: string, args: string[]): void => {
    for (const seed of SEEDS) {
      test(`${name}, seed ${seed}`, async () => {
        probes.build('fuzz');
        const options = { seed: 1, memory: 64, taskLimit: 300, hostname: 'fuzzed' };
        await withKernel(probes, options, async (kernel) => {
          const run = (argv: string[]) =>
            within(4 * MINUTES, name, collect(kernel.spawn(argv, { env: { FUZZ_IN_BANOS: '1' } })));
          await run(['/probes/fuzz', '0', '1', '39']);
          const before = framesOf(kernel);
          const { stdout, code } = await run(['/probes/fuzz', seed, ...args]);
          assert.match(stdout, /^\d+ exited, \d+ killed\n$/);
          assert.is(code, 0);
          kernel.assertIdle();
          // Files that the children left behind are on the root file system; nothing of theirs is large.
          assert.ok(framesOf(kernel) <= before + CACHE_FRAMES, `${framesOf(kernel)} frames are used, ${before} were`);
        });
      });
    }
  };

  fuzz('each system call 60 times', ['60']);
  fuzz('mixed system calls', ['200', 'mix', '150']);
}

test.run();
