/**
 * Strict reading of a whole ELF64 file: header, program headers, sections with their names. For the linker and for
 * tools; execve has rules of its own (program.ts), which are Linux's and laxer. The file may be hostile: every
 * offset, size and index is checked before use, and a refusal says which field is wrong and why.
 */
import {
  ELFCLASS64,
  ELFDATA2LSB,
  EM_X86_64,
  ET_CORE,
  ET_DYN,
  ET_EXEC,
  ET_REL,
  EV_CURRENT,
  PT_LOAD,
  SHN_LORESERVE,
  SHN_XINDEX,
  SHT_NOBITS,
  SHT_NULL,
  SHT_STRTAB,
} from '../abi/elf.js';
import {
  EHDR_SIZE,
  type ElfHeader,
  hasElfMagic,
  isPowerOfTwo,
  PHDR_SIZE,
  type ProgramHeader,
  readElfHeader,
  readProgramHeader,
  readSectionHeader,
  type SectionHeader,
  SHDR_SIZE,
  viewOf,
} from './fields.js';

/** Why a file was refused. A value, never thrown. */
export class ElfError {
  /** C name of the field, with an index where there are many: `e_phoff`, `shdr[3].sh_size`. */
  readonly field: string;
  readonly reason: string;

  constructor(field: string, reason: string) {
    this.field = field;
    this.reason = reason;
  }

  toString(): string {
    return `${this.field}: ${this.reason}`;
  }
}

export interface Section extends SectionHeader {
  readonly index: number;
  /** latin1 */
  readonly name: string;
}

export interface ElfFile {
  /** The whole file. */
  readonly image: Uint8Array;
  readonly header: ElfHeader;
  readonly segments: readonly ProgramHeader[];
  readonly sections: readonly Section[];
}

const FILE_TYPES: readonly number[] = [ET_REL, ET_EXEC, ET_DYN, ET_CORE];
/** More sections than any toolchain makes; bounds what a hostile file can cost. */
const MAX_SECTIONS = 1 << 20;
/** Bytes of a name; C++ makes names of some thousand. */
const MAX_NAME = 16384;

/** Bytes of a section: a view of the image; empty for SHT_NOBITS and SHT_NULL. */
export const sectionBytes = (file: ElfFile, section: Section): Uint8Array =>
  section.type === SHT_NOBITS || section.type === SHT_NULL
    ? file.image.subarray(0, 0)
    : file.image.subarray(section.offset, section.offset + section.size);

/** The string at `offset` of a string table, latin1. @returns null when it does not end inside the table, or is too long */
export function tableString(table: Uint8Array, offset: number): string | null {
  if (offset >= table.length) return null;
  const end = table.subarray(offset, offset + MAX_NAME + 1).indexOf(0);
  return end < 0 ? null : String.fromCharCode(...table.subarray(offset, offset + end));
}

/**
 * How many bytes of names one file may have in all. Strings may overlap, so that a few bytes of a hostile file can stand for
 * many; a toolchain's share at most the names of local symbols, each of which has a table entry of its own.
 */
export const nameBudget = (image: Uint8Array): number => 4 * image.length;

export function parseElf(image: Uint8Array): ElfFile | ElfError {
  const view = viewOf(image);
  const header = parseHeader(view);
  if (header instanceof ElfError) return header;
  const segments = parseSegments(view, header);
  if (segments instanceof ElfError) return segments;
  const sections = parseSections(image, view, header);
  if (sections instanceof ElfError) return sections;
  return { image, header, segments, sections };
}

function parseHeader(view: DataView): ElfHeader | ElfError {
  if (view.byteLength < EHDR_SIZE) return new ElfError('e_ident', `file of ${view.byteLength} bytes is too short`);
  if (!hasElfMagic(view)) return new ElfError('e_ident', 'no ELF magic number');
  const header = readElfHeader(view);
  if (header.class !== ELFCLASS64) return new ElfError('EI_CLASS', `${header.class} is not ELFCLASS64`);
  if (header.data !== ELFDATA2LSB) return new ElfError('EI_DATA', `${header.data} is not ELFDATA2LSB`);
  if (header.identVersion !== EV_CURRENT) return new ElfError('EI_VERSION', `unknown version ${header.identVersion}`);
  if (!FILE_TYPES.includes(header.type)) return new ElfError('e_type', `unknown type ${header.type}`);
  if (header.machine !== EM_X86_64) return new ElfError('e_machine', `${header.machine} is not EM_X86_64`);
  if (header.version !== EV_CURRENT) return new ElfError('e_version', `unknown version ${header.version}`);
  if (header.ehsize !== EHDR_SIZE) return new ElfError('e_ehsize', `${header.ehsize} is not ${EHDR_SIZE}`);
  return header;
}

function parseSegments(view: DataView, header: ElfHeader): readonly ProgramHeader[] | ElfError {
  if (header.phnum === 0) return [];
  if (header.phentsize !== PHDR_SIZE) return new ElfError('e_phentsize', `${header.phentsize} is not ${PHDR_SIZE}`);
  if (header.phoff + header.phnum * PHDR_SIZE > view.byteLength) {
    return new ElfError('e_phoff', 'program headers reach beyond the end of the file');
  }
  const segments: ProgramHeader[] = [];
  for (let i = 0; i < header.phnum; i++) {
    const segment = readProgramHeader(view, header.phoff + i * PHDR_SIZE);
    if (segment.filesz > 0 && segment.offset + segment.filesz > view.byteLength) {
      return new ElfError(`phdr[${i}].p_filesz`, 'segment reaches beyond the end of the file');
    }
    if (segment.type === PT_LOAD && segment.filesz > segment.memsz) {
      return new ElfError(`phdr[${i}].p_memsz`, 'smaller than p_filesz');
    }
    if (segment.align > 1 && !isPowerOfTwo(segment.align)) {
      return new ElfError(`phdr[${i}].p_align`, `${segment.align} is not a power of two`);
    }
    segments.push(segment);
  }
  return segments;
}

function parseSections(image: Uint8Array, view: DataView, header: ElfHeader): readonly Section[] | ElfError {
  if (header.shoff === 0) return header.shnum === 0 ? [] : new ElfError('e_shnum', 'sections without a table');
  if (header.shentsize !== SHDR_SIZE) return new ElfError('e_shentsize', `${header.shentsize} is not ${SHDR_SIZE}`);
  if (header.shoff + SHDR_SIZE > view.byteLength) return new ElfError('e_shoff', 'lies beyond the end of the file');
  const first = readSectionHeader(view, header.shoff);
  // Large numbers do not fit the file header and are kept in section 0. @source gABI, section header
  const count = header.shnum === 0 ? first.size : header.shnum;
  const nameIndex = header.shstrndx === SHN_XINDEX ? first.link : header.shstrndx;
  const countField = header.shnum === 0 ? 'shdr[0].sh_size' : 'e_shnum';
  if (count > MAX_SECTIONS) return new ElfError(countField, `${count} sections`);
  if (header.shoff + count * SHDR_SIZE > view.byteLength) {
    return new ElfError(countField, 'section headers reach beyond the end of the file');
  }
  const headers: SectionHeader[] = [];
  for (let i = 0; i < count; i++) {
    const section = readSectionHeader(view, header.shoff + i * SHDR_SIZE);
    const wrong = checkSection(section, i, count, view.byteLength);
    if (wrong !== null) return wrong;
    headers.push(section);
  }
  return nameSections(image, headers, nameIndex);
}

function checkSection(section: SectionHeader, index: number, count: number, length: number): ElfError | null {
  if (index === 0) return section.type === SHT_NULL ? null : new ElfError('shdr[0].sh_type', 'is not SHT_NULL');
  if (section.type === SHT_NULL) return null;
  const field = `shdr[${index}]`;
  if (section.type !== SHT_NOBITS && section.offset + section.size > length) {
    return new ElfError(`${field}.sh_size`, 'section reaches beyond the end of the file');
  }
  if (section.link >= count && section.link < SHN_LORESERVE) {
    return new ElfError(`${field}.sh_link`, `no section ${section.link}`);
  }
  if (section.addralign > 1 && !isPowerOfTwo(section.addralign)) {
    return new ElfError(`${field}.sh_addralign`, `${section.addralign} is not a power of two`);
  }
  return null;
}

function nameSections(
  image: Uint8Array,
  headers: readonly SectionHeader[],
  nameIndex: number,
): readonly Section[] | ElfError {
  if (nameIndex === 0) return headers.map((section, index) => ({ ...section, index, name: '' }));
  const names = headers[nameIndex];
  if (names === undefined) return new ElfError('e_shstrndx', `no section ${nameIndex}`);
  if (names.type !== SHT_STRTAB) return new ElfError('e_shstrndx', `section ${nameIndex} is no string table`);
  const table = image.subarray(names.offset, names.offset + names.size);
  const sections: Section[] = [];
  let budget = nameBudget(image);
  for (const [index, section] of headers.entries()) {
    const name = section.type === SHT_NULL ? '' : tableString(table, section.nameOffset);
    if (name === null) return new ElfError(`shdr[${index}].sh_name`, 'does not lie in the name table');
    budget -= name.length;
    if (budget < 0) return new ElfError(`shdr[${index}].sh_name`, 'the names of sections are longer than the file');
    sections.push({ ...section, index, name });
  }
  return sections;
}
