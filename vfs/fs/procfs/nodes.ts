/**
 * Inodes of procfs, one class per kind of row.
 *
 * Rows of the system are made once. What belongs to a task is made on lookup and forgotten with its last user; its
 * subject stands for the task's identity, so that /proc/PID of a dead task stays dead when its number is used again.
 */

import { EACCES, ELOOP, ENOENT, EPERM, type Err, ESRCH, fail } from '../../../abi/errno.js';
import { DT_DIR, DT_LNK, DT_REG, S_IFDIR, S_IFLNK, S_IFREG } from '../../../abi/stat.js';
import { type Caller, type Credentials, KERNEL_CALLER } from '../../caller.js';
import type { Path } from '../../dentry.js';
import { DirectoryFile } from '../../directory-file.js';
import type { OpenFile } from '../../file.js';
import { type AttributeChange, type DirectoryEntry, Inode } from '../../inode.js';
import { mayTrace } from '../../permission.js';
import { ALWAYS_READY } from '../memory-file.js';
import type { Procfs } from './index.js';
import type { DirectoryRow, FileRow, LinkRow, NetworkRow, NumbersRow, Row, SpecialRow } from './row.js';
import type { ProcTask } from './source.js';
import { ProcText } from './text-file.js';

const BLOCK_SIZE = 1024;
/** What stays the task's own when it must not be inspected: only directories in which anybody may look. */
const PUBLIC_DIRECTORY = S_IFDIR | 0o555;
/** rwx */
const EVERYTHING = 7;

/** What an inode is about: the whole system (null) or a task, and where it finds its numbers. */
export interface Subject<S> {
  readonly procfs: Procfs;
  readonly value: S;
  /** The task, whose end is the end of the inode; null for the system. */
  readonly task: ProcTask | null;
  /**
   * rwx that `cred` has, where capabilities do not add to what permission bits give.
   * @param mode permission bits
   */
  granted?(mode: number, cred: Credentials): number;
  /** Whom its files belong to where that is not the superuser, kernel's numbers. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Inode number of row `row` of this subject; `number` sets entries of numbered directories apart. */
  ino(row: Row<S>, number?: number): number;
}

/** May `caller` look into `task`? @source Linux kernel/ptrace.c __ptrace_may_access, PTRACE_MODE_READ_FSCREDS */
export function mayInspect(caller: Caller, task: ProcTask): boolean {
  if (caller.pid === task.tgid) return true;
  const { cred } = caller;
  return mayTrace(cred, cred.fsuid, cred.fsgid, cred.capabilities.effective, task.cred, task.dumpable);
}

export abstract class ProcInode<S> extends Inode {
  declare readonly fs: Procfs;
  readonly subject: Subject<S>;
  /** Takes it out of its directory's table when nobody uses it. */
  onForget: (() => void) | null = null;

  constructor(subject: Subject<S>, ino: number, mode: number) {
    super(subject.procfs, ino, mode);
    this.subject = subject;
    this.updateOwner();
  }

  override get blocks(): number {
    return 0;
  }

  override get blockSize(): number {
    return BLOCK_SIZE;
  }

  /** The owner is the task's at the moment, or root while it must not be inspected. @source Linux task_dump_owner */
  updateOwner(): void {
    const { task, owner } = this.subject;
    this.uid = owner?.uid ?? 0;
    this.gid = owner?.gid ?? 0;
    if (task === null) return;
    const isPublic = task.dumpable || this.mode === PUBLIC_DIRECTORY;
    this.uid = isPublic ? task.cred.euid : 0;
    this.gid = isPublic ? task.cred.egid : 0;
  }

  get isAlive(): boolean {
    const { task } = this.subject;
    return task === null || this.fs.source.task(task.tid) === task;
  }

  override get namesAreGiven(): boolean {
    return true;
  }

  override granted({ cred }: Caller): number | null {
    return this.subject.granted?.(this.mode, cred) ?? null;
  }

  protected mayInspect(caller: Caller): boolean {
    const { task } = this.subject;
    return task === null || mayInspect(caller, task);
  }

  override poll(): number {
    return ALWAYS_READY;
  }

  override evict(): void {
    this.forget();
  }

  override forget(): void {
    this.onForget?.();
  }

  /** Truncation, which shells ask for when they redirect, and times are accepted; the rest is not to be changed. */
  override setAttributes(change: AttributeChange): number | Err {
    if (change.mode !== undefined || change.uid !== undefined || change.gid !== undefined) return fail(EPERM);
    if (change.atime !== undefined) Object.assign(this.atime, change.atime);
    if (change.mtime !== undefined) Object.assign(this.mtime, change.mtime);
    return 0;
  }
}

const modeOf = <S>({ value }: Subject<S>, row: FileRow<S> | SpecialRow<S>): number =>
  row.kind === 'file' && row.modeOf !== undefined ? row.modeOf(value) : row.mode;

export class ProcFile<S> extends ProcInode<S> {
  readonly row: FileRow<S> | SpecialRow<S>;

  constructor(subject: Subject<S>, row: FileRow<S> | SpecialRow<S>, ino: number) {
    super(subject, ino, S_IFREG | modeOf(subject, row));
    this.row = row;
  }

  override open(flags: number, caller: Caller): OpenFile | Err {
    if (!this.isAlive) return fail(ESRCH);
    const { row } = this;
    if (row.guarded === true && !this.mayInspect(caller)) return fail(EACCES);
    const { value } = this.subject;
    if (row.kind === 'special') return row.open(this, value, flags, caller);
    const refused = row.refusal?.(value, flags, this.fs.reader(caller)) ?? 0;
    return refused === 0 ? new ProcText(this, row, flags) : refused;
  }
}

export class ProcLink<S> extends ProcInode<S> {
  readonly row: LinkRow<S>;

  constructor(subject: Subject<S>, row: LinkRow<S>, ino: number) {
    super(subject, ino, S_IFLNK | row.mode);
    this.row = row;
  }

  override get size(): number {
    return this.row.size ?? 0;
  }

  override open(): OpenFile | Err {
    return fail(ELOOP);
  }

  override readlink(caller: Caller): string | Err {
    const refused = this.#refusal(caller);
    return refused === 0 ? this.row.readlink(this.subject.value, this.fs.reader(caller)) : refused;
  }

  override magicLink(caller: Caller): Path | Inode | Err | null {
    if (this.row.goal === undefined) return null;
    const refused = this.#refusal(caller);
    return refused === 0 ? this.row.goal(this.subject.value) : refused;
  }

  #refusal(caller: Caller): 0 | Err {
    if (!this.isAlive) return fail(ENOENT);
    return this.row.guarded !== true || this.mayInspect(caller) ? 0 : fail(EACCES);
  }
}

/** What directories of all kinds share: a table of the children that are in use. */
abstract class ProcParent<S> extends ProcInode<S> {
  readonly #children = new Map<string, ProcInode<never>>();

  override open(flags: number, _caller: Caller): OpenFile | Err {
    return new DirectoryFile(this, flags);
  }

  override get volatileNames(): boolean {
    return this.subject.task !== null;
  }

  /** The child that is in use already, if it still stands for `subject` and `row`. */
  protected keep(name: string, subject: unknown, row: unknown, make: () => ProcInode<never>): Inode {
    const known = this.#children.get(name) as (ProcInode<never> & { row?: unknown }) | undefined;
    if (known !== undefined && known.subject.value === subject && known.row === row) {
      known.updateOwner();
      return known;
    }
    const child = make();
    this.#children.set(name, child);
    if (child.subject.task !== null || child.subject.value !== this.subject.value) {
      child.onForget = () => {
        if (this.#children.get(name) === child) this.#children.delete(name);
      };
    }
    return child;
  }
}

export class ProcDirectory<S> extends ProcParent<S> {
  readonly row: DirectoryRow<S>;

  constructor(subject: Subject<S>, row: DirectoryRow<S>, ino: number) {
    super(subject, ino, S_IFDIR | row.mode);
    this.row = row;
    for (const child of row.rows) if (isDirectoryRow(child)) this.nlink++;
    this.nlink++;
  }

  override get volatileNames(): boolean {
    return this.row.changes === true || super.volatileNames;
  }

  override lookup(name: string, caller = KERNEL_CALLER): Inode | Err {
    const row = this.isAlive ? this.row.rows.find((one) => one.name === name) : undefined;
    if (row === undefined) return fail(ENOENT);
    if (row.kind === 'network') return this.#ofNetwork(name, row, caller);
    const subject = this.subjectOf(row);
    return this.keep(name, subject.value, row, () => makeInode(subject, row, subject.ino(row)));
  }

  override readdir(cookie: number, emit: (entry: DirectoryEntry, next: number) => boolean): number | Err {
    if (!this.isAlive) return fail(ENOENT);
    const { rows } = this.row;
    for (let i = cookie; i < rows.length; i++) {
      const row = rows[i];
      if (!emit({ name: row.name, ino: this.subject.ino(row), type: typeOf(row) }, i + 1)) break;
    }
    return 0;
  }

  /** What a row is about. */
  protected subjectOf(_row: Row<S>): Subject<S> {
    return this.subject;
  }

  #ofNetwork(name: string, { row }: NetworkRow, caller: Caller): Inode {
    const subject = this.fs.networkSubject(caller);
    return this.keep(name, subject.value, row, () => makeInode(subject, row, subject.ino(row)));
  }
}

export class ProcNumbers<S> extends ProcParent<S> {
  readonly row: NumbersRow<S>;

  constructor(subject: Subject<S>, row: NumbersRow<S>, ino: number) {
    super(subject, ino, S_IFDIR | row.mode);
    this.row = row;
    this.nlink = 2;
  }

  override get size(): number {
    return this.isAlive ? (this.row.size?.(this.subject.value) ?? 0) : 0;
  }

  /** @source Linux proc_fd_permission */
  override granted(caller: Caller): number | null {
    const { task } = this.subject;
    return this.row.isForItself === true && task?.tgid === caller.pid ? EVERYTHING : super.granted(caller);
  }

  override lookup(name: string): Inode | Err {
    const number = parseNumber(name);
    if (number === null || !this.isAlive) return fail(ENOENT);
    const { subject } = this;
    const entry = this.row.entry(subject.value, number);
    if (entry === null) return fail(ENOENT);
    const below = entry.row.kind === 'directory' ? this.fs.taskSubject(entry.subject, true) : subject;
    return this.keep(name, entry.subject, entry.row, () =>
      makeInode(below as Subject<ProcTask>, entry.row, this.#ino(entry.subject, entry.row, number)),
    );
  }

  override readdir(cookie: number, emit: (entry: DirectoryEntry, next: number) => boolean): number | Err {
    if (!this.isAlive) return fail(ENOENT);
    for (const number of this.row.numbers(this.subject.value)) {
      if (number < cookie) continue;
      const entry = this.row.entry(this.subject.value, number);
      if (entry === null) continue;
      const ino = this.#ino(entry.subject, entry.row, number);
      if (!emit({ name: `${number}`, ino, type: typeOf(entry.row) }, number + 1)) break;
    }
    return 0;
  }

  /** Threads have numbers of their own; entries about the task itself take theirs from this directory's. */
  #ino(task: ProcTask, row: Row<ProcTask>, number: number): number {
    return row.kind === 'directory'
      ? this.fs.taskSubject(task, true).ino(row)
      : this.subject.ino(this.row as unknown as Row<S>, number);
  }
}

const isDirectoryRow = (row: Row<never>): boolean =>
  row.kind === 'directory' || row.kind === 'numbers' || row.kind === 'network';

const typeOf = (row: Row<never>): number => (isDirectoryRow(row) ? DT_DIR : row.kind === 'link' ? DT_LNK : DT_REG);

/** A decimal number as names have it: no sign, no leading zeros. */
export function parseNumber(name: string): number | null {
  return /^(0|[1-9]\d{0,9})$/.test(name) ? Number(name) : null;
}

export function makeInode<S>(subject: Subject<S>, row: Row<S>, ino: number): ProcInode<never> {
  const inode = ((): unknown => {
    switch (row.kind) {
      case 'file':
      case 'special':
        return new ProcFile(subject, row, ino);
      case 'link':
        return new ProcLink(subject, row, ino);
      case 'directory':
        return new ProcDirectory(subject, row, ino);
      case 'numbers':
        return new ProcNumbers(subject, row, ino);
      case 'network': // Whose it is depends on who looks.
        throw new Error('a directory of a network namespace is made by lookup');
    }
  })();
  return inode as ProcInode<never>;
}
