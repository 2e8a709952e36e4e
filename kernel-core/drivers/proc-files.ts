/**
 * Text files of drivers, in /proc/driver: what reading one shows and writing one does are functions of the driver, which may
 * not sleep. A file goes with its module; who has it open gets -ENODEV from then on.
 */
import { EEXIST, EINVAL, EIO, ENODEV, ENOMEM, type Err, fail, isErr } from '../../abi/errno.js';
import { type DirectoryRow, type FileRow, file } from '../../vfs/fs/procfs/row.js';
import type { ProcSource } from '../../vfs/fs/procfs/source.js';
import { latin1, type ShownText } from '../../vfs/fs/shown-text.js';
import type { Drivers } from './drivers.js';
import type { Owned, Owner } from './owner.js';

/** Bytes that one file shows at most. */
const MAX_TEXT = 65536;

export interface ProcFileParts {
  readonly name: string;
  /** Permission bits. */
  readonly mode: number;
  /** Addresses; 0: it cannot be read, or written. */
  readonly show: number;
  readonly store: number;
  readonly data: number;
}

class DriverProcFile implements Owned {
  readonly row: FileRow<ProcSource>;
  readonly owner: Owner;
  readonly #drivers: Drivers;
  readonly #parts: ProcFileParts;
  #isGone = false;

  constructor(drivers: Drivers, owner: Owner, parts: ProcFileParts) {
    this.#drivers = drivers;
    this.owner = owner;
    this.#parts = parts;
    const { name, mode } = parts;
    this.row = file(name, () => this.#show(), { mode, write: (_subject, text) => this.#store(text) });
  }

  release(): void {
    this.#isGone = true;
    this.#drivers.procFiles.files.delete(this.#parts.name);
  }

  #show(): ShownText {
    const { show, data } = this.#parts;
    if (this.#isGone) return fail(ENODEV);
    if (show === 0) return fail(EINVAL);
    return this.#withBuffer(MAX_TEXT, (buffer) => {
      const length = this.#drivers.callNow(this.owner, show, [data, buffer, MAX_TEXT], false);
      if (length < 0) return length as Err;
      if (length > MAX_TEXT) return fail(EIO);
      const bytes = new Uint8Array(length);
      const failed = this.#drivers.space.read(buffer, bytes);
      return isErr(failed) ? failed : bytes;
    });
  }

  #store(text: string): number | Err {
    const { store, data } = this.#parts;
    if (this.#isGone) return fail(ENODEV);
    if (store === 0) return fail(EINVAL);
    if (text.length > MAX_TEXT) return fail(EINVAL);
    return this.#withBuffer(text.length + 1, (buffer) => {
      this.#drivers.space.write(buffer, latin1(`${text}\0`));
      const result = this.#drivers.callNow(this.owner, store, [data, buffer, text.length]);
      return result < 0 ? (result as Err) : 0;
    });
  }

  #withBuffer<T>(size: number, use: (buffer: number) => T): T | Err {
    const { heap } = this.#drivers;
    const buffer = heap.alloc(this.#drivers.owner, size, 0);
    if (buffer === 0) return fail(ENOMEM);
    const result = use(buffer);
    const fault = heap.free(buffer);
    return fault === null ? result : fail(EIO);
  }
}

export class DriverProcFiles {
  readonly files = new Map<string, DriverProcFile>();
  /** /proc/driver. */
  readonly directory: DirectoryRow<ProcSource>;

  constructor() {
    const { files } = this;
    this.directory = {
      kind: 'directory',
      name: 'driver',
      mode: 0o555,
      changes: true,
      get rows() {
        return [...files.values()].map(({ row }) => row);
      },
    };
  }

  /** @returns 0; -EINVAL for a name or mode that no file has; -EEXIST */
  create(drivers: Drivers, owner: Owner, parts: ProcFileParts): number | Err {
    if (!/^[\w.+-]{1,63}$/.test(parts.name) || /^\.+$/.test(parts.name) || parts.mode > 0o777) return fail(EINVAL);
    if (this.files.has(parts.name)) return fail(EEXIST);
    this.files.set(parts.name, owner.add(new DriverProcFile(drivers, owner, parts)));
    return 0;
  }

  /** @returns 0, -ENODEV */
  remove(owner: Owner, name: string): number | Err {
    const known = this.files.get(name);
    if (known?.owner !== owner) return fail(ENODEV);
    owner.remove(known);
    known.release();
    return 0;
  }
}
