/** A made-up kernel for procfs: every figure is set by the test. */
import { EFAULT, fail } from '../../abi/errno.js';
import { PROT_EXEC, PROT_READ, PROT_WRITE } from '../../abi/mman.js';
import type { Caller } from '../../vfs/caller.js';
import type { Path } from '../../vfs/dentry.js';
import type { OpenFile } from '../../vfs/file.js';
import type {
  ProcDirectories,
  ProcMemory,
  ProcNetwork,
  ProcRegion,
  ProcRegionUsage,
  ProcSource,
  ProcSystem,
  ProcTask,
  ProcUsage,
} from '../../vfs/fs/procfs/index.js';
import type { Inode } from '../../vfs/inode.js';
import type { FsContext } from '../../vfs/namei.js';
import { user } from './env.js';

const NOTHING = { lo: 0, hi: 0 };
const GIB = 2 ** 30;

const usage = (more: Partial<ProcUsage> = {}): ProcUsage => ({
  userTime: 0,
  systemTime: 0,
  minorFaults: 0,
  majorFaults: 0,
  voluntarySwitches: 0,
  involuntarySwitches: 0,
  ...more,
});

export const region = (more: Partial<ProcRegion>): ProcRegion => ({
  start: 0x400000,
  end: 0x401000,
  prot: PROT_READ,
  shared: false,
  offset: 0,
  file: null,
  name: '',
  flagLetters: 'mr mw me',
  ...more,
});

export const REGION_USAGE: ProcRegionUsage = {
  rss: 8192,
  pss: 4096,
  sharedClean: 4096,
  sharedDirty: 0,
  privateClean: 0,
  privateDirty: 4096,
  anonymous: 4096,
  locked: 0,
};

/** An address space of which only `bytes` at `base` can be touched. */
export function memory(base: number, bytes: Uint8Array, more: Partial<ProcMemory> = {}): ProcMemory {
  const within = (address: number, length: number): boolean =>
    address >= base && address + length <= base + bytes.length;
  return {
    size: 3_000_000,
    peakSize: 3_100_672,
    locked: 0,
    rss: 1_806_336,
    peakRss: 1_900_544,
    rssAnonymous: 118_784,
    rssFile: 1_687_552,
    rssShared: 0,
    data: 229_376,
    stack: 135_168,
    text: 24_576,
    library: 1_564_672,
    pageTables: 45_056,
    startCode: 0x400000,
    endCode: 0x401000,
    startData: 0x402000,
    endData: 0x403000,
    startBreak: 0x404000,
    startStack: 0x7ffd0000,
    argStart: base,
    argEnd: base,
    envStart: base,
    envEnd: base,
    auxv: new Uint8Array([6, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0]),
    user: {
      read: (address, target) => {
        if (!within(address, target.length)) return fail(EFAULT);
        target.set(bytes.subarray(address - base, address - base + target.length));
        return 0;
      },
      write: (address, source) => {
        if (!within(address, source.length)) return fail(EFAULT);
        bytes.set(source, address - base);
        return 0;
      },
    },
    regions: () => [
      region({ prot: PROT_READ | PROT_EXEC }),
      region({
        start: 0x7ffd0000,
        end: 0x7ffd2000,
        prot: PROT_READ | PROT_WRITE,
        name: '[stack]',
        flagLetters: 'gd me mw mr',
      }),
    ],
    usage: () => REGION_USAGE,
    ...more,
  };
}

export class FakeTask implements ProcTask {
  readonly tid: number;
  tgid: number;
  comm = 'sh';
  state: ProcTask['state'] = 'S';
  ppid = 0;
  pgrp = 0;
  session = 0;
  tty = 0;
  ttyGroup = -1;
  flags = 0x400000;
  nice = 0;
  policy = 0;
  realtimePriority = 0;
  processor = 0;
  startTime = 12_345_678_901;
  exitSignal = 17;
  exitStatus = 0;
  cred = user(0).cred;
  userNamespaceInode = {} as Inode;
  noNewPrivs = false;
  dumpable = true;
  coreFilter: number | null = 0x33;
  siblings: FakeTask[] = [this];
  usage = usage();
  processUsage = usage({ userTime: 1_500_000_000, systemTime: 250_000_000, minorFaults: 104 });
  childUsage = usage();
  io = { readChars: 1, writtenChars: 2, readCalls: 3, writeCalls: 4, readBytes: 5, writtenBytes: 6 };
  memory: ProcMemory | null = null;
  directories: ProcDirectories | null = null;
  network: ProcNetwork | null = null;
  executable: Path | null = null;
  files = new Map<number, OpenFile>();
  closeOnExec = new Set<number>();
  descriptorSlots = 256;
  limits = Array.from({ length: 16 }, () => ({ soft: Number.POSITIVE_INFINITY, hard: Number.POSITIVE_INFINITY }));
  pending = NOTHING;
  sharedPending = NOTHING;
  blocked = NOTHING;
  ignored = NOTHING;
  caught = NOTHING;
  queuedSignals = 0;
  oomScoreAdjustment = 0;
  personality = 0;
  waitChannel = '';
  systemCall: number[] | null = null;

  constructor(tid: number, tgid = tid) {
    this.tid = tid;
    this.tgid = tgid;
  }

  threads(): ProcTask[] {
    return this.siblings;
  }
  get threadCount(): number {
    return this.siblings.length;
  }
  descriptors(): Iterable<number> {
    return [...this.files.keys()].sort((a, b) => a - b);
  }
  file(fd: number): OpenFile | null {
    return this.files.get(fd) ?? null;
  }
  isCloseOnExec(fd: number): boolean {
    return this.closeOnExec.has(fd);
  }
}

export class FakeSource implements ProcSource {
  readonly tasks = new Map<number, FakeTask>();
  readonly system: ProcSystem;
  uuids = 0;

  constructor() {
    this.system = {
      memory: {
        total: 4 * GIB,
        free: 3 * GIB,
        available: 3 * GIB,
        cached: GIB / 2,
        shared: GIB / 4,
        anonymous: GIB / 8,
        mapped: GIB / 16,
        dirty: 0,
        locked: 0,
        kernelStacks: 0,
        pageTables: 4096,
        commitLimit: 4 * GIB,
        committed: GIB,
      },
      cpuTimes: [{ user: 1_230_000_000, nice: 0, system: 450_000_000, idle: 98_760_000_000 }],
      cpuInfo: [
        {
          vendor: 'GenuineIntel',
          family: 6,
          model: 15,
          modelName: 'Made Up',
          stepping: 11,
          mhz: 1234.5,
          cacheKb: 512,
          flags: 'fpu sse2',
          physicalBits: 40,
          virtualBits: 48,
        },
      ],
      uptime: 123_456_789_012,
      bootTime: 1_700_000_000,
      loadAverages: [0.079, 1.5, 12],
      contextSwitches: 77,
      interrupts: 5,
      forks: 42,
      runningTasks: 1,
      blockedTasks: 0,
      taskCount: 9,
      lastPid: 40,
      ostype: 'Linux',
      release: '6.1.0-test',
      buildVersion: '#1 SMP',
      builder: '(me@here) (cc)',
      network: {
        settings: {
          buffers: {
            sendBufferDefault: 212_992,
            sendBufferMax: 4_194_304,
            receiveBufferDefault: 212_992,
            receiveBufferMax: 4_194_304,
          },
          somaxconn: 4096,
          optmemMax: 131_072,
          maxDatagrams: 10,
        },
        isFirst: true,
        isAdministrator: ({ euid }) => euid === 0,
        owner: { uid: 0, gid: 0 },
        get inode(): Inode {
          throw new Error('nobody follows links here');
        },
        unixSockets: () => [],
      },
      log: {
        consoleLevel: 7,
        defaultLevel: 4,
        minimumLevel: 1,
        defaultConsoleLevel: 7,
        restricted: 1,
        programs: 'ratelimit',
      },
      watchdog: { threshold: 10 },
      core: { pattern: 'core', usesPid: 0, setIdDumpable: 0 },
      security: {
        kptrRestrict: 0,
        modulesDisabled: false,
        disableModules: () => {},
        secureLevel: 0,
        setSecureLevel: () => 0,
      },
      taints: 12288,
      hostname: 'box',
      domainname: '(none)',
      commandLine: 'quiet',
      fileSystems: [
        { name: 'proc', needsDevice: false },
        { name: 'ext4', needsDevice: true },
      ],
      modules: [
        { name: 'drv', size: 16384, references: 1, users: ['other'], state: 'Live', address: 0xffff0000, taints: 'OE' },
        { name: 'other', size: 4096, references: 0, users: [], state: 'Live', address: 0, taints: '' },
      ],
      lineDisciplines: [{ name: 'n_tty', number: 0 }],
      ttyDrivers: [
        { name: '/dev/ptmx', node: '/dev/ptmx', major: 5, minors: [2, 2], type: 'system' },
        { name: 'pty_slave', node: '/dev/pts', major: 136, minors: [0, 1048575], type: 'pty:slave' },
      ],
      pidMax: 32768,
      threadsMax: 4096,
      openFiles: 10,
      openFilesMax: 1000,
      inodes: 20,
      unusedInodes: 1,
      dentries: 30,
      unusedDentries: 2,
      maxMapCount: 65530,
      eventLimits: { epollWatches: 1000, inotifyInstances: 128, inotifyWatches: 65536, inotifyEvents: 16384 },
      bootId: '12345678-1234-4234-8234-123456789abc',
      randomUuid: () => `uuid-${++this.uuids}`,
    };
  }

  pids(): number[] {
    return [...this.tasks.values()]
      .filter(({ tid, tgid }) => tid === tgid)
      .map(({ tid }) => tid)
      .sort((a, b) => a - b);
  }
  task(tid: number): ProcTask | null {
    return this.tasks.get(tid) ?? null;
  }
  taskOf(caller: Caller): ProcTask | null {
    return this.tasks.get(caller.pid) ?? null;
  }

  add(task: FakeTask, ctx: FsContext): FakeTask {
    this.tasks.set(task.tid, task);
    task.directories = {
      root: ctx.root,
      cwd: ctx.cwd,
      umask: 0o022,
      mounts: () => ctx.namespace.list(),
    };
    return task;
  }
}
