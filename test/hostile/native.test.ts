/** Hostile C probes whose every line must be what the host's kernel makes of it: wild jumps, wrong arguments, waits that end. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { collect } from '../support/guest.js';
import { hasCompiler, Probes, within, withKernel } from './support.js';

const sources = join(import.meta.dirname, 'probes', 'native');
const names = readdirSync(sources)
  .filter((name) => name.endsWith('.c'))
  .map((name) => basename(name, '.c'));

/** On a busy host a signal of a probe may come before the call it is meant for, which then waits for ever: tries again. */
function runNative(program: string) {
  for (let tries = 1; ; tries++) {
    const native = spawnSync(program, [], { cwd: '/', env: {}, encoding: 'utf8', timeout: 20_000 });
    if (native.error === undefined || tries === 4) return native;
  }
}

if (process.platform !== 'linux' || !hasCompiler || process.getuid?.() !== 0) {
  console.log(`SKIP hostile probes ${names.join(', ')}: they need gcc and the superuser on Linux x86-64`);
} else {
  const probes = new Probes();
  test.after(() => probes.dispose());
  for (const name of names) {
    test(`${name}: the same lines as on the host`, async () => {
      const program = probes.build(`native/${name}`, '-fno-builtin', '-fno-optimize-sibling-calls');
      const native = runNative(program);
      await withKernel(probes, { memory: 64 }, async (kernel) => {
        const run = collect(kernel.spawn([`/probes/native/${name}`], { env: {} }));
        const guest = await within(60_000, name, run);
        assert.is(guest.stdout, native.stdout);
        assert.equal([guest.code, guest.signal], [native.status, native.signal]);
      });
    });
  }
}

test.run();
