/** The vDSO: its code is what its source assembles to, and programs of the host's tools can read it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { VDSO_SIZE, vdsoCode, vdsoImage } from '../../elf/vdso.js';

const SOURCE = join(import.meta.dirname.replace(/([\\/]dist)?[\\/]test[\\/]elf$/, ''), 'elf', 'vdso.s');
const directory = mkdtempSync(join(tmpdir(), 'banos-vdso-'));
const run = (command: string, ...args: string[]): string => {
  const { status, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  assert.is(status, 0, stderr);
  return stdout;
};

test.after(() => rmSync(directory, { recursive: true, force: true }));

test('one page, whose first word of code is the beginning of the wall clock', () => {
  const epoch = 1_704_067_200_123_456_789n;
  const image = vdsoImage(epoch);
  assert.is(image.length, VDSO_SIZE);
  const { bytes } = vdsoCode();
  const code = Buffer.from(image).indexOf(Buffer.from(bytes.subarray(8)));
  assert.ok(code > 8);
  assert.is(new DataView(image.buffer).getBigUint64(code - 8, true), epoch);
});

if (spawnSync('as', ['--version']).status !== 0 || process.arch !== 'x64') {
  console.log('SKIP vDSO against binutils: needs as, objcopy and readelf for x86-64');
} else {
  test('the code is what vdso.s assembles to, symbol by symbol', () => {
    const object = join(directory, 'vdso.o');
    const flat = join(directory, 'vdso.bin');
    run('as', SOURCE, '-o', object);
    run('objcopy', '-O', 'binary', '-j', '.text', object, flat);
    const { bytes, symbols } = vdsoCode();
    assert.equal(Buffer.from(bytes).toString('hex'), readFileSync(flat).toString('hex'));
    const assembled = run('nm', object)
      .split('\n')
      .filter((line) => line.includes(' T '))
      .map((line) => [`__vdso_${line.split(' ')[2]}`, Number.parseInt(line, 16)]);
    const ours = symbols.map(({ name, offset }) => [name, offset]);
    assert.equal(
      ours,
      assembled.sort((a, b) => Number(a[1]) - Number(b[1])),
    );
  });

  test('readelf finds the versioned symbols', () => {
    const file = join(directory, 'vdso.so');
    writeFileSync(file, vdsoImage(0n));
    const listed = run('readelf', '--use-dynamic', '-sdVlW', file);
    for (const { name, size } of vdsoCode().symbols) {
      assert.match(listed, new RegExp(`${size} FUNC +GLOBAL +DEFAULT +\\S+ ${name}@@LINUX_2\\.6$`, 'm'));
    }
    assert.match(listed, /SONAME.*linux-vdso\.so\.1/);
  });
}

test.run();
