/**
 * What the tests of the translator share. Each runs the same binary on the host's processor and in Banos three times: with
 * the interpreter alone, with the translator as it is by default, and with one that takes to everything at once.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type BootOptions, boot, type Kernel } from '../../kernel-core/index.js';
import { collect, type Outcome } from '../support/guest.js';

export type TranslatorOption = BootOptions['translator'];

/** Looks often and translates whatever it sees. With shorter intervals the runs take minutes. */
export const EAGER: TranslatorOption = {
  interval: 10_000,
  maxInterval: 20_000,
  burst: 256,
  hotCalls: 1,
  hotLoops: 1,
  worth: 0,
};

export const MODES: readonly (readonly [name: string, translator: TranslatorOption])[] = [
  ['interpreter', false],
  ['translator', undefined],
  ['eager translator', EAGER],
];

/** @param translator undefined: as boot has it by default */
export function bootWith(translator: TranslatorOption, options: BootOptions = {}): Promise<Kernel> {
  return boot(translator === undefined ? options : { ...options, translator });
}

/** Says why a test cannot run. @returns whether it can */
export function canRunNatively(area: string): boolean {
  let reason: string | undefined;
  if (process.platform !== 'linux' || process.arch !== 'x64') reason = 'needs Linux on x86-64';
  else if (spawnSync('gcc', ['--version']).status !== 0) reason = 'needs gcc';
  if (reason !== undefined) console.log(`SKIP ${area}: ${reason}`);
  return reason === undefined;
}

/** A directory of built programs, mounted as /probes. */
export class Probes {
  readonly directory = mkdtempSync(join(tmpdir(), 'banos-translator-'));

  /** Builds a static program at fixed addresses. @returns its path on the host */
  build(name: string, files: readonly string[], ...flags: string[]): string {
    const program = join(this.directory, name);
    const fixed = ['-O1', '-static', '-no-pie', '-fno-pie', '-Wall', '-Werror', '-pthread'];
    const { status, stderr } = spawnSync('gcc', [...fixed, ...flags, '-o', program, ...files], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${name}: ${stderr}`);
    return program;
  }

  dispose(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Runs a built program on the host. */
export function runNative(program: string, args: readonly string[] = []): Outcome {
  const r = spawnSync(program, args, { cwd: '/', env: {}, encoding: 'latin1', timeout: 120_000, maxBuffer: 1 << 28 });
  if (r.error !== undefined) throw r.error;
  return { stdout: r.stdout, stderr: r.stderr, code: r.status, signal: r.signal };
}

/** Runs it in a kernel of its own, which must be idle behind it. */
export async function runInside(
  program: string,
  args: readonly string[],
  translator: TranslatorOption,
  options: BootOptions = {},
): Promise<Outcome> {
  const mounts = [{ host: join(program, '..'), guest: '/probes', readOnly: true }, ...(options.mounts ?? [])];
  const kernel = await bootWith(translator, { ...options, mounts });
  try {
    const outcome = await collect(kernel.spawn([`/probes/${basename(program)}`, ...args], { env: {} }));
    kernel.assertIdle();
    return outcome;
  } finally {
    await kernel.shutdown();
  }
}
