/**
 * C probes of epoll and of the descriptors that stand for events, compiled statically, run by the host's kernel and in
 * Banos: every line and the exit status must agree. A probe prints only what does not depend on numbers of processes,
 * addresses or clocks.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { boot } from '../../kernel-core/index.js';
import { collect } from '../support/guest.js';

const sources = join(import.meta.dirname, 'probes');
const probes = readdirSync(sources).filter((name) => name.endsWith('.c'));
const isNative = process.platform === 'linux' && process.arch === 'x64' && process.getuid?.() === 0;
const hasCompiler = spawnSync('gcc', ['--version']).status === 0;

if (!isNative || !hasCompiler) {
  console.log(`SKIP ${probes.length} probes of epoll: they need gcc and the superuser on Linux x86-64`);
} else {
  const programs = mkdtempSync(join(tmpdir(), 'banos-epoll-probes-'));
  test.after(() => rmSync(programs, { recursive: true, force: true }));
  for (const file of probes) {
    const name = basename(file, '.c');
    test(`${name}: the same lines as on the host`, async () => {
      const program = join(programs, name);
      const compiled = spawnSync('gcc', ['-O1', '-static', '-w', '-pthread', '-o', program, join(sources, file)]);
      assert.is(compiled.status, 0, String(compiled.stderr));
      const work = mkdtempSync('/dev/shm/banos-epoll-');
      const native = spawnSync(program, [work], { cwd: '/', env: {}, encoding: 'utf8', timeout: 60_000 });
      rmSync(work, { recursive: true, force: true });
      const kernel = await boot({ mounts: [{ host: programs, guest: '/probes', readOnly: true }] });
      const guest = await collect(kernel.spawn([`/probes/${name}`, '/tmp'], { env: {} }));
      assert.is(guest.stdout, native.stdout);
      assert.equal([guest.code, guest.signal], [native.status, native.signal]);
      kernel.assertIdle();
      await kernel.shutdown();
    });
  }
}

test.run();
