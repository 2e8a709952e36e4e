/**
 * Kernel pipes as Node streams, with back-pressure both ways. The kernel's side never calls user code: a notification
 * only plans a transfer, which runs when the kernel's turn is over.
 */
import { Readable, Writable } from 'node:stream';
import { EAGAIN } from '../abi/errno.js';
import { KERNEL_CALLER } from '../vfs/caller.js';
import type { OpenFile } from '../vfs/file.js';
import { BytesIter } from '../vfs/iter.js';
import { errnoError } from './errno-error.js';

/** Bytes moved at once: the capacity of a pipe. */
const CHUNK = 65536;
const WOULD_BLOCK = -EAGAIN;
/** Where output is read to before a copy of its size is made: most reads find little or nothing. */
const chunk = new Uint8Array(CHUNK);

/** Calls `transfer` soon after the file's inode notified; at most one call is on its way. */
export class Watch {
  readonly #file: OpenFile;
  readonly #transfer: () => void;
  #planned = false;
  #closed = false;

  constructor(file: OpenFile, transfer: () => void) {
    this.#file = file;
    this.#transfer = transfer;
    file.inode.hook.on('notify', this.plan, this);
  }

  plan(): void {
    if (this.#planned || this.#closed) return;
    this.#planned = true;
    queueMicrotask(() => {
      this.#planned = false;
      if (!this.#closed) this.#transfer();
    });
  }

  /** Lets go of the file. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#file.inode.hook.off('notify', this.plan, this);
    this.#file.unref();
  }
}

/** What a guest writes. Takes over the reference of `file`, the reading end. */
export class GuestOutput extends Readable {
  readonly #file: OpenFile;
  readonly #watch: Watch;
  #wanted = false;

  constructor(file: OpenFile) {
    super();
    this.#file = file;
    this.#watch = new Watch(file, () => this.#pump());
  }

  override _read(): void {
    this.#wanted = true;
    this.#pump();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#watch.close();
    callback(error);
  }

  #pump(): void {
    while (this.#wanted && !this.destroyed) {
      const count = this.#file.read(new BytesIter(chunk), 0, KERNEL_CALLER);
      if (count === WOULD_BLOCK) return;
      if (count < 0) {
        this.destroy(errnoError(count, 'read'));
        return;
      }
      if (count === 0) {
        this.#wanted = false;
        this.push(null);
        return;
      }
      this.#wanted = this.push(chunk.slice(0, count));
    }
  }
}

/** What a guest reads. Takes over the reference of `file`, the writing end. */
export class GuestInput extends Writable {
  readonly #file: OpenFile;
  readonly #watch: Watch;
  #data: BytesIter | null = null;
  #done: ((error?: Error | null) => void) | null = null;

  constructor(file: OpenFile) {
    super({ decodeStrings: true });
    this.#file = file;
    this.#watch = new Watch(file, () => this.#pump());
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#data = new BytesIter(chunk);
    this.#done = callback;
    this.#pump();
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#watch.close();
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#watch.close();
    callback(error);
  }

  #pump(): void {
    const data = this.#data;
    if (data === null) return;
    while (data.remaining > 0) {
      const count = this.#file.write(data, 0, KERNEL_CALLER);
      if (count === WOULD_BLOCK) return;
      if (count < 0) {
        this.#finish(errnoError(count, 'write'));
        return;
      }
    }
    this.#finish(null);
  }

  #finish(error: Error | null): void {
    const done = this.#done;
    this.#data = null;
    this.#done = null;
    done?.(error);
  }
}
