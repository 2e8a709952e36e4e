/**
 * C probes of sockets, compiled statically, run by the host's kernel and in Banos, each on a tmpfs of its own: every line
 * must agree, nothing may be left behind in the kernel, and no call may take locks against their order. A probe prints only what does not depend on numbers of
 * processes, addresses or clocks.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { boot } from '../../kernel-core/index.js';
import { checkLockOrder, endLockCheck } from '../../kernel-core/lock-order.js';
import { collect } from '../support/guest.js';

/** Exit status of a probe that may not mount. */
const CANNOT_MOUNT = 77;

const sources = join(import.meta.dirname, 'probes');
const probes = readdirSync(sources).filter((name) => name.endsWith('.c'));
const isNative = process.platform === 'linux' && process.arch === 'x64' && process.getuid?.() === 0;
const hasCompiler = spawnSync('gcc', ['--version']).status === 0;
const only = process.env['PROBE'];

if (!isNative || !hasCompiler) {
  console.log(`SKIP ${probes.length} probes of sockets: they need gcc and the superuser on Linux x86-64`);
} else {
  const programs = mkdtempSync(join(tmpdir(), 'banos-socket-probes-'));
  test.after(() => rmSync(programs, { recursive: true, force: true }));
  for (const file of probes) {
    const name = basename(file, '.c');
    if (only !== undefined && only !== name) continue;
    test(`${name}: the same lines as on the host`, async () => {
      const program = join(programs, name);
      const compiled = spawnSync('gcc', ['-O1', '-static', '-w', '-pthread', '-o', program, join(sources, file)]);
      assert.is(compiled.status, 0, String(compiled.stderr));
      const native = spawnSync(program, [programs], { cwd: '/', env: {}, encoding: 'latin1', timeout: 60_000 });
      if (native.status === CANNOT_MOUNT) {
        console.log(`SKIP probe ${name}: no mount namespace of its own on this host`);
        return;
      }
      const locks = checkLockOrder();
      const kernel = await boot({ mounts: [{ host: programs, guest: '/probes', readOnly: true }] });
      const guest = await collect(kernel.spawn([`/probes/${name}`, '/tmp'], { env: {} }));
      assert.is(guest.stdout, native.stdout);
      assert.equal([guest.code, guest.signal], [native.status, native.signal]);
      kernel.assertIdle();
      assert.equal([locks.violations, locks.held.size], [[], 0]);
      if (name === 'order') assert.ok(locks.taken > 0, 'some call had to wait for its turn');
      endLockCheck();
      await kernel.shutdown();
    });
  }
}

test.run();
