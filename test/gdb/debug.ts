/** Stock gdb on a program, on the host (by ptrace) and in Banos (by the remote protocol), with the same commands. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BootOptions, boot, type GuestProcess, type Kernel } from '../../kernel-core/index.js';

const PATIENCE_MS = 60_000;
/** What comes before it belongs to the way in which gdb found the program. */
const MARK = '=== here it begins';
const OPTIONS = ['-nx', '-batch', '-ex', 'set confirm off', '-ex', 'set pagination off', '-ex', 'set width 0'];
const LIBRARIES = ['/lib/x86_64-linux-gnu', '/lib64'];

export const hasTools = ['gdb', 'gcc'].every((tool) => spawnSync(tool, ['--version']).status === 0);

const programs = mkdtempSync(join(tmpdir(), 'banos-gdb-'));
process.on('exit', () => rmSync(programs, { recursive: true, force: true }));

/** Compiles a program of `programs/`. @returns path on the host */
export function compile(name: string, ...flags: string[]): string {
  const program = join(programs, [name, ...flags].join('').replaceAll(/[^a-z0-9]/gi, '_'));
  const source = join(import.meta.dirname, 'programs', `${name}.c`);
  const { status, stderr } = spawnSync('gcc', ['-g', '-O0', '-pthread', '-w', ...flags, '-o', program, source]);
  if (status !== 0) throw new Error(String(stderr));
  return program;
}

export const asOptions = (commands: readonly string[]): string[] => commands.flatMap((command) => ['-ex', command]);

interface GdbRun {
  readonly output: Promise<string>;
  /** What it has said so far. */
  text(): string;
  readonly pid: number;
}

export function startGdb(args: readonly string[]): GdbRun {
  // One stream, so that what gdb says stays in order.
  const child = spawn('sh', ['-c', 'exec gdb "$@" 2>&1', 'gdb', ...OPTIONS, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, DEBUGINFOD_URLS: '' },
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (data) => {
      text += data;
    });
  }
  const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  const output = new Promise<string>((resolve) => {
    child.on('close', (_code, signal) => {
      clearTimeout(timer);
      resolve(signal === null ? text : `${text}\ngdb was ended by ${signal}`);
    });
  });
  return { output, text: () => text, pid: child.pid! };
}

const afterMark = (text: string): string => text.slice(text.indexOf(MARK) + MARK.length + 1);

/** The program at its first instruction, then the commands. */
export async function native(program: string, args: readonly string[], commands: readonly string[]): Promise<string> {
  const start = ['set startup-with-shell off', 'set environment LANG=C', 'starti', `echo ${MARK}\\n`];
  return afterMark(await startGdb([...asOptions([...start, ...commands]), '--args', program, ...args]).output);
}

interface Session {
  kernel: Kernel;
  child: GuestProcess;
  output: Promise<string>;
  text(): string;
  /** Of gdb. */
  pid: number;
}

export async function bootForGdb({ mounts = [], ...options }: BootOptions = {}): Promise<Kernel> {
  const libraries = LIBRARIES.map((folder) => ({ host: folder, guest: folder, readOnly: true }));
  return boot({
    mounts: [{ host: programs, guest: programs, readOnly: true }, ...libraries, ...mounts],
    gdb: { port: 0, wait: true },
    ...options,
  });
}

export const connect = (kernel: Kernel, how = 'remote'): string => `target ${how} localhost:${kernel.gdbPort}`;

export async function guest(
  program: string,
  args: readonly string[],
  commands: readonly string[],
  { input = 'x', ...options }: BootOptions & { input?: string | null } = {},
): Promise<Session> {
  const kernel = await bootForGdb(options);
  const child = kernel.spawn([program, ...args], { env: { LANG: 'C' } });
  if (input !== null) child.stdin!.end(input);
  const found = ['set sysroot target:', connect(kernel), `echo ${MARK}\\n`];
  const { output, text, pid } = startGdb([...asOptions([...found, ...commands]), program]);
  return { kernel, child, output: output.then(afterMark), text, pid };
}

/** What differs between two machines, or two ways to reach one, is made the same. */
export function normalised(text: string): string {
  return (
    text
      .split('\n')
      .filter(
        (line) => !/^(warning: |Reading |Downloading |\[Thread debugging using|Using host libthread_db)/.test(line),
      )
      // Intel's processors always save where the last x87 instruction was, AMD's, and ours, while an exception is pending.
      .filter((line) => !/^(Instruction Pointer|Operand Pointer|Opcode):/.test(line))
      .map((line) =>
        line
          .replaceAll(/Thread 0x[0-9a-f]+ \(LWP \d+\)|Thread \d+\.\d+|\b(process|LWP) \d+(\.\d+)?/g, 'THREAD')
          .replaceAll('target:', '')
          .replaceAll(/0x7f[0-9a-f]{10}/g, 'ADDRESS')
          .replaceAll(/ +$/g, ''),
      )
      .join('\n')
  );
}
