/**
 * The real processor as an oracle: builds harness.c with the host's C compiler and runs batches of cases through it.
 * Layouts of `TestCase` and `Outcome` buffers mirror the C structures.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The code of a case lies at CODE_AT; int3 fills the bytes around it. */
export const CODE = 0x20000000;
export const CODE_AT = CODE + 0x800;
/** Two pages of data; the block that each case sets and reports straddles their boundary. */
export const DATA = 0x30000000;
export const BLOCK = 512;
export const BLOCK_AT = DATA + 4096 - BLOCK / 2;
export const GS_BASE = 0x30000f80;

export const IN_SIZE = 1200;
export const IN_LENGTH = 0;
/** Not for the harness: where in the block the explicit memory operand lies. */
export const IN_OPERAND = 4;
export const IN_CODE = 8;
export const IN_GPR = 40;
export const IN_RFLAGS = 168;
/** 512-byte fxsave image; bytes from 416 on are ignored. */
export const IN_FX = 176;
export const IN_BLOCK = 688;

export const OUT_SIZE = 1208;
export const OUT_SIGNAL = 0;
export const OUT_CODE = 4;
export const OUT_ADDRESS = 8;
export const OUT_TRAPNO = 16;
export const OUT_ERR = 24;
export const OUT_CR2 = 32;
export const OUT_RIP = 40;
export const OUT_GPR = 48;
export const OUT_RFLAGS = 176;
export const OUT_FX = 184;
export const OUT_BLOCK = 696;

/** Why there is no native oracle here; undefined when there is one. */
export function whyNoNative(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return `host is ${process.platform}/${process.arch}`;
  return spawnSync('cc', ['--version']).status === 0 ? undefined : 'no C compiler (cc)';
}

export class Native {
  readonly #folder = mkdtempSync(join(tmpdir(), 'banos-native-'));
  readonly #program = join(this.#folder, 'harness');

  constructor() {
    const source = join(import.meta.dirname, 'harness.c');
    execFileSync('cc', ['-O2', '-Wall', '-Werror', '-o', this.#program, source], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
  }

  /** Runs `cases` (IN_SIZE bytes each) and returns as many outcomes (OUT_SIZE bytes each). */
  run(cases: Uint8Array): Buffer {
    const count = cases.length / IN_SIZE;
    const header = Buffer.alloc(4);
    header.writeUInt32LE(count);
    const r = spawnSync(this.#program, { input: Buffer.concat([header, cases]), maxBuffer: count * OUT_SIZE + 4096 });
    if (r.status !== 0 || r.stdout.length !== count * OUT_SIZE) {
      throw new Error(
        `native harness: status ${r.status}, signal ${r.signal}, ${r.stdout.length / OUT_SIZE} of ${count}`,
      );
    }
    return r.stdout;
  }

  dispose(): void {
    rmSync(this.#folder, { recursive: true });
  }
}
