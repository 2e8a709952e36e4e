/**
 * fork(2): the child gets the same mappings. Private pages that are the parent's alone are copied at once when they are few;
 * otherwise, and all other pages, both share until one side writes to them.
 */
import { ENOMEM, type Err, fail } from '../../abi/errno.js';
import { PROT_WRITE } from '../../abi/mman.js';
import { PTE_WRITE } from '../../cpu/index.js';
import { isImpossible } from './accounting.js';
import type { AddressSpace } from './address-space.js';
import { PAGE_SIZE, pageOf } from './layout.js';
import { allocPage, gatherScattered } from './placement.js';
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
  child.auxiliary = parent.auxiliary;
  child.coreFilter = parent.coreFilter;
  child.executable = parent.executable;
  gatherScattered(parent, true);
  const copies = copiesEagerly(parent) ? new PageCopier(parent, child) : null;
  for (const vma of parent.areas.list) {
    if ((vma.flags & VM_DONTFORK) !== 0) continue;
    const flags = vma.flags & ~(VM_LOCKED | VM_LOCKONFAULT); // locks are not inherited
    addVma(child, new Vma(vma.start, vma.end, vma.prot, flags, vma, vma.index));
    if ((flags & VM_WIPEONFORK) === 0) passPages(parent, child, vma, copies);
  }
  copies?.flush();
  child.figures.peakResident = child.figures.resident;
}

/** Pages that are copied at once; a process with more of them in memory shares them. Copying 1 MiB takes 25 to 55 µs. */
const EAGER_PAGES = 256;

/**
 * Is the private memory of `parent` so little that copying it costs no more than the faults that sharing would bring?
 * The parent then keeps its pages, writable and side by side, and the child gets the same.
 */
function copiesEagerly(parent: AddressSpace): boolean {
  const { memory, figures } = parent;
  if (figures.resident > 4 * EAGER_PAGES) return false; // not worth the count
  const count = figures.resident <= EAGER_PAGES ? figures.resident : ownPages(parent);
  return count <= EAGER_PAGES && memory.freeFrames > 2 * count + memory.limitFrames / 16;
}

/** Present pages that fork would copy. */
function ownPages(parent: AddressSpace): number {
  const { memory, pageTable, areas } = parent;
  let count = 0;
  for (const vma of areas.list) {
    if (!isCopied(vma)) continue;
    pageTable.forEach(pageOf(vma.start), pageOf(vma.end), (_vpn, frame) => {
      if (memory.refs(frame) === 1) count++;
    });
  }
  return count;
}

const isCopied = (vma: Vma): boolean =>
  !vma.isShared && (vma.prot & PROT_WRITE) !== 0 && (vma.flags & (VM_DONTFORK | VM_WIPEONFORK)) === 0;

/** Gives the child every present page of `vma`: the same one or, where `copies` is not null, a copy of one that is the parent's alone. */
function passPages(parent: AddressSpace, child: AddressSpace, vma: Vma, copies: PageCopier | null): void {
  const { memory, pageTable, zeroFrame } = parent;
  const { pageTable: childTable, figures } = child;
  const isPrivate = !vma.isShared;
  const copier = isCopied(vma) ? copies : null;
  const end = pageOf(vma.end);
  for (
    let vpn = pageTable.firstPresent(pageOf(vma.start), end);
    vpn < end;
    vpn = pageTable.firstPresent(vpn + 1, end)
  ) {
    const frame = pageTable.frameOf(vpn);
    let rights = pageTable.protOf(vpn);
    if (frame !== zeroFrame) figures.resident++;
    if (copier !== null && memory.refs(frame) === 1 && frame !== zeroFrame) {
      const copy = copier.copy(vpn, frame);
      if (copy !== 0) {
        childTable.set(vpn, copy, rights);
        continue;
      }
    }
    if (isPrivate && (rights & PTE_WRITE) !== 0) {
      rights &= ~PTE_WRITE;
      pageTable.protect(vpn, rights);
    }
    memory.ref(frame);
    childTable.set(vpn, frame, rights);
  }
}

/** Copies pages of the parent to the same places of the child's extents; what lies side by side on both sides, in one go. */
class PageCopier {
  #parent: AddressSpace;
  #child: AddressSpace;
  /** Frames that wait to be copied. */
  #from = 0;
  #to = 0;
  #count = 0;

  constructor(parent: AddressSpace, child: AddressSpace) {
    this.#parent = parent;
    this.#child = child;
  }

  /** @returns the frame that will hold the copy after `flush`, 0 when memory is exhausted */
  copy(vpn: number, frame: number): number {
    const { extents } = this.#child;
    let extent = extents.find(vpn);
    if (extent === null) {
      const model = this.#parent.extents.find(vpn);
      extent = model === null ? null : extents.make(vpn, model.start, model.end);
      if (extent !== null) extent.isDense = model!.isDense;
    }
    const copy = allocPage(this.#child, extent, vpn, false);
    if (copy === 0) return 0;
    if (this.#count === 0 || frame !== this.#from + this.#count || copy !== this.#to + this.#count) {
      this.flush();
      this.#from = frame;
      this.#to = copy;
    }
    this.#count++;
    return copy;
  }

  flush(): void {
    const { u8 } = this.#parent.memory;
    const start = this.#from * PAGE_SIZE;
    u8.copyWithin(this.#to * PAGE_SIZE, start, start + this.#count * PAGE_SIZE);
    this.#count = 0;
  }
}
