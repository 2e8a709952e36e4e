/** Finds the busybox binary of the npm package `busybox-static` on the host. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** @returns the bytes of the static x86-64 busybox, or null where npm left the optional package out */
export function readEmbeddedBusybox(): Uint8Array | null {
  const file = locate();
  return file === null ? null : readFileSync(file);
}

function locate(): string | null {
  try {
    const manifest = createRequire(import.meta.url).resolve('busybox-static/package.json');
    const file = join(dirname(manifest), 'bin', 'busybox');
    return existsSync(file) ? file : null;
  } catch {
    return null;
  }
}
