/** Boot: from options to a running kernel with its file systems mounted. */
import { EEXIST, EINVAL, ENOENT, type Err, fail, isErr } from '../abi/errno.js';
import { MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY } from '../abi/mount.js';
import { DEFAULT_TRANSLATOR, PhysicalMemory, type TranslatorOptions } from '../cpu/index.js';
import { Devpts } from '../pty/devpts.js';
import type { SessionControl } from '../pty/job-control.js';
import { KERNEL_CALLER } from '../vfs/caller.js';
import { DeviceTable, makeDevice } from '../vfs/devices.js';
import type { FileSystem, VfsEnv } from '../vfs/filesystem.js';
import { Devfs } from '../vfs/fs/devfs.js';
import { Hostfs } from '../vfs/fs/hostfs.js';
import { registerMemoryDevices } from '../vfs/fs/memory-devices.js';
import { Procfs } from '../vfs/fs/procfs/index.js';
import { openRootfs } from '../vfs/fs/rootfs.js';
import { Sysfs } from '../vfs/fs/sysfs/index.js';
import { Tmpfs } from '../vfs/fs/tmpfs.js';
import { kernelMount, MountNamespace } from '../vfs/mount.js';
import { LOOKUP_DIRECTORY, LOOKUP_FOLLOW, releasePath, resolve } from '../vfs/namei.js';
import { mkdirAt } from '../vfs/operations.js';
import type { CodeDumpOptions } from './code-dump.js';
import { type CodeCacheOptions, DirectoryStore } from './code-store.js';
import { procBanos } from './drivers/proc.js';
import { errnoError } from './errno-error.js';
import { parseMountOptions, parseSize } from './filesystem-types.js';
import type { GdbOptions } from './gdb/server.js';
import type { Host } from './host.js';
import { DeterministicHost } from './host-deterministic.js';
import { tuneEngine } from './host-engine.js';
import { NodeHost } from './host-node.js';
import { readEmbeddedBusybox } from './host-userland.js';
import { Kernel } from './kernel.js';
import { logBoot, logMounts } from './log/boot.js';
import { installKmsg } from './log/kmsg.js';
import { type KernelLogListener, listenTo } from './log/listener.js';
import { procKmsg } from './log/reader.js';
import { PAGE_SIZE } from './mm/layout.js';
import { kallsyms } from './modules/kallsyms.js';
import { installKsyms } from './modules/ksyms.js';
import { procSource } from './proc/source.js';
import { BootedKernel } from './public.js';
import { sessionControl } from './sessions.js';
import { SYSCALLS, UNKNOWN_SYSCALL } from './syscalls/table.js';
import { fillSysfs } from './sysfs/tree.js';
import { type ConsoleSink, installTerminals } from './terminals.js';
import { toKernelText } from './text.js';
import { Tracer } from './trace/tracer.js';
import { populate } from './userland/tree.js';

export interface HostMount {
  /** Directory of the host. */
  host: string;
  /** Absolute path inside; made if it is not there. */
  guest: string;
  /** Nothing can be changed through it. */
  readOnly?: boolean;
}

export interface BootOptions {
  /**
   * Root file system: a directory or a tar or tar.gz file of the host, taken over copy-on-write into memory and never
   * written to. Default: the busybox of the npm package `busybox-static`.
   */
  rootfs?: string;
  mounts?: readonly HostMount[];
  /** MiB of memory for programs, files in memory and pipes; 16 to 4096. Default: 1024. */
  memory?: number;
  /** Deterministic run: virtual clock and random numbers that follow from this number. */
  seed?: number;
  hostname?: string;
  /** Gets what programs write to /dev/console. */
  console?: ConsoleSink;
  /** Gets the records of the kernel log. */
  kernelLog?: KernelLogListener;
  /** Gets each line of a system call trace in the format of strace, with its newline. */
  trace?: (line: string) => void;
  /** Shows code of programs as it is executed: machine code, intermediate form, WebAssembly. For people who debug banos. */
  dumpCode?: CodeDumpOptions;
  /**
   * Hot code of programs is translated to WebAssembly; false: it is interpreted only. What programs do does not depend on
   * it, instruction counts included. An object changes when translation happens (cpu/tier1/translator.ts).
   */
  translator?: false | Partial<TranslatorOptions>;
  /**
   * Directory of the host where translated code of files is kept for later runs, so that they start fast. Written at
   * shutdown, and now and then when nothing runs. Whoever can write to it can change what programs do.
   */
  codeCache?: string | CodeCacheOptions;
  /**
   * `kernel.hostPty` may run programs of the host. Whoever can open their terminals inside controls them, with the rights
   * of the user who runs this process. Default: false.
   */
  allowHostPrograms?: boolean;
  /**
   * Instructions after which a call of a driver is ended as if it had crashed: for people who look for a loop in one. Default:
   * none; calls that cannot be put off have one of their own.
   */
  driverDeadline?: number;
  /**
   * Gets an ELF core file of the kernel when a driver crashes, once: to be read at once, piece by piece, before it returns. gdb opens it.
   */
  crashDump?: (pieces: Iterable<Uint8Array>) => void;
  /** Serves gdb's remote protocol, see docs/how-to/debug-with-gdb.md. Who connects has the rights of the user of this process inside. */
  gdb?: GdbOptions;
  /** Tasks that may exist at once. Default: 4096. */
  taskLimit?: number;
}

const MEBIBYTE = 2 ** 20;
const DEFAULT_MEMORY = 1024;
const DEFAULT_TASK_LIMIT = 4096;
const SAFE = MS_NOSUID | MS_NODEV | MS_NOEXEC;
/** Device numbers of file systems without a device: major 0. */
const ROOT_DEVICE = makeDevice(0, 20);

/** Bytes that a file system in memory may take when nothing else is said, so that a full one leaves programs alive. @source tmpfs(5) */
const halfOf = (memory: PhysicalMemory): number => (memory.limitFrames >> 1) * PAGE_SIZE;

/** What boot builds up, so that a failure half-way and the end take it down the same way. */
class Builder {
  readonly host: Host;
  readonly memory: PhysicalMemory;
  readonly env: VfsEnv;
  namespace: MountNamespace | null = null;
  #minor = 21;

  constructor(options: BootOptions) {
    tuneEngine();
    this.host = options.seed === undefined ? new NodeHost() : new DeterministicHost(options.seed);
    this.memory = new PhysicalMemory((options.memory ?? DEFAULT_MEMORY) * MEBIBYTE);
    this.env = {
      frames: this.memory,
      devices: new DeviceTable(),
      now: (out) => this.host.coarseRealtime(out),
    };
  }

  nextDevice(): number {
    return makeDevice(0, this.#minor++);
  }

  dispose(): void {
    this.namespace?.dispose();
    this.namespace = null;
  }
}

/**
 * Boots a kernel.
 * @throws Error that says what to do: no root file system, a damaged tarball, an unreadable mount
 */
export const boot = (options: BootOptions = {}): Promise<BootedKernel> => bootAs(BootedKernel, options);

/** As `boot`, for a layer above that adds to the face: the kernel is a `Face`. */
export async function bootAs<K extends BootedKernel>(
  Face: new (...parts: ConstructorParameters<typeof BootedKernel>) => K,
  options: BootOptions,
): Promise<K> {
  const builder = new Builder(options);
  try {
    const kernel = await assemble(builder, options);
    return new Face(kernel, () => builder.dispose());
  } catch (error) {
    builder.dispose();
    throw error;
  }
}

async function assemble(builder: Builder, options: BootOptions): Promise<Kernel> {
  const { host, memory, env } = builder;
  const hostname = options.hostname ?? 'banos';
  const root = await makeRoot(builder, options.rootfs, hostname);
  const namespace = new MountNamespace(root, 0, toKernelText(options.rootfs ?? 'busybox'));
  builder.namespace = namespace;
  let kernel!: Kernel;
  const control = sessionControl(() => kernel);
  const devpts = new Devpts(env, builder.nextDevice(), control);
  registerMemoryDevices(env.devices, (target) => host.random(target));
  const devfs = new Devfs(env, builder.nextDevice());
  kernel = new Kernel({
    host,
    memory,
    vfsEnv: env,
    namespace,
    devfs,
    devpts,
    sysfs: makeSysfs(builder),
    syscalls: SYSCALLS,
    unknownSyscall: UNKNOWN_SYSCALL,
    taskLimit: options.taskLimit ?? DEFAULT_TASK_LIMIT,
    hostname,
    codeStore: codeStoreOf(host, options.codeCache),
    translator: options.translator === false ? null : { ...DEFAULT_TRANSLATOR, ...options.translator },
  });
  kernel.drivers.deadline = options.driverDeadline ?? Number.POSITIVE_INFINITY;
  kernel.allowsHostPrograms = options.allowHostPrograms === true;
  if (options.kernelLog !== undefined) listenTo(kernel.log, options.kernelLog);
  logBoot(kernel);
  if (options.trace !== undefined) kernel.dispatch.tracer = new Tracer(options.trace);
  if (options.dumpCode !== undefined) {
    // Few need the disassembler: it is not loaded with the rest.
    const { CodeDump } = await import('./code-dump.js');
    const dump = new CodeDump(options.dumpCode);
    kernel.codeDump = dump;
    kernel.cpu.watcher = (region) => {
      const space = kernel.scheduler.current?.mm;
      if (space) dump.translated(space, region);
    };
  }
  installTerminals(env, devfs, devpts, control, options.console ?? (() => {}));
  const who = () => kernel.caller?.comm ?? 'kernel';
  installKmsg(kernel.log, env.devices, devfs, () => host.monotonic(), who);
  installKsyms(kernel, devfs);
  registerTypes(kernel, builder, devfs, control);
  mountAt(kernel, devfs, '/dev', MS_NOSUID, 'devtmpfs');
  mountAt(kernel, devpts, '/dev/pts', MS_NOSUID | MS_NOEXEC, 'devpts');
  const shm = new Tmpfs(env, builder.nextDevice(), { mode: 0o1777, sizeLimit: halfOf(memory) });
  mountAt(kernel, shm, '/dev/shm', MS_NOSUID | MS_NODEV, 'tmpfs');
  mountAt(kernel, makeProcfs(kernel, builder.nextDevice()), '/proc', SAFE, 'proc');
  mountAt(kernel, kernel.sysfs, '/sys', SAFE, 'sysfs');
  for (const { host: path, guest, readOnly } of options.mounts ?? []) {
    const hostfs = new Hostfs(env, builder.nextDevice(), { host: host.files, path, readOnly: readOnly === true });
    mountAt(kernel, hostfs, toKernelText(guest), readOnly === true ? MS_RDONLY : 0, toKernelText(path));
  }
  logMounts(kernel);
  kernel.drivers.crashDump = options.crashDump ?? null;
  if (options.gdb !== undefined) {
    const { GdbServer } = await import('./gdb/server.js');
    kernel.gdb = await GdbServer.start(kernel, options.gdb);
  }
  return kernel;
}

function codeStoreOf(host: Host, option: BootOptions['codeCache']): DirectoryStore | undefined {
  if (option === undefined) return undefined;
  return new DirectoryStore(host, typeof option === 'string' ? { directory: option } : option);
}

/** What mount(2) can make. */
function registerTypes(kernel: Kernel, builder: Builder, devfs: Devfs, control: SessionControl): void {
  const { env, memory } = builder;
  const types = kernel.fileSystemTypes;
  types.register('tmpfs', (_source, options) => {
    const fields = parseMountOptions(options, ['size', 'mode', 'uid', 'gid', 'nr_inodes']);
    if (fields === null) return fail(EINVAL);
    const size = parseSize(fields.get('size') ?? '50%', memory.limitFrames * PAGE_SIZE);
    if (isErr(size)) return size;
    const inodes = parseSize(fields.get('nr_inodes') ?? String(memory.limitFrames >> 1), 0);
    if (isErr(inodes)) return inodes;
    return new Tmpfs(env, types.nextDevice(), {
      sizeLimit: size,
      // 0 is no limit on Linux; here an inode costs the embedder's memory.
      ...(inodes > 0 && { inodeLimit: inodes }),
      mode: Number.parseInt(fields.get('mode') ?? '1777', 8),
      uid: Number(fields.get('uid') ?? 0),
      gid: Number(fields.get('gid') ?? 0),
    });
  });
  types.register('devtmpfs', () => devfs);
  types.register('proc', () => makeProcfs(kernel, types.nextDevice()));
  types.register('sysfs', () => kernel.sysfs);
  types.register('devpts', (_source, options) => {
    const fields = parseMountOptions(options, ['mode', 'uid', 'gid', 'ptmxmode', 'newinstance']);
    if (fields === null) return fail(EINVAL);
    return new Devpts(env, types.nextDevice(), control, {
      mode: Number.parseInt(fields.get('mode') ?? '620', 8),
      gid: Number(fields.get('gid') ?? 5),
      ptmxMode: Number.parseInt(fields.get('ptmxmode') ?? '0', 8),
    });
  });
}

function makeProcfs(kernel: Kernel, device: number): Procfs {
  const procfs = new Procfs(kernel.vfsEnv, device, procSource(kernel));
  procfs.add(procKmsg(kernel.log));
  procfs.add(procBanos(kernel.drivers));
  procfs.add(kernel.drivers.procFiles.directory);
  procfs.add(kallsyms(kernel));
  return procfs;
}

/** The one sysfs there is. The kernel's own mount keeps it when the others are gone. */
function makeSysfs(builder: Builder): Sysfs {
  const sysfs = new Sysfs(builder.env, builder.nextDevice());
  kernelMount(sysfs);
  fillSysfs(sysfs);
  return sysfs;
}

async function makeRoot(builder: Builder, rootfs: string | undefined, hostname: string): Promise<FileSystem> {
  if (rootfs !== undefined) return openRootfs(builder.env, ROOT_DEVICE, builder.host.files, rootfs);
  const busybox = readEmbeddedBusybox();
  if (busybox === null) {
    throw new Error(
      'no root file system: the optional npm package busybox-static is not installed. ' +
        'Point --rootfs (or the rootfs option of boot) at a directory or a tar file with a Linux root file system',
    );
  }
  const tmpfs = new Tmpfs(builder.env, ROOT_DEVICE, { mode: 0o755, sizeLimit: halfOf(builder.memory) });
  const result = populate(tmpfs.root, busybox, hostname);
  if (isErr(result)) throw errnoError(result, 'boot');
  return tmpfs;
}

/** Mounts `fs` at `guest`, making the directory if need be. @throws ErrnoError */
function mountAt(kernel: Kernel, fs: FileSystem, guest: string, flags: number, source: string): void {
  const path = directoryAt(kernel, guest);
  const mount = isErr(path) ? path : kernel.namespace.mount(fs, path, flags, source);
  if (!isErr(path)) releasePath(path);
  if (isErr(mount)) throw errnoError(mount, 'mount', guest);
}

function directoryAt(kernel: Kernel, guest: string) {
  const find = () => resolve(kernel.rootContext, KERNEL_CALLER, null, guest, LOOKUP_FOLLOW | LOOKUP_DIRECTORY);
  const found = find();
  if (found !== (-ENOENT as Err)) return found;
  for (let at = guest.indexOf('/', 1); ; at = guest.indexOf('/', at + 1)) {
    const made = mkdirAt(kernel.rootContext, KERNEL_CALLER, null, at < 0 ? guest : guest.slice(0, at), 0o755);
    if (isErr(made) && made !== -EEXIST) return made;
    if (at < 0) return find();
  }
}
