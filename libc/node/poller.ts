/**
 * Readiness for many descriptors of process 1: one epoll set, edge-triggered, with one call that waits on it. A thread
 * for each waiting descriptor would be a task each.
 */

import {
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLLERR,
  EPOLLET,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
} from '../../abi/eventpoll.js';
import { F_SETFL, O_NONBLOCK, O_RDWR } from '../../abi/fcntl.js';
import { MSG_NOSIGNAL, SOCK_CLOEXEC, SOCK_NONBLOCK } from '../../abi/socket.js';
import { Out } from '../calls.js';
import { Libc } from '../libc.js';
import { outgoing } from '../messages.js';

/** What hangs on the set. */
export interface Pollable {
  /** Something may be done that could not be done before. */
  ready(readable: boolean, writable: boolean): void;
  /** The kernel is shut down: the descriptor is gone. */
  kernelGone(): void;
}

const EVENTS = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
/** Events after which reading, or writing, tells more: an error or a hang-up is found out by trying. */
const READABLE = EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP;
const WRITABLE = EPOLLOUT | EPOLLERR | EPOLLHUP;
const EVENTS_AT_ONCE = 256;

/** The libc with calls that never wait and tell by their result that they would have to. */
export class NonBlocking extends Libc {
  setNonBlocking(fd: number): void {
    this.now('fcntl', [fd, F_SETFL, O_RDWR | O_NONBLOCK]);
  }

  /** @returns bytes, or a negative errno */
  tryRead(fd: number, target: Uint8Array): number {
    return this.raw('read', [fd, new Out(target, true), target.length]);
  }

  tryWrite(fd: number, pieces: readonly Uint8Array[]): number {
    return this.raw('sendmsg', [fd, outgoing(pieces, null, {}), MSG_NOSIGNAL]);
  }

  /** @returns a descriptor that does not block, or a negative errno */
  tryAccept(fd: number): number {
    return this.raw('accept4', [fd, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC]);
  }
}

export class Poller {
  readonly libc: NonBlocking;
  readonly #pollables = new Map<number, Pollable>();
  #set = -1;
  #nextId = 1;

  constructor(libc: NonBlocking) {
    this.libc = libc;
  }

  /** @param fd does not block @returns what `remove` takes @throws ErrnoError */
  add(fd: number, pollable: Pollable): number {
    if (this.#set < 0) {
      this.#set = this.libc.epoll_create1(EPOLL_CLOEXEC);
      void this.#loop();
    }
    const id = this.#nextId++;
    this.libc.epoll_ctl(this.#set, EPOLL_CTL_ADD, fd, { events: EVENTS, data: id });
    this.#pollables.set(id, pollable);
    return id;
  }

  /** The descriptor is about to be closed, which takes it out of the set. */
  remove(id: number): void {
    this.#pollables.delete(id);
  }

  async #loop(): Promise<void> {
    try {
      for (;;) {
        for (const { events, data } of await this.libc.epoll_wait(this.#set, EVENTS_AT_ONCE, -1)) {
          this.#pollables.get(data)?.ready((events & READABLE) !== 0, (events & WRITABLE) !== 0);
        }
      }
    } catch {
      // Nothing else ends the wait: process 1 has no signal handlers.
      const all = [...this.#pollables.values()];
      this.#pollables.clear();
      for (const pollable of all) pollable.kernelGone();
    }
  }
}
