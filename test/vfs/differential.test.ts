/**
 * The same calls on the real kernel's tmpfs and here: results and errnos must be the same, line by line.
 *
 * Where the real kernel cannot be asked, digests of what it answered stand in for the fixed scripts;
 * VFS_RECORD=1 writes them anew. VFS_RUNS sets the number of random scripts.
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeWorld } from './env.js';
import { mountScriptArbitrary, scriptArbitrary } from './native/arbitrary.js';
import { Interpreter } from './native/interpreter.js';
import { type Call, NativeKernel } from './native/native.js';
import { SCRIPTS } from './native/scripts.js';

const native = NativeKernel.start();
const recordedFile = join(import.meta.dirname, 'native', 'recorded.json');
const recorded: Record<string, string> = JSON.parse(readFileSync(recordedFile, 'utf8'));

const digest = (calls: readonly Call[], results: readonly string[]): string =>
  createHash('sha256')
    .update(JSON.stringify([calls, results]))
    .digest('hex')
    .slice(0, 32);

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

for (const [name, calls] of Object.entries(SCRIPTS)) {
  test(`${name}, as recorded`, () => assert.is(digest(calls, runHere(calls)), recorded[name]));
}

if (typeof native === 'string') console.log(`SKIP vfs differential: ${native}`);
else {
  if (process.env.VFS_RECORD === '1') {
    for (const [name, calls] of Object.entries(SCRIPTS)) recorded[name] = digest(calls, native.run(calls));
    writeFileSync(recordedFile, `${JSON.stringify(recorded, null, 2)}\n`);
  }
  for (const [name, calls] of Object.entries(SCRIPTS)) test(name, () => compare(native, calls));

  const numRuns = Number(process.env.VFS_RUNS ?? 60);
  // Always the same scripts, so that a run says something about the change; VFS_SEED makes others.
  const seed = Number(process.env.VFS_SEED ?? 1);
  test('random calls end alike', () => {
    fc.assert(
      fc.property(scriptArbitrary, (calls) => compare(native, calls)),
      { numRuns, seed },
    );
  });

  test('random calls with mounts end alike', () => {
    fc.assert(
      fc.property(mountScriptArbitrary, (calls) => compare(native, calls)),
      { numRuns, seed },
    );
  });

  test.after(() => native.end());
}

test.run();
