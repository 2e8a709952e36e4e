/**
 * Proof that hot code is translated and runs so, that translated code goes when the code does, and that no depth of calls
 * gets the better of the host's stack. That what is translated is right is the business of the tests beside this one.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { CpuStatistics } from '../../kernel-core/index.js';
import { collect, type Outcome } from '../support/guest.js';
import { bootWith, canRunNatively, EAGER, Probes, runNative, type TranslatorOption } from './support.js';

interface Watched {
  outcome: Outcome;
  stats: CpuStatistics;
}

const SOURCES: Readonly<Record<string, string>> = {
  // A loop of tens of millions of instructions.
  hot: `#include <stdio.h>
    #include <stdlib.h>
    int main(int argc, char **argv) {
      unsigned n = atoi(argv[1]), s = 1;
      for (unsigned i = 0; i < n; i++) s = (s ^ i) * 2654435761u + (s >> 7);
      printf("%u\\n", s);
    }`,
  // Patches one loop again and again, and runs it each time for longer than a round of translation takes.
  patch: `#include <stdint.h>
    #include <stdio.h>
    #include <string.h>
    #include <sys/mman.h>
    static const uint8_t LOOP[] = {0x89, 0xf8, 0x05, 0, 0, 0, 0, 0x01, 0xc0, 0xff, 0xce, 0x75, 0xf5, 0xc3};
    int main(void) {
      uint8_t *code = mmap(0, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      memcpy(code, LOOP, sizeof LOOP);
      for (uint32_t k = 1; k <= 12; k++) {
        memcpy(code + 3, &k, 4);
        printf("%u\\n", ((uint32_t (*)(uint32_t, uint32_t))(void *)code)(k, 150000));
      }
    }`,
  // Recursion to a depth, three times: in a function alone, in two that call each other, through a pointer.
  deep: `#include <stdio.h>
    #include <stdlib.h>
    #define APART __attribute__((noinline, noclone))
    static APART unsigned one(unsigned n) { return n == 0 ? 7 : one(n - 1) * 3 + n; }
    static APART unsigned odd(unsigned n);
    static APART unsigned even(unsigned n) { return n == 0 ? 1 : odd(n - 1) * 5 + n; }
    static APART unsigned odd(unsigned n) { return n == 0 ? 2 : even(n - 1) * 7 + n; }
    static unsigned (*volatile again)(unsigned);
    static APART unsigned far(unsigned n) { return n == 0 ? 3 : again(n - 1) * 9 + n; }
    int main(int argc, char **argv) {
      unsigned n = atoi(argv[1]), s = 0;
      again = far;
      for (int i = 0; i < 5; i++) s = s * 31 + one(n + i) + even(n + i) + far(n + i);
      printf("%u\\n", s);
    }`,
  // Recursion without an end: the stack of the program is what runs out, as on the processor.
  endless: `#include <stdio.h>
    #include <stdlib.h>
    static __attribute__((noinline, noclone)) unsigned down(volatile unsigned n) { return down(n + 1) + n; }
    int main(void) { return down(0); }`,
};

if (canRunNatively('proof of translation')) {
  const probes = new Probes();
  test.after(() => probes.dispose());
  const programs = new Map<string, string>();
  for (const [name, source] of Object.entries(SOURCES)) {
    const file = join(probes.directory, `${name}.c`);
    writeFileSync(file, source);
    programs.set(name, probes.build(name, [file], '-Wno-infinite-recursion', '-fno-optimize-sibling-calls'));
  }

  /** Runs a program in a kernel of its own and looks at the kernel's counters behind it. */
  async function watch(translator: TranslatorOption, name: string, ...args: string[]): Promise<Watched> {
    const mounts = [{ host: probes.directory, guest: '/probes', readOnly: true }];
    const kernel = await bootWith(translator, { mounts });
    try {
      const outcome = await collect(kernel.spawn([`/probes/${name}`, ...args], { env: {} }));
      kernel.assertIdle();
      return { outcome, stats: kernel.cpuStats() };
    } finally {
      await kernel.shutdown();
    }
  }

  const native = (name: string, ...args: string[]): Outcome => runNative(programs.get(name)!, args);

  test('a hot loop is translated: nine instructions of ten run in regions', async () => {
    const { outcome, stats } = await watch(undefined, 'hot', '4000000');
    assert.equal(outcome, native('hot', '4000000'));
    const { instructions, interpreted, translator } = stats;
    assert.ok(translator !== undefined && translator.regions > 0, 'no regions');
    assert.ok(instructions > 4_000_000 * 5, `only ${instructions} instructions`);
    assert.ok(translator.instructions > 0.9 * instructions, `${translator.instructions} of ${instructions} translated`);
    assert.is(interpreted + translator.instructions, instructions);
  });

  test('a short program is not translated', async () => {
    const { outcome, stats } = await watch(undefined, 'hot', '10');
    assert.equal(outcome, native('hot', '10'));
    assert.is(stats.translator?.regions ?? 0, 0);
  });

  test('without the translator nothing is translated', async () => {
    const { outcome, stats } = await watch(false, 'hot', '500000');
    assert.equal(outcome, native('hot', '500000'));
    assert.is(stats.translator, undefined);
    assert.is(stats.interpreted, stats.instructions);
  });

  test('the same instructions are counted with and without the translator', async () => {
    const counts: number[] = [];
    for (const mode of [false, undefined, EAGER] as const) {
      counts.push((await watch(mode, 'hot', '700000')).stats.instructions);
    }
    assert.is(counts[1], counts[0]);
    assert.is(counts[2], counts[0]);
  });

  test('code that is patched loses its regions, and gets new ones', async () => {
    const { outcome, stats } = await watch(EAGER, 'patch');
    assert.equal(outcome, native('patch'));
    const { translator } = stats;
    assert.ok(translator !== undefined && translator.regions >= 3, `${translator?.regions} regions`);
    assert.ok(translator.dropped >= 2, `${translator.dropped} regions dropped of ${translator.regions}`);
  });

  for (const [mode, option] of [
    ['translator', undefined],
    ['eager translator', EAGER],
  ] as const) {
    test(`${mode}: calls 100,000 deep return`, async () => {
      const { outcome, stats } = await watch(option, 'deep', '100000');
      assert.equal(outcome, native('deep', '100000'));
      assert.ok(stats.translator !== undefined && stats.translator.regions > 0, 'no regions');
      const { instructions, translator } = stats;
      assert.ok(
        translator.instructions > 0.5 * instructions,
        `${translator.instructions} of ${instructions} translated`,
      );
    });

    test(`${mode}: recursion without an end dies of SIGSEGV as on the processor`, async () => {
      const { outcome, stats } = await watch(option, 'endless');
      assert.equal(outcome, native('endless'));
      assert.is(outcome.signal, 'SIGSEGV');
      assert.ok(stats.instructions > 0);
    });
  }
}

test.run();
