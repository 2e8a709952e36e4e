/** The loop of an interpreter becomes one region that is entered at many places (cpu/tier1/form.ts). */
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { bootWith, canRunNatively, EAGER, Probes, runNative } from './support.js';

const SOURCE = join(import.meta.dirname, 'probes', 'interpreter.c');

if (canRunNatively('doors')) {
  const probes = new Probes();
  test.after(() => probes.dispose());

  test("an interpreter's loop has doors, and is seldom left", async () => {
    const program = probes.build('interpreter', [SOURCE]);
    const native = runNative(program);
    const kernel = await bootWith(EAGER, { seed: 1, mounts: [{ host: probes.directory, guest: '/probes' }] });
    const run = async (): Promise<string> => {
      const child = kernel.spawn(['/probes/interpreter']);
      let output = '';
      child.stdout!.on('data', (bytes: Uint8Array) => {
        output += Buffer.from(bytes).toString('latin1');
      });
      child.stdin!.end();
      assert.is((await child.exit).code, 0);
      await child.closed;
      return output;
    };
    for (let i = 0; i < 6; i++) assert.is(await run(), native.stdout);
    const { translator: before, instructions: start } = kernel.cpuStats();
    assert.is(await run(), native.stdout);
    const { translator: after, instructions: end } = kernel.cpuStats();
    assert.ok(after!.doors >= 6, `${after!.doors} doors`);
    const entries = ({ left, step, interpreted, window, extent }: NonNullable<typeof after>['returns']): number =>
      left + step + interpreted + window + extent;
    const perEntry = (end - start) / (entries(after!.returns) - entries(before!.returns));
    assert.ok(perEntry > 500, `${perEntry} instructions between entries`);
    await kernel.shutdown();
  });
}

test.run();
