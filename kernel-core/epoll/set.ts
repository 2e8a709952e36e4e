/**
 * An epoll set: interests in open file descriptions, a list of those that may be ready, and the tasks that wait for one.
 *
 * A change of an inode (its hook) puts the interests concerned on the ready list and wakes one waiter; whether they are
 * really ready is found out when somebody looks. Nothing here goes through all interests: adding, removing and waking
 * take the same time whatever the size of the set, looking takes time for what is on the ready list. @source epoll(7),
 * Linux fs/eventpoll.c
 */
import { EEXIST, EFAULT, EINVAL, ENOENT, ENOSPC, type Err, fail } from '../../abi/errno.js';
import { EPOLLERR, EPOLLET, EPOLLHUP, EPOLLONESHOT } from '../../abi/eventpoll.js';
import { POLLIN, POLLRDNORM } from '../../abi/poll.js';
import type { OpenFile } from '../../vfs/file.js';
import { AnonymousInode } from '../../vfs/fs/anon-inode.js';
import type { PollMask } from '../../vfs/inode.js';
import type { Kernel } from '../kernel.js';
import type { Task } from '../task.js';
import type { Hook } from '../wait.js';
import type { EpollFile } from './file.js';
import { EpollItem, PRIVATE_BITS } from './item.js';
import { ReadyList } from './ready-list.js';
import { addExclusive, InodeWatch, removeExclusive } from './watch.js';

/** Always reported, asked for or not. */
const ALWAYS = EPOLLERR | EPOLLHUP;

/** Where a wait puts its events. */
export interface EventSink {
  /** @returns 0, or -EFAULT: the event stays in the set */
  put(events: number, dataLow: number, dataHigh: number): number | Err;
}

/** Somebody who waits on a set, with the set's links. */
export interface EpollWaiter {
  isInLine: boolean;
  previousWaiter: EpollWaiter | null;
  nextWaiter: EpollWaiter | null;
  /** There may be something for it; it has left the line. */
  wake(): void;
}

export class EpollSet extends AnonymousInode {
  readonly #kernel: Kernel;
  /** Its one description, from its making on. */
  file!: EpollFile;
  /** Whom its interests count for. */
  readonly #uid: number;
  readonly #byFd = new Map<number, EpollItem>();
  readonly #watches = new Map<Hook, InodeWatch>();
  readonly #ready = new ReadyList();
  /** In the order of their coming; who is woken leaves. */
  #firstWaiter: EpollWaiter | null = null;
  #lastWaiter: EpollWaiter | null = null;
  /** Interests that a look has asked whether they are ready. For tests: the cost of waiting. */
  polled = 0;

  constructor(kernel: Kernel, task: Task) {
    super(kernel.vfsEnv, 'eventpoll', task);
    this.#kernel = kernel;
    this.#uid = task.cred.uid;
  }

  /** In the order of their descriptors' first use. */
  *items(): IterableIterator<EpollItem> {
    for (const first of this.#byFd.values()) {
      for (let item: EpollItem | null = first; item !== null; item = item.sameFd) yield item;
    }
  }

  find(file: OpenFile, fd: number): EpollItem | null {
    let item = this.#byFd.get(fd) ?? null;
    while (item !== null && item.file !== file) item = item.sameFd;
    return item;
  }

  /** EPOLL_CTL_ADD, but for `announce`. @returns the new interest; -EEXIST, -ENOSPC */
  add(file: OpenFile, fd: number, events: number, dataLow: number, dataHigh: number): EpollItem | Err {
    if (this.find(file, fd) !== null) return fail(EEXIST);
    if (!this.#kernel.epollQuota.take(this.#uid)) return fail(ENOSPC);
    const item = new EpollItem(this, file, fd, events | ALWAYS, dataLow, dataHigh);
    item.sameFd = this.#byFd.get(fd) ?? null;
    this.#byFd.set(fd, item);
    file.observers ??= new Set();
    file.observers.add(item);
    this.#attach(item);
    return item;
  }

  /** What is ready when an interest is added or changed is an event. */
  announce(item: EpollItem): void {
    if (item.poll() !== 0 && !item.isReady) this.markReady(item);
  }

  /** EPOLL_CTL_DEL. @returns 0, -ENOENT */
  delete(file: OpenFile, fd: number): number | Err {
    const item = this.find(file, fd);
    if (item === null) return fail(ENOENT);
    this.remove(item);
    return 0;
  }

  /** EPOLL_CTL_MOD. @returns 0; -ENOENT; -EINVAL for an exclusive interest */
  modify(file: OpenFile, fd: number, events: number, dataLow: number, dataHigh: number): number | Err {
    const item = this.find(file, fd);
    if (item === null) return fail(ENOENT);
    if (item.isExclusive) return fail(EINVAL);
    item.events = events | ALWAYS;
    item.dataLow = dataLow;
    item.dataHigh = dataHigh;
    this.announce(item);
    return 0;
  }

  remove(item: EpollItem): void {
    this.#detach(item);
    if (item.isReady) this.#ready.remove(item);
    item.file.observers!.delete(item);
    this.#forget(item);
    this.#kernel.epollQuota.give(this.#uid);
  }

  /** The last description of the set is closed. */
  clear(): void {
    for (const item of [...this.items()]) this.remove(item);
  }

  /** Something may have happened to `item`. @returns whether somebody who waits was woken */
  markReady(item: EpollItem): boolean {
    if (!item.isReady) this.#ready.push(item);
    const woken = this.#wakeOne();
    this.notify(POLLIN);
    return woken;
  }

  /** What on the ready list turns out not to be ready leaves it: the next look is the cheaper. */
  override poll(): PollMask {
    for (let item = this.#ready.first; item !== null; ) {
      const next: EpollItem | null = item.nextReady;
      this.polled++;
      if (item.poll() !== 0) return POLLIN | POLLRDNORM;
      this.#ready.remove(item);
      item = next;
    }
    return 0;
  }

  /**
   * Hands out at most `limit` events. Level-triggered interests go back to the end of the list, so that all get their
   * turn with a small limit.
   * @returns how many; -EFAULT if the first could not be put
   */
  collect(sink: EventSink, limit: number): number | Err {
    const { last } = this.#ready;
    let count = 0;
    for (let item = this.#ready.first; item !== null && count < limit; ) {
      const next: EpollItem | null = item === last ? null : item.nextReady;
      this.polled++;
      const events = item.poll();
      if (events === 0) this.#ready.remove(item);
      else {
        if (sink.put(events, item.dataLow, item.dataHigh) !== 0) {
          if (count === 0) return fail(EFAULT);
          break;
        }
        count++;
        this.#ready.remove(item);
        if ((item.events & EPOLLONESHOT) !== 0) item.events &= PRIVATE_BITS;
        else if ((item.events & EPOLLET) === 0) this.#ready.push(item);
      }
      item = next;
    }
    this.wakeNext();
    return count;
  }

  wait(waiter: EpollWaiter): void {
    if (waiter.isInLine) return;
    waiter.isInLine = true;
    waiter.previousWaiter = this.#lastWaiter;
    if (this.#lastWaiter === null) this.#firstWaiter = waiter;
    else this.#lastWaiter.nextWaiter = waiter;
    this.#lastWaiter = waiter;
  }

  /** @returns false: it was woken and has left the line by that */
  withdraw(waiter: EpollWaiter): boolean {
    if (!waiter.isInLine) return false;
    const { previousWaiter: previous, nextWaiter: next } = waiter;
    if (previous === null) this.#firstWaiter = next;
    else previous.nextWaiter = next;
    if (next === null) this.#lastWaiter = previous;
    else next.previousWaiter = previous;
    waiter.previousWaiter = null;
    waiter.nextWaiter = null;
    waiter.isInLine = false;
    return true;
  }

  /** There may be more for others than the one who was woken has taken. */
  wakeNext(): void {
    if (!this.#ready.isEmpty) this.#wakeOne();
  }

  /** Puts the interest on the hook of its inode. */
  #attach(item: EpollItem): void {
    const { hook } = item.file.inode;
    if (item.isExclusive) {
      addExclusive(hook, item);
      item.exclusiveHook = hook;
      return;
    }
    let watch = this.#watches.get(hook);
    if (watch === undefined) {
      watch = new InodeWatch(hook);
      this.#watches.set(hook, watch);
    }
    watch.add(item);
  }

  #detach(item: EpollItem): void {
    if (item.exclusiveHook !== null) removeExclusive(item.exclusiveHook, item);
    const { watch } = item;
    if (watch?.remove(item)) this.#watches.delete(watch.hook);
  }

  #forget(item: EpollItem): void {
    let other = this.#byFd.get(item.fd)!;
    if (other === item) {
      if (item.sameFd === null) this.#byFd.delete(item.fd);
      else this.#byFd.set(item.fd, item.sameFd);
      return;
    }
    while (other.sameFd !== item) other = other.sameFd!;
    other.sameFd = item.sameFd;
  }

  #wakeOne(): boolean {
    const waiter = this.#firstWaiter;
    if (waiter === null) return false;
    this.withdraw(waiter);
    waiter.wake();
    return true;
  }
}
