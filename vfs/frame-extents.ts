/**
 * Which frame a page should get so that neighbours lie side by side in physical memory: extents, ranges of page numbers
 * (of an address space, of a file) with room reserved for them. One range of addresses that is contiguous on both
 * sides can be reached with one comparison and one addition.
 *
 * An extent is a wish: pages whose place is taken lie elsewhere, and nobody has to ask here. No locks.
 */
import type { FrameReservation, FrameStore } from './filesystem.js';

/** Reservations are made in multiples of so many frames. */
export const ROOM_UNIT = 64;
/** Files of so many pages are worth it; smaller ones are many, and left to chance. */
export const PLACED_FILE = 16;
/** Room is made for so many pages of a file at once, since it may be full of holes. */
const FILE_ROOM = 4096;

export interface Extent {
  /** Page numbers, end exclusive. */
  start: number;
  end: number;
  room: FrameReservation;
  /** Page `origin + i` goes into frame `room.first + i`. */
  origin: number;
  /** For whoever faults pages in: the page behind the last one, and how many came at once. */
  next: number;
  batch: number;
  /** Pages that did not get their place, since it was last tried to bring them there. */
  scattered: number;
  /** Pages could not be brought to their places when that was tried, because they are shared for the time being. */
  isStuck: boolean;
  /** Pages come into memory of their own when they are read, too. */
  isDense: boolean;
}

export class FrameExtents {
  /** Ascending, without overlap. */
  readonly list: Extent[] = [];
  readonly #store: FrameStore;
  #last: Extent | null = null;

  constructor(store: FrameStore) {
    this.#store = store;
  }

  /** The extent that holds a page, or null. */
  find(page: number): Extent | null {
    const last = this.#last;
    if (last !== null && page >= last.start && page < last.end) return last;
    const extent = this.list[this.indexFrom(page)];
    if (extent === undefined || page < extent.start) return null;
    this.#last = extent;
    return extent;
  }

  /** Position of the first extent that ends above a page. */
  indexFrom(page: number): number {
    const { list } = this;
    let low = 0;
    let high = list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (list[middle]!.end > page) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /**
   * Makes an extent around `page`, which is in none: of [low, high) what lies between the extents around it, or a part
   * of that when so much is not to be had side by side.
   * @returns null when there is no room at all
   */
  make(page: number, low: number, high: number): Extent | null {
    const at = this.indexFrom(page);
    const ceiling = this.list[at]?.start ?? Number.POSITIVE_INFINITY;
    let start = Math.max(low, this.list[at - 1]?.end ?? 0);
    let size = Math.min(high, ceiling) - start;
    let room = this.#store.reserve(size);
    while (room === null && size > ROOM_UNIT) {
      size = Math.max(ROOM_UNIT, size / 2);
      room = this.#store.reserve(size);
    }
    if (room === null) return null;
    const end = Math.min(high, ceiling);
    start += Math.floor((page - start) / room.frames) * room.frames;
    const extent = {
      start,
      end: Math.min(start + room.frames, end),
      room,
      origin: start,
      next: 0,
      batch: 1,
      scattered: 0,
      isStuck: false,
      isDense: false,
    };
    this.list.splice(at, 0, extent);
    return extent;
  }

  /**
   * Exchanges the room of an extent for one that reaches from `start` to `end`, as far as its neighbours let it and never
   * less than it has. The pages are where they were. @returns false when there is no room
   */
  enlarge(extent: Extent, start: number, end: number): boolean {
    const at = this.list.indexOf(extent);
    const from = Math.max(start, this.list[at - 1]?.end ?? 0);
    const to = Math.min(end, this.list[at + 1]?.start ?? end);
    const room = this.#store.reserve(to - from);
    if (room === null) return false;
    this.#store.release(extent.room);
    Object.assign(extent, { start: from, end: to, room, origin: from });
    return true;
  }

  /** Takes [start, end) out of the extents that reach into it from one side; it lies strictly inside of none. */
  trim(start: number, end: number): void {
    for (let at = this.indexFrom(start); ; ) {
      const extent = this.list[at];
      if (extent === undefined || extent.start >= end) return;
      if (extent.start >= start && extent.end <= end) {
        this.drop(extent);
        continue;
      }
      if (extent.start < start) extent.end = start;
      else extent.start = end;
      this.#last = null;
      at++;
    }
  }

  /** Takes an extent out and gives up its room. */
  drop(extent: Extent): void {
    this.#last = null;
    this.list.splice(this.list.indexOf(extent), 1);
    this.#store.release(extent.room);
  }

  clear(): void {
    this.#last = null;
    for (const extent of this.list) this.#store.release(extent.room);
    this.list.length = 0;
  }

  /**
   * A zeroed frame for page `index` of a file of `pages` pages.
   * @returns 0 when memory is exhausted
   */
  allocForFile(index: number, pages: number): number {
    let extent = this.find(index);
    if (extent === null) {
      const below = this.list[this.indexFrom(index) - 1];
      const low = Math.floor(index / FILE_ROOM) * FILE_ROOM;
      // A file that is being written gets longer: twice the room each time.
      const growth = below?.end === index ? 2 * (below.end - below.start) : 0;
      const high = Math.min(low + FILE_ROOM, Math.max(pages, index + 1 + growth));
      extent = this.make(index, low, high);
    }
    return extent === null ? this.#store.allocFrame() : this.#store.allocAt(extent.room, index - extent.origin);
  }
}
