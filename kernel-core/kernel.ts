/**
 * The kernel object: what boot assembles and everything hangs off. It connects the processor's hooks to tasks and
 * system calls; policy lives in the files beside it.
 *
 * Life of a system call: the engine's `syscall` hook calls `#syscall`, which looks up the row, calls the handler with
 * the argument registers as numbers and puts the result into rax. The engine goes on at once unless the task now
 * sleeps, has a signal to take, or got new registers; then it leaves, and the scheduler sees to it.
 */
import { EFAULT, ERESTARTNOINTR, fail } from '../abi/errno.js';
import { type CodeStore, Cpu, type CpuHooks, type PhysicalMemory, type TranslatorOptions } from '../cpu/index.js';
import type { Devpts } from '../pty/devpts.js';
import { KERNEL_CALLER } from '../vfs/caller.js';
import type { VfsEnv } from '../vfs/filesystem.js';
import type { Devfs } from '../vfs/fs/devfs.js';
import type { InotifyLimits } from '../vfs/fs/inotify.js';
import type { Sysfs } from '../vfs/fs/sysfs/index.js';
import type { MountNamespace } from '../vfs/mount.js';
import { holdPath, releasePath } from '../vfs/namei.js';
import { UserQuota } from '../vfs/user-quota.js';
import type { CodeDump } from './code-dump.js';
import { CoreSettings } from './core-dump/settings.js';
import type { Debugger } from './debug/debugger.js';
import { Drivers } from './drivers/drivers.js';
import type { SyscallProbes } from './drivers/syscall-probes.js';
import { makeKernelTask } from './drivers/thread.js';
import { Vdso } from './exec/vdso.js';
import { FdTable } from './fd-table.js';
import { FileSystemTypes } from './filesystem-types.js';
import { FutexTable } from './futex.js';
import type { GdbServer } from './gdb/server.js';
import type { Host } from './host.js';
import { LoadAverage } from './load-average.js';
import { KernelLog } from './log/log.js';
import { faultCode, faultSignal } from './mm/fault.js';
import { PAGE_SIZE, USER_END } from './mm/layout.js';
import { ModuleTable } from './modules/table.js';
import { Network } from './net.js';
import { relieveMemory } from './oom.js';
import { Process } from './process.js';
import { ProcessTable } from './process-table.js';
import { InstalledPrograms } from './program/installed.js';
import { Scheduler } from './scheduler.js';
import { isRestart } from './signals/deliver.js';
import { SignalHandlers } from './signals/state.js';
import { tellUrgent } from './syscalls/async-io.js';
import type { SyscallRow } from './syscalls/row.js';
import { type SharedFsContext, Task, type TracedCall } from './task.js';
import { TimerQueue } from './timers.js';
import type { Tracer } from './trace/tracer.js';
import { CONTEXT_REPLACED, PENDING } from './wait.js';

const RAX = 0;
/** Argument registers of a system call, in order. */
const RDI = 7;
const RSI = 6;
const RDX = 2;
const R10 = 10;
const R8 = 8;
const R9 = 9;
/** What a system call and a page fault count for, in instructions. */
const CALL_COST = 100;
const FAULT_COST = 1000;
/** Bytes that an interest of an epoll set counts for: a user's may take a twenty-fifth of memory. @source epoll(7) */
const EPOLL_ITEM_COST = 200;
/** What the superuser can change in /proc/sys/fs/inotify. */
const INOTIFY_INSTANCES = 128;
const INOTIFY_WATCHES = 65536;
const INOTIFY_EVENTS = 16384;
/** Nanoseconds between two times that an idle kernel writes translated code for later runs; the rest comes at shutdown. */
const KEEP_INTERVAL = 10_000_000_000;

export interface KernelParts {
  host: Host;
  memory: PhysicalMemory;
  vfsEnv: VfsEnv;
  namespace: MountNamespace;
  /** Where nodes of devices are made. */
  devfs: Devfs;
  /** Where terminals for the embedder are made. */
  devpts: Devpts;
  sysfs: Sysfs;
  syscalls: readonly SyscallRow[];
  /** Answers for every number that Linux does not know. */
  unknownSyscall: SyscallRow;
  taskLimit: number;
  hostname: string;
  /** Null: programs are interpreted only. */
  translator: TranslatorOptions | null;
  /** Where translated code is kept between runs. */
  codeStore?: CodeStore;
}

export class Kernel {
  readonly host: Host;
  readonly memory: PhysicalMemory;
  readonly cpu: Cpu;
  readonly vfsEnv: VfsEnv;
  readonly namespace: MountNamespace;
  readonly devfs: Devfs;
  readonly devpts: Devpts;
  readonly sysfs: Sysfs;
  readonly timers = new TimerQueue();
  readonly futexes = new FutexTable();
  /** Interests of each user in all epoll sets. */
  readonly epollQuota: UserQuota;
  /** Null when memory is too small for it. */
  readonly vdso: Vdso | null;
  readonly inotify: InotifyLimits = {
    instances: new UserQuota(INOTIFY_INSTANCES),
    watches: new UserQuota(INOTIFY_WATCHES),
    queuedEvents: INOTIFY_EVENTS,
  };
  readonly load = new LoadAverage();
  readonly coreSettings = new CoreSettings();
  readonly log: KernelLog;
  readonly net: Network;
  readonly fileSystemTypes = new FileSystemTypes();
  /** TypeScript programs that are files. */
  readonly programs = new InstalledPrograms();
  readonly processes: ProcessTable;
  readonly scheduler: Scheduler;
  /** By number; drivers add to it (drivers/syscalls.ts). */
  readonly syscalls: SyscallRow[];
  /** Answers for numbers that nobody has. */
  readonly unknownSyscall: SyscallRow;
  readonly init: Process;
  /** Parent of the kernel's threads. */
  readonly kthreadd: Process;
  /** Code that runs in kernel mode. */
  readonly drivers: Drivers;
  readonly modules: ModuleTable;
  /** Where new programs start: the root of the namespace. Held by init. */
  readonly rootContext: SharedFsContext;
  debugger: Debugger | null = null;
  /** Where debuggers find it. */
  gdb: GdbServer | null = null;
  /** Shows the code that `dumpCode` of boot asks for. */
  codeDump: CodeDump | null = null;
  /** The embedder lets guests have terminals behind which programs of the host run. */
  allowsHostPrograms = false;
  hostname: string;
  domainname = '(none)';
  syscallCount = 0;
  /** Called when a process is gone for good; boot's facade waits for quiet with it. */
  onReaped: (() => void) | null = null;
  #tracer: Tracer | null = null;
  /** What drivers want to be told of; null: nothing. */
  #callProbes: SyscallProbes | null = null;
  /** System calls have a tracer or probes. */
  #isWatched = false;
  /** When translated code was last written for later runs. */
  #codeKept = 0;
  /** The TypeScript program's task that makes a call outside of a slice. */
  #programCaller: Task | null = null;

  constructor(parts: KernelParts) {
    this.host = parts.host;
    this.memory = parts.memory;
    this.epollQuota = new UserQuota(Math.floor((parts.memory.limitFrames * PAGE_SIZE) / 25 / EPOLL_ITEM_COST));
    this.vdso = Vdso.create(parts.memory, parts.host.epoch);
    this.vfsEnv = parts.vfsEnv;
    this.log = new KernelLog(parts.vfsEnv, () => this.host.monotonic());
    this.namespace = parts.namespace;
    this.devfs = parts.devfs;
    this.devpts = parts.devpts;
    this.sysfs = parts.sysfs;
    this.syscalls = [...parts.syscalls];
    this.unknownSyscall = parts.unknownSyscall;
    this.hostname = parts.hostname;
    this.net = new Network(parts.vfsEnv, parts.host, (file) => tellUrgent(this, file));
    this.processes = new ProcessTable(parts.taskLimit);
    const hooks: CpuHooks = {
      pageFault: (address, access) => this.#pageFault(address, access),
      syscall: () => this.#syscall(),
      breakpoint: (address) => this.debugger?.wantsBreakpoint(address) === true,
      rdtsc: () => this.host.monotonic(),
      clock: () => this.host.monotonic(),
    };
    this.cpu = new Cpu(parts.memory, hooks, parts.translator, parts.codeStore);
    this.scheduler = new Scheduler(this);
    this.drivers = new Drivers(this);
    this.init = new Process(this, this.processes.allocatePid(), null);
    this.processes.add(this.init);
    this.rootContext = {
      root: parts.namespace.root,
      cwd: parts.namespace.root,
      umask: 0o022,
      namespace: parts.namespace,
      refs: 1,
    };
    holdPath(this.rootContext.root);
    holdPath(this.rootContext.cwd);
    this.init.leader = this.#makeInitTask();
    this.kthreadd = this.#makeKthreadd();
    this.modules = new ModuleTable(this);
  }

  /** init is the kernel's own process: it adopts and reaps orphans, and never runs a program. */
  #makeInitTask(): Task {
    const task = new Task(this, this.init, this.init.pid, {
      mm: null,
      files: new FdTable(),
      fs: this.rootContext,
      handlers: new SignalHandlers(),
      cred: { ...KERNEL_CALLER.cred },
      netNamespace: this.net.first,
    });
    task.comm = 'init';
    task.state = 'sleeping';
    this.processes.addTask(task);
    return task;
  }

  #makeKthreadd(): Process {
    const task = makeKernelTask(this, 'kthreadd', null) as Task; // nobody else is there yet
    task.state = 'sleeping';
    return task.process;
  }

  /** The wait of `task` ended: its call returns `result`. */
  finishSyscall(task: Task, result: number): void {
    if (task.program !== null) {
      task.program.returned(this.#settle(task, result));
      return;
    }
    this.scheduler.load(task);
    this.#return(task, result);
  }

  /**
   * A TypeScript program's task makes a system call, in a turn of the scheduler or outside of one.
   * @returns the result, maybe one that asks to be restarted; PENDING; CONTEXT_REPLACED
   */
  callFromProgram(task: Task, number: number, args: readonly number[]): number {
    const row = this.syscalls[number] ?? this.unknownSyscall;
    this.syscallCount++;
    // Time must pass for a program that only calls, also on the virtual clock.
    this.host.elapsed(CALL_COST);
    task.syscall = number;
    const [a, b, c, d, e, f] = args;
    this.#programCaller = task;
    const veto = this.#isWatched ? this.#beginWatched(task, { number, row, args }) : 0;
    const result = veto === 0 ? row.fn(task, a, b, c, d, e, f) : veto;
    this.#programCaller = null;
    this.scheduler.timersChanged();
    if (result === PENDING) return result;
    if (result !== CONTEXT_REPLACED) return this.#settle(task, result);
    this.#endWatched(task, 0);
    return result;
  }

  get tracer(): Tracer | null {
    return this.#tracer;
  }

  set tracer(tracer: Tracer | null) {
    this.#tracer = tracer;
    this.#isWatched = tracer !== null || this.#callProbes !== null;
  }

  /** Tells probes of system calls from now on; null: there are none any more. */
  watchCalls(probes: SyscallProbes | null): void {
    this.#callProbes = probes;
    this.#isWatched = this.#tracer !== null || probes !== null;
  }

  /** The task that the kernel works for now; null when it works for itself. */
  get caller(): Task | null {
    return this.scheduler.current ?? this.#programCaller;
  }

  /** Gives back memory that file systems keep only because it may be wanted again. @returns whether there was any */
  shrinkCaches(): boolean {
    let shrunk = false;
    for (const { fs } of this.namespace.list()) if (fs.shrink()) shrunk = true;
    return shrunk;
  }

  /** Lets go of what the kernel itself holds; no process but init is left. */
  dispose(): void {
    this.scheduler.stop();
    this.modules.dispose();
    this.drivers.dispose();
    this.vdso?.dispose();
    releasePath(this.rootContext.root);
    releasePath(this.rootContext.cwd);
    this.net.dispose();
  }

  processReaped(): void {
    this.onReaped?.();
  }

  /** The scheduler has had its turn of the event loop. */
  turnEnded(): void {
    const now = this.host.monotonic();
    this.load.update(now, this.scheduler.queued);
    if (this.cpu.hasCodeToKeep && this.scheduler.queued === 0 && now - this.#codeKept > KEEP_INTERVAL) {
      this.#codeKept = now;
      this.cpu.keepCode();
    }
  }

  #syscall(): boolean {
    const { cpu } = this;
    if (this.drivers.active !== null) return this.drivers.runner.exportCalled();
    const task = this.scheduler.current!;
    // By halves: what is always an integer stays one.
    const low = cpu.regLo(RAX);
    const known = cpu.regHi(RAX) === 0 ? this.syscalls[low] : undefined;
    const row = known ?? this.unknownSyscall;
    this.syscallCount++;
    this.scheduler.charge(CALL_COST);
    task.syscall = known === undefined ? cpu.reg(RAX) : low | 0;
    // Only what the call has: what else the registers hold may be beyond 32 bits, and then costs an allocation each.
    const count = row.args.length;
    const a = count > 0 ? cpu.reg(RDI) : 0;
    const b = count > 1 ? cpu.reg(RSI) : 0;
    const c = count > 2 ? cpu.reg(RDX) : 0;
    const d = count > 3 ? cpu.reg(R10) : 0;
    const e = count > 4 ? cpu.reg(R8) : 0;
    const f = count > 5 ? cpu.reg(R9) : 0;
    if (this.#isWatched) return this.#watched(task, row, [a, b, c, d, e, f]);
    const result = row.fn(task, a, b, c, d, e, f);
    if (result === PENDING) return false;
    if (result === CONTEXT_REPLACED) return this.#mayEnter(task);
    return this.#return(task, result);
  }

  /** As #syscall, with the tracer and probes told before and after. Its own copy of the arguments outlives a sleep. */
  #watched(task: Task, row: SyscallRow, args: number[]): boolean {
    const veto = this.#beginWatched(task, { number: task.syscall, row, args });
    const result = veto === 0 ? row.fn(task, args[0], args[1], args[2], args[3], args[4], args[5]) : veto;
    if (result === PENDING) return false;
    if (result === CONTEXT_REPLACED) {
      this.#endWatched(task, 0);
      return false;
    }
    return this.#return(task, result);
  }

  /** @returns 0, or what the call answers without having been made */
  #beginWatched(task: Task, call: TracedCall): number {
    this.#tracer?.enter(task, call.row, call.args);
    task.traced = call;
    return this.#callProbes?.enter(task, call) ?? 0;
  }

  #endWatched(task: Task, result: number): void {
    const call = task.traced;
    if (call === null) return;
    task.traced = null;
    this.#tracer?.leave(task, call.row, call.args, result);
    this.#callProbes?.leave(task, call, result);
  }

  /** Puts the result into rax. @returns whether the program may go on without a look at signals */
  #return(task: Task, result: number): boolean {
    this.cpu.setReg(RAX, this.#settle(task, result));
    return this.#mayGoOn(task);
  }

  /** May the task go on at once where its new registers say? Not at a wild address: that fault is not one of a jump there. */
  #mayEnter(task: Task): boolean {
    if (task.state !== 'running' || task.program !== null) return false;
    const { rip } = this.cpu;
    return rip >= 0 && rip < USER_END && this.#mayGoOn(task);
  }

  #mayGoOn(task: Task): boolean {
    return task.syscall < 0 && !task.hasDeliverableSignal && task.savedMask === null && !this.scheduler.isSliceSpent;
  }

  /** A call has its result. @returns what the program is to see, unless it asks to be restarted */
  #settle(task: Task, result: number): number {
    if (task.traced !== null) this.#endWatched(task, result);
    const answer = task.mm?.outOfMemory === true ? this.#exhausted(task, result) : result;
    if (!isRestart(answer)) task.syscall = -1;
    return answer;
  }

  /** A call could not touch a page for want of memory. @returns what it answers once somebody has died for it */
  #exhausted(task: Task, result: number): number {
    task.mm!.outOfMemory = false;
    return relieveMemory(task) && result === -EFAULT ? fail(ERESTARTNOINTR) : result;
  }

  #pageFault(address: number, access: number): boolean {
    // In kernel mode all pages are there that ever will be.
    if (this.drivers.active !== null) return false;
    const task = this.scheduler.current!;
    const { fault } = this.cpu;
    task.process.usage.minorFaults++;
    this.scheduler.charge(FAULT_COST);
    const answer = task.mm!.fault(address, access);
    if (answer === 0) return true;
    fault.signal = faultSignal(answer);
    fault.code = faultCode(answer);
    return false;
  }
}
