/**
 * C probes, compiled statically, run by the host's kernel and in Banos: every line and the exit status must agree.
 * A probe prints only what does not depend on numbers of processes, addresses or clocks.
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
const isNative = process.platform === 'linux' && process.arch === 'x64' && process.getuid?.() === 0;
const hasCompiler = spawnSync('gcc', ['--version']).status === 0;
const directory = mkdtempSync(join(tmpdir(), 'banos-probes-'));

test.after(() => rmSync(directory, { recursive: true, force: true }));

for (const file of readdirSync(sources).filter((name) => name.endsWith('.c'))) {
  const name = basename(file, '.c');
  if (!isNative || !hasCompiler) {
    console.log(`SKIP probe ${name}: needs gcc and the superuser on Linux x86-64`);
    continue;
  }
  test(`${name}: the same lines as on the host`, async () => {
    const program = join(directory, name);
    const compiled = spawnSync('gcc', ['-O1', '-static', '-w', '-pthread', '-o', program, join(sources, file)]);
    assert.is(compiled.status, 0, String(compiled.stderr));
    const native = spawnSync(program, [], { cwd: '/', env: {}, encoding: 'utf8' });
    const kernel = await boot({ mounts: [{ host: directory, guest: '/probes', readOnly: true }] });
    const guest = await collect(kernel.spawn([`/probes/${name}`], { env: {} }));
    assert.is(guest.stdout, native.stdout.replaceAll(program, `/probes/${name}`));
    assert.equal([guest.code, guest.signal], [native.status, native.signal]);
    kernel.assertIdle();
    await kernel.shutdown();
  });
}

test('a mount without programs leaves the kernel idle', async () => {
  const kernel = await boot();
  kernel.assertIdle();
  await kernel.shutdown();
});

test.run();
