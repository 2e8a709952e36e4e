/** Loading programs here and on the host, in one shape, so that tests compare the two. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EACCES, ENOENT, ENOTDIR, type Err, fail, isErr } from '../../abi/errno.js';
import { SIGSEGV } from '../../abi/signal.js';
import { EXEC_FATAL, loadProgram } from '../../kernel-core/exec/load-program.js';
import { STACK_TOP } from '../../kernel-core/mm/layout.js';
import { makeWorld, type TestFile, type World } from '../mm/support.js';

/** One mapping: `start-end prot offset isfile`, hexadecimal. */
export type Outcome =
  | { readonly errno: number }
  | { readonly signal: number }
  | { readonly rip: number; readonly rsp: number; readonly maps: readonly string[]; readonly stack: Uint8Array };

export const ARGUMENTS = ['one', '', 'three'];
export const ENVIRONMENT = ['A=1', 'LONGER=some value'];
export const RANDOM = Uint8Array.from({ length: 16 }, (_, i) => 0xf0 + i);
export const PROCESSOR = { hwcap: 0x178bfbff, hwcap2: 2, minSignalStack: 0xd30 };

/** Why the host cannot serve as oracle; undefined when it can. */
export function whyNoOracle(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return `host is ${process.platform}/${process.arch}`;
  return spawnSync('gcc', ['--version']).status === 0 ? undefined : 'no gcc';
}

/** A folder of test programs, and the probe that has the host's kernel load them. */
export class ExecOracle {
  readonly folder = mkdtempSync(join(tmpdir(), 'banos-exec-'));
  #probe = join(this.folder, 'exec-probe');

  constructor() {
    chmodSync(this.folder, 0o755);
    this.compile(join(import.meta.dirname, 'probes', 'exec-probe.c'), this.#probe, []);
  }

  compile(source: string, target: string, flags: readonly string[]): void {
    execFileSync('gcc', ['-O1', '-Wall', '-o', target, source, ...flags], { stdio: ['ignore', 'inherit', 'inherit'] });
  }

  add(name: string, content: Uint8Array, mode = 0o755): string {
    const path = join(this.folder, name);
    writeFileSync(path, content);
    chmodSync(path, mode);
    return path;
  }

  /** What the host does with each. */
  run(paths: readonly string[]): Outcome[] {
    const output = execFileSync(this.#probe, {
      input: paths.map((path) => `${path}\n`).join(''),
      maxBuffer: 2 ** 28,
    }).toString('latin1');
    return output
      .split('\n.\n')
      .slice(0, paths.length)
      .map((block) => parseOutcome(block));
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true });
  }
}

function parseOutcome(block: string): Outcome {
  const [first = '', ...rest] = block.split('\n');
  const [kind, a = '', b = ''] = first.split(' ');
  if (kind === 'E') return { errno: Number(a) };
  if (kind === 'S') return { signal: Number(a) };
  return {
    rip: Number.parseInt(a, 16),
    rsp: Number.parseInt(b, 16),
    maps: rest.filter((line) => line.startsWith('M ')).map((line) => line.slice(2)),
    stack: Buffer.from(rest.find((line) => line.startsWith('K '))!.slice(2), 'hex'),
  };
}

/** Opens host files as the probe's user would, as far as the tests need it. */
export function openHostFile(world: World, path: string): TestFile | Err {
  try {
    return world.file(readFileSync(path), 0);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return fail(code === 'ENOENT' ? ENOENT : code === 'ENOTDIR' ? ENOTDIR : EACCES);
  }
}

/** What we do with the file of the host at `path`; checks that everything comes back. */
export function loadHere(path: string, memoryBytes = 64 * 2 ** 20): Outcome {
  const world = makeWorld(memoryBytes);
  const file = world.file(readFileSync(path), 0);
  const loaded = loadProgram({
    memory: world.memory,
    limits: { limit: (resource) => (resource === 3 ? 8 << 20 : Number.POSITIVE_INFINITY) },
    file,
    name: path,
    argv: [path, ...ARGUMENTS],
    envp: ENVIRONMENT,
    processor: PROCESSOR,
    random: RANDOM,
    vdso: null,
    open(name) {
      const opened = openHostFile(world, name);
      return isErr(opened) ? opened : opened.ref();
    },
    programOf: () => null,
    identify: () => ({ uid: 65534, euid: 65534, gid: 65534, egid: 65534, secure: false }),
  });
  if (isErr(loaded)) {
    world.assertIdle();
    return loaded === EXEC_FATAL ? { signal: SIGSEGV } : { errno: -loaded };
  }
  const { space, entry, stackPointer } = loaded;
  const hex = (value: number): string => value.toString(16);
  const maps = space
    .vmas()
    .map((vma) => `${hex(vma.start)} ${hex(vma.end)} ${hex(vma.prot)} ${hex(vma.offset)} ${vma.file === null ? 0 : 1}`);
  const stack = new Uint8Array(STACK_TOP - stackPointer);
  space.read(stackPointer, stack);
  space.unref();
  world.assertIdle();
  return { rip: entry, rsp: stackPointer, maps, stack };
}
