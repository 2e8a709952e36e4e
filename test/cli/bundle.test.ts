/** The bundled command and V8's code cache of it, which may be missing or of no use. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { cacheOf } from '../../cli/bundle-script.js';
import { VERSION } from '../../kernel-core/index.js';
import { execute, MAIN } from './command.js';

const bundle = join(dirname(MAIN), 'cli.cjs');

test('the cache that the build made is taken', async () => {
  const module = new URL('../../cli/bundle-script.js', import.meta.url).href;
  const program = `
    import { bundleScript } from ${JSON.stringify(module)};
    process.stdout.write(String(bundleScript(${JSON.stringify(bundle)}).cachedDataRejected));
  `;
  const { stdout } = await execute(process.execPath, ['--input-type=module', '-e', program], {
    env: { NODE_V8_COVERAGE: '', NODE_OPTIONS: '' },
  });
  assert.is(stdout, 'false');
});

test('the bundle is ASCII, as it is read', () => {
  assert.is(
    readFileSync(bundle).findIndex((byte) => byte > 127),
    -1,
  );
});

test('the command runs without a cache, and with one that is empty, cut off or of another version', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'banos-bundle-'));
  try {
    for (const name of ['cli.js', 'cli.cjs']) copyFileSync(join(dirname(MAIN), name), join(folder, name));
    // The folder is no package: Node has to be told that the start is a module.
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    const cache = readFileSync(cacheOf(bundle));
    const otherVersion = Buffer.from(cache);
    otherVersion[4]! ^= 1; // V8 begins it with a number of its own, then a hash of its version
    for (const data of [null, new Uint8Array(0), cache.subarray(0, cache.length >> 1), otherVersion]) {
      if (data !== null) writeFileSync(join(folder, 'cli.cjs.cache'), data);
      const { status, stdout, stderr } = await execute(process.execPath, [join(folder, 'cli.js'), '--version']);
      assert.equal([status, stdout, stderr], [0, `${VERSION}\n`, '']);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
