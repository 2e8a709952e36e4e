/** What /proc/sys shows of the kernel and the superuser may change there. */
import type { Err } from '../../../abi/errno.js';
import type { Caller } from '../../caller.js';

/** Bounds that the superuser may change, all of them for each user but the last. */
export interface ProcEventLimits {
  epollWatches: number;
  inotifyInstances: number;
  inotifyWatches: number;
  /** Events that an inotify instance keeps. */
  inotifyEvents: number;
}

/** Sizes of socket buffers in bytes, which all network namespaces share. */
export interface ProcBufferSettings {
  sendBufferDefault: number;
  sendBufferMax: number;
  receiveBufferDefault: number;
  receiveBufferMax: number;
}

/** Limits of sockets in a network namespace that can be changed: connections, bytes, datagrams. */
export interface ProcNetSettings {
  somaxconn: number;
  optmemMax: number;
  maxDatagrams: number;
}

/** The kernel log, as /proc/sys/kernel has it. @source syslog(2), proc_sys_kernel(5) */
export interface ProcLogSettings {
  /** Records below this level go to the console. */
  consoleLevel: number;
  /** Level of records that do not say theirs. */
  defaultLevel: number;
  /** `consoleLevel` is not set lower than it by syslog(2). */
  minimumLevel: number;
  defaultConsoleLevel: number;
  /** 1: only the superuser reads the log. */
  restricted: number;
  /** What programs write to /dev/kmsg: all of it, nothing, or not too much at once. */
  programs: 'on' | 'off' | 'ratelimit';
}

/** Core files. @source core(5) */
export interface ProcCoreSettings {
  pattern: string;
  usesPid: number;
  /** Of programs with other rights than who started them: 0: none, 1: as all, 2: the superuser's. */
  setIdDumpable: number;
}

/** Who may do what to the kernel itself. */
export interface ProcSecurity {
  /** 0 and 1: the superuser sees addresses of the kernel; 2: nobody does. */
  kptrRestrict: number;
  /** Modules are neither loaded nor unloaded any more, until the end. */
  readonly modulesDisabled: boolean;
  disableModules(): void;
  readonly secureLevel: number;
  /** @returns -EPERM when it would fall and is not to, -EINVAL */
  setSecureLevel(level: number, caller: Caller): number | Err;
}

/** Of kernel code that does not come to an end. */
export interface ProcWatchdog {
  /** Seconds; the log is told after twice as long. 0: never. */
  threshold: number;
}
