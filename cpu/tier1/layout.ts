/**
 * What regions, the interpreter's run loop and TypeScript share besides the CPU state: places in frame 0 behind it, the
 * windows, and the descriptors of regions.
 */

import { CONTEXT_SIZE, ZERO } from '../state.js';

/** i32: what is left of the slice, in bytes of records, while a region runs or has just ended. */
export const REST = 0x540;
/** i32: why a region stopped at RIP (KIND_*), valid when it returned `UNWIND`. */
export const STOP_KIND = 0x544;
/** i32: the record to go on at, of KIND_RECORD; 0 to leave the run loop. */
export const NEXT_RECORD = 0x548;
/** i32: number of the flag producer whose result is not in the flag words yet; 0: the words hold. */
export const STALE_FLAGS = 0x54c;
/** i32: physical address of the region descriptors. */
export const DESCRIPTORS = 0x550;
/** i32: physical address of the hints; see HINT_BYTES. */
export const HINTS = 0x554;
/** i64: instructions executed by regions × 32, since the processor was made. */
export const TRANSLATED = 0x558;

/** i32: bytes of the host's stack that a region entered now, and what it calls, may take. */
export const STACK_ROOM = 0x560;
/** i64: the door at which a region is being entered; 0: its root. The region takes it away. */
export const DOOR = 0x568;
/** i64 each: where a region has just left because of an indirect jump, and where that led; 0: it has not. */
export const MISSED_AT = 0x570;
export const MISSED_TO = 0x578;

/**
 * i64 each: how often regions came back to the run loop, by reason: at +0 because control went to an address, at
 * +8 × KIND_* because they stopped; and at REFUSALS entries that were refused.
 */
export const RETURNS = 0x580;
export const REFUSALS = 0x5a8;

/** i64 each: values that flag sources name, which are in no register any more. */
export const SAVED_FLAGS = 0x5b0;

/**
 * Bytes that are put aside while a run goes on inside of a run (nesting.ts): the context, and what runs and regions keep here.
 * Where descriptors are, and what has been counted, is true afterwards, too. Multiples of 16.
 */
export const PUT_ASIDE: readonly (readonly [from: number, to: number])[] = [
  [0, CONTEXT_SIZE],
  [ZERO, DESCRIPTORS],
  [STACK_ROOM, RETURNS],
];

/** What a region's function returns instead of an address: no canonical address has this value. */
export const UNWIND = 1n << 62n;

/** Of STOP_KIND: the kind, below its details. */
export const KIND_MASK = 0xff;
/** One instruction has to be executed by tier 0: it faults, or has no form here. */
export const KIND_STEP = 1;
/** The address in SLOW_EA was not in the window. The slot is in bits 8…15, WRITE_ACCESS in bit 16. */
export const KIND_MISS = 2;
/** An instruction was executed by tier 0 and control went elsewhere: NEXT_RECORD, with FUEL set. */
export const KIND_RECORD = 3;
/** The address in SLOW_EA was not among the extents by address. */
export const KIND_EXTENT_MISS = 4;
/** The host's stack has no room for another call: everything unwinds, and goes on at RIP. */
export const KIND_ROOM = 5;
export const WRITE_ACCESS = 1 << 16;
/** The check was for several accesses. */
export const GROUP_ACCESS = 1 << 17;

/**
 * Windows: extents of virtual pages that are all present, with contiguous frames. An access of up to 16 (or 512) bytes at
 * address a lies inside if a − low < limit, unsigned. The slots of the active address space are at WINDOWS, those of
 * every address space in its TLB block.
 *   +0 i64 low   +8 i32 read limit 16   +12 write 16   +16 read 512   +20 write 512   +24 i32 physical − virtual   +28 i32 pages
 */
export const WINDOWS = 0x800;
export const WINDOW_COUNT = 32;
export const WINDOW_SIZE = 32;
export const WINDOW_BYTES = WINDOW_COUNT * WINDOW_SIZE;
/**
 * Access sites have the slots below; each has a second one, so many slots further, for the extent that was wanted last when
 * the first was taken.
 */
export const SITE_SLOTS = WINDOW_COUNT / 2;
export const SECOND_WINDOW = SITE_SLOTS * WINDOW_SIZE;
export const W_LOW = 0;
export const W_READ = 8;
export const W_WRITE = 12;
export const W_READ_WIDE = 16;
export const W_WRITE_WIDE = 20;
export const W_DELTA = 24;
export const W_PAGES = 28;
export const NARROW_SPAN = 16;
export const WIDE_SPAN = 512;

/** Region descriptors: i64 address of the root, i32 least rest to enter with, u16 original handler, u16 flags. */
export const DESCRIPTOR_SIZE = 16;
export const D_ROOT = 0;
export const D_LEAST = 8;
export const D_HANDLER = 12;
export const D_FLAGS = 14;
/** Flag: needs default control bits in MXCSR. */
export const D_DEFAULT_SSE = 1;

/** Regions that can be there at a time; each has a validity byte in every TLB block. */
export const MAX_REGIONS = 3072;

/**
 * Hints: u16 numbers of regions, by the low 32 bits of a root × TLB_HASH, whose upper bits are the offset. The root in the
 * descriptor says whether a hint is right.
 */
export const HINT_BYTES = 0x2000;
export const HINT_SHIFT = 32 - Math.log2(HINT_BYTES);
export const HINT_MASK = HINT_BYTES - 2;

/**
 * Bytes of the host's stack that nested calls of regions may take; those of a run inside of a run; and what a frame is
 * thought to take at least.
 */
export const STACK_BYTES = 320_000;
export const INNER_STACK_BYTES = 64_000;
export const FRAME_BYTES = 160;
