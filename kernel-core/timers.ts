/**
 * Kernel timers: a binary heap on the host's monotonic clock. Adding and removing are O(log n); one host timer
 * is armed for the earliest deadline while the kernel has nothing to run.
 */

/** A one-shot timer; embed or extend it, and arm it again as often as needed. */
export class Timer {
  /** Monotonic nanoseconds. */
  deadline = 0;
  /** Position in the heap, -1 when not armed. */
  index = -1;
  readonly fire: () => void;

  /** @param fire called from the kernel's loop, never from inside `arm` */
  constructor(fire: () => void) {
    this.fire = fire;
  }

  get armed(): boolean {
    return this.index >= 0;
  }
}

/** What a timer that can be asked for its time is set to, in nanoseconds. */
export interface TimerSetting {
  interval: number;
  /** Until it expires next; 0: not running, or expired. */
  value: number;
}

/** What such a timer is to be set to. */
export interface NewSetting {
  interval: number;
  /** Monotonic nanoseconds, maybe in the past; null: it is to stop. */
  deadline: number | null;
}

/** How often a timer that was due at `deadline` has expired at `now`, at least once; the next time is that many intervals on. */
export const expiriesUntil = (now: number, deadline: number, interval: number): number =>
  Math.max(1, Math.floor((now - deadline) / interval) + 1);

export class TimerQueue {
  readonly #heap: Timer[] = [];

  get size(): number {
    return this.#heap.length;
  }

  /** Earliest deadline, Infinity when no timer is armed. */
  get next(): number {
    return this.#heap.length === 0 ? Number.POSITIVE_INFINITY : this.#heap[0].deadline;
  }

  arm(timer: Timer, deadline: number): void {
    this.cancel(timer);
    timer.deadline = deadline;
    timer.index = this.#heap.length;
    this.#heap.push(timer);
    this.#up(timer.index);
  }

  cancel(timer: Timer): void {
    const { index } = timer;
    if (index < 0) return;
    timer.index = -1;
    const last = this.#heap.pop()!;
    if (last === timer) return;
    this.#place(last, index);
    this.#up(index);
    this.#down(last.index);
  }

  /** Fires a timer that was armed for a time in the past. */
  expireNow(timer: Timer): void {
    this.cancel(timer);
    timer.fire();
  }

  /** Fires everything due at `now`. @returns number of timers fired */
  expire(now: number): number {
    let fired = 0;
    while (this.#heap.length > 0 && this.#heap[0].deadline <= now) {
      const timer = this.#heap[0];
      this.cancel(timer);
      timer.fire();
      fired++;
    }
    return fired;
  }

  #place(timer: Timer, index: number): void {
    this.#heap[index] = timer;
    timer.index = index;
  }

  #up(start: number): void {
    let index = start;
    const timer = this.#heap[index];
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (this.#heap[parent].deadline <= timer.deadline) break;
      this.#place(this.#heap[parent], index);
      index = parent;
    }
    this.#place(timer, index);
  }

  #down(start: number): void {
    let index = start;
    const timer = this.#heap[index];
    for (;;) {
      let child = 2 * index + 1;
      if (child >= this.#heap.length) break;
      if (child + 1 < this.#heap.length && this.#heap[child + 1].deadline < this.#heap[child].deadline) child++;
      if (timer.deadline <= this.#heap[child].deadline) break;
      this.#place(this.#heap[child], index);
      index = child;
    }
    this.#place(timer, index);
  }
}
