/**
 * Deep recursion in translated code: calls nest in the host's stack as far as that is bounded, then everything unwinds; the
 * frames that were unwound return later, each to where its call was.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { bootWith, canRunNatively, MODES, Probes, runNative } from './support.js';

/** 20000 calls deep, 600 times: far more than the host's stack has room for. */
const DEPTH = 20_000;
const ROUNDS = 600;
const SOURCE = `
  #include <stdio.h>
  __attribute__((noinline)) static unsigned deep(unsigned n, unsigned x) {
    if (n == 0) return x;
    unsigned y = deep(n - 1, x * 1664525 + n);
    return y ^ (y >> 3) ^ n;
  }
  int main(void) {
    unsigned sum = 0;
    for (unsigned i = 0; i < ${ROUNDS}; i++) sum = deep(${DEPTH}, sum + i);
    printf("%u\\n", sum);
    return 0;
  }
`;

if (canRunNatively('deep recursion')) {
  const probes = new Probes();
  test.after(() => probes.dispose());
  const source = join(probes.directory, 'deep.c');
  writeFileSync(source, SOURCE);
  const program = probes.build('deep', [source]);
  for (const [mode, translator] of MODES) {
    test(`${mode}: frames that were unwound return as on the host, and mostly inside of regions`, async () => {
      const kernel = await bootWith(translator, {
        seed: 1,
        mounts: [{ host: probes.directory, guest: '/probes', readOnly: true }],
      });
      try {
        const child = kernel.spawn(['/probes/deep']);
        let output = '';
        child.stdout!.on('data', (bytes) => {
          output += String(bytes);
        });
        assert.is((await child.exit).code, 0);
        assert.is(output, runNative(program).stdout);
        const { instructions, interpreted, translator: done } = kernel.cpuStats();
        if (!done) return;
        // At first returns to unwound frames were tier 0's for good, and later each of them left its region.
        assert.ok(interpreted < instructions / 10, `${interpreted} of ${instructions} instructions in tier 0`);
        const { left } = done.returns;
        assert.ok(left < (DEPTH * ROUNDS) / 20, `regions were left ${left} times by ${DEPTH * ROUNDS} calls`);
      } finally {
        await kernel.shutdown();
      }
    });
  }
}

test.run();
