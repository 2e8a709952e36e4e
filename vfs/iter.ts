/**
 * Where bytes come from and go to: the one shape of a buffer in every read and write path.
 *
 * kernel-core implements it over guest memory (checked page by page, gathered from iovecs); `BytesIter` is the
 * plain one for callers inside Node. A cursor moves as bytes are put or taken, so that a file hands over what it
 * has in as many pieces as it likes and nobody needs a temporary copy.
 */
import { EFAULT, type Err, fail } from '../abi/errno.js';

export interface IoIter {
  /** Bytes of room or data that are left. */
  readonly remaining: number;
  /** Copies `source[start, end)` to the cursor. @returns bytes copied (at most `remaining`), or -EFAULT if not even one could be. */
  put(source: Uint8Array, start: number, end: number): number | Err;
  /** Copies from the cursor into `target[start, end)`. @returns bytes copied, or -EFAULT if not even one could be. */
  take(target: Uint8Array, start: number, end: number): number | Err;
  /** Puts `count` zero bytes. @returns as `put`. */
  zero(count: number): number | Err;
  /** Moves the cursor back over bytes that were taken or put but not used. */
  rewind(count: number): void;
}

/** An iterator over one `Uint8Array`. */
export class BytesIter implements IoIter {
  readonly bytes: Uint8Array;
  position = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get remaining(): number {
    return this.bytes.length - this.position;
  }

  put(source: Uint8Array, start: number, end: number): number | Err {
    const count = Math.min(end - start, this.remaining);
    if (count < 0) return fail(EFAULT);
    this.bytes.set(source.subarray(start, start + count), this.position);
    this.position += count;
    return count;
  }

  take(target: Uint8Array, start: number, end: number): number | Err {
    const count = Math.min(end - start, this.remaining);
    if (count < 0) return fail(EFAULT);
    target.set(this.bytes.subarray(this.position, this.position + count), start);
    this.position += count;
    return count;
  }

  zero(count: number): number | Err {
    const n = Math.min(count, this.remaining);
    this.bytes.fill(0, this.position, this.position + n);
    this.position += n;
    return n;
  }

  rewind(count: number): void {
    this.position = Math.max(0, this.position - count);
  }
}
