/**
 * Writes V8's code cache of the bundled command: runs a shell in it, so that the functions that every start needs are
 * compiled, and keeps what V8 has compiled by then.
 *
 *   node tools/code-cache.mjs < COMMANDS
 */
// @ts-check
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const { bundleScript, cacheOf, startBundle } = await import(join(root, 'dist', 'cli', 'bundle-script.js'));
const file = join(root, 'dist', 'bundle', 'cli.cjs');
const script = bundleScript(file);
process.on('exit', () => {
  // Whole or not at all: V8 looks at its length only.
  writeFileSync(`${cacheOf(file)}.new`, script.createCachedData());
  renameSync(`${cacheOf(file)}.new`, cacheOf(file));
});
process.argv = [process.execPath, file, 'shell'];
startBundle(script, file);
