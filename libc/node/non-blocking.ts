/**
 * The libc as the sockets of `kernel.net` use it: calls that never wait and tell by their result that they would have to.
 * They are made for every event of every socket, so that their arguments stay in two blocks of process 1's memory: one
 * that all data goes through, on its way in and out, and one that the events of the epoll set come in.
 */
import { EPOLL_EVENT_SIZE } from '../../abi/eventpoll.js';
import { F_SETFL, O_NONBLOCK, O_RDWR } from '../../abi/fcntl.js';
import { MSG_NOSIGNAL, SOCK_CLOEXEC, SOCK_NONBLOCK } from '../../abi/socket.js';
import { errnoError, type MemoryBlock, ProgramCall } from '../../kernel-core/index.js';
import { Libc } from '../libc.js';
import { SYS } from '../numbers.js';

/** Bytes that one read or write moves at most. */
const BOUNCE_SIZE = 65536;
const EVENTS_AT_ONCE = 256;
/** Milliseconds: none. */
const FOREVER = -1;

export class NonBlocking extends Libc {
  #bounce: MemoryBlock | null = null;
  #eventBlock: MemoryBlock | null = null;
  readonly #eventBytes = new Uint8Array(EVENTS_AT_ONCE * EPOLL_EVENT_SIZE);
  readonly #events = new DataView(this.#eventBytes.buffer);
  readonly #wait = new ProgramCall();

  setNonBlocking(fd: number): void {
    this.now('fcntl', [fd, F_SETFL, O_RDWR | O_NONBLOCK]);
  }

  /** @returns what was there; 0 at the end, or a negative errno */
  tryRead(fd: number): Buffer | number {
    const { address } = this.#bounceBuffer();
    const count = this.system.callNow(SYS.read, fd, address, BOUNCE_SIZE);
    if (count <= 0) return count;
    const bytes = Buffer.allocUnsafe(count);
    const failed = this.system.memory.read(address, bytes);
    return failed === 0 ? bytes : failed;
  }

  /** Writes as much of `pieces` as there is room for, and no more than one call moves. @returns bytes, or a negative errno */
  tryWrite(fd: number, pieces: readonly Uint8Array[]): number {
    const { memory } = this.system;
    const { address } = this.#bounceBuffer();
    let size = 0;
    for (const piece of pieces) {
      const room = BOUNCE_SIZE - size;
      const part = piece.length <= room ? piece : piece.subarray(0, room);
      const failed = memory.write(address + size, part);
      if (failed !== 0) return failed;
      size += part.length;
      if (size === BOUNCE_SIZE) break;
    }
    return this.system.callNow(SYS.sendto, fd, address, size, MSG_NOSIGNAL);
  }

  /** @returns a descriptor that does not block, or a negative errno */
  tryAccept(fd: number): number {
    return this.raw('accept4', [fd, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC]);
  }

  /**
   * Waits for events of the set `epfd`, one call at a time.
   * @param told as for `callTelling` @returns how many there are, -ESRCH when the kernel is gone; null: `told` gets it
   * @throws ErrnoError ENOMEM, at the first call
   */
  waitForEvents(epfd: number, told: (count: number) => void): number | null {
    this.#eventBlock ??= this.#take(this.#eventBytes.length);
    return this.system.callTelling(
      this.#wait,
      told,
      SYS.epoll_pwait,
      epfd,
      this.#eventBlock.address,
      EVENTS_AT_ONCE,
      FOREVER,
    );
  }

  /** The events of the wait that has ended: `put` is called for each of the first `count`. */
  takeEvents(count: number, put: (events: number, data: number) => void): void {
    const { address } = this.#eventBlock!;
    this.system.memory.read(address, this.#eventBytes.subarray(0, count * EPOLL_EVENT_SIZE));
    for (let at = 0; at < count * EPOLL_EVENT_SIZE; at += EPOLL_EVENT_SIZE) {
      put(this.#events.getUint32(at, true), this.#events.getUint32(at + 4, true));
    }
  }

  #bounceBuffer(): MemoryBlock {
    this.#bounce ??= this.#take(BOUNCE_SIZE);
    return this.#bounce;
  }

  /** @throws ErrnoError ENOMEM */
  #take(size: number): MemoryBlock {
    const block = this.system.memory.take(size);
    if (typeof block === 'number') throw errnoError(block, 'mmap');
    return block;
  }
}
