/** munmap(2). @source mm/vma.c do_vmi_align_munmap */
import { EINVAL, ENOMEM, type Err, fail } from '../../abi/errno.js';
import { account } from './accounting.js';
import type { AddressSpace } from './address-space.js';
import { isUserRange, MAX_MAPPINGS, PAGE_SIZE, pageCeil, USER_END } from './layout.js';
import { dropPages } from './pages.js';
import { dropExtents } from './placement.js';
import { isolate, release } from './vma-ops.js';

export function unmapRange(space: AddressSpace, address: number, length: number): number | Err {
  if (address % PAGE_SIZE !== 0 || length <= 0 || !isUserRange(address, length)) return fail(EINVAL);
  const end = address + pageCeil(length);
  if (end > USER_END) return fail(EINVAL);
  const inside = space.areas.at(address);
  if (inside !== null && inside.start < address && inside.end > end && space.areas.count >= MAX_MAPPINGS) {
    return fail(ENOMEM);
  }
  removeRange(space, address, end);
  return 0;
}

/** Takes out whatever is mapped in [start, end), page-aligned. */
export function removeRange(space: AddressSpace, start: number, end: number): void {
  const { areas } = space;
  if (areas.overlapping(start, end) === undefined) return;
  const from = isolate(space, start, end);
  let count = 0;
  for (let vma = areas.list[from]; vma !== undefined && vma.start < end; vma = areas.list[from + count]) {
    account(space, vma, -vma.pages);
    count++;
  }
  const gone = areas.list.slice(from, from + count);
  areas.remove(from, count);
  dropPages(space, start, end);
  dropExtents(space, start, end);
  for (const vma of gone) release(space, vma);
}

/** Everything goes, pages and all: the space is about to die. */
export function dropVmas(space: AddressSpace): void {
  const { areas, pageTable, memory } = space;
  for (const vma of areas.list) account(space, vma, -vma.pages);
  pageTable.clearAll((frame) => memory.unref(frame));
  space.figures.resident = 0;
  for (const vma of areas.list) release(space, vma);
  areas.clear();
}
