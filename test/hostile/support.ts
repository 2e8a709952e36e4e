/** What the hostile tests share: C probes, compiled once per file of tests, and kernels that must end idle and empty. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type BootOptions, boot, type Kernel } from '../../kernel-core/index.js';

const sources = join(import.meta.dirname, 'probes');

export const hasCompiler = process.arch === 'x64' && spawnSync('gcc', ['--version']).status === 0;

/** Says why tests that need probes do not run. @returns whether they can */
export function canCompile(area: string): boolean {
  if (!hasCompiler) console.log(`SKIP ${area}: needs gcc for x86-64`);
  return hasCompiler;
}

/** A directory of compiled probes. Made per test file; `dispose` removes it. */
export class Probes {
  readonly directory = mkdtempSync(join(tmpdir(), 'banos-hostile-'));
  readonly #built = new Set<string>();

  /** Compiles probes/`name`.c statically. @returns its path on the host */
  build(name: string, ...flags: string[]): string {
    const program = join(this.directory, name);
    mkdirSync(dirname(program), { recursive: true });
    if (this.#built.has(name)) return program;
    const args = ['-O1', '-static', '-w', '-pthread', ...flags, '-o', program, join(sources, `${name}.c`)];
    const { status, stderr } = spawnSync('gcc', args);
    if (status !== 0) throw new Error(`${name}.c: ${stderr}`);
    this.#built.add(name);
    return program;
  }

  dispose(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Boots, with the probes (if any) under /probes, runs `use`, and checks that nothing is left. */
export async function withKernel(
  probes: Probes | null,
  options: BootOptions,
  use: (kernel: Kernel) => Promise<void>,
): Promise<void> {
  const mounts = probes === null ? [] : [{ host: probes.directory, guest: '/probes', readOnly: true }];
  const kernel = await boot({ ...options, mounts: [...mounts, ...(options.mounts ?? [])] });
  try {
    await use(kernel);
    kernel.assertIdle();
  } finally {
    await kernel.shutdown();
  }
  kernel.assertIdle();
}

/** Frames in use, without what is kept in case it is wanted again. */
export function framesOf(kernel: Kernel): number {
  kernel.dropCaches();
  return kernel.dump().memory.used;
}

/** Lets the kernel take `turns` turns of the event loop. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** Rejects when `promise` takes longer than `milliseconds`: a bound against hangs, not a measurement. */
export async function within<T>(milliseconds: number, what: string, promise: Promise<T>): Promise<T> {
  let timer!: NodeJS.Timeout;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${milliseconds} ms`)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
