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

/** Budget, reason of the end and instructions of every slice. */
async function slices(translator: TranslatorOption, directory: string): Promise<string[]> {
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
    await kernel.spawn(['/probes/slices']).exit;
    const { translator: done } = kernel.cpuStats();
    if (translator !== false) assert.ok((done?.instructions ?? 0) > 5_000_000, 'hot code was translated');
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
}

test.run();
