/**
 * C probes (probes/*.c) whose every line must be what the host's processor and kernel make of them, interpreted and
 * translated: code that changes (smc), compilers at run time (jit), faults in hot loops (faults), signals (signals).
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { canRunNatively, MODES, Probes, runInside, runNative } from './support.js';

const sources = join(import.meta.dirname, 'probes');
const names = readdirSync(sources)
  .filter((name) => name.endsWith('.c'))
  .map((name) => name.slice(0, -2));

if (canRunNatively(`probes ${names.join(', ')}`)) {
  const probes = new Probes();
  test.after(() => probes.dispose());
  for (const name of names) {
    const program = probes.build(name, [join(sources, `${name}.c`)]);
    const native = runNative(program);
    test(`${name}: the host's run ends by itself`, () => assert.is(native.signal, null));
    for (const [mode, translator] of MODES) {
      test(`${name}, ${mode}: the same lines as on the host`, async () => {
        const guest = await runInside(program, [], translator);
        assert.is(guest.stdout, native.stdout);
        assert.equal([guest.code, guest.signal, guest.stderr], [native.code, native.signal, native.stderr]);
      });
    }
  }
}

test.run();
