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

/** A cursor over the ranges `starts[i]`, `lengths[i]` bytes each. */
class UserIter implements IoIter {
  remaining: number;
  #space: AddressSpace;
  #starts: readonly number[];
  #lengths: readonly number[];
  /** Range under the cursor, and bytes of it that lie behind. */
  #range = 0;
  #done = 0;

  constructor(space: AddressSpace, starts: readonly number[], lengths: readonly number[], total: number) {
    this.#space = space;
    this.#starts = starts;
    this.#lengths = lengths;
    this.remaining = total;
  }

  put(source: Uint8Array, start: number, end: number): number | Err {
    const { memory } = this.#space;
    // A fault can make guest memory grow, which detaches every old view of it: then only the offset is of use.
    const isGuest = source.buffer === memory.u8.buffer;
    const base = source.byteOffset;
    const total = Math.min(end - start, this.remaining);
    let moved = 0;
    while (moved < total) {
      const to = this.#locate(PTE_WRITE);
      if (to < 0) break;
      const count = Math.min(total - moved, this.#run(to));
      const from = start + moved;
      if (isGuest) memory.u8.copyWithin(to, base + from, base + from + count);
      else if (count === source.length) memory.u8.set(source, to);
      else memory.u8.set(source.subarray(from, from + count), to);
      this.#advance(count);
      moved += count;
    }
    return moved === 0 && total > 0 ? fail(EFAULT) : moved;
  }

  take(target: Uint8Array, start: number, end: number): number | Err {
    const { memory } = this.#space;
    const isGuest = target.buffer === memory.u8.buffer;
    const base = target.byteOffset;
    const total = Math.min(end - start, this.remaining);
    let moved = 0;
    while (moved < total) {
      const from = this.#locate(PTE_READ);
      if (from < 0) break;
      const count = Math.min(total - moved, this.#run(from));
      const { u8 } = memory;
      if (isGuest) u8.copyWithin(base + start + moved, from, from + count);
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
        this.#done = this.#lengths[--this.#range]!;
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
    while (this.#done === this.#lengths[this.#range]) {
      this.#range++;
      this.#done = 0;
    }
    return physicalAddress(this.#space, this.#starts[this.#range]! + this.#done, access);
  }

  /** Bytes that can be moved in one go from a physical address. */
  #run(physical: number): number {
    return Math.min(PAGE_SIZE - (physical % PAGE_SIZE), this.#lengths[this.#range]! - this.#done);
  }

  #advance(count: number): void {
    this.#done += count;
    this.remaining -= count;
  }
}

export function makeIter(space: AddressSpace, address: number, length: number): IoIter | Err {
  if (!isUserRange(address, length)) return fail(EFAULT);
  const count = Math.min(length, MAX_RW_COUNT);
  return new UserIter(space, [address], [count], count);
}

export function makeIovIter(space: AddressSpace, array: number, count: number): IoIter | Err {
  if (count < 0 || count > UIO_MAXIOV) return fail(EINVAL);
  const starts: number[] = [];
  const lengths: number[] = [];
  for (let i = 0; i < count; i++) {
    const base = space.readU64(array + i * IOVEC_SIZE);
    const length = space.readU64(array + i * IOVEC_SIZE + 8);
    if (Number.isNaN(base) || Number.isNaN(length)) return fail(EFAULT);
    starts.push(base);
    lengths.push(length);
  }
  if (lengths.some((length) => length < 0)) return fail(EINVAL);
  let total = 0;
  for (let i = 0; i < count; i++) {
    if (!isUserRange(starts[i]!, lengths[i]!)) return fail(EFAULT);
    lengths[i] = Math.min(lengths[i]!, MAX_RW_COUNT - total);
    total += lengths[i]!;
  }
  return new UserIter(space, starts, lengths, total);
}
