/**
 * Pages of a file whose bytes are kept elsewhere, by the host or by a driver: loaded when they are first mapped, written back
 * when somebody asks for it. Reads and writes of the file go straight to the store and are brought together with the pages
 * by `overlay`, `update` or `reload`.
 */
import { EIO, ENOMEM, type Err, fail, isErr } from '../../abi/errno.js';
import type { FrameStore } from '../filesystem.js';
import { FrameExtents, PLACED_FILE } from '../frame-extents.js';
import { MemberSet } from '../member-set.js';
import type { PageCache, PageMapper } from '../page-cache.js';
import { PAGE_SIZE } from './memory-fs.js';

/** Where the bytes are. */
export interface PageStore {
  readonly frames: FrameStore;
  /** Bytes, asked anew where that is needed. */
  readonly size: number;
  /** Bytes, as known from the last time. */
  readonly knownSize: number;
  /** @returns bytes read, fewer at the end only */
  readBytes(target: Uint8Array, position: number): number | Err;
  /** @returns bytes written */
  writeBytes(source: Uint8Array, position: number): number | Err;
}

export class CachedPages implements PageCache {
  readonly mappers = new MemberSet<PageMapper>();
  readonly #store: PageStore;
  readonly #frames = new Map<number, number>();
  /** Null while the file is small. */
  #extents: FrameExtents | null = null;
  readonly #dirty = new Set<number>();
  /** What a write-back ran into since the last report. */
  #error: number | Err = 0;

  constructor(store: PageStore) {
    this.#store = store;
  }

  get size(): number {
    return this.#store.knownSize;
  }

  /** Pages that are loaded. */
  get count(): number {
    return this.#frames.size;
  }

  page(index: number): number | Err {
    const known = this.#frames.get(index);
    if (known !== undefined) return known;
    const store = this.#store;
    if (index * PAGE_SIZE >= store.size) return 0;
    // Reading may take memory, which moves it: the bytes come first.
    const bytes = new Uint8Array(PAGE_SIZE);
    const count = store.readBytes(bytes, index * PAGE_SIZE);
    if (isErr(count)) return count;
    const { frames } = store;
    const pages = Math.ceil(store.knownSize / PAGE_SIZE);
    if (pages >= PLACED_FILE) this.#extents ??= new FrameExtents(frames);
    const frame = this.#extents?.allocForFile(index, pages) ?? frames.allocFrame();
    if (frame === 0) return fail(ENOMEM);
    this.#bytes(frame, 0, PAGE_SIZE).set(bytes);
    this.#frames.set(index, frame);
    return frame;
  }

  resident(index: number): number {
    return this.#frames.get(index) ?? 0;
  }

  markDirty(index: number): void {
    this.#dirty.add(index);
  }

  /** Puts dirty pages over bytes that were read from `position` on. */
  overlay(position: number, target: Uint8Array): void {
    if (this.#dirty.size === 0) return;
    this.#each(position, target.length, (frame, within, at, count, dirty) => {
      if (dirty) target.set(this.#bytes(frame, within, count), at);
    });
  }

  /** Bytes were written to the store at `position`: loaded pages follow. */
  update(position: number, source: Uint8Array): void {
    if (this.#frames.size === 0) return;
    this.#each(position, source.length, (frame, within, at, count) => {
      this.#store.frames.willWrite(frame);
      this.#bytes(frame, within, count).set(source.subarray(at, at + count));
    });
  }

  /** Bytes were written to the store, and only it knows which: loaded pages of the range are read anew. */
  reload(position: number, length: number): void {
    const end = position + length;
    for (const [index, frame] of this.#frames) {
      const start = index * PAGE_SIZE;
      if (start >= end || start + PAGE_SIZE <= position) continue;
      const bytes = new Uint8Array(PAGE_SIZE);
      if (isErr(this.#store.readBytes(bytes, start))) continue;
      this.#store.frames.willWrite(frame);
      this.#bytes(frame, 0, PAGE_SIZE).set(bytes);
    }
  }

  /**
   * Writes dirty pages to the store. They stay marked while anybody has pages mapped, because a mapping may go on
   * writing without telling.
   * @returns 0 or the first error, which is kept for `takeError`, too
   */
  writeBack(): number | Err {
    let result: number | Err = 0;
    const store = this.#store;
    for (const index of this.#dirty) {
      const frame = this.#frames.get(index);
      const count = Math.min(PAGE_SIZE, store.knownSize - index * PAGE_SIZE);
      if (frame === undefined || count <= 0) continue;
      // A copy: writing may take memory, which moves it.
      const bytes = this.#bytes(frame, 0, count).slice();
      for (let done = 0; done < count; ) {
        const written = store.writeBytes(bytes.subarray(done), index * PAGE_SIZE + done);
        if (written <= 0) {
          result = written === 0 ? fail(EIO) : written;
          break;
        }
        done += written;
      }
    }
    if (this.mappers.size === 0) this.#dirty.clear();
    if (isErr(result)) this.#error = result;
    return result;
  }

  /** The error of a write-back that nobody has been told about; forgotten with this. */
  takeError(): number | Err {
    const error = this.#error;
    this.#error = 0;
    return error;
  }

  /** The last user is gone: nobody can write to the pages any more. */
  settle(): void {
    this.#dirty.clear();
  }

  /** The file is `size` bytes long now, which is less than before. */
  cut(size: number): void {
    const keep = Math.ceil(size / PAGE_SIZE);
    const { frames } = this.#store;
    const last = this.#frames.get(keep - 1);
    if (size % PAGE_SIZE !== 0 && last !== undefined) {
      frames.willWrite(last);
      this.#bytes(last, size % PAGE_SIZE, PAGE_SIZE - (size % PAGE_SIZE)).fill(0);
    }
    for (const mapper of this.mappers) mapper.invalidate(keep);
    for (const index of this.#frames.keys()) if (index >= keep) this.#drop(index);
  }

  /**
   * Somebody else changed the file: loaded pages are out of date. Pages that are mapped stay as they are, because a
   * program that runs from them has private pages among them.
   */
  dropUnused(): void {
    if (this.mappers.size > 0) return;
    for (const index of this.#frames.keys()) if (!this.#dirty.has(index)) this.#drop(index);
  }

  drop(): void {
    this.cut(0);
    this.#extents?.clear();
  }

  #drop(index: number): void {
    this.#store.frames.unref(this.#frames.get(index)!);
    this.#frames.delete(index);
    this.#dirty.delete(index);
  }

  #bytes(frame: number, within: number, count: number): Uint8Array {
    const start = frame * PAGE_SIZE + within;
    return this.#store.frames.u8.subarray(start, start + count);
  }

  /** Calls back for each loaded page of a range; `at` counts from the start of the range. */
  #each(
    position: number,
    length: number,
    visit: (frame: number, within: number, at: number, count: number, dirty: boolean) => void,
  ): void {
    for (let at = 0; at < length; ) {
      const within = (position + at) % PAGE_SIZE;
      const count = Math.min(PAGE_SIZE - within, length - at);
      const index = (position + at - within) / PAGE_SIZE;
      const frame = this.#frames.get(index);
      if (frame !== undefined) visit(frame, within, at, count, this.#dirty.has(index));
      at += count;
    }
  }
}
