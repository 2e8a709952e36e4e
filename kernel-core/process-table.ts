/** All processes and tasks by number; process groups and sessions as the sets of their members. */
import { EAGAIN, type Err, fail } from '../abi/errno.js';
import { MemberSet } from '../vfs/member-set.js';
import type { Process, Session } from './process.js';
import type { Task } from './task.js';

/** Numbers are below it, as /proc/sys/kernel/pid_max has it. */
export const PID_MAX = 32768;
/** After the numbers ran out once, low ones are left to long-lived system processes. */
const RESERVED_PIDS = 300;
/** Places kept free for the embedder, so that it can look into a kernel that a fork bomb fills. */
const MAX_RESERVED_TASKS = 64;

export class ProcessTable {
  readonly #processes = new MemberSet<Process>();
  readonly #tasks = new MemberSet<Task>();
  #lastPid = 0;
  #zombies = 0;
  /** Tasks that may exist at once, zombies included. */
  readonly taskLimit: number;
  /** Forks since boot. */
  forks = 0;

  constructor(taskLimit: number) {
    this.taskLimit = taskLimit;
  }

  /** Zombies count: they keep their number until somebody waits for them. */
  get taskCount(): number {
    return this.#tasks.size + this.#zombies;
  }

  /** Tasks and zombies of a real user: what RLIMIT_NPROC bounds. */
  taskCountOf(uid: number): number {
    let count = 0;
    for (const { leader, threads } of this.#processes) {
      if (leader.cred.uid === uid) count += Math.max(1, threads.size);
    }
    return count;
  }

  get lastPid(): number {
    return this.#lastPid;
  }

  /** In the order of their making. */
  all(): Iterable<Process> {
    return this.#processes;
  }

  tasks(): Iterable<Task> {
    return this.#tasks;
  }

  get(pid: number): Process | null {
    return this.#processes.findLast((process) => process.pid === pid) ?? null;
  }

  task(tid: number): Task | null {
    return this.#tasks.findLast((task) => task.tid === tid) ?? null;
  }

  /**
   * @param forEmbedder a program started from outside: it may use the places that no guest can fill
   * @returns an unused number that names no group or session either, or -EAGAIN
   */
  allocatePid(forEmbedder = false): number | Err {
    const reserved = forEmbedder ? 0 : Math.min(MAX_RESERVED_TASKS, this.taskLimit >> 3);
    if (this.taskCount >= this.taskLimit - reserved) return fail(EAGAIN);
    for (let tries = 0; tries < PID_MAX; tries++) {
      this.#lastPid = this.#lastPid + 1 >= PID_MAX ? RESERVED_PIDS : this.#lastPid + 1;
      if (!this.#isUsed(this.#lastPid)) return this.#lastPid;
    }
    return fail(EAGAIN);
  }

  add(process: Process): void {
    this.#processes.add(process);
  }

  addTask(task: Task): void {
    this.#tasks.add(task);
  }

  /** The last task of `process` ended. */
  entomb(process: Process): void {
    this.#tasks.delete(process.leader);
    this.#zombies++;
  }

  /** A zombie is gone for good. */
  remove(process: Process): void {
    this.#processes.delete(process);
    this.#zombies--;
  }

  removeTask(task: Task): void {
    this.#tasks.delete(task);
  }

  /** Members of a process group, zombies included. */
  *inGroup(pgid: number): IterableIterator<Process> {
    for (const process of [...this.#processes]) if (process.pgid === pgid) yield process;
  }

  groupInSession(pgid: number, sid: number): boolean {
    for (const process of this.#processes) {
      if (process.pgid === pgid && process.session.sid === sid) return true;
    }
    return false;
  }

  /**
   * A group is orphaned when no member has a parent outside of the group in the same session.
   * @param leaving a process to be taken as gone already
   */
  isOrphanedGroup(pgid: number, session: Session, leaving: Process | null): boolean {
    for (const process of this.#processes) {
      if (process.pgid !== pgid || process === leaving || process.isZombie) continue;
      const { parent } = process;
      if (parent === null || parent === process.kernel.init) continue;
      if (parent.pgid !== pgid && parent.session === session) return false;
    }
    return true;
  }

  hasStoppedMember(pgid: number): boolean {
    for (const process of this.#processes) if (process.pgid === pgid && process.stopSignal !== 0) return true;
    return false;
  }

  /** Processor time of all processes, ended and waited-for ones included, in nanoseconds. */
  totals(): { user: number } {
    let user = 0;
    for (const process of this.#processes) {
      user += process.usage.utime;
      if (process === process.kernel.init) user += process.childUsage.utime;
    }
    return { user: Math.max(user, 0) };
  }

  #isUsed(id: number): boolean {
    if (this.task(id) !== null) return true;
    for (const { pid, pgid, session } of this.#processes)
      if (pid === id || pgid === id || session.sid === id) return true;
    return false;
  }
}
