/**
 * A debugger's hold on the machine: which processes it has attached to, which of their tasks may run and how, what it is
 * told of. How it talks to people is the business of `gdb/`; `kernel.debugger` is null when there is none, and whoever
 * runs tasks, delivers signals or ends processes asks no further then.
 *
 * All stops: when something happens that the debugger wants to know, the scheduler is held, and no task of the machine
 * runs, attached or not, until `resume`. Clocks of the host go on meanwhile, as under ptrace; the virtual clock of a
 * deterministic run stands still, because nothing executes. Calls that a TypeScript program makes then are made when the
 * machine goes on.
 *
 * Life of a stop: a hook below is called in a turn of the scheduler, notes an event and holds the scheduler; the turn ends;
 * `atRest` tells the session. Events that come together (a step that ends in a breakpoint, processes that die with each
 * other) are told one after the other.
 */
import { CLONE_THREAD, CLONE_VFORK } from '../../abi/sched.js';
import { SIGKILL, SIGTRAP } from '../../abi/signal.js';
import { EXIT_BREAK, EXIT_FAULT, EXIT_SLICE, EXIT_STOP } from '../../cpu/index.js';
import type { KernelCall } from '../drivers/call.js';
import { isKernelAddress } from '../drivers/layout.js';
import type { Kernel } from '../kernel.js';
import type { Process } from '../process.js';
import { kernelSignal, sendToProcess } from '../signals/send.js';
import type { SignalInfo } from '../signals/state.js';
import type { Task } from '../task.js';
import { Attachments } from './attachments.js';
import { DriverStops } from './driver-stops.js';
import type { DebugEvent, Going, StopReason } from './events.js';
import { HeldSignals } from './held-signals.js';
import { clearMarks, type Marks } from './marks.js';

/** A task that goes on. */
interface Active {
  range: Going['range'];
  /** The instruction has been executed, but its system call had to wait. */
  isStepDone: boolean;
}

export class Debugger {
  /** What of a new process the debugger wants to hear. */
  followsForks = false;
  followsVforks = false;
  followsExec = false;
  readonly signals = new HeldSignals();
  /** The next program that is started from outside is attached to, and stops before its first instruction. */
  catchesNext: boolean;
  /** Called when the machine has come to rest with an event, and for each one until `resume`. */
  onEvent: (() => void) | null = null;
  /** Where drivers cannot be stopped. */
  readonly driverStops: DriverStops;
  /** Instructions that the last `run` or `runCall` executed. */
  retired = 0;
  readonly #kernel: Kernel;
  readonly #attached: Attachments;
  readonly #active = new Map<Task, Active>();
  /** Children of vfork whose parents are told when they let go of the memory. */
  readonly #vforked = new Map<Task, Task>();
  readonly #events: DebugEvent[] = [];

  constructor(kernel: Kernel, catchesNext: boolean) {
    this.#kernel = kernel;
    this.#attached = new Attachments(kernel);
    this.driverStops = new DriverStops(kernel);
    this.catchesNext = catchesNext;
  }

  // For the session.

  get processes(): IterableIterator<Process> {
    return this.#attached.processes;
  }

  isAttached(process: Process): boolean {
    return this.#attached.has(process);
  }

  /** Where breakpoints and watchpoints at an address are set, as `process` sees it. */
  marksAt(address: number, process: Process): Marks | undefined {
    return this.#attached.marksAt(address, process);
  }

  /** @returns false: it was made for the debugger, or by what it debugs */
  wasThere(process: Process): boolean {
    return this.#attached.get(process)?.wasThere !== false;
  }

  /** Attaches and stops. @returns false: it does not run machine code, or has ended */
  attach(process: Process, wasThere = true): boolean {
    if (!this.#attached.add(process, wasThere)) return false;
    this.hold();
    return true;
  }

  /** Lets a process go on by itself, with the signal that it was to be told of. */
  detach(process: Process): void {
    if (!this.#attached.remove(process)) return;
    for (const task of process.threads) {
      this.#active.delete(task);
      this.signals.forget(task);
      for (const [child, parent] of this.#vforked) if (parent === task) this.#vforked.delete(child);
    }
    this.#drop((event) => event.type === 'stopped' && event.task.process === process);
    this.#roam(process);
  }

  /** Everything goes on as if there were no debugger. */
  detachAll(): void {
    for (const process of [...this.processes]) this.detach(process);
    this.#events.length = 0;
    this.#attached.clearKernel();
    this.catchesNext = false;
    this.followsForks = this.followsVforks = this.followsExec = false;
    this.signals.passed = new Set();
    this.#kernel.scheduler.release();
  }

  kill(process: Process): void {
    this.detach(process);
    sendToProcess(process, kernelSignal(SIGKILL));
  }

  /** Stops the machine, at an instruction's end; from outside of a turn. */
  hold(): void {
    this.#kernel.scheduler.hold();
  }

  /** Stops the machine because the debugger's user wants it; from outside of a turn. @param signal to be shown, not sent */
  interruptBy(task: Task, signal: number): void {
    this.#stop(task, signal, { kind: 'signal' });
  }

  /** What is to be told next. */
  takeEvent(): DebugEvent | undefined {
    return this.#events.shift();
  }

  /**
   * The machine goes on, unless there is something to be told still.
   * @param goingOf for each attached task: how it goes on; null: not
   */
  resume(goingOf: (task: Task) => Going | null): void {
    this.#active.clear();
    for (const process of this.processes) {
      for (const task of process.threads) {
        const going = goingOf(task);
        if (going === null) continue;
        this.#active.set(task, { range: going.range, isStepDone: false });
        this.signals.settle(task, going.signal);
      }
    }
    if (this.#events.length > 0) {
      this.onEvent?.();
      return;
    }
    this.#attached.apply();
    this.driverStops.forget();
    for (const process of this.processes) this.#roam(process);
    this.#kernel.scheduler.release();
  }

  /** The registers of a task that sleeps in a call are to be changed (those of the program, that is): the call ends as by a signal. @returns false: it cannot */
  interrupt(task: Task): boolean {
    if (task.wait.request === null || task.driverCall !== null) return true;
    const result = task.wait.interrupt();
    if (result === 0) return false;
    task.state = 'running';
    this.#kernel.dispatch.finish(task, result);
    this.#kernel.scheduler.enqueue(task);
    return true;
  }

  // For the scheduler.

  mayRun(task: Task): boolean {
    return !this.#attached.has(task.process) || this.#active.has(task) || task.isKilled;
  }

  /** Something has happened to a task that does not sleep. One that may not run dies nevertheless. */
  roused(task: Task): void {
    if (task.isKilled && this.#attached.has(task.process)) this.#kernel.scheduler.enqueue(task);
  }

  /** Runs a task whose registers are on the CPU. @returns EXIT_*; `retired` instructions were executed */
  run(task: Task, budget: number): number {
    const { cpu } = this.#kernel;
    const active = this.#active.get(task);
    if (active !== undefined && active.range !== null) return this.#step(task, active, active.range, budget);
    const exit = cpu.run(budget);
    this.retired = cpu.retired;
    if (exit === EXIT_BREAK) this.#stop(task, SIGTRAP, { kind: 'break' });
    else this.#checkWatch(task);
    return exit;
  }

  /**
   * Runs a driver's call whose registers are on the processor. One that cannot be put off, as one that holds a spinlock,
   * does not stop.
   * @param isInner it runs inside of another
   * @returns as `run`
   */
  runCall(call: KernelCall, isInner: boolean, budget: number): number {
    const outer = this.driverStops.running;
    this.driverStops.running = { call, isInner };
    const exit = this.#runCall(call, budget);
    this.driverStops.running = outer;
    return exit;
  }

  /** Whether a breakpoint concerns what runs. */
  wantsBreakpoint(address: number): boolean {
    if (isKernelAddress(address)) return this.#mayStop('breakpoint', address);
    const task = this.#kernel.scheduler.current;
    return task !== null && this.#attached.has(task.process);
  }

  /** The turn that held the machine is over. */
  atRest(): void {
    if (this.#events.length > 0) this.onEvent?.();
  }

  // For those who change what is run.

  /** A program was started from outside. */
  started(process: Process): void {
    if (!this.catchesNext || !this.attach(process, false)) return;
    this.catchesNext = false;
    this.#stop(process.leader, SIGTRAP, { kind: 'signal' });
  }

  /** A task takes a signal. @returns true: it has stopped before, and will take it, or another, when it goes on */
  takesSignal(task: Task, info: SignalInfo): boolean {
    if (!this.#attached.has(task.process) || !this.signals.take(task, info)) return false;
    this.#stop(task, info.signo, { kind: 'signal' });
    return true;
  }

  /** Does the debugger want to hear of a signal that would be ignored? */
  wantsIgnored(process: Process, signal: number): boolean {
    return this.#attached.has(process) && !this.signals.passed.has(signal);
  }

  /** A handler of a signal is about to run: a step ends before its first instruction. */
  entersHandler(task: Task): void {
    if (this.#active.get(task)?.range != null) this.#stop(task, SIGTRAP, { kind: 'step' });
  }

  cloned(parent: Task, child: Task, flags: number): void {
    const marks = this.#attached.get(parent.process);
    if (marks === undefined) return;
    if ((flags & CLONE_THREAD) !== 0) {
      // As the thread that made it, if that is not being stepped.
      const active = this.#active.get(parent);
      if (active?.range === null) this.#active.set(child, { range: null, isStepDone: false });
      return;
    }
    const isVfork = (flags & CLONE_VFORK) !== 0;
    if (!(isVfork ? this.followsVforks : this.followsForks) || child.program !== null) return;
    this.#attached.addCopy(child.process, marks);
    if (isVfork) this.#vforked.set(child, parent);
    this.#stop(parent, SIGTRAP, { kind: isVfork ? 'vfork' : 'fork', child });
  }

  /** A vfork child has let go of its parent's memory. */
  releasedMemory(child: Task): void {
    const parent = this.#vforked.get(child);
    this.#vforked.delete(child);
    if (parent === undefined || !this.#attached.has(parent.process)) return;
    this.#stop(parent, SIGTRAP, { kind: 'vforkdone' });
  }

  /** @param path as execve had it */
  executed(task: Task, path: string): void {
    const attached = this.#attached.get(task.process);
    if (attached === undefined) return;
    // They were those of the old program.
    clearMarks(attached);
    if (task.program !== null) this.detach(task.process);
    else if (this.followsExec) this.#stop(task, SIGTRAP, { kind: 'exec', path });
    // As under ptrace without that option.
    else this.#stop(task, SIGTRAP, { kind: 'signal' });
  }

  taskEnded(task: Task): void {
    this.signals.forget(task);
    this.#vforked.delete(task);
    this.#drop((event) => event.type === 'stopped' && event.task === task);
    if (!this.#active.delete(task) || task.process.threads.size === 0) return;
    for (const process of this.processes) {
      for (const other of process.threads) if (other !== task && this.mayRun(other)) return;
    }
    this.#tell({ type: 'nothing runs' });
  }

  processEnded(process: Process, status: number): void {
    if (this.#attached.ended(process)) this.#tell({ type: 'ended', pid: process.pid, status });
  }

  // Inside.

  #runCall(call: KernelCall, budget: number): number {
    const { cpu } = this.#kernel;
    const { task } = call;
    const active = task === null ? undefined : this.#active.get(task);
    const { obstacle, isLocked } = this.driverStops;
    if (active !== undefined && active.range !== null && (obstacle === null || isLocked)) {
      return this.#step(task!, active, active.range, budget);
    }
    const exit = cpu.run(budget);
    this.retired = cpu.retired;
    if (exit === EXIT_BREAK) {
      // Whoever runs into it is what the debugger sees.
      this.attach(task!.process);
      this.#stop(task!, SIGTRAP, { kind: 'break' });
      return exit;
    }
    const watched = isKernelAddress(cpu.watchHit) ? this.#attached.watchedByKernel() : undefined;
    if (watched === undefined || !this.#mayStop('watchpoint', cpu.rip)) return exit;
    this.attach(task!.process);
    this.#stop(task!, SIGTRAP, { kind: 'watch', ...watched });
    return exit;
  }

  /** @param address where a program, or a driver's call, has come to what it was to stop at */
  #mayStop(what: 'breakpoint' | 'watchpoint', address: number): boolean {
    const { obstacle } = this.driverStops;
    if (obstacle !== null) this.driverStops.passed(what, address, obstacle);
    return obstacle === null;
  }

  /** Executes instructions one by one, as long as rip is in the range, or a driver holds a lock. */
  #step(task: Task, active: Active, range: readonly [number, number], budget: number): number {
    const { cpu, scheduler } = this.#kernel;
    const [start, end] = range;
    this.retired = 0;
    const isInside = (): boolean => cpu.rip >= start && cpu.rip < end;
    if (active.isStepDone) {
      active.isStepDone = false;
      if (!isInside() && !this.driverStops.isLocked) {
        this.#stop(task, SIGTRAP, { kind: 'step' });
        return EXIT_STOP;
      }
    }
    for (;;) {
      const exit = cpu.step();
      this.retired += cpu.retired;
      if (exit === EXIT_FAULT) return exit;
      if (this.#checkWatch(task)) return EXIT_STOP;
      if (exit !== EXIT_SLICE) {
        // Perhaps it sleeps, has a signal to take, or is another program: the step ends when it is to go on.
        active.isStepDone = true;
        return exit;
      }
      if (!this.driverStops.isLocked) {
        if (scheduler.isHeld) return EXIT_STOP;
        if (!isInside()) {
          this.#stop(task, SIGTRAP, { kind: 'step' });
          return EXIT_STOP;
        }
      }
      if (this.#attached.marksAt(cpu.rip, task.process)?.breakpoints.has(cpu.rip)) {
        if (this.#mayStop('breakpoint', cpu.rip)) {
          this.#stop(task, SIGTRAP, { kind: 'break' });
          return EXIT_STOP;
        }
      }
      if (this.retired >= budget) return exit;
    }
  }

  #checkWatch(task: Task): boolean {
    const watched = this.#attached.watched(task.process);
    if (watched === undefined) return false;
    if (!this.#mayStop('watchpoint', this.#kernel.cpu.rip)) return false;
    this.#stop(task, SIGTRAP, { kind: 'watch', ...watched });
    return true;
  }

  #stop(task: Task, signal: number, reason: StopReason): void {
    this.#tell({ type: 'stopped', task, signal, reason });
  }

  #tell(event: DebugEvent): void {
    this.#events.push(event);
    this.hold();
    if (!this.#kernel.scheduler.isInTurn) this.onEvent?.();
  }

  #drop(isGone: (event: DebugEvent) => boolean): void {
    for (let i = this.#events.length - 1; i >= 0; i--) if (isGone(this.#events[i]!)) this.#events.splice(i, 1);
  }

  /** Tasks that could run stand in the queue again. */
  #roam(process: Process): void {
    for (const task of process.threads) if (this.mayRun(task)) this.#kernel.scheduler.enqueue(task);
  }
}
