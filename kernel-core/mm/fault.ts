/**
 * Page faults: demand paging, copy-on-write, stack growth.
 *
 * Rights in the page table never exceed those of the mapping, and lack PTE_WRITE while a write would have to do
 * something first: copy a page that others hold, replace the zero frame, mark a file page dirty. A private page
 * whose frame has one reference is ours alone (a page cache keeps a reference of its own).
 */
import { ENOMEM, isErr } from '../../abi/errno.js';
import { RLIMIT_STACK } from '../../abi/resource.js';
import { BUS_ADRERR, SEGV_ACCERR, SEGV_MAPERR, SIGBUS, SIGKILL, SIGSEGV } from '../../abi/signal.js';
import { PTE_WRITE } from '../../cpu/index.js';
import type { Extent } from '../../vfs/frame-extents.js';
import { account, isImpossible, mayExpand } from './accounting.js';
import type { AddressSpace } from './address-space.js';
import { PAGE_SIZE, pageFloor, pageOf, STACK_GUARD, USER_START } from './layout.js';
import { installPage, replacePage } from './pages.js';
import { allocPage, extentFor, isDense } from './placement.js';
import { pteRights, type Vma } from './vma.js';

/** What a fault that cannot be mended means: signal | si_code << 8. */
export const FAULT_MAPERR = SIGSEGV | (SEGV_MAPERR << 8);
export const FAULT_ACCERR = SIGSEGV | (SEGV_ACCERR << 8);
export const FAULT_BUS = SIGBUS | (BUS_ADRERR << 8);
/** Memory is exhausted: the process is to be killed as by the out-of-memory killer. */
export const FAULT_OOM = SIGKILL;

/** Most pages that come along with one, for mappings below and from LARGE_MAPPING pages on. */
const MAX_AROUND = 16;
const MAX_AROUND_LARGE = 64;
const LARGE_MAPPING = 1024;
/** Pages that come one by one before more of them come along. */
const SEQUENCE = 2;

export const faultSignal = (fault: number): number => fault & 0xff;
/** si_code */
export const faultCode = (fault: number): number => fault >> 8;

/**
 * Mends a fault, or says what it means.
 * @param until where pages that will be wanted next end: those that follow may come along; 0: to be guessed
 * @returns 0 or FAULT_*
 */
export function faultPage(space: AddressSpace, address: number, access: number, until = 0): number {
  const vma = space.areas.at(address) ?? growStack(space, address);
  if (vma === null) return FAULT_MAPERR;
  const rights = pteRights(vma.prot);
  if ((rights & access) === 0) return FAULT_ACCERR;
  const vpn = pageOf(address);
  const present = space.pageTable.frameOf(vpn);
  if (present === 0 && !space.memory.isTableRoomLeft(1) && space.pageTable.needsLeaf(vpn)) return FAULT_OOM;
  if ((access & PTE_WRITE) === 0) return readFault(space, vma, address, vpn, present, rights);
  return vma.isShared
    ? sharedWriteFault(space, vma, address, vpn, present, rights)
    : privateWriteFault(space, vma, address, vpn, present, rights, until);
}

function readFault(
  space: AddressSpace,
  vma: Vma,
  address: number,
  vpn: number,
  present: number,
  rights: number,
): number {
  const readOnly = rights & ~PTE_WRITE;
  if (present !== 0) {
    space.pageTable.protect(vpn, readOnly);
    return 0;
  }
  if (!vma.isShared && isDense(vma, space.extents.find(vpn))) {
    return privateWriteFault(space, vma, address, vpn, present, rights, 0);
  }
  if (vma.cache === null) {
    space.memory.ref(space.zeroFrame);
    installPage(space, vpn, space.zeroFrame, readOnly);
    return 0;
  }
  const frame = vma.cache.page(vma.cacheIndex(address));
  if (isErr(frame) || frame === 0) return cacheFault(frame);
  space.memory.ref(frame);
  installPage(space, vpn, frame, readOnly);
  mapResident(space, vma, vpn, readOnly);
  return 0;
}

/** Pages of the file around the one at `vpn` that are in memory come along. @source mm/memory.c do_fault_around */
function mapResident(space: AddressSpace, vma: Vma, vpn: number, rights: number): void {
  const { memory, pageTable } = space;
  const cache = vma.cache!;
  const block = vpn - (vpn % MAX_AROUND);
  const end = Math.min(pageOf(vma.end), block + MAX_AROUND);
  for (let page = Math.max(pageOf(vma.start), block); page < end; page++) {
    if (pageTable.entryOf(page) !== 0) continue;
    const frame = cache.resident(vma.cacheIndex(page * PAGE_SIZE));
    if (frame === 0) continue;
    memory.ref(frame);
    installPage(space, page, frame, rights);
  }
}

function sharedWriteFault(
  space: AddressSpace,
  vma: Vma,
  address: number,
  vpn: number,
  present: number,
  rights: number,
): number {
  const cache = vma.cache!;
  const index = vma.cacheIndex(address);
  if (present !== 0) {
    cache.markDirty(index);
    space.pageTable.protect(vpn, rights);
    return 0;
  }
  const frame = cache.page(index);
  if (isErr(frame) || frame === 0) return cacheFault(frame);
  cache.markDirty(index);
  space.memory.ref(frame);
  installPage(space, vpn, frame, rights);
  return 0;
}

function privateWriteFault(
  space: AddressSpace,
  vma: Vma,
  address: number,
  vpn: number,
  present: number,
  rights: number,
  until: number,
): number {
  const { memory, pageTable, zeroFrame } = space;
  if (present !== 0 && present !== zeroFrame && memory.refs(present) === 1) {
    pageTable.protect(vpn, rights);
    return 0;
  }
  let original = present === zeroFrame ? 0 : present;
  if (present === 0 && vma.cache !== null) {
    const frame = vma.cache.page(vma.cacheIndex(address));
    if (isErr(frame) || frame === 0) return cacheFault(frame);
    original = frame;
  }
  const extent = extentFor(space, vma, vpn);
  const copy = allocPage(space, extent, vpn, original === 0);
  if (copy === 0) return FAULT_OOM;
  if (original !== 0) memory.u8.copyWithin(copy * PAGE_SIZE, original * PAGE_SIZE, (original + 1) * PAGE_SIZE);
  if (present !== 0) {
    replacePage(space, vpn, present, copy, rights);
    return 0;
  }
  installPage(space, vpn, copy, rights);
  if (vma.cache === null && extent !== null) faultAround(space, vma, extent, vpn, rights, until);
  return 0;
}

/**
 * Whoever fills memory from below would fault for each page: pages that follow the one at `vpn` come along. How many
 * doubles with every fault that comes right behind the pages of the one before.
 */
function faultAround(space: AddressSpace, vma: Vma, extent: Extent, vpn: number, rights: number, until: number): void {
  const { memory, pageTable } = space;
  if (until === 0) {
    const most = vma.pages >= LARGE_MAPPING ? MAX_AROUND_LARGE : MAX_AROUND;
    extent.batch = extent.next === vpn ? Math.min(most, 2 * extent.batch) : 1;
  }
  // One and one more are no sequence yet: small processes stay small.
  const guessed = vpn + 1 + Math.max(0, extent.batch - SEQUENCE);
  const wanted = until === 0 ? guessed : pageOf(until);
  const end = memory.freeFrames > memory.limitFrames / 16 ? Math.min(wanted, extent.end, pageOf(vma.end)) : 0;
  let page = vpn + 1;
  for (; page < end; page++) {
    if (pageTable.entryOf(page) !== 0 || pageTable.needsLeaf(page)) break;
    const frame = allocPage(space, extent, page, true);
    if (frame === 0) break;
    installPage(space, page, frame, rights);
  }
  extent.next = page;
}

const cacheFault = (result: number): number => (result === -ENOMEM ? FAULT_OOM : FAULT_BUS);

/** Extends the mapping above `address` downwards if it is a stack and may. @source mm/mmap.c expand_downwards */
function growStack(space: AddressSpace, address: number): Vma | null {
  const { areas, limits } = space;
  if (!(address >= USER_START)) return null;
  const at = areas.indexFrom(address);
  const vma = areas.list[at];
  if (vma === undefined || !vma.growsDown) return null;
  const start = pageFloor(address);
  const below = areas.list[at - 1];
  if (below !== undefined && !below.growsDown && below.prot !== 0 && start - below.end < STACK_GUARD) return null;
  const pages = (vma.start - start) / PAGE_SIZE;
  if (!mayExpand(space, vma.prot, vma.flags, pages)) return null;
  if (vma.end - start > limits.limit(RLIMIT_STACK)) return null;
  if (vma.isAccountable && isImpossible(space, pages)) return null;
  account(space, vma, pages);
  vma.start = start;
  return vma;
}
