/**
 * The kernel object: what boot assembles and everything hangs off. It connects the processor's hooks to tasks and
 * system calls; policy lives in the files beside it.
 */
import { type CodeStore, Cpu, type CpuHooks, type PhysicalMemory, type TranslatorOptions } from '../cpu/index.js';
import type { Devpts } from '../pty/devpts.js';
import { LineDisciplines } from '../pty/disciplines.js';
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
import { PAGE_SIZE } from './mm/layout.js';
import { ModuleTable } from './modules/table.js';
import { Network } from './net.js';
import { Process } from './process.js';
import { ProcessTable } from './process-table.js';
import { InstalledPrograms } from './program/installed.js';
import { Scheduler } from './scheduler.js';
import { SignalHandlers } from './signals/state.js';
import { SyscallDispatch } from './syscall-dispatch.js';
import { tellUrgent } from './syscalls/async-io.js';
import type { SyscallEntry } from './syscalls/row.js';
import { type SharedFsContext, Task } from './task.js';
import { TimerQueue } from './timers.js';

/** What a page fault counts for, in instructions. */
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
  syscalls: readonly SyscallEntry[];
  /** Answers for every number that Linux does not know. */
  unknownSyscall: SyscallEntry;
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
  readonly disciplines = new LineDisciplines();
  /** TypeScript programs that are files. */
  readonly programs = new InstalledPrograms();
  readonly processes: ProcessTable;
  readonly scheduler: Scheduler;
  readonly dispatch: SyscallDispatch;
  /** By number; drivers add to it (drivers/syscalls.ts). */
  readonly syscalls: SyscallEntry[];
  /** Answers for numbers that nobody has. */
  readonly unknownSyscall: SyscallEntry;
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
  /** Called when a process is gone for good; boot's facade waits for quiet with it. */
  onReaped: (() => void) | null = null;
  /** When translated code was last written for later runs. */
  #codeKept = 0;

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
      syscall: () => this.#enter(),
      breakpoint: (address) => this.debugger?.wantsBreakpoint(address) === true,
      rdtsc: () => this.host.monotonic(),
      clock: () => this.host.monotonic(),
    };
    this.cpu = new Cpu(parts.memory, hooks, parts.translator, parts.codeStore);
    this.scheduler = new Scheduler(this);
    this.dispatch = new SyscallDispatch(this);
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

  /** The task that the kernel works for now; null when it works for itself. */
  get caller(): Task | null {
    return this.scheduler.current ?? this.dispatch.programCaller;
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

  /** The syscall instruction, of a program or of a driver's stub. */
  #enter(): boolean {
    return this.drivers.active === null ? this.dispatch.enter() : this.drivers.runner.exportCalled();
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
