/**
 * How interests hang on inodes. A set has one listener on an inode's hook however many of its interests concern that inode;
 * exclusive interests (EPOLLEXCLUSIVE) of all sets share one listener that stops at the first set that had somebody
 * waiting.
 */
import type { PollMask } from '../../vfs/inode.js';
import type { Hook } from '../wait.js';
import type { EpollItem } from './item.js';

/** The interests of one set in one inode, as a list. */
export class InodeWatch {
  readonly hook: Hook;
  #first: EpollItem | null = null;

  constructor(hook: Hook) {
    this.hook = hook;
  }

  add(item: EpollItem): void {
    if (this.#first === null) this.hook.on('notify', this.#notified, this);
    item.watch = this;
    item.nextInWatch = this.#first;
    if (this.#first !== null) this.#first.previousInWatch = item;
    this.#first = item;
  }

  /** @returns whether that was the last one: the listener is off the hook */
  remove(item: EpollItem): boolean {
    const { previousInWatch: previous, nextInWatch: next } = item;
    if (previous === null) this.#first = next;
    else previous.nextInWatch = next;
    if (next !== null) next.previousInWatch = previous;
    item.previousInWatch = null;
    item.nextInWatch = null;
    item.watch = null;
    if (this.#first !== null) return false;
    this.hook.off('notify', this.#notified, this);
    return true;
  }

  #notified(mask: PollMask): void {
    for (let item = this.#first; item !== null; item = item.nextInWatch) item.notified(mask);
  }
}

/** The exclusive interests of all sets in one inode, in the order of their coming. */
class ExclusiveWatch {
  readonly items = new Set<EpollItem>();

  notified(mask: PollMask): void {
    for (const item of this.items) if (item.notified(mask)) return;
  }
}

const exclusive = new WeakMap<Hook, ExclusiveWatch>();

export function addExclusive(hook: Hook, item: EpollItem): void {
  let watch = exclusive.get(hook);
  if (watch === undefined) {
    watch = new ExclusiveWatch();
    exclusive.set(hook, watch);
    hook.on('notify', watch.notified, watch);
  }
  watch.items.add(item);
}

export function removeExclusive(hook: Hook, item: EpollItem): void {
  const watch = exclusive.get(hook);
  if (watch === undefined || !watch.items.delete(item) || watch.items.size > 0) return;
  exclusive.delete(hook);
  hook.off('notify', watch.notified, watch);
}
