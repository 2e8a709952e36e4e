/**
 * Readiness for many descriptors of process 1: one epoll set, edge-triggered, with one call that waits on it. A thread
 * for each waiting descriptor would be a task each.
 */

import {
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_CTL_MOD,
  EPOLLERR,
  EPOLLET,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
} from '../../abi/eventpoll.js';
import type { NonBlocking } from './non-blocking.js';

/** What hangs on the set. */
export interface Pollable {
  /** Something may be done that could not be done before. */
  ready(readable: boolean, writable: boolean): void;
  /** The kernel is shut down: the descriptor is gone. */
  kernelGone(): void;
}

const EVENTS = EPOLLIN | EPOLLRDHUP | EPOLLET;
/** Events after which reading, or writing, tells more: an error or a hang-up is found out by trying. */
const READABLE = EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP;
const WRITABLE = EPOLLOUT | EPOLLERR | EPOLLHUP;

/** For work after the kernel's turn: queueMicrotask of Node costs several times as much. */
const SETTLED = Promise.resolve();

export class Poller {
  readonly libc: NonBlocking;
  readonly #pollables = new Map<number, Pollable>();
  #set = -1;
  #nextId = 1;
  /** From the first wait on there is always one. */
  #isWaiting = false;
  /** What the wait that has ended answered: events, or a negative errno. */
  #found = 0;

  constructor(libc: NonBlocking) {
    this.libc = libc;
  }

  /** @param fd does not block @returns what `remove` takes @throws ErrnoError */
  add(fd: number, pollable: Pollable): number {
    if (this.#set < 0) this.#set = this.libc.epoll_create1(EPOLL_CLOEXEC);
    if (!this.#isWaiting) this.#wait();
    const id = this.#nextId++;
    this.libc.epoll_ctl(this.#set, EPOLL_CTL_ADD, fd, { events: EVENTS, data: id });
    this.#pollables.set(id, pollable);
    return id;
  }

  /**
   * Tells of room, too, from now on. Not before a write has had to wait: most sockets have room all the time, and would be
   * told of more with each message that the peer reads.
   */
  watchRoom(fd: number, id: number): void {
    this.libc.epoll_ctl(this.#set, EPOLL_CTL_MOD, fd, { events: EVENTS | EPOLLOUT, data: id });
  }

  /** The descriptor is about to be closed, which takes it out of the set. */
  remove(id: number): void {
    this.#pollables.delete(id);
  }

  /** @throws ErrnoError ENOMEM, at the first time */
  #wait(): void {
    const found = this.libc.waitForEvents(this.#set, this.#told);
    this.#isWaiting = true;
    if (found !== null) this.#told(found);
  }

  readonly #told = (found: number): void => {
    this.#found = found;
    void SETTLED.then(this.#handOn);
  };

  readonly #handOn = (): void => {
    if (this.#found < 0) {
      this.#kernelGone();
      return;
    }
    this.libc.takeEvents(this.#found, this.#ready);
    this.#wait();
  };

  readonly #ready = (events: number, id: number): void => {
    try {
      this.#pollables.get(id)?.ready((events & READABLE) !== 0, (events & WRITABLE) !== 0);
    } catch (error) {
      // Of a listener: uncaught, as it is with node:net, and nothing to do with the other sockets.
      process.nextTick(() => {
        throw error;
      });
    }
  };

  /** Nothing else ends the wait: process 1 has no signal handlers. */
  #kernelGone(): void {
    const all = [...this.#pollables.values()];
    this.#pollables.clear();
    for (const pollable of all) pollable.kernelGone();
  }
}
