/**
 * A task: one flow of control with its own registers, stack and signal mask (Linux: thread). What it shares with
 * others (memory, descriptors, directories, handlers) hangs off it by reference, as clone(2) defines.
 */

import { RLIMIT_NOFILE } from '../abi/resource.js';
import { SIGKILL } from '../abi/signal.js';
import type { NetNamespace } from '../net/namespace.js';
import type { ControllingTerminal, TtyCaller } from '../pty/job-control.js';
import type { Credentials } from '../vfs/caller.js';
import type { FsContext } from '../vfs/namei.js';
import type { KernelCall } from './drivers/call.js';
import type { PidInode } from './events/pidfd.js';
import type { FdTable } from './fd-table.js';
import type { Kernel } from './kernel.js';
import type { AddressSpace } from './mm/address-space.js';
import { TaskView } from './proc/task.js';
import type { Process } from './process.js';
import type { ProgramThread } from './program/thread.js';
import { SigSet } from './signals/sigset.js';
import { isIgnored, PendingSignals, type SignalHandlers } from './signals/state.js';
import type { SyscallRow } from './syscalls/row.js';
import { type Hook, Wait } from './wait.js';

export type TaskState = 'running' | 'sleeping' | 'stopped' | 'dead';

/** fs context with its sharers (CLONE_FS). */
export interface SharedFsContext extends FsContext {
  refs: number;
}

export interface TaskParts {
  mm: AddressSpace | null;
  files: FdTable;
  fs: SharedFsContext;
  handlers: SignalHandlers;
  cred: Credentials;
  netNamespace: NetNamespace;
}

/** A system call that somebody watches. */
export interface TracedCall {
  readonly number: number;
  readonly row: SyscallRow;
  readonly args: readonly number[];
}

/** How a call that a stop or a signal without handler interrupted goes on (restart_syscall(2)). */
export type RestartBlock = (task: Task) => number;

/** What a thread of the kernel's own does when it has its turn. */
export interface KernelWork {
  /** @returns instructions that the turn counts for */
  run(): number;
  /** Somebody asks it to end. */
  readonly isStopping?: boolean;
}

export class Task implements TtyCaller {
  readonly kernel: Kernel;
  readonly process: Process;
  /** Thread id; the leader's is the process id. */
  tid: number;
  comm = '';
  state: TaskState = 'running';
  /** In the scheduler's run queue. */
  queued = false;
  /** What the task runs in place of machine code; null: machine code. */
  program: ProgramThread | null = null;
  /** What a kernel thread runs; null: the task is a program's. */
  kernelThread: KernelWork | null = null;
  /** The driver's flow of control that sleeps on behalf of the task: its wait goes on until that has returned. */
  driverCall: KernelCall | null = null;
  /** Saved registers while the task is not on the CPU. */
  readonly context: Uint8Array;
  mm: AddressSpace | null;
  files: FdTable;
  fs: SharedFsContext;
  handlers: SignalHandlers;
  cred: Credentials;
  netNamespace: NetNamespace;
  readonly blocked = new SigSet();
  /** Mask to go back to after the handler of a signal that sigsuspend, ppoll … let through. */
  savedMask: SigSet | null = null;
  readonly pending = new PendingSignals();
  altStackBase = 0;
  altStackSize = 0;
  altStackFlags = 2;
  readonly wait: Wait;
  /** What procfs shows of it. */
  readonly view: TaskView;
  /** Number of the system call the task is in, -1 outside; what a restart puts back into rax. */
  syscall = -1;
  restart: RestartBlock | null = null;
  /** The call that the tracer and probes have seen begin and not end. */
  traced: TracedCall | null = null;
  /** exit(2) clears this word and wakes its futex. */
  clearChildTid = 0;
  /** Address of the list of robust futexes, 0: none (robust-list.ts). */
  robustList = 0;
  /** The parent's hook to fire when this vfork child has let go of its memory. */
  vforkHook: Hook | null = null;
  parentDeathSignal = 0;
  /** What pidfds of the task share; made by the first. */
  pidInode: PidInode | null = null;
  noNewPrivs = false;
  /** SCHED_*; ordinary policies only. */
  policy = 0;
  /** SCHED_RESET_ON_FORK: children get no priority that is better than usual. */
  resetsOnFork = false;
  /** Class and level of ioprio_set(2); 0: never set. */
  ioPriority = 0;
  /** PER_* and its flags. @source personality(2) */
  personality = 0;
  /** Of the last fault, as the signal frame reports it: exception vector, error code, address. */
  faultTrap = 0;
  faultError = 0;
  faultAddress = 0;
  /** Blocked signals that sigtimedwait nevertheless takes. */
  readonly awaited = new SigSet();

  constructor(kernel: Kernel, process: Process, tid: number, parts: TaskParts) {
    this.kernel = kernel;
    this.process = process;
    this.tid = tid;
    this.mm = parts.mm;
    this.files = parts.files;
    this.fs = parts.fs;
    this.handlers = parts.handlers;
    this.cred = parts.cred;
    this.netNamespace = parts.netNamespace;
    this.context = kernel.cpu.newContext();
    this.wait = new Wait(this);
    this.view = new TaskView(this);
    process.threads.add(this);
  }

  get pid(): number {
    return this.process.pid;
  }

  get sid(): number {
    return this.process.session.sid;
  }

  get pgid(): number {
    return this.process.pgid;
  }

  get isSessionLeader(): boolean {
    return this.process.isSessionLeader;
  }

  controllingTty(): ControllingTerminal | null {
    return this.process.tty;
  }

  setControllingTty(tty: ControllingTerminal | null): void {
    this.process.tty = tty;
  }

  ignoresOrBlocks(signal: number): boolean {
    return this.blocked.has(signal) || isIgnored(this.handlers.actions[signal], signal);
  }

  inOrphanedGroup(): boolean {
    return this.process.isInOrphanedGroup;
  }

  get isKilled(): boolean {
    return this.process.groupExit !== null || this.pending.set.has(SIGKILL) || this.process.pending.set.has(SIGKILL);
  }

  /** Something that ends a sleep: an unblocked signal that is not ignored, the end of the process, or a stop. */
  get hasDeliverableSignal(): boolean {
    return (
      this.process.groupExit !== null ||
      this.process.stopSignal !== 0 ||
      this.pending.set.intersectsOutside(this.blocked) ||
      this.process.pending.set.intersectsOutside(this.blocked)
    );
  }

  /** Does a sigtimedwait of this task want `signal`? */
  waitsFor(signal: number): boolean {
    return this.awaited.has(signal);
  }

  /** Descriptors must be below it. */
  get fileLimit(): number {
    return this.process.limit(RLIMIT_NOFILE);
  }
}
