/** `fs.Stats`, `fs.Dirent` and `fs.StatFs`. */
import { DT_BLK, DT_CHR, DT_DIR, DT_FIFO, DT_LNK, DT_REG, DT_SOCK } from '../../abi/stat.js';
import type { Stat, StatFs, Timespec } from '../attributes.js';
import { type EncodingOption, namedAs } from './support.js';
import type { Found } from './trees.js';

/** DT_* value to the letter of the question. File types of st_mode are the same values, shifted. */
const TYPE_SHIFT = 12;

/** The questions that both classes answer. */
abstract class Typed {
  /** DT_* value. */
  protected abstract type(): number;

  isFile(): boolean {
    return this.type() === DT_REG;
  }

  isDirectory(): boolean {
    return this.type() === DT_DIR;
  }

  isSymbolicLink(): boolean {
    return this.type() === DT_LNK;
  }

  isFIFO(): boolean {
    return this.type() === DT_FIFO;
  }

  isSocket(): boolean {
    return this.type() === DT_SOCK;
  }

  isBlockDevice(): boolean {
    return this.type() === DT_BLK;
  }

  isCharacterDevice(): boolean {
    return this.type() === DT_CHR;
  }
}

const milliseconds = ({ tv_sec, tv_nsec }: Timespec): number => tv_sec * 1000 + tv_nsec / 1e6;
const nanoseconds = ({ tv_sec, tv_nsec }: Timespec): bigint => BigInt(tv_sec) * 1_000_000_000n + BigInt(tv_nsec);

/** What `stat` tells. Times of birth are not kept: as on such file systems on Linux they are those of the last change. */
export class Stats extends Typed {
  readonly dev: number;
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly size: number;
  readonly blksize: number;
  readonly blocks: number;
  readonly atimeMs: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly birthtimeMs: number;

  constructor(stat: Stat) {
    super();
    this.dev = stat.st_dev;
    this.ino = stat.st_ino;
    this.mode = stat.st_mode;
    this.nlink = stat.st_nlink;
    this.uid = stat.st_uid;
    this.gid = stat.st_gid;
    this.rdev = stat.st_rdev;
    this.size = stat.st_size;
    this.blksize = stat.st_blksize;
    this.blocks = stat.st_blocks;
    this.atimeMs = milliseconds(stat.st_atim);
    this.mtimeMs = milliseconds(stat.st_mtim);
    this.ctimeMs = milliseconds(stat.st_ctim);
    this.birthtimeMs = this.ctimeMs;
  }

  get atime(): Date {
    return new Date(this.atimeMs);
  }

  get mtime(): Date {
    return new Date(this.mtimeMs);
  }

  get ctime(): Date {
    return new Date(this.ctimeMs);
  }

  get birthtime(): Date {
    return new Date(this.birthtimeMs);
  }

  protected override type(): number {
    return this.mode >>> TYPE_SHIFT;
  }
}

/** As `Stats`, with `{ bigint: true }`. */
export class BigIntStats extends Typed {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly mode: bigint;
  readonly nlink: bigint;
  readonly uid: bigint;
  readonly gid: bigint;
  readonly rdev: bigint;
  readonly size: bigint;
  readonly blksize: bigint;
  readonly blocks: bigint;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly birthtimeNs: bigint;

  constructor(stat: Stat) {
    super();
    this.dev = BigInt(stat.st_dev);
    this.ino = BigInt(stat.st_ino);
    this.mode = BigInt(stat.st_mode);
    this.nlink = BigInt(stat.st_nlink);
    this.uid = BigInt(stat.st_uid);
    this.gid = BigInt(stat.st_gid);
    this.rdev = BigInt(stat.st_rdev);
    this.size = BigInt(stat.st_size);
    this.blksize = BigInt(stat.st_blksize);
    this.blocks = BigInt(stat.st_blocks);
    this.atimeNs = nanoseconds(stat.st_atim);
    this.mtimeNs = nanoseconds(stat.st_mtim);
    this.ctimeNs = nanoseconds(stat.st_ctim);
    this.birthtimeNs = this.ctimeNs;
  }

  get atimeMs(): bigint {
    return this.atimeNs / 1_000_000n;
  }

  get mtimeMs(): bigint {
    return this.mtimeNs / 1_000_000n;
  }

  get ctimeMs(): bigint {
    return this.ctimeNs / 1_000_000n;
  }

  get birthtimeMs(): bigint {
    return this.birthtimeNs / 1_000_000n;
  }

  get atime(): Date {
    return new Date(Number(this.atimeMs));
  }

  get mtime(): Date {
    return new Date(Number(this.mtimeMs));
  }

  get ctime(): Date {
    return new Date(Number(this.ctimeMs));
  }

  get birthtime(): Date {
    return new Date(Number(this.birthtimeMs));
  }

  protected override type(): number {
    return Number(this.mode) >>> TYPE_SHIFT;
  }
}

/** An entry of a directory, as `readdir` with `withFileTypes` gives it. */
export class NodeDirent extends Typed {
  /** Text, unless another encoding was asked for. */
  readonly name: string;
  /** The directory that it is in. */
  readonly parentPath: string;
  readonly #type: number;

  /** @internal */
  constructor({ entry, directory }: Found, options: EncodingOption | undefined) {
    super();
    this.name = namedAs(entry.d_bytes, options) as string;
    this.parentPath = directory;
    this.#type = entry.d_type;
  }

  /** Older name of `parentPath`. */
  get path(): string {
    return this.parentPath;
  }

  protected override type(): number {
    return this.#type;
  }
}

export interface FileSystemStats<T extends number | bigint> {
  type: T;
  bsize: T;
  blocks: T;
  bfree: T;
  bavail: T;
  files: T;
  ffree: T;
}

/** @param convert BigInt, or Number */
export const fileSystemStats = <T extends number | bigint>(
  found: StatFs,
  convert: (value: number) => T,
): FileSystemStats<T> => ({
  type: convert(found.f_type),
  bsize: convert(found.f_bsize),
  blocks: convert(found.f_blocks),
  bfree: convert(found.f_bfree),
  bavail: convert(found.f_bavail),
  files: convert(found.f_files),
  ffree: convert(found.f_ffree),
});
