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
import { account, isImpossible, mayExpand } from './accounting.js';
import type { AddressSpace } from './address-space.js';
import { PAGE_SIZE, pageFloor, pageOf, STACK_GUARD, USER_START } from './layout.js';
import { installPage, replacePage } from './pages.js';
import { pteRights, type Vma } from './vma.js';

/** What a fault that cannot be mended means: signal | si_code << 8. */
export const FAULT_MAPERR = SIGSEGV | (SEGV_MAPERR << 8);
export const FAULT_ACCERR = SIGSEGV | (SEGV_ACCERR << 8);
export const FAULT_BUS = SIGBUS | (BUS_ADRERR << 8);
/** Memory is exhausted: the process is to be killed as by the out-of-memory killer. */
export const FAULT_OOM = SIGKILL;

export const faultSignal = (fault: number): number => fault & 0xff;
/** si_code */
export const faultCode = (fault: number): number => fault >> 8;

export function faultPage(space: AddressSpace, address: number, access: number): number {
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
    : privateWriteFault(space, vma, address, vpn, present, rights);
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
  if (vma.cache === null) {
    space.memory.ref(space.zeroFrame);
    installPage(space, vpn, space.zeroFrame, readOnly);
    return 0;
  }
  const frame = vma.cache.page(vma.cacheIndex(address));
  if (isErr(frame) || frame === 0) return cacheFault(frame);
  space.memory.ref(frame);
  installPage(space, vpn, frame, readOnly);
  return 0;
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
): number {
  const { memory, pageTable, zeroFrame } = space;
  if (present !== 0 && present !== zeroFrame && memory.refs(present) === 1) {
    pageTable.protect(vpn, rights);
    return 0;
  }
  let original = present;
  if (present === 0 && vma.cache !== null) {
    const frame = vma.cache.page(vma.cacheIndex(address));
    if (isErr(frame) || frame === 0) return cacheFault(frame);
    original = frame;
  }
  const copy = memory.allocFrame();
  if (copy === 0) return FAULT_OOM;
  if (original !== 0 && original !== zeroFrame) {
    memory.u8.copyWithin(copy * PAGE_SIZE, original * PAGE_SIZE, (original + 1) * PAGE_SIZE);
  }
  if (present === 0) installPage(space, vpn, copy, rights);
  else replacePage(space, vpn, present, copy, rights);
  return 0;
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
