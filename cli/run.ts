/** Boots a kernel for one program and passes standard streams, signals and the exit status through. */
import { closeSync, createWriteStream, openSync, readFileSync, type WriteStream, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import {
  boot,
  type CodeCacheOptions,
  type GuestProcess,
  type Kernel,
  type KernelLogRecord,
} from '../kernel-core/index.js';
import { EXIT_BANOS_FAILED, type RunOptions } from './options.js';
import { formatStatistics } from './statistics.js';
import { bridgeTerminal } from './terminal.js';

/** Exit statuses of a program that cannot run or is not there. */
const EXIT_CANNOT_RUN = 126;
const EXIT_NOT_FOUND = 127;

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const FORWARDED: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'];

/** @returns the exit status for the process */
export async function run(argv: readonly string[], options: RunOptions): Promise<number> {
  const trace = openTrace(options.strace);
  let kernel: Kernel;
  try {
    kernel = await boot({
      rootfs: options.rootfs,
      mounts: options.mount,
      memory: options.memory,
      seed: options.seed,
      translator: options.translator ? undefined : false,
      codeCache: options.codeCache === undefined ? undefined : codeCache(options.codeCache, options.codeCacheLimit),
      dumpCode: options.dumpCode.length === 0 ? undefined : { addresses: options.dumpCode, write: writeError },
      kernelLog: options.kernelLog ? (record) => showRecord(record, options.tty === true) : undefined,
      gdb: options.gdb === undefined ? undefined : { port: options.gdb, wait: options.isShell !== true },
      crashDump: options.crashDump === undefined ? undefined : crashDump(options.crashDump),
      trace: trace === null ? undefined : (line) => trace.write(line),
    });
  } catch (error) {
    complain((error as Error).message);
    return EXIT_BANOS_FAILED;
  }
  if (kernel.gdbPort !== null) writeError(`banos: gdb: target remote localhost:${kernel.gdbPort}\n`);
  const status = await runIn(kernel, argv, options);
  // Programs that still run give their code away when they end, and what was translated is written at the end.
  if (options.dumpCode.length > 0 || options.codeCache !== undefined) await kernel.shutdown();
  if (options.stats) writeError(formatStatistics(kernel.cpuStats()));
  await closeTrace(trace);
  return status;
}

const crashDump =
  (file: string) =>
  (pieces: Iterable<Uint8Array>): void => {
    try {
      const fd = openSync(file, 'w', 0o600);
      try {
        for (const piece of pieces) writeFileSync(fd, piece);
      } finally {
        closeSync(fd);
      }
      complain(`a driver has crashed: the kernel's core is in ${file}`);
    } catch (error) {
      complain(`cannot write the kernel's core: ${(error as Error).message}`);
    }
  };

function codeCache(directory: string, limit: number | undefined): CodeCacheOptions {
  return { directory, limit, onWarning: complain };
}

/** @param raw standard error may be a terminal that does not return the carriage by itself */
function showRecord({ line, toConsole }: KernelLogRecord, raw: boolean): void {
  if (toConsole) writeError(raw ? line.replaceAll('\n', '\r\n') : line);
}

function complain(message: string): void {
  writeError(`banos: ${message}\n`);
}

function writeError(text: string): void {
  process.stderr.write(text);
}

type Trace = WriteStream | NodeJS.WriteStream;

function openTrace(file: string | undefined): Trace | null {
  if (file === undefined) return null;
  if (file === '-') return process.stderr;
  const stream = createWriteStream(file);
  stream.on('error', (error) => complain(`cannot write the trace: ${error.message}`));
  return stream;
}

const closeTrace = (trace: Trace | null): Promise<void> =>
  new Promise((resolve) => {
    if (trace === null || trace === process.stderr) resolve();
    else trace.end(() => resolve());
  });

async function runIn(kernel: Kernel, argv: readonly string[], options: RunOptions): Promise<number> {
  const isRoot = (options.user?.uid ?? 0) === 0;
  const env = {
    PATH: DEFAULT_PATH,
    HOME: isRoot ? '/root' : '/',
    ...(options.tty ? { TERM: process.env['TERM'] ?? 'xterm' } : {}),
    ...options.env,
  };
  const { stdin, stdout } = process;
  let child: GuestProcess;
  try {
    child = kernel.spawn(argv, {
      env,
      cwd: options.cwd ?? '/',
      user: options.user,
      pty: options.tty ? { cols: stdout.columns ?? 80, rows: stdout.rows ?? 24 } : undefined,
    });
  } catch (error) {
    const { code, message, syscall } = error as NodeJS.ErrnoException;
    complain(message);
    if (syscall === 'chdir') return EXIT_BANOS_FAILED;
    return code === 'ENOENT' ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
  }
  const stop = forwardSignals(child);
  const release = child.pty === null ? passStreams(child, options) : bridgeTerminal(stdin, stdout, child.pty);
  const { code, signal } = await child.exit;
  // The machine goes off with its program, as a container does. What the others have written still comes out.
  await kernel.killAll();
  await child.closed;
  release();
  stop();
  return signal === null ? code! : 128 + (constants.signals as Record<string, number>)[signal];
}

function forwardSignals(child: GuestProcess): () => void {
  const forward = (signal: NodeJS.Signals): void => {
    child.kill(signal);
  };
  for (const signal of FORWARDED) process.on(signal, forward);
  return () => {
    for (const signal of FORWARDED) process.off(signal, forward);
  };
}

/** Standard input, output and error, without a terminal between. */
function passStreams(child: GuestProcess, options: RunOptions): () => void {
  const { stdin, stdout, stderr } = process;
  child.stdin!.on('error', () => stdin.unpipe());
  if (options.seed === undefined || stdin.isTTY) {
    stdin.on('error', () => child.stdin!.end());
    stdin.pipe(child.stdin!);
  } else {
    // When a run is to be repeated, input must not arrive by chance: all of it is there before the program starts.
    child.stdin!.end(readAll());
  }
  for (const [from, to] of [
    [child.stdout!, stdout],
    [child.stderr!, stderr],
  ] as const) {
    from.on('data', (bytes: Uint8Array) => {
      if (to.write(bytes)) return;
      from.pause();
      to.once('drain', () => from.resume());
    });
    // The reader has gone: the guest's next write gets SIGPIPE, as it would without us between.
    to.on('error', () => from.destroy());
  }
  return () => {
    stdin.unpipe();
    stdin.destroy();
  };
}

function readAll(): Uint8Array {
  try {
    return readFileSync(0);
  } catch {
    return new Uint8Array(0);
  }
}
