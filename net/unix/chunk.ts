/**
 * Pieces of messages in receive queues (Linux: sk_buff), and the queue. A datagram is one piece; a stream is cut into
 * pieces by its sends, and by what they carry.
 *
 * A piece is charged to its sender with its true size: what Linux would take for it, header, padding and pages
 * included, so that a sender blocks where it would there. @source Linux net/core/skbuff.c, net/unix/af_unix.c
 */
import { EFAULT, ENOBUFS, type Err, fail } from '../../abi/errno.js';
import type { Caller } from '../../vfs/caller.js';
import type { IoIter } from '../../vfs/iter.js';
import type { PassedFiles, SenderIdentity } from '../message.js';
import { PAGE_SIZE, type Slots } from '../slots.js';
import type { UnixSocket } from './socket.js';

/** Bytes of the descriptor of a piece, of the trailer of its data, and of the least data. */
const HEADER = 256;
const TRAILER = 320;
const LEAST = 512;
const ALIGNMENT = 64;
/** Most data beside the trailer in one page, and in four. */
const ONE_PAGE = PAGE_SIZE - TRAILER;
const FOUR_PAGES = 4 * PAGE_SIZE - TRAILER;
/** A stream's piece has pages for so much. */
const STREAM_PAGES = 32768;
/** A datagram's piece has at most so many pages beside its first part. */
const MAX_PAGES = 17 * PAGE_SIZE;
/** Longest piece of a stream. */
export const STREAM_PIECE = ONE_PAGE + STREAM_PAGES;

const pages = (size: number): number => Math.ceil(size / PAGE_SIZE) * PAGE_SIZE;

/** True size of a first part of `size` bytes: rounded up to a power of two with its trailer. */
function headSize(size: number): number {
  const wanted = Math.ceil(size / ALIGNMENT) * ALIGNMENT + TRAILER;
  let room = LEAST;
  while (room < wanted) room *= 2;
  return room + HEADER;
}

/** Bytes charged for a piece of `size` bytes of a stream. */
export function streamTruesize(size: number): number {
  if (size <= ONE_PAGE) return headSize(size);
  const inPages = Math.min(size, pages(size - ONE_PAGE));
  return headSize(size - inPages) + pages(inPages);
}

/** Bytes charged for a datagram of `size` bytes. */
export function datagramTruesize(size: number): number {
  if (size <= FOUR_PAGES) return headSize(size);
  const inPages = pages(Math.min(size - FOUR_PAGES, MAX_PAGES));
  return headSize(size - inPages) + inPages;
}

export class Chunk implements SenderIdentity {
  next: Chunk | null = null;
  previous: Chunk | null = null;
  /** Bytes. */
  length = 0;
  /** Bytes of them that are read. */
  consumed = 0;
  truesize = 0;
  /** Whom `truesize` is charged to, and whose address the receiver sees. */
  sender: UnixSocket | null = null;
  /** 0: not noted. */
  pid = 0;
  uid = 0;
  gid = 0;
  who: Caller | null = null;
  files: PassedFiles | null = null;
  /** Nanoseconds since the epoch, or -1. */
  time = -1;
  /** An empty datagram that was peeked at. */
  peeked = false;
  /** Byte offset of the slot of up to a page, or of the first page. */
  #at = 0;
  /** The pages behind the first. */
  #more: number[] | null = null;

  /** Bytes not yet read. */
  get left(): number {
    return this.length - this.consumed;
  }

  /** Takes `length` bytes from `from`, all or none. @returns 0, -EFAULT, -ENOBUFS */
  fill(slots: Slots, from: IoIter, length: number): number | Err {
    for (let done = 0; done < length; done += PAGE_SIZE) {
      const count = Math.min(PAGE_SIZE, length - done);
      const at = slots.alloc(count);
      if (at === 0) return this.#failed(slots, done, ENOBUFS);
      if (done === 0) this.#at = at;
      else (this.#more ??= []).push(at);
      const taken = from.take(slots.frames.u8, at, at + count);
      if (taken !== count) return this.#failed(slots, done + count, EFAULT);
    }
    this.length = length;
    return 0;
  }

  #failed(slots: Slots, filled: number, error: number): Err {
    this.length = filled;
    this.empty(slots);
    return -error as Err;
  }

  /** Puts the bytes from `offset` on, `count` of them. @returns `count` or -EFAULT */
  copyTo(slots: Slots, to: IoIter, offset: number, count: number): number | Err {
    let done = 0;
    while (done < count) {
      const position = offset + done;
      const page = Math.floor(position / PAGE_SIZE);
      const at = page === 0 ? this.#at : this.#more![page - 1]!;
      const start = at + (position % PAGE_SIZE);
      const size = Math.min(count - done, PAGE_SIZE - (position % PAGE_SIZE));
      const put = to.put(slots.frames.u8, start, start + size);
      if (put !== size) {
        to.rewind(done + Math.max(put, 0));
        return fail(EFAULT);
      }
      done += size;
    }
    return done;
  }

  /** Gives the memory of the bytes back. */
  empty(slots: Slots): void {
    const { length } = this;
    if (length === 0) return;
    slots.release(this.#at, Math.min(length, PAGE_SIZE));
    const more = this.#more;
    if (more !== null) {
      for (let i = 0; i < more.length; i++) slots.release(more[i]!, Math.min(length - (i + 1) * PAGE_SIZE, PAGE_SIZE));
      this.#more = null;
    }
    this.length = 0;
  }
}

/** Pieces in the order in which they came. */
export class ChunkQueue {
  first: Chunk | null = null;
  last: Chunk | null = null;
  length = 0;

  push(chunk: Chunk): void {
    chunk.previous = this.last;
    chunk.next = null;
    if (this.last === null) this.first = chunk;
    else this.last.next = chunk;
    this.last = chunk;
    this.length++;
  }

  remove(chunk: Chunk): void {
    const { next, previous } = chunk;
    if (previous === null) this.first = next;
    else previous.next = next;
    if (next === null) this.last = previous;
    else next.previous = previous;
    chunk.next = null;
    chunk.previous = null;
    this.length--;
  }
}
