/**
 * Waiting on an epoll set: one of those who wait is woken for an interest that became ready, in the order of their coming.
 * Who was woken and finds nothing gets in line again; who finds more than it may take wakes the next.
 */
import { EAGAIN, EINTR, type Err } from '../../abi/errno.js';
import { EPOLL_EVENT_SIZE } from '../../abi/eventpoll.js';
import { restoreMask } from '../syscalls/signals.js';
import type { Task } from '../task.js';
import type { Hook, WaitRequest } from '../wait.js';
import type { EpollFile } from './file.js';
import type { EpollWaiter, EventSink } from './set.js';

const bytes = new Uint8Array(EPOLL_EVENT_SIZE);
const view = new DataView(bytes.buffer);

/** Writes events to an array of struct epoll_event in the caller's memory. */
class UserEvents implements EventSink {
  task: Task | null = null;
  address = 0;

  put(events: number, dataLow: number, dataHigh: number): number | Err {
    view.setInt32(0, events, true);
    view.setInt32(4, dataLow, true);
    view.setInt32(8, dataHigh, true);
    const written = this.task!.mm!.write(this.address, bytes);
    this.address += EPOLL_EVENT_SIZE;
    return written;
  }
}

/** One for all: collecting does not wait. */
const userEvents = new UserEvents();

/** Hands out what is ready now. @param address of an array of `limit` struct epoll_event @returns events, -EFAULT */
function collect(task: Task, file: EpollFile, address: number, limit: number): number | Err {
  userEvents.task = task;
  userEvents.address = address;
  const count = file.inode.collect(userEvents, limit);
  userEvents.task = null;
  return count;
}

const NO_HOOKS: readonly Hook[] = [];

class EpollWait implements WaitRequest, EpollWaiter {
  /** The set wakes it. */
  readonly hooks: readonly Hook[] = NO_HOOKS;
  readonly what = 'ep_poll';
  readonly interrupted = EINTR;
  readonly deadline: number;
  readonly #task: Task;
  readonly #file: EpollFile;
  readonly #address: number;
  readonly #limit: number;
  #served = false;
  isInLine = false;
  previousWaiter: EpollWaiter | null = null;
  nextWaiter: EpollWaiter | null = null;

  constructor(task: Task, file: EpollFile, address: number, limit: number, deadline: number) {
    this.#task = task;
    this.#file = file.ref();
    this.#address = address;
    this.#limit = limit;
    this.deadline = deadline;
  }

  wake(): void {
    this.#task.kernel.scheduler.wake(this.#task);
  }

  attempt(): number {
    const set = this.#file.inode;
    // Out of line while looking: who wakes the next one must not pick this one.
    set.withdraw(this);
    const count = collect(this.#task, this.#file, this.#address, this.#limit);
    if (count !== 0) {
      this.#served = true;
      restoreMask(this.#task);
      return count;
    }
    set.wait(this);
    return -EAGAIN;
  }

  timedOut(): number {
    restoreMask(this.#task);
    return 0;
  }

  cleanup(): void {
    // Woken, but ended by something else before it could look: the next one looks.
    if (!this.#served && !this.#file.inode.withdraw(this)) this.#file.inode.wakeNext();
    this.#file.unref();
  }
}

/**
 * Waits for events.
 * @param deadline monotonic nanoseconds; -Infinity: only looks, Infinity: for ever
 * @returns events; 0 after the deadline; -EINTR, with the temporary signal mask still in place; -EFAULT; PENDING while it sleeps
 */
export function waitForEpoll(task: Task, file: EpollFile, address: number, limit: number, deadline: number): number {
  const count = collect(task, file, address, limit);
  if (count !== 0 || deadline === Number.NEGATIVE_INFINITY) {
    restoreMask(task);
    return count;
  }
  return task.wait.block(new EpollWait(task, file, address, limit, deadline));
}
