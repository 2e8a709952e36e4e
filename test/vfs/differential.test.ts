/** The same calls on the real kernel's tmpfs and here: results and errnos must be the same, line by line. */
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeWorld } from './env.js';
import { callArbitrary } from './native/arbitrary.js';
import { Interpreter } from './native/interpreter.js';
import { type Call, NativeKernel } from './native/native.js';
import { SCRIPTS } from './native/scripts.js';

const native = NativeKernel.start();

function runHere(calls: readonly Call[]): string[] {
  const world = makeWorld();
  const interpreter = new Interpreter(world);
  const results = interpreter.run(calls);
  interpreter.end();
  world.end();
  return results;
}

/** Calls with results that differ, and what led there. */
function compare(oracle: NativeKernel, calls: readonly Call[]): void {
  const here = runHere(calls);
  const there = oracle.run(calls);
  for (let i = 0; i < calls.length; i++) {
    if (here[i] === there[i]) continue;
    const shown = calls
      .slice(0, i + 1)
      .map((call, at) => `${call.map((x) => String(x).slice(0, 60)).join(' ')} = ${there[at]}`);
    assert.is(here[i], there[i], `after\n  ${shown.join('\n  ')}\nhere: ${here[i]}`);
  }
}

if (typeof native === 'string') console.log(`SKIP vfs differential: ${native}`);
else {
  for (const [name, calls] of Object.entries(SCRIPTS)) test(name, () => compare(native, calls));

  test('random calls end alike', () => {
    const runs = Number(process.env.VFS_RUNS ?? 60);
    fc.assert(
      fc.property(fc.array(callArbitrary, { minLength: 5, maxLength: 60, size: 'max' }), (calls) =>
        compare(native, calls),
      ),
      { numRuns: runs },
    );
  });

  test.after(() => native.end());
}

test.run();
