/**
 * Text files of drivers, in /proc/driver: what reading one shows and writing one does are functions of the driver. A file goes with its module; who has it open gets -ENODEV from then on.
 */
import { EEXIST, EINVAL, ENODEV, type Err, fail } from '../../abi/errno.js';
import type { Caller } from '../../vfs/caller.js';
import { type DirectoryRow, type FileRow, file, type Reader } from '../../vfs/fs/procfs/row.js';
import type { ProcSource } from '../../vfs/fs/procfs/source.js';
import type { ShownText } from '../../vfs/fs/shown-text.js';
import type { Drivers } from './drivers.js';
import type { Owned, Owner } from './owner.js';
import { DriverText } from './text-call.js';

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
  readonly #files: DriverProcFiles;
  readonly #name: string;
  readonly #text: DriverText;
  #isGone = false;

  constructor(drivers: Drivers, owner: Owner, { name, mode, show, store, data }: ProcFileParts) {
    this.owner = owner;
    this.#files = drivers.procFiles;
    this.#name = name;
    this.#text = new DriverText(drivers, owner, data, MAX_TEXT);
    const read = (_subject: ProcSource, { caller }: Reader): ShownText =>
      this.#refusal(show, caller) || this.#text.show({ address: show, isInt: false }, caller);
    const write = (_subject: ProcSource, text: string, { caller }: Reader): number | Err =>
      this.#refusal(store, caller) || this.#text.store({ address: store, isInt: true }, text, caller);
    this.row = file(name, read, { mode, write, sleeps: true });
  }

  release(): void {
    this.#isGone = true;
    this.#files.files.delete(this.#name);
  }

  /** @param fn address of what is to be called @returns 0: it can be */
  #refusal(fn: number, caller: Caller): 0 | Err {
    if (this.#text.isUnderWay(caller)) return 0;
    if (this.#isGone) return fail(ENODEV);
    return fn === 0 ? fail(EINVAL) : 0;
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
