/**
 * The only place that waits: try → register on the hooks → try again → sleep.
 *
 * A system call that cannot finish hands `block` an `attempt`. `block` registers the task on every hook first and
 * tries again only then, so that an event between the first failure and the registration is not lost: whoever makes
 * the event after the registration finds the listener, whoever made it before is seen by the second try. Hooks,
 * signals and the time-out do one and the same thing, they put the task on the run queue; what happened is found out
 * by trying. Machine-code tasks leave the run loop (their CPU state is explicit), TypeScript tasks await a promise
 * that `finish` resolves.
 */
import type { EventEmitter } from 'eventemitter3';
import { EAGAIN, EINTR, ERESTARTSYS, fail } from '../abi/errno.js';
import { SUSPENDED } from '../vfs/file.js';
import type { InodeEvents, PollMask } from '../vfs/inode.js';
import type { Task } from './task.js';
import { Timer } from './timers.js';

/** What waiters hang on: the emitter of an inode, or one of the same shape (children, futexes, vfork). */
export type Hook = EventEmitter<InodeEvents>;

// Handler results that are not results: no errno is this large, no count or address this small.

/** The task sleeps; the wait primitive delivers the result. */
export const PENDING = -0x10000;
/** The handler replaced the register context (execve, sigreturn, exit): leave rax alone. */
export const CONTEXT_REPLACED = -0x10001;

const WOULD_BLOCK = -EAGAIN;

export interface WaitRequest {
  hooks: readonly Hook[];
  /** Tries again. @returns the call's result, or -EAGAIN to go on sleeping. Takes no locks across calls, never throws. */
  attempt: () => number;
  /** Monotonic deadline in nanoseconds; absent: none. A function is asked again before each sleep (inter-byte timers). */
  deadline?: number | (() => number);
  /** Result when the deadline passed; -EAGAIN is then a result like any other. */
  timedOut?: () => number;
  /** Errno of an interrupted call (positive); ERESTARTSYS when absent. @source signal(7) */
  interrupted?: number;
  /** Called once when the wait ends for whatever reason, before the result is delivered. */
  cleanup?: () => void;
  /** Only SIGKILL ends the wait (vfork's parent). */
  uninterruptible?: boolean;
  /** Events (POLL*) that alone are no reason to try again: room, for who waits for data. @source Linux's keyed wake-ups */
  ignored?: PollMask;
  /** The file waits by itself, as drivers do: what `attempt` returns is the result, -EAGAIN too. */
  waitsByItself?: boolean;
  /** What the task waits for, for /proc/PID/wchan and dumps. */
  what: string;
}

/** @returns the call's result, or PENDING when it waits again */
type Afterwards = (result: number) => number;

/** One task's sleep. Made once per task and used again for every wait. */
export class Wait {
  readonly task: Task;
  request: WaitRequest | null = null;
  /** The call that is being made must not wait: where it would, it answers -EAGAIN. */
  refused = false;
  /** The task dies: nobody gets a result any more. */
  isAbandoned = false;
  readonly #timer: Timer;
  /**
   * Where the task is registered still, though the wait is over: mostly the next one is for the same. An event is harmless
   * then, because the task does not sleep.
   */
  #kept: Hook | null = null;
  #expired = false;
  /** As in the request. */
  #ignored: PollMask = 0;
  /** What makes the call's result out of the wait's, the first one first; null: nothing. */
  #afterwards: Afterwards[] | null = null;

  constructor(task: Task) {
    this.task = task;
    this.#timer = new Timer(() => {
      this.#expired = true;
      this.task.kernel.scheduler.wake(this.task);
    });
  }

  /** See the head of the file. @returns the result, or PENDING when the task now sleeps */
  block(request: WaitRequest): number {
    if (this.refused) {
      // A driver that is in the middle of it goes on by itself.
      if (!request.waitsByItself || !this.task.kernel.drivers.detach(this.task, request)) request.cleanup?.();
      return WOULD_BLOCK;
    }
    this.#register(request.hooks);
    this.request = request;
    this.#ignored = request.ignored ?? 0;
    this.#expired = false;
    return this.#retry();
  }

  /** The scheduler picked the sleeping task. @returns the call's result, or PENDING to sleep on */
  resume(): number {
    const result = this.#retry();
    return result === PENDING || this.#afterwards === null ? result : this.#goOn(this.#afterwards, result);
  }

  /** The call is not over when the wait that has just begun is: `step` gets the wait's result, and says the call's. */
  afterwards(step: Afterwards): void {
    if (this.#afterwards === null) this.#afterwards = [step];
    else this.#afterwards.push(step);
  }

  /** Ends the wait as a signal does. @returns the call's result, which asks to be restarted or is -EINTR; 0: only SIGKILL could */
  interrupt(): number {
    const request = this.request!;
    return request.uninterruptible ? 0 : this.#finish(request, fail(request.interrupted ?? ERESTARTSYS));
  }

  /** Ends the wait without a result: the task dies. */
  abandon(): void {
    if (this.request !== null) this.#end(this.request);
    this.isAbandoned = true;
    if (this.#afterwards !== null) this.#goOn(this.#afterwards, fail(EINTR));
    this.#leaveKept();
  }

  /** A step that waits again may have put others in front of those that are left. */
  #goOn(steps: Afterwards[], first: number): number {
    let result = first;
    this.#afterwards = null;
    for (const [i, step] of steps.entries()) {
      result = step(result);
      if (result !== PENDING) continue;
      for (const left of steps.slice(i + 1)) this.afterwards(left);
      break;
    }
    return result;
  }

  #register(hooks: readonly Hook[]): void {
    if (this.#kept !== null) {
      // Behind others it has to queue anew: who waits longest is first.
      if (hooks.length === 1 && hooks[0] === this.#kept && this.#kept.listenerCount('notify') === 1) return;
      this.#leaveKept();
    }
    for (const hook of hooks) hook.on('notify', this.#wake, this);
  }

  #leaveKept(): void {
    this.#kept?.off('notify', this.#wake, this);
    this.#kept = null;
  }

  #retry(): number {
    const request = this.request!;
    const { task } = this;
    const result = request.attempt();
    if (result === SUSPENDED) return this.#awaitDriver();
    if (result !== WOULD_BLOCK || request.waitsByItself) return this.#finish(request, result);
    if (this.#expired) return this.#finish(request, request.timedOut === undefined ? 0 : request.timedOut());
    if (request.uninterruptible ? task.isKilled : task.hasDeliverableSignal) {
      return this.#finish(request, fail(request.interrupted ?? ERESTARTSYS));
    }
    const deadline = typeof request.deadline === 'function' ? request.deadline() : request.deadline;
    if (deadline !== undefined && deadline !== Number.POSITIVE_INFINITY) {
      task.kernel.timers.arm(this.#timer, deadline);
    }
    task.kernel.scheduler.sleep(task);
    return PENDING;
  }

  /** A driver's call is not over: it wakes the task, and finds out about signals itself. */
  #awaitDriver(): number {
    const { task } = this;
    const { scheduler } = task.kernel;
    if (task.driverCall?.isReady) {
      task.state = 'running';
      scheduler.enqueue(task);
    } else scheduler.sleep(task);
    return PENDING;
  }

  #finish(request: WaitRequest, result: number): number {
    this.#end(request);
    return result;
  }

  #end(request: WaitRequest): void {
    const { hooks } = request;
    if (hooks.length === 1) this.#kept = hooks[0]!;
    else for (const hook of hooks) hook.off('notify', this.#wake, this);
    this.task.kernel.timers.cancel(this.#timer);
    this.request = null;
    request.cleanup?.();
  }

  /** @param mask 0: anything */
  #wake(mask: PollMask): void {
    // From a hook that is only kept; a TypeScript program's task sleeps then, too, while the program is busy elsewhere.
    if (this.request === null) return;
    if (mask !== 0 && (mask & ~this.#ignored) === 0) return;
    this.task.kernel.scheduler.wake(this.task);
  }
}

/** A plain sleep that only a signal or the deadline ends. */
export const interruptedOnly = (): number => WOULD_BLOCK;
