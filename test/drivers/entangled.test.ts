/**
 * A driver whose operations lead back to it, in all ways at random, under programs that do the same: nothing of it throws, goes
 * round for ever, writes to freed memory or is left behind. Every run has a clock of its own, and is the same again for the
 * same seed. SEED in the environment: the first one; ENTANGLED: how many.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { bootWithPrograms, guestProgram, until } from './programs.js';
import { compileDriver, hasCompiler, initDriver, loadDriver } from './support.js';

const FIRST = Number(process.env['SEED'] ?? 1);
const ROUNDS = Number(process.env['ENTANGLED'] ?? 16);
const PROGRAMS = 3;
/** Instructions after which a driver that loops is ended. */
const PATIENCE = 2_000_000;
const source = (name: string): string => readFileSync(join(import.meta.dirname, name), 'utf8');

if (!hasCompiler) console.log('SKIP an entangled driver: it needs gcc on x86-64');
else {
  const image = compileDriver(source('entangled.c'));
  const program = guestProgram('entangled', source('entangled-user.c'));

  /** @returns what the driver was called, and how often it crashed */
  async function round(seed: number): Promise<readonly [calls: number, crashes: number]> {
    const kernel = await bootWithPrograms({ seed });
    const { inner } = kernel;
    const { drivers } = inner;
    const driver = loadDriver(inner, image, 'entangled');
    drivers.deadline = PATIENCE;
    drivers.space.writeI64(driver.at('state'), seed);
    drivers.space.writeI64(driver.at('crashes'), seed % 3 === 0 ? 1 : 0);
    assert.is(initDriver(inner, driver), 0);
    const children = Array.from({ length: PROGRAMS }, (_, i) => kernel.spawn([program, `${seed * PROGRAMS + i}`]));
    for (const { stdin, stdout, stderr } of children) {
      stdin!.end();
      stdout!.resume();
      stderr!.resume();
    }
    // Every fourth goes by force, in the middle of it all.
    const goesEarly = seed % 4 === 0;
    if (goesEarly) {
      const { count } = drivers.runner;
      await until(() => drivers.runner.count > count + 500);
      driver.owner.release();
    }
    for (const { exit } of children) await exit;
    // Those that they have forked.
    await kernel.killAll();
    const what = `SEED=${seed}`;
    if (!goesEarly) assert.is(driver.owner.holds, 0, what);
    const { crashes } = driver.owner;
    driver.owner.release();
    const { lines, devices, disciplines, timers, heap } = drivers;
    assert.equal([lines.size, devices.size, disciplines.users.size, timers.size, heap.blocks], [0, 0, 0, 0, 0], what);
    assert.equal(
      kernel.log().filter((line) => /kmalloc|overwritten/.test(line)),
      [],
      what,
    );
    kernel.assertIdle();
    const calls = drivers.runner.count;
    await kernel.shutdown();
    return [calls, crashes];
  }

  test(`${ROUNDS} entanglements harm nobody but the driver`, async () => {
    let calls = 0;
    let crashes = 0;
    for (let seed = FIRST; seed < FIRST + ROUNDS; seed++) {
      const [more, failed] = await round(seed);
      calls += more;
      crashes += failed;
    }
    assert.ok(calls > 1000 * ROUNDS, `${calls} calls`);
    assert.ok(crashes > 0 && crashes < 10 * ROUNDS, `${crashes} crashes`);
  });

  test('the same seed entangles in the same way', async () => {
    assert.equal(await round(6), await round(6));
  });
}

test.run();
