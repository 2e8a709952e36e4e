/** File system types that mount(2) can make, by name. Boot registers them; each kernel has its own set. */
import { ENODEV, type Err, fail } from '../abi/errno.js';
import type { FileSystem } from '../vfs/filesystem.js';
import type { Kernel } from './kernel.js';

/**
 * Makes a file system, or gives the one there is when a type has only one.
 * @param source first column of /proc/mounts
 * @param options comma-separated, as mount(2)'s data
 * @returns -EINVAL for options it does not know
 */
export type FileSystemMaker = (source: string, options: string) => FileSystem | Err;

const types = new WeakMap<Kernel, Map<string, FileSystemMaker>>();

export function registerFileSystemType(kernel: Kernel, name: string, make: FileSystemMaker): void {
  const known = types.get(kernel) ?? new Map<string, FileSystemMaker>();
  known.set(name, make);
  types.set(kernel, known);
}

/** Names of all types, in the order of registration, for /proc/filesystems. */
export const fileSystemTypeNames = (kernel: Kernel): string[] => [...(types.get(kernel)?.keys() ?? [])];

/** @returns the file system; -ENODEV for an unknown type; what its maker answers */
export function makeFileSystem(kernel: Kernel, type: string, source: string, options: string): FileSystem | Err {
  const make = types.get(kernel)?.get(type);
  return make === undefined ? fail(ENODEV) : make(source, options);
}
