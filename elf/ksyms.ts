/**
 * The image behind /dev/ksyms: an ELF file of nothing but symbols, those of the kernel and of its modules, for nm, objdump,
 * readelf and gdb. When it is made, and for whom, is the caller's business: an image does not change.
 *
 *   ELF header | .symtab | .strtab | .shstrtab | section headers: those three, and one without bytes for each area
 *
 * @source NetBSD ksyms(4)
 */
import {
  ET_EXEC,
  SHF_ALLOC,
  SHF_EXECINSTR,
  SHF_WRITE,
  SHN_ABS,
  SHN_LORESERVE,
  SHT_NOBITS,
  SHT_NULL,
  SHT_STRTAB,
  SHT_SYMTAB,
  STB_LOCAL,
} from '../abi/elf.js';
import { EHDR_SIZE, SHDR_SIZE, SYMBOL_SIZE, viewOf } from './fields.js';
import { StringTable, writeElfHeader, writeSectionHeader, writeSymbol } from './write.js';

export interface KernelSymbol {
  readonly name: string;
  /** Signed. */
  readonly address: number;
  /** Bytes; 0 when not known. */
  readonly size: number;
  /** STT_* */
  readonly type: number;
  /** STB_* */
  readonly binding: number;
}

/** Memory that symbols lie in: the kernel's text, a segment of a module. Areas do not overlap. */
export interface KernelArea {
  /** `.text` of the kernel, `.text.message`, `.rodata.message`, `.data.message` of a module: this is how tools show whose a symbol is. */
  readonly name: string;
  /** Signed. */
  readonly address: number;
  /** Bytes. */
  readonly size: number;
  readonly write: boolean;
  readonly execute: boolean;
}

const FIXED_SECTIONS = [
  ['.symtab', SHT_SYMTAB],
  ['.strtab', SHT_STRTAB],
  ['.shstrtab', SHT_STRTAB],
] as const;
const SYMTAB = 1;
const STRTAB = 2;
const SHSTRTAB = 3;
const FIRST_AREA = 4;
const ALIGN = 8;

const aligned = (at: number): number => Math.ceil(at / ALIGN) * ALIGN;

/** @param symbols names are latin1 and without NUL; those outside of all areas become absolute */
export function ksymsImage(areas: readonly KernelArea[], symbols: readonly KernelSymbol[]): Uint8Array {
  const places = areas.slice(0, SHN_LORESERVE - FIRST_AREA).toSorted((a, b) => a.address - b.address);
  // The format wants local symbols first.
  const byAddress = symbols.toSorted((a, b) => a.address - b.address);
  const isLocal = ({ binding }: KernelSymbol): boolean => binding === STB_LOCAL;
  const locals = byAddress.filter(isLocal);
  const inOrder = [...locals, ...byAddress.filter((symbol) => !isLocal(symbol))];
  const strings = new StringTable();
  const nameOffsets = inOrder.map(({ name }) => strings.add(name));
  const sectionNames = new StringTable();
  const fixedNames = FIXED_SECTIONS.map(([name]) => sectionNames.add(name));
  const areaNames = places.map(({ name }) => sectionNames.add(name));

  const symtabAt = EHDR_SIZE;
  const strtabAt = symtabAt + (inOrder.length + 1) * SYMBOL_SIZE;
  const shstrtabAt = strtabAt + strings.size;
  const headersAt = aligned(shstrtabAt + sectionNames.size);
  const sectionCount = FIRST_AREA + places.length;
  const image = new Uint8Array(headersAt + sectionCount * SHDR_SIZE);
  const view = viewOf(image);
  writeElfHeader(view, { type: ET_EXEC, shoff: headersAt, shnum: sectionCount, shstrndx: SHSTRTAB });
  strings.writeTo(image, strtabAt);
  sectionNames.writeTo(image, shstrtabAt);
  for (const [i, symbol] of inOrder.entries()) {
    const place = areaAt(places, symbol.address);
    writeSymbol(view, symtabAt + (i + 1) * SYMBOL_SIZE, {
      name: nameOffsets[i]!,
      type: symbol.type,
      binding: symbol.binding,
      section: place < 0 ? SHN_ABS : FIRST_AREA + place,
      value: symbol.address,
      size: symbol.size,
    });
  }
  const header = (index: number): number => headersAt + index * SHDR_SIZE;
  const bounds = [symtabAt, strtabAt, shstrtabAt, shstrtabAt + sectionNames.size];
  writeSectionHeader(view, header(0), { name: 0, type: SHT_NULL });
  for (const [i, [, type]] of FIXED_SECTIONS.entries()) {
    const isSymtab = i + 1 === SYMTAB;
    writeSectionHeader(view, header(i + 1), {
      name: fixedNames[i]!,
      type,
      offset: bounds[i]!,
      size: bounds[i + 1]! - bounds[i]!,
      // Of a symbol table: its strings, and its first symbol that is not local.
      link: isSymtab ? STRTAB : 0,
      info: isSymtab ? locals.length + 1 : 0,
      align: isSymtab ? ALIGN : 1,
      entrySize: isSymtab ? SYMBOL_SIZE : 0,
    });
  }
  for (const [i, { address, size, write, execute }] of places.entries()) {
    writeSectionHeader(view, header(FIRST_AREA + i), {
      name: areaNames[i]!,
      type: SHT_NOBITS,
      flags: SHF_ALLOC | (write ? SHF_WRITE : 0) | (execute ? SHF_EXECINSTR : 0),
      address,
      offset: headersAt,
      size,
      align: 1,
    });
  }
  return image;
}

/** @param areas by address @returns index of the one that holds `address`, or its end; -1 if none does */
function areaAt(areas: readonly KernelArea[], address: number): number {
  let low = 0;
  let high = areas.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (areas[middle]!.address <= address) low = middle + 1;
    else high = middle;
  }
  const area = areas[low - 1];
  // The end of an area is no part of it, and still a symbol like `_end` belongs to it.
  return area !== undefined && address <= area.address + area.size ? low - 1 : -1;
}
