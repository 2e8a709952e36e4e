/** The kernel as procfs sees it. */
import { CPU_BRAND, CPU_FLAGS, CPU_VENDOR } from '../../cpu/index.js';
import type { DisciplineType } from '../../pty/ldisc.js';
import type { Caller, Timespec } from '../../vfs/caller.js';
import type {
  ProcCoreSettings,
  ProcEventLimits,
  ProcLogSettings,
  ProcSecurity,
  ProcWatchdog,
} from '../../vfs/fs/procfs/settings.js';
import type {
  ProcCpuTimes,
  ProcMemoryInfo,
  ProcModule,
  ProcNetwork,
  ProcSource,
  ProcSystem,
  ProcTask,
  ProcTtyDriver,
} from '../../vfs/fs/procfs/source.js';
import type { Kernel } from '../kernel.js';
import { MAX_MAPPINGS, PAGE_SIZE } from '../mm/layout.js';
import { STATE_MARKS } from '../modules/table.js';
import { PID_MAX } from '../process-table.js';
import { KERNEL_BUILDER, KERNEL_COMMAND_LINE, KERNEL_RELEASE, KERNEL_VERSION } from '../syscalls/system.js';
import { Task } from '../task.js';
import { procNetwork } from './net.js';

const UNIX98_SLAVE_MAJOR = 136;
const MAX_PTYS = 4096;

const TTY_DRIVERS: readonly ProcTtyDriver[] = [
  { name: '/dev/tty', node: '/dev/tty', major: 5, minors: [0, 0], type: 'system:/dev/tty' },
  { name: '/dev/ptmx', node: '/dev/ptmx', major: 5, minors: [2, 2], type: 'system' },
  { name: 'pty_slave', node: '/dev/pts', major: UNIX98_SLAVE_MAJOR, minors: [0, MAX_PTYS - 1], type: 'pty:slave' },
];

/** Where the kernel keeps what /proc/sys/fs shows of epoll and inotify. */
class EventLimitsView implements ProcEventLimits {
  readonly #kernel: Kernel;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  get epollWatches(): number {
    return this.#kernel.epollQuota.limit;
  }
  set epollWatches(limit: number) {
    this.#kernel.epollQuota.limit = limit;
  }
  get inotifyInstances(): number {
    return this.#kernel.inotify.instances.limit;
  }
  set inotifyInstances(limit: number) {
    this.#kernel.inotify.instances.limit = limit;
  }
  get inotifyWatches(): number {
    return this.#kernel.inotify.watches.limit;
  }
  set inotifyWatches(limit: number) {
    this.#kernel.inotify.watches.limit = limit;
  }
  get inotifyEvents(): number {
    return this.#kernel.inotify.queuedEvents;
  }
  set inotifyEvents(limit: number) {
    this.#kernel.inotify.queuedEvents = limit;
  }
}

class SystemView implements ProcSystem {
  readonly #kernel: Kernel;
  readonly eventLimits: ProcEventLimits;
  readonly bootId: string;
  readonly ostype = 'Linux';
  readonly release = KERNEL_RELEASE;
  readonly buildVersion = KERNEL_VERSION;
  readonly builder = KERNEL_BUILDER;
  readonly commandLine = KERNEL_COMMAND_LINE;
  readonly ttyDrivers = TTY_DRIVERS;
  readonly pidMax = PID_MAX;
  readonly maxMapCount = MAX_MAPPINGS;
  readonly openFilesMax = Number.MAX_SAFE_INTEGER;
  readonly interrupts = 0;
  readonly unusedInodes = 0;
  readonly unusedDentries = 0;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.eventLimits = new EventLimitsView(kernel);
    this.bootId = this.randomUuid();
  }

  get lineDisciplines(): DisciplineType[] {
    return this.#kernel.disciplines.list();
  }

  get modules(): Iterable<ProcModule> {
    return this.#kernel.modules.list().map((module) => ({
      name: module.name,
      size: module.size,
      references: module.references,
      users: [...module.users].map(({ name }) => name).reverse(),
      state: module.state,
      address: module.address,
      taints: module.taintText + STATE_MARKS[module.state],
    }));
  }
  get taints(): number {
    return this.#kernel.modules.taints.mask;
  }
  get security(): ProcSecurity {
    return this.#kernel.modules.security;
  }
  get watchdog(): ProcWatchdog {
    return this.#kernel.drivers.watchdog;
  }

  get core(): ProcCoreSettings {
    return this.#kernel.coreSettings;
  }
  get log(): ProcLogSettings {
    return this.#kernel.log.settings;
  }
  get fileSystems() {
    return this.#kernel.fileSystemTypes.names.map((name) => ({ name, needsDevice: false }));
  }
  get memory(): ProcMemoryInfo {
    const { memory } = this.#kernel;
    const spaces = new Set([...this.#kernel.processes.tasks()].map((task) => task.mm).filter((mm) => mm !== null));
    let anonymous = 0;
    let locked = 0;
    let committed = 0;
    for (const { figures } of spaces) {
      anonymous += figures.resident * PAGE_SIZE;
      locked += figures.locked * PAGE_SIZE;
      committed += (figures.data + figures.stack) * PAGE_SIZE;
    }
    const used = memory.usedFrames * PAGE_SIZE;
    const cached = Math.max(0, used - anonymous);
    const free = memory.freeFrames * PAGE_SIZE;
    return {
      total: memory.limitFrames * PAGE_SIZE,
      free,
      available: free,
      cached,
      shared: cached,
      anonymous,
      mapped: anonymous,
      dirty: 0,
      locked,
      kernelStacks: 0,
      pageTables: 0,
      commitLimit: memory.limitFrames * PAGE_SIZE,
      committed,
    };
  }
  get cpuTimes(): readonly ProcCpuTimes[] {
    const { user } = this.#kernel.processes.totals();
    return [{ user, nice: 0, system: 0, idle: Math.max(0, this.uptime - user) }];
  }
  get cpuInfo() {
    return [
      {
        vendor: CPU_VENDOR,
        family: 15,
        model: 6,
        modelName: CPU_BRAND,
        stepping: 1,
        mhz: 1000,
        cacheKb: 0,
        flags: CPU_FLAGS,
        physicalBits: 32,
        virtualBits: 48,
      },
    ];
  }
  get uptime(): number {
    return this.#kernel.host.monotonic();
  }
  get bootTime(): number {
    const now: Timespec = { sec: 0, nsec: 0 };
    this.#kernel.host.realtime(now);
    return Math.floor(now.sec + now.nsec / 1e9 - this.uptime / 1e9);
  }
  get loadAverages(): readonly [number, number, number] {
    return this.#kernel.load.averages;
  }
  get contextSwitches(): number {
    return this.#kernel.scheduler.switches;
  }
  get forks(): number {
    return this.#kernel.processes.forks;
  }
  get runningTasks(): number {
    return this.#kernel.scheduler.queued + (this.#kernel.scheduler.current === null ? 0 : 1);
  }
  get blockedTasks(): number {
    let count = 0;
    for (const task of this.#kernel.processes.tasks()) if (task.wait.request?.uninterruptible) count++;
    return count;
  }
  get taskCount(): number {
    return this.#kernel.processes.taskCount;
  }
  get lastPid(): number {
    return this.#kernel.processes.lastPid;
  }
  get hostname(): string {
    return this.#kernel.hostname;
  }
  set hostname(name: string) {
    this.#kernel.hostname = name;
  }
  get domainname(): string {
    return this.#kernel.domainname;
  }
  set domainname(name: string) {
    this.#kernel.domainname = name;
  }
  get threadsMax(): number {
    return this.#kernel.processes.taskLimit;
  }
  get openFiles(): number {
    let count = 0;
    for (const task of this.#kernel.processes.tasks()) if (task.state !== 'dead') count += task.files.count;
    return count;
  }
  get inodes(): number {
    return this.openFiles;
  }
  get dentries(): number {
    return this.openFiles;
  }

  get network(): ProcNetwork {
    return procNetwork(this.#kernel, this.#kernel.net.first);
  }

  randomUuid(): string {
    const bytes = new Uint8Array(16);
    this.#kernel.host.random(bytes);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  }
}

export function procSource(kernel: Kernel): ProcSource {
  const { processes } = kernel;
  return {
    system: new SystemView(kernel),
    pids: () => [...processes.all()].map(({ pid }) => pid).sort((a, b) => a - b),
    task: (tid: number): ProcTask | null => (processes.task(tid) ?? processes.get(tid)?.leader)?.view ?? null,
    // Who asks for somebody else's rights (access(2)) is not a task, but has the number of one.
    taskOf: (caller: Caller): ProcTask | null =>
      caller instanceof Task ? caller.view : (kernel.processes.task(caller.pid)?.view ?? null),
  };
}
