/** Present pages: putting frames into the page table and taking them out, with their references. */

import { countResident } from './accounting.js';
import type { AddressSpace } from './address-space.js';
import { PAGE_SIZE, pageOf } from './layout.js';

/** Maps `frame`, whose reference the page takes over, where no page is. */
export function installPage(space: AddressSpace, vpn: number, frame: number, rights: number): void {
  space.pageTable.set(vpn, frame, rights);
  if (frame !== space.zeroFrame) countResident(space);
}

/** Puts `frame`, whose reference the page takes over, in the place of `old`. */
export function replacePage(space: AddressSpace, vpn: number, old: number, frame: number, rights: number): void {
  space.pageTable.set(vpn, frame, rights);
  if (old === space.zeroFrame) countResident(space);
  space.memory.unref(old);
}

/** Forgets the present pages of [start, end). */
export function dropPages(space: AddressSpace, start: number, end: number): void {
  const { pageTable, memory, zeroFrame, figures } = space;
  pageTable.forEach(pageOf(start), pageOf(end), (vpn, frame) => {
    pageTable.clear(vpn);
    if (frame !== zeroFrame) figures.resident--;
    memory.unref(frame);
  });
}

/** Moves the present pages of [from, from + length) to `to`; the ranges do not overlap and the target is empty. */
export function movePages(space: AddressSpace, from: number, length: number, to: number): void {
  const { pageTable } = space;
  const distance = (to - from) / PAGE_SIZE;
  pageTable.forEach(pageOf(from), pageOf(from + length), (vpn, frame, rights) => {
    pageTable.clear(vpn);
    pageTable.set(vpn + distance, frame, rights);
  });
}
