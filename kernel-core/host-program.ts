/**
 * A program of the host behind a terminal device of the guest: node-pty runs it on a terminal of the host, and what goes
 * in and out there goes out and in at the master of a terminal here, whose slave programs of the guest open. The
 * guest's terminal is raw, as a serial line is: the program's own terminal does the editing and the echo.
 *
 * A guest that can open the device controls the program, with the rights of the user who runs this process. So `boot`
 * refuses it unless the embedder has said otherwise.
 */
import { createRequire } from 'node:module';
import { ENOTTY, isErr } from '../abi/errno.js';
import { O_NOCTTY, O_NONBLOCK, O_RDWR } from '../abi/fcntl.js';
import { POLLIN } from '../abi/poll.js';
import { CS8, CSIZE, ECHO, ECHONL, ICANON, ICRNL, IEXTEN, IGNCR, INLCR, ISIG, IXON, OPOST } from '../abi/termios.js';
import { TtyFile } from '../pty/tty-file.js';
import { KERNEL_CALLER } from '../vfs/caller.js';
import type { OpenFile } from '../vfs/file.js';
import { errnoError } from './errno-error.js';
import type { ExitStatus } from './host-guest.js';
import { isSize, type PtySize } from './host-pty.js';
import { GuestInput, GuestOutput } from './host-streams.js';
import type { Kernel } from './kernel.js';
import { signalName } from './signal-names.js';
import { openSlave } from './terminals.js';

export interface HostProgramOptions extends Partial<PtySize> {
  /** Environment of the program: of the host's nothing is added. Default: PATH and TERM. */
  env?: Readonly<Record<string, string>>;
  /** Directory of the host. Default: that of this process. */
  cwd?: string;
}

/** What is used of node-pty; its own types are not there where npm left it out. */
interface NodePty {
  readonly pid: number;
  write(data: Buffer): void;
  resize(cols: number, rows: number): void;
  kill(signal: string): void;
  pause(): void;
  resume(): void;
  onData(listener: (data: Buffer) => void): void;
  onExit(listener: (status: { exitCode: number; signal?: number }) => void): void;
  /** Not of its interface: what the program has not read yet. */
  readonly _writeStream?: { readonly _writeQueue?: readonly unknown[] };
}

interface NodePtyModule {
  spawn(file: string, args: readonly string[], options: object): NodePty;
}

/** Chunks of at most 64 KiB that may wait for the program before the guest has to. */
const MAX_QUEUED = 8;
/** Milliseconds between looks at whether the program has read. */
const LOOK_AGAIN = 5;
/** Looks at the end whether the guest has read everything: a second. */
const LOOKS_AT_END = 200;

export class HostPty {
  /** Name of the terminal in the guest. */
  readonly path: string;
  /** Process id on the host. */
  readonly pid: number;
  /** Resolves when the program has ended and the guest's terminal has hung up. */
  readonly exit: Promise<ExitStatus>;
  readonly #program: NodePty;
  readonly #slave: TtyFile;
  readonly #fromGuest: GuestOutput;
  readonly #toGuest: GuestInput;
  #look: NodeJS.Timeout | null = null;

  /** @internal Takes over both references. */
  constructor(program: NodePty, master: OpenFile, slave: TtyFile) {
    this.#program = program;
    this.#slave = slave;
    this.pid = program.pid;
    this.path = `/dev/pts/${slave.tty.index}`;
    this.#toGuest = new GuestInput(master.ref());
    this.#fromGuest = new GuestOutput(master);
    program.onData((data) => {
      if (!this.#toGuest.write(data)) program.pause();
    });
    this.#toGuest.on('drain', () => program.resume());
    this.#fromGuest.on('data', (data: Buffer) => this.#give(data));
    for (const stream of [this.#toGuest, this.#fromGuest]) stream.on('error', () => this.kill('SIGHUP'));
    this.exit = new Promise((resolve) => {
      program.onExit(({ exitCode, signal }) => this.#ended(resolve, exitCode, signal ?? 0));
    });
  }

  /** Sets the size of both terminals. */
  resize(cols: number, rows: number): void {
    this.#program.resize(cols, rows);
    this.#slave.tty.resize({ cols, rows, xpixel: 0, ypixel: 0 });
  }

  /** Signals the program on the host. */
  kill(signal = 'SIGHUP'): void {
    this.#program.kill(signal);
  }

  #give(data: Buffer): void {
    this.#program.write(data);
    if (this.#isCongested) this.#wait();
  }

  get #isCongested(): boolean {
    return (this.#program._writeStream?._writeQueue?.length ?? 0) > MAX_QUEUED;
  }

  /** node-pty does not say when the program has read: it is asked now and then. */
  #wait(): void {
    this.#fromGuest.pause();
    this.#look = setTimeout(() => {
      if (this.#isCongested) this.#wait();
      else this.#fromGuest.resume();
    }, LOOK_AGAIN);
  }

  /** What the program said last is left to be read for a while; then the terminal hangs up, as a line whose other end is gone. */
  #ended(resolve: (status: ExitStatus) => void, exitCode: number, signal: number): void {
    if (this.#look !== null) clearTimeout(this.#look);
    this.#fromGuest.destroy();
    let looks = LOOKS_AT_END;
    const look = (): void => {
      const isRead = this.#toGuest.writableLength === 0 && (this.#slave.poll() & POLLIN) === 0;
      if (!isRead && looks-- > 0) {
        this.#look = setTimeout(look, LOOK_AGAIN);
        return;
      }
      this.#toGuest.destroy();
      this.#slave.unref();
      resolve(signal === 0 ? { code: exitCode, signal: null } : { code: null, signal: signalName(signal) });
    };
    look();
  }
}

/** @throws Error: not allowed, node-pty is missing; ErrnoError when no terminal can be made */
export function startHostProgram(kernel: Kernel, argv: readonly string[], options: HostProgramOptions): HostPty {
  checkArguments(argv, options);
  const { cols = 80, rows = 24, cwd = process.cwd() } = options;
  const module = loadNodePty();
  const env = options.env ?? { PATH: process.env['PATH'] ?? '/usr/bin:/bin', TERM: 'xterm-256color' };
  const { devpts, namespace } = kernel;
  const pair = devpts.openPair(O_NONBLOCK);
  if (isErr(pair)) throw errnoError(pair, 'openpty');
  const slave = openSlave(namespace, devpts, pair.master, O_RDWR | O_NOCTTY, KERNEL_CALLER);
  pair.slave.unref();
  if (isErr(slave) || !(slave instanceof TtyFile)) {
    pair.master.unref();
    throw errnoError(isErr(slave) ? slave : -ENOTTY, 'openpty');
  }
  makeRaw(slave, cols, rows);
  try {
    const [file, ...args] = argv;
    const program = module.spawn(file, args, { name: env['TERM'] ?? 'dumb', cols, rows, cwd, env, encoding: null });
    return new HostPty(program, pair.master, slave);
  } catch (error) {
    pair.master.unref();
    slave.unref();
    throw error;
  }
}

const isText = (value: unknown): value is string => typeof value === 'string' && !value.includes('\0');

/** node-pty hands what it gets to native code. @throws TypeError, RangeError */
function checkArguments(argv: readonly string[], options: HostProgramOptions): void {
  if (!Array.isArray(argv) || argv.length === 0 || !argv.every(isText)) {
    throw new TypeError('a program and its arguments are a list of strings without zero bytes');
  }
  if (typeof options !== 'object' || options === null) throw new TypeError('the options must be an object');
  const { cols = 1, rows = 1, cwd = '', env = {} } = options;
  if (!isSize(cols) || !isSize(rows)) throw new RangeError('cols and rows must be whole numbers from 1 to 65535');
  if (!isText(cwd)) throw new TypeError('cwd must be a string without zero bytes');
  if (typeof env !== 'object' || env === null || !Object.values(env).every(isText)) {
    throw new TypeError('env must be an object of strings without zero bytes');
  }
}

function makeRaw({ tty }: TtyFile, cols: number, rows: number): void {
  const { iflag, oflag, lflag, cflag } = tty.termios;
  tty.setTermios({
    ...tty.termios,
    iflag: iflag & ~(INLCR | IGNCR | ICRNL | IXON),
    oflag: oflag & ~OPOST,
    lflag: lflag & ~(ECHO | ECHONL | ICANON | ISIG | IEXTEN),
    cflag: (cflag & ~CSIZE) | CS8,
  });
  tty.resize({ cols, rows, xpixel: 0, ypixel: 0 });
}

function loadNodePty(): NodePtyModule {
  try {
    return createRequire(import.meta.url)('node-pty');
  } catch (error) {
    throw new Error('a program of the host needs the optional npm package node-pty, which is not installed', {
      cause: error,
    });
  }
}
