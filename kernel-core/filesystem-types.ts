/** File system types that mount(2) can make, by name. */
import { EINVAL, ENODEV, type Err, fail } from '../abi/errno.js';
import { makeDevice } from '../vfs/devices.js';
import type { FileSystem } from '../vfs/filesystem.js';

/**
 * Makes a file system, or gives the one there is when a type has only one.
 * @param source first column of /proc/mounts
 * @param options comma-separated, as mount(2)'s data
 * @param readOnly it will be mounted so
 * @returns -EINVAL for options it does not know
 */
export type FileSystemMaker = (source: string, options: string, readOnly: boolean) => FileSystem | Err;

/** Minors of major 0 below it are left to boot's own file systems. */
const FIRST_MINOR = 64;

export class FileSystemTypes {
  readonly #makers = new Map<string, FileSystemMaker>();
  #minor = FIRST_MINOR;

  register(name: string, make: FileSystemMaker): void {
    this.#makers.set(name, make);
  }

  unregister(name: string): void {
    this.#makers.delete(name);
  }

  /** In the order of registration, for /proc/filesystems. */
  get names(): string[] {
    return [...this.#makers.keys()];
  }

  /** @returns the file system; -ENODEV for an unknown type; what its maker answers */
  make(type: string, source: string, options: string, readOnly: boolean): FileSystem | Err {
    const make = this.#makers.get(type);
    return make === undefined ? fail(ENODEV) : make(source, options, readOnly);
  }

  /** An unused device number for a file system without a device. */
  nextDevice(): number {
    return makeDevice(0, this.#minor++);
  }
}

/** Octal or decimal fields of a mount's options: `size=64m,mode=755`. @returns null for a name that is not in `known` */
export function parseMountOptions(options: string, known: readonly string[]): Map<string, string> | null {
  const fields = new Map<string, string>();
  for (const field of options.split(',')) {
    if (field === '') continue;
    const at = field.indexOf('=');
    const name = at < 0 ? field : field.slice(0, at);
    if (!known.includes(name)) return null;
    fields.set(name, at < 0 ? '' : field.slice(at + 1));
  }
  return fields;
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** A size as tmpfs takes it: digits and k, m or g; `%` is a share of `memory`. @returns bytes, or -EINVAL */
export function parseSize(text: string, memory: number): number | Err {
  const match = /^(\d{1,15})([kmg%]?)$/i.exec(text);
  if (match === null) return fail(EINVAL);
  const value = Number(match[1]);
  return match[2] === '%' ? Math.floor((value * memory) / 100) : value * UNITS[match[2].toLowerCase()];
}
