/**
 * A TypeScript program that runs in a process. To the kernel it is a process like any other, with pages, descriptors and
 * tasks; in place of machine code it has a function, which makes system calls through the same rows.
 *
 * A task is in one call at a time. A program may await several at once: the first uses the task of the process, each
 * further one a thread made for it by clone(2), which blocks all signals and is used again. So whatever the kernel knows
 * about waiting, killing and stopping holds for these calls without another word.
 */
import { EINVAL, ENOSYS, type Err, ESRCH, fail, isErr } from '../../abi/errno.js';
import { CLONE_FILES, CLONE_FS, CLONE_SIGHAND, CLONE_SYSVSEM, CLONE_THREAD, CLONE_VM } from '../../abi/sched.js';
import type { SignalInfo } from '../signals/state.js';
import type { Task } from '../task.js';
import { fromKernelText } from '../text.js';
import { CONTEXT_REPLACED } from '../wait.js';
import { describeFailure } from './failure.js';
import { ProgramMemory } from './memory.js';
import { SYS_CLONE, SYS_EXIT, SYS_EXIT_GROUP, SYS_WRITE } from './numbers.js';
import { ProgramCall, ProgramThread, settleCall } from './thread.js';

const THREAD_FLAGS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
/** Threads that are kept for later calls. */
const MAX_IDLE = 8;
/** Calls that act on registers: rt_sigreturn, sigaltstack, arch_prctl. */
const NEED_REGISTERS: ReadonlySet<number> = new Set([15, 131, 158]);
/** Exit status of a program that threw. */
const FAILED = 1;
/** Handler addresses: above SIG_DFL and SIG_IGN. */
const FIRST_HANDLER = 2;
/** Functions that are kept; more than there are signals, so that some are unused when there are so many. */
const MAX_HANDLERS = 128;

/** What runs in place of machine code. @returns the exit status; nothing is 0 */
export type ProgramMain = (program: Program, argv: string[], env: Record<string, string>) => unknown;
export type ProgramHandler = (signal: number, info: SignalInfo) => unknown;

/** Where a program comes from, and what execve gave it. */
export interface ProgramStart {
  readonly main: ProgramMain;
  /** latin1, as in the kernel. */
  readonly argv: readonly string[];
  readonly envp: readonly string[];
}

export class Program {
  readonly memory: ProgramMemory;
  readonly #main: ProgramThread;
  readonly #idle: ProgramThread[] = [];
  /** Functions that handle signals, by what sigaction calls their address. */
  readonly #handlers: Map<number, ProgramHandler>;
  #nextHandler: number;
  readonly #end = new AbortController();
  readonly #isKernels: boolean;
  /** The process has ended or executes another program. */
  isOver = false;
  /** What the child of the fork that is being made runs. */
  childMain: ProgramMain | null = null;

  /**
   * @param start null: the kernel's own process, whose calls the embedder makes. A call that is under way at its end
   * answers -ESRCH, as there is somebody who goes on.
   */
  constructor(task: Task, start: ProgramStart | null, parent: Program | null = null) {
    this.#isKernels = start === null;
    this.memory = parent?.sharesMemory(task) ? parent.memory : new ProgramMemory(task.mm!);
    this.#handlers = new Map(parent?.handlers());
    this.#nextHandler = FIRST_HANDLER + Math.max(0, ...this.#handlers.keys());
    this.#main = new ProgramThread(this, task, start === null ? null : () => this.#run(start));
  }

  /** Of the process's first task. */
  get thread(): ProgramThread {
    return this.#main;
  }

  /** Process id. */
  get pid(): number {
    return this.#main.task.pid;
  }

  /** Aborted when the process has ended or executes another program: for what the program holds outside of the kernel. */
  get ended(): AbortSignal {
    return this.#end.signal;
  }

  /**
   * Makes a system call that may wait.
   * @returns what rax would hold: a negative errno for an error; a promise of it if the call waits. That never settles if
   * the program does not go on: after exit, death by a signal, execve
   */
  call(number: number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0): number | Promise<number> {
    const call = new ProgramCall();
    call.prepare(number, a, b, c, d, e, f);
    return this.#promise(call);
  }

  /**
   * As `call`, for who does without a promise.
   * @param call not under way; it may be used for one call after the other
   * @param told gets the result of a call that waits; must not call into the program
   * @returns the result, or null: `told` gets it
   */
  callTelling(
    call: ProgramCall,
    told: (result: number) => void,
    number: number,
    a = 0,
    b = 0,
    c = 0,
    d = 0,
    e = 0,
    f = 0,
  ): number | null {
    call.prepare(number, a, b, c, d, e, f);
    this.#make(call);
    if (call.state === 'settled') return call.result;
    call.resolve = told;
    return null;
  }

  /**
   * Makes a system call that cannot wait, from the process's first task, even while that is in another call.
   * @returns what rax would hold; -EAGAIN where it would have to wait, -ESRCH when the program is over
   */
  callNow(number: number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0): number {
    if (this.isOver) return fail(ESRCH);
    if (NEED_REGISTERS.has(number)) return fail(ENOSYS);
    return this.#callNow(this.#main.task, number, [a, b, c, d, e, f]);
  }

  /**
   * Makes a process that is a copy of this one and runs `main`.
   * @param number of fork, vfork or clone, with `flags`
   * @returns its number, or a negative errno; with CLONE_VFORK only once it has executed a program or ended
   */
  fork(main: ProgramMain, number: number, flags: number): number | Promise<number> {
    const call = new ProgramCall();
    call.prepare(number, flags, 0, 0, 0, 0, 0);
    call.childMain = main;
    return this.#promise(call);
  }

  /** Gives `handler` an address for sigaction. */
  addressOf(handler: ProgramHandler): number {
    for (const [address, known] of this.#handlers) if (known === handler) return address;
    if (this.#handlers.size >= MAX_HANDLERS) this.#forgetUnused();
    const address = this.#nextHandler++;
    this.#handlers.set(address, handler);
    return address;
  }

  /** The function behind an address that sigaction reported; null: SIG_DFL, SIG_IGN. */
  handlerAt(address: number): ProgramHandler | null {
    return this.#handlers.get(address) ?? null;
  }

  /** Ends the process. */
  exit(status: number): void {
    this.callNow(SYS_EXIT_GROUP, status);
  }

  /**
   * clone(2) made `task` from a task of this program. A new process runs `childMain`: clone(2) has checked that there is one.
   */
  adopt(task: Task): ProgramThread {
    if (task.process === this.#main.task.process) {
      task.blocked.set(-1, -1);
      task.blocked.clearUnblockable();
      // It has nothing to run but the call that it is made for.
      task.state = 'sleeping';
      return new ProgramThread(this, task, null);
    }
    const main = this.childMain!;
    return new Program(task, { main, argv: [], envp: [] }, this).#main;
  }

  /** Does `task`, a child, use this program's pages (vfork)? */
  sharesMemory(task: Task): boolean {
    return task.mm === this.#main.task.mm;
  }

  /** Functions that handle signals with their addresses: a child has them, too. */
  handlers(): Iterable<[number, ProgramHandler]> {
    return this.#handlers;
  }

  // What threads tell.

  /** Finds a task for `call`, which is to be made. */
  takeOver(call: ProgramCall): void {
    const thread = this.#main.call === null ? this.#main : (this.#idle.pop() ?? this.#makeThread());
    if (isErr(thread)) {
      settleCall(call, thread);
      return;
    }
    // Identities are a task's own for the kernel; a program has one.
    thread.task.cred = this.#main.task.cred;
    thread.begin(call);
  }

  callEnded(thread: ProgramThread): void {
    if (thread === this.#main) return;
    if (this.#idle.length < MAX_IDLE) this.#idle.push(thread);
    else this.#callNow(thread.task, SYS_EXIT, [0, 0, 0, 0, 0, 0]);
  }

  threadEnded(thread: ProgramThread, call: ProgramCall | null): void {
    const index = this.#idle.indexOf(thread);
    if (index >= 0) this.#idle.splice(index, 1);
    if (call !== null) this.#answerDead(call);
    if (thread !== this.#main || this.isOver) return;
    this.isOver = true;
    // Listeners are the program's: they run when the kernel's turn is over.
    queueMicrotask(() => this.#end.abort());
  }

  /** Functions that no signal has any more: a program may set a new one again and again. */
  #forgetUnused(): void {
    const used = new Set(this.#main.task.handlers.actions.map(({ handler }) => handler));
    for (const address of this.#handlers.keys()) if (!used.has(address)) this.#handlers.delete(address);
  }

  /** Plans a handler. @param done called when it, or the promise it made, has ended */
  runHandler(handler: ProgramHandler | null, info: SignalInfo, done: () => void): void {
    const run = async (): Promise<void> => {
      // An address that this program never gave out: a machine-code program would fault.
      if (handler === null) throw new Error('no signal handler at that address');
      await handler(info.signo, info);
    };
    Promise.resolve()
      .then(run)
      .then(done, (error: unknown) => this.#fail(error));
  }

  // Inside.

  /** Begins a call. */
  #make(call: ProgramCall): void {
    if (this.isOver) this.#answerDead(call);
    else if (NEED_REGISTERS.has(call.number)) settleCall(call, fail(ENOSYS));
    else this.takeOver(call);
  }

  #promise(call: ProgramCall): number | Promise<number> {
    this.#make(call);
    if (call.state === 'settled') return call.result;
    return new Promise((resolve) => {
      call.resolve = resolve;
    });
  }

  #run({ main, argv, envp }: ProgramStart): void {
    const env: Record<string, string> = {};
    for (const entry of envp) {
      const at = entry.indexOf('=');
      if (at > 0) env[fromKernelText(entry.slice(0, at))] ??= fromKernelText(entry.slice(at + 1));
    }
    Promise.resolve()
      .then(() => (this.isOver ? undefined : main(this, argv.map(fromKernelText), env)))
      .then(
        (status) => this.#leave(status),
        (error: unknown) => this.#fail(error),
      );
  }

  #leave(status: unknown): void {
    if (status === undefined || status === null) this.exit(0);
    else if (typeof status === 'number' && Number.isInteger(status)) this.exit(status);
    else this.#fail(new TypeError('the exit status of a program is a whole number or nothing'));
  }

  /** Uncaught: a message on standard error, and status 1. */
  #fail(error: unknown): void {
    if (this.isOver) return;
    const name = fromKernelText(this.#main.task.comm);
    const bytes = new TextEncoder().encode(`${name}: ${describeFailure(error)}\n`);
    const block = this.memory.take(bytes.length);
    if (isErr(block) || isErr(this.memory.write(block.address, bytes))) {
      this.exit(FAILED);
      return;
    }
    void Promise.resolve(this.call(SYS_WRITE, 2, block.address, bytes.length)).then(() => this.exit(FAILED));
  }

  #callNow(task: Task, number: number, args: readonly number[]): number {
    const { kernel, wait } = task;
    const { syscall, traced } = task;
    // The task may be in another call, which goes on afterwards.
    const held = kernel.dispatch.tracer?.setAside(task);
    wait.refused = true;
    const result = kernel.dispatch.fromProgram(task, number, args);
    wait.refused = false;
    if (task.state === 'dead') return result;
    task.syscall = syscall;
    task.traced = traced;
    if (held !== undefined) kernel.dispatch.tracer?.takeUp(task, held);
    if (task.hasDeliverableSignal) kernel.scheduler.wake(task);
    return result === CONTEXT_REPLACED ? 0 : result;
  }

  #makeThread(): ProgramThread | Err {
    const { kernel } = this.#main.task;
    const tid = this.#callNow(this.#main.task, SYS_CLONE, [THREAD_FLAGS, 0, 0, 0, 0, 0]);
    if (isErr(tid)) return tid;
    return kernel.processes.task(tid)?.program ?? fail(EINVAL);
  }

  #answerDead(call: ProgramCall): void {
    if (this.#isKernels) settleCall(call, fail(ESRCH));
  }
}
