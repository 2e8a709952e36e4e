/** The compute kernels check themselves: natively they agree between C libraries, and a guard that does not hold is noticed. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { compileKernels, LIBRARIES, type Library } from '../../bench/compile.js';
import { runGuest } from '../../bench/guest.js';
import { boot } from '../../kernel-core/index.js';

const folder = mkdtempSync(join(tmpdir(), 'banos-kernels-'));
test.after(() => rmSync(folder, { recursive: true }));

const works = (command: string): boolean => spawnSync(command, ['--version']).status === 0;
const here = process.platform === 'linux' && process.arch === 'x64';
const libraries = (Object.keys(LIBRARIES) as Library[]).filter((library) => here && works(LIBRARIES[library]));

/** Registers a test, or says loudly why not. */
function withLibraries(needed: number, name: string, body: () => void | Promise<void>): void {
  if (libraries.length >= needed) test(name, body);
  else console.log(`SKIP ${name}: needs x86-64 Linux with ${needed === 1 ? 'gcc or musl-gcc' : 'gcc and musl-gcc'}`);
}

const checksum = (output: string): string => output.trim().split(' ')[3];

withLibraries(2, 'every kernel has the same checksum with both C libraries', () => {
  const programs = libraries.map((library) => join(folder, compileKernels(library, folder)));
  const list = execFileSync(programs[0], ['--list'], { encoding: 'utf8' });
  const names = list
    .trim()
    .split('\n')
    .map((line) => line.split('\t')[0]);
  assert.ok(names.length >= 20);
  for (const name of names) {
    const [one, other] = programs.map((program) =>
      checksum(execFileSync(program, [name, '0', '1'], { encoding: 'utf8' })),
    );
    assert.match(one, /^[0-9a-f]{16}$/, name);
    assert.is(one, other, name);
  }
});

withLibraries(1, 'a guard page that lets accesses through fails the kernel', () => {
  const program = join(folder, compileKernels(libraries[0], folder, ['-DGUARD_PROTECTION=PROT_READ']));
  const { status, stderr } = spawnSync(program, ['guard', '0', '1'], { encoding: 'utf8' });
  assert.is(status, 4);
  assert.match(stderr, /wrong result: the guard page was read/);
});

withLibraries(1, 'faults in hot loops come in Banos as they do natively', async () => {
  const file = compileKernels(libraries[0], folder);
  const native = checksum(execFileSync(join(folder, file), ['guard', '0', '1'], { encoding: 'utf8' }));
  const kernel = await boot({ mounts: [{ host: folder, guest: '/bench', readOnly: true }] });
  const { output } = await runGuest(kernel, [`/bench/${file}`, 'guard', '0', '1']);
  await kernel.shutdown();
  assert.is(checksum(output), native);
});

test.run();
