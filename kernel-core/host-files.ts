/** Host files over the synchronous calls of node:fs: byte names as buffers, errors as Linux numbers. */
import * as fs from 'node:fs';
import { createGunzip } from 'node:zlib';
import { EINVAL, EIO, ENOENT, ENOSYS, ERRNO_NAMES, type Err, fail } from '../abi/errno.js';
import {
  O_ACCMODE,
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOATIME,
  O_NOCTTY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_TRUNC,
} from '../abi/fcntl.js';
import type { Timespec } from '../vfs/caller.js';
import type { FsStatistics } from '../vfs/filesystem.js';
import type { HostFiles, HostStat } from '../vfs/fs/hostfs.js';

const NUMBERS = new Map([...ERRNO_NAMES].map(([number, { name }]) => [name, number]));

/** Linux number of what node:fs threw, whatever the host numbers it. */
function errorOf(thrown: unknown): Err {
  const code = (thrown as NodeJS.ErrnoException).code;
  const known = code === undefined ? undefined : NUMBERS.get(code === 'ENOTSUP' ? 'EOPNOTSUPP' : code);
  // Node itself refuses a path with a NUL; a file system cannot have such a name.
  return fail((known ?? (code === 'ERR_INVALID_ARG_VALUE' ? ENOENT : EIO)) as typeof EIO);
}

/** Host values of the flags that hosts number differently. */
const PORTABLE_FLAGS: readonly (readonly [linux: number, host: number | undefined])[] = [
  [O_CREAT, fs.constants.O_CREAT],
  [O_EXCL, fs.constants.O_EXCL],
  [O_TRUNC, fs.constants.O_TRUNC],
  [O_APPEND, fs.constants.O_APPEND],
  [O_NOCTTY, fs.constants.O_NOCTTY],
  [O_NONBLOCK, fs.constants.O_NONBLOCK],
  [O_DIRECTORY, fs.constants.O_DIRECTORY],
  [O_NOFOLLOW, fs.constants.O_NOFOLLOW],
  [O_NOATIME, fs.constants.O_NOATIME],
];

const isLinux = process.platform === 'linux';
const isWindows = process.platform === 'win32';

function hostFlags(flags: number): number {
  if (isLinux) return flags;
  let result = flags & O_ACCMODE;
  for (const [linux, host] of PORTABLE_FLAGS) if ((flags & linux) === linux) result |= host ?? 0;
  return result;
}

const bytes = (path: string): Buffer => Buffer.from(path, 'latin1');

const BILLION = 1_000_000_000n;

const timespec = (nanoseconds: bigint): Timespec => {
  const nsec = ((nanoseconds % BILLION) + BILLION) % BILLION;
  return { sec: Number((nanoseconds - nsec) / BILLION), nsec: Number(nsec) };
};

const seconds = (time: Timespec): number => time.sec + time.nsec / 1e9;

const hostStat = (s: fs.BigIntStats): HostStat => ({
  key: `${s.dev}:${s.ino}`,
  dev: Number(s.dev),
  ino: Number(s.ino),
  mode: Number(s.mode),
  nlink: Number(s.nlink),
  uid: Number(s.uid),
  gid: Number(s.gid),
  rdev: Number(s.rdev),
  size: Number(s.size),
  blocks: Number(s.blocks),
  blockSize: Number(s.blksize),
  atime: timespec(s.atimeNs),
  mtime: timespec(s.mtimeNs),
  ctime: timespec(s.ctimeNs),
});

const BIGINT = { bigint: true } as const;
const BIGINT_OR_NOTHING = { bigint: true, throwIfNoEntry: false } as const;
const NAMES = { encoding: 'buffer' } as const;
/** Bytes of an archive at a time. */
const CHUNK = 1 << 18;
/** Separators, streams and wild cards of Windows paths, and names that it maps to others or to devices. */
const WINDOWS_TRAP = /[\\:*?"<>|\0-\x1f]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/** Runs a call that has no result. */
function attempt(call: () => void): number | Err {
  try {
    call();
    return 0;
  } catch (thrown) {
    return errorOf(thrown);
  }
}

export class NodeFiles implements HostFiles {
  readonly isSuperuser = process.geteuid?.() === 0;
  #moment = 0;
  /** The end of the present moment is on its way. */
  #momentEnds = false;
  readonly #hasDescriptorPaths = isLinux && fs.existsSync('/proc/self/fd/.');

  moment(): number {
    if (!this.#momentEnds) {
      this.#momentEnds = true;
      queueMicrotask(() => {
        this.#momentEnds = false;
        this.#moment++;
      });
    }
    return this.#moment;
  }

  isName(name: string): boolean {
    return !isWindows || !WINDOWS_TRAP.test(name);
  }

  descriptorPath(fd: number): string | null {
    return this.#hasDescriptorPaths ? `/proc/self/fd/${fd}` : null;
  }

  open(path: string, flags: number, mode: number): number | Err {
    if (flags & O_PATH && !isLinux) return fail(EINVAL);
    try {
      return fs.openSync(bytes(path), hostFlags(flags), mode);
    } catch (thrown) {
      return errorOf(thrown);
    }
  }

  close(fd: number): void {
    attempt(() => fs.closeSync(fd));
  }

  read(fd: number, target: Uint8Array, position: number): number | Err {
    try {
      let done = 0;
      while (done < target.length) {
        const count = fs.readSync(fd, target, done, target.length - done, position + done);
        if (count === 0) break;
        done += count;
      }
      return done;
    } catch (thrown) {
      return errorOf(thrown);
    }
  }

  write(fd: number, source: Uint8Array, position: number): number | Err {
    try {
      return fs.writeSync(fd, source, 0, source.length, position);
    } catch (thrown) {
      return errorOf(thrown);
    }
  }

  truncate(fd: number, size: number): number | Err {
    return attempt(() => fs.ftruncateSync(fd, size));
  }

  flush(fd: number): number | Err {
    return attempt(() => fs.fsyncSync(fd));
  }

  statDescriptor(fd: number): HostStat | Err {
    try {
      return hostStat(fs.fstatSync(fd, BIGINT));
    } catch (thrown) {
      return errorOf(thrown);
    }
  }

  lstat(path: string): HostStat | Err {
    try {
      const found = fs.lstatSync(bytes(path), BIGINT_OR_NOTHING);
      return found === undefined ? fail(ENOENT) : hostStat(found);
    } catch (thrown) {
      return errorOf(thrown);
    }
  }

  list(path: string): string[] | Err {
    try {
      return fs.readdirSync(bytes(path), NAMES).map((name) => name.toString('latin1'));
    } catch (thrown) {
      return errorOf(thrown);
    }
  }

  readlink(path: string): string | Err {
    try {
      return fs.readlinkSync(bytes(path), NAMES).toString('latin1');
    } catch (thrown) {
      return errorOf(thrown);
    }
  }

  mkdir(path: string, mode: number): number | Err {
    return attempt(() => fs.mkdirSync(bytes(path), mode));
  }

  rmdir(path: string): number | Err {
    return attempt(() => fs.rmdirSync(bytes(path)));
  }

  unlink(path: string): number | Err {
    return attempt(() => fs.unlinkSync(bytes(path)));
  }

  rename(from: string, to: string): number | Err {
    return attempt(() => fs.renameSync(bytes(from), bytes(to)));
  }

  link(from: string, to: string): number | Err {
    return attempt(() => fs.linkSync(bytes(from), bytes(to)));
  }

  symlink(target: string, path: string): number | Err {
    return attempt(() => fs.symlinkSync(bytes(target), bytes(path)));
  }

  chmod(path: string, mode: number, follow: boolean): number | Err {
    const change = follow || fs.lchmodSync === undefined ? fs.chmodSync : fs.lchmodSync;
    return attempt(() => change(bytes(path), mode));
  }

  chown(path: string, uid: number, gid: number, follow: boolean): number | Err {
    return attempt(() => (follow ? fs.chownSync : fs.lchownSync)(bytes(path), uid, gid));
  }

  setTimes(path: string, atime: Timespec, mtime: Timespec, follow: boolean): number | Err {
    return attempt(() => (follow ? fs.utimesSync : fs.lutimesSync)(bytes(path), seconds(atime), seconds(mtime)));
  }

  statfs(path: string): FsStatistics | Err {
    if (fs.statfsSync === undefined) return fail(ENOSYS);
    try {
      const s = fs.statfsSync(bytes(path));
      return {
        type: s.type,
        blockSize: s.bsize,
        blocks: s.blocks,
        blocksFree: s.bfree,
        files: s.files,
        filesFree: s.ffree,
        nameLength: 255,
      };
    } catch (thrown) {
      return errorOf(thrown);
    }
  }

  realpath(path: string): string | Err {
    try {
      return fs.realpathSync.native(bytes(path), NAMES).toString('latin1');
    } catch (thrown) {
      return errorOf(thrown);
    }
  }

  async *gunzip(path: string): AsyncIterable<Uint8Array> {
    const source = fs.createReadStream(bytes(path), { highWaterMark: CHUNK });
    const closed = new Promise<void>((resolve) => source.once('close', resolve));
    const gunzip = createGunzip({ chunkSize: CHUNK });
    source.on('error', (error) => gunzip.destroy(error));
    try {
      yield* source.pipe(gunzip);
    } finally {
      source.destroy();
      await closed;
    }
  }
}
