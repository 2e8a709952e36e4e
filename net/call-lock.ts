/**
 * A lock that a call holds while it sleeps, with the calls behind it in line.
 *
 * The first to sleep becomes the holder, which is a mere note: most sockets have one reader and one writer, and a round
 * trip must not cost a promise. The async-mutex comes in with the second call: it takes the mutex for the holder, and
 * stands in the mutex's line itself. From then on the mutex decides who is next.
 */
import { Mutex } from 'async-mutex';

export class CallLock {
  #mutex: Mutex | null = null;
  #holder: object | null = null;
  /** The holder has the mutex, too. */
  #isMutexHeld = false;

  /** Does a call hold it, or is it on its way to one? */
  get isTaken(): boolean {
    return this.#holder !== null || this.#mutex?.isLocked() === true;
  }

  /** Makes `call` the holder. Precondition: it is free. */
  take(call: object): void {
    this.#holder = call;
  }

  /**
   * Stands in line behind the holder.
   * @param granted called when the lock has come to `call`, which then has to release it; @returns false to pass it on
   */
  queue(call: object, granted: () => boolean): void {
    this.#mutex ??= new Mutex();
    const mutex = this.#mutex;
    if (!this.#isMutexHeld && !mutex.isLocked()) {
      // For the holder. A mutex that is free is taken at once.
      void mutex.acquire();
      this.#isMutexHeld = true;
    }
    void mutex.acquire().then(() => {
      if (!granted()) {
        mutex.release();
        return;
      }
      this.#holder = call;
      this.#isMutexHeld = true;
    });
  }

  /** The holder is done. */
  release(): void {
    this.#holder = null;
    if (!this.#isMutexHeld) return;
    this.#isMutexHeld = false;
    this.#mutex!.release();
  }
}
