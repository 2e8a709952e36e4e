/**
 * Processes: identity, making and ending them, waiting for them.
 *
 * A function cannot be copied half-way, so that `fork` is like spawn: the child is a copy of the process in everything
 * that the kernel knows (descriptors, directories, handlers, memory, identities) and runs the function it is given
 * instead of returning a second time.
 */
import { EACCES, ENOENT, ENOTDIR } from '../abi/errno.js';
import { CLONE_VFORK, CLONE_VM } from '../abi/sched.js';
import { SIG_DFL, SIG_SETMASK, SIGCHLD } from '../abi/signal.js';
import { errnoError, type Program } from '../kernel-core/index.js';
import { word64 } from './attributes.js';
import { type Argument, Out, out, type PathLike, shown, textOf, Vector, wholeNumber, zeroTerminated } from './calls.js';
import { Directories } from './directories.js';
import { SYS } from './numbers.js';

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

export interface Limit {
  /** Infinity: none. */
  rlim_cur: number;
  rlim_max: number;
}

/** struct rusage, as far as the kernel fills it; times in microseconds. */
export interface Usage {
  ru_utime: number;
  ru_stime: number;
  /** KiB */
  ru_maxrss: number;
  ru_minflt: number;
  ru_majflt: number;
  ru_nvcsw: number;
  ru_nivcsw: number;
}

export interface UtsName {
  sysname: string;
  nodename: string;
  release: string;
  version: string;
  machine: string;
  domainname: string;
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
const UTS_FIELD = 65;
const RUSAGE_SIZE = 144;
const DEFAULT_PATH = '/bin:/usr/bin';

export const WIFEXITED = (status: number): boolean => (status & 0x7f) === 0;
export const WEXITSTATUS = (status: number): number => (status >> 8) & 0xff;
export const WIFSIGNALED = (status: number): boolean => !WIFEXITED(status) && (status & 0x7f) !== 0x7f;
export const WTERMSIG = (status: number): number => status & 0x7f;
export const WCOREDUMP = (status: number): boolean => (status & 0x80) !== 0;
export const WIFSTOPPED = (status: number): boolean => (status & 0xff) === 0x7f;
export const WSTOPSIG = WEXITSTATUS;
export const WIFCONTINUED = (status: number): boolean => status === 0xffff;

const INFINITE = 2n ** 64n - 1n;

/** Pointers to strings and a null pointer behind them. */
function strings(texts: readonly PathLike[], name: string): Vector {
  const parts = texts.map((text) => zeroTerminated(text, name));
  return new Vector(parts, 8 * (parts.length + 1), (addresses) => {
    return new Uint8Array(BigUint64Array.from([...addresses.map(BigInt), 0n]).buffer);
  });
}

export abstract class Processes extends Directories {
  /** The same libc for a process that `fork` made. */
  protected abstract inChild(system: Program): this;

  getpid(): number {
    return this.now('getpid');
  }

  getppid(): number {
    return this.now('getppid');
  }

  getpgrp(): number {
    return this.getpgid(0);
  }

  /** @param pid 0: this process */
  getpgid(pid: number): number {
    return this.now('getpgid', [pid]);
  }

  setpgid(pid: number, pgid: number): void {
    this.now('setpgid', [pid, pgid]);
  }

  getsid(pid = 0): number {
    return this.now('getsid', [pid]);
  }

  /** @returns the number of the new session */
  setsid(): number {
    return this.now('setsid');
  }

  getuid(): number {
    return this.now('getuid');
  }

  geteuid(): number {
    return this.now('geteuid');
  }

  getgid(): number {
    return this.now('getgid');
  }

  getegid(): number {
    return this.now('getegid');
  }

  setuid(uid: number): void {
    this.now('setuid', [uid]);
  }

  setgid(gid: number): void {
    this.now('setgid', [gid]);
  }

  /** -1 leaves an identity as it is. */
  setresuid(real: number, effective: number, saved: number): void {
    this.now('setresuid', [real, effective, saved]);
  }

  setresgid(real: number, effective: number, saved: number): void {
    this.now('setresgid', [real, effective, saved]);
  }

  seteuid(uid: number): void {
    this.setresuid(-1, uid, -1);
  }

  setegid(gid: number): void {
    this.setresgid(-1, gid, -1);
  }

  getgroups(): number[] {
    const count = this.now('getgroups', [0, 0]);
    const groups = new Uint32Array(count);
    if (count > 0) this.now('getgroups', [count, new Out(new Uint8Array(groups.buffer))]);
    return [...groups];
  }

  setgroups(groups: readonly number[]): void {
    const words = Uint32Array.from(groups, (gid) => wholeNumber(gid, 'gid'));
    this.now('setgroups', [words.length, new Uint8Array(words.buffer)]);
  }

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

  /** @param resource RLIMIT_* @param pid 0: this process */
  getrlimit(resource: number, pid = 0): Limit {
    const limit = out(16);
    this.now('prlimit64', [pid, resource, 0, limit]);
    const [soft, hard] = [0, 8].map((at) => limit.view.getBigUint64(at, true));
    const plain = (value: bigint): number => (value === INFINITE ? Number.POSITIVE_INFINITY : Number(value));
    return { rlim_cur: plain(soft), rlim_max: plain(hard) };
  }

  setrlimit(resource: number, { rlim_cur, rlim_max }: Limit, pid = 0): void {
    const words = [rlim_cur, rlim_max].map((value) =>
      value === Number.POSITIVE_INFINITY ? INFINITE : BigInt(wholeNumber(value, 'limit')),
    );
    this.now('prlimit64', [pid, resource, new Uint8Array(BigUint64Array.from(words).buffer), 0]);
  }

  /** @param who RUSAGE_SELF, RUSAGE_CHILDREN */
  getrusage(who: number): Usage {
    const usage = out(RUSAGE_SIZE);
    this.now('getrusage', [who, usage]);
    const [utime, stime] = [0, 16].map((at) => word64(usage.view, at) * 1_000_000 + word64(usage.view, at + 8));
    const [maxrss, minflt, majflt, nvcsw, nivcsw] = [32, 64, 72, 128, 136].map((at) => word64(usage.view, at));
    return {
      ru_utime: utime,
      ru_stime: stime,
      ru_maxrss: maxrss,
      ru_minflt: minflt,
      ru_majflt: majflt,
      ru_nvcsw: nvcsw,
      ru_nivcsw: nivcsw,
    };
  }

  /** @returns the nice value, -20 to 19 */
  getpriority(which: number, who: number): number {
    // The kernel's answer is 20 minus the value, so that it is never negative.
    return 20 - this.now('getpriority', [which, who]);
  }

  setpriority(which: number, who: number, value: number): void {
    this.now('setpriority', [which, who, value]);
  }

  uname(): UtsName {
    const names = out(6 * UTS_FIELD);
    this.now('uname', [names]);
    const [sysname, nodename, release, version, machine, domainname] = Array.from({ length: 6 }, (_, i) =>
      textOf(names.bytes.subarray(i * UTS_FIELD, (i + 1) * UTS_FIELD)),
    );
    return { sysname, nodename, release, version, machine, domainname };
  }

  gethostname(): string {
    return this.uname().nodename;
  }

  sethostname(name: string): void {
    const bytes = zeroTerminated(name, 'name');
    this.now('sethostname', [bytes, bytes.length - 1]);
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

const SIGNALS = 64;

/** sigset_t: bit n - 1 is signal n. */
export function encodeSet(signals: Iterable<number>): Uint8Array {
  let set = 0n;
  for (const signal of signals) {
    if (!(wholeNumber(signal, 'signal') >= 1 && signal <= SIGNALS)) throw new RangeError(`no such signal: ${signal}`);
    set |= 1n << BigInt(signal - 1);
  }
  return new Uint8Array(BigUint64Array.of(set).buffer);
}

export function decodeSet(view: DataView, offset = 0): number[] {
  const set = view.getBigUint64(offset, true);
  return Array.from({ length: SIGNALS }, (_, i) => i + 1).filter((signal) => (set >> BigInt(signal - 1)) & 1n);
}
