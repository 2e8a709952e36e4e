/**
 * Advisory locks: flock(2), and byte ranges of fcntl(2) in both kinds, POSIX (owned by a process) and OFD (owned by
 * an open file description). Each inode has a table of its own while it has locks.
 *
 * Nothing waits here: a request that must wait is -EAGAIN, and whoever hangs on the inode's hook is told when locks
 * go. A POSIX request that waits registers as a `LockWait`, so that a ring of waiters is found (-EDEADLK).
 * @source fcntl(2), flock(2); Linux fs/locks.c
 */
import { EAGAIN, EBADF, EDEADLK, EINVAL, ENOLCK, EOVERFLOW, type Err, fail } from '../abi/errno.js';
import {
  F_RDLCK,
  F_UNLCK,
  F_WRLCK,
  LOCK_EX,
  LOCK_NB,
  LOCK_SH,
  LOCK_UN,
  O_PATH,
  SEEK_CUR,
  SEEK_END,
  SEEK_SET,
} from '../abi/fcntl.js';
import type { Caller } from './caller.js';
import type { OpenFile } from './file.js';
import type { Inode } from './inode.js';

/** Ranges on one inode at most. */
const RANGE_LIMIT = 1 << 16;
/** What GETLK reports as the process that holds an OFD lock. */
const OFD_PID = -1;

/** A process id (POSIX), or the description (OFD). */
type Owner = number | OpenFile;

/** Bytes `[start, end)`; Infinity means to the end of the file however long it gets. */
export interface ByteRange {
  start: number;
  end: number;
}

export interface RangeLock extends ByteRange {
  /** F_RDLCK or F_WRLCK. */
  type: number;
  owner: Owner;
  /** As GETLK reports it. */
  pid: number;
}

/** A blocked F_SETLKW of a process. Made by the call, ended by it. */
export class LockWait {
  /** What it waits for; null while it does not. */
  request: { table: LockTable; lock: RangeLock } | null = null;
  #waits: Set<LockWait> | null = null;

  /** Part of deadlock detection from now on. */
  begin(waits: Set<LockWait>, table: LockTable, lock: RangeLock): void {
    this.request = { table, lock };
    this.#waits = waits;
    waits.add(this);
  }

  /** The call does not wait any more, for whatever reason. */
  end(): void {
    this.#waits?.delete(this);
    this.#waits = null;
    this.request = null;
  }
}

/** Blocked requests by kernel: rings may lead over several inodes. */
const waitsByEnv = new WeakMap<object, Set<LockWait>>();

function waitsOf(inode: Inode): Set<LockWait> {
  const { env } = inode.fs;
  let waits = waitsByEnv.get(env);
  if (waits === undefined) waitsByEnv.set(env, (waits = new Set()));
  return waits;
}

export class LockTable {
  readonly #inode: Inode;
  #ranges: RangeLock[] = [];
  readonly #whole = new Map<OpenFile, number>();

  constructor(inode: Inode) {
    this.#inode = inode;
  }

  get isEmpty(): boolean {
    return this.#ranges.length === 0 && this.#whole.size === 0;
  }

  /** Locks and conversions of flock(2); an old lock is gone before the new one is tried. */
  flock(file: OpenFile, type: number): number | Err {
    const old = this.#whole.get(file);
    if (old === type) return 0;
    if (this.#whole.delete(file)) this.#freed();
    if (type === LOCK_UN) return 0;
    for (const other of this.#whole.values()) if (type === LOCK_EX || other === LOCK_EX) return fail(EAGAIN);
    this.#whole.set(file, type);
    return 0;
  }

  /** First lock of another owner in the way of `lock`; for F_UNLCK the first of its own there. */
  conflict(lock: RangeLock): RangeLock | null {
    for (const other of this.#ranges) {
      if (other.end <= lock.start || lock.end <= other.start) continue;
      if (lock.type === F_UNLCK && other.owner === lock.owner) return other;
      if (other.owner === lock.owner || lock.type === F_UNLCK) continue;
      if (lock.type === F_WRLCK || other.type === F_WRLCK) return other;
    }
    return null;
  }

  /** Other processes whose POSIX locks are in the way. */
  *blockers(lock: RangeLock): IterableIterator<number> {
    for (const other of this.#ranges) {
      if (other.owner === lock.owner || typeof other.owner !== 'number') continue;
      const apart = other.end <= lock.start || lock.end <= other.start;
      if (!apart && (lock.type === F_WRLCK || other.type === F_WRLCK)) yield other.owner;
    }
  }

  /** Puts `lock` in place of what its owner has there, or takes that away (F_UNLCK). No conflict may be left. */
  replace(lock: RangeLock): number | Err {
    const kept: RangeLock[] = [];
    const merged = { ...lock };
    let freed = false;
    for (const old of this.#ranges) {
      const same = old.owner === lock.owner;
      const joins = same && old.type === lock.type && old.start <= merged.end && merged.start <= old.end;
      const apart = old.end <= lock.start || lock.end <= old.start;
      if (joins) {
        merged.start = Math.min(merged.start, old.start);
        merged.end = Math.max(merged.end, old.end);
      } else if (!same || apart) kept.push(old);
      else {
        freed = true;
        if (old.start < lock.start) kept.push({ ...old, end: lock.start });
        if (lock.end < old.end) kept.push({ ...old, start: lock.end });
      }
    }
    if (lock.type !== F_UNLCK) kept.push(merged);
    if (kept.length > RANGE_LIMIT) return fail(ENOLCK);
    this.#ranges = kept.sort((a, b) => a.start - b.start);
    if (freed) this.#freed();
    return 0;
  }

  /** A process closed a descriptor of the file: all its POSIX locks on it go. */
  releaseProcess(pid: number): void {
    this.#releaseRanges(pid);
  }

  /** A description is gone, and its locks with it. */
  releaseFile(file: OpenFile): void {
    if (this.#whole.delete(file)) this.#freed();
    this.#releaseRanges(file);
  }

  #releaseRanges(owner: Owner): void {
    const kept = this.#ranges.filter((lock) => lock.owner !== owner);
    if (kept.length === this.#ranges.length) return;
    this.#ranges = kept;
    this.#freed();
  }

  /** Wakes those who wait. No readiness changes: the mask is empty. */
  #freed(): void {
    if (this.isEmpty && this.#inode.locks === this) this.#inode.locks = null;
    this.#inode.notify(0);
  }
}

function tableOf(inode: Inode): LockTable {
  inode.locks ??= new LockTable(inode);
  return inode.locks;
}

/**
 * flock(2).
 * @param operation LOCK_SH, LOCK_EX or LOCK_UN; LOCK_NB is the caller's business
 * @returns 0; -EAGAIN when it would wait; -EINVAL, -EBADF
 */
export function flock(file: OpenFile, operation: number): number | Err {
  const type = operation & ~LOCK_NB;
  if (type !== LOCK_SH && type !== LOCK_EX && type !== LOCK_UN) return fail(EINVAL);
  if (file.flags & O_PATH) return fail(EBADF);
  if (type === LOCK_UN && file.inode.locks === null) return 0;
  return tableOf(file.inode).flock(file, type);
}

/** `l_whence`, `l_start`, `l_len` of struct flock as a range. @returns -EINVAL, -EOVERFLOW */
export function lockRange(file: OpenFile, whence: number, start: number, length: number): ByteRange | Err {
  if (whence !== SEEK_SET && whence !== SEEK_CUR && whence !== SEEK_END) return fail(EINVAL);
  const base = whence === SEEK_SET ? 0 : whence === SEEK_CUR ? file.offset : file.inode.size;
  const from = base + start;
  if (from < 0) return fail(EINVAL);
  if (from > Number.MAX_SAFE_INTEGER || from + length > Number.MAX_SAFE_INTEGER) return fail(EOVERFLOW);
  if (length === 0) return { start: from, end: Number.POSITIVE_INFINITY };
  if (length > 0) return { start: from, end: from + length };
  return from + length < 0 ? fail(EINVAL) : { start: from + length, end: from };
}

const makeLock = (file: OpenFile, type: number, range: ByteRange, caller: Caller, ofd: boolean): RangeLock => ({
  type,
  start: range.start,
  end: range.end,
  owner: ofd ? file : caller.pid,
  pid: ofd ? OFD_PID : caller.pid,
});

/**
 * F_SETLK, F_SETLKW and F_OFD_SETLK(W).
 * @param type F_RDLCK, F_WRLCK or F_UNLCK
 * @param wait of a call that waits; it keeps it for all its tries and ends it at last
 * @returns 0; -EAGAIN when it would wait; -EDEADLK, -EBADF (open in the wrong mode), -ENOLCK, -EINVAL
 */
export function setRangeLock(
  file: OpenFile,
  type: number,
  range: ByteRange,
  caller: Caller,
  ofd: boolean,
  wait: LockWait | null,
): number | Err {
  wait?.end();
  if (file.flags & O_PATH) return fail(EBADF);
  if (type === F_RDLCK ? !file.readable : type === F_WRLCK && !file.writable) return fail(EBADF);
  if (type !== F_RDLCK && type !== F_WRLCK && type !== F_UNLCK) return fail(EINVAL);
  const { inode } = file;
  if (type === F_UNLCK && inode.locks === null) return 0;
  const table = tableOf(inode);
  const lock = makeLock(file, type, range, caller, ofd);
  if (type === F_UNLCK || table.conflict(lock) === null) return table.replace(lock);
  if (wait === null || ofd) return fail(EAGAIN);
  const waits = waitsOf(inode);
  if (closesRing(table, lock, caller.pid, waits, new Set())) return fail(EDEADLK);
  wait.begin(waits, table, lock);
  return fail(EAGAIN);
}

/** F_GETLK and F_OFD_GETLK, which with F_UNLCK asks for locks of its own. @returns the lock that is in the way, null if none, or -EINVAL, -EBADF */
export function getRangeLock(
  file: OpenFile,
  type: number,
  range: ByteRange,
  caller: Caller,
  ofd: boolean,
): RangeLock | null | Err {
  if (file.flags & O_PATH) return fail(EBADF);
  if (type !== F_RDLCK && type !== F_WRLCK && !(ofd && type === F_UNLCK)) return fail(EINVAL);
  const { locks } = file.inode;
  return locks === null ? null : locks.conflict(makeLock(file, type, range, caller, ofd));
}

/** Does somebody in the way of `lock` wait, over however many others, for `pid`? */
function closesRing(
  table: LockTable,
  lock: RangeLock,
  pid: number,
  waits: ReadonlySet<LockWait>,
  seen: Set<number>,
): boolean {
  for (const blocker of table.blockers(lock)) {
    if (blocker === pid) return true;
    if (seen.has(blocker)) continue;
    seen.add(blocker);
    for (const { request } of waits) {
      if (request === null || request.lock.owner !== blocker) continue;
      if (closesRing(request.table, request.lock, pid, waits, seen)) return true;
    }
  }
  return false;
}
