/**
 * Where the CPU state lives: fixed byte addresses in frame 0 and 1 of the WebAssembly memory, shared by the
 * TypeScript side and by emitted code. The first `CONTEXT_SIZE` bytes are the context of one task and are copied as
 * a block on a context switch and on fork; what follows belongs to the processor.
 *
 * Lazy flags: `RES` is the sign-extended result of the last flag-setting operation, `AUX` its sign-extended
 * carry-in vector a^b^res, `CF` is 0 or 1. From these:
 *   ZF = RES == 0                     SF = bit 63 of (RES ^ AUX<<1)
 *   PF = even parity of the low byte of (RES ^ AUX>>8)
 *   OF = CF ^ bit 63 of AUX           AF = bit 4 of AUX
 * Arithmetic leaves bits 62 and 8..15 of AUX clear; popf and sahf use them for combinations that no result has.
 */

export const PAGE_SIZE = 4096;
/** Of an address: its page. */
export const PAGE_MASK = -PAGE_SIZE;
/** Frames below this one hold the CPU state and scratch areas and are never given out. */
export const RESERVED_FRAMES = 2;

/** 16 general registers, 8 bytes each, in encoding order (rax rcx rdx rbx rsp rbp rsi rdi r8…r15). */
export const GPR = 0x000;
export const RAX = GPR;
export const RCX = GPR + 8;
export const RDX = GPR + 16;
export const RBX = GPR + 24;
export const RSP = GPR + 32;
export const RBP = GPR + 40;
export const RSI = GPR + 48;
export const RDI = GPR + 56;
export const R11 = GPR + 88;
/** i64. Exact outside `run`; inside, the address of an instruction is `PAGE_VA` + `off` of its record. */
export const RIP = 0x080;
export const RES = 0x088;
export const AUX = 0x090;
export const CF = 0x098;
/** i32, 0 or 1. */
export const DF = 0x09c;
/** i32: the flags that user code can change but that nothing computes (NT, AC, ID), at their rflags positions. */
export const OTHER_FLAGS = 0x0a0;
export const FS_BASE = 0x0a8;
export const GS_BASE = 0x0b0;
/** i32 */
export const MXCSR = 0x0b8;
/** x87: i32 control word, status word (without TOP), full 16-bit tag word, TOP (0…7), last opcode, instruction and data pointer. */
export const FCW = 0x0c0;
export const FSW = 0x0c4;
export const FTW = 0x0c8;
export const FTOP = 0x0cc;
export const FOP = 0x0d0;
export const FIP = 0x0d8;
export const FDP = 0x0e0;
/** 16 registers of 16 bytes. */
export const XMM = 0x100;
/** 8 physical x87 registers, 16 bytes apart: 64-bit mantissa at +0, 16-bit sign and exponent at +8. */
export const ST = 0x200;
export const CONTEXT_SIZE = 0x280;

/** i64 that always reads 0: absent base, index or segment. */
export const ZERO = 0x400;
/** i64: virtual address of the page that is executing. Also the base "register" of rip-relative operands. */
export const PAGE_VA = 0x408;
/** i32: address of the TLB block of the active address space. */
export const TLB = 0x410;
/** i32: remaining instructions × 32, plus the address of the run start (see tier0/main-loop.ts). */
export const FUEL = 0x414;
/** i32: one of EXIT_*; 0 while running. */
export const EXIT_REASON = 0x418;
/** i32: not 0 when a mapping or decoding that may be executing has changed; the run loop then looks up its place again. */
export const RESYNC = 0x41c;
/** i64: address operand of a slow-path import. */
export const SLOW_EA = 0x420;
/** i32: record that is executing when an import is called. */
export const SLOW_PC = 0x428;
/** i64 scratch words of runtime functions (results that do not fit a return value). */
export const TEMP0 = 0x430;
/** i32: physical addresses and length of the two pieces of a split store that waits in `SPLIT_WRITE`. */
export const SPLIT_FIRST = 0x440;
export const SPLIT_SECOND = 0x444;
export const SPLIT_FIRST_SIZE = 0x448;
export const SPLIT_SIZE = 0x44c;
/** Copies of operands that cross a page boundary, 64 bytes each. */
export const SPLIT_READ = 0x480;
export const SPLIT_WRITE = 0x4c0;
/** 16-byte scratch registers for helpers written in TypeScript. */
export const SCRATCH_XMM = 0x500;

/**
 * TLB block of one address space, `TLB_FRAMES` contiguous frames:
 *   +0x0000 512 read entries, +0x2000 512 write entries, +0x4000 512 instruction entries,
 * each {i64 tag, i32 value, i32 frame}; index by `tlbIndex`, tag = address of the page,
 * value = physical address − low 32 bits of the virtual address (instruction entries: address of the code page's
 * offset table). An empty entry has tag 0 or, where 0 is what a check may compare with, tag 1: see `emptyTag`.
 */
export const TLB_FRAMES = 15;
export const TLB_ENTRIES = 512;
export const TLB_WRITE = 0x2000;
export const TLB_EXEC = 0x4000;
/** Windows of the address space (tier1/layout.ts), and a byte per region: its code is what was translated. */
export const TLB_WINDOWS = 0x6000;
export const VALIDITY = 0x6400;
export const VALIDITY_BYTES = 0xc00;
/**
 * Extents by address, for translated code: 1024 records as windows have them (tier1/layout.ts). Index by `extentIndex`;
 * a record's limits are 0 when it is empty.
 */
export const TLB_EXTENTS = 0x7000;
export const EXTENT_ENTRIES = 1024;
/** Addresses that lie in one block of this size (log2) have one record. */
export const EXTENT_BLOCK_SHIFT = 14;

/** What of the hash is no index. */
export const EXTENT_HASH_SHIFT = 32 - Math.log2(EXTENT_ENTRIES);

/** Record of a page number (36 bits). */
export function extentIndex(vpn: number): number {
  return Math.imul(Math.floor(vpn / 2 ** (EXTENT_BLOCK_SHIFT - 12)), TLB_HASH) >>> EXTENT_HASH_SHIFT;
}

/**
 * Multiplier of the TLB's hash (2^32 / golden ratio, odd). The whole page number takes part: a stack and a heap that are a
 * power of two apart would otherwise evict each other for ever. Neighbouring pages differ by 0x13c or 0x13d in the index, never
 * by 0: the check for accesses over a page boundary relies on it.
 */
export const TLB_HASH = 0x9e3779b9;

/** Entry of a page number (36 bits, or its low 32). */
export function tlbIndex(vpn: number): number {
  return Math.imul(vpn, TLB_HASH) >>> 23;
}

const LAST_PAGE_ENTRY = tlbIndex(-1);

/**
 * Tag of an empty entry: no value of (address + size − 1) & −4096 that the entry is checked against. Entry 0 serves page
 * 0; that of the last page of all serves accesses that run over the end, to page 0.
 */
export function emptyTag(index: number): 0 | 1 {
  return index === 0 || index === LAST_PAGE_ENTRY ? 1 : 0;
}

/** Entries whose empty tag is not 0. */
export const MARKED_ENTRIES: readonly number[] = [0, LAST_PAGE_ENTRY];
