/**
 * Files of the host, as hostfs and root file systems want them: one small synchronous call each.
 *
 * Flags, modes and errors are Linux's whatever the host is; names and paths are latin1, one character per byte. Calls
 * never throw. kernel-core's door to the host implements it.
 */
import type { Err } from '../../abi/errno.js';
import type { Timespec } from '../caller.js';
import type { FsStatistics } from '../filesystem.js';

export interface HostStat {
  /** Device and inode number exactly: what tells whether two files are one. */
  readonly key: string;
  readonly dev: number;
  /** Rounded when it has more than 53 bits. */
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly size: number;
  /** 512 bytes each. */
  readonly blocks: number;
  readonly blockSize: number;
  readonly atime: Timespec;
  readonly mtime: Timespec;
  readonly ctime: Timespec;
}

export interface HostFiles {
  /** The process may give files away and read everything: new files need their owner set. */
  readonly isSuperuser: boolean;
  /**
   * A number that changes whenever code outside of the running kernel had a chance to run in this process. What was
   * seen of the host at the same moment need not be asked again: nobody could have told the guest of a change since.
   */
  moment(): number;
  /** Can `name` be one component of a path here? Never when the host would see a separator or a device in it. */
  isName(name: string): boolean;
  /**
   * A path to what `fd` refers to that no rename can redirect, also as the start of longer paths.
   * @returns null where the host has none
   */
  descriptorPath(fd: number): string | null;
  /** @param flags O_* of open(2) @returns descriptor; with O_PATH on hosts without it -EINVAL */
  open(path: string, flags: number, mode: number): number | Err;
  close(fd: number): void;
  /** @returns bytes read, fewer than asked only at the end */
  read(fd: number, target: Uint8Array, position: number): number | Err;
  /** @returns bytes written, maybe fewer than asked */
  write(fd: number, source: Uint8Array, position: number): number | Err;
  truncate(fd: number, size: number): number | Err;
  /** fsync(2). */
  flush(fd: number): number | Err;
  statDescriptor(fd: number): HostStat | Err;
  lstat(path: string): HostStat | Err;
  /** Names in a directory without '.' and '..'. */
  list(path: string): string[] | Err;
  readlink(path: string): string | Err;
  mkdir(path: string, mode: number): number | Err;
  rmdir(path: string): number | Err;
  unlink(path: string): number | Err;
  rename(from: string, to: string): number | Err;
  link(from: string, to: string): number | Err;
  symlink(target: string, path: string): number | Err;
  /** Follows links; where the host can change a link itself and `follow` is false, does not. */
  chmod(path: string, mode: number, follow: boolean): number | Err;
  chown(path: string, uid: number, gid: number, follow: boolean): number | Err;
  /** Rounded to about a quarter of a microsecond, which is what Node passes on. */
  setTimes(path: string, atime: Timespec, mtime: Timespec, follow: boolean): number | Err;
  statfs(path: string): FsStatistics | Err;
  /** The whole path with all links followed. */
  realpath(path: string): string | Err;
  /** What a gzip file unpacks to. Throws on iteration: an `Error` with `code`, an errno name or one of zlib's (Z_…). */
  gunzip(path: string): AsyncIterable<Uint8Array>;
}

const encoder = new TextEncoder();

/** A path as an embedder writes it (Unicode) as the bytes that the host knows it by. */
export function hostPath(text: string): string {
  let path = '';
  for (const byte of encoder.encode(text)) path += String.fromCharCode(byte);
  return path;
}
