/**
 * procfs: processes and figures of the kernel as files. `ProcSource` says where the figures come from, tables of rows
 * say which files there are (system.ts, sysctl.ts, task.ts), nodes.ts turns rows into inodes.
 */
import { ENOENT, type Err, fail } from '../../../abi/errno.js';
import { PROC_SUPER_MAGIC } from '../../../abi/mount.js';
import { S_IFDIR } from '../../../abi/stat.js';
import type { Caller, Credentials } from '../../caller.js';
import { FileSystem, type FsStatistics, type VfsEnv } from '../../filesystem.js';
import type { DirectoryEntry, Inode } from '../../inode.js';
import { makeInode, ProcDirectory, type ProcInode, parseNumber, type Subject } from './nodes.js';
import { type DirectoryRow, directory, type Reader, type Row } from './row.js';
import type { ProcNetwork, ProcSource, ProcTask } from './source.js';
import { SETTINGS_ROW } from './sysctl.js';
import { SYSTEM_ROWS } from './system.js';
import { PROCESS_ROW, THREAD_ROW } from './task.js';

export { file, type Row } from './row.js';
export type * from './source.js';

/** Numbers of system inodes start here, as PROC_DYNAMIC_FIRST does. */
const SYSTEM_INO = 0xf0000000;
/** Numbers of a task's inodes: TASK_INO + tid * TASK_STRIDE; half of them for the thread of that number. */
const TASK_INO = 2 ** 33;
const TASK_STRIDE = 2 ** 23;
const THREAD_INO = 2 ** 22;
/** Entries of the numbered directory with row number n are at (n + 1) * NUMBERS_STRIDE. */
const NUMBERS_STRIDE = 2 ** 20;
/** Cookies of /proc: rows below, task numbers above. */
const FIRST_TASK_COOKIE = 4096;
const ROOT_INO = 1;

/** Linux keeps the entries of a system directory by length, then by name. */
const inListingOrder = (a: { name: string }, b: { name: string }): number =>
  a.name.length - b.name.length || (a.name < b.name ? -1 : 1);

/** Numbers each row below `row`, those of numbered directories first. */
function numberRows(row: DirectoryRow<ProcTask>): Map<Row<ProcTask>, number> {
  const numbers = new Map<Row<ProcTask>, number>([[row, 0]]);
  const walk = (rows: readonly Row<ProcTask>[], wanted: boolean): void => {
    for (const one of rows) {
      if ((one.kind === 'numbers') === wanted) numbers.set(one, numbers.size);
      if (one.kind === 'directory') walk(one.rows, wanted);
    }
  };
  walk(row.rows, true);
  walk(row.rows, false);
  return numbers;
}

const PROCESS_NUMBERS = numberRows(PROCESS_ROW);
const THREAD_NUMBERS = numberRows(THREAD_ROW);

export class Procfs extends FileSystem {
  readonly source: ProcSource;
  override readonly root: ProcRoot;
  readonly #numbers = new Map<Row<never>, number>();
  readonly #subject: Subject<ProcSource>;
  /** Of /proc/sys. */
  readonly settings: Subject<ProcSource>;

  constructor(env: VfsEnv, device: number, source: ProcSource) {
    super(env, 'proc', device);
    this.source = source;
    this.#subject = {
      procfs: this,
      value: source,
      task: null,
      ino: (row) => this.#ino(row),
    };
    this.settings = { ...this.#subject, granted: settingsGranted };
    this.root = new ProcRoot(this.#subject, directory('', [...SYSTEM_ROWS].sort(inListingOrder)), ROOT_INO);
  }

  override statfs(): FsStatistics {
    return {
      type: PROC_SUPER_MAGIC,
      blockSize: 4096,
      blocks: 0,
      blocksFree: 0,
      files: 0,
      filesFree: 0,
      nameLength: 255,
    };
  }

  /** Adds a file or directory to /proc itself: tables that other layers keep, like those of the network. */
  add(row: Row<ProcSource>): void {
    this.root.addRow(row);
  }

  remove(name: string): void {
    this.root.removeRow(name);
  }

  reader(caller: Caller): Reader {
    const { source, env } = this;
    return {
      caller,
      source,
      root: source.taskOf(caller)?.directories?.root ?? null,
      get devices() {
        return env.devices.charDevices();
      },
    };
  }

  /** The network namespace of who looks. */
  networkSubject(caller: Caller): Subject<ProcNetwork> {
    const network = this.source.taskOf(caller)?.network ?? this.source.system.network;
    return {
      procfs: this,
      value: network,
      task: null,
      get owner() {
        return network.owner;
      },
      // Who administers the network is as good as the superuser.
      granted: (mode, cred) => (network.isAdministrator(cred) ? mode >> 6 : settingsGranted(mode, cred)),
      ino: (row) => this.#ino(row),
    };
  }

  /** @param asThread its directory below some task/, and not /proc/PID */
  taskSubject(task: ProcTask, asThread: boolean): Subject<ProcTask> {
    const base = TASK_INO + task.tid * TASK_STRIDE + (asThread ? THREAD_INO : 0);
    const numbers = asThread ? THREAD_NUMBERS : PROCESS_NUMBERS;
    return {
      procfs: this,
      value: task,
      task,
      ino: (row, number) => {
        const position = numbers.get(row) ?? 0;
        return base + (number === undefined ? position : position * NUMBERS_STRIDE + number);
      },
    };
  }

  /** Of a row that is about no task. Directories of network namespaces have the same ones: nobody sees two of them. */
  #ino(row: Row<never>): number {
    const key = row.kind === 'network' ? row.row : row;
    let number = this.#numbers.get(key);
    if (number === undefined) this.#numbers.set(key, (number = SYSTEM_INO + this.#numbers.size));
    return number;
  }
}

/** The task of a directory /proc/PID; null for any other inode. */
export function procTaskOf(inode: Inode): ProcTask | null {
  return inode instanceof ProcDirectory && inode.row === PROCESS_ROW ? inode.subject.task : null;
}

/** Settings go by the effective ids, and no capability opens what their permission bits keep shut. @source Linux sysctl_perm */
const settingsGranted = (mode: number, { euid, egid, groups }: Credentials): number =>
  euid === 0 ? mode >> 6 : egid === 0 || groups.includes(0) ? mode >> 3 : mode;

/** /proc itself: rows of the system, and a directory for each process. */
class ProcRoot extends ProcDirectory<ProcSource> {
  readonly #tasks = new Map<number, ProcInode<never>>();
  declare row: DirectoryRow<ProcSource>;

  constructor(subject: Subject<ProcSource>, row: DirectoryRow<ProcSource>, ino: number) {
    super(subject, row, ino);
    this.mode = S_IFDIR | 0o555;
  }

  override get volatileNames(): boolean {
    return true;
  }

  addRow(row: Row<ProcSource>): void {
    this.row = directory('', [...this.row.rows.filter((one) => one.name !== row.name), row].sort(inListingOrder));
  }

  removeRow(name: string): void {
    this.row = directory(
      '',
      this.row.rows.filter((row) => row.name !== name),
    );
  }

  override lookup(name: string, caller?: Caller): Inode | Err {
    const tid = parseNumber(name);
    if (tid === null) return super.lookup(name, caller);
    const task = this.fs.source.task(tid);
    if (task === null) return fail(ENOENT);
    const known = this.#tasks.get(tid);
    if (known !== undefined && known.subject.task === task) {
      known.updateOwner();
      return known;
    }
    const subject = this.fs.taskSubject(task, false);
    const inode = makeInode(subject, PROCESS_ROW, subject.ino(PROCESS_ROW));
    this.#tasks.set(tid, inode);
    inode.onForget = () => {
      if (this.#tasks.get(tid) === inode) this.#tasks.delete(tid);
    };
    return inode;
  }

  protected override subjectOf(row: Row<ProcSource>): Subject<ProcSource> {
    return row === SETTINGS_ROW ? this.fs.settings : this.subject;
  }

  override readdir(cookie: number, emit: (entry: DirectoryEntry, next: number) => boolean): number | Err {
    let goesOn = true;
    if (cookie < FIRST_TASK_COOKIE) {
      super.readdir(cookie, (entry, next) => (goesOn = emit(entry, next)));
    }
    if (!goesOn) return 0;
    for (const pid of this.fs.source.pids()) {
      if (pid + FIRST_TASK_COOKIE < cookie) continue;
      const task = this.fs.source.task(pid);
      if (task === null) continue;
      const ino = this.fs.taskSubject(task, false).ino(PROCESS_ROW);
      if (!emit({ name: `${pid}`, ino, type: S_IFDIR >>> 12 }, pid + FIRST_TASK_COOKIE + 1)) break;
    }
    return 0;
  }
}
