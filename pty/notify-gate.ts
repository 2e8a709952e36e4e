/**
 * Holds notifications back while a terminal is at work. Listeners may read and write the terminal at once, so they
 * must not be called from the middle of the line discipline. Both ends of a pseudo-terminal share one gate.
 */
import type { EventEmitter } from 'eventemitter3';
import type { InodeEvents, PollMask } from '../vfs/inode.js';

/** What the gate holds for one end. */
export interface Notified {
  readonly hook: EventEmitter<InodeEvents>;
  /** Bits not told yet. */
  pending: PollMask;
}

export class NotifyGate {
  #depth = 0;
  #waiting: Notified[] = [];

  /** Every `enter` has its `leave`; between them nobody is notified. */
  enter(): void {
    this.#depth++;
  }

  leave(): void {
    if (--this.#depth > 0) return;
    while (this.#waiting.length > 0) {
      const told = this.#waiting;
      this.#waiting = [];
      for (const end of told) {
        const mask = end.pending;
        end.pending = 0;
        end.hook.emit('notify', mask);
      }
    }
  }

  notify(end: Notified, mask: PollMask): void {
    if (this.#depth === 0) {
      end.hook.emit('notify', mask);
      return;
    }
    if (end.pending === 0) this.#waiting.push(end);
    end.pending |= mask;
  }
}
