/** The real kernel as an oracle: builds script.c with the host's C compiler and runs scripts of calls through it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A call and its arguments, as script.c reads them. */
export type Call = readonly (string | number)[];

export class NativeKernel {
  readonly #folder = mkdtempSync(join(tmpdir(), 'banos-vfs-'));
  readonly #program = join(this.#folder, 'script');
  readonly #root = join(this.#folder, 'root');

  /** @returns the oracle, or why there is none here */
  static start(): NativeKernel | string {
    if (process.platform !== 'linux') return `host is ${process.platform}`;
    if (spawnSync('cc', ['--version']).status !== 0) return 'no C compiler (cc)';
    const native = new NativeKernel();
    if (native.#spawn([]).status === 0) return native;
    native.end();
    return 'a private mount namespace is not permitted (root needed)';
  }

  constructor() {
    mkdirSync(this.#root);
    const source = join(import.meta.dirname, 'script.c');
    execFileSync('cc', ['-O1', '-Wall', '-Werror', '-o', this.#program, source], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
  }

  /** @returns one result per call */
  run(calls: readonly Call[]): string[] {
    const { status, stdout, stderr } = this.#spawn(calls);
    if (status !== 0) throw new Error(`native script: status ${status}: ${stderr}`);
    return stdout.split('\n').slice(0, -1);
  }

  end(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #spawn(calls: readonly Call[]) {
    const input = Buffer.from(calls.map((call) => `${call.join('\t')}\n`).join(''), 'latin1');
    return spawnSync(this.#program, [this.#root], { input, encoding: 'latin1', maxBuffer: 64 << 20 });
  }
}
