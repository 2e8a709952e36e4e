/**
 * Processes (thread groups), process groups and sessions: identity, family, limits and what their threads share.
 * A process is made by fork and by the embedder, becomes a zombie when its last thread ends, and is gone when its
 * parent has waited for it; orphans go to init.
 */

import { EventEmitter } from 'eventemitter3';
import { CAP_IPC_LOCK } from '../abi/capability.js';
import {
  RLIMIT_CORE,
  RLIMIT_CPU,
  RLIMIT_MEMLOCK,
  RLIMIT_MSGQUEUE,
  RLIMIT_NICE,
  RLIMIT_NOFILE,
  RLIMIT_NPROC,
  RLIMIT_RTPRIO,
  RLIMIT_SIGPENDING,
  RLIMIT_STACK,
} from '../abi/resource.js';
import type { ControllingTerminal } from '../pty/job-control.js';
import { capable } from '../vfs/capability.js';
import { MemberSet } from '../vfs/member-set.js';
import type { CpuTimers } from './cpu-time.js';
import type { Kernel } from './kernel.js';
import type { PosixTimers } from './posix-timers.js';
import { PendingSignals } from './signals/state.js';
import type { Task } from './task.js';
import type { Timer } from './timers.js';
import type { Hook } from './wait.js';

/** Soft and hard limit; Infinity is RLIM_INFINITY. Never changed, only replaced: processes share them. */
export interface ResourceLimit {
  readonly soft: number;
  readonly hard: number;
}

const RESOURCES = 16;

/** What init starts with; the table of tasks bounds a user's, as Linux derives it from the machine's memory. */
function defaultLimits(taskLimit: number): ResourceLimit[] {
  const limits: ResourceLimit[] = [];
  for (let i = 0; i < RESOURCES; i++) limits.push({ soft: Number.POSITIVE_INFINITY, hard: Number.POSITIVE_INFINITY });
  limits[RLIMIT_STACK] = { soft: 8 << 20, hard: Number.POSITIVE_INFINITY };
  limits[RLIMIT_CORE] = { soft: 0, hard: Number.POSITIVE_INFINITY };
  limits[RLIMIT_MEMLOCK] = { soft: 8 << 20, hard: 8 << 20 };
  const half = Math.max(1, taskLimit >> 1);
  limits[RLIMIT_NPROC] = { soft: half, hard: half };
  limits[RLIMIT_SIGPENDING] = { soft: half, hard: half };
  limits[RLIMIT_NOFILE] = { soft: 1024, hard: 1 << 20 };
  limits[RLIMIT_MSGQUEUE] = { soft: 819200, hard: 819200 };
  limits[RLIMIT_NICE] = { soft: 0, hard: 0 };
  limits[RLIMIT_RTPRIO] = { soft: 0, hard: 0 };
  return limits;
}

export interface Session {
  /** Process id of the leader that made it. */
  readonly sid: number;
  /** Foreground group of a terminal that hung up under the session: it hears of it when the leader ends. 0: none. */
  hungUpGroup: number;
}

/** Processor time and counters; times in nanoseconds. */
export interface Usage {
  utime: number;
  stime: number;
  minorFaults: number;
  majorFaults: number;
  /** Largest resident set, in pages. */
  maxRss: number;
  voluntarySwitches: number;
  involuntarySwitches: number;
}

export const makeUsage = (): Usage => ({
  utime: 0,
  stime: 0,
  minorFaults: 0,
  majorFaults: 0,
  maxRss: 0,
  voluntarySwitches: 0,
  involuntarySwitches: 0,
});

export function addUsage(sum: Usage, more: Usage): void {
  sum.utime += more.utime;
  sum.stime += more.stime;
  sum.minorFaults += more.minorFaults;
  sum.majorFaults += more.majorFaults;
  sum.maxRss = Math.max(sum.maxRss, more.maxRss);
  sum.voluntarySwitches += more.voluntarySwitches;
  sum.involuntarySwitches += more.involuntarySwitches;
}

export class Process {
  readonly kernel: Kernel;
  readonly pid: number;
  parent: Process | null;
  readonly children = new MemberSet<Process>();
  pgid: number;
  session: Session;
  /** Controlling terminal; fork hands it down, setsid lets go of it. */
  tty: ControllingTerminal | null = null;
  /** Threads that have not ended; the first is the leader. */
  readonly threads = new MemberSet<Task>();
  leader!: Task;
  readonly pending = new PendingSignals();
  limits: ResourceLimit[];
  /** Signal sent to the parent on exit; SIGCHLD but for odd clones. */
  exitSignal = 17;
  /** wait(2) status word once it is a zombie. */
  exitStatus = 0;
  isZombie = false;
  /** A thread of the kernel itself: signals do not reach it. */
  isKernelThread = false;
  /** exit_group or a fatal signal: every thread ends with this status word. */
  groupExit: number | null = null;
  /** Stop signal while the process is stopped, else 0. */
  stopSignal = 0;
  /** A state change that wait4 has not reported yet. */
  stopReport = 0;
  continueReport = false;
  /** Has done an execve since fork: setpgid by the parent is refused. */
  hasExecuted = false;
  /** Told about every change that wait4 of the parent may report. Fired on the parent. */
  readonly childHook: Hook = new EventEmitter();
  readonly usage = makeUsage();
  readonly childUsage = makeUsage();
  /** What went through read and write: bytes and calls. Storage traffic is the host's business: 0. */
  readonly io = { readChars: 0, writtenChars: 0, readCalls: 0, writeCalls: 0, readBytes: 0, writtenBytes: 0 };
  oomScoreAdjustment = 0;
  /** Monotonic nanoseconds. */
  readonly startTime: number;
  nice = 0;
  subreaper = false;
  dumpable = 1;
  /** setitimer's timers: on real time, in the kernel's queue, and on processor time. */
  realTimer: Timer | null = null;
  realInterval = 0;
  cpuTimers: CpuTimers | null = null;
  /** After each slice, `checkCpuTime`. */
  watchesCpuTime = false;
  posixTimers: PosixTimers | null = null;
  /** Called when the process became a zombie; an embedder that waits for it. Such a process reaps itself. */
  onExit: ((status: number) => void) | null = null;

  constructor(kernel: Kernel, pid: number, parent: Process | null) {
    this.kernel = kernel;
    this.pid = pid;
    this.parent = parent;
    this.startTime = kernel.host.monotonic();
    if (parent === null) {
      this.pgid = pid;
      this.session = { sid: pid, hungUpGroup: 0 };
      this.limits = defaultLimits(kernel.processes.taskLimit);
      return;
    }
    parent.children.add(this);
    this.pgid = parent.pgid;
    this.session = parent.session;
    this.tty = parent.tty;
    this.limits = parent.limits.slice();
    this.watchesCpuTime = this.limits[RLIMIT_CPU].soft !== Number.POSITIVE_INFINITY;
    this.nice = parent.nice;
    this.dumpable = parent.dumpable;
    this.oomScoreAdjustment = parent.oomScoreAdjustment;
  }

  get isSessionLeader(): boolean {
    return this.session.sid === this.pid;
  }

  /** Soft limit. Locked memory is not limited with CAP_IPC_LOCK. */
  limit(resource: number): number {
    if (resource === RLIMIT_MEMLOCK && capable(this.leader.cred, CAP_IPC_LOCK)) return Number.POSITIVE_INFINITY;
    return this.limits[resource].soft;
  }

  /** A stopped process of a group that nobody in its session could continue. @source setpgid(2), POSIX orphaned process group */
  get isInOrphanedGroup(): boolean {
    return this.kernel.processes.isOrphanedGroup(this.pgid, this.session, null);
  }
}
