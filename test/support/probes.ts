/**
 * C probes: programs of a folder, compiled statically, run by the host's kernel and in Banos. Every line and the exit status
 * must agree, and nothing may be left behind in the kernel. A probe prints only what does not depend on numbers of
 * processes, addresses or clocks.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { boot } from '../../kernel-core/index.js';
import { collect } from './guest.js';

/** Exit status of a probe that cannot do on this host what it is about: mount, have core files where it looks for them. */
const CANNOT_RUN = 77;
const PATIENCE_MS = 60_000;

export interface ProbeOptions {
  /** What the probes are of, for the line that says that they are skipped. */
  area: string;
  /** Each run gets a directory of its own as its argument, made in this one of the host; no argument if not given. */
  within?: string;
  /** Called when a kernel is about to be booted. @returns what to check when it is idle */
  watch?: (name: string) => () => void;
}

/** A test for each C file of a folder. PROBE in the environment: for that one only. */
export function testProbes(folder: string, { area, within, watch }: ProbeOptions): void {
  const probes = readdirSync(folder).filter((name) => name.endsWith('.c'));
  const isNative = process.platform === 'linux' && process.arch === 'x64' && process.getuid?.() === 0;
  if (!isNative || spawnSync('gcc', ['--version']).status !== 0) {
    console.log(`SKIP ${probes.length} probes of ${area}: they need gcc and the superuser on Linux x86-64`);
    return;
  }
  const programs = mkdtempSync(join(tmpdir(), 'banos-probes-'));
  test.after(() => rmSync(programs, { recursive: true, force: true }));
  const only = process.env['PROBE'];
  for (const file of probes) {
    const name = basename(file, '.c');
    if (only !== undefined && only !== name) continue;
    test(`${name}: the same lines as on the host`, async () => {
      const program = join(programs, name);
      const compiled = spawnSync('gcc', ['-O1', '-static', '-w', '-pthread', '-o', program, join(folder, file)]);
      assert.is(compiled.status, 0, String(compiled.stderr));
      const work = within === undefined ? [] : [mkdtempSync(join(within, 'banos-probe-'))];
      const native = spawnSync(program, work, { cwd: '/', env: {}, encoding: 'latin1', timeout: PATIENCE_MS });
      for (const directory of work) rmSync(directory, { recursive: true, force: true });
      if (native.status === CANNOT_RUN) {
        console.log(`SKIP probe ${name}: not on this host: it may not mount, or core files go elsewhere`);
        return;
      }
      const check = watch?.(name);
      const kernel = await boot({ mounts: [{ host: programs, guest: '/probes', readOnly: true }] });
      const command = [`/probes/${name}`, ...work.map(() => '/tmp')];
      const guest = await collect(kernel.spawn(command, { env: {} }));
      assert.is(guest.stdout, native.stdout.replaceAll(program, `/probes/${name}`));
      assert.equal([guest.code, guest.signal], [native.status, native.signal]);
      kernel.assertIdle();
      check?.();
      await kernel.shutdown();
    });
  }
}
