/**
 * A call's place at the send or receive lock of a socket.
 *
 * A call takes the lock only when it is about to sleep; one that finds it taken stands in line, and goes on when the
 * lock comes to it. So readers are served in the order in which they came, and a message that is half-way is not
 * broken into. A call that ends, for whatever reason, leaves its place; a lock that comes to it later is handed on.
 *
 * Lock order: a call holds at most one socket's lock, and waits for one only while it holds none (lock-order.ts).
 */
import type { CallLock } from '../../net/call-lock.js';
import { noteLock, noteUnlock } from '../lock-order.js';

/** Who sleeps. */
export interface Sleeper {
  /** The task that makes the call. */
  readonly task: object;
  /** The lock has come: try again. */
  wake(): void;
}

export class Turn {
  readonly #lock: CallLock;
  readonly #sleeper: Sleeper;
  #state: 'outside' | 'in line' | 'holding' | 'over' = 'outside';

  constructor(lock: CallLock, sleeper: Sleeper) {
    this.#lock = lock;
    this.#sleeper = sleeper;
  }

  /** May the call try now? */
  get hasCome(): boolean {
    return this.#state === 'holding' || (this.#state === 'outside' && !this.#lock.isTaken);
  }

  /** The call is going to sleep. A free lock is taken at once, before any other call can run. */
  keep(): void {
    if (this.#state !== 'outside') return;
    noteLock(this.#sleeper.task, this.#lock, 'the lock of a socket');
    if (!this.#lock.isTaken) {
      this.#state = 'holding';
      this.#lock.take(this);
      return;
    }
    this.#state = 'in line';
    this.#lock.queue(this, () => this.#granted());
  }

  #granted(): boolean {
    if (this.#state === 'over') return false;
    this.#state = 'holding';
    this.#sleeper.wake();
    return true;
  }

  /** The call is over. */
  leave(): void {
    const held = this.#state === 'holding';
    this.#state = 'over';
    noteUnlock(this.#sleeper.task, this.#lock);
    if (held) this.#lock.release();
  }
}
