/** A process that never enters the kernel gives the processor up all the same, translated or not. */
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { collect } from '../support/guest.js';
import { bootWith, canRunNatively, MODES, Probes } from './support.js';

const SHAPES = ['empty', 'calls', 'recursion', 'indirect', 'strings', 'memory', 'vectors', 'c'] as const;
/** More than the host's timers need, far less than for ever: a bound against hangs, not a measurement. */
const PATIENCE = 60_000;

function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer!: NodeJS.Timeout;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not happen`)), PATIENCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

if (canRunNatively('pre-emption')) {
  const probes = new Probes();
  test.after(() => probes.dispose());
  probes.build('endless', [join(import.meta.dirname, 'preemption', 'endless.c')]);
  const mounts = [{ host: probes.directory, guest: '/probes', readOnly: true }];
  for (const [mode, translator] of MODES) {
    for (const shape of SHAPES) {
      test(`${mode}, ${shape}: two endless loops leave time for others, for the host, and for a deadline`, async () => {
        const kernel = await bootWith(translator, { mounts });
        try {
          const loops = [shape, shape].map((name) => kernel.spawn(['/probes/endless', name]));
          const ends = loops.map((loop) => collect(loop));
          // Several times, so that the loops are hot for the later ones.
          for (let k = 0; k < 5; k++) {
            const other = await within(collect(kernel.spawn(['sh', '-c', 'echo $((6 * 7))'])), 'another program');
            assert.is(other.stdout, '42\n');
            await within(new Promise((resolve) => setTimeout(resolve, 20)), 'a timer of the host');
          }
          const late = kernel.spawn(['timeout', '-s', 'KILL', '0.1', '/probes/endless', shape]);
          // busybox's timeout becomes the program itself.
          assert.is((await within(collect(late), 'a deadline')).signal, 'SIGKILL');
          for (const loop of loops) loop.kill('SIGTERM');
          for (const end of ends) assert.is((await within(end, 'the end of a loop')).signal, 'SIGTERM');
          kernel.assertIdle();
        } finally {
          await kernel.shutdown();
        }
      });
    }
  }
}

test.run();
