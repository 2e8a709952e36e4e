/** Descriptor tables: small integers to open file descriptions, with the close-on-exec bit of each descriptor. */
import { EBADF, EMFILE, type Err, fail } from '../abi/errno.js';
import type { Caller } from '../vfs/caller.js';
import type { OpenFile } from '../vfs/file.js';

/** Descriptors that a new table has room for. @source Linux NR_OPEN_DEFAULT */
const LEAST_ROOM = 64;

export class FdTable {
  readonly #files: (OpenFile | null)[] = [];
  readonly #closeOnExec: boolean[] = [];
  /** No free descriptor lies below it. */
  #firstFree = 0;
  #count = 0;
  #room = LEAST_ROOM;
  /** Tasks that share the table (CLONE_FILES). */
  refs = 1;

  /** Open descriptors. */
  get count(): number {
    return this.#count;
  }

  /** Descriptors that the table has room for: a power of two that never shrinks. select(2) looks at no more, FDSize tells it. */
  get room(): number {
    return this.#room;
  }

  /** @returns the description without a new reference, or null */
  get(fd: number): OpenFile | null {
    return this.#files[fd] ?? null;
  }

  isCloseOnExec(fd: number): boolean {
    return this.#closeOnExec[fd] === true;
  }

  setCloseOnExec(fd: number, value: boolean): void {
    this.#closeOnExec[fd] = value;
  }

  /** @returns the free descriptor above `skip` other free ones; it may be beyond any limit */
  free(skip: number): number {
    let fd = this.#firstFree;
    for (let left = skip; ; fd++) {
      if (fd < this.#files.length && this.#files[fd] !== null) continue;
      if (left-- === 0) return fd;
    }
  }

  /**
   * Puts `file` at the lowest free descriptor from `minimum` on. Takes over the caller's reference on success only.
   * @param limit RLIMIT_NOFILE: descriptors are below it
   */
  install(file: OpenFile, closeOnExec: boolean, limit: number, minimum = 0): number | Err {
    let fd = Math.max(minimum, this.#firstFree);
    while (fd < this.#files.length && this.#files[fd] !== null) fd++;
    if (fd >= limit) return fail(EMFILE);
    this.#put(fd, file, closeOnExec);
    if (minimum <= this.#firstFree) this.#firstFree = fd + 1;
    return fd;
  }

  /** Puts `file` at `fd`, closing what is there. Takes over the caller's reference. */
  replace(fd: number, file: OpenFile, closeOnExec: boolean, caller: Caller): void {
    const old = this.get(fd);
    if (old !== null) this.#count--;
    this.#put(fd, file, closeOnExec);
    if (old !== null) {
      old.flushed(caller);
      old.unref();
    }
  }

  close(fd: number, caller: Caller): number | Err {
    const file = this.get(fd);
    if (file === null) return fail(EBADF);
    this.#files[fd] = null;
    this.#count--;
    if (fd < this.#firstFree) this.#firstFree = fd;
    while (this.#files.length > 0 && this.#files[this.#files.length - 1] === null) this.#files.pop();
    this.#closeOnExec.length = this.#files.length;
    file.flushed(caller);
    file.unref();
    return 0;
  }

  /** A copy whose descriptors refer to the same descriptions (fork). */
  clone(): FdTable {
    const copy = new FdTable();
    for (let fd = 0; fd < this.#files.length; fd++) {
      copy.#files[fd] = this.#files[fd]?.ref() ?? null;
      copy.#closeOnExec[fd] = this.#closeOnExec[fd];
    }
    while (copy.#room < copy.#files.length) copy.#room *= 2;
    copy.#firstFree = this.#firstFree;
    copy.#count = this.#count;
    return copy;
  }

  /** Descriptors in use, ascending. */
  *descriptors(): IterableIterator<number> {
    for (let fd = 0; fd < this.#files.length; fd++) if (this.#files[fd] !== null) yield fd;
  }

  closeForExec(caller: Caller): void {
    for (let fd = this.#files.length - 1; fd >= 0; fd--) if (this.#closeOnExec[fd]) this.close(fd, caller);
  }

  /** Drops one user of the table; the last one closes everything. */
  unref(caller: Caller): void {
    if (--this.refs > 0) return;
    for (let fd = this.#files.length - 1; fd >= 0; fd--) this.close(fd, caller);
  }

  #put(fd: number, file: OpenFile, closeOnExec: boolean): void {
    while (this.#files.length < fd) {
      this.#files.push(null);
      this.#closeOnExec.push(false);
    }
    while (this.#room <= fd) this.#room *= 2;
    this.#files[fd] = file;
    this.#closeOnExec[fd] = closeOnExec;
    this.#count++;
  }
}
