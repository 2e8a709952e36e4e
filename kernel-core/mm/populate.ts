/** Making pages present ahead of their use: MAP_POPULATE, mlock, MADV_POPULATE_*. */
import { PROT_WRITE } from '../../abi/mman.js';
import { PTE_EXEC, PTE_READ, PTE_WRITE } from '../../cpu/index.js';
import type { AddressSpace } from './address-space.js';
import { faultPage } from './fault.js';
import { PAGE_SIZE, pageOf } from './layout.js';
import { pteRights } from './vma.js';

/** Touches every accessible page of [start, end); writable private ones as by a write. @returns 0, or the first FAULT_* */
export function populate(space: AddressSpace, start: number, end: number): number {
  const { areas } = space;
  for (let i = areas.indexFrom(start); i < areas.count; i++) {
    const vma = areas.list[i]!;
    if (vma.start >= end) break;
    const rights = pteRights(vma.prot);
    if (rights === 0) continue;
    const writes = (vma.prot & PROT_WRITE) !== 0 && !vma.isShared;
    const access = writes ? PTE_WRITE : rights & PTE_READ ? PTE_READ : PTE_EXEC;
    const failed = touch(space, Math.max(start, vma.start), Math.min(end, vma.end), access);
    if (failed !== 0) return failed;
  }
  return 0;
}

/** Faults in the pages of [start, end) that lack the right `access`. @returns 0, or the first FAULT_* */
export function touch(space: AddressSpace, start: number, end: number, access: number): number {
  for (let address = start; address < end; address += PAGE_SIZE) {
    if ((space.pageTable.entryOf(pageOf(address)) & access) !== 0) continue;
    const failed = faultPage(space, address, access, end);
    if (failed !== 0) return failed;
  }
  return 0;
}
