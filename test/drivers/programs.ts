/** What tests of drivers share that have programs of the guest at work. */
import { chmodSync } from 'node:fs';
import * as assert from 'uvu/assert';
import type { BootOptions } from '../../kernel-core/boot.js';
import { bootOpen, compileProgram, type OpenKernel, programs } from './support.js';

/** Also users without rights run them. */
chmodSync(programs, 0o755);

/** Compiles a program. @returns its path inside of a kernel of `bootWithPrograms` */
export function guestProgram(name: string, source: string): string {
  compileProgram(name, `#define _GNU_SOURCE\n${source}`);
  return `/c/${name}`;
}

export const bootWithPrograms = (options: BootOptions = {}): Promise<OpenKernel> =>
  bootOpen({ mounts: [{ host: programs, guest: '/c', readOnly: true }], ...options });

/** Waits until a condition of the kernel holds; the event loop runs meanwhile. */
export async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; !condition(); i++) {
    assert.ok(i < 100_000, `it never holds: ${condition}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
