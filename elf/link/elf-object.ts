/**
 * ELF relocatable objects (ET_REL, x86-64), as compilers and `ld -r` write them, become a RelocatableObject. The image may
 * be hostile: what is read is bounded by its length, because sections that share bytes are refused.
 */
import {
  ET_REL,
  GRP_COMDAT,
  SHF_ALLOC,
  SHF_COMPRESSED,
  SHF_EXCLUDE,
  SHF_EXECINSTR,
  SHF_GROUP,
  SHF_TLS,
  SHF_WRITE,
  SHN_ABS,
  SHN_COMMON,
  SHN_LORESERVE,
  SHN_UNDEF,
  SHN_XINDEX,
  SHT_GROUP,
  SHT_NOBITS,
  SHT_NULL,
  SHT_REL,
  SHT_RELA,
  SHT_STRTAB,
  SHT_SYMTAB,
  SHT_SYMTAB_SHNDX,
  STB_GLOBAL,
  STB_GNU_UNIQUE,
  STB_LOCAL,
  STB_WEAK,
  STT_GNU_IFUNC,
  STT_SECTION,
  STT_TLS,
} from '../../abi/elf.js';
import { EINVAL, ENOEXEC, EOPNOTSUPP } from '../../abi/errno.js';
import { SYMBOL_SIZE, u64, viewOf } from '../fields.js';
import { ElfError, type ElfFile, nameBudget, parseElf, type Section, sectionBytes, tableString } from '../parse.js';
import {
  ABSOLUTE,
  COMMON,
  DROPPED,
  NULL_SYMBOL,
  type ObjectRelocation,
  type ObjectSection,
  type ObjectSymbol,
  type RelocatableObject,
  UNDEFINED,
} from './object.js';
import { printable, Refusal } from './refusal.js';
import { RELOCATIONS } from './relocations.js';

const RELA_SIZE = 24;
const REL_SIZE = 16;
const WORD = 4;

/** Exact for the low bits of flags that were read as a double. */
const has = (section: Section, flag: number): boolean => Math.floor(section.flags / flag) % 2 === 1;
const malformed = (reason: string): Refusal => new Refusal(EINVAL, reason);
const called = (section: Section): string => `section ${printable(section.name)} [${section.index}]`;

export function parseElfObject(image: Uint8Array): RelocatableObject | Refusal {
  const file = parseElf(image);
  if (file instanceof ElfError) {
    return new Refusal(file.field === 'e_machine' ? EOPNOTSUPP : EINVAL, `bad ELF file: ${file}`);
  }
  if (file.header.type !== ET_REL) {
    return malformed(`e_type ${file.header.type} is not ET_REL: no relocatable object (was it linked without -r?)`);
  }
  const shared = findSharedBytes(file);
  if (shared !== null) return shared;
  const table = findSymbolTable(file);
  if (table instanceof Refusal) return table;
  const dropped = findRepeatedGroups(file, table);
  if (dropped instanceof Refusal) return dropped;
  const kept = new KeptSections(file, dropped);
  const symbols = readSymbols(file, table, kept);
  if (symbols instanceof Refusal) return symbols;
  const sections = readSections(file, table, kept, symbols.length);
  return sections instanceof Refusal ? sections : { sections, symbols, ranges: [] };
}

/** Without this a small file could have work done many times over. */
function findSharedBytes(file: ElfFile): Refusal | null {
  let total = 0;
  for (const section of file.sections) total += sectionBytes(file, section).length;
  return total <= file.image.length ? null : malformed('sections share bytes of the file: they are longer than it is');
}

interface SymbolTable {
  readonly section: Section;
  readonly bytes: Uint8Array;
  readonly strings: Uint8Array;
  /** Section indexes that do not fit st_shndx. */
  readonly indexes: Uint8Array;
  readonly count: number;
}

function findSymbolTable(file: ElfFile): SymbolTable | Refusal {
  const tables = file.sections.filter((candidate) => candidate.type === SHT_SYMTAB);
  const section = tables[0];
  if (section === undefined) return malformed('no symbol table (.symtab): was the object stripped?');
  if (tables.length > 1) return malformed(`${called(tables[1]!)} is a second symbol table`);
  const strings = file.sections[section.link];
  if (strings === undefined || strings.type !== SHT_STRTAB) {
    return malformed(`${called(section)}: sh_link ${section.link} is no string table (.strtab)`);
  }
  const bytes = sectionBytes(file, section);
  if (section.entsize !== SYMBOL_SIZE) return malformed(`${called(section)}: sh_entsize ${section.entsize} is not 24`);
  if (bytes.length % SYMBOL_SIZE !== 0) return malformed(`${called(section)}: size ${bytes.length} is not in symbols`);
  const extended = file.sections.find((it) => it.type === SHT_SYMTAB_SHNDX && it.link === section.index);
  return {
    section,
    bytes,
    strings: sectionBytes(file, strings),
    indexes: extended === undefined ? new Uint8Array(0) : sectionBytes(file, extended),
    count: bytes.length / SYMBOL_SIZE,
  };
}

/** The section that symbol `index` lies in, or a reserved number. @returns null when the extended table lacks it */
function sectionOf(table: SymbolTable, index: number): { index: number; reserved: boolean } | null {
  const shndx = viewOf(table.bytes).getUint16(index * SYMBOL_SIZE + 6, true);
  if (shndx !== SHN_XINDEX) return { index: shndx, reserved: shndx === SHN_UNDEF || shndx >= SHN_LORESERVE };
  if ((index + 1) * WORD > table.indexes.length) return null;
  return { index: viewOf(table.indexes).getUint32(index * WORD, true), reserved: false };
}

/**
 * Of groups with one signature (COMDAT: C++ inline functions, templates) the first stays.
 * @returns indexes of the members of the others
 */
function findRepeatedGroups(file: ElfFile, table: SymbolTable): ReadonlySet<number> | Refusal {
  const dropped = new Set<number>();
  const signatures = new Set<string>();
  for (const group of file.sections) {
    if (group.type !== SHT_GROUP) continue;
    const bytes = sectionBytes(file, group);
    if (bytes.length < WORD || bytes.length % WORD !== 0) {
      return malformed(`${called(group)}: ${bytes.length} bytes are no group of sections`);
    }
    if (group.link !== table.section.index || group.info >= table.count) {
      return malformed(`${called(group)}: no signature, symbol ${group.info} of section ${group.link}`);
    }
    const words = viewOf(bytes);
    if ((words.getUint32(0, true) & GRP_COMDAT) === 0) continue;
    const symbol = viewOf(table.bytes).getUint32(group.info * SYMBOL_SIZE, true);
    const named = tableString(table.strings, symbol);
    if (named === null)
      return malformed(`${called(group)}: the name of its signature lies outside of the string table`);
    // A section symbol has no name: its section's stands for it. @source gABI, section groups
    const signature = named !== '' ? named : `section ${sectionOf(table, group.info)?.index}`;
    if (!signatures.has(signature)) {
      signatures.add(signature);
      continue;
    }
    for (let at = WORD; at < bytes.length; at += WORD) dropped.add(words.getUint32(at, true));
  }
  return dropped;
}

/** Which sections are loaded, and as which of the object's. */
class KeptSections {
  readonly sections: readonly Section[];
  readonly #places: Int32Array;

  constructor(file: ElfFile, dropped: ReadonlySet<number>) {
    this.#places = new Int32Array(file.sections.length).fill(DROPPED);
    const sections: Section[] = [];
    for (const section of file.sections) {
      const isLoaded = has(section, SHF_ALLOC) && !has(section, SHF_EXCLUDE) && !UNLOADED_TYPES.includes(section.type);
      if (!isLoaded || (has(section, SHF_GROUP) && dropped.has(section.index))) continue;
      this.#places[section.index] = sections.length;
      sections.push(section);
    }
    this.sections = sections;
  }

  /** @param index of a section of the file, which exists @returns index in `sections`, or DROPPED */
  placeOf(index: number): number {
    return this.#places[index]!;
  }
}

const UNLOADED_TYPES: readonly number[] = [
  SHT_NULL,
  SHT_SYMTAB,
  SHT_STRTAB,
  SHT_RELA,
  SHT_REL,
  SHT_GROUP,
  SHT_SYMTAB_SHNDX,
];
const BINDINGS: readonly number[] = [STB_LOCAL, STB_GLOBAL, STB_WEAK, STB_GNU_UNIQUE];

function readSymbols(file: ElfFile, table: SymbolTable, kept: KeptSections): readonly ObjectSymbol[] | Refusal {
  const symbols: ObjectSymbol[] = [NULL_SYMBOL];
  let budget = nameBudget(file.image);
  for (let index = 1; index < table.count; index++) {
    const symbol = readSymbol(file, table, kept, index);
    if (symbol instanceof Refusal) return symbol;
    budget -= symbol.name.length;
    if (budget < 0) return malformed(`symbol ${index}: the names of symbols are longer than the file`);
    symbols.push(symbol);
  }
  return symbols;
}

function readSymbol(file: ElfFile, table: SymbolTable, kept: KeptSections, index: number): ObjectSymbol | Refusal {
  const view = viewOf(table.bytes);
  const at = index * SYMBOL_SIZE;
  const info = view.getUint8(at + 4);
  const type = info & 15;
  const binding = info >> 4;
  const text = tableString(table.strings, view.getUint32(at, true));
  if (text === null) return malformed(`symbol ${index}: its name lies outside of the string table`);
  // Assemblers may give section symbols their section's name; nobody looks them up by it.
  const name = type === STT_SECTION ? '' : text;
  const shown = `symbol ${name === '' ? index : printable(name)}`;
  if (!BINDINGS.includes(binding)) return malformed(`${shown}: unknown binding ${binding}`);
  if (type === STT_TLS) {
    return new Refusal(ENOEXEC, `${shown} is thread-local: thread-local storage does not exist in the kernel`);
  }
  if (type === STT_GNU_IFUNC) {
    return new Refusal(ENOEXEC, `${shown} is an indirect function, which the kernel does not resolve`);
  }
  const where = sectionOf(table, index);
  if (where === null) return malformed(`${shown}: no entry in the table of section indexes`);
  let place: number;
  if (!where.reserved) {
    if (where.index >= file.sections.length) return malformed(`${shown}: no section ${where.index}`);
    place = kept.placeOf(where.index);
  } else if (where.index === SHN_UNDEF) place = UNDEFINED;
  else if (where.index === SHN_ABS) place = ABSOLUTE;
  else if (where.index === SHN_COMMON) place = COMMON;
  else return malformed(`${shown}: unknown section index 0x${where.index.toString(16)}`);
  const value = view.getBigUint64(at + 8, true);
  const home = where.reserved ? undefined : file.sections[where.index]!;
  if (home !== undefined && value > home.size) {
    return malformed(`${shown}: 0x${value.toString(16)} lies outside of ${called(home)}, which has ${home.size} bytes`);
  }
  return {
    name,
    value,
    size: u64(view, at + 16),
    type,
    binding: binding === STB_GNU_UNIQUE ? STB_GLOBAL : binding,
    place,
    home: home?.name ?? '',
  };
}

function readSections(
  file: ElfFile,
  table: SymbolTable,
  kept: KeptSections,
  symbolCount: number,
): readonly ObjectSection[] | Refusal {
  const relocations: ObjectRelocation[][] = kept.sections.map(() => []);
  for (const section of file.sections) {
    if (section.type !== SHT_RELA && section.type !== SHT_REL) continue;
    if (section.info >= file.sections.length) {
      return malformed(`${called(section)}: relocates section ${section.info}, which does not exist`);
    }
    const place = kept.placeOf(section.info);
    if (place === DROPPED) continue;
    const wrong = readRelocations(file, table, section, kept.sections[place]!, symbolCount, relocations[place]!);
    if (wrong !== null) return wrong;
  }
  const sections: ObjectSection[] = [];
  for (const [place, section] of kept.sections.entries()) {
    if (has(section, SHF_TLS)) {
      return new Refusal(ENOEXEC, `${called(section)}: thread-local storage does not exist in the kernel`);
    }
    if (has(section, SHF_COMPRESSED)) return new Refusal(ENOEXEC, `${called(section)} is compressed and to be loaded`);
    sections.push({
      name: section.name,
      write: has(section, SHF_WRITE),
      execute: has(section, SHF_EXECINSTR),
      size: section.size,
      align: Math.max(section.addralign, 1),
      bytes: section.type === SHT_NOBITS ? null : sectionBytes(file, section),
      relocations: relocations[place]!,
    });
  }
  return sections;
}

/** Adds the entries of `section` to `into`. */
function readRelocations(
  file: ElfFile,
  table: SymbolTable,
  section: Section,
  target: Section,
  symbolCount: number,
  into: ObjectRelocation[],
): Refusal | null {
  const isRela = section.type === SHT_RELA;
  const entrySize = isRela ? RELA_SIZE : REL_SIZE;
  const bytes = sectionBytes(file, section);
  if (section.link !== table.section.index) return malformed(`${called(section)}: sh_link is not the symbol table`);
  if (section.entsize !== entrySize) {
    return malformed(`${called(section)}: sh_entsize ${section.entsize} is not ${entrySize}`);
  }
  if (bytes.length % entrySize !== 0) return malformed(`${called(section)}: size is not a multiple of ${entrySize}`);
  const view = viewOf(bytes);
  const field = viewOf(sectionBytes(file, target));
  for (let at = 0; at < bytes.length; at += entrySize) {
    const offset = u64(view, at);
    const type = view.getUint32(at + 8, true);
    const symbol = view.getUint32(at + 12, true);
    if (symbol >= symbolCount) {
      return malformed(`${called(section)}: entry ${at / entrySize} names symbol ${symbol} of ${symbolCount}`);
    }
    const addend = isRela ? view.getBigInt64(at + 16, true) : storedAddend(field, offset, type);
    into.push({ offset, type, symbol, addend });
  }
  return null;
}

/** SHT_REL keeps the addend in the field. 0 when the field or the type does not exist: apply.ts refuses both. */
function storedAddend(field: DataView, offset: number, type: number): bigint {
  const width = RELOCATIONS.get(type)?.width ?? 0;
  if (width === 0 || offset + width > field.byteLength) return 0n;
  let stored = 0n;
  for (let i = width - 1; i >= 0; i--) stored = (stored << 8n) | BigInt(field.getUint8(offset + i));
  return BigInt.asIntN(8 * width, stored);
}
