/**
 * Banos: a Linux you can import. The public face of the kernel.
 *
 * ```ts
 * import { boot } from 'banos';
 * const kernel = await boot();
 * const shell = kernel.spawn(['sh', '-c', 'echo hello; exit 3']);
 * shell.stdout.pipe(process.stdout);
 * console.log(await shell.exit); // { code: 3, signal: null }
 * await kernel.shutdown();
 * ```
 */
export { type BootOptions, boot, bootAs, type HostMount } from './boot.js';
export type { CodeDumpOptions } from './code-dump.js';
export type { CodeCacheOptions } from './code-store.js';
export type { CpuStatistics } from './cpu-statistics.js';
export type { KernelDump, ProcessDump } from './dump.js';
export { type ErrnoError, errnoError } from './errno-error.js';
export type { ExitStatus, GuestProcess } from './host-guest.js';
export type { HostProgramOptions, HostPty } from './host-program.js';
export type { Disposable, Pty, PtySize } from './host-pty.js';
export type { KernelLogListener, KernelLogRecord } from './log/listener.js';
export type { MemoryBlock } from './program/memory.js';
export type { Program } from './program/program.js';
export { ProgramCall } from './program/thread.js';
export { BootedKernel, type BootedKernel as Kernel, type SpawnOptions } from './public.js';
export type { SignalInfo } from './signals/state.js';
export type { Identity } from './spawn.js';
export { VERSION } from './version.js';
