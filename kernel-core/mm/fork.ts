/** fork(2): the child gets the same mappings and shares every present page until one side writes to it. */
import { ENOMEM, type Err, fail, isErr } from '../../abi/errno.js';
import { PTE_WRITE } from '../../cpu/index.js';
import { isImpossible } from './accounting.js';
import { AddressSpace } from './address-space.js';
import { pageOf } from './layout.js';
import { VM_DONTFORK, VM_LOCKED, VM_LOCKONFAULT, VM_WIPEONFORK, Vma } from './vma.js';
import { addVma } from './vma-ops.js';

export function forkSpace(parent: AddressSpace): AddressSpace | Err {
  for (const vma of parent.areas.list) if (vma.isAccountable && isImpossible(parent, vma.pages)) return fail(ENOMEM);
  const child = AddressSpace.create(parent.memory, parent.limits);
  if (isErr(child)) return child;
  child.mmapBase = parent.mmapBase;
  child.program = { ...parent.program };
  child.auxv = parent.auxv;
  child.executable = parent.executable?.ref() ?? null;
  for (const vma of parent.areas.list) {
    if ((vma.flags & VM_DONTFORK) !== 0) continue;
    const flags = vma.flags & ~(VM_LOCKED | VM_LOCKONFAULT); // locks are not inherited
    addVma(child, new Vma(vma.start, vma.end, vma.prot, flags, vma, vma.index));
    if ((flags & VM_WIPEONFORK) === 0) sharePages(parent, child, vma);
  }
  child.figures.peakResident = child.figures.resident;
  return child;
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
