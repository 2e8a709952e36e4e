/** The interests of a set that may have something to report, oldest first. Linked through the items: nothing is allocated. */
import type { EpollItem } from './item.js';

export class ReadyList {
  first: EpollItem | null = null;
  last: EpollItem | null = null;

  get isEmpty(): boolean {
    return this.first === null;
  }

  push(item: EpollItem): void {
    item.isReady = true;
    item.previousReady = this.last;
    if (this.last === null) this.first = item;
    else this.last.nextReady = item;
    this.last = item;
  }

  remove(item: EpollItem): void {
    const { previousReady: previous, nextReady: next } = item;
    if (previous === null) this.first = next;
    else previous.nextReady = next;
    if (next === null) this.last = previous;
    else next.previousReady = previous;
    item.previousReady = null;
    item.nextReady = null;
    item.isReady = false;
  }
}
