/**
 * A call's place at the send or receive lock of a socket.
 *
 * A call takes the lock only when it is about to sleep; one that finds it taken stands in line, and goes on when the
 * lock comes to it. So readers are served in the order in which they came, and a message that is half-way is not
 * broken into. A call that ends, for whatever reason, leaves its place; a lock that comes to it later is handed on.
 *
 * Lock order: a call holds at most one socket's lock, and waits for one only while it holds none.
 */
import type { Mutex } from 'async-mutex';

export class Turn {
  readonly #mutex: Mutex;
  readonly #wake: () => void;
  #state: 'outside' | 'in line' | 'holding' | 'over' = 'outside';

  /** @param wake called when the lock has come to a call that stood in line */
  constructor(mutex: Mutex, wake: () => void) {
    this.#mutex = mutex;
    this.#wake = wake;
  }

  /** May the call try now? */
  get hasCome(): boolean {
    return this.#state === 'holding' || (this.#state === 'outside' && !this.#mutex.isLocked());
  }

  /** The call is going to sleep. A free lock is taken at once, before any other call can run. */
  keep(): void {
    if (this.#state !== 'outside') return;
    if (!this.#mutex.isLocked()) {
      this.#state = 'holding';
      void this.#mutex.acquire();
      return;
    }
    this.#state = 'in line';
    void this.#mutex.acquire().then(() => this.#granted());
  }

  #granted(): void {
    if (this.#state === 'over') {
      this.#mutex.release();
      return;
    }
    this.#state = 'holding';
    this.#wake();
  }

  /** The call is over. */
  leave(): void {
    const held = this.#state === 'holding';
    this.#state = 'over';
    if (held) this.#mutex.release();
  }
}
