/** Structures of the system call interface that more than one family writes: times, usage. Sizes in bytes. */
import type { Err } from '../../abi/errno.js';
import { EFAULT, EINVAL, fail } from '../../abi/errno.js';
import { PTE_WRITE } from '../../cpu/index.js';
import type { AddressSpace } from '../mm/address-space.js';
import { PAGE_SIZE } from '../mm/layout.js';
import { physicalAddress } from '../mm/user-memory.js';
import type { Usage } from '../process.js';

export const NANOSECONDS = 1_000_000_000;

const scratch = new Uint8Array(16);
const scratchView = new DataView(scratch.buffer);

/** Signed 64-bit little-endian. */
export function putI64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value >>> 0, true);
  view.setInt32(offset + 4, Math.floor(value / 2 ** 32), true);
}

export const getI64 = (view: DataView, offset: number): number =>
  view.getInt32(offset + 4, true) * 2 ** 32 + view.getUint32(offset, true);

/** Writes two 64-bit words: timespec, timeval, timezone-free pairs. @returns 0 or -EFAULT */
export function writePair(mm: AddressSpace, address: number, first: number, second: number): number | Err {
  if (((address | 0) & (PAGE_SIZE - 1)) <= PAGE_SIZE - scratch.length) {
    const to = physicalAddress(mm, address, PTE_WRITE);
    if (to < 0) return fail(EFAULT);
    putI64(mm.memory.view, to, first);
    putI64(mm.memory.view, to + 8, second);
    return 0;
  }
  putI64(scratchView, 0, first);
  putI64(scratchView, 8, second);
  return mm.write(address, scratch);
}

/** Writes `nanoseconds` as struct timespec. */
export const writeTimespec = (mm: AddressSpace, address: number, nanoseconds: number): number | Err =>
  writePair(mm, address, Math.floor(nanoseconds / NANOSECONDS), nanoseconds % NANOSECONDS);

/** Writes `nanoseconds` as struct timeval. */
export const writeTimeval = (mm: AddressSpace, address: number, nanoseconds: number): number | Err =>
  writePair(mm, address, Math.floor(nanoseconds / NANOSECONDS), Math.floor((nanoseconds % NANOSECONDS) / 1000));

/** Reads a duration given as struct timespec. @returns nanoseconds; -EFAULT; -EINVAL: negative or nanoseconds out of range */
export function readTimespec(mm: AddressSpace, address: number): number | Err {
  if (mm.read(address, scratch) !== 0) return fail(EFAULT);
  const seconds = getI64(scratchView, 0);
  const nanoseconds = getI64(scratchView, 8);
  if (seconds < 0 || nanoseconds < 0 || nanoseconds >= NANOSECONDS) return fail(EINVAL);
  return seconds * NANOSECONDS + nanoseconds;
}

/** Reads a duration given as struct timeval. @returns nanoseconds, -EFAULT, -EINVAL */
export function readTimeval(mm: AddressSpace, address: number): number | Err {
  if (mm.read(address, scratch) !== 0) return fail(EFAULT);
  const seconds = getI64(scratchView, 0);
  const microseconds = getI64(scratchView, 8);
  if (seconds < 0 || microseconds < 0 || microseconds >= 1_000_000) return fail(EINVAL);
  return seconds * NANOSECONDS + microseconds * 1000;
}

export const RUSAGE_SIZE = 144;

/** struct rusage: utime, stime, maxrss (KiB), ixrss, idrss, isrss, minflt, majflt, nswap, inblock, oublock, msgsnd, msgrcv, nsignals, nvcsw, nivcsw. */
export function encodeUsage(usage: Usage): Uint8Array {
  const bytes = new Uint8Array(RUSAGE_SIZE);
  const view = new DataView(bytes.buffer);
  putI64(view, 0, Math.floor(usage.utime / NANOSECONDS));
  putI64(view, 8, Math.floor((usage.utime % NANOSECONDS) / 1000));
  putI64(view, 16, Math.floor(usage.stime / NANOSECONDS));
  putI64(view, 24, Math.floor((usage.stime % NANOSECONDS) / 1000));
  putI64(view, 32, usage.maxRss * 4);
  putI64(view, 64, usage.minorFaults);
  putI64(view, 72, usage.majorFaults);
  putI64(view, 128, usage.voluntarySwitches);
  putI64(view, 136, usage.involuntarySwitches);
  return bytes;
}
