/**
 * Processes: making and ending them, waiting for them, their environment.
 *
 * A function cannot be copied half-way, so that `fork` is like spawn: the child is a copy of the process in everything
 * that the kernel knows (descriptors, directories, handlers, memory, identities) and runs the function it is given
 * instead of returning a second time.
 */
import { EACCES, ENOENT, ENOTDIR } from '../abi/errno.js';
import { CLONE_VFORK, CLONE_VM } from '../abi/sched.js';
import { SIG_DFL, SIG_SETMASK, SIGCHLD } from '../abi/signal.js';
import { errnoError, type Program } from '../kernel-core/index.js';
import { type Argument, out, type PathLike, shown, Vector, wholeNumber, zeroTerminated } from './calls.js';
import { Identity } from './identity.js';
import { SYS } from './numbers.js';
import { encodeSet } from './sigset.js';

/** What a child process runs: its own libc. @returns the exit status; nothing is 0 */
export type ChildMain<L> = (libc: L) => unknown;

/** What `waitpid` found. */
export interface Waited {
  pid: number;
  /** Status word: WIFEXITED and the others take it apart. */
  status: number;
}

/** siginfo_t of `waitid`. */
export interface WaitInfo {
  si_pid: number;
  si_uid: number;
  /** Exit status or signal. */
  si_status: number;
  /** CLD_EXITED, CLD_KILLED, CLD_STOPPED … */
  si_code: number;
}

/** What posix_spawn does in the child before the program starts, in order. */
export type SpawnAction =
  | { type: 'open'; fd: number; path: PathLike; flags: number; mode?: number }
  | { type: 'close'; fd: number }
  | { type: 'dup2'; from: number; to: number }
  | { type: 'chdir'; path: PathLike };

export interface SpawnAttributes {
  actions?: readonly SpawnAction[];
  /** Environment; absent: the caller's. */
  env?: Readonly<Record<string, string>>;
  /** Process group; 0: one of its own. */
  pgroup?: number;
  /** A session of its own. */
  setsid?: boolean;
  /** Signals blocked in the new program; absent: as in the caller. */
  sigmask?: readonly number[];
  /** Signals that get their default action back though the caller ignores them. */
  sigdefault?: readonly number[];
  /** Effective identities become the real ones. */
  resetids?: boolean;
}

const SIGINFO_SIZE = 128;
const DEFAULT_PATH = '/bin:/usr/bin';

/** Pointers to strings and a null pointer behind them. */
function strings(texts: readonly PathLike[], name: string): Vector {
  const parts = texts.map((text) => zeroTerminated(text, name));
  return new Vector(parts, 8 * (parts.length + 1), (addresses) => {
    return new Uint8Array(BigUint64Array.from([...addresses.map(BigInt), 0n]).buffer);
  });
}

export abstract class Processes extends Identity {
  /** The same libc for a process that `fork` made. */
  protected abstract inChild(system: Program): this;

  getenv(name: string): string | undefined {
    return this.environ[name];
  }

  setenv(name: string, value: string, overwrite = true): void {
    if (overwrite || this.environ[name] === undefined) this.environ[name] = value;
  }

  unsetenv(name: string): void {
    delete this.environ[name];
  }

  /**
   * Ends the process. What the program awaits never comes; code that goes on nevertheless (an exception that it catches,
   * timers of the host) finds that every call fails with ESRCH.
   */
  exit(status = 0): never {
    this.system.exit(wholeNumber(status, 'status'));
    throw new Error('the process has ended');
  }

  /**
   * Makes a child: a copy of this process that runs `main`. See the head of the file.
   * @returns its process id; unlike in C only here
   */
  async fork(main: ChildMain<this>): Promise<number> {
    return this.#fork(main, SYS.fork, 0);
  }

  /** Executes a program in this process. Does not return: the promise settles only on failure. */
  async execve(
    path: PathLike,
    argv: readonly PathLike[],
    env: Readonly<Record<string, string>> = this.environ,
  ): Promise<never> {
    const entries = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const args: Argument[] = [zeroTerminated(path, 'path'), strings(argv, 'argv'), strings(entries, 'env')];
    await this.blocking('execve', args, shown(path));
    throw new Error('execve returned');
  }

  execv(path: PathLike, argv: readonly PathLike[]): Promise<never> {
    return this.execve(path, argv);
  }

  /** As execve; a name without a slash is looked for in the directories of PATH. */
  async execvpe(
    name: string,
    argv: readonly PathLike[],
    env: Readonly<Record<string, string>> = this.environ,
  ): Promise<never> {
    if (name.includes('/')) return this.execve(name, argv, env);
    let failure = -ENOENT;
    for (const directory of (this.environ['PATH'] ?? DEFAULT_PATH).split(':')) {
      try {
        return await this.execve(`${directory === '' ? '.' : directory}/${name}`, argv, env);
      } catch (error) {
        const { errno } = error as { errno?: number };
        if (errno === -EACCES) failure = errno;
        else if (errno !== -ENOENT && errno !== -ENOTDIR) throw error;
      }
    }
    throw errnoError(failure, 'execve', name);
  }

  execvp(name: string, argv: readonly PathLike[]): Promise<never> {
    return this.execvpe(name, argv);
  }

  /** Starts a program in a child. @returns its process id @throws ErrnoError when it cannot be started: then there is no child */
  posix_spawn(path: PathLike, argv: readonly PathLike[], attributes: SpawnAttributes = {}): Promise<number> {
    return this.#spawn(attributes, (child, env) => child.execve(path, argv, env));
  }

  /** As `posix_spawn`; a name without a slash is looked for in PATH. */
  posix_spawnp(name: string, argv: readonly PathLike[], attributes: SpawnAttributes = {}): Promise<number> {
    return this.#spawn(attributes, (child, env) => child.execvpe(name, argv, env));
  }

  wait(): Promise<Waited> {
    return this.waitpid(-1);
  }

  /**
   * Waits for a child to end, or with WUNTRACED and WCONTINUED to stop and go on.
   * @param pid of the child; -1: any; 0: of the own group; below: of the group -pid
   * @returns pid 0 with WNOHANG when none has
   */
  async waitpid(pid: number, options = 0): Promise<Waited> {
    const status = out(4);
    const found = await this.blocking('wait4', [pid, status, options, 0]);
    return { pid: found, status: status.view.getInt32(0, true) };
  }

  /** @param type P_ALL, P_PID, P_PGID @param options WEXITED, WSTOPPED, WCONTINUED, WNOHANG, WNOWAIT */
  async waitid(type: number, id: number, options: number): Promise<WaitInfo> {
    const info = out(SIGINFO_SIZE);
    await this.blocking('waitid', [type, id, info, options, 0]);
    const { view } = info;
    return {
      si_code: view.getInt32(8, true),
      si_pid: view.getInt32(12, true),
      si_uid: view.getUint32(16, true),
      si_status: view.getInt32(20, true),
    };
  }

  async #fork(main: ChildMain<this>, number: number, flags: number): Promise<number> {
    if (typeof main !== 'function') throw new TypeError('fork needs the function that the child runs');
    const result = await this.system.fork((system) => main(this.inChild(system)), number, flags);
    if (result < 0) throw errnoError(result, 'fork');
    return result;
  }

  /** The child uses the parent's memory, and the parent waits, until the program has been executed, as with vfork. */
  async #spawn(
    attributes: SpawnAttributes,
    exec: (child: this, env: Readonly<Record<string, string>>) => Promise<never>,
  ): Promise<number> {
    let failure: unknown = null;
    const pid = await this.#fork(
      async (child) => {
        try {
          await child.#prepare(attributes);
          await exec(child, attributes.env ?? this.environ);
        } catch (error) {
          failure = error;
          child.system.exit(127);
        }
      },
      SYS.clone,
      CLONE_VM | CLONE_VFORK | SIGCHLD,
    );
    if (failure === null) return pid;
    await this.waitpid(pid);
    throw failure;
  }

  async #prepare({ actions = [], pgroup, setsid, sigmask, sigdefault = [], resetids }: SpawnAttributes): Promise<void> {
    if (setsid) this.setsid();
    if (pgroup !== undefined) this.setpgid(0, pgroup);
    if (resetids) {
      this.setegid(this.getgid());
      this.seteuid(this.getuid());
    }
    for (const signal of sigdefault) {
      const action = new Uint8Array(32);
      new DataView(action.buffer).setBigInt64(0, BigInt(SIG_DFL), true);
      this.now('rt_sigaction', [signal, action, 0, 8]);
    }
    for (const action of actions) await this.#act(action);
    if (sigmask !== undefined) this.now('rt_sigprocmask', [SIG_SETMASK, encodeSet(sigmask), 0, 8]);
  }

  async #act(action: SpawnAction): Promise<void> {
    switch (action.type) {
      case 'open': {
        const fd = await this.open(action.path, action.flags, action.mode);
        if (fd === action.fd) return;
        this.dup2(fd, action.fd);
        this.close(fd);
        return;
      }
      case 'close':
        return this.close(action.fd);
      case 'dup2':
        // Onto itself it takes close-on-exec away. @source posix_spawn_file_actions_adddup2
        if (action.from === action.to) this.now('fcntl', [action.to, 2, 0]);
        else this.dup2(action.from, action.to);
        return;
      case 'chdir':
        return this.chdir(action.path);
    }
  }
}
