/**
 * System calls' access to guest memory: every page is looked up with the right that the access needs, faulted in
 * if need be, and refused with -EFAULT where the guest itself would get a signal.
 */
import { EFAULT, ENAMETOOLONG, type Err, fail } from '../../abi/errno.js';
import { PTE_READ, PTE_WRITE } from '../../cpu/index.js';
import type { AddressSpace } from './address-space.js';
import { FAULT_OOM, faultPage } from './fault.js';
import { PAGE_SIZE } from './layout.js';

const FRAME_SHIFT = 3;
/** Upper half of the highest address of user space. */
const LAST_HIGH = 0x7fff;
const PAGE_MASK = PAGE_SIZE - 1;
/** Works on any Uint8Array. */
const { latin1Slice } = Buffer.prototype;
/** Below this many bytes a loop beats a typed-array copy. */
const SMALL = 24;

/**
 * Physical address behind `address`, with the right `access`; valid for the rest of its page, until the next fault.
 * @returns -1 when the guest may not do that
 */
export function physicalAddress(space: AddressSpace, address: number, access: number): number {
  // By halves: `%` on addresses, which are doubles, is slow.
  const low = address | 0;
  const high = Math.floor(address / 2 ** 32);
  if (high < 0 || high > LAST_HIGH) return -1;
  const offset = low & PAGE_MASK;
  let entry = space.pageTable.entryAt(low, high);
  if ((entry & access) === 0) {
    const failed = faultPage(space, address, access);
    if (failed !== 0) {
      if (failed === FAULT_OOM) space.outOfMemory = true;
      return -1;
    }
    entry = space.pageTable.entryAt(low, high);
  }
  const frame = entry >>> FRAME_SHIFT;
  if (access === PTE_WRITE) space.memory.willWrite(frame);
  return frame * PAGE_SIZE + offset;
}

export function readUser(space: AddressSpace, address: number, target: Uint8Array): number | Err {
  const { memory } = space;
  const { length } = target;
  for (let done = 0; done < length; ) {
    const from = physicalAddress(space, address + done, PTE_READ);
    if (from < 0) return fail(EFAULT);
    const count = Math.min(length - done, PAGE_SIZE - (from & PAGE_MASK));
    const { u8 } = memory;
    if (count <= SMALL) for (let i = 0; i < count; i++) target[done + i] = u8[from + i]!;
    else target.set(u8.subarray(from, from + count), done);
    done += count;
  }
  return 0;
}

export function writeUser(space: AddressSpace, address: number, source: Uint8Array): number | Err {
  const { memory } = space;
  const { length } = source;
  for (let done = 0; done < length; ) {
    const to = physicalAddress(space, address + done, PTE_WRITE);
    if (to < 0) return fail(EFAULT);
    const count = Math.min(length - done, PAGE_SIZE - (to & PAGE_MASK));
    const { u8 } = memory;
    if (count <= SMALL) for (let i = 0; i < count; i++) u8[to + i] = source[done + i]!;
    else u8.set(source.subarray(done, done + count), to);
    done += count;
  }
  return 0;
}

const isInPage = (address: number, size: number): boolean => ((address | 0) & PAGE_MASK) + size <= PAGE_SIZE;

/** @param size 1, 2 or 4 bytes @returns the unsigned value or -EFAULT */
export function readScalar(space: AddressSpace, address: number, size: number): number | Err {
  if (!isInPage(address, size)) return readSplit(space, address, size);
  const from = physicalAddress(space, address, PTE_READ);
  if (from < 0) return fail(EFAULT);
  const { view } = space.memory;
  if (size === 4) return view.getUint32(from, true);
  return size === 1 ? view.getUint8(from) : view.getUint16(from, true);
}

/** A value that crosses a page boundary. */
function readSplit(space: AddressSpace, address: number, size: number): number | Err {
  let value = 0;
  for (let i = size - 1; i >= 0; i--) {
    const from = physicalAddress(space, address + i, PTE_READ);
    if (from < 0) return fail(EFAULT);
    value = value * 256 + space.memory.u8[from]!;
  }
  return value;
}

export function readSigned32(space: AddressSpace, address: number): number {
  const value = readScalar(space, address, 4);
  return value < 0 ? Number.NaN : value | 0;
}

export function readSigned64(space: AddressSpace, address: number): number {
  if (isInPage(address, 8)) {
    const from = physicalAddress(space, address, PTE_READ);
    if (from < 0) return Number.NaN;
    const { view } = space.memory;
    return view.getInt32(from + 4, true) * 2 ** 32 + view.getUint32(from, true);
  }
  const low = readScalar(space, address, 4);
  if (low < 0) return Number.NaN;
  const high = readScalar(space, address + 4, 4);
  return high < 0 ? Number.NaN : (high | 0) * 2 ** 32 + low;
}

/** @param size 1, 2, 4 or 8 bytes */
export function writeScalar(space: AddressSpace, address: number, size: number, value: number): number | Err {
  if (size === 8 && isInPage(address, 8)) {
    const to = physicalAddress(space, address, PTE_WRITE);
    if (to < 0) return fail(EFAULT);
    const { view } = space.memory;
    view.setUint32(to, value % 2 ** 32, true);
    view.setInt32(to + 4, Math.floor(value / 2 ** 32), true);
    return 0;
  }
  if (size === 8) {
    const low = (value % 2 ** 32) >>> 0;
    // Whole or not at all: the upper half is probed before the lower one is written.
    if (physicalAddress(space, address + 7, PTE_WRITE) < 0) return fail(EFAULT);
    const failed = writeScalar(space, address, 4, low);
    return failed !== 0 ? failed : writeScalar(space, address + 4, 4, Math.floor(value / 2 ** 32));
  }
  if (!isInPage(address, size)) return writeSplit(space, address, size, value);
  const to = physicalAddress(space, address, PTE_WRITE);
  if (to < 0) return fail(EFAULT);
  const { view } = space.memory;
  if (size === 4) view.setUint32(to, value, true);
  else if (size === 1) view.setUint8(to, value);
  else view.setUint16(to, value, true);
  return 0;
}

function writeSplit(space: AddressSpace, address: number, size: number, value: number): number | Err {
  if (physicalAddress(space, address + size - 1, PTE_WRITE) < 0) return fail(EFAULT);
  for (let i = 0; i < size; i++) {
    const to = physicalAddress(space, address + i, PTE_WRITE);
    if (to < 0) return fail(EFAULT);
    space.memory.u8[to] = value >>> (8 * i);
  }
  return 0;
}

export function readCString(space: AddressSpace, address: number, max: number): string | Err {
  let text = '';
  for (let done = 0; done < max; ) {
    const from = physicalAddress(space, address + done, PTE_READ);
    if (from < 0) return fail(EFAULT);
    const count = Math.min(max - done, PAGE_SIZE - (from % PAGE_SIZE));
    const { u8 } = space.memory;
    const end = from + count;
    let zero = from;
    while (zero < end && u8[zero] !== 0) zero++;
    text += latin1Slice.call(u8, from, zero);
    if (zero < end) return text;
    done += count;
  }
  return fail(ENAMETOOLONG);
}
