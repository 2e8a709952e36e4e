/** mlock(2), mlock2(2), munlock(2), mlockall(2). Pages never leave memory here: locking makes them present and counts them. @source mm/mlock.c */
import { EAGAIN, EINVAL, ENOMEM, EPERM, type Err, fail } from '../../abi/errno.js';
import { MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT, MLOCK_ONFAULT } from '../../abi/mman.js';
import { RLIMIT_MEMLOCK } from '../../abi/resource.js';
import type { AddressSpace } from './address-space.js';
import { FAULT_OOM } from './fault.js';
import { MAX_MAPPINGS, PAGE_SIZE, pageCeil, pageFloor, USER_END, wrapsAround } from './layout.js';
import { populate } from './populate.js';
import { VM_LOCKED, VM_LOCKONFAULT } from './vma.js';
import { changeVma, cutsNeeded, isolate, mergeRange } from './vma-ops.js';

const LOCK_FLAGS = VM_LOCKED | VM_LOCKONFAULT;

export function lockRange(space: AddressSpace, address: number, length: number, flags: number): number | Err {
  if ((flags & ~MLOCK_ONFAULT) !== 0) return fail(EINVAL);
  const limit = space.limits.limit(RLIMIT_MEMLOCK);
  if (limit === 0) return fail(EPERM);
  const start = pageFloor(address);
  const size = pageCeil(length + (address - start));
  const already = (space.figures.locked - lockedIn(space, start, start + size)) * PAGE_SIZE;
  if (size < 0 || already + size > limit) return fail(ENOMEM);
  const wanted = flags & MLOCK_ONFAULT ? LOCK_FLAGS : VM_LOCKED;
  const result = setLock(space, start, start + size, wanted);
  if (result !== 0 || size === 0 || wanted === LOCK_FLAGS) return result;
  return populateLocked(space, start, start + size);
}

export function unlockRange(space: AddressSpace, address: number, length: number): number | Err {
  const start = pageFloor(address);
  return setLock(space, start, start + pageCeil(length + (address - start)), 0);
}

export function lockAll(space: AddressSpace, flags: number): number | Err {
  if (flags === 0 || flags === MCL_ONFAULT || (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) !== 0) {
    return fail(EINVAL);
  }
  const limit = space.limits.limit(RLIMIT_MEMLOCK);
  if (limit === 0) return fail(EPERM);
  if ((flags & MCL_CURRENT) !== 0 && space.figures.total * PAGE_SIZE > limit) return fail(ENOMEM);
  const wanted = flags & MCL_ONFAULT ? LOCK_FLAGS : VM_LOCKED;
  space.futureFlags = flags & MCL_FUTURE ? wanted : 0;
  if ((flags & MCL_CURRENT) === 0) return 0;
  for (const vma of space.areas.list) changeVma(space, vma, vma.prot, (vma.flags & ~LOCK_FLAGS) | wanted);
  mergeRange(space, 0, USER_END);
  if (wanted === VM_LOCKED) populate(space, 0, USER_END); // failures are passed over, as on Linux
  return 0;
}

export function unlockAll(space: AddressSpace): number {
  space.futureFlags = 0;
  for (const vma of space.areas.list) changeVma(space, vma, vma.prot, vma.flags & ~LOCK_FLAGS);
  mergeRange(space, 0, USER_END);
  return 0;
}

function lockedIn(space: AddressSpace, start: number, end: number): number {
  let bytes = 0;
  for (const vma of space.areas.list) {
    if (vma.start >= end || vma.end <= start || (vma.flags & VM_LOCKED) === 0) continue;
    bytes += Math.min(end, vma.end) - Math.max(start, vma.start);
  }
  return bytes / PAGE_SIZE;
}

/** Gives [start, end) the lock flags `wanted`, up to the first hole. */
function setLock(space: AddressSpace, start: number, end: number, wanted: number): number | Err {
  if (start === end) return 0;
  if (wrapsAround(start, end - start) || end < start) return fail(EINVAL);
  if (start < 0) return fail(ENOMEM);
  const { areas } = space;
  if (areas.count + cutsNeeded(space, start, end) > MAX_MAPPINGS || areas.at(start) === null) return fail(ENOMEM);
  let at = start;
  for (let i = isolate(space, start, end); at < end; i++) {
    const vma = areas.list[i];
    if (vma === undefined || vma.start !== at) break;
    changeVma(space, vma, vma.prot, (vma.flags & ~LOCK_FLAGS) | wanted);
    at = vma.end;
  }
  mergeRange(space, start, end);
  return at < end ? fail(ENOMEM) : 0;
}

/** Unlike `populate` for mmap it fails on what cannot be touched. */
function populateLocked(space: AddressSpace, start: number, end: number): number | Err {
  const { areas } = space;
  for (let i = areas.indexFrom(start); i < areas.count && areas.list[i]!.start < end; i++) {
    if (areas.list[i]!.prot === 0) return fail(ENOMEM);
  }
  const failed = populate(space, start, end);
  if (failed === 0) return 0;
  return fail(failed === FAULT_OOM ? EAGAIN : ENOMEM);
}
