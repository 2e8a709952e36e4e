/**
 * Changing the set of mappings while files, shared memory, mappers and figures stay right: add with merging, split,
 * take out. Callers have made every check.
 */

import { account } from './accounting.js';
import type { AddressSpace } from './address-space.js';
import { pageFloor } from './layout.js';
import { Vma } from './vma.js';

/** References that every mapping in the set holds. */
function hold(space: AddressSpace, vma: Vma): void {
  vma.file?.ref();
  vma.shared?.ref();
  if (vma.cache !== null) space.holdCache(vma.cache);
}

export function release(space: AddressSpace, vma: Vma): void {
  if (vma.cache !== null) space.releaseCache(vma.cache);
  vma.shared?.unref();
  vma.file?.unref();
}

/** Puts a mapping into free space, joined to its neighbours where they continue each other. @returns the mapping that now holds the range */
export function addVma(space: AddressSpace, vma: Vma): Vma {
  hold(space, vma);
  account(space, vma, vma.pages);
  space.areas.insert(vma);
  return mergeAround(space, vma);
}

/** Joins `vma` to its neighbours. @returns what holds its range afterwards */
export function mergeAround(space: AddressSpace, vma: Vma): Vma {
  const { areas } = space;
  const at = areas.indexFrom(vma.start);
  const next = areas.list[at + 1];
  if (next !== undefined && vma.continuesAs(next)) {
    vma.end = next.end;
    areas.remove(at + 1, 1);
    release(space, next);
  }
  const previous = areas.list[at - 1];
  if (previous === undefined || !previous.continuesAs(vma)) return vma;
  previous.end = vma.end;
  areas.remove(at, 1);
  release(space, vma);
  return previous;
}

/** Joins what continues each other among the mappings that touch [start, end]. */
export function mergeRange(space: AddressSpace, start: number, end: number): void {
  const { areas } = space;
  for (let at = Math.max(1, areas.indexFrom(start)); at < areas.count; ) {
    const vma = areas.list[at]!;
    if (vma.start > end) return;
    const previous = areas.list[at - 1]!;
    if (!previous.continuesAs(vma)) {
      at++;
      continue;
    }
    previous.end = vma.end;
    areas.remove(at, 1);
    release(space, vma);
  }
}

/** Cuts `vma` in two at `address`, strictly inside it. @returns the upper part */
export function splitVma(space: AddressSpace, vma: Vma, address: number): Vma {
  const index = vma.cache === null ? 0 : vma.cacheIndex(pageFloor(address));
  const upper = new Vma(address, vma.end, vma.prot, vma.flags, vma, index);
  vma.end = address;
  hold(space, upper);
  space.areas.insert(upper);
  return upper;
}

/** Cuts so that no mapping crosses `start` or `end`. @returns position of the first mapping at or above `start` */
export function isolate(space: AddressSpace, start: number, end: number): number {
  const { areas } = space;
  let at = areas.indexFrom(start);
  const first = areas.list[at];
  if (first !== undefined && first.start < start) {
    splitVma(space, first, start);
    at++;
  }
  const last = areas.list[areas.indexFrom(end - 1)];
  if (last !== undefined && last.start < end && last.end > end) splitVma(space, last, end);
  return at;
}

/** How many cuts `isolate` would make. */
export function cutsNeeded(space: AddressSpace, start: number, end: number): number {
  const first = space.areas.at(start);
  const last = space.areas.at(end);
  return (first !== null && first.start < start ? 1 : 0) + (last !== null && last.start < end ? 1 : 0);
}

/** Changes rights and flags of a whole mapping. */
export function changeVma(space: AddressSpace, vma: Vma, prot: number, flags: number): void {
  account(space, vma, -vma.pages);
  vma.prot = prot;
  vma.flags = flags;
  account(space, vma, vma.pages);
}
