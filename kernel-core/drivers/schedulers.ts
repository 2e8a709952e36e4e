/**
 * Schedulers of drivers. One can be chosen in /proc/banos/scheduler; the kernel's own, first in first out, is called `fifo`.
 *
 * The kernel keeps the truth: which tasks wait is known here, in the order of their coming, and the driver is only asked which
 * is next. It is told of those that have come when it is asked, in the turn and never in the middle of anything. A driver that
 * crashes, takes too long, names a task that does not wait or nobody at all, or lets one starve is given up: the log says
 * why, and the tasks go on first in first out. So no answer of a driver loses a task.
 */

import { EBUSY, EEXIST, EINVAL, ENOENT, type Err, fail } from '../../abi/errno.js';
import { KERN_INFO, KERN_WARNING } from '../../abi/klog.js';
import type { SchedulingPolicy, TurnEnd } from '../scheduler.js';
import type { Task } from '../task.js';
import type { Drivers } from './drivers.js';
import type { Owned, Owner } from './owner.js';

/** Addresses of a driver's functions; 0: it has none. */
export interface SchedulerOperations {
  readonly enqueue: number;
  readonly pickNext: number;
  readonly ran: number;
  readonly slice: number;
}

/** struct banos_sched_task. */
export const SCHED_TASK_SIZE = 48;
const T_TID = 4;
const T_PID = 8;
const T_NICE = 12;
const T_FLAGS = 16;
const T_POLICY = 20;
const T_NAME = 32;
const NAME_SIZE = 16;
/** It has slept since it last ran, or has never run. */
const FLAG_WOKEN = 1;
const FLAG_KERNEL = 2;
/** Limits of what a driver may give at once, in instructions. */
const LEAST_SLICE = 1000;
const MOST_SLICE = 1_000_000;
/** Instructions of others after which a task that waits has starved. */
const PATIENCE = 200_000_000;
const BUILT_IN = 'fifo';

/** A task that waits. */
interface Waiting {
  /** Instructions that tasks had run when it came. */
  readonly since: number;
  readonly isWoken: boolean;
}

export class DriverScheduler implements SchedulingPolicy, Owned {
  readonly owner: Owner;
  readonly name: string;
  /** struct banos_sched_task that the driver gets to see. */
  readonly shown: number;
  readonly #drivers: Drivers;
  readonly #operations: SchedulerOperations;
  /** In the order of their coming. */
  readonly #waiting = new Map<Task, Waiting>();
  /** Those that the driver has not been told of. */
  readonly #arrivals: Task[] = [];
  readonly #slept = new WeakSet<Task>();
  /** Tasks that the driver still has in mind from when it was chosen before: it may name each of them once more. */
  #leftOver = 0;
  /** The one picked last, if it had slept. */
  #wokenTask: Task | null = null;
  /** What the driver has named last. */
  #picked = 0;
  #spent = 0;

  constructor(drivers: Drivers, owner: Owner, name: string, operations: SchedulerOperations, shown: number) {
    this.#drivers = drivers;
    this.owner = owner;
    this.name = name;
    this.#operations = operations;
    this.shown = shown;
  }

  add(task: Task): void {
    // One that goes on after its slice was put into the set of those that ran on.
    const isWoken = !this.#slept.delete(task);
    this.#waiting.set(task, { since: this.#spent, isWoken });
    this.#arrivals.push(task);
  }

  next(): Task | null {
    for (const task of this.#arrivals.splice(0)) {
      if (this.#call(this.#operations.enqueue, this.#show(task)) < 0) return this.#giveUp('has refused a task');
    }
    let task = this.#pick();
    while (task === null && this.#leftOver > 0 && !this.owner.hasCrashed) {
      this.#leftOver--;
      task = this.#pick();
    }
    if (this.owner.hasCrashed) return this.#giveUp('has crashed');
    if (task === null) return this.#giveUp(`has picked ${this.#picked}, which does not wait`);
    this.#wokenTask = this.#waiting.get(task)!.isWoken ? task : null;
    this.#waiting.delete(task);
    for (const [oldest, { since }] of this.#waiting) {
      if (this.#spent - since <= this.#drivers.schedulers.patience) break;
      this.#waiting.set(task, { since, isWoken: false });
      return this.#giveUp(`lets ${oldest.tid} (${oldest.comm}) starve`);
    }
    return task;
  }

  slice(task: Task): number {
    if (this.#operations.slice === 0) return 0;
    const slice = this.#call(this.#operations.slice, this.#show(task));
    return slice > 0 ? Math.max(LEAST_SLICE, Math.min(slice, MOST_SLICE)) : 0;
  }

  ran(task: Task, instructions: number, end: TurnEnd): void {
    this.#wokenTask = null;
    this.#spent += instructions;
    if (end === 'slice' || end === 'yield') this.#slept.add(task);
    else this.#slept.delete(task);
    if (this.#operations.ran === 0 || this.owner.hasCrashed) return;
    this.#call(this.#operations.ran, this.#show(task), instructions, ENDS.indexOf(end));
  }

  drain(): Task[] {
    const tasks = [...this.#waiting.keys()];
    this.#leftOver += tasks.length - this.#arrivals.length;
    this.#waiting.clear();
    this.#arrivals.length = 0;
    return tasks;
  }

  /** Its module goes. */
  release(): void {
    this.#drivers.schedulers.forget(this);
  }

  /** Asks the driver. @returns null: what it names does not wait */
  #pick(): Task | null {
    const tid = this.#call(this.#operations.pickNext);
    this.#picked = tid;
    const task = this.#drivers.kernel.processes.task(tid) ?? this.#deadTask(tid);
    return task !== null && this.#waiting.has(task) ? task : null;
  }

  /** A task that ended while it waited is in no table any more. */
  #deadTask(tid: number): Task | null {
    for (const task of this.#waiting.keys()) if (task.tid === tid) return task;
    return null;
  }

  #giveUp(reason: string): null {
    this.#drivers.schedulers.giveUp(this, reason);
    return null;
  }

  #show(task: Task): number {
    const { space } = this.#drivers;
    const at = this.shown;
    const isKernel = task.process.isKernelThread;
    space.writeU32(at, SCHED_TASK_SIZE);
    space.writeU32(at + T_TID, task.tid);
    space.writeU32(at + T_PID, task.pid);
    space.writeU32(at + T_NICE, task.process.nice >>> 0);
    const isWoken = this.#waiting.get(task)?.isWoken ?? task === this.#wokenTask;
    space.writeU32(at + T_FLAGS, (isWoken ? FLAG_WOKEN : 0) | (isKernel ? FLAG_KERNEL : 0));
    space.writeU32(at + T_POLICY, task.policy);
    space.write(at + T_NAME, Buffer.from(task.comm.slice(0, NAME_SIZE - 1).padEnd(NAME_SIZE, '\0'), 'latin1'));
    return at;
  }

  #call(fn: number, a = 0, b = 0, c = 0): number {
    return this.#drivers.runner.invokeAtomic(this.owner, null, { address: fn, isInt: false }, a, b, c);
  }
}

/** How a turn ends, as the header numbers it. */
const ENDS: readonly TurnEnd[] = ['slice', 'yield', 'sleep', 'gone'];

export class DriverSchedulers {
  /** Instructions that a task may wait. */
  patience = PATIENCE;
  readonly #drivers: Drivers;
  readonly #schedulers = new Map<string, DriverScheduler>();
  #chosen: DriverScheduler | null = null;

  constructor(drivers: Drivers) {
    this.#drivers = drivers;
  }

  /** @returns 0, -EEXIST */
  register(scheduler: DriverScheduler): number | Err {
    if (scheduler.name === BUILT_IN || this.#schedulers.has(scheduler.name)) return fail(EEXIST);
    this.#schedulers.set(scheduler.name, scheduler);
    scheduler.owner.add(scheduler);
    return 0;
  }

  /** @returns -ENOENT; -EBUSY: it is the one that is used */
  unregister(owner: Owner, name: string): number | Err {
    const scheduler = this.#schedulers.get(name);
    if (scheduler === undefined || scheduler.owner !== owner) return fail(ENOENT);
    if (scheduler === this.#chosen) return fail(EBUSY);
    owner.remove(scheduler);
    this.forget(scheduler);
    this.#drivers.heap.free(scheduler.shown);
    return 0;
  }

  forget(scheduler: DriverScheduler): void {
    if (scheduler === this.#chosen) this.#use(null);
    this.#schedulers.delete(scheduler.name);
  }

  giveUp(scheduler: DriverScheduler, reason: string): void {
    if (scheduler !== this.#chosen) return;
    this.#use(null);
    const { log } = this.#drivers.kernel;
    log.write(KERN_WARNING, 0, `scheduler ${scheduler.name} ${reason}: back to ${BUILT_IN}`);
  }

  /** What /proc/banos/scheduler shows: all names, the chosen one in brackets. */
  describe(): string {
    const names = [BUILT_IN, ...this.#schedulers.keys()];
    const chosen = this.#chosen?.name ?? BUILT_IN;
    return `${names.map((name) => (name === chosen ? `[${name}]` : name)).join(' ')}\n`;
  }

  /** @returns -EINVAL: there is none of that name, or it has crashed */
  choose(text: string): number | Err {
    const name = text.replace(/[\n\0]+$/, '');
    const scheduler = this.#schedulers.get(name) ?? null;
    if (scheduler === null ? name !== BUILT_IN : scheduler.owner.hasCrashed || scheduler.owner.isClosing) {
      return fail(EINVAL);
    }
    if (scheduler === this.#chosen) return 0;
    this.#use(scheduler);
    this.#drivers.kernel.log.write(KERN_INFO, 0, `scheduler ${name}`);
    return 0;
  }

  #use(scheduler: DriverScheduler | null): void {
    if (this.#chosen !== null) this.#chosen.owner.holds--;
    if (scheduler !== null) scheduler.owner.holds++;
    this.#chosen = scheduler;
    this.#drivers.kernel.scheduler.choose(scheduler);
  }
}
