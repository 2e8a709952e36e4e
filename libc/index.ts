/**
 * Banos: a Linux you can import. The public face of the package.
 *
 * ```ts
 * import { boot } from 'banos';
 * const kernel = await boot();
 * kernel.installProgram('/bin/greet', async (libc, argv) => {
 *   await libc.write(1, `hello ${argv[1]}\n`);
 * });
 * const shell = kernel.spawn(['sh', '-c', 'greet world | tr a-z A-Z']);
 * shell.stdout.pipe(process.stdout); // HELLO WORLD
 * console.log(await shell.exit); // { code: 0, signal: null }
 * await kernel.shutdown();
 * ```
 */
export {
  type BootOptions,
  type CodeCacheOptions,
  type CodeDumpOptions,
  type CpuStatistics,
  type Disposable,
  type ErrnoError,
  type ExitStatus,
  type GuestProcess,
  type HostMount,
  type HostProgramOptions,
  type HostPty,
  type Identity,
  type KernelDump,
  type KernelLogListener,
  type KernelLogRecord,
  type ProcessDump,
  type Pty,
  type PtySize,
  type SignalInfo,
  type SpawnOptions,
  VERSION,
} from '../kernel-core/index.js';
export type { Stat, StatFs, Timespec } from './attributes.js';
export type { PathLike } from './calls.js';
export * as constants from './constants.js';
export type { Dir, Dirent } from './directories.js';
export type { EpollEvent, TimerSpec } from './events.js';
export type { Flock, Source, Target } from './files.js';
export type { Limit, Usage, UtsName } from './identity.js';
export { boot, Kernel, type Main } from './kernel.js';
export { Libc } from './libc.js';
export type { Attachments, ControlMessage, ReceivedMessage, SocketPath, Ucred } from './messages.js';
export type { CopyOptions } from './node/copy.js';
export type { NodeDir } from './node/dir.js';
export type { FileHandle } from './node/file-handle.js';
export type { FsPromises } from './node/fs.js';
export type { ConnectOptions, Net } from './node/net.js';
export type { ListenOptions, Server } from './node/server.js';
export type { Socket, SocketOptions } from './node/socket.js';
export type { BigIntStats, NodeDirent, Stats } from './node/stats.js';
export type { WatchEvent, WatchOptions } from './node/watch.js';
export type { PollFd, Selected, SelectSets } from './polling.js';
export type { ChildMain, SpawnAction, SpawnAttributes, Waited, WaitInfo } from './processes.js';
export type { IntervalTimer, ReceivedSignal, SignalAction, SignalHandler } from './signals.js';
export type { PtyPair, Termios, WindowSize } from './terminals.js';
export { cfgetispeed, cfgetospeed, cfmakeraw, cfsetispeed, cfsetospeed, cfsetspeed } from './terminals.js';
export {
  WCOREDUMP,
  WEXITSTATUS,
  WIFCONTINUED,
  WIFEXITED,
  WIFSIGNALED,
  WIFSTOPPED,
  WSTOPSIG,
  WTERMSIG,
} from './wait-status.js';
