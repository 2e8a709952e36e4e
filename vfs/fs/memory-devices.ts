/** The memory devices: null, zero, full, random, urandom. @source Linux drivers/char/mem.c, drivers/char/random.c */
import { EINVAL, ENODEV, ENOSPC, type Err, fail, isErr } from '../../abi/errno.js';
import { RNDGETENTCNT } from '../../abi/ioctl.js';
import { POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../../abi/poll.js';
import type { Caller } from '../caller.js';
import type { DeviceTable } from '../devices.js';
import { OpenFile, type UserMemory } from '../file.js';
import type { Inode } from '../inode.js';
import type { IoIter } from '../iter.js';
import type { PageCache } from '../page-cache.js';
import { FramePages } from './frame-pages.js';

export const MEM_MAJOR = 1;
const READY = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
/** Bits that the pool of a started machine reports. */
const POOL_BITS = 256;
/** Random bytes are made in portions of this size, since guest memory is written through an iterator. */
const PORTION = 4096;

/** Fills `target` with random bytes. */
export type RandomSource = (target: Uint8Array) => void;

/** Positions mean nothing: every seek leads to 0. */
abstract class MemoryDevice extends OpenFile {
  override get seekable(): boolean {
    return true;
  }

  override seek(_offset: number, _whence: number): number | Err {
    this.offset = 0;
    return 0;
  }

  override poll(): number {
    return READY;
  }

  override get pollable(): boolean {
    return false;
  }
}

class NullFile extends MemoryDevice {
  override get splicesOut(): boolean {
    return false;
  }

  override read(_to: IoIter, _position: number, _caller: Caller): number | Err {
    return 0;
  }

  override write(from: IoIter, _position: number, _caller: Caller): number | Err {
    return from.remaining;
  }
}

class ZeroFile extends NullFile {
  /** One for each mapping: mappings of /dev/zero share nothing but with a process's own children. */
  readonly #mapped: FramePages[] = [];

  override get splicesOut(): boolean {
    return true;
  }

  override read(to: IoIter, _position: number, _caller: Caller): number | Err {
    return to.zero(to.remaining);
  }

  override mapping(): PageCache | Err {
    const pages = new FramePages(this.inode.fs.env.frames, Number.POSITIVE_INFINITY);
    this.#mapped.push(pages);
    return pages;
  }

  protected override release(): void {
    for (const pages of this.#mapped) pages.release();
    super.release();
  }
}

class FullFile extends ZeroFile {
  override get splicesIn(): boolean {
    return false;
  }

  override write(_from: IoIter, _position: number, _caller: Caller): number | Err {
    return fail(ENOSPC);
  }

  override mapping(): PageCache | Err {
    return fail(ENODEV);
  }
}

class RandomFile extends MemoryDevice {
  readonly #source: RandomSource;

  constructor(inode: Inode, flags: number, source: RandomSource) {
    super(inode, flags);
    this.#source = source;
  }

  override read(to: IoIter, _position: number, _caller: Caller): number | Err {
    const portion = new Uint8Array(Math.min(PORTION, to.remaining));
    return inPortions(to.remaining, portion.length, (count) => {
      this.#source(portion.subarray(0, count));
      return to.put(portion, 0, count);
    });
  }

  /** Mixed into the pool on Linux, which nobody can see. */
  override write(from: IoIter, _position: number, _caller: Caller): number | Err {
    const portion = new Uint8Array(Math.min(PORTION, from.remaining));
    return inPortions(from.remaining, portion.length, (count) => from.take(portion, 0, count));
  }

  override ioctl(request: number, argument: number, user: UserMemory, _caller: Caller): number | Err {
    if (request !== RNDGETENTCNT) return fail(EINVAL);
    const value = new Uint8Array(4);
    new DataView(value.buffer).setInt32(0, POOL_BITS, true);
    return user.write(argument, value);
  }
}

/** /dev/random tells when the generator has been seeded, which it always has. */
class BlockingRandomFile extends RandomFile {
  override poll(): number {
    return POLLIN | POLLRDNORM;
  }

  override get pollable(): boolean {
    return true;
  }
}

/** Moves `total` bytes by `portion`; a fault after the first bytes ends it short. */
function inPortions(total: number, portion: number, move: (count: number) => number | Err): number | Err {
  let done = 0;
  while (done < total) {
    const count = Math.min(portion, total - done);
    const moved = move(count);
    if (isErr(moved)) return done > 0 ? done : moved;
    done += moved;
    if (moved < count) break;
  }
  return done;
}

/** Minor, name and opener of each device; all with mode 666. */
export const MEMORY_DEVICES: readonly {
  minor: number;
  name: string;
  open: (inode: Inode, flags: number, random: RandomSource) => OpenFile;
}[] = [
  { minor: 3, name: 'null', open: (inode, flags) => new NullFile(inode, flags) },
  { minor: 5, name: 'zero', open: (inode, flags) => new ZeroFile(inode, flags) },
  { minor: 7, name: 'full', open: (inode, flags) => new FullFile(inode, flags) },
  { minor: 8, name: 'random', open: (inode, flags, random) => new BlockingRandomFile(inode, flags, random) },
  { minor: 9, name: 'urandom', open: (inode, flags, random) => new RandomFile(inode, flags, random) },
];

/** Registers the openers. Once per kernel. */
export function registerMemoryDevices(devices: DeviceTable, random: RandomSource): void {
  for (const { minor, open } of MEMORY_DEVICES) {
    devices.registerCharDevice(MEM_MAJOR, minor, (inode, flags) => open(inode, flags, random), 'mem');
  }
}
