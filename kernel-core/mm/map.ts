/** mmap(2): checks in Linux's order, placement, the new mapping. @source mm/mmap.c do_mmap, arch/x86/kernel/sys_x86_64.c */
import {
  EACCES,
  EAGAIN,
  EEXIST,
  EINVAL,
  ENODEV,
  ENOMEM,
  EOPNOTSUPP,
  EOVERFLOW,
  EPERM,
  type Err,
  fail,
  isErr,
} from '../../abi/errno.js';
import {
  MAP_32BIT,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_GROWSDOWN,
  MAP_HUGETLB,
  MAP_LOCKED,
  MAP_NONBLOCK,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_SHARED_VALIDATE,
  MAP_TYPE,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
} from '../../abi/mman.js';
import { MS_NOEXEC } from '../../abi/mount.js';
import { RLIMIT_MEMLOCK } from '../../abi/resource.js';
import { S_IFCHR, S_IFMT } from '../../abi/stat.js';
import type { Caller } from '../../vfs/caller.js';
import type { OpenFile } from '../../vfs/file.js';
import type { MappingRequest, PageCache } from '../../vfs/page-cache.js';
import { isImpossible, mayExpand } from './accounting.js';
import type { AddressSpace } from './address-space.js';
import {
  BOTTOM_UP_BASE,
  LOW_WINDOW_END,
  LOW_WINDOW_START,
  MAX_MAPPINGS,
  PAGE_SIZE,
  pageCeil,
  pageFloor,
  USER_END,
  USER_START,
} from './layout.js';
import { gatherScattered, makeAreaRoom } from './placement.js';
import { populate } from './populate.js';
import { SharedMemory } from './shared-memory.js';
import { removeRange } from './unmap.js';
import {
  ANONYMOUS,
  type Backing,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_LOCKONFAULT,
  VM_MAY_ANY,
  VM_MAYEXEC,
  VM_MAYWRITE,
  VM_NORESERVE,
  VM_SHARED,
  Vma,
} from './vma.js';
import { addVma } from './vma-ops.js';

export const PROT_ANY = PROT_READ | PROT_WRITE | PROT_EXEC;
/** Flags that MAP_SHARED_VALIDATE accepts: those that existed before it. */
const LEGACY_FLAGS =
  MAP_SHARED |
  MAP_PRIVATE |
  MAP_FIXED |
  MAP_ANONYMOUS |
  MAP_32BIT |
  MAP_GROWSDOWN |
  0x800 /* MAP_DENYWRITE */ |
  0x1000 /* MAP_EXECUTABLE */ |
  MAP_LOCKED |
  MAP_NORESERVE |
  MAP_POPULATE |
  MAP_NONBLOCK |
  0x20000 /* MAP_STACK */ |
  MAP_HUGETLB;
/** /dev/zero: mapping it is mapping anonymous memory. */
const ZERO_DEVICE = 0x105;
const MAX_FILE_BYTES = 2 ** 63;

/** What is to be mapped. */
export interface MappingSource {
  /** Null: memory of no file. */
  readonly file: OpenFile | null;
  /** Bytes, whole pages. */
  readonly offset: number;
  /** Who waits if a driver has to be asked; undefined: nobody can. */
  readonly caller?: Caller | undefined;
  /** What the file has answered already. */
  readonly cache?: PageCache | undefined;
}

/** What a file is asked for. @param length, protection, flags, offset of mmap(2) */
export const mappingRequest = (length: number, protection: number, flags: number, offset: number): MappingRequest => ({
  offset,
  length: pageCeil(length),
  protection: protection & PROT_ANY,
  shared: (flags & MAP_TYPE) !== MAP_PRIVATE,
});

/** @returns the address, SUSPENDED, -EINVAL … */
export function mapRange(
  space: AddressSpace,
  hint: number,
  length: number,
  protection: number,
  flags: number,
  source: MappingSource,
): number | Err {
  const { file, offset } = source;
  if (offset % PAGE_SIZE !== 0) return fail(EINVAL);
  const anonymous = (flags & MAP_ANONYMOUS) !== 0;
  if ((flags & MAP_HUGETLB) !== 0) return fail(anonymous ? ENOMEM : EINVAL); // no huge pages are set aside
  if (length === 0) return fail(EINVAL);
  if (length < 0 || length > USER_END) return fail(ENOMEM);
  const size = pageCeil(length);
  if (space.areas.count > MAX_MAPPINGS) return fail(ENOMEM);
  const start = placeMapping(space, hint, size, flags);
  if (isErr(start)) return start;
  if ((flags & MAP_FIXED_NOREPLACE) !== 0 && space.areas.overlapping(start, start + size) !== undefined) {
    return fail(EEXIST);
  }
  const prot = protection & PROT_ANY;
  let vmFlags = space.futureFlags | VM_MAY_ANY;
  if ((flags & MAP_LOCKED) !== 0) {
    if (space.limits.limit(RLIMIT_MEMLOCK) === 0) return fail(EPERM);
    vmFlags |= VM_LOCKED;
  }
  if ((vmFlags & VM_LOCKED) !== 0 && !mayLock(space, size / PAGE_SIZE)) return fail(EAGAIN);
  if ((flags & MAP_GROWSDOWN) !== 0) vmFlags |= VM_GROWSDOWN;
  if ((flags & MAP_NORESERVE) !== 0) vmFlags |= VM_NORESERVE;
  const checked = anonymous ? anonymousFlags(flags, vmFlags) : fileFlags(file!, size, offset, prot, flags, vmFlags);
  if (isErr(checked)) return checked;
  const backing = anonymous
    ? anonymousBacking(space, checked, size)
    : fileBacking(space, file!, checked, mappingRequest(length, protection, flags, offset), source);
  if (isErr(backing)) return backing;
  const result = placeVma(space, new Vma(start, start + size, prot, checked, backing, indexOf(backing, offset)));
  if (backing.shared !== null) backing.shared.unref(); // the mapping has its own reference now
  if (isErr(result)) return result;
  if (
    (flags & (MAP_POPULATE | MAP_NONBLOCK)) === MAP_POPULATE ||
    (checked & (VM_LOCKED | VM_LOCKONFAULT)) === VM_LOCKED
  ) {
    populate(space, start, start + size);
  }
  return start;
}

const indexOf = (backing: Backing, offset: number): number =>
  backing.cache === null || backing.shared !== null ? 0 : offset / PAGE_SIZE;

export const mayLock = (space: AddressSpace, pages: number): boolean =>
  (space.figures.locked + pages) * PAGE_SIZE <= space.limits.limit(RLIMIT_MEMLOCK);

/** Puts the mapping where it wants to be, over whatever is there. */
function placeVma(space: AddressSpace, vma: Vma): number | Err {
  const { pages } = vma;
  if (!mayExpand(space, vma.prot, vma.flags, pages - mappedPages(space, vma.start, vma.end))) return fail(ENOMEM);
  if (isImpossible(space, pages) && (vma.isAccountable || (vma.shared !== null && (vma.flags & VM_NORESERVE) === 0))) {
    return fail(ENOMEM);
  }
  removeRange(space, vma.start, vma.end);
  const { start, end } = vma; // before it is joined to others
  makeAreaRoom(space, addVma(space, vma), start, end);
  gatherScattered(space, false);
  return 0;
}

/** Pages of [start, end) that are mapped. */
export function mappedPages(space: AddressSpace, start: number, end: number): number {
  const { list } = space.areas;
  let bytes = 0;
  for (let i = space.areas.indexFrom(start); i < list.length && list[i]!.start < end; i++) {
    bytes += Math.min(end, list[i]!.end) - Math.max(start, list[i]!.start);
  }
  return bytes / PAGE_SIZE;
}

function anonymousFlags(flags: number, vmFlags: number): number | Err {
  switch (flags & MAP_TYPE) {
    case MAP_SHARED:
      return vmFlags & VM_GROWSDOWN ? fail(EINVAL) : vmFlags | VM_SHARED;
    case MAP_PRIVATE:
      return vmFlags;
    default:
      return fail(EINVAL);
  }
}

function fileFlags(
  file: OpenFile,
  size: number,
  offset: number,
  prot: number,
  flags: number,
  vmFlags: number,
): number | Err {
  if (offset < 0 || offset + size > MAX_FILE_BYTES) return fail(EOVERFLOW);
  const type = flags & MAP_TYPE;
  if (type !== MAP_SHARED && type !== MAP_SHARED_VALIDATE && type !== MAP_PRIVATE) return fail(EINVAL);
  let allowed = vmFlags;
  if (type !== MAP_PRIVATE) {
    if (type === MAP_SHARED_VALIDATE && (flags & ~(LEGACY_FLAGS | MAP_TYPE)) !== 0) {
      return fail(EOPNOTSUPP);
    }
    if ((prot & PROT_WRITE) !== 0 && !file.writable) return fail(EACCES);
    allowed |= VM_SHARED;
    if (!file.writable) allowed &= ~VM_MAYWRITE;
  }
  if (!file.readable) return fail(EACCES);
  if (((file.path?.mount.flags ?? 0) & MS_NOEXEC) !== 0) {
    if ((prot & PROT_EXEC) !== 0) return fail(EPERM);
    allowed &= ~VM_MAYEXEC;
  }
  if (isErr(file.mapping()) && !isZeroDevice(file)) return fail(ENODEV);
  return vmFlags & VM_GROWSDOWN ? fail(EINVAL) : allowed;
}

const isZeroDevice = (file: OpenFile): boolean =>
  (file.inode.mode & S_IFMT) === S_IFCHR && file.inode.rdev === ZERO_DEVICE;

function anonymousBacking(space: AddressSpace, flags: number, size: number): Backing {
  if ((flags & VM_SHARED) === 0) return ANONYMOUS;
  const shared = new SharedMemory(space.memory, size);
  return { file: null, cache: shared, shared };
}

function fileBacking(
  space: AddressSpace,
  file: OpenFile,
  flags: number,
  request: MappingRequest,
  { caller, cache: known }: MappingSource,
): Backing | Err {
  if (isZeroDevice(file)) return anonymousBacking(space, flags, request.length);
  const cache = known ?? file.mapping(request, caller);
  return isErr(cache) ? cache : { file, cache, shared: null };
}

/** Where a mapping of `size` bytes goes. @returns -ENOMEM, -EINVAL, -EPERM */
export function placeMapping(space: AddressSpace, hint: number, size: number, flags: number): number | Err {
  if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0) {
    if (hint < 0 || hint > USER_END - size) return fail(ENOMEM);
    if (hint % PAGE_SIZE !== 0) return fail(EINVAL);
    return hint < USER_START ? fail(EPERM) : hint;
  }
  const { areas } = space;
  const low = (flags & MAP_32BIT) !== 0;
  const top = low ? LOW_WINDOW_END : USER_END;
  if (hint > 0 && hint < USER_END) {
    const wanted = Math.max(pageFloor(hint), USER_START);
    const next = areas.list[areas.indexFrom(wanted)];
    if (wanted <= top - size && (next === undefined || wanted + size <= next.gapStart)) return wanted;
  }
  if (!low) {
    const found = areas.highestGap(size, USER_START, space.mmapBase);
    if (found !== -1) return found;
  }
  const found = areas.lowestGap(size, low ? LOW_WINDOW_START : BOTTOM_UP_BASE, top);
  return found === -1 ? fail(ENOMEM) : found;
}
