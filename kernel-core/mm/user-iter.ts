/**
 * Buffers of the guest as `IoIter`: a cursor over one or more ranges of its memory. Pages are faulted in one by one
 * as the cursor reaches them, so that a transfer that meets a bad page is short, and -EFAULT only when nothing
 * could be moved. Copies between pages of guest memory stay inside it.
 */
import { EFAULT, EINVAL, type Err, fail } from '../../abi/errno.js';
import { PTE_READ, PTE_WRITE } from '../../cpu/index.js';
import type { IoIter } from '../../vfs/iter.js';
import type { AddressSpace } from './address-space.js';
import { isUserRange, PAGE_SIZE } from './layout.js';
import { physicalAddress } from './user-memory.js';

/** Most bytes that one read or write moves. @source linux/fs.h MAX_RW_COUNT */
export const MAX_RW_COUNT = 0x7ffff000;
/** @source uapi/linux/uio.h */
const UIO_MAXIOV = 1024;
const IOVEC_SIZE = 16;

/** Up to this many bytes a loop beats a typed-array copy. */
const SMALL = 24;

/** Ranges of an iovec: `starts[i]`, `lengths[i]` bytes each. */
interface Ranges {
  starts: readonly number[];
  lengths: readonly number[];
}

const NO_RANGES: Ranges = { starts: [], lengths: [] };

/** A cursor over one range of guest memory, or over many. */
class UserIter implements IoIter {
  remaining: number;
  #space: AddressSpace;
  #ranges: Ranges;
  /** Number of the range under the cursor, where it starts, its length, and bytes of it that lie behind. */
  #range = 0;
  #start: number;
  #length: number;
  #done = 0;

  /** @param ranges all of them, when there are more than the first */
  constructor(space: AddressSpace, start: number, length: number, ranges: Ranges, total: number) {
    this.#space = space;
    this.#start = start;
    this.#length = length;
    this.#ranges = ranges;
    this.remaining = total;
  }

  put(source: Uint8Array, start: number, end: number): number | Err {
    const { memory } = this.#space;
    // A fault can make guest memory grow, which detaches every old view of it: then only the offset is of use.
    const isWhole = source === memory.u8;
    const isGuest = isWhole || source.buffer === memory.u8.buffer;
    const base = isWhole ? 0 : source.byteOffset;
    const total = Math.min(end - start, this.remaining);
    let moved = 0;
    while (moved < total) {
      const to = this.#locate(PTE_WRITE);
      if (to < 0) break;
      const count = Math.min(total - moved, this.#run(to));
      const from = start + moved;
      if (isGuest) copyGuest(memory.u8, base + from, to, count);
      else if (count === source.length) memory.u8.set(source, to);
      else memory.u8.set(source.subarray(from, from + count), to);
      this.#advance(count);
      moved += count;
    }
    return moved === 0 && total > 0 ? fail(EFAULT) : moved;
  }

  take(target: Uint8Array, start: number, end: number): number | Err {
    const { memory } = this.#space;
    const isWhole = target === memory.u8;
    const isGuest = isWhole || target.buffer === memory.u8.buffer;
    const base = isWhole ? 0 : target.byteOffset;
    const total = Math.min(end - start, this.remaining);
    let moved = 0;
    while (moved < total) {
      const from = this.#locate(PTE_READ);
      if (from < 0) break;
      const count = Math.min(total - moved, this.#run(from));
      const { u8 } = memory;
      if (isGuest) copyGuest(u8, from, base + start + moved, count);
      else target.set(u8.subarray(from, from + count), start + moved);
      this.#advance(count);
      moved += count;
    }
    return moved === 0 && total > 0 ? fail(EFAULT) : moved;
  }

  zero(wanted: number): number | Err {
    const total = Math.min(wanted, this.remaining);
    let moved = 0;
    while (moved < total) {
      const to = this.#locate(PTE_WRITE);
      if (to < 0) break;
      const count = Math.min(total - moved, this.#run(to));
      this.#space.memory.u8.fill(0, to, to + count);
      this.#advance(count);
      moved += count;
    }
    return moved === 0 && total > 0 ? fail(EFAULT) : moved;
  }

  rewind(wanted: number): void {
    let count = wanted;
    while (count > 0) {
      if (this.#done === 0) {
        if (this.#range === 0) return;
        this.#goTo(this.#range - 1);
        this.#done = this.#length;
        continue;
      }
      const step = Math.min(count, this.#done);
      this.#done -= step;
      this.remaining += step;
      count -= step;
    }
  }

  /** Physical address under the cursor, or -1. Only with `remaining` above 0. */
  #locate(access: number): number {
    while (this.#done === this.#length) this.#goTo(this.#range + 1);
    return physicalAddress(this.#space, this.#start + this.#done, access);
  }

  /** Bytes that can be moved in one go from a physical address. */
  #run(physical: number): number {
    return Math.min(PAGE_SIZE - (physical & (PAGE_SIZE - 1)), this.#length - this.#done);
  }

  /** To the start of a range. */
  #goTo(range: number): void {
    this.#range = range;
    this.#start = this.#ranges.starts[range]!;
    this.#length = this.#ranges.lengths[range]!;
    this.#done = 0;
  }

  #advance(count: number): void {
    this.#done += count;
    this.remaining -= count;
  }
}

export function makeIter(space: AddressSpace, address: number, length: number): IoIter | Err {
  if (!isUserRange(address, length)) return fail(EFAULT);
  const count = Math.min(length, MAX_RW_COUNT);
  return new UserIter(space, address, count, NO_RANGES, count);
}

export function makeIovIter(space: AddressSpace, array: number, count: number): IoIter | Err {
  if (count < 0 || count > UIO_MAXIOV) return fail(EINVAL);
  const starts: number[] = [];
  const lengths: number[] = [];
  for (let i = 0; i < count; i++) {
    const base = space.readU64(array + i * IOVEC_SIZE);
    const length = space.readU64(array + i * IOVEC_SIZE + 8);
    if (Number.isNaN(base) || Number.isNaN(length)) return fail(EFAULT);
    // Told before what is wrong behind it.
    if (length < 0) return fail(EINVAL);
    starts.push(base);
    lengths.push(length);
  }
  // Of a single one only what can be moved is looked at. @source Linux lib/iov_iter.c __import_iovec_ubuf
  if (count === 1) return makeIter(space, starts[0]!, Math.min(lengths[0]!, MAX_RW_COUNT));
  let total = 0;
  for (let i = 0; i < count; i++) {
    if (!isUserRange(starts[i]!, lengths[i]!)) return fail(EFAULT);
    lengths[i] = Math.min(lengths[i]!, MAX_RW_COUNT - total);
    total += lengths[i]!;
  }
  return new UserIter(space, starts[0] ?? 0, lengths[0] ?? 0, { starts, lengths }, total);
}

function copyGuest(u8: Uint8Array, from: number, to: number, count: number): void {
  if (count > SMALL) u8.copyWithin(to, from, from + count);
  else for (let i = 0; i < count; i++) u8[to + i] = u8[from + i]!;
}
