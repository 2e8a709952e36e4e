/**
 * Holds back what must not happen while a terminal is at work, until the work is done. Listeners may read and write
 * the terminal at once, so they are not called from the middle of the line discipline; and what one end wrote reaches
 * the other's line discipline only afterwards, so that a key that drops output still finds the output of the same
 * batch of keys. Both ends of a pseudo-terminal share one gate.
 */
import type { EventEmitter } from 'eventemitter3';
import type { InodeEvents, PollMask } from '../vfs/inode.js';
import type { TtyPort } from './port.js';

/** What the gate holds for one end. */
export interface Notified {
  readonly hook: EventEmitter<InodeEvents>;
  /** Bits not told yet. */
  pending: PollMask;
}

export class NotifyGate {
  #depth = 0;
  #waiting: Notified[] = [];
  readonly #ports: TtyPort[] = [];

  /** Every `enter` has its `leave`; between them nobody is notified. */
  enter(): void {
    this.#depth++;
  }

  leave(): void {
    if (this.#depth === 1) this.settle();
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

  /** Bytes were put into `port`: they move on when the work is done. */
  filled(port: TtyPort): void {
    if (!this.#ports.includes(port)) this.#ports.push(port);
  }

  /** Moves on what waits in ports. */
  settle(): void {
    for (let port = this.#ports.shift(); port !== undefined; port = this.#ports.shift()) port.flush();
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
