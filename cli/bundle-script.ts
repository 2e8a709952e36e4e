/**
 * The bundled command as a script of V8 with a code cache: parsing and compiling its 1.5 MB would take longer than
 * anything that it does before its first prompt (docs/decisions/002-one-bundle.md). The build writes the cache beside the
 * bundle; V8 refuses it when it is cut off, or from another version of Node or for a source of another length, and then compiles
 * as ever. Its content is trusted as that of the bundle is.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { Script } from 'node:vm';
import { tuneEngine } from '../kernel-core/host-engine.js';

/** A function of CommonJS's five names: the build wraps the bundle so. */
type Wrapper = (
  exports: object,
  require: NodeJS.Require,
  module: { exports: object },
  filename: string,
  dirname: string,
) => void;

/** Where the cache of the bundle `file` is. */
export const cacheOf = (file: string): string => `${file}.cache`;

/** @param file path of cli.cjs */
export function bundleScript(file: string): Script {
  // V8 refuses a cache that was made with other flags, and booting sets this one.
  tuneEngine();
  // The bundle is ASCII.
  const source = readFileSync(file, 'latin1');
  let cachedData: Buffer | undefined;
  try {
    cachedData = readFileSync(cacheOf(file));
  } catch {
    // Not built: it only takes longer.
  }
  return new Script(source, { filename: file, ...(cachedData && { cachedData }) });
}

/** Runs the command on `process.argv`. */
export function startBundle(script: Script, file: string): void {
  const module = { exports: {} };
  (script.runInThisContext() as Wrapper)(module.exports, createRequire(file), module, file, dirname(file));
}
