/** What the host's WebAssembly engine is asked for, once for the process. Changes nothing but how fast modules run. */
import { setFlagsFromString } from 'node:v8';

/** V8 of Node 20. Later ones take hints by themselves, or have the flag under another name, and complain about this one. */
const KNOWN = /^11\./;

/** Asks V8 to follow the hints of translated code about branches that are hardly ever taken (cpu/wasm/module.ts). */
export function followBranchHints(): void {
  if (KNOWN.test(process.versions.v8)) setFlagsFromString('--experimental-wasm-branch-hinting');
}
