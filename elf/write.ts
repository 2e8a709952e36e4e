/**
 * Writes the structures that fields.ts reads: ELF64, little-endian, x86-64. Addresses are signed numbers, exact between
 * -2^53 and 2^53.
 */
import { ELFCLASS64, ELFDATA2LSB, EM_X86_64, EV_CURRENT } from '../abi/elf.js';
import { EHDR_SIZE, ELF_MAGIC, PHDR_SIZE, SHDR_SIZE } from './fields.js';

export interface HeaderFields {
  /** ET_* */
  readonly type: number;
  /** File offsets and numbers of the two tables; 0 for one that does not exist. */
  readonly phoff?: number;
  readonly phnum?: number;
  readonly shoff?: number;
  readonly shnum?: number;
  /** Section with the sections' names. */
  readonly shstrndx?: number;
}

export interface SectionFields {
  /** Offset in the table of names. */
  readonly name: number;
  /** SHT_* */
  readonly type: number;
  /** SHF_* */
  readonly flags?: number;
  readonly address?: number;
  readonly offset?: number;
  readonly size?: number;
  readonly link?: number;
  readonly info?: number;
  readonly align?: number;
  readonly entrySize?: number;
}

export interface SegmentFields {
  /** PT_* */
  readonly type: number;
  /** PF_* */
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
  readonly align: number;
}

export interface SymbolFields {
  /** Offset in the table of names. */
  readonly name: number;
  /** STT_* */
  readonly type: number;
  /** STB_* */
  readonly binding: number;
  readonly section: number;
  readonly value: number;
  readonly size: number;
}

const put64 = (view: DataView, at: number, value: number): void => view.setBigInt64(at, BigInt(value), true);

/** @param view EHDR_SIZE bytes of zeros from its beginning */
export function writeElfHeader(view: DataView, fields: HeaderFields): void {
  const { type, phoff = 0, phnum = 0, shoff = 0, shnum = 0, shstrndx = 0 } = fields;
  view.setUint32(0, ELF_MAGIC);
  view.setUint8(4, ELFCLASS64);
  view.setUint8(5, ELFDATA2LSB);
  view.setUint8(6, EV_CURRENT);
  view.setUint16(16, type, true);
  view.setUint16(18, EM_X86_64, true);
  view.setUint32(20, EV_CURRENT, true);
  put64(view, 32, phoff);
  put64(view, 40, shoff);
  view.setUint16(52, EHDR_SIZE, true);
  view.setUint16(54, PHDR_SIZE, true);
  view.setUint16(56, phnum, true);
  view.setUint16(58, SHDR_SIZE, true);
  view.setUint16(60, shnum, true);
  view.setUint16(62, shstrndx, true);
}

/** @param view SHDR_SIZE bytes from `at` */
export function writeSectionHeader(view: DataView, at: number, fields: SectionFields): void {
  view.setUint32(at, fields.name, true);
  view.setUint32(at + 4, fields.type, true);
  put64(view, at + 8, fields.flags ?? 0);
  put64(view, at + 16, fields.address ?? 0);
  put64(view, at + 24, fields.offset ?? 0);
  put64(view, at + 32, fields.size ?? 0);
  view.setUint32(at + 40, fields.link ?? 0, true);
  view.setUint32(at + 44, fields.info ?? 0, true);
  put64(view, at + 48, fields.align ?? 0);
  put64(view, at + 56, fields.entrySize ?? 0);
}

/** @param view PHDR_SIZE bytes from `at` */
export function writeProgramHeader(view: DataView, at: number, fields: SegmentFields): void {
  view.setUint32(at, fields.type, true);
  view.setUint32(at + 4, fields.flags, true);
  put64(view, at + 8, fields.offset);
  put64(view, at + 16, fields.address);
  put64(view, at + 24, 0);
  put64(view, at + 32, fields.fileSize);
  put64(view, at + 40, fields.memorySize);
  put64(view, at + 48, fields.align);
}

/** @param view SYMBOL_SIZE bytes from `at` */
export function writeSymbol(view: DataView, at: number, fields: SymbolFields): void {
  view.setUint32(at, fields.name, true);
  view.setUint8(at + 4, (fields.binding << 4) | fields.type);
  view.setUint8(at + 5, 0);
  view.setUint16(at + 6, fields.section, true);
  put64(view, at + 8, fields.value);
  put64(view, at + 16, fields.size);
}

/** A table of strings: each once, the empty one first. */
export class StringTable {
  readonly #offsets = new Map<string, number>([['', 0]]);
  #size = 1;

  /** @param text latin1 @returns its offset */
  add(text: string): number {
    const known = this.#offsets.get(text);
    if (known !== undefined) return known;
    const at = this.#size;
    this.#offsets.set(text, at);
    this.#size += text.length + 1;
    return at;
  }

  get size(): number {
    return this.#size;
  }

  /** @param bytes zeros, `size` of them from `at` */
  writeTo(bytes: Uint8Array, at: number): void {
    for (const [text, offset] of this.#offsets) {
      for (let i = 0; i < text.length; i++) bytes[at + offset + i] = text.charCodeAt(i);
    }
  }
}
