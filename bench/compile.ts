/** Builds the bench's C programs with the compilers that are here; a compiler that is missing is named, not guessed. */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const PROGRAMS = join(import.meta.dirname, 'programs');
/** The headers of the driver interface, which are not copied to where the compiled bench lies. */
const INTERFACE = join(process.cwd(), 'drivers/include');

/** A C library stands for the compiler that links with it. */
export const LIBRARIES = { glibc: 'gcc', musl: 'musl-gcc' } as const;
export type Library = keyof typeof LIBRARIES;

const FLAGS = ['-O2', '-static', '-Wall', '-Wextra', '-Werror'];

function compile(library: Library, sources: readonly string[], output: string, flags: readonly string[] = []): void {
  const files = sources.map((name) => join(PROGRAMS, name));
  execFileSync(LIBRARIES[library], [...FLAGS, ...flags, '-o', output, ...files, '-lm'], { stdio: 'pipe' });
}

/** Programs of their own. */
const OTHERS = ['calls.c', 'bench-driver.c'];

/** Every C file but those that are programs of their own. */
const kernelSources = (): string[] =>
  readdirSync(PROGRAMS).filter((name) => name.endsWith('.c') && !OTHERS.includes(name));

/**
 * The compute kernels, all in one static program.
 * @param folder where the program goes
 * @param flags further options for the compiler
 * @returns its file name in `folder`
 * @throws Error of execFileSync when the compiler is missing or a source is wrong
 */
export function compileKernels(library: Library, folder: string, flags: readonly string[] = []): string {
  compile(library, kernelSources(), join(folder, `kernels-${library}`), flags);
  return `kernels-${library}`;
}

/** As compileKernels, for the system call rates. */
export function compileCalls(library: Library, folder: string): string {
  compile(library, ['calls.c'], join(folder, `calls-${library}`));
  return `calls-${library}`;
}

/** The driver that the system call rates load. @returns its file name in `folder` */
export function compileDriver(folder: string): string {
  const output = join(folder, 'bench-driver.o');
  const flags = ['-O2', '-ffreestanding', '-Wall', '-Wextra', '-Werror', `-I${INTERFACE}`];
  execFileSync('gcc', [...flags, '-c', '-o', output, join(PROGRAMS, 'bench-driver.c')], { stdio: 'pipe' });
  return 'bench-driver.o';
}

/** First line of what went wrong, for the list of what is missing. */
export function reason(error: unknown): string {
  const { code, path, stderr, message } = error as Error & { code?: string; path?: string; stderr?: Buffer };
  if (code === 'ENOENT') return `${path} is not installed`;
  return (stderr?.toString() || message).trim().split('\n')[0]!;
}
