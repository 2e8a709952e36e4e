/** What is known about files besides their contents: stat and its relatives, modes, owners, times, sizes, file systems. */
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW } from '../abi/fcntl.js';
import { UTIME_NOW } from '../abi/stat.js';
import { bytesOf, out, type PathLike, shown, wholeNumber, zeroTerminated } from './calls.js';
import { Files } from './files.js';

export interface Timespec {
  tv_sec: number;
  tv_nsec: number;
}

/** struct stat. */
export interface Stat {
  st_dev: number;
  st_ino: number;
  st_mode: number;
  st_nlink: number;
  st_uid: number;
  st_gid: number;
  st_rdev: number;
  st_size: number;
  st_blksize: number;
  st_blocks: number;
  st_atim: Timespec;
  st_mtim: Timespec;
  st_ctim: Timespec;
}

/** struct statfs. */
export interface StatFs {
  f_type: number;
  f_bsize: number;
  f_blocks: number;
  f_bfree: number;
  f_bavail: number;
  f_files: number;
  f_ffree: number;
  f_namelen: number;
  f_frsize: number;
  f_flags: number;
}

const STAT_SIZE = 144;
const STATFS_SIZE = 120;
const TIMESPEC_SIZE = 16;

/** Exact up to 2^53, which no size, number or time of the kernel passes. */
export const word64 = (view: DataView, offset: number): number => Number(view.getBigInt64(offset, true));

export const decodeTimespec = (view: DataView, offset = 0): Timespec => ({
  tv_sec: word64(view, offset),
  tv_nsec: word64(view, offset + 8),
});

/** One timespec after the other. */
export function encodeTimespecs(times: readonly Timespec[]): Uint8Array {
  const bytes = new Uint8Array(times.length * TIMESPEC_SIZE);
  const view = new DataView(bytes.buffer);
  times.forEach(({ tv_sec, tv_nsec }, i) => {
    view.setBigInt64(i * TIMESPEC_SIZE, BigInt(wholeNumber(tv_sec, 'tv_sec')), true);
    view.setBigInt64(i * TIMESPEC_SIZE + 8, BigInt(wholeNumber(tv_nsec, 'tv_nsec')), true);
  });
  return bytes;
}

const decodeStat = (view: DataView): Stat => ({
  st_dev: word64(view, 0),
  st_ino: word64(view, 8),
  st_nlink: word64(view, 16),
  st_mode: view.getUint32(24, true),
  st_uid: view.getUint32(28, true),
  st_gid: view.getUint32(32, true),
  st_rdev: word64(view, 40),
  st_size: word64(view, 48),
  st_blksize: word64(view, 56),
  st_blocks: word64(view, 64),
  st_atim: decodeTimespec(view, 72),
  st_mtim: decodeTimespec(view, 88),
  st_ctim: decodeTimespec(view, 104),
});

function decodeStatFs(view: DataView): StatFs {
  const [type, bsize, blocks, bfree, bavail, files, ffree] = Array.from({ length: 7 }, (_, i) => word64(view, 8 * i));
  return {
    f_type: type,
    f_bsize: bsize,
    f_blocks: blocks,
    f_bfree: bfree,
    f_bavail: bavail,
    f_files: files,
    f_ffree: ffree,
    f_namelen: word64(view, 64),
    f_frsize: word64(view, 72),
    f_flags: word64(view, 80),
  };
}

export class Attributes extends Files {
  stat(path: PathLike): Stat {
    return this.fstatat(AT_FDCWD, path, 0);
  }

  lstat(path: PathLike): Stat {
    return this.fstatat(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
  }

  fstat(fd: number): Stat {
    const result = out(STAT_SIZE);
    this.now('fstat', [fd, result]);
    return decodeStat(result.view);
  }

  /** @param flags AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH */
  fstatat(dirfd: number, path: PathLike, flags: number): Stat {
    const result = out(STAT_SIZE);
    this.now('newfstatat', [dirfd, zeroTerminated(path, 'path'), result, flags], shown(path));
    return decodeStat(result.view);
  }

  statfs(path: PathLike): StatFs {
    const result = out(STATFS_SIZE);
    this.now('statfs', [zeroTerminated(path, 'path'), result], shown(path));
    return decodeStatFs(result.view);
  }

  fstatfs(fd: number): StatFs {
    const result = out(STATFS_SIZE);
    this.now('fstatfs', [fd, result]);
    return decodeStatFs(result.view);
  }

  /** @param mode F_OK, or R_OK, W_OK, X_OK @throws ErrnoError when the process may not */
  access(path: PathLike, mode: number): void {
    this.faccessat(AT_FDCWD, path, mode, 0);
  }

  faccessat(dirfd: number, path: PathLike, mode: number, flags: number): void {
    this.now('faccessat2', [dirfd, zeroTerminated(path, 'path'), mode, flags], shown(path));
  }

  chmod(path: PathLike, mode: number): void {
    this.fchmodat(AT_FDCWD, path, mode);
  }

  fchmod(fd: number, mode: number): void {
    this.now('fchmod', [fd, mode]);
  }

  fchmodat(dirfd: number, path: PathLike, mode: number): void {
    this.now('fchmodat', [dirfd, zeroTerminated(path, 'path'), mode], shown(path));
  }

  /** -1 leaves the user or the group as it is. */
  chown(path: PathLike, uid: number, gid: number): void {
    this.fchownat(AT_FDCWD, path, uid, gid, 0);
  }

  lchown(path: PathLike, uid: number, gid: number): void {
    this.fchownat(AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW);
  }

  fchown(fd: number, uid: number, gid: number): void {
    this.now('fchown', [fd, uid, gid]);
  }

  fchownat(dirfd: number, path: PathLike, uid: number, gid: number, flags: number): void {
    this.now('fchownat', [dirfd, zeroTerminated(path, 'path'), uid, gid, flags], shown(path));
  }

  /** @returns the mask before */
  umask(mask: number): number {
    return this.now('umask', [mask]);
  }

  /** Sets the times of access and modification; null: both to now. tv_nsec may be UTIME_NOW or UTIME_OMIT. */
  utimensat(dirfd: number, path: PathLike, times: readonly [Timespec, Timespec] | null, flags = 0): void {
    const both = encodeTimespecs(times ?? [NOW, NOW]);
    this.now('utimensat', [dirfd, zeroTerminated(path, 'path'), both, flags], shown(path));
  }

  futimens(fd: number, times: readonly [Timespec, Timespec] | null): void {
    this.now('utimensat', [fd, 0, encodeTimespecs(times ?? [NOW, NOW]), 0]);
  }

  truncate(path: PathLike, length: number): void {
    this.now('truncate', [zeroTerminated(path, 'path'), length], shown(path));
  }

  ftruncate(fd: number, length: number): void {
    this.now('ftruncate', [fd, length]);
  }

  /** @param data options of the file system, 'size=10%' say */
  mount(source: string, target: PathLike, type: string, flags = 0, data = ''): void {
    const [from, to, kind] = [source, target, type].map((text) => zeroTerminated(text, 'argument'));
    this.now('mount', [from, to, kind, flags, bytesOf(`${data}\0`, 'data')], shown(target));
  }

  umount2(target: PathLike, flags = 0): void {
    this.now('umount2', [zeroTerminated(target, 'target'), flags], shown(target));
  }
}

const NOW: Timespec = { tv_sec: 0, tv_nsec: UTIME_NOW };
