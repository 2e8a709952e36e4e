/**
 * The buffer between the ends of a pipe or fifo, as Linux builds it: a ring of slots, one page each.
 *
 * A write fills new slots, but first appends what is left over of a page's multiple to the last slot if it fits there
 * whole; that is why writes of up to PIPE_BUF bytes are atomic and why the space a pipe offers depends on the sizes
 * written. No wake-ups here: the caller notifies after the change is visible. @source Linux fs/pipe.c
 */
import { CAP_SYS_RESOURCE } from '../../abi/capability.js';
import { EAGAIN, EBUSY, EINVAL, ENOMEM, EPERM, type Err, fail, isErr } from '../../abi/errno.js';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../../abi/poll.js';
import type { Caller } from '../caller.js';
import { capable } from '../capability.js';
import type { FrameStore } from '../filesystem.js';
import type { Inode } from '../inode.js';
import type { IoIter } from '../iter.js';

const PAGE_SIZE = 4096;
const DEFAULT_SLOTS = 16;
/** Bytes that F_SETPIPE_SZ grants without privilege. @source /proc/sys/fs/pipe-max-size */
const MAX_SIZE = 1 << 20;
/** Larger sizes are refused whoever asks. */
const SIZE_LIMIT = 2 ** 31;
/** Emptied pages that a pipe keeps for its next writes. @source Linux pipe->tmp_page */
const SPARE_PAGES = 2;

/** An inode that carries a pipe while somebody has it open. */
export interface FifoInode extends Inode {
  pipe: Pipe | null;
}

interface Slot {
  frame: number;
  /** First byte not yet read. */
  offset: number;
  length: number;
  /** A write of packet mode: one read takes it. */
  packet: boolean;
  /** No other write is appended to it. */
  sealed: boolean;
}

export class Pipe {
  readers = 0;
  writers = 0;
  /** Opens of each end so far; an open that waits for a peer watches the other's. */
  readerOpens = 0;
  writerOpens = 0;
  readonly #frames: FrameStore;
  /** Slots in use, oldest first; emptied ones are taken from the front. */
  #slots: Slot[] = [];
  #slotLimit = DEFAULT_SLOTS;
  /** Slots that are promised to a transfer whose source sleeps. */
  #reserved = 0;
  /** A transfer whose target sleeps has yet to take what it saw: nobody else reads meanwhile. */
  #isHeld = false;
  #spare: number[] = [];

  constructor(frames: FrameStore) {
    this.#frames = frames;
  }

  /** F_GETPIPE_SZ, bytes. */
  get capacity(): number {
    return this.#slotLimit * PAGE_SIZE;
  }

  /** FIONREAD, bytes. */
  get available(): number {
    let sum = 0;
    for (const slot of this.#slots) sum += slot.length;
    return sum;
  }

  /** Bytes that can be written for sure. */
  get room(): number {
    return Math.max(0, this.#slotLimit - this.#reserved - this.#slots.length) * PAGE_SIZE;
  }

  /** There is nothing to be read now. */
  get isEmpty(): boolean {
    return this.#slots.length === 0 || this.#isHeld;
  }

  get isFull(): boolean {
    return this.#slots.length + this.#reserved >= this.#slotLimit;
  }

  /** Keeps room for `bytes`, so that they fit when they come. Undone by `unreserve`, just before. */
  reserve(bytes: number): void {
    this.#reserved += Math.ceil(bytes / PAGE_SIZE);
  }

  unreserve(bytes: number): void {
    this.#reserved -= Math.ceil(bytes / PAGE_SIZE);
  }

  /** Keeps others from reading, until `letGo`. Precondition: it is not empty. */
  hold(): void {
    this.#isHeld = true;
  }

  letGo(): void {
    this.#isHeld = false;
  }

  /** Both ends at once, as an O_RDWR fifo sees it. */
  poll(): number {
    return this.pollReader(0) | this.pollWriter();
  }

  /** @param seenOpens `writerOpens` when a non-blocking reader opened without a writer: no hang-up until there was one; else -1 */
  pollReader(seenOpens: number): number {
    const ready = this.isEmpty ? 0 : POLLIN | POLLRDNORM;
    return this.writers === 0 && this.writerOpens !== seenOpens ? ready | POLLHUP : ready;
  }

  pollWriter(): number {
    const ready = this.isFull ? 0 : POLLOUT | POLLWRNORM;
    return this.readers === 0 ? ready | POLLERR : ready;
  }

  /** @returns bytes; 0 when empty without writers; -EAGAIN when empty, -EFAULT */
  read(to: IoIter): number | Err {
    if (to.remaining === 0) return 0;
    if (this.isEmpty) return this.#emptyResult;
    let done = 0;
    while (to.remaining > 0) {
      const slot = this.#slots[0];
      if (slot === undefined) break;
      const count = Math.min(slot.length, to.remaining);
      const start = slot.frame * PAGE_SIZE + slot.offset;
      const put = to.put(this.#frames.u8, start, start + count);
      if (isErr(put)) return done > 0 ? done : put;
      done += put;
      slot.offset += put;
      slot.length -= put;
      if (put < count) break;
      if (slot.length === 0 || slot.packet) this.#dropFirst();
      if (slot.packet) break;
    }
    return done;
  }

  /** Copies what the first `slots` slots hold, at most `count` bytes, to the start of `target`. @returns as `read` */
  peek(target: Uint8Array, count: number, slots: number): number | Err {
    if (this.isEmpty) return this.#emptyResult;
    let done = 0;
    for (const { frame, offset, length } of this.#slots.slice(0, slots)) {
      const start = frame * PAGE_SIZE + offset;
      const size = Math.min(length, count - done);
      target.set(this.#frames.u8.subarray(start, start + size), done);
      done += size;
    }
    return done;
  }

  /** @returns bytes, maybe fewer than asked; -EAGAIN when none fit, -ENOMEM, -EFAULT. Whether there are readers is the caller's to check. */
  write(from: IoIter, packet: boolean): number | Err {
    let done = 0;
    const odd = from.remaining % PAGE_SIZE;
    const last = this.#slots.at(-1);
    if (!packet && last !== undefined && odd > 0 && !last.sealed && last.offset + last.length + odd <= PAGE_SIZE) {
      const taken = this.#append(last, from, odd);
      if (isErr(taken) || taken < odd) return taken;
      done = taken;
    }
    while (from.remaining > 0) {
      const filled = this.isFull ? fail(EAGAIN) : this.#fill(from, packet);
      if (isErr(filled)) return done > 0 ? done : filled;
      done += filled;
    }
    return done;
  }

  /** What is written next is not joined with what is there. */
  seal(): void {
    const last = this.#slots.at(-1);
    if (last !== undefined) last.sealed = true;
  }

  /**
   * tee(2): puts copies of the slots, oldest first, into another pipe.
   * @returns bytes, at most `count`: as far as there is room; -ENOMEM
   */
  copyTo(target: Pipe, count: number): number | Err {
    let done = 0;
    for (const { frame, offset, length, packet } of this.#slots) {
      if (done === count || target.isFull) break;
      const size = Math.min(length, count - done);
      const copy = target.#spare.pop() ?? this.#frames.allocFrame();
      if (copy === 0) return done > 0 ? done : fail(ENOMEM);
      const start = frame * PAGE_SIZE + offset;
      this.#frames.u8.copyWithin(copy * PAGE_SIZE, start, start + size);
      target.#slots.push({ frame: copy, offset: 0, length: size, packet, sealed: true });
      done += size;
    }
    return done;
  }

  /** F_SETPIPE_SZ. @returns the new capacity in bytes; -EINVAL, -EPERM, -EBUSY (more is in use) */
  resize(bytes: number, caller: Caller): number | Err {
    if (bytes < 0 || bytes > SIZE_LIMIT) return fail(EINVAL);
    let slots = 1;
    while (slots * PAGE_SIZE < bytes) slots *= 2;
    if (slots > this.#slotLimit && slots * PAGE_SIZE > MAX_SIZE && !capable(caller.cred, CAP_SYS_RESOURCE))
      return fail(EPERM);
    if (slots < this.#slots.length + this.#reserved) return fail(EBUSY);
    this.#slotLimit = slots;
    return this.capacity;
  }

  /** Both ends are closed: gives the pages back. */
  release(): void {
    for (const slot of this.#slots) this.#frames.unref(slot.frame);
    for (const frame of this.#spare) this.#frames.unref(frame);
    this.#slots = [];
    this.#spare = [];
  }

  get #emptyResult(): number | Err {
    return this.writers === 0 && !this.#isHeld ? 0 : fail(EAGAIN);
  }

  #append(slot: Slot, from: IoIter, count: number): number | Err {
    const start = slot.frame * PAGE_SIZE + slot.offset + slot.length;
    const taken = from.take(this.#frames.u8, start, start + count);
    if (!isErr(taken)) slot.length += taken;
    return taken;
  }

  /** Takes up to a page into a new slot. */
  #fill(from: IoIter, packet: boolean): number | Err {
    const frame = this.#spare.pop() ?? this.#frames.allocFrame();
    if (frame === 0) return fail(ENOMEM);
    const slot: Slot = { frame, offset: 0, length: 0, packet, sealed: packet };
    const count = Math.min(PAGE_SIZE, from.remaining);
    const taken = this.#append(slot, from, count);
    if (isErr(taken) || taken === 0) this.#recycle(frame);
    else this.#slots.push(slot);
    return taken;
  }

  #dropFirst(): void {
    const slot = this.#slots.length === 1 ? this.#slots.pop() : this.#slots.shift();
    if (slot !== undefined) this.#recycle(slot.frame);
  }

  #recycle(frame: number): void {
    if (this.#spare.length < SPARE_PAGES) this.#spare.push(frame);
    else this.#frames.unref(frame);
  }
}
