/**
 * A slice ends at the same instruction whether code is translated or not. What a region calls uses up its slice: behind the
 * call there may be less left than the region's own code can execute.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Cpu } from '../../cpu/index.js';
import { bootWith, canRunNatively, MODES, Probes, type TranslatorOption } from './support.js';

/** A function with many short branches, too large to be inlined, and code of the same kind behind its call. */
const steps = (count: number): string =>
  Array.from(
    { length: count },
    (_, i) => `x ^= x << ${1 + (i % 13)}; x += ${i * 7 + 3}; if (x & ${2 ** (i % 20)}) __asm__ volatile("nop");`,
  ).join('\n');
const SOURCE = `
  #define FAR __attribute__((noinline, noclone))
  static FAR unsigned callee(unsigned x, unsigned n) { while (n--) { ${steps(20)} } return x; }
  static FAR unsigned caller(unsigned x, unsigned n) { while (n--) { x = callee(x, 8); ${steps(60)} } return x; }
  int main(void) { return caller(1, 10000) & 1; }
`;

/** Budget, reason of the end and instructions of every slice of `count` processes at a time. */
async function slices(
  translator: TranslatorOption,
  directory: string,
  count = 1,
  program = 'slices',
): Promise<string[]> {
  const log: string[] = [];
  const { run } = Cpu.prototype;
  Cpu.prototype.run = function (budget) {
    const reason = run.call(this, budget);
    log.push(`${budget} ${reason} ${this.retired}`);
    return reason;
  };
  const kernel = await bootWith(translator, {
    seed: 1,
    mounts: [{ host: directory, guest: '/probes', readOnly: true }],
  });
  try {
    await Promise.all(Array.from({ length: count }, () => kernel.spawn([`/probes/${program}`]).exit));
    const { translator: done } = kernel.cpuStats();
    if (translator !== false && program === 'slices')
      assert.ok((done?.instructions ?? 0) > 5_000_000, 'hot code was translated');
  } finally {
    Cpu.prototype.run = run;
    await kernel.shutdown();
  }
  return log;
}

if (canRunNatively('ends of slices')) {
  const probes = new Probes();
  test.after(() => probes.dispose());
  const source = join(probes.directory, 'slices.c');
  writeFileSync(source, SOURCE);
  probes.build('slices', [source]);
  let expected: string[];
  for (const [mode, translator] of MODES) {
    test(`${mode}: slices end at the same instruction behind calls of other regions`, async () => {
      const log = await slices(translator, probes.directory);
      expected ??= log;
      assert.equal(log, expected);
    });
  }

  test('a task that is alone runs to the end of the turn, and gives way to others ten times in one', async () => {
    const longest = (log: readonly string[]): number => Math.max(...log.map((slice) => Number(slice.split(' ')[2])));
    const alone = longest(await slices(MODES[0]![1], probes.directory));
    assert.ok(alone > 900_000, `${alone} instructions`);
    const log = await slices(MODES[0]![1], probes.directory, 2);
    const together = longest(log.slice(0, log.length / 2));
    assert.ok(together <= 101_000, `${together} instructions`);
  });

  test('system calls leave the processor at the end of a turn, not after a tenth of it', async () => {
    const calls = join(probes.directory, 'calls.c');
    writeFileSync(
      calls,
      '#include <sys/syscall.h>\n#include <unistd.h>\n' +
        'int main(void) { for (int i = 0; i < 100000; i++) syscall(SYS_getpid); }',
    );
    probes.build('calls', [calls]);
    const runs = (await slices(false, probes.directory, 1, 'calls')).length;
    // A call counts as a hundred instructions, and a turn is a million.
    assert.ok(runs < 200, `${runs} runs for 100000 calls`);
  });
}

test.run();
