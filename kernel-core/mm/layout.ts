/**
 * The shape of a user address space of Linux x86-64 with four-level paging, without randomization.
 * Addresses and lengths are JS numbers in bytes; every valid one is far below 2^53.
 */
export const PAGE_SIZE = 4096;
/** First address that no user mapping reaches (Linux: TASK_SIZE_MAX). */
export const USER_END = 0x7ffffffff000;
/** vm.mmap_min_addr: nothing is mapped below. */
export const USER_START = 0x10000;
/** Top of the initial stack. */
export const STACK_TOP = USER_END;
/** Base of position-independent programs that name an interpreter (Linux: ELF_ET_DYN_BASE). */
export const PIE_BASE = 0x555555554aaa;
/** Free space that must stay below a mapping that grows down: vm.stack_guard_gap. */
export const STACK_GUARD = 256 * PAGE_SIZE;
/** vm.max_map_count */
export const MAX_MAPPINGS = 65530;
/** Where placement goes on, upwards, when nothing is free below the mmap base. */
export const BOTTOM_UP_BASE = 0x2aaaaaaab000;
/** Window of MAP_32BIT. */
export const LOW_WINDOW_START = 0x40000000;
export const LOW_WINDOW_END = 0x80000000;

const MIN_GAP = 128 * 2 ** 20;
const MAX_GAP = Math.floor(USER_END / 6) * 5;

/** Rounds down, negative numbers too. */
export const pageFloor = (address: number): number => Math.floor(address / PAGE_SIZE) * PAGE_SIZE;
export const pageCeil = (address: number): number => pageFloor(address + PAGE_SIZE - 1);
/** A length that is huge as Linux sees it, and wraps to 0 when rounded up to pages. */
export const roundsToNothing = (length: number): boolean => length < 0 && length > -PAGE_SIZE;
/** Does [address, address + length), rounded up to pages, wrap around the end of 64-bit addresses? */
export function wrapsAround(address: number, length: number): boolean {
  const size = pageCeil(length);
  if (address < 0 && size < 0) return true;
  return (address < 0 || size < 0) && address + size >= 0;
}
/** Virtual page number. */
export const pageOf = (address: number): number => Math.floor(address / PAGE_SIZE);

/** Does [address, address + length) lie in user space? False for negative and huge numbers. */
export const isUserRange = (address: number, length: number): boolean =>
  address >= 0 && length >= 0 && address + length <= USER_END;

/** Highest address of ordinary mappings: a gap for the stack stays above. @source arch/x86/mm/mmap.c mmap_base */
export function mmapBase(stackLimit: number): number {
  const gap = Math.min(Math.max(stackLimit + STACK_GUARD, MIN_GAP), MAX_GAP);
  return pageCeil(USER_END - gap);
}
