/**
 * Raw field access of ELF64 little-endian structures. 64-bit fields become numbers: exact below 2^53, and above
 * that still far beyond every bound they are checked against. Addresses are read as signed, because Linux lets them
 * wrap around when a load bias is added.
 */
export const EHDR_SIZE = 64;
export const PHDR_SIZE = 56;
export const SHDR_SIZE = 64;
export const SYMBOL_SIZE = 24;
/** The first four bytes, big endian. */
export const ELF_MAGIC = 0x7f454c46;

export interface ElfHeader {
  readonly class: number;
  readonly data: number;
  readonly identVersion: number;
  readonly osAbi: number;
  readonly type: number;
  readonly machine: number;
  readonly version: number;
  /** Signed. */
  readonly entry: number;
  /** File offsets of the program header and section header tables, bytes. */
  readonly phoff: number;
  readonly shoff: number;
  readonly flags: number;
  readonly ehsize: number;
  readonly phentsize: number;
  readonly phnum: number;
  readonly shentsize: number;
  readonly shnum: number;
  readonly shstrndx: number;
}

export interface ProgramHeader {
  readonly type: number;
  /** PF_* */
  readonly flags: number;
  readonly offset: number;
  /** Signed. */
  readonly vaddr: number;
  readonly paddr: number;
  readonly filesz: number;
  readonly memsz: number;
  readonly align: number;
}

export interface SectionHeader {
  /** Offset in the section name table. */
  readonly nameOffset: number;
  readonly type: number;
  readonly flags: number;
  readonly addr: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly addralign: number;
  readonly entsize: number;
}

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Above 2^53 rounded to odd: what does not fit sets the last bit that does, so that no other number becomes a power of two. */
export function u64(view: DataView, at: number): number {
  const high = view.getUint32(at + 4, true);
  const low = view.getUint32(at, true);
  const excess = 11 - Math.clz32(high);
  if (excess <= 0) return high * 2 ** 32 + low;
  const kept = (low >>> excess) << excess;
  return high * 2 ** 32 + ((kept >>> 0 === low ? kept : kept | (1 << excess)) >>> 0);
}

/** Signed; exact between -2^53 and 2^53. */
export const i64 = (view: DataView, at: number): number =>
  view.getInt32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);

/** @param view at least EHDR_SIZE bytes */
export const readElfHeader = (view: DataView): ElfHeader => ({
  class: view.getUint8(4),
  data: view.getUint8(5),
  identVersion: view.getUint8(6),
  osAbi: view.getUint8(7),
  type: view.getUint16(16, true),
  machine: view.getUint16(18, true),
  version: view.getUint32(20, true),
  entry: i64(view, 24),
  phoff: u64(view, 32),
  shoff: u64(view, 40),
  flags: view.getUint32(48, true),
  ehsize: view.getUint16(52, true),
  phentsize: view.getUint16(54, true),
  phnum: view.getUint16(56, true),
  shentsize: view.getUint16(58, true),
  shnum: view.getUint16(60, true),
  shstrndx: view.getUint16(62, true),
});

/** @param view at least PHDR_SIZE bytes from `at` */
export const readProgramHeader = (view: DataView, at: number): ProgramHeader => ({
  type: view.getUint32(at, true),
  flags: view.getUint32(at + 4, true),
  offset: u64(view, at + 8),
  vaddr: i64(view, at + 16),
  paddr: u64(view, at + 24),
  filesz: u64(view, at + 32),
  memsz: u64(view, at + 40),
  align: u64(view, at + 48),
});

/** @param view at least SHDR_SIZE bytes from `at` */
export const readSectionHeader = (view: DataView, at: number): SectionHeader => ({
  nameOffset: view.getUint32(at, true),
  type: view.getUint32(at + 4, true),
  flags: u64(view, at + 8),
  addr: u64(view, at + 16),
  offset: u64(view, at + 24),
  size: u64(view, at + 32),
  link: view.getUint32(at + 40, true),
  info: view.getUint32(at + 44, true),
  addralign: u64(view, at + 48),
  entsize: u64(view, at + 56),
});

export const hasElfMagic = (view: DataView): boolean => view.byteLength >= 4 && view.getUint32(0) === ELF_MAGIC;

/** Exact for every double. */
export const isPowerOfTwo = (value: number): boolean => value > 0 && 2 ** Math.round(Math.log2(value)) === value;
