/**
 * The pages of a file in memory: frames by page index, holes for the rest, and where they come from.
 *
 * A page that is absent reads as zeros, or comes from the file's backing (a member of an archive, a file of the
 * host) when it lies within the backing's length. The backing is never written to: a page that was loaded stays.
 */
import { EFBIG, EIO, ENOSPC, ENXIO, type Err, fail, isErr } from '../../abi/errno.js';
import { MAX_FILE_SIZE } from '../attributes.js';
import { FrameExtents, PLACED_FILE } from '../frame-extents.js';
import { MemberSet } from '../member-set.js';
import type { PageCache, PageMapper } from '../page-cache.js';
import { type MemoryFileSystem, PAGE_SIZE } from './memory-fs.js';

/** Where the first bytes of a file come from until they are written to. */
export interface FileBacking {
  /** Bytes that it holds. */
  readonly length: number;
  /** Fills `target` from byte `position` on. @returns bytes read: all of `target` but at the end; -EIO … */
  read(position: number, target: Uint8Array): number | Err;
  /** Nothing more will be read. */
  release?(): void;
}

export class MemoryPages implements PageCache {
  readonly mappers = new MemberSet<PageMapper>();
  readonly #fs: MemoryFileSystem;
  readonly #frames = new Map<number, number>();
  /** Null while the file is small. */
  #extents: FrameExtents | null = null;
  #backing: FileBacking | null;
  /** Absent pages below this byte come from the backing. */
  #backed: number;
  #size: number;

  constructor(fs: MemoryFileSystem, backing: FileBacking | null = null) {
    this.#fs = fs;
    this.#backing = backing;
    this.#backed = backing?.length ?? 0;
    this.#size = this.#backed;
  }

  get size(): number {
    return this.#size;
  }

  /** Pages that occupy frames, or would if the backing were loaded. */
  get pages(): number {
    return Math.max(this.#frames.size, Math.ceil(this.#backed / PAGE_SIZE));
  }

  /** Grows only: bytes beyond the old end are zero. */
  extend(size: number): void {
    if (size > this.#size) this.#size = size;
  }

  /** Frame of page `index`, 0 for a hole, an error when the backing cannot be read or loaded. */
  peek(index: number): number | Err {
    const frame = this.#frames.get(index);
    if (frame !== undefined) return frame;
    return index * PAGE_SIZE < this.#backed ? this.#load(index) : 0;
  }

  /** Frame of page `index`, made when it is a hole. @returns -ENOSPC, -EIO */
  ensure(index: number): number | Err {
    const frame = this.peek(index);
    return frame === 0 ? this.#allocate(index) : frame;
  }

  page(index: number): number | Err {
    return index * PAGE_SIZE >= this.#size ? 0 : this.ensure(index);
  }

  resident(index: number): number {
    return this.#frames.get(index) ?? 0;
  }

  /** A page is either resident or as the backing has it: nothing to note. */
  markDirty(_index: number): void {}

  /** truncate(2). */
  resize(size: number): number | Err {
    if (size > MAX_FILE_SIZE) return fail(EFBIG);
    if (size < this.#size) {
      const keep = Math.ceil(size / PAGE_SIZE);
      const within = size % PAGE_SIZE;
      if (within !== 0) {
        const zeroed = this.#zeroWithin(keep - 1, within, PAGE_SIZE);
        if (isErr(zeroed)) return zeroed;
      }
      this.#size = size;
      for (const mapper of this.mappers) mapper.invalidate(keep);
      this.#dropFrom(keep, Number.POSITIVE_INFINITY);
      if (keep === 0) this.#extents?.clear();
      this.#cutBacking(size);
    }
    this.#size = size;
    return 0;
  }

  /** Makes `[start, end)` read as zeros, giving whole pages back. */
  punch(start: number, end: number): number | Err {
    const first = Math.ceil(start / PAGE_SIZE);
    const last = Math.floor(end / PAGE_SIZE);
    if (first > last) return this.#zeroWithin(last, start % PAGE_SIZE, end % PAGE_SIZE);
    if (start % PAGE_SIZE !== 0) {
      const zeroed = this.#zeroWithin(first - 1, start % PAGE_SIZE, PAGE_SIZE);
      if (isErr(zeroed)) return zeroed;
    }
    if (end % PAGE_SIZE !== 0) {
      const zeroed = this.#zeroWithin(last, 0, end % PAGE_SIZE);
      if (isErr(zeroed)) return zeroed;
    }
    // A page of zeros hides what the backing has there, and serves those who have the page mapped.
    const shown = this.mappers.size > 0 ? this.#size : Math.min(this.#size, this.#backed);
    const dropped = Math.max(first, Math.ceil(shown / PAGE_SIZE));
    for (let index = first; index < Math.min(last, dropped); index++) {
      const zeroed = this.#zeroWithin(index, 0, PAGE_SIZE);
      if (isErr(zeroed)) return zeroed;
    }
    this.#dropFrom(dropped, last);
    return 0;
  }

  /** Makes pages of `[start, end)` resident; on -ENOSPC those that were made go again. */
  reserve(start: number, end: number): number | Err {
    const first = Math.floor(start / PAGE_SIZE);
    const last = Math.ceil(end / PAGE_SIZE);
    if (last - first > this.#fs.pageLimit) return fail(ENOSPC);
    const made: number[] = [];
    for (let index = first; index < last; index++) {
      if (this.#frames.has(index)) continue;
      const frame = this.ensure(index);
      if (isErr(frame)) {
        for (const undo of made) this.#drop(undo);
        return frame;
      }
      made.push(index);
    }
    return 0;
  }

  /** First byte from `position` on that is data (or, with `hole`, that is not). @returns -ENXIO beyond the end */
  seek(position: number, hole: boolean): number | Err {
    if (position < 0 || position >= this.#size) return fail(ENXIO);
    let index = Math.floor(position / PAGE_SIZE);
    if (hole) {
      while (this.#isData(index) && index * PAGE_SIZE < this.#size) index++;
      return Math.min(this.#size, Math.max(position, index * PAGE_SIZE));
    }
    if (this.#isData(index)) return position;
    let next = Number.POSITIVE_INFINITY;
    for (const resident of this.#frames.keys()) if (resident > index && resident < next) next = resident;
    return next * PAGE_SIZE < this.#size ? next * PAGE_SIZE : fail(ENXIO);
  }

  /** Gives every frame back. */
  release(): void {
    for (const mapper of this.mappers) mapper.invalidate(0);
    this.#dropFrom(0, Number.POSITIVE_INFINITY);
    this.#extents?.clear();
    this.#cutBacking(0);
    this.#size = 0;
  }

  #isData(index: number): boolean {
    return this.#frames.has(index) || index * PAGE_SIZE < this.#backed;
  }

  #allocate(index: number): number | Err {
    const pages = Math.max(index + 1, Math.ceil(this.#size / PAGE_SIZE));
    if (pages >= PLACED_FILE) this.#extents ??= new FrameExtents(this.#fs.env.frames);
    const frame = this.#fs.takeFrame(this.#extents, index, pages);
    if (frame === 0) return fail(ENOSPC);
    this.#frames.set(index, frame);
    return frame;
  }

  #load(index: number): number | Err {
    const frame = this.#allocate(index);
    if (isErr(frame)) return frame;
    const start = frame * PAGE_SIZE;
    const count = Math.min(PAGE_SIZE, this.#backed - index * PAGE_SIZE);
    const got = this.#backing!.read(index * PAGE_SIZE, this.#fs.env.frames.u8.subarray(start, start + count));
    if (got === count) return frame;
    this.#drop(index);
    return isErr(got) ? got : fail(EIO);
  }

  /** Zeroes bytes of one page; a hole stays one. */
  #zeroWithin(index: number, start: number, end: number): number | Err {
    const frame = this.peek(index);
    if (isErr(frame) || frame === 0) return frame;
    const { frames } = this.#fs.env;
    frames.willWrite(frame);
    frames.u8.fill(0, frame * PAGE_SIZE + start, frame * PAGE_SIZE + end);
    return 0;
  }

  #cutBacking(size: number): void {
    if (size < this.#backed) this.#backed = size;
    if (this.#backed > 0 || this.#backing === null) return;
    this.#backing.release?.();
    this.#backing = null;
  }

  #dropFrom(first: number, end: number): void {
    if (end - first < this.#frames.size) {
      for (let index = first; index < end; index++) if (this.#frames.has(index)) this.#drop(index);
      return;
    }
    for (const index of this.#frames.keys()) if (index >= first && index < end) this.#drop(index);
  }

  #drop(index: number): void {
    this.#fs.releaseFrame(this.#frames.get(index)!);
    this.#frames.delete(index);
  }
}
