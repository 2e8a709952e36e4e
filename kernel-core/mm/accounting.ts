/** Figures of an address space, in pages, and the limits that they are checked against. @source mm/mmap.c vm_stat_account, may_expand_vm */
import { PROT_EXEC, PROT_WRITE } from '../../abi/mman.js';
import { RLIMIT_AS, RLIMIT_DATA } from '../../abi/resource.js';
import type { AddressSpace } from './address-space.js';
import { PAGE_SIZE } from './layout.js';
import { isDataMapping, VM_GROWSDOWN, VM_LOCKED, type Vma } from './vma.js';

export interface Accounting {
  /** Mapped, present or not. */
  total: number;
  data: number;
  stack: number;
  /** Executable and not writable. */
  text: number;
  locked: number;
  /** Present; the shared zero frame does not count. */
  resident: number;
  peakResident: number;
  peakTotal: number;
}

export const makeAccounting = (): Accounting => ({
  total: 0,
  data: 0,
  stack: 0,
  text: 0,
  locked: 0,
  resident: 0,
  peakResident: 0,
  peakTotal: 0,
});

/** Adds `pages` (negative: takes away) of the kind that `vma` is. */
export function account(space: AddressSpace, vma: Vma, pages: number): void {
  const { figures } = space;
  figures.total += pages;
  if (figures.total > figures.peakTotal) figures.peakTotal = figures.total;
  if ((vma.flags & VM_LOCKED) !== 0) figures.locked += pages;
  if ((vma.prot & (PROT_EXEC | PROT_WRITE)) === PROT_EXEC && !vma.growsDown) figures.text += pages;
  else if ((vma.flags & VM_GROWSDOWN) !== 0) figures.stack += pages;
  else if (vma.isData) figures.data += pages;
}

/** May `pages` more pages be mapped? RLIMIT_AS and RLIMIT_DATA. */
export function mayExpand(space: AddressSpace, prot: number, flags: number, pages: number): boolean {
  const { figures, limits } = space;
  if (figures.total + pages > Math.floor(limits.limit(RLIMIT_AS) / PAGE_SIZE)) return false;
  return !isDataMapping(prot, flags) || figures.data + pages <= Math.floor(limits.limit(RLIMIT_DATA) / PAGE_SIZE);
}

/** Heuristic overcommit: only what could never be had at once is refused. */
export const isImpossible = (space: AddressSpace, pages: number): boolean => pages > space.memory.limitFrames;

/** One more page is present. */
export function countResident(space: AddressSpace): void {
  const { figures } = space;
  if (++figures.resident > figures.peakResident) figures.peakResident = figures.resident;
}
