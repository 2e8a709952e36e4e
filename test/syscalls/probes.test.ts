/**
 * C probes of the file calls, compiled statically, run by the host's kernel and in Banos in an empty directory on a
 * tmpfs: every line must agree. A probe prints only what does not depend on numbers of processes, addresses or clocks.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { boot } from '../../kernel-core/index.js';
import { collect } from '../support/guest.js';

/** The host's tmpfs, which answers as ours should. */
const HOST_TMPFS = '/dev/shm';

const sources = join(import.meta.dirname, 'probes');
const probes = readdirSync(sources).filter((name) => name.endsWith('.c'));
const isNative = process.platform === 'linux' && process.arch === 'x64' && process.getuid?.() === 0;
const hasCompiler = spawnSync('gcc', ['--version']).status === 0;

if (!isNative || !hasCompiler || !existsSync(HOST_TMPFS)) {
  console.log(`SKIP ${probes.length} probes of file calls: they need gcc, ${HOST_TMPFS} and the superuser on Linux x86-64`);
} else {
  const programs = mkdtempSync(join(tmpdir(), 'banos-file-probes-'));
  test.after(() => rmSync(programs, { recursive: true, force: true }));
  for (const file of probes) {
    const name = basename(file, '.c');
    test(`${name}: the same lines as on the host`, async () => {
      const program = join(programs, name);
      const compiled = spawnSync('gcc', ['-O1', '-static', '-w', '-pthread', '-o', program, join(sources, file)]);
      assert.is(compiled.status, 0, String(compiled.stderr));
      const work = mkdtempSync(join(HOST_TMPFS, 'banos-probe-'));
      const native = spawnSync(program, [work], { cwd: '/', env: {}, encoding: 'utf8' });
      rmSync(work, { recursive: true, force: true });
      const kernel = await boot({ mounts: [{ host: programs, guest: '/probes', readOnly: true }] });
      const guest = await collect(kernel.spawn([`/probes/${name}`, HOST_TMPFS], { env: {} }));
      assert.is(guest.stdout, native.stdout);
      assert.equal([guest.code, guest.signal], [native.status, native.signal]);
      kernel.assertIdle();
      await kernel.shutdown();
    });
  }
}

test.run();
