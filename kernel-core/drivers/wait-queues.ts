/**
 * What drivers wait on: queues, mutexes and completions in their own memory, known here by their addresses. The driver's
 * object is all zeros when nothing is going on, and nothing is kept here then, so that a static one needs no set-up and one
 * that is freed leaves nothing behind.
 *
 * A queue: `prepare` puts the call on it, the driver looks at its condition, `schedule` sleeps unless somebody has woken the
 * queue since, `finish` takes the call off: no wake-up between the look and the sleep is lost.
 * A mutex is handed over in the order of asking. A holder that crashes gives it to nobody: those who wait get -EIO, for what
 * it guards may be half done.
 */
import { EIO, ERESTARTSYS, ETIMEDOUT, fail } from '../../abi/errno.js';
import { SUSPENDED } from '../../vfs/file.js';
import type { HeldLock, KernelCall } from './call.js';

/** How a driver waits, as its header numbers it. */
const INTERRUPTIBLE = 1;
const KILLABLE = 2;

/** Is there a signal that ends such a wait? */
const isInterrupted = (call: KernelCall, mode: number): boolean =>
  mode === INTERRUPTIBLE ? call.isInterrupted : mode === KILLABLE && call.isKilled;

/** Sleeps until `isOver`, a signal or the deadline. @param deadline 0: none */
export function sleepUntil(call: KernelCall, mode: number, deadline: number, isOver: () => boolean): number {
  const attempt = (): number => {
    if (isOver()) return 0;
    if (isInterrupted(call, mode)) return fail(ERESTARTSYS);
    return call.expired ? fail(ETIMEDOUT) : SUSPENDED;
  };
  call.expired = false;
  const now = attempt();
  return now === SUSPENDED ? call.sleep(attempt, deadline === 0 ? Number.POSITIVE_INFINITY : deadline) : now;
}

export class WaitQueues {
  readonly #queues = new Map<number, Set<KernelCall>>();

  get size(): number {
    return this.#queues.size;
  }

  prepare(call: KernelCall, address: number): void {
    if (call.queue !== address) {
      this.finish(call);
      call.queue = address;
      const queue = this.#queues.get(address);
      if (queue === undefined) this.#queues.set(address, new Set([call]));
      else queue.add(call);
    }
    call.isWoken = false;
  }

  finish(call: KernelCall): void {
    const queue = this.#queues.get(call.queue);
    if (queue?.delete(call) && queue.size === 0) this.#queues.delete(call.queue);
    call.queue = 0;
  }

  /** @param most how many of those who wait, the first ones first */
  wake(address: number, most: number): void {
    const queue = this.#queues.get(address);
    if (queue === undefined) return;
    let left = most;
    for (const call of [...queue]) {
      if (left-- <= 0) return;
      call.isWoken = true;
      call.wake();
    }
  }
}

class Mutex implements HeldLock {
  readonly what = 'mutex';
  readonly address: number;
  holder: KernelCall;
  readonly waiters: KernelCall[] = [];
  isBroken = false;
  readonly #table: Mutexes;

  constructor(table: Mutexes, address: number, holder: KernelCall) {
    this.#table = table;
    this.address = address;
    this.holder = holder;
  }

  abandon(): void {
    this.isBroken = true;
    this.#table.forget(this);
    for (const call of this.waiters) call.wake();
  }
}

export class Mutexes {
  readonly #mutexes = new Map<number, Mutex>();

  get size(): number {
    return this.#mutexes.size;
  }

  /** @returns 0, -ERESTARTSYS, -EIO when its holder crashed, SUSPENDED, BUG */
  lock(call: KernelCall, address: number, mode: number): number {
    const mutex = this.#mutexes.get(address);
    if (call.atomicDepth > 0) return call.bug('sleeping function called from invalid context: banos_mutex_lock');
    if (mutex === undefined) {
      const made = new Mutex(this, address, call);
      this.#mutexes.set(address, made);
      call.held.push(made);
      return 0;
    }
    if (mutex.holder === call) return call.bug('recursive locking of a mutex');
    mutex.waiters.push(call);
    const result = call.sleep(() => {
      if (mutex.isBroken) return fail(EIO);
      if (mutex.holder === call) return 0;
      if (!isInterrupted(call, mode)) return SUSPENDED;
      mutex.waiters.splice(mutex.waiters.indexOf(call), 1);
      return fail(ERESTARTSYS);
    });
    if (result !== SUSPENDED) mutex.waiters.pop();
    return result;
  }

  /** @returns 1 when it was free and is held now */
  tryLock(call: KernelCall, address: number): number {
    return this.#mutexes.has(address) ? 0 : this.lock(call, address, 0) === 0 ? 1 : 0;
  }

  unlock(call: KernelCall, address: number): number {
    const mutex = this.#mutexes.get(address);
    if (mutex?.holder !== call) return call.bug('unlock of a mutex that the caller does not hold');
    call.held.splice(call.held.indexOf(mutex), 1);
    this.#handOver(mutex);
    return 0;
  }

  isHeld(address: number): boolean {
    return this.#mutexes.has(address);
  }

  /** Those in [from, to) that are held. */
  heldIn(from: number, to: number): boolean {
    for (const address of this.#mutexes.keys()) if (address >= from && address < to) return true;
    return false;
  }

  forget(mutex: Mutex): void {
    this.#mutexes.delete(mutex.address);
  }

  #handOver(mutex: Mutex): void {
    let next = mutex.waiters.shift();
    while (next !== undefined && (next.isAborted || next.state !== 'suspended')) next = mutex.waiters.shift();
    if (next === undefined) {
      this.#mutexes.delete(mutex.address);
      return;
    }
    mutex.holder = next;
    next.held.push(mutex);
    next.wake();
  }
}

/** A spinlock: nobody but a caller that has it already can find it held, for its holder cannot be put off. */
export class SpinLocks {
  readonly #held = new Map<number, HeldLock>();

  get size(): number {
    return this.#held.size;
  }

  lock(call: KernelCall, address: number): number {
    if (this.#held.has(address)) return call.bug('spinlock recursion');
    const lock: HeldLock = { address, what: 'spinlock', abandon: () => this.#held.delete(address) };
    this.#held.set(address, lock);
    call.held.push(lock);
    call.atomicDepth++;
    return 0;
  }

  tryLock(call: KernelCall, address: number): number {
    return this.#held.has(address) ? 0 : this.lock(call, address) === 0 ? 1 : 0;
  }

  unlock(call: KernelCall, address: number): number {
    const lock = this.#held.get(address);
    const at = lock === undefined ? -1 : call.held.indexOf(lock);
    if (at < 0) return call.bug('unlock of a spinlock that the caller does not hold');
    call.held.splice(at, 1);
    call.atomicDepth--;
    this.#held.delete(address);
    return 0;
  }

  /** Those in [from, to) that are held. */
  heldIn(from: number, to: number): boolean {
    for (const address of this.#held.keys()) if (address >= from && address < to) return true;
    return false;
  }
}
