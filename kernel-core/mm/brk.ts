/** brk(2): the heap directly behind the program's data. @source mm/mmap.c */
import { PROT_READ, PROT_WRITE } from '../../abi/mman.js';
import { RLIMIT_DATA } from '../../abi/resource.js';
import { isImpossible, mayExpand } from './accounting.js';
import type { AddressSpace } from './address-space.js';
import { MAX_MAPPINGS, PAGE_SIZE, pageCeil, USER_END } from './layout.js';
import { mayLock } from './map.js';
import { gatherScattered, makeHeapRoom } from './placement.js';
import { populate } from './populate.js';
import { removeRange } from './unmap.js';
import { ANONYMOUS, VM_LOCKED, VM_LOCKONFAULT, VM_MAY_ANY, Vma } from './vma.js';
import { addVma } from './vma-ops.js';

export function moveBreak(space: AddressSpace, wanted: number): number {
  const { program, areas, limits } = space;
  const current = program.break;
  if (wanted < program.startBreak || wanted > USER_END) return current;
  const data = wanted - program.startBreak + (program.endData - program.startData);
  if (data > limits.limit(RLIMIT_DATA)) return current;
  const oldEnd = pageCeil(current);
  const newEnd = pageCeil(wanted);
  if (newEnd > oldEnd) {
    const next = areas.list[areas.indexFrom(oldEnd)];
    if (next !== undefined && newEnd + PAGE_SIZE > next.gapStart) return current;
    if (!extendHeap(space, oldEnd, newEnd)) return current;
    makeHeapRoom(space, oldEnd, newEnd);
    gatherScattered(space, false);
  } else if (newEnd < oldEnd) {
    const heap = areas.overlapping(newEnd, oldEnd);
    if (heap === undefined) return current;
    removeRange(space, newEnd, oldEnd);
  }
  program.break = wanted;
  return wanted;
}

function extendHeap(space: AddressSpace, start: number, end: number): boolean {
  const prot = PROT_READ | PROT_WRITE;
  const flags = VM_MAY_ANY | space.futureFlags;
  const vma = new Vma(start, end, prot, flags, ANONYMOUS, 0);
  if (end > USER_END || !mayExpand(space, prot, flags, vma.pages) || isImpossible(space, vma.pages)) return false;
  if ((flags & VM_LOCKED) !== 0 && !mayLock(space, vma.pages)) return false;
  if (space.areas.count > MAX_MAPPINGS) return false;
  addVma(space, vma);
  if ((flags & (VM_LOCKED | VM_LOCKONFAULT)) === VM_LOCKED) populate(space, start, end);
  return true;
}
