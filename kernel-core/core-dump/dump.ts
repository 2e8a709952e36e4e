/**
 * The core file of a process that a signal ends: whether there is to be one, where, and how much of it the limits let
 * through. It is written at once, in the turn in which the signal is taken: no thread of the process runs meanwhile.
 * What is in it is the business of contents.ts, its format that of elf/core.ts.
 * @source core(5); Linux fs/coredump.c; limits and refusals as the host shows them
 */
import { isErr } from '../../abi/errno.js';
import { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } from '../../abi/fcntl.js';
import { KERN_WARNING, LOG_KERN } from '../../abi/klog.js';
import { RLIMIT_CORE, RLIMIT_FSIZE } from '../../abi/resource.js';
import { S_IFMT, S_IFREG } from '../../abi/stat.js';
import { type CorePiece, coreFile } from '../../elf/core.js';
import type { Caller, Timespec } from '../../vfs/caller.js';
import type { OpenFile } from '../../vfs/file.js';
import { BytesIter } from '../../vfs/iter.js';
import type { FsContext } from '../../vfs/namei.js';
import { unlinkAt } from '../../vfs/names.js';
import { openAt } from '../../vfs/open.js';
import { pathString } from '../../vfs/path-string.js';
import { PAGE_SIZE } from '../mm/layout.js';
import type { SignalInfo } from '../signals/state.js';
import type { Task } from '../task.js';
import { coreOf } from './contents.js';
import { coreName } from './name.js';
import { DUMP_NEVER, DUMP_ROOT } from './settings.js';

/** With a smaller limit there is none at all. @source Linux ELF_MIN_COREDUMP */
const LEAST_LIMIT = PAGE_SIZE;
const FILE_MODE = 0o600;
/** Permission bits that nothing may have changed while the file was made. */
const MODE_BITS = 0o677;
/** What writing a page counts for, in instructions. */
const PAGE_COST = 500;

/**
 * @param task takes the signal that ends its process
 * @returns whether there is a core file, perhaps cut off
 */
export function dumpCore(task: Task, info: SignalInfo): boolean {
  const { process, kernel, mm } = task;
  if (mm === null || task.program !== null || process.dumpable === DUMP_NEVER) return false;
  const limit = process.limit(RLIMIT_CORE);
  if (limit < LEAST_LIMIT) return false;
  const asRoot = process.dumpable === DUMP_ROOT;
  const { pattern, usesPid } = kernel.coreSettings;
  const name = coreName(pattern, usesPid !== 0, factsOf(task, info.signo, limit));
  if (asRoot && !name.startsWith('/')) {
    const text = `${process.pid}(${task.comm}): no core file: of a program with other rights only with an absolute path`;
    kernel.log.write(KERN_WARNING, LOG_KERN, text);
    return false;
  }
  const caller: Caller = { pid: process.pid, cred: asRoot ? { ...task.cred, fsuid: 0 } : task.cred };
  const file = createFile(task, caller, name, asRoot);
  if (file === null) return false;
  kernel.scheduler.load(task);
  const room = process.limit(RLIMIT_FSIZE);
  const pages = new CoreWriter(file, caller, limit, room).write(coreFile(coreOf(task, mm, info)));
  kernel.scheduler.charge(PAGE_COST * pages);
  file.unref();
  return true;
}

function factsOf(task: Task, signal: number, limit: number) {
  const { process, kernel, cred, comm, tid, mm, fs } = task;
  const now: Timespec = { sec: 0, nsec: 0 };
  kernel.host.realtime(now);
  const path = mm?.executable?.path;
  return {
    pid: process.pid,
    tid,
    uid: cred.uid,
    gid: cred.gid,
    dumpable: process.dumpable,
    signal,
    time: now.sec,
    hostname: kernel.hostname,
    comm,
    executable: path ? pathString(fs, path) : null,
    limit,
  };
}

/** A new file in place of what was there; null: it cannot be had, or not as its own. */
function createFile(task: Task, caller: Caller, name: string, asRoot: boolean): OpenFile | null {
  // A root that the program has chosen says nothing about where a file of the superuser's may be.
  const context: FsContext = asRoot ? { ...task.kernel.rootContext, umask: task.fs.umask } : task.fs;
  if (!asRoot) unlinkAt(context, caller, null, name);
  const file = openAt(context, caller, null, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, FILE_MODE);
  if (isErr(file)) return null;
  const { mode, uid, nlink } = file.inode;
  const isOwn =
    (mode & S_IFMT) === S_IFREG && (mode & MODE_BITS) === FILE_MODE && uid === caller.cred.fsuid && nlink === 1;
  if (isOwn) return file;
  file.unref();
  return null;
}

/** Writes the pieces of the file, each as a whole as far as RLIMIT_CORE goes, and leaves holes. */
class CoreWriter {
  readonly #file: OpenFile;
  readonly #caller: Caller;
  /** Bytes that are to be written at most, holes not counted. */
  readonly #limit: number;
  /** Bytes that the file is to have at most. */
  readonly #room: number;
  #written = 0;
  #position = 0;
  /** Bytes of a hole in front of what comes next. */
  #hole = 0;

  constructor(file: OpenFile, caller: Caller, limit: number, room: number) {
    this.#file = file;
    this.#caller = caller;
    this.#limit = limit;
    this.#room = room;
  }

  /** @returns pieces that were written */
  write(pieces: Iterable<CorePiece>): number {
    let count = 0;
    for (const piece of pieces) {
      if (typeof piece === 'number') this.#hole += piece;
      else if (!this.#put(piece)) return count;
      else count++;
    }
    // The file is as long as its headers say.
    if (this.#hole > 0) {
      this.#hole--;
      this.#put(new Uint8Array(1));
    }
    return count;
  }

  #put(bytes: Uint8Array): boolean {
    this.#position += this.#hole;
    this.#hole = 0;
    if (this.#written + bytes.length > this.#limit) return false;
    const fitting = Math.max(0, Math.min(bytes.length, this.#room - this.#position));
    const from = new BytesIter(bytes.subarray(0, fitting));
    while (from.remaining > 0) {
      const count = this.#file.write(from, this.#position, this.#caller);
      if (isErr(count) || count === 0) return false;
      this.#position += count;
      this.#written += count;
    }
    return fitting === bytes.length;
  }
}
