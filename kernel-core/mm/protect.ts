/** mprotect(2). Works through the range in order: what lies before a hole or a refusal has changed. @source mm/mprotect.c */
import { EACCES, EINVAL, ENOMEM, type Err, fail } from '../../abi/errno.js';
import { PROT_EXEC, PROT_GROWSDOWN, PROT_GROWSUP, PROT_READ, PROT_WRITE } from '../../abi/mman.js';
import { PTE_WRITE } from '../../cpu/index.js';
import { isImpossible, mayExpand } from './accounting.js';
import type { AddressSpace } from './address-space.js';
import { MAX_MAPPINGS, PAGE_SIZE, pageCeil, pageOf, roundsToNothing, wrapsAround } from './layout.js';
import { isDataMapping, pteRights, VM_MAYEXEC, VM_MAYREAD, VM_MAYWRITE, type Vma } from './vma.js';
import { changeVma, mergeRange, splitVma } from './vma-ops.js';

const PROT_SEM = 8;
const GROWS = PROT_GROWSDOWN | PROT_GROWSUP;

export function protectRange(space: AddressSpace, address: number, length: number, protection: number): number | Err {
  const grows = protection & GROWS;
  const prot = protection & ~GROWS;
  if (grows === GROWS || address % PAGE_SIZE !== 0) return fail(EINVAL);
  if (length === 0) return 0;
  if (roundsToNothing(length) || wrapsAround(address, length)) return fail(ENOMEM);
  if ((prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM)) !== 0) return fail(EINVAL);
  if (length < 0 || address < 0) return fail(ENOMEM);
  const end = address + pageCeil(length);
  const first = space.areas.overlapping(address, end);
  if (first === undefined) return fail(ENOMEM);
  let start = address;
  if (grows === PROT_GROWSDOWN) {
    if (!first.growsDown) return fail(EINVAL);
    start = first.start;
  } else {
    if (first.start > address) return fail(ENOMEM);
    if (grows !== 0) return fail(EINVAL); // no mapping grows up on this architecture
  }
  const result = protectVmas(space, start, end, prot & ~PROT_SEM);
  mergeRange(space, start, end);
  return result;
}

function protectVmas(space: AddressSpace, start: number, end: number, prot: number): number | Err {
  const { areas } = space;
  for (let at = start; at < end; ) {
    const vma = areas.at(at);
    if (vma === null) return fail(ENOMEM);
    const to = Math.min(end, vma.end);
    const result = protectPart(space, vma, at, to, prot);
    if (result !== 0) return result;
    at = to;
  }
  return 0;
}

/** Changes [start, end), which lies in `vma`. */
function protectPart(space: AddressSpace, vma: Vma, start: number, end: number, prot: number): number | Err {
  if (prot === vma.prot) return 0;
  if ((prot & PROT_READ && !(vma.flags & VM_MAYREAD)) || (prot & PROT_WRITE && !(vma.flags & VM_MAYWRITE))) {
    return fail(EACCES);
  }
  if (prot & PROT_EXEC && !(vma.flags & VM_MAYEXEC)) return fail(EACCES);
  const pages = (end - start) / PAGE_SIZE;
  if (isDataMapping(prot, vma.flags) && !vma.isData) {
    if (!mayExpand(space, prot, vma.flags, pages) && mayExpand(space, vma.prot, vma.flags, pages)) return fail(ENOMEM);
    if (isImpossible(space, pages)) return fail(ENOMEM);
  }
  const cuts = (start > vma.start ? 1 : 0) + (end < vma.end ? 1 : 0);
  if (space.areas.count + cuts > MAX_MAPPINGS) return fail(ENOMEM);
  const middle = start > vma.start ? splitVma(space, vma, start) : vma;
  if (end < middle.end) splitVma(space, middle, end);
  changeVma(space, middle, prot, middle.flags);
  protectPages(space, middle);
  return 0;
}

/** Brings the present pages of a mapping in line with its rights. Writes stay forbidden where they have to fault first. */
function protectPages(space: AddressSpace, vma: Vma): void {
  const { pageTable, memory, zeroFrame } = space;
  const rights = pteRights(vma.prot);
  const readOnly = rights & ~PTE_WRITE;
  const isShared = vma.isShared;
  pageTable.forEach(pageOf(vma.start), pageOf(vma.end), (vpn, frame) => {
    const isOwn = !isShared && frame !== zeroFrame && memory.refs(frame) === 1;
    pageTable.protect(vpn, isOwn ? rights : readOnly);
  });
}
