/**
 * rcpps, rsqrtps and their scalar forms: processors differ in their last bits, so that only the interpreter can say what
 * translated code has to give, and what is known of the first few values.
 */
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { canRunNatively, EAGER, Probes, runInside } from './support.js';

if (canRunNatively('approximations')) {
  const probes = new Probes();
  test.after(() => probes.dispose());
  test('approximations are the same interpreted and translated', async () => {
    const program = probes.build('approximations', [join(import.meta.dirname, 'approximations', 'approximations.c')]);
    const interpreted = await runInside(program, [], false);
    assert.is(interpreted.code, 0);
    assert.is(interpreted.stdout.split('\n').slice(0, 2).join('\n'), '2 -0.25 1 1\n2 0.25 1 1');
    for (const translator of [EAGER, undefined]) {
      const translated = await runInside(program, [], translator);
      assert.is(translated.stdout, interpreted.stdout);
    }
  });
}
test.run();
