/**
 * The scheduler: a first-in-first-out run queue of tasks, slices of instructions, and turns of the event loop.
 *
 * A turn runs tasks until about TURN instructions are spent, then lets the event loop have its turn, so that a host
 * timer is late by a few milliseconds at most. Slices are counted in instructions, never in time: with the
 * deterministic host the interleaving is the same in every run.
 */
import { EXIT_FAULT, EXIT_SLICE } from '../cpu/index.js';
import { checkCpuTime } from './cpu-time.js';
import type { HostTimer } from './host.js';
import type { Kernel } from './kernel.js';
import { deliverSignals } from './signals/deliver.js';
import { raiseFault } from './signals/fault.js';
import type { Task } from './task.js';
import { PENDING } from './wait.js';

/** Instructions a task runs before the next one's turn, if there is a next one or a timer. */
export const SLICE = 100_000;
/** Instructions between two turns of the event loop: 3 to 6 ms of tier 0. */
const TURN = 1_000_000;
/**
 * Nanoseconds of translation that end a turn. On the clock of the deterministic host translation takes no time: what runs
 * when does not depend on it.
 */
const MAX_TRANSLATION = 2_000_000;
/** What picking a task counts for, in instructions, so that turns end among tasks that only call and sleep. */
const SWITCH_COST = 200;

/** For work after the current one: queueMicrotask of Node costs several times as much. */
const SETTLED = Promise.resolve();

/** Why a task's turn is over: its slice is used, it gives way, it waits (or is stopped), it has ended. */
export type TurnEnd = 'slice' | 'yield' | 'sleep' | 'gone';

/** Who is next, when it is not who came first (drivers/schedulers.ts). Keeps the tasks that wait. */
export interface SchedulingPolicy {
  add(task: Task): void;
  /** @returns a task that it has, and has no longer; null: it is not the policy any more */
  next(): Task | null;
  /** Instructions that a task gets while others wait; 0: as many as usual. */
  slice(task: Task): number;
  ran(task: Task, instructions: number, end: TurnEnd): void;
  /** Takes all tasks away, in the order of their coming. */
  drain(): Task[];
}

export class Scheduler {
  readonly #kernel: Kernel;
  /** Ring of waiting tasks; capacity is a power of two. */
  #ring: (Task | null)[] = new Array(64).fill(null);
  #head = 0;
  #count = 0;
  /** Whose registers are on the CPU. */
  #loaded: Task | null = null;
  #current: Task | null = null;
  #turnPlanned = false;
  #soonPlanned = false;
  /** Instructions left for turns before the event loop's next one. */
  #soonBudget = 0;
  #running = false;
  #hostTimer: HostTimer | null = null;
  #hostDeadline = Number.POSITIVE_INFINITY;
  #stopped = false;
  /** A debugger holds the machine: no turn begins, the one that runs ends. */
  #held = false;
  /** Null: first in, first out. */
  #policy: SchedulingPolicy | null = null;
  /** The task gives way to others (sched_yield). */
  #yielding: Task | null = null;
  /** Work of the kernel for the current task since its slice began, in instructions' worth, */
  #charged = 0;
  /** and how much of it ends the slice. */
  #chargeable = SLICE;
  switches = 0;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** The task on the CPU; null outside of a slice. */
  get current(): Task | null {
    return this.#current;
  }

  get queued(): number {
    return this.#count;
  }

  /**
   * The kernel worked for the current task as long as that many instructions take: it counts against the slice and
   * the turn, so that forks and page faults in a loop do not keep the event loop waiting.
   */
  charge(instructions: number): void {
    this.#charged += instructions;
  }

  /** The current task has used its slice, with what the kernel did for it; or it has to leave the processor anyway. */
  get isSliceSpent(): boolean {
    return this.#held || this.#charged >= this.#chargeable;
  }

  /** Instructions until then, as far as the kernel's work goes. */
  get sliceLeft(): number {
    return this.#held ? 0 : this.#chargeable - this.#charged;
  }

  /** Nothing runs, nothing is due to run. */
  get isIdle(): boolean {
    return this.#count === 0 && !this.#running;
  }

  get isInTurn(): boolean {
    return this.#running;
  }

  get isHeld(): boolean {
    return this.#held;
  }

  /** Nothing runs any more, from the end of the current instruction on, until `release`. */
  hold(): void {
    this.#held = true;
    this.#hostTimer?.cancel();
    this.#hostTimer = null;
  }

  release(): void {
    if (!this.#held) return;
    this.#held = false;
    if (!this.#running) this.#planTurn();
  }

  /** Makes a new, continued or woken task run. */
  enqueue(task: Task): void {
    if (task.queued || task.state !== 'running') return;
    task.queued = true;
    this.#put(task);
    this.#planTurn();
  }

  /** Who is next from now on; null: first in, first out. */
  choose(policy: SchedulingPolicy | null): void {
    const tasks: Task[] = [];
    if (this.#policy !== null) tasks.push(...this.#policy.drain());
    else for (let i = 0; i < this.#count; i++) tasks.push(this.#ring[(this.#head + i) & (this.#ring.length - 1)]!);
    this.#ring.fill(null);
    this.#head = 0;
    this.#count = 0;
    this.#policy = policy;
    for (const task of tasks) this.#put(task);
  }

  /** The running task goes behind all others. */
  yield(task: Task): void {
    this.#yielding = task;
    this.#kernel.cpu.requestStop();
  }

  #put(task: Task): void {
    if (this.#policy !== null) {
      this.#count++;
      this.#policy.add(task);
      return;
    }
    if (this.#count === this.#ring.length) this.#grow();
    this.#ring[(this.#head + this.#count++) & (this.#ring.length - 1)] = task;
  }

  /** An event for a sleeping task; harmless for any other. */
  wake(task: Task): void {
    if (task.state !== 'sleeping') {
      this.#kernel.debugger?.roused(task);
      return;
    }
    task.state = 'running';
    this.enqueue(task);
  }

  /**
   * A TypeScript program waits now, and what it waits for may be another task's business: a turn comes without the event
   * loop having had its own, as long as such turns together are no longer than one is.
   */
  runSoon(): void {
    if (this.#soonPlanned || this.#running || this.#stopped || this.#count === 0 || this.#soonBudget <= 0) return;
    this.#soonPlanned = true;
    void SETTLED.then(this.#soon);
  }

  readonly #soon = (): void => {
    this.#soonPlanned = false;
    this.#soonBudget -= this.#turn(this.#soonBudget);
  };

  sleep(task: Task): void {
    task.state = 'sleeping';
    task.process.usage.voluntarySwitches++;
  }

  /** The registers of `task` are to be read or written on the CPU. */
  load(task: Task): void {
    if (this.#loaded === task) return;
    const { cpu } = this.#kernel;
    if (this.#loaded !== null) cpu.saveContext(this.#loaded.context);
    cpu.loadContext(task.context);
    if (task.mm !== null) cpu.activate(task.mm.pageTable);
    this.#loaded = task;
    this.switches++;
  }

  /** `task` is gone: its registers need not be saved. */
  forget(task: Task): void {
    if (this.#loaded === task) this.#loaded = null;
  }

  /** A timer was armed: see that the host wakes an idle kernel in time. */
  timersChanged(): void {
    if (!this.#running && !this.#turnPlanned) this.#armHostTimer();
  }

  /** No turn begins any more. */
  stop(): void {
    this.#stopped = true;
    this.#hostTimer?.cancel();
    this.#hostTimer = null;
  }

  #grow(): void {
    const old = this.#ring;
    this.#ring = new Array(old.length * 2).fill(null);
    for (let i = 0; i < this.#count; i++) this.#ring[i] = old[(this.#head + i) & (old.length - 1)];
    this.#head = 0;
  }

  #dequeue(): Task | null {
    if (this.#count === 0) return null;
    const picked = this.#policy === null ? null : this.#policy.next();
    if (picked !== null) {
      this.#count--;
      picked.queued = false;
      return picked;
    }
    const task = this.#ring[this.#head]!;
    this.#ring[this.#head] = null;
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.#count--;
    task.queued = false;
    return task;
  }

  #planTurn(): void {
    if (this.#turnPlanned || this.#running || this.#stopped || this.#held) return;
    this.#turnPlanned = true;
    this.#kernel.host.defer(this.#plannedTurn);
  }

  // A closure made where it is handed over would cost every call there, planned or not.
  readonly #plannedTurn = (): void => {
    this.#turnPlanned = false;
    this.#eventLoopTurn();
  };

  #eventLoopTurn(): void {
    this.#soonBudget = TURN;
    this.#turn(TURN);
    if (!this.#stopped) this.#kernel.turnEnded();
  }

  /** @returns instructions spent, with the kernel's work */
  #turn(room: number): number {
    if (this.#stopped || this.#running || this.#held) return 0;
    const { timers, host, cpu } = this.#kernel;
    this.#running = true;
    let budget = room;
    let spent = 0;
    const translated = cpu.translationTime;
    while (budget > 0 && !this.#held && cpu.translationTime - translated < MAX_TRANSLATION) {
      if (timers.size > 0) timers.expire(host.monotonic());
      const task = this.#dequeue();
      if (task === null) break;
      // A slice's end unwinds every call of translated code: a task that is alone is spared that.
      const isAlone = this.#count === 0 && timers.size === 0;
      const slice = isAlone ? budget : Math.min(budget, this.#policy?.slice(task) || SLICE);
      const used = SWITCH_COST + this.#runTask(task, slice);
      budget -= used;
      spent += used;
      // A TypeScript program goes on when the turn is over: it need not wait longer than any other task.
      if (task.program !== null && budget > SLICE) budget = SLICE;
    }
    this.#running = false;
    if (this.#stopped) return spent;
    if (this.#held) {
      this.#kernel.debugger?.atRest();
      return spent;
    }
    if (this.#count > 0) this.#planTurn();
    else this.#armHostTimer();
    return spent;
  }

  /** Runs `task` until it sleeps, ends or has used its slice. @returns instructions executed, with the kernel's work */
  #runTask(task: Task, slice: number): number {
    if (task.state !== 'running' || this.#kernel.debugger?.mayRun(task) === false) return 0;
    this.#current = task;
    this.#charged = 0;
    this.#chargeable = slice;
    this.#yielding = null;
    let left = slice;
    if (this.#finishWait(task)) {
      while (left > this.#charged && deliverSignals(task) && !this.#held) {
        this.#chargeable = left;
        left -= this.#execute(task, left - this.#charged);
        // It may be in a wait although it runs: a driver has used up the slice in the middle of its call.
        if (task.state !== 'running' || task.wait.request !== null || this.#yielding === task) break;
      }
    }
    this.#current = null;
    if (this.#policy !== null) this.#tellPolicy(this.#policy, task, slice - left + this.#charged);
    task.process.usage.stime += this.#charged;
    if (task.process.watchesCpuTime) checkCpuTime(task.process);
    if (task.state === 'running') {
      if (this.#count > 0) task.process.usage.involuntarySwitches++;
      this.enqueue(task);
    }
    return slice - left + this.#charged;
  }

  #tellPolicy(policy: SchedulingPolicy, task: Task, used: number): void {
    const charged = this.#charged;
    const runs = task.state === 'running';
    const end = runs ? (this.#yielding === task ? 'yield' : 'slice') : task.state === 'dead' ? 'gone' : 'sleep';
    policy.ran(task, used, end);
    // What the policy itself does is nobody's time.
    this.#charged = charged;
  }

  /** @returns whether the task has nothing to wait for any more */
  #finishWait(task: Task): boolean {
    if (task.wait.request === null) return true;
    const result = task.wait.resume();
    if (result === PENDING) return false;
    this.#kernel.dispatch.finish(task, result);
    return true;
  }

  #execute(task: Task, budget: number): number {
    if (task.program !== null) return task.program.run();
    if (task.kernelThread !== null) return task.kernelThread.run();
    const { cpu, host, debugger: debug } = this.#kernel;
    this.load(task);
    const exit = debug === null ? cpu.run(budget) : debug.run(task, budget);
    const { retired } = debug ?? cpu;
    task.process.usage.utime += retired;
    host.elapsed(retired);
    if (exit === EXIT_FAULT) raiseFault(task, cpu.fault);
    return exit === EXIT_SLICE ? Math.max(retired, budget) : Math.max(retired, 1);
  }

  #armHostTimer(): void {
    const { timers, host } = this.#kernel;
    const deadline = this.#held ? Number.POSITIVE_INFINITY : timers.next;
    if (deadline === this.#hostDeadline && this.#hostTimer !== null) return;
    this.#hostTimer?.cancel();
    this.#hostTimer = null;
    this.#hostDeadline = deadline;
    if (deadline === Number.POSITIVE_INFINITY || this.#stopped) return;
    this.#hostTimer = host.timer(deadline, () => {
      this.#hostTimer = null;
      if (!this.#turnPlanned && !this.#running) this.#eventLoopTurn();
    });
  }
}
