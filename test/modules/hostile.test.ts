/**
 * Damaged drivers: whatever is done with an object, loading it ends with a result, and what it took is given back. What can
 * still be linked runs, and does what it does.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { compileDriver, hasCompiler } from '../drivers/support.js';
import { seeded } from '../support/random.js';
import { driver, resources, withMachine } from './support.js';

const MUTANTS = 120;
/** Instructions after which a driver that loops is ended. */
const PATIENCE = 2_000_000;

if (!hasCompiler) console.log('SKIP damaged drivers: they need gcc on x86-64');
else {
  test('mutants of a driver neither stop the kernel nor leave anything behind', () => {
    const image = compileDriver(
      driver(
        'mutant',
        'static int count = 3; BANOS_PARAM(count, int, 0644); int get(void) { return count; } BANOS_EXPORT(get);',
        {
          init: 'char *block = banos_kmalloc(100); banos_printk("count %d", count); return block ? 0 : -12;',
        },
      ),
    );
    const random = seeded(12345);
    const below = (end: number): number => Math.floor(random() * end);
    const mutants: Record<string, Uint8Array> = { 'ok.o': compileDriver(driver('ok')) };
    for (let i = 0; i < MUTANTS; i++) {
      const bytes = image.slice();
      for (let n = 1 + below(4); n > 0; n--) {
        bytes[below(bytes.length)] = below(256);
      }
      mutants[`m${i}.o`] = i % 10 === 0 ? bytes.slice(0, below(bytes.length)) : bytes;
    }
    return withMachine(mutants, async ({ say, kernel }) => {
      await say('insmod /drivers/ok.o');
      const { drivers, modules } = kernel.inner;
      drivers.deadline = PATIENCE;
      const before = resources(kernel);
      const results = (
        await say('for mutant in /drivers/m*.o; do /drivers/call init $mutant; rmmod -f mutant 2>/dev/null; done')
      )
        .trim()
        .split('\n');
      assert.is(results.length, MUTANTS);
      // Some bytes matter to nobody, others to the linker.
      assert.ok(results.includes('0') && results.includes('ENOEXEC'), [...new Set(results)].join(' '));
      for (const result of results) assert.match(result, /^(0|E[A-Z0-9]+)$/);
      // A damaged name is one nevertheless.
      for (const { name } of modules.list()) if (name !== 'ok') await say(`rmmod -f ${name}`);
      assert.equal(resources(kernel), before);
      assert.is(await say('rmmod ok; insmod /drivers/ok.o; cut -d" " -f1 /proc/modules'), 'ok\n');
    });
  });
}

test.run();
