/** The kernel as the embedder holds it. */
import { EMFILE, isErr } from '../abi/errno.js';
import { SIGKILL } from '../abi/signal.js';
import type { OpenFile } from '../vfs/file.js';
import { createPipe } from '../vfs/fs/pipefs.js';
import { type CpuStatistics, cpuStatistics } from './cpu-statistics.js';
import { dumpKernel, type KernelDump } from './dump.js';
import { errnoError } from './errno-error.js';
import { decodeExit, type ExitStatus, GuestProcess, type GuestStreams } from './host-guest.js';
import { type HostProgramOptions, type HostPty, startHostProgram } from './host-program.js';
import { openPty, type PtySize } from './host-pty.js';
import { GuestInput, GuestOutput } from './host-streams.js';
import type { Kernel } from './kernel.js';
import { endModules, hurrySleepers } from './modules/shutdown.js';
import type { Process } from './process.js';
import { embedderProgram, endEmbedder } from './program/embedder.js';
import type { Program, ProgramMain } from './program/program.js';
import { kernelSignal, sendToProcess } from './signals/send.js';
import { DEFAULT_ENV, DEFAULT_UMASK, type Identity, spawnProcess } from './spawn.js';
import { toKernelText } from './text.js';

export interface SpawnOptions {
  /** Environment; nothing of the host's is added. Default: PATH and HOME. */
  env?: Readonly<Record<string, string>>;
  /** Working directory inside. Default: '/'. */
  cwd?: string;
  /** Default: the superuser. */
  user?: Identity;
  /** File mode creation mask. Default: 0o022. */
  umask?: number;
  /** A terminal instead of three streams; `true`: 80 columns, 24 rows. */
  pty?: boolean | PtySize;
}

/** A running kernel. Made by `boot`. */
export class BootedKernel {
  readonly #kernel: Kernel;
  readonly #dispose: () => void;
  readonly #live = new Set<GuestProcess>();
  readonly #hostPtys = new Set<HostPty>();
  /** One `killAll` after the other. */
  #killing: Promise<void> = Promise.resolve();
  #down = false;

  /** @internal */
  constructor(kernel: Kernel, dispose: () => void) {
    this.#kernel = kernel;
    this.#dispose = dispose;
  }

  /**
   * Starts a program. It has loaded when the call returns and begins to run at the next turn of the event loop.
   * @param argv name and arguments; a name without a slash is looked up in PATH of `env`
   * @throws ErrnoError: ENOENT, EACCES, ENOEXEC …, with `path` the program's name
   */
  spawn(argv: readonly string[], options: SpawnOptions = {}): GuestProcess {
    if (this.#down) throw new Error('the kernel is shut down');
    const { pty } = options;
    const stdio = pty ? this.#terminalStdio(pty === true ? { cols: 80, rows: 24 } : pty) : this.#pipeStdio();
    let resolveExit!: (status: ExitStatus) => void;
    const exit = new Promise<ExitStatus>((resolve) => {
      resolveExit = resolve;
    });
    let child: GuestProcess | null = null;
    try {
      const process = spawnProcess(this.#kernel, {
        argv,
        env: options.env ?? DEFAULT_ENV,
        cwd: options.cwd ?? '/',
        identity: options.user ?? { uid: 0, gid: 0 },
        umask: options.umask ?? DEFAULT_UMASK,
        files: stdio.files,
        terminal: Boolean(pty),
        onExit: (status) => {
          const decoded = decodeExit(status);
          if (child !== null) this.#live.delete(child);
          stdio.streams.pty?.programEnded(decoded);
          resolveExit(decoded);
        },
      });
      stdio.streams.pty?.setProgram(process.pid, argv[0]);
      child = new GuestProcess(process, stdio.streams, exit);
    } catch (error) {
      stdio.abandon();
      throw error;
    }
    this.#live.add(child);
    return child;
  }

  /**
   * Makes `main` an executable file, so that programs and `spawn` can start it by its name. It runs as a process; what it
   * gets are bare system calls: the libc puts a face on them (`installProgram`).
   * @param path absolute; nothing may be there yet
   * @throws ErrnoError: EEXIST, ENOENT, EOPNOTSUPP on a directory of the host …
   */
  installSystemProgram(path: string, main: ProgramMain): void {
    if (typeof path !== 'string' || typeof main !== 'function') throw new TypeError('a path and a function are needed');
    if (path.includes('\0')) throw new TypeError('a path has no zero bytes');
    if (this.#down) throw new Error('the kernel is shut down');
    const result = this.#kernel.programs.install(this.#kernel.rootContext, toKernelText(path), main);
    if (isErr(result)) throw errnoError(result, 'open', path);
  }

  /**
   * System calls of the embedder itself: process 1 makes them, the kernel's own, with the superuser's rights.
   * @throws ErrnoError: ENOMEM
   */
  get system(): Program {
    if (this.#down) throw new Error('the kernel is shut down');
    const program = embedderProgram(this.#kernel);
    if (isErr(program)) throw errnoError(program, 'mmap');
    return program;
  }

  /**
   * Runs a program of the host, by node-pty, behind a terminal of the guest: `path` of what it returns. Only with
   * `allowHostPrograms` of boot. It gets SIGKILL at shutdown if it still runs.
   * @throws Error: not allowed, node-pty is not installed
   */
  hostPty(argv: readonly string[], options: HostProgramOptions = {}): HostPty {
    if (this.#down) throw new Error('the kernel is shut down');
    if (!this.#kernel.allowsHostPrograms) {
      throw new Error('programs of the host are refused: boot with { allowHostPrograms: true } to allow them');
    }
    const pty = startHostProgram(this.#kernel, argv, options);
    this.#hostPtys.add(pty);
    void pty.exit.then(() => this.#hostPtys.delete(pty));
    return pty;
  }

  /** A picture of processes, descriptors, mounts, memory and timers: plain data, for messages and for people. */
  dump(): KernelDump {
    return dumpKernel(this.#kernel);
  }

  /** TCP port where gdb's remote protocol is served, with `gdb` of boot; null without. */
  get gdbPort(): number | null {
    return this.#kernel.gdb?.port ?? null;
  }

  /** What the processor has done since boot, in numbers. */
  cpuStats(): CpuStatistics {
    return cpuStatistics(this.#kernel);
  }

  /**
   * @throws Error when something is left over from programs that have ended: processes, timers, futex waiters,
   * listeners; the message says what
   */
  assertIdle(): void {
    const { processes, timers, futexes, net, init } = this.#kernel;
    const left: string[] = [];
    for (const process of processes.all()) {
      if (process !== init && !process.isKernelThread)
        left.push(
          `process ${process.pid} (${process.leader.comm}) is ${process.isZombie ? 'a zombie' : process.leader.state}`,
        );
    }
    if (timers.size > 0) left.push(`${timers.size} timers are armed`);
    if (futexes.size > 0) left.push(`futex waiters in ${futexes.size} address spaces`);
    left.push(...net.leaks());
    if (left.length > 0) throw new Error(`the kernel is not idle: ${left.join('; ')}`);
  }

  /** Gives back memory that is kept only because it may be wanted again: pages of host files that nobody uses. */
  dropCaches(): void {
    this.#kernel.shrinkCaches();
    this.#kernel.cpu.releaseCode();
  }

  /** Kills every program, and waits until all are gone; the kernel goes on. */
  killAll(): Promise<void> {
    this.#killing = this.#killing.then(() => this.#killPrograms());
    return this.#killing;
  }

  async #killPrograms(): Promise<void> {
    const kernel = this.#kernel;
    const isProgram = (process: Process): boolean => process !== kernel.init && !process.isKernelThread;
    let forget = (): void => {};
    await new Promise<void>((resolve) => {
      const check = (): void => {
        for (const process of kernel.processes.all()) if (isProgram(process)) return;
        kernel.onReaped = null;
        resolve();
      };
      kernel.onReaped = check;
      for (const process of [...kernel.processes.all()]) {
        if (isProgram(process)) sendToProcess(process, kernelSignal(SIGKILL));
      }
      forget = hurrySleepers(kernel);
      check();
    });
    forget();
  }

  /** Kills every program, waits until all are gone, unmounts, and gives all memory back. The kernel is unusable then. */
  async shutdown(): Promise<void> {
    if (this.#down) return;
    this.#down = true;
    const kernel = this.#kernel;
    kernel.gdb?.close();
    await this.killAll();
    for (const pty of this.#hostPtys) pty.kill('SIGKILL');
    await Promise.all([...this.#hostPtys].map(({ exit }) => exit));
    endEmbedder(kernel);
    await endModules(kernel);
    kernel.codeDump?.finish();
    kernel.cpu.keepCode();
    kernel.dispose();
    this.#dispose();
  }

  #pipeStdio(): Stdio {
    const env = this.#kernel.vfsEnv;
    const ends: OpenFile[] = [];
    const pipe = (): { reader: OpenFile; writer: OpenFile } => {
      const made = createPipe(env, 0);
      if (isErr(made)) {
        for (const file of ends) file.unref();
        throw errnoError(-EMFILE, 'pipe');
      }
      ends.push(made.reader, made.writer);
      return made;
    };
    const [input, output, error] = [pipe(), pipe(), pipe()];
    const streams: GuestStreams = {
      stdin: new GuestInput(input.writer),
      stdout: new GuestOutput(output.reader),
      stderr: new GuestOutput(error.reader),
      pty: null,
    };
    return {
      files: [input.reader, output.writer, error.writer],
      streams,
      abandon: () => {
        for (const stream of [streams.stdin, streams.stdout, streams.stderr]) stream!.destroy();
      },
    };
  }

  #terminalStdio(size: PtySize): Stdio {
    const { pty, slave } = openPty(this.#kernel, size);
    return {
      files: [slave, slave.ref(), slave.ref()],
      streams: { stdin: null, stdout: null, stderr: null, pty },
      abandon: () => pty.hangUp(),
    };
  }
}

interface Stdio {
  files: OpenFile[];
  streams: GuestStreams;
  /** The program did not start. */
  abandon: () => void;
}
