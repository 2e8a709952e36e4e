/** What tests of drivers with programs share: C becomes a program below /c of a kernel, a driver's init is called. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { BootOptions } from '../../kernel-core/boot.js';
import type { Kernel } from '../../kernel-core/kernel.js';
import { bootOpen, callNow, type LoadedDriver, type OpenKernel } from './support.js';

const directory = mkdtempSync(join(tmpdir(), 'banos-driver-programs-'));
chmodSync(directory, 0o755);
test.after(() => rmSync(directory, { recursive: true, force: true }));

/** Compiles a program, statically linked. @returns its path inside of a kernel of `bootWithPrograms` */
export function compileProgram(name: string, source: string): string {
  const path = join(directory, name);
  writeFileSync(`${path}.c`, source);
  const flags = ['-O1', '-static', '-Wall', '-Wno-unused', '-D_GNU_SOURCE', '-pthread', '-Idrivers/include'];
  const result = spawnSync('gcc', [...flags, '-o', path, `${path}.c`], { encoding: 'latin1' });
  assert.is(result.status, 0, result.stderr);
  return `/c/${name}`;
}

export const bootWithPrograms = (options: BootOptions = {}): Promise<OpenKernel> =>
  bootOpen({ mounts: [{ host: directory, guest: '/c', readOnly: true }], ...options });

/** Calls init, which does not sleep. @returns its result */
export const initialize = (kernel: Kernel, driver: LoadedDriver): number =>
  kernel.drivers.callNow(driver.owner, driver.record.init, [driver.record.address]) | 0;

/** Calls a function of the driver with a text in the driver's memory. */
export function callWithText(
  kernel: Kernel,
  driver: LoadedDriver,
  name: string,
  text: string,
  ...args: number[]
): number {
  const { heap, space } = kernel.drivers;
  const at = heap.alloc(driver.owner, text.length + 1, 0);
  space.write(at, Buffer.from(`${text}\0`, 'latin1'));
  const result = callNow(kernel, driver, name, at, ...args);
  heap.free(at);
  return result;
}

/** Waits until a condition of the kernel holds; the event loop runs meanwhile. */
export async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; !condition(); i++) {
    assert.ok(i < 100_000, `it never holds: ${condition}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
