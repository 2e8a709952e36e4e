/**
 * Futexes: wait queues named by a word of memory. A private futex is named by address space and address, a shared
 * one by the physical place of the word, so that processes find each other through shared pages.
 * @source futex(2)
 */
import { EventEmitter } from 'eventemitter3';
import { EAGAIN, EINVAL, type Err, fail, isErr } from '../abi/errno.js';
import type { Kernel } from './kernel.js';
import type { AddressSpace } from './mm/address-space.js';
import { PAGE_SIZE } from './mm/layout.js';
import type { Task } from './task.js';
import type { Hook } from './wait.js';

/** Matches every FUTEX_WAKE_BITSET. */
export const MATCH_ANY = 0xffffffff;

class Waiter {
  readonly hook: Hook = new EventEmitter();
  readonly bits: number;
  queue: FutexQueue;
  woken = false;

  constructor(queue: FutexQueue, bits: number) {
    this.queue = queue;
    this.bits = bits;
  }
}

/** Names a word: its address in one space, or with no space its physical address. */
export interface FutexKey {
  readonly space: AddressSpace | null;
  readonly word: number;
}

interface FutexQueue extends FutexKey {
  readonly waiters: Set<Waiter>;
}

export class FutexTable {
  readonly #spaces = new Map<AddressSpace | null, Map<number, FutexQueue>>();

  /** Address spaces in which somebody waits; for leak checks. */
  get size(): number {
    return this.#spaces.size;
  }

  enter(key: FutexKey, bits: number): Waiter {
    const waiter = new Waiter(this.#queue(key), bits);
    waiter.queue.waiters.add(waiter);
    return waiter;
  }

  leave(waiter: Waiter): void {
    const { queue } = waiter;
    queue.waiters.delete(waiter);
    if (queue.waiters.size > 0) return;
    const words = this.#spaces.get(queue.space);
    words?.delete(queue.word);
    if (words?.size === 0) this.#spaces.delete(queue.space);
  }

  /** Wakes at most `count` waiters whose bits meet `bits`, in the order of their coming. @returns how many */
  wake(key: FutexKey, count: number, bits: number): number {
    const queue = this.#find(key);
    if (queue === undefined) return 0;
    let woken = 0;
    for (const waiter of [...queue.waiters]) {
      if (woken >= count) break;
      if ((waiter.bits & bits) === 0) continue;
      this.leave(waiter);
      waiter.woken = true;
      waiter.hook.emit('notify', 0);
      woken++;
    }
    return woken;
  }

  /** Moves at most `count` waiters to another word without waking them. @returns how many */
  requeue(from: FutexKey, to: FutexKey, count: number): number {
    const queue = this.#find(from);
    if (queue === undefined || queue === this.#find(to)) return 0;
    let moved = 0;
    for (const waiter of [...queue.waiters]) {
      if (moved >= count) break;
      this.leave(waiter);
      waiter.queue = this.#queue(to);
      waiter.queue.waiters.add(waiter);
      moved++;
    }
    return moved;
  }

  #find(key: FutexKey): FutexQueue | undefined {
    return this.#spaces.get(key.space)?.get(key.word);
  }

  #queue(key: FutexKey): FutexQueue {
    let words = this.#spaces.get(key.space);
    if (words === undefined) {
      words = new Map();
      this.#spaces.set(key.space, words);
    }
    let queue = words.get(key.word);
    if (queue === undefined) {
      queue = { ...key, waiters: new Set() };
      words.set(key.word, queue);
    }
    return queue;
  }
}

/** @returns the name of the word's queue; null when the address is not readable */
export function futexKey(mm: AddressSpace, address: number, isPrivate: boolean): FutexKey | null {
  if (isErr(mm.readU32(address))) return null;
  if (isPrivate || mm.areas.at(address)?.isShared !== true) return { space: mm, word: address };
  const frame = mm.pageTable.frameOf(Math.floor(address / PAGE_SIZE));
  return { space: null, word: frame * PAGE_SIZE + (address % PAGE_SIZE) };
}

/** Wakes waiters on a word of `mm` on the kernel's behalf (exit of a thread). */
export function wakeFutex(kernel: Kernel, mm: AddressSpace, address: number, count: number): void {
  const key = futexKey(mm, address, false);
  if (key !== null) kernel.futexes.wake(key, count, MATCH_ANY);
}

/**
 * Sleeps while the word holds `expected`.
 * @param deadline monotonic nanoseconds, Infinity: none
 * @returns 0 when woken, -EAGAIN when the word differs, -ETIMEDOUT, or what an interruption gives; PENDING while asleep
 */
export function waitFutex(
  task: Task,
  address: number,
  key: FutexKey,
  expected: number,
  bits: number,
  deadline: number,
  timedOut: number,
  interrupted: number,
): number | Err {
  if (bits === 0) return fail(EINVAL);
  const value = task.mm!.readU32(address);
  if (isErr(value)) return value;
  if (value !== expected >>> 0) return fail(EAGAIN);
  const { futexes } = task.kernel;
  const waiter = futexes.enter(key, bits);
  return task.wait.block({
    hooks: [waiter.hook],
    attempt: () => (waiter.woken ? 0 : -EAGAIN),
    deadline,
    timedOut: () => timedOut,
    interrupted,
    cleanup: () => {
      if (!waiter.woken) futexes.leave(waiter);
    },
    what: 'futex_wait_queue',
  });
}
