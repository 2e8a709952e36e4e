/** fork(2): the child gets the same mappings and shares every present page until one side writes to it. */
import { ENOMEM, type Err, fail } from '../../abi/errno.js';
import { PTE_WRITE } from '../../cpu/index.js';
import { isImpossible } from './accounting.js';
import type { AddressSpace } from './address-space.js';
import { pageOf } from './layout.js';
import { VM_DONTFORK, VM_LOCKED, VM_LOCKONFAULT, VM_WIPEONFORK, Vma } from './vma.js';
import { addVma } from './vma-ops.js';

/** @returns 0, or -ENOMEM when the parent's private memory or its page table could not be had twice */
export function mayFork(parent: AddressSpace): number | Err {
  const impossible = parent.areas.list.some((vma) => vma.isAccountable && isImpossible(parent, vma.pages));
  return impossible || !parent.memory.isTableRoomLeft(parent.pageTable.leaves) ? fail(ENOMEM) : 0;
}

/** Makes `child`, a new and empty space, the copy. */
export function copySpace(parent: AddressSpace, child: AddressSpace): void {
  child.mmapBase = parent.mmapBase;
  child.program = { ...parent.program };
  child.auxv = parent.auxv;
  child.executable = parent.executable;
  for (const vma of parent.areas.list) {
    if ((vma.flags & VM_DONTFORK) !== 0) continue;
    const flags = vma.flags & ~(VM_LOCKED | VM_LOCKONFAULT); // locks are not inherited
    addVma(child, new Vma(vma.start, vma.end, vma.prot, flags, vma, vma.index));
    if ((flags & VM_WIPEONFORK) === 0) sharePages(parent, child, vma);
  }
  child.figures.peakResident = child.figures.resident;
}

function sharePages(parent: AddressSpace, child: AddressSpace, vma: Vma): void {
  const { memory, pageTable, zeroFrame } = parent;
  const isPrivate = !vma.isShared;
  pageTable.forEach(pageOf(vma.start), pageOf(vma.end), (vpn, frame, rights) => {
    let shared = rights;
    if (isPrivate && (rights & PTE_WRITE) !== 0) {
      shared = rights & ~PTE_WRITE;
      pageTable.protect(vpn, shared);
    }
    memory.ref(frame);
    child.pageTable.set(vpn, frame, shared);
    if (frame !== zeroFrame) child.figures.resident++;
  });
}
