/** What the tests of the memory manager share: a file on frames, a space, and the check that everything came back. */
import * as assert from 'uvu/assert';
import { EFBIG, ENODEV, ENOMEM, type Err, fail, isErr } from '../../abi/errno.js';
import { O_RDWR } from '../../abi/fcntl.js';
import { S_IFREG } from '../../abi/stat.js';
import { PhysicalMemory } from '../../cpu/index.js';
import { AddressSpace } from '../../kernel-core/mm/address-space.js';
import { DEFAULT_LIMITS, type MmLimits } from '../../kernel-core/mm/limits.js';
import { KERNEL_CALLER, type Timespec } from '../../vfs/caller.js';
import { DeviceTable } from '../../vfs/devices.js';
import { OpenFile } from '../../vfs/file.js';
import { FileSystem, type FsStatistics, type VfsEnv } from '../../vfs/filesystem.js';
import { Inode } from '../../vfs/inode.js';
import type { IoIter } from '../../vfs/iter.js';
import { MemberSet } from '../../vfs/member-set.js';
import type { PageCache, PageMapper } from '../../vfs/page-cache.js';

export const PAGE = 4096;

/** msync of files that do not take their time. */
export function syncNow(space: AddressSpace, address: number, length: number, flags: number): number {
  const sync = space.sync(address, length, flags);
  return typeof sync === 'number' ? sync : sync.step(KERNEL_CALLER);
}

/** Physical memory that can be told to run dry: allocations fail once `allowance` is used up. */
export class TestMemory extends PhysicalMemory {
  allowance = Number.POSITIVE_INFINITY;
  /** Allocation calls so far. */
  allocations = 0;

  override allocFrame(): number {
    this.allocations++;
    return this.allowance-- <= 0 ? 0 : super.allocFrame();
  }

  override allocAt(room: Parameters<PhysicalMemory['allocAt']>[0], index: number, zeroed?: boolean): number {
    this.allocations++;
    return this.allowance-- <= 0 ? 0 : super.allocAt(room, index, zeroed);
  }

  override allocRun(count: number): number {
    this.allocations++;
    return this.allowance-- <= 0 ? 0 : super.allocRun(count);
  }
}

class TestFs extends FileSystem {
  readonly root: Inode;

  constructor(env: VfsEnv) {
    super(env, 'test', 1);
    this.root = new TestInode(this, 1, new Uint8Array(0));
  }

  statfs(): FsStatistics {
    throw new Error('not part of these tests');
  }
}

/** A regular file whose pages come into memory when they are asked for. */
export class TestInode extends Inode implements PageCache {
  content: Uint8Array;
  length: number;
  readonly mappers = new MemberSet<PageMapper>();
  readonly dirty = new Set<number>();
  readonly frames = new Map<number, number>();
  synced = 0;

  constructor(fs: FileSystem, ino: number, content: Uint8Array) {
    super(fs, ino, S_IFREG | 0o755);
    this.content = content;
    this.length = content.length;
  }

  override get size(): number {
    return this.length;
  }

  poll(): number {
    return 0;
  }

  open(flags: number): OpenFile {
    return new TestFile(this, flags);
  }

  page(index: number): number | Err {
    if (index * PAGE >= this.length) return 0;
    const known = this.frames.get(index);
    if (known !== undefined) return known;
    const { frames } = this.fs.env;
    const frame = frames.allocFrame();
    if (frame === 0) return fail(ENOMEM);
    frames.u8.set(this.content.subarray(index * PAGE, Math.min(this.length, (index + 1) * PAGE)), frame * PAGE);
    this.frames.set(index, frame);
    return frame;
  }

  resident(index: number): number {
    return this.frames.get(index) ?? 0;
  }

  markDirty(index: number): void {
    this.dirty.add(index);
  }

  /** @param length a multiple of the page size */
  truncate(length: number): void {
    const from = Math.ceil(length / PAGE);
    this.length = length;
    this.content.fill(0, length);
    for (const [index, frame] of this.frames) {
      if (index < from) continue;
      this.frames.delete(index);
      this.fs.env.frames.unref(frame);
    }
    for (const mapper of this.mappers) mapper.invalidate(from);
  }

  override evict(): void {
    for (const frame of this.frames.values()) this.fs.env.frames.unref(frame);
    this.frames.clear();
  }
}

export class TestFile extends OpenFile {
  released = false;

  override mapping(): PageCache | Err {
    return this.inode as TestInode;
  }

  override read(to: IoIter, position: number): number | Err {
    const inode = this.inode as TestInode;
    if (position >= inode.length) return 0;
    return to.put(inode.content, position, inode.length);
  }

  /** fallocate(2) with FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE. */
  override allocate(_mode: number, offset: number, length: number): number | Err {
    const inode = this.inode as TestInode;
    if (offset + length > 2 ** 44) return fail(EFBIG);
    for (let index = offset / PAGE; index < (offset + length) / PAGE; index++) {
      const frame = inode.page(index);
      if (frame < 0) return frame as Err;
      if (frame > 0) inode.fs.env.frames.u8.fill(0, frame * PAGE, (frame + 1) * PAGE);
    }
    return 0;
  }

  override fsync(): number {
    (this.inode as TestInode).synced++;
    return 0;
  }

  protected override release(): void {
    super.release();
    this.released = true;
  }
}

/** What a pipe is to mmap. */
export class UnmappableFile extends TestFile {
  override mapping(): PageCache | Err {
    return fail(ENODEV);
  }
}

export interface World {
  readonly memory: TestMemory;
  file(content: Uint8Array, flags?: number): TestFile;
  space(limits?: MmLimits): AddressSpace;
  /** Fails unless every frame, mapper and file is back. Closes the files made here. */
  assertIdle(): void;
}

export function makeWorld(bytes = 64 * 2 ** 20): World {
  const memory = new TestMemory(bytes);
  const fs = new TestFs({
    frames: memory,
    devices: new DeviceTable(),
    now: (out: Timespec) => Object.assign(out, { sec: 0, nsec: 0 }),
  });
  const files: TestFile[] = [];
  return {
    memory,
    file(content, flags = O_RDWR) {
      const file = new TestFile(new TestInode(fs, 2 + files.length, content), flags);
      files.push(file);
      return file;
    },
    space(limits = DEFAULT_LIMITS) {
      const space = AddressSpace.create(memory, limits);
      if (isErr(space)) throw new Error(`AddressSpace.create: ${space}`);
      return space;
    },
    assertIdle() {
      for (const file of files) {
        assert.is(file.refs, 1, 'references on a file');
        assert.is((file.inode as TestInode).mappers.size, 0, 'mappers of a file');
        file.unref();
        file.inode.evict();
      }
      files.length = 0;
      assert.is(memory.usedFrames, 0, 'frames in use');
      assert.is(memory.reservedChunks, 0, 'room that is kept');
    },
  };
}

/** The value, or a failed assertion for an errno. */
export function ok<T>(result: T | Err): T {
  assert.not(isErr(result), `errno ${String(result)}`);
  return result as T;
}
