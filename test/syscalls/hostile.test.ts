/** System calls with hostile arguments, see hostile/hostile.c: the kernel throws nothing, hangs nowhere, leaves nothing behind. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { boot } from '../../kernel-core/index.js';
import { collect } from '../support/guest.js';

const CHILDREN = 40;
const CALLS = 2000;

const canCompile =
  process.platform === 'linux' && process.arch === 'x64' && spawnSync('gcc', ['--version']).status === 0;

if (!canCompile) console.log('SKIP hostile system calls: needs gcc on Linux x86-64');
else {
  test(`${CHILDREN * CALLS} hostile system calls`, async () => {
    const programs = mkdtempSync(join(tmpdir(), 'banos-hostile-'));
    const source = join(import.meta.dirname, 'hostile', 'hostile.c');
    const compiled = spawnSync('gcc', ['-O1', '-static', '-w', '-o', join(programs, 'hostile'), source]);
    assert.is(compiled.status, 0, String(compiled.stderr));
    let lines = 0;
    const kernel = await boot({
      seed: 1,
      memory: 256,
      mounts: [{ host: programs, guest: '/programs', readOnly: true }],
      trace: () => lines++,
    });
    const child = kernel.spawn(['/programs/hostile', '/tmp', String(CHILDREN), String(CALLS)], { env: {} });
    const { stdout, code } = await collect(child);
    rmSync(programs, { recursive: true, force: true });
    assert.is(code, 0);
    const [, survivors] = stdout.match(new RegExp(`^(\\d+) of ${CHILDREN}\n$`))!;
    assert.ok(Number(survivors) > CHILDREN / 2, `only ${survivors} children made it to their end`);
    assert.ok(lines > (CHILDREN * CALLS) / 2, 'the calls were made');
    kernel.assertIdle();
    await kernel.shutdown();
  });
}

test.run();
