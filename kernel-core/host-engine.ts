/** What the host's WebAssembly engine is asked for, once for the process. Changes nothing but how fast modules run. */
import { setFlagsFromString } from 'node:v8';

/** V8 of Node 20. Later ones do so by themselves, or have the flags under other names, and complain about these. */
const KNOWN = /^11\./;

/**
 * Asks V8 to follow the hints of translated code about branches that are hardly ever taken (cpu/wasm/module.ts), and to
 * allocate registers as well in the largest functions as in others: the loops of interpreters are such.
 */
export function tuneEngine(): void {
  if (!KNOWN.test(process.versions.v8)) return;
  setFlagsFromString('--experimental-wasm-branch-hinting');
  setFlagsFromString('--no-turbo-use-mid-tier-regalloc-for-huge-functions');
}
