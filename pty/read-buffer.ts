/**
 * Input that the line discipline has processed and nobody has read: a ring with line marks.
 *
 * A mark says that a line ends with this byte; a marked NUL is an end of file, which readers never see as a byte.
 * Positions only grow, their low bits index the ring: tail <= canonHead, commitHead <= head. In canonical mode readers
 * may have what lies before `canonHead` (complete lines), else what lies before `commitHead`.
 * @source Linux drivers/tty/n_tty.c (behaviour)
 */
import type { Err } from '../abi/errno.js';
import type { IoIter } from '../vfs/iter.js';
import { DISABLED, LDISC_BUFFER, LDISC_MASK } from './ldisc-host.js';

export class ReadBuffer {
  readonly #bytes = new Uint8Array(LDISC_BUFFER);
  readonly #marks = new Uint8Array(LDISC_BUFFER);
  head = 0;
  canonHead = 0;
  commitHead = 0;
  tail = 0;

  /** Bytes in it, whether readers may have them or not. */
  get length(): number {
    return this.head - this.tail;
  }

  at(position: number): number {
    return this.#bytes[position & LDISC_MASK];
  }

  put(c: number): void {
    this.#bytes[this.head & LDISC_MASK] = c;
    this.head++;
  }

  putAll(source: Uint8Array, start: number, end: number): void {
    const offset = this.head & LDISC_MASK;
    const first = Math.min(end - start, LDISC_BUFFER - offset);
    this.#bytes.set(source.subarray(start, start + first), offset);
    this.#bytes.set(source.subarray(start + first, end), 0);
    this.head += end - start;
  }

  /** Ends the line with `c`; DISABLED stands for the end of file. */
  endLine(c: number): void {
    this.#marks[this.head & LDISC_MASK] = 1;
    this.put(c);
    this.canonHead = this.head;
  }

  clear(): void {
    this.head = this.canonHead = this.commitHead = this.tail = 0;
    this.#marks.fill(0);
  }

  /** Canonical mode was switched on or off: what has been typed counts as a complete line, and raw readers may have all of it. */
  modeChanged(canonical: boolean): void {
    this.#marks.fill(0);
    if (!canonical || this.length === 0) {
      this.canonHead = this.tail;
    } else {
      this.#marks[(this.head - 1) & LDISC_MASK] = 1;
      this.canonHead = this.head;
    }
    this.commitHead = this.head;
  }

  /** Bytes of complete lines, ends of file not counted. */
  get canonLength(): number {
    let count = 0;
    for (let i = this.tail; i < this.canonHead; i++) if (!this.#isEof(i)) count++;
    return count;
  }

  #isEof(position: number): boolean {
    const i = position & LDISC_MASK;
    return this.#marks[i] !== 0 && this.#bytes[i] === DISABLED;
  }

  /** Takes one line or its next part. @returns bytes, 0 for an end of file, -EFAULT. Precondition: a line is there. */
  takeLine(to: IoIter): number | Err {
    const limit = Math.min(this.canonHead, this.tail + to.remaining);
    let end = this.tail;
    while (end < limit && this.#marks[end & LDISC_MASK] === 0) end++;
    if (end < limit) {
      const isEof = this.#isEof(end);
      this.#marks[end & LDISC_MASK] = 0;
      return this.#copy(to, isEof ? end : end + 1, end + 1);
    }
    const result = this.#copy(to, end, end);
    // A read that stops right before an end of file takes that along, or the next one would see it.
    if (this.tail < this.canonHead && this.#isEof(this.tail)) {
      this.#marks[this.tail & LDISC_MASK] = 0;
      this.tail++;
    }
    return result;
  }

  /** Takes up to `limit` bytes as they are. @returns bytes, or -EFAULT */
  takeRaw(to: IoIter, limit: number): number | Err {
    const end = this.tail + Math.min(limit, this.commitHead - this.tail);
    return this.#copy(to, end, end);
  }

  /** Copies [tail, end) and moves the tail to `next`; what a bad address swallowed is lost, as on Linux. */
  #copy(to: IoIter, end: number, next: number): number | Err {
    let copied = 0;
    let failure: Err | 0 = 0;
    let position = this.tail;
    while (position < end) {
      const offset = position & LDISC_MASK;
      const count = Math.min(end - position, LDISC_BUFFER - offset);
      const put = to.put(this.#bytes, offset, offset + count);
      if (put < 0) {
        failure = put as Err;
        break;
      }
      copied += put;
      position += put;
      if (put < count) break;
    }
    this.tail = next;
    return copied > 0 ? copied : failure;
  }
}
