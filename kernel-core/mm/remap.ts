/** mremap(2): resize in place, move, duplicate shared pages. @source mm/mremap.c (Linux 6.18) */
import { EAGAIN, EFAULT, EINVAL, ENOMEM, type Err, fail, isErr } from '../../abi/errno.js';
import { MAP_FIXED, MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE } from '../../abi/mman.js';
import { account, isImpossible, mayExpand } from './accounting.js';
import type { AddressSpace } from './address-space.js';
import { isUserRange, MAX_MAPPINGS, PAGE_SIZE, pageCeil, pageOf, USER_END } from './layout.js';
import { mayLock, placeMapping } from './map.js';
import { movePages } from './pages.js';
import { gatherMoved, makeAreaRoom, makeRoomBehind } from './placement.js';
import { populate } from './populate.js';
import { removeRange } from './unmap.js';
import { VM_LOCKED, VM_LOCKONFAULT, Vma } from './vma.js';
import { addVma, changeVma, mergeAround } from './vma-ops.js';

export function remapRange(
  space: AddressSpace,
  address: number,
  oldLength: number,
  newLength: number,
  flags: number,
  newAddress: number,
): number | Err {
  if ((flags & ~(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP)) !== 0) return fail(EINVAL);
  if (address % PAGE_SIZE !== 0 || newLength <= 0 || newLength > USER_END) return fail(EINVAL);
  const newSize = pageCeil(newLength);
  const rounded = pageCeil(oldLength);
  const oldSize = rounded < 0 ? Number.POSITIVE_INFINITY : rounded;
  const moves = (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0;
  if (moves) {
    if (newAddress < 0 || newAddress > USER_END - newSize || newAddress % PAGE_SIZE !== 0) return fail(EINVAL);
    if ((flags & MREMAP_MAYMOVE) === 0) return fail(EINVAL);
    if ((flags & MREMAP_DONTUNMAP) !== 0 && oldSize !== newSize) return fail(EINVAL);
    const oldEnd = asUnsigned(address + rounded); // a huge length wraps around
    if (oldEnd > newAddress && newAddress + newSize > asUnsigned(address)) return fail(EINVAL);
    if (space.areas.count + 2 >= MAX_MAPPINGS - 3) return fail(ENOMEM);
  }
  if ((flags & MREMAP_FIXED) !== 0 && oldSize === newSize) return moveMany(space, address, oldSize, flags, newAddress);
  if (moves) return moveOne(space, address, oldSize, newSize, flags, newAddress);
  return resize(space, address, oldSize, newSize, flags);
}

const asUnsigned = (value: number): number => (value < 0 ? value + 2 ** 64 : value);

/** Checks for everything but shrinking in place. */
function checkSource(space: AddressSpace, vma: Vma, address: number, oldSize: number, newSize: number): number | Err {
  if (oldSize === 0 && !vma.isShared) return fail(EINVAL);
  if (oldSize > vma.end - address) return fail(EFAULT);
  if (newSize <= oldSize) return 0;
  const pages = (newSize - oldSize) / PAGE_SIZE;
  if ((vma.flags & VM_LOCKED) !== 0 && !mayLock(space, pages)) return fail(EAGAIN);
  return mayExpand(space, vma.prot, vma.flags, pages) ? 0 : fail(ENOMEM);
}

function resize(space: AddressSpace, address: number, oldSize: number, newSize: number, flags: number): number | Err {
  const vma = space.areas.at(address);
  if (vma === null) return fail(EFAULT);
  if (newSize === oldSize) return address;
  if (newSize < oldSize) {
    if (!isUserRange(address, oldSize)) return fail(EINVAL);
    removeRange(space, address + newSize, address + oldSize);
    return address;
  }
  const bad = checkSource(space, vma, address, oldSize, newSize);
  if (bad !== 0) return bad;
  const extra = newSize - oldSize;
  const isFree = isUserRange(vma.end, extra) && space.areas.overlapping(vma.end, vma.end + extra) === undefined;
  if (oldSize === vma.end - address && isFree) return extend(space, vma, address, extra);
  if ((flags & MREMAP_MAYMOVE) === 0) return fail(ENOMEM);
  const target = placeMapping(space, 0, newSize, 0);
  return isErr(target) ? target : move(space, vma, address, oldSize, newSize, false, target);
}

function extend(space: AddressSpace, vma: Vma, address: number, extra: number): number | Err {
  if (vma.isAccountable && isImpossible(space, extra / PAGE_SIZE)) return fail(ENOMEM);
  const from = vma.end;
  account(space, vma, extra / PAGE_SIZE);
  vma.end += extra;
  const { flags } = vma;
  makeRoomBehind(space, mergeAround(space, vma), from, from + extra);
  if ((flags & (VM_LOCKED | VM_LOCKONFAULT)) === VM_LOCKED) populate(space, from, from + extra);
  return address;
}

/** MREMAP_FIXED without a change of size may span mappings and the gaps between them, but must start in one. */
function moveMany(space: AddressSpace, address: number, size: number, flags: number, target: number): number | Err {
  const end = address + size;
  if (!(end <= USER_END)) return fail(EFAULT);
  const first = space.areas.at(address);
  if (first === null) return fail(EFAULT);
  let at = address;
  while (at < end) {
    const vma = space.areas.overlapping(at, end);
    if (vma === undefined) break;
    const from = Math.max(at, vma.start);
    const to = Math.min(end, vma.end);
    const moved = moveOne(space, from, to - from, to - from, flags, target + (from - address));
    if (isErr(moved)) return moved;
    at = to;
  }
  return target;
}

/** Moves to a given address (MREMAP_FIXED), or to a free one near it (MREMAP_DONTUNMAP alone). */
function moveOne(
  space: AddressSpace,
  address: number,
  oldSize: number,
  newSize: number,
  flags: number,
  wanted: number,
): number | Err {
  let vma = space.areas.at(address);
  if (vma === null) return fail(EFAULT);
  const size = Math.min(oldSize, newSize);
  const bad = checkSource(space, vma, address, size, newSize);
  if (bad !== 0) return bad;
  const isFixed = (flags & MREMAP_FIXED) !== 0;
  if (isFixed) removeRange(space, wanted, wanted + newSize);
  vma = space.areas.at(address);
  if (vma === null) return fail(EFAULT);
  if (newSize < oldSize) {
    if (!isUserRange(address, oldSize)) return fail(EINVAL);
    removeRange(space, address + newSize, address + oldSize);
  }
  const keepsOld = (flags & MREMAP_DONTUNMAP) !== 0;
  if (keepsOld && !mayExpand(space, vma.prot, vma.flags, size / PAGE_SIZE)) return fail(ENOMEM);
  const target = placeMapping(space, wanted, newSize, isFixed ? MAP_FIXED : 0);
  return isErr(target) ? target : move(space, vma, address, size, newSize, keepsOld, target);
}

/** The move itself; `target` is free. `oldSize` 0 makes a second mapping of the same shared pages. */
function move(
  space: AddressSpace,
  vma: Vma,
  address: number,
  oldSize: number,
  newSize: number,
  keepsOld: boolean,
  target: number,
): number | Err {
  const charged = keepsOld ? newSize : newSize - oldSize;
  if (vma.isAccountable && isImpossible(space, charged / PAGE_SIZE)) return fail(ENOMEM);
  if (space.areas.count + 3 > MAX_MAPPINGS) return fail(ENOMEM);
  const index = vma.cache === null ? 0 : vma.cacheIndex(address);
  const copy = new Vma(target, target + newSize, vma.prot, vma.flags, vma, index);
  movePages(space, address, oldSize, target);
  // What stays is empty, and Linux takes the lock off the whole mapping.
  if (keepsOld) changeVma(space, vma, vma.prot, vma.flags & ~(VM_LOCKED | VM_LOCKONFAULT));
  else if (oldSize > 0) removeRange(space, address, address + oldSize);
  const joined = addVma(space, copy);
  makeAreaRoom(space, joined, target, target + newSize);
  gatherMoved(space, joined, pageOf(target), pageOf(target + Math.min(oldSize, newSize)));
  if ((copy.flags & (VM_LOCKED | VM_LOCKONFAULT)) === VM_LOCKED && newSize > oldSize) {
    populate(space, target + oldSize, target + newSize);
  }
  return target;
}
