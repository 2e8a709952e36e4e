/**
 * Which frame a private page gets: neighbours in the address space become neighbours in physical memory, so that
 * translated code reaches a whole mapping with one comparison (docs/decisions/004-physical-contiguity.md).
 *
 * The first page that comes into memory of its own makes an extent (vfs/frame-extents.ts) for all that is writable
 * around it, with room to grow where such memory grows: data, bss and heap upwards, the stack and the area of mmap
 * downwards. Extents do not follow the mappings: they are ranges of addresses, and go when nothing is mapped in them any
 * more. Pages never move at a fault, because somebody may have translated another address just before; where an extent is
 * outgrown, brk and mremap move them (`gather`).
 */
import { PROT_WRITE } from '../../abi/mman.js';
import { PTE_WRITE } from '../../cpu/index.js';
import { type Extent, ROOM_UNIT } from '../../vfs/frame-extents.js';
import type { AddressSpace } from './address-space.js';
import { PAGE_SIZE, pageOf } from './layout.js';
import type { Vma } from './vma.js';

/** Room that is kept at first, in pages. */
const STACK_ROOM = 128;
const HEAP_ROOM = 256;
/** Room beyond what is mapped is never more than this, in pages. */
const MAX_SLACK = 4096;
/** Extents up to this size move as a whole when they are outgrown: 16 MiB take 2 ms at most. */
const MAX_MOVED = 4096;
/** Neighbours that are looked at to find out what is writable around a page. */
const MAX_NEIGHBOURS = 16;
/** Mappings up to this size get frames of their own when they are read, too, where they are a program's data or stack. */
const MAX_DENSE = 1024;

/** The extent of a page of private memory, made if need be; null when there is no room. */
export function extentFor(space: AddressSpace, vma: Vma, vpn: number): Extent | null {
  return space.extents.find(vpn) ?? (vma.growsDown ? stackExtent(space, vma, vpn) : areaExtent(space, vma, vpn));
}

/** @param zeroed false: the caller overwrites all of it @returns a frame with one reference, or 0 */
export function allocPage(space: AddressSpace, extent: Extent | null, vpn: number, zeroed: boolean): number {
  const { memory } = space;
  if (extent === null) return memory.allocFrame();
  const index = vpn - extent.origin;
  const frame = memory.allocAt(extent.room, index, zeroed);
  if (frame !== extent.room.first + index) extent.scattered++;
  return frame;
}

/** Does a page of `vma` come into memory of its own when it is read? */
export function isDense(vma: Vma, extent: Extent | null): boolean {
  return extent?.isDense === true && (vma.prot & PROT_WRITE) !== 0 && vma.pages <= MAX_DENSE;
}

function stackExtent(space: AddressSpace, vma: Vma, vpn: number): Extent | null {
  const { extents } = space;
  const above = extents.list[extents.indexFrom(vpn)];
  const end = pageOf(vma.end);
  const isDeeper = above !== undefined && above.start < end;
  const high = isDeeper ? above.start : end;
  const size = isDeeper ? 2 * (above.end - above.start) : STACK_ROOM;
  const extent = extents.make(vpn, downTo(Math.min(vpn, high - Math.min(size, MAX_SLACK)), high), high);
  if (extent !== null) extent.isDense = true;
  return extent;
}

function areaExtent(space: AddressSpace, vma: Vma, vpn: number): Extent | null {
  const { extents } = space;
  let [low, high] = writableSpan(space, vma);
  const at = extents.indexFrom(vpn);
  const isData = isProgramData(space, vma, low, high);
  if (isData) {
    const below = extents.list[at - 1];
    const size = below !== undefined && below.end >= low ? below.end - below.start : 0;
    high += Math.min(MAX_SLACK, Math.max(HEAP_ROOM, size, high - low));
    high = low + Math.ceil((high - low) / ROOM_UNIT) * ROOM_UNIT;
  } else if (vma.cache === null) {
    const below = extents.list[at - 1];
    const above = extents.list[at];
    if (below !== undefined && below.end > low) {
      // An arena that mprotect makes writable piece by piece.
      low = below.end;
      high = Math.max(high, low + Math.min(MAX_SLACK, 2 * (below.end - below.start)));
    } else if (above !== undefined && above.start < high) {
      high = above.start;
      low = Math.min(low, high - Math.min(MAX_SLACK, 2 * (above.end - above.start)));
    }
    low = Math.max(0, downTo(low, high));
  }
  const extent = extents.make(vpn, low, high);
  if (extent !== null) extent.isDense = isData;
  return extent;
}

/** The lowest start of [start, high) that costs no more than it does: room comes in units. */
const downTo = (low: number, high: number): number => high - Math.ceil((high - low) / ROOM_UNIT) * ROOM_UNIT;

/** Pages [low, high) around a mapping that are private, writable and mapped without a gap. */
function writableSpan(space: AddressSpace, vma: Vma): [low: number, high: number] {
  const { list } = space.areas;
  const at = space.areas.indexFrom(vma.start);
  let first = at;
  let last = at;
  while (first > at - MAX_NEIGHBOURS && list[first - 1]?.end === list[first]!.start && isOwn(list[first - 1]!)) first--;
  while (last < at + MAX_NEIGHBOURS && list[last + 1]?.start === list[last]!.end && isOwn(list[last + 1]!)) last++;
  return [pageOf(list[first]!.start), pageOf(list[last]!.end)];
}

const isOwn = (vma: Vma): boolean => !vma.isShared && !vma.growsDown && (vma.prot & PROT_WRITE) !== 0;

/** Is this the program's data, bss or heap? While it is being loaded, only the file tells. */
function isProgramData(space: AddressSpace, vma: Vma, low: number, high: number): boolean {
  const { program, executable } = space;
  if (vma.file !== null && vma.file === executable) return true;
  const heap = pageOf(program.startBreak);
  if (heap !== 0 && heap >= low && heap <= high) return true;
  const data = pageOf(program.startData);
  return data !== 0 && data >= low && data < high;
}

/**
 * The heap is about to reach from `start` to `end`. When it outgrows its extent, one of twice the size takes its place.
 * Only between accesses: pages move.
 */
export function makeHeapRoom(space: AddressSpace, start: number, end: number): void {
  const { extents } = space;
  const extent = extents.find(pageOf(start) - 1);
  if (extent === null || pageOf(end) <= extent.end) return;
  const size = extent.end - extent.start;
  const wanted = Math.max(2 * size, pageOf(end) - extent.start);
  if (size > MAX_MOVED || wanted > 2 * MAX_MOVED) return;
  if (extents.enlarge(extent, extent.start, extent.start + wanted)) gather(space, extent.start, extent.end);
}

/**
 * [start, end) has become part of `vma`, private and fresh. If it is large it gets an extent to itself, whatever room for
 * growth reaches into it. If it is small it is taken for growth of what lies above, whose extent doubles when it is outgrown:
 * allocators ask for little at a time. Only between accesses: pages move.
 */
export function makeAreaRoom(space: AddressSpace, vma: Vma, start: number, end: number): void {
  if (!isOwn(vma) || vma.cache !== null) return;
  const { extents } = space;
  const from = pageOf(start);
  const to = pageOf(end);
  const known = extents.find(to - 1);
  if (known !== null && known.start <= from) return;
  if (to - from >= ROOM_UNIT) {
    extents.trim(from, to);
    return;
  }
  const grown = known ?? extents.find(to);
  if (grown === null || vma.end <= end || grown.isDense) return;
  const size = grown.end - grown.start;
  if (size > MAX_MOVED) return;
  if (extents.enlarge(grown, Math.max(0, grown.end - 2 * size), grown.end)) gather(space, grown.start, grown.end);
}

/**
 * Brings private pages of [from, to) to the places that their extents have for them. Only between accesses: whoever holds
 * a physical address would miss the move. Pages that others share stay.
 */
export function gather(space: AddressSpace, from: number, to: number): void {
  const { pageTable, memory, extents, zeroFrame } = space;
  pageTable.forEach(from, to, (vpn, frame, rights) => {
    const extent = extents.find(vpn);
    if (extent === null || frame === zeroFrame) return;
    const wanted = extent.room.first + (vpn - extent.origin);
    if (frame === wanted) return;
    if (memory.refs(frame) !== 1 || memory.refs(wanted) !== 0) {
      extent.isStuck = true;
      return;
    }
    const copy = memory.allocAt(extent.room, vpn - extent.origin, false);
    if (copy === 0) return;
    memory.u8.copyWithin(copy * PAGE_SIZE, frame * PAGE_SIZE, (frame + 1) * PAGE_SIZE);
    pageTable.set(vpn, copy, rights);
    memory.unref(frame);
  });
}

/**
 * Pages that were written to while a child shared them have been copied elsewhere. Where the child is gone, their places are
 * free again. Only between accesses: pages move.
 * @param again tries once more with pages that could not move before
 */
export function gatherScattered(space: AddressSpace, again: boolean): void {
  for (const extent of space.extents.list) {
    if ((extent.scattered === 0 && !(again && extent.isStuck)) || extent.end - extent.start > MAX_MOVED) continue;
    extent.scattered = 0;
    extent.isStuck = false;
    gather(space, extent.start, extent.end);
  }
}

/** `vma`, which ended at `end`, reaches to `newEnd` now (mremap). Only between accesses: pages move. */
export function makeRoomBehind(space: AddressSpace, vma: Vma, end: number, newEnd: number): void {
  if (!isOwn(vma) || vma.cache !== null) return;
  const { extents } = space;
  const extent = extents.find(pageOf(end) - 1);
  const to = pageOf(newEnd);
  if (extent === null || extent.end >= to || to - extent.start > MAX_MOVED) return;
  extents.trim(pageOf(end), to);
  if (extents.enlarge(extent, extent.start, to)) gather(space, extent.start, to);
}

/** Pages [from, to) have moved here from elsewhere: they are brought to their places here, unless they are too many. */
export function gatherMoved(space: AddressSpace, vma: Vma, from: number, to: number): void {
  if (vma.isShared || to - from > MAX_MOVED) return;
  let first = -1;
  space.pageTable.forEach(from, to, (vpn, _frame, rights) => {
    if (first < 0 && (rights & PTE_WRITE) !== 0) first = vpn;
  });
  if (first < 0) return;
  extentFor(space, vma, first);
  gather(space, from, to);
}

/** Nothing is mapped in [start, end) any more: extents without any mapping go. Addresses in bytes. */
export function dropExtents(space: AddressSpace, start: number, end: number): void {
  const { extents, areas } = space;
  for (let at = extents.indexFrom(pageOf(start)); ; ) {
    const extent = extents.list[at];
    if (extent === undefined || extent.start * PAGE_SIZE >= end) return;
    if (areas.overlapping(extent.start * PAGE_SIZE, extent.end * PAGE_SIZE) === undefined) extents.drop(extent);
    else at++;
  }
}
