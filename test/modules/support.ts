/** What tests of the module table share: drivers as files inside, and busybox's tools. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { BootOptions } from '../../kernel-core/boot.js';
import { MODULES_START } from '../../kernel-core/drivers/layout.js';
import { bootOpen, compileDriver, type OpenKernel } from '../drivers/support.js';
import { collect, type Outcome } from '../support/guest.js';

export interface Machine {
  readonly kernel: OpenKernel;
  /** Runs a shell script. */
  run(script: string): Promise<Outcome>;
  /** As `run`: what it prints, to both streams. */
  say(script: string): Promise<string>;
  /** Lines of the log since the last call. */
  news(): string[];
}

/** C of a driver with a name, and functions of its own. */
export const driver = (name: string, body = '', { init = 'return 0;', uninit = 'return 0;' } = {}): string => `
  #include <banos/banos.h>
  ${body}
  static int init(Banos_Driver *driver) { ${init} }
  static int uninit(Banos_Driver *driver) { ${uninit} }
  BANOS_DRIVER(${JSON.stringify(name)}, "GPL", 1, init, uninit);
  BANOS_MODULE_INFO("intree", "Y");
`;

/** Boots a kernel with objects in /drivers, made of sources by name, and checks at the end that nothing is left. */
export async function withMachine(
  sources: Readonly<Record<string, string | Uint8Array>>,
  body: (machine: Machine) => Promise<void>,
  options: BootOptions = {},
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'banos-modules-'));
  chmodSync(directory, 0o755);
  try {
    for (const [name, source] of Object.entries(sources)) {
      writeFileSync(join(directory, name), typeof source === 'string' ? compileDriver(source) : source);
    }
    // Makes single calls, with bad arguments too.
    compileProgram(join(import.meta.dirname, 'call.c'), join(directory, 'call'));
    const mounts = [{ host: directory, guest: '/drivers', readOnly: true }];
    const kernel = await bootOpen({ memory: 128, mounts, ...options });
    let seen = kernel.inner.log.next;
    const run = (script: string): Promise<Outcome> => collect(kernel.spawn(['sh', '-c', script]));
    await body({
      kernel,
      run,
      say: async (script) => {
        const { stdout, stderr } = await run(script);
        return stdout + stderr;
      },
      news: () => {
        const lines = kernel.log(seen);
        seen = kernel.inner.log.next;
        return lines;
      },
    });
    kernel.assertIdle();
    await kernel.shutdown();
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A static program for inside. */
export function compileProgram(source: string, program: string): void {
  const { status, stderr } = spawnSync('gcc', ['-O1', '-static', '-w', '-o', program, source], { encoding: 'latin1' });
  assert.is(status, 0, stderr);
}

/** Pages of the module area that there are, as far as tests fill it. */
function modulePages({ inner }: OpenKernel): number {
  let count = 0;
  for (let i = 0; i < 4096; i++) if (inner.drivers.space.frameAt(MODULES_START + i * 4096) !== 0) count++;
  return count;
}

/** What a kernel has now that modules can take: it is the same again when they are gone. */
export function resources(kernel: OpenKernel): Record<string, number> {
  const { inner } = kernel;
  const { drivers, timers, modules } = inner;
  return {
    blocks: drivers.isStarted ? drivers.heap.blocks : 0,
    bytes: drivers.isStarted ? drivers.heap.used : 0,
    timers: timers.size,
    pages: drivers.isStarted ? modulePages(kernel) : 0,
    modules: modules.list().length,
    links: inner.sysfs.root.directory('module').nlink,
  };
}
