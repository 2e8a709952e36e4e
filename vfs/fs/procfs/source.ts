/**
 * What procfs asks of the kernel. kernel-core implements `ProcSource`; the formats of the files are procfs' own
 * business, so everything here is plain figures: times in nanoseconds, memory in bytes, strings latin1.
 *
 * Nothing is kept between two reads: getters may compute on each call. A live task must be the same `ProcTask`
 * object on every call, because the object stands for the identity of the directory /proc/PID; a number that was
 * used again must give another object.
 */
import type { Caller, Credentials } from '../../caller.js';
import type { Path } from '../../dentry.js';
import type { OpenFile, UserMemory } from '../../file.js';
import type { Inode } from '../../inode.js';
import type { Mount } from '../../mount.js';
import type {
  ProcBufferSettings,
  ProcCoreSettings,
  ProcEventLimits,
  ProcLogSettings,
  ProcNetSettings,
  ProcSecurity,
  ProcWatchdog,
} from './settings.js';

/** 64 signals in two words: bit n-1 is signal n. */
export interface SignalMask {
  readonly lo: number;
  readonly hi: number;
}

/** R running, S sleeping, D waiting uninterruptibly, T stopped, t traced, Z zombie, X dead, I idle kernel thread. */
export type TaskStateLetter = 'R' | 'S' | 'D' | 'T' | 't' | 'Z' | 'X' | 'I';

export interface ProcUsage {
  readonly userTime: number;
  readonly systemTime: number;
  readonly minorFaults: number;
  readonly majorFaults: number;
  readonly voluntarySwitches: number;
  readonly involuntarySwitches: number;
}

/** Bytes and calls that went through read and write; storage traffic. */
export interface ProcIo {
  readonly readChars: number;
  readonly writtenChars: number;
  readonly readCalls: number;
  readonly writeCalls: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
}

/** One mapping, as /proc/PID/maps has it. */
export interface ProcRegion {
  /** Byte addresses, end exclusive. */
  readonly start: number;
  readonly end: number;
  /** PROT_READ | PROT_WRITE | PROT_EXEC. */
  readonly prot: number;
  readonly shared: boolean;
  /** Bytes into the file; 0 for anonymous memory. */
  readonly offset: number;
  /** The file behind it, or null. */
  readonly file: OpenFile | null;
  /** `[heap]`, `[stack]`, `[vdso]`, `/dev/zero (deleted)` …; empty when there is none. Read only without `file`. */
  readonly name: string;
  /** Pairs of letters of smaps' VmFlags in any order: `mr mw me gd dd`. Rights as they are now, `sh`, `ms` and `ac` are added. */
  readonly flagLetters: string;
}

/** What of a region is in memory, in bytes. */
export interface ProcRegionUsage {
  readonly rss: number;
  /** Pages shared with others, divided by their sharers. */
  readonly pss: number;
  readonly sharedClean: number;
  readonly sharedDirty: number;
  readonly privateClean: number;
  readonly privateDirty: number;
  readonly anonymous: number;
  readonly locked: number;
}

/** An address space. Sizes in bytes, addresses 0 when unknown. */
export interface ProcMemory {
  readonly size: number;
  readonly peakSize: number;
  readonly locked: number;
  readonly rss: number;
  readonly peakRss: number;
  readonly rssAnonymous: number;
  readonly rssFile: number;
  readonly rssShared: number;
  readonly data: number;
  readonly stack: number;
  readonly text: number;
  readonly library: number;
  readonly pageTables: number;
  readonly startCode: number;
  readonly endCode: number;
  readonly startData: number;
  readonly endData: number;
  readonly startBreak: number;
  readonly startStack: number;
  readonly argStart: number;
  readonly argEnd: number;
  readonly envStart: number;
  readonly envEnd: number;
  /** The auxiliary vector as the program got it. */
  readonly auxv: Uint8Array;
  /** For cmdline, environ and mem. */
  readonly user: UserMemory;
  /** Ascending. */
  regions(): Iterable<ProcRegion>;
  usage(region: ProcRegion): ProcRegionUsage;
}

/** The directories of a task. */
export interface ProcDirectories {
  readonly root: Path;
  readonly cwd: Path;
  readonly umask: number;
  /** Mounts of its namespace in the order of /proc/mounts. */
  mounts(): Iterable<Mount>;
}

export interface ProcResourceLimit {
  /** Infinity is "unlimited". */
  readonly soft: number;
  readonly hard: number;
}

/** One task (thread); `tgid === tid` for the one that stands for its process. */
export interface ProcTask {
  readonly tid: number;
  readonly tgid: number;
  /** At most 15 bytes. Writable through /proc/PID/comm by its own process. */
  comm: string;
  readonly state: TaskStateLetter;
  /** Numbers of processes; 0 where there is none. */
  readonly ppid: number;
  readonly pgrp: number;
  readonly session: number;
  /** st_rdev of the controlling terminal, 0 without. */
  readonly tty: number;
  /** Foreground process group of that terminal, -1 without. */
  readonly ttyGroup: number;
  /** PF_* bits. @source linux/sched.h */
  readonly flags: number;
  readonly nice: number;
  /** SCHED_* and the real-time priority, 0 for ordinary tasks. */
  readonly policy: number;
  readonly realtimePriority: number;
  readonly processor: number;
  /** Nanoseconds since boot. */
  readonly startTime: number;
  readonly exitSignal: number;
  /** wait(2) status word of a zombie, else 0. */
  readonly exitStatus: number;
  readonly cred: Credentials;
  /** What the link of its user namespace leads to. */
  readonly userNamespaceInode: Inode;
  readonly noNewPrivs: boolean;
  /** Those of the same user may look into it. */
  readonly dumpable: boolean;
  /** Tasks of the process, ascending by number. */
  threads(): Iterable<ProcTask>;
  readonly threadCount: number;
  /** Of this task alone. */
  readonly usage: ProcUsage;
  /** Of the whole process, ended threads included. */
  readonly processUsage: ProcUsage;
  /** Of children that were waited for. */
  readonly childUsage: ProcUsage;
  readonly io: ProcIo;
  /** null once it has let go (zombies). */
  readonly memory: ProcMemory | null;
  readonly directories: ProcDirectories | null;
  /** The network namespace it is in; null for zombies. */
  readonly network: ProcNetwork | null;
  /** The program it runs; null for zombies. The path stays the task's. */
  readonly executable: Path | null;
  /** Descriptors in use, ascending. */
  descriptors(): Iterable<number>;
  /** Entries that the descriptor table has room for (FDSize): a power of two from 64 on, 0 of a zombie. */
  readonly descriptorSlots: number;
  /** The description without a new reference, or null. */
  file(fd: number): OpenFile | null;
  isCloseOnExec(fd: number): boolean;
  /** RLIMIT_* by number. */
  readonly limits: readonly ProcResourceLimit[];
  readonly pending: SignalMask;
  readonly sharedPending: SignalMask;
  readonly blocked: SignalMask;
  readonly ignored: SignalMask;
  readonly caught: SignalMask;
  /** Signals queued for the user. */
  readonly queuedSignals: number;
  /** -1000 … 1000. */
  oomScoreAdjustment: number;
  /** Which mappings a core file gets; null: it has no memory. */
  get coreFilter(): number | null;
  set coreFilter(filter: number);
  readonly personality: number;
  /** What it sleeps on (name of a kernel function), empty while it runs. */
  readonly waitChannel: string;
  /** Number and six arguments of the system call it sleeps in, then stack pointer and program counter; null while it runs. */
  readonly systemCall: readonly number[] | null;
}

export interface ProcMemoryInfo {
  readonly total: number;
  readonly free: number;
  readonly available: number;
  /** Pages of files and of tmpfs. */
  readonly cached: number;
  /** Pages of tmpfs and shared anonymous memory; part of `cached`. */
  readonly shared: number;
  readonly anonymous: number;
  readonly mapped: number;
  readonly dirty: number;
  readonly locked: number;
  readonly kernelStacks: number;
  readonly pageTables: number;
  readonly commitLimit: number;
  readonly committed: number;
}

/** Nanoseconds. */
export interface ProcCpuTimes {
  readonly user: number;
  readonly nice: number;
  readonly system: number;
  readonly idle: number;
}

export interface ProcCpuInfo {
  readonly vendor: string;
  readonly family: number;
  readonly model: number;
  readonly modelName: string;
  readonly stepping: number;
  readonly mhz: number;
  readonly cacheKb: number;
  /** Feature names, separated by blanks. */
  readonly flags: string;
  readonly physicalBits: number;
  readonly virtualBits: number;
}

/** A line of /proc/modules. */
export interface ProcModule {
  readonly name: string;
  readonly size: number;
  readonly references: number;
  readonly users: readonly string[];
  readonly state: 'Live' | 'Loading' | 'Unloading';
  /** Signed. */
  readonly address: number;
  /** Taint letters, `(OE)` in the file. */
  readonly taints: string;
}

/** A line of /proc/tty/drivers. */
export interface ProcTtyDriver {
  readonly name: string;
  /** Path of the node without its number: /dev/pts. */
  readonly node: string;
  readonly major: number;
  readonly minors: readonly [first: number, last: number];
  readonly type: string;
}

/** A unix socket as /proc/net/unix shows it. */
export interface ProcUnixSocket {
  readonly references: number;
  readonly isListening: boolean;
  /** SOCK_* and SS_* numbers. */
  readonly type: number;
  readonly state: number;
  /** 0 while nobody has accepted it. */
  readonly ino: number;
  /** sun_path as far as it is used, latin1; an abstract name begins with a zero byte. Empty: unnamed. */
  readonly path: string;
}

/** A network namespace. */
export interface ProcNetwork {
  readonly settings: ProcNetSettings & { readonly buffers: ProcBufferSettings };
  /** The one that the kernel booted with; the others cannot change what all share. */
  readonly isFirst: boolean;
  /** Superuser of its user namespace, kernel's numbers: whom its settings belong to. */
  readonly owner: { readonly uid: number; readonly gid: number };
  /** May `cred` do with its settings what the superuser may? */
  isAdministrator(cred: Credentials): boolean;
  /** What the link in /proc/PID/ns leads to. */
  readonly inode: Inode;
  unixSockets(): Iterable<ProcUnixSocket>;
}

export interface ProcSystem {
  readonly log: ProcLogSettings;
  readonly security: ProcSecurity;
  readonly core: ProcCoreSettings;
  readonly watchdog: ProcWatchdog;
  /** Bits of what is wrong with the kernel. @source Documentation/admin-guide/tainted-kernels.rst */
  readonly taints: number;
  readonly eventLimits: ProcEventLimits;
  readonly memory: ProcMemoryInfo;
  /** One per processor. */
  readonly cpuTimes: readonly ProcCpuTimes[];
  readonly cpuInfo: readonly ProcCpuInfo[];
  /** Nanoseconds since boot. */
  readonly uptime: number;
  /** Seconds since the epoch. */
  readonly bootTime: number;
  /** Averages over 1, 5 and 15 minutes. */
  readonly loadAverages: readonly [number, number, number];
  readonly contextSwitches: number;
  readonly interrupts: number;
  readonly forks: number;
  readonly runningTasks: number;
  readonly blockedTasks: number;
  readonly taskCount: number;
  readonly lastPid: number;
  /** As uname(2); `buildVersion` is the one like `#1 SMP …`. */
  readonly ostype: string;
  readonly release: string;
  readonly buildVersion: string;
  /** What stands in brackets in /proc/version: who built it, with which compiler. */
  readonly builder: string;
  /** Setters are called with a checked length. */
  hostname: string;
  domainname: string;
  /** Boot parameters, without the newline. */
  readonly commandLine: string;
  /** File system types, in the order of registration. */
  readonly fileSystems: readonly { readonly name: string; readonly needsDevice: boolean }[];
  readonly modules: Iterable<ProcModule>;
  readonly ttyDrivers: readonly ProcTtyDriver[];
  /** By ascending number. */
  readonly lineDisciplines: readonly { readonly name: string; readonly number: number }[];
  readonly pidMax: number;
  readonly threadsMax: number;
  /** Open descriptions now and at most. */
  readonly openFiles: number;
  readonly openFilesMax: number;
  readonly inodes: number;
  readonly unusedInodes: number;
  readonly dentries: number;
  readonly unusedDentries: number;
  /** Mappings that an address space may have. */
  readonly maxMapCount: number;
  /** 36 characters each; the first is fixed for the life of the kernel. */
  readonly bootId: string;
  randomUuid(): string;
  /** The first network namespace. */
  readonly network: ProcNetwork;
}

export interface ProcSource {
  readonly system: ProcSystem;
  /** Processes by the number of their leader, zombies included, ascending. */
  pids(): Iterable<number>;
  /** Any task by its number, leader or not; null when there is none. */
  task(tid: number): ProcTask | null;
  /** The task behind a caller; null for the kernel itself. */
  taskOf(caller: Caller): ProcTask | null;
}
