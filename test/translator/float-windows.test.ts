/** Floating-point results that are checked together: whatever comes of the checks, it is what the processor does. */
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { canRunNatively, MODES, Probes, runInside, runNative } from './support.js';

if (canRunNatively('floating-point windows')) {
  const probes = new Probes();
  test.after(() => probes.dispose());
  const program = probes.build('float-windows', [join(import.meta.dirname, 'probes', 'float-windows.c')]);
  const native = runNative(program);
  for (const [mode, translator] of MODES) {
    test(`${mode}: runs with a result now and then that is not finite`, async () => {
      const guest = await runInside(program, [], translator);
      assert.is(guest.stdout, native.stdout);
      assert.is(guest.code, 0);
    });
  }
}
test.run();
