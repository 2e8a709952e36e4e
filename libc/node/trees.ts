/** Whole trees of files for `kernel.fs`: listing, making and removing them. Errors are those of the libc's calls. */
import { EISDIR } from '../../abi/errno.js';
import { S_IFDIR, S_IFMT } from '../../abi/stat.js';
import type { Dirent } from '../directories.js';
import type { Libc } from '../libc.js';
import { calling, hasCode, refusal } from './errors.js';

export const join = (directory: string, name: string): string =>
  directory.endsWith('/') ? directory + name : `${directory}/${name}`;

export const isDirectory = (mode: number): boolean => (mode & S_IFMT) === S_IFDIR;

export interface Found {
  entry: Dirent;
  /** The directory that it is in. */
  directory: string;
  /** Its name from where the walk began. */
  name: Buffer;
}

/** What is in a directory, without '.' and '..': level by level with `recursive`. It is read when it is asked for. */
export function* entriesOf(libc: Libc, root: string, recursive: boolean): Generator<Found> {
  const waiting = [{ directory: root, prefix: Buffer.alloc(0) }];
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { directory, prefix } = next;
    using dir = libc.opendir(directory);
    for (const entry of dir) {
      if (entry.d_name === '.' || entry.d_name === '..') continue;
      const name = Buffer.concat([prefix, entry.d_bytes]);
      yield { entry, directory, name };
      if (recursive && isDirectory(entry.d_type << DT_SHIFT)) {
        waiting.push({ directory: join(directory, entry.d_name), prefix: Buffer.concat([name, SLASH]) });
      }
    }
  }
}

/** DT_* values are file types of st_mode, shifted. */
const DT_SHIFT = 12;
const SLASH = Buffer.from('/');

/** @returns the first directory that was made; undefined when all were there */
export function makeDirectories(libc: Libc, path: string, mode: number): string | undefined {
  try {
    return makeDirectory(libc, path, mode);
  } catch (error) {
    if (!hasCode(error, 'ENOENT') || !path.replace(/\/+$/, '').includes('/')) throw error;
    const first = makeDirectories(libc, path.replace(/\/+[^/]*\/*$/, '') || '/', mode);
    // Where nobody makes names, as in /proc, it fails once more.
    const last = makeDirectory(libc, path, mode);
    return first ?? last;
  }
}

/** @returns `path`; undefined when it was there */
function makeDirectory(libc: Libc, path: string, mode: number): string | undefined {
  try {
    libc.mkdir(path, mode);
    return path;
  } catch (error) {
    if (hasCode(error, 'EEXIST') && isDirectory(libc.stat(path).st_mode)) return undefined;
    throw error;
  }
}

/** @throws NodeError, SystemError: a directory without `recursive` */
export async function remove(libc: Libc, path: string, recursive: boolean): Promise<void> {
  const { st_mode } = await calling('lstat', path, () => libc.lstat(path));
  if (!isDirectory(st_mode)) return calling('unlink', path, () => libc.unlink(path));
  if (!recursive) throw refusal('ERR_FS_EISDIR', EISDIR, 'rm', path, 'is a directory');
  const entries = await calling('scandir', path, () => [...entriesOf(libc, path, false)]);
  for (const { entry } of entries) await remove(libc, join(path, entry.d_name), true);
  return calling('rmdir', path, () => libc.rmdir(path));
}
