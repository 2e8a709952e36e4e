/** Bytes on their way from one file to another inside of the kernel (sendfile, splice, copy_file_range). */
import { EAGAIN, EINVAL, type Err, fail } from '../../abi/errno.js';
import type { OpenFile } from '../../vfs/file.js';
import { PipeFile } from '../../vfs/fs/pipefs.js';
import { writeFile as writeAtOffset } from '../../vfs/io.js';
import type { IoIter } from '../../vfs/iter.js';
import type { Task } from '../task.js';
import { AT_OFFSET } from './io.js';

/** Bytes that go from one file to another at one go; also the size of the kernel's buffer for it. */
const CHUNK = 65536;
const chunk = new Uint8Array(CHUNK);

/**
 * Hands what a file reads straight to another file's write, so that only what the second one took counts as read.
 * The bytes go through a buffer: the target may make guest memory grow, which moves the source away.
 */
export class TransferIter implements IoIter {
  readonly #task: Task;
  readonly #target: OpenFile;
  readonly #bytes = new ChunkIter();
  #remaining: number;
  /** Where the target is written; AT_OFFSET: at its offset, which moves. */
  position: number;
  /** Bytes that arrived. */
  moved = 0;
  /** What stopped the target, 0 if nothing did. */
  error = 0;

  constructor(task: Task, target: OpenFile, position: number, count: number) {
    this.#task = task;
    this.#target = target;
    this.position = position;
    this.#remaining = count;
  }

  get remaining(): number {
    return this.#remaining;
  }

  /** Bytes to come from now on. */
  expect(count: number): void {
    this.#remaining = count;
  }

  put(source: Uint8Array, start: number, end: number): number | Err {
    const count = Math.min(end - start, this.#remaining, CHUNK);
    chunk.set(source.subarray(start, start + count));
    return this.#deliver(count);
  }

  take(): number | Err {
    return fail(EINVAL);
  }

  zero(count: number): number | Err {
    const n = Math.min(count, this.#remaining, CHUNK);
    chunk.fill(0, 0, n);
    return this.#deliver(n);
  }

  rewind(count: number): void {
    this.#remaining += count;
  }

  /** Gives the first `count` bytes of the buffer to the target. @returns bytes taken, or why none was */
  #deliver(count: number): number | Err {
    if (count <= 0) return 0;
    if (this.error !== 0) return this.error as Err;
    const target = this.#target;
    this.#bytes.reset(count);
    const atOffset = this.position === AT_OFFSET;
    // What comes by splice keeps to itself in a pipe.
    const pipe = target instanceof PipeFile ? target.pipe : null;
    pipe?.seal();
    const written = atOffset
      ? writeAtOffset(target, this.#bytes, this.#task)
      : target.write(this.#bytes, this.position, this.#task);
    pipe?.seal();
    if (written < 0) {
      this.error = written;
      return written;
    }
    if (written < count) this.error = -EAGAIN;
    if (!atOffset) this.position += written;
    this.#remaining -= written;
    this.moved += written;
    return written;
  }
}

/** An iterator over the head of the transfer buffer. */
class ChunkIter implements IoIter {
  #at = 0;
  #end = 0;

  reset(count: number): void {
    this.#at = 0;
    this.#end = count;
  }

  get remaining(): number {
    return this.#end - this.#at;
  }

  put(): number | Err {
    return fail(EINVAL);
  }

  take(target: Uint8Array, start: number, end: number): number | Err {
    const count = Math.min(end - start, this.remaining);
    target.set(chunk.subarray(this.#at, this.#at + count), start);
    this.#at += count;
    return count;
  }

  zero(): number | Err {
    return fail(EINVAL);
  }

  rewind(count: number): void {
    this.#at = Math.max(0, this.#at - count);
  }
}
