/**
 * One task of a TypeScript program: what a machine-code task has registers for. It holds the system call that the task
 * is in, and the signal handlers that run on top of it.
 *
 * Life of a call: `begin` makes it at once, in the caller's turn. If it has to wait, the task sleeps in the wait
 * primitive like any other; the scheduler resumes it, delivers signals, and `run` resolves the caller's promise. While
 * its program computes or awaits something of the host the task sleeps without a wait: a signal makes it run, and `run`
 * starts the handler or finds nothing to do.
 *
 * User code is never called from here, only planned: promises are resolved, and go on when the kernel's turn is over.
 */
import { EINTR, fail } from '../../abi/errno.js';
import { blockForHandler } from '../signals/frame.js';
import { SigSet } from '../signals/sigset.js';
import type { SignalAction, SignalInfo } from '../signals/state.js';
import type { Task } from '../task.js';
import { CONTEXT_REPLACED, PENDING } from '../wait.js';
import type { Program, ProgramHandler, ProgramMain } from './program.js';

/** What a turn of a TypeScript task counts for, in instructions. */
const RUN_COST = 2000;
/** Calls that return at once before one of them goes through the run queue, so that the event loop has its turn. */
const CALLS_AT_ONCE = 100;

type CallState = 'to be made' | 'made' | 'returned' | 'settled';

/** Who waits for a call before anybody does. */
const nobody = (): void => {};

/** A system call of a program. One that is settled may be made again, with other arguments. */
export class ProgramCall {
  number = 0;
  readonly args: number[] = [0, 0, 0, 0, 0, 0];
  /** Told the result if somebody waits for it by then. */
  resolve: (result: number) => void = nobody;
  state: CallState = 'settled';
  result = 0;
  /** What the child of a fork runs; null: the call is none. */
  childMain: ProgramMain | null = null;

  prepare(number: number, a: number, b: number, c: number, d: number, e: number, f: number): void {
    const { args } = this;
    args[0] = a;
    args[1] = b;
    args[2] = c;
    args[3] = d;
    args[4] = e;
    args[5] = f;
    this.number = number;
    this.state = 'to be made';
    this.resolve = nobody;
  }
}

/** The caller gets `result`. */
export function settleCall(call: ProgramCall, result: number): void {
  call.result = result;
  call.state = 'settled';
  call.resolve(result);
}

/** A handler that runs, or is to run, and what it interrupted. */
interface HandlerFrame {
  /** Null: the address is none that the program gave out. */
  readonly handler: ProgramHandler | null;
  readonly info: SignalInfo;
  readonly interrupted: ProgramCall | null;
  /** Signal mask to go back to. */
  readonly mask: SigSet;
  state: 'pushed' | 'running' | 'returned';
}

export class ProgramThread {
  readonly task: Task;
  readonly program: Program;
  call: ProgramCall | null = null;
  readonly #frames: HandlerFrame[] = [];
  #callsAtOnce = 0;
  /** Planned when the task first runs. */
  #start: (() => void) | null;

  constructor(program: Program, task: Task, start: (() => void) | null) {
    this.program = program;
    this.task = task;
    this.#start = start;
  }

  /** Makes a call, or plans it if the task is stopped or a debugger holds the machine. Precondition: no other call is under way. */
  begin(call: ProgramCall): void {
    this.call = call;
    const { task } = this;
    if (task.state === 'stopped' || task.isKilled) return;
    if (task.kernel.scheduler.isHeld) {
      task.kernel.scheduler.wake(task);
      return;
    }
    this.#make(call);
    if (call.state === 'made') task.kernel.scheduler.runSoon();
    if (this.call === call && call.state === 'returned') {
      if (this.#callsAtOnce++ < CALLS_AT_ONCE && !this.#mustPassSignals) this.#finish(call);
      else task.kernel.scheduler.wake(task);
    }
  }

  /** The call's wait has ended with `result`. */
  returned(result: number): void {
    const call = this.call!;
    call.result = result;
    call.state = 'returned';
  }

  /** Result of the call that has returned, as the end of a system call sees it. */
  get result(): number {
    return this.call?.state === 'returned' ? this.call.result : 0;
  }

  /** The interrupted call is to be made again, as `number`; null: it answers -EINTR. */
  settle(number: number | null): void {
    const call = this.call!;
    if (number === null) {
      call.result = fail(EINTR);
      return;
    }
    call.number = number;
    call.state = 'to be made';
  }

  /** A signal with a handler: what a machine-code task gets a frame on its stack for. */
  pushFrame(action: SignalAction, info: SignalInfo): void {
    const { task } = this;
    const mask = new SigSet();
    mask.copy(task.savedMask ?? task.blocked);
    this.#frames.push({
      handler: this.program.handlerAt(action.handler),
      info,
      interrupted: this.call,
      mask,
      state: 'pushed',
    });
    this.call = null;
    blockForHandler(task, action, info.signo);
  }

  /**
   * The scheduler gives the task its turn; signals have been delivered.
   * @returns what it counts for, in instructions. The task sleeps afterwards, or is to run again.
   */
  run(): number {
    const { task } = this;
    this.#callsAtOnce = 0;
    const start = this.#start;
    this.#start = null;
    start?.();
    const top = this.#frames.at(-1);
    if (top?.state === 'pushed') {
      top.state = 'running';
      this.program.runHandler(top.handler, top.info, () => this.#handlerReturned(top));
    }
    if (this.call?.state === 'to be made') this.#make(this.call);
    // A call may have ended the task, or made it another program.
    if (task.program !== this) return RUN_COST;
    const { call } = this;
    if (call?.state === 'returned') {
      if (this.#mustPassSignals) return RUN_COST;
      this.#finish(call);
    }
    if (task.state === 'running') task.state = 'sleeping';
    return RUN_COST;
  }

  /** The task is gone, or runs another program: whoever awaits its call waits for ever, as the program does not go on. */
  ended(): void {
    const { call } = this;
    this.call = null;
    this.#frames.length = 0;
    this.program.threadEnded(this, call);
  }

  #make(call: ProgramCall): void {
    const { task } = this;
    call.state = 'made';
    this.program.childMain = call.childMain;
    const result = task.kernel.dispatch.fromProgram(task, call.number, call.args);
    this.program.childMain = null;
    if (result === PENDING) return;
    if (result === CONTEXT_REPLACED) {
      // execve: what comes next begins at the task's turn.
      if (task.program !== this) task.kernel.scheduler.wake(task);
      return;
    }
    this.returned(result);
  }

  /** Before the program goes on, the task must go through the delivery of signals. */
  get #mustPassSignals(): boolean {
    const { task } = this;
    return task.syscall >= 0 || task.hasDeliverableSignal || task.savedMask !== null;
  }

  #finish(call: ProgramCall): void {
    this.call = null;
    this.program.callEnded(this);
    settleCall(call, call.result);
  }

  /** As rt_sigreturn. A handler that outlives one that interrupted it keeps its place until that has returned. */
  #handlerReturned(frame: HandlerFrame): void {
    const { task } = this;
    if (task.program !== this || task.state === 'dead') return;
    frame.state = 'returned';
    for (let top = this.#frames.at(-1); top?.state === 'returned'; top = this.#frames.at(-1)) {
      this.#frames.pop();
      task.blocked.copy(top.mask);
      if (top.interrupted === null) continue;
      // Something else of the program may have made a call meanwhile: then the interrupted one goes to another task.
      if (this.call === null) this.call = top.interrupted;
      else this.program.takeOver(top.interrupted);
    }
    task.kernel.scheduler.wake(task);
  }
}
