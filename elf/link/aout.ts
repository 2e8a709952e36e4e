/**
 * Relocatable a.out objects of x86-64 become the same RelocatableObject as ELF's. The format has three sections and no
 * names for parts of them: two symbols `__start_NAME` and `__stop_NAME` mark one, as GNU ld marks sections, so that a
 * driver's record and its exports are found. Names of C symbols are as in the source, without an underscore in front.
 *
 *   struct exec | text | data | text relocations | data relocations | struct nlist … | length, strings
 *
 * Addresses in the file count from 0: text, data behind it, bss behind that. What is to be added to a field is in it.
 */
import {
  AUX_FUNC,
  BIND_WEAK,
  EX_DYNAMIC,
  EXEC,
  EXEC_SIZE,
  MID_X86_64,
  N_ABS,
  N_BSS,
  N_DATA,
  N_EXT,
  N_FN,
  N_SIZE,
  N_STAB,
  N_TEXT,
  N_TYPE,
  N_UNDF,
  NLIST,
  NLIST_SIZE,
  NMAGIC,
  OMAGIC,
  QMAGIC,
  R_BASEREL,
  R_COPY,
  R_EXTERN,
  R_JMPTABLE,
  R_LENGTH_SHIFT,
  R_PCREL,
  R_RELATIVE,
  R_SYMBOLNUM_MASK,
  RELOCATION_INFO_SIZE,
  ZMAGIC,
} from '../../abi/aout.js';
import {
  R_X86_64_8,
  R_X86_64_16,
  R_X86_64_32S,
  R_X86_64_64,
  R_X86_64_GOT32,
  R_X86_64_GOT64,
  R_X86_64_GOTPCREL,
  R_X86_64_GOTPCREL64,
  R_X86_64_PC8,
  R_X86_64_PC16,
  R_X86_64_PC32,
  R_X86_64_PC64,
  R_X86_64_PLT32,
  STB_GLOBAL,
  STB_LOCAL,
  STB_WEAK,
  STT_FILE,
  STT_SECTION,
} from '../../abi/elf.js';
import { EINVAL, ENOEXEC, ENOSYS, EOPNOTSUPP } from '../../abi/errno.js';
import { u64, viewOf } from '../fields.js';
import { nameBudget, tableString } from '../parse.js';
import {
  COMMON,
  DROPPED,
  type NamedRange,
  NULL_SYMBOL,
  type ObjectRelocation,
  type ObjectSection,
  type ObjectSymbol,
  type RelocatableObject,
  UNDEFINED,
} from './object.js';
import { printable, Refusal } from './refusal.js';

const MAGICS: readonly number[] = [OMAGIC, NMAGIC, ZMAGIC, QMAGIC];
const malformed = (reason: string): Refusal => new Refusal(EINVAL, `bad a.out file: ${reason}`);

export const hasAoutMagic = (view: DataView): boolean =>
  view.byteLength >= EXEC_SIZE && view.getUint32(4) === 0 && MAGICS.includes(view.getUint16(2));

/** A part of the file that becomes a section. */
interface Part {
  readonly name: string;
  /** N_TEXT, N_DATA, N_BSS */
  readonly type: number;
  /** Address in the file. */
  readonly base: number;
  readonly size: number;
  /** Null: zeros. */
  readonly bytes: Uint8Array | null;
  readonly relocations: Uint8Array;
}

/** Nothing in the format says how sections are aligned: to a cache line, which is more than compilers ask for. */
const SECTION_ALIGN = 64;
/** Symbols before those of the file: the null symbol, one for each part. */
const FIRST_SYMBOL = 4;

/** Bytes that come before the string table, of a header for which `hasAoutMagic` holds; the table begins with its own length. */
export const aoutStringsAt = (header: DataView): number =>
  EXEC_SIZE +
  [EXEC.text, EXEC.data, EXEC.trsize, EXEC.drsize, EXEC.syms].reduce((sum, field) => sum + u64(header, field), 0);

/** @param image for which `hasAoutMagic` holds */
export function parseAoutObject(image: Uint8Array): RelocatableObject | Refusal {
  const view = viewOf(image);
  const midmag = view.getUint32(EXEC.midmag);
  const machine = (midmag >>> 16) & 0x3ff;
  if (machine !== MID_X86_64) {
    return new Refusal(EOPNOTSUPP, `bad a.out file: machine ${machine} is not MID_X86_64`);
  }
  if ((midmag & 0xffff) !== OMAGIC || ((midmag >>> 26) & EX_DYNAMIC) !== 0) {
    return malformed('a program or a shared object, no relocatable object');
  }
  const parts = divide(image, view);
  if (parts instanceof Refusal) return parts;
  const symbols = readSymbols(image, parts);
  if (symbols instanceof Refusal) return symbols;
  const sections: ObjectSection[] = [];
  for (const part of parts.parts) {
    const relocations = readRelocations(part, parts.parts, symbols.length);
    if (relocations instanceof Refusal) return relocations;
    const { name, type, size, bytes } = part;
    const execute = type === N_TEXT;
    sections.push({ name, write: !execute, execute, size, align: SECTION_ALIGN, bytes, relocations });
  }
  const ranges = findRanges(symbols);
  return ranges instanceof Refusal ? ranges : { sections, symbols, ranges };
}

interface Parts {
  readonly parts: readonly Part[];
  readonly symbols: Uint8Array;
  /** From its length on, which offsets count too. */
  readonly strings: Uint8Array;
}

/** Bytes of the string table's length. */
export const STRINGS_HEADER_SIZE = 8;

function divide(image: Uint8Array, view: DataView): Parts | Refusal {
  let end = EXEC_SIZE;
  const take = (size: number): Uint8Array => image.subarray(end, (end += size));
  const size = (field: number): number => u64(view, field);
  const textSize = size(EXEC.text);
  const dataSize = size(EXEC.data);
  for (const [field, at, unit] of [
    ['a_trsize', EXEC.trsize, RELOCATION_INFO_SIZE],
    ['a_drsize', EXEC.drsize, RELOCATION_INFO_SIZE],
    ['a_syms', EXEC.syms, NLIST_SIZE],
  ] as const) {
    if (size(at) % unit !== 0) return malformed(`${field} ${size(at)} is not a multiple of ${unit}`);
  }
  const text = take(textSize);
  const data = take(dataSize);
  const textRelocations = take(size(EXEC.trsize));
  const dataRelocations = take(size(EXEC.drsize));
  const symbols = take(size(EXEC.syms));
  if (end > image.length) return malformed('its parts reach beyond the end of the file');
  const strings = image.subarray(end);
  if (symbols.length > 0) {
    const length = strings.length < STRINGS_HEADER_SIZE ? 0 : u64(viewOf(strings), 0);
    if (length < STRINGS_HEADER_SIZE || length > strings.length) return malformed(`no string table of ${length} bytes`);
  }
  const bssAt = textSize + dataSize;
  const none = image.subarray(0, 0);
  return {
    parts: [
      { name: '.text', type: N_TEXT, base: 0, size: textSize, bytes: text, relocations: textRelocations },
      { name: '.data', type: N_DATA, base: textSize, size: dataSize, bytes: data, relocations: dataRelocations },
      { name: '.bss', type: N_BSS, base: bssAt, size: size(EXEC.bss), bytes: null, relocations: none },
    ],
    symbols,
    strings,
  };
}

function readSymbols(image: Uint8Array, { parts, symbols: table, strings }: Parts): readonly ObjectSymbol[] | Refusal {
  const symbols: ObjectSymbol[] = [
    NULL_SYMBOL,
    ...parts.map(({ name }, place) => ({ ...NULL_SYMBOL, type: STT_SECTION, binding: STB_LOCAL, place, home: name })),
  ];
  const view = viewOf(table);
  const last = new Map<string, number>();
  let budget = nameBudget(image);
  for (let at = 0; at < table.length; at += NLIST_SIZE) {
    const strx = u64(view, at + NLIST.strx);
    // 0 stands for no name at all.
    const name = strx === 0 ? '' : strx < STRINGS_HEADER_SIZE ? null : tableString(strings, strx);
    if (name === null) return malformed(`symbol ${at / NLIST_SIZE}: its name lies outside of the string table`);
    budget -= name.length;
    if (budget < 0) return malformed('the names of symbols are longer than the file');
    const symbol = readSymbol(view, at, name, parts);
    if (symbol instanceof Refusal) return symbol;
    if (symbol !== null) {
      last.set(name, symbols.length);
      symbols.push(symbol);
      continue;
    }
    // A size belongs to the symbol before it that has its name.
    const sized = last.get(name);
    if (sized !== undefined) symbols[sized] = { ...symbols[sized]!, size: u64(view, at + NLIST.value) };
    symbols.push(DEBUGGERS);
  }
  return symbols;
}

/** Entries that are only there for debuggers keep their number. */
const DEBUGGERS: ObjectSymbol = { ...NULL_SYMBOL, place: DROPPED, home: 'stab' };

/** Common symbols are aligned to their size, as far as machine words and vectors need it. */
function commonAlign(size: number): bigint {
  let align = 1;
  while (align < 32 && align * 2 <= size) align *= 2;
  return BigInt(align);
}

/** @returns null for the size of another symbol */
function readSymbol(view: DataView, at: number, name: string, parts: readonly Part[]): ObjectSymbol | Refusal | null {
  const kind = view.getUint8(at + NLIST.type);
  const other = view.getUint8(at + NLIST.other);
  const value = view.getBigUint64(at + NLIST.value, true);
  const type = kind & N_TYPE;
  const isExternal = (kind & N_EXT) !== 0;
  if ((kind & N_STAB) !== 0) return DEBUGGERS;
  if (type === N_SIZE) return null;
  if (type === N_FN) return { ...NULL_SYMBOL, name, type: STT_FILE, binding: STB_LOCAL };
  const symbol = {
    ...NULL_SYMBOL,
    name,
    value,
    type: (other & 0xf) <= AUX_FUNC ? other & 0xf : 0,
    binding: !isExternal ? STB_LOCAL : other >> 4 === BIND_WEAK ? STB_WEAK : STB_GLOBAL,
  };
  if (type === N_ABS) return symbol;
  if (type === N_UNDF) {
    if (value === 0n) return { ...symbol, place: UNDEFINED };
    const size = u64(view, at + NLIST.value);
    return { ...symbol, place: COMMON, size, value: commonAlign(size) };
  }
  const place = parts.findIndex((part) => part.type === type);
  const part = parts[place];
  if (part === undefined) {
    return new Refusal(ENOEXEC, `symbol ${printable(name)}: type 0x${type.toString(16)} is not supported`);
  }
  const offset = value - BigInt(part.base);
  if (offset < 0n || offset > part.size) {
    return malformed(`symbol ${printable(name)}: 0x${value.toString(16)} lies outside of ${part.name}`);
  }
  return { ...symbol, value: offset, place, home: part.name };
}

/** By r_length. A field of 32 bits may be extended with its sign: in the kernel's half of memory that is what is meant. */
const ABSOLUTE_TYPES = [R_X86_64_8, R_X86_64_16, R_X86_64_32S, R_X86_64_64] as const;
const RELATIVE_TYPES = [R_X86_64_PC8, R_X86_64_PC16, R_X86_64_PC32, R_X86_64_PC64] as const;
const TABLE_TYPES: readonly (number | undefined)[] = [undefined, undefined, R_X86_64_GOT32, R_X86_64_GOT64];
const TABLE_RELATIVE_TYPES: readonly (number | undefined)[] = [
  undefined,
  undefined,
  R_X86_64_GOTPCREL,
  R_X86_64_GOTPCREL64,
];
const WORD = 2;

/** The relocation of ELF that means the same. @returns undefined when there is none */
function typeOf(bits: number, length: number): number | undefined {
  const isRelative = (bits & R_PCREL) !== 0;
  const isExternal = (bits & R_EXTERN) !== 0;
  if ((bits & (R_RELATIVE | R_COPY)) !== 0) return undefined;
  if ((bits & R_JMPTABLE) !== 0) return isRelative && isExternal && length === WORD ? R_X86_64_PLT32 : undefined;
  if ((bits & R_BASEREL) !== 0) {
    return isExternal ? (isRelative ? TABLE_RELATIVE_TYPES : TABLE_TYPES)[length] : undefined;
  }
  return (isRelative ? RELATIVE_TYPES : ABSOLUTE_TYPES)[length];
}

function readRelocations(
  part: Part,
  parts: readonly Part[],
  symbolCount: number,
): readonly ObjectRelocation[] | Refusal {
  const view = viewOf(part.relocations);
  const field = viewOf(part.bytes ?? new Uint8Array(0));
  const relocations: ObjectRelocation[] = [];
  for (let at = 0; at < view.byteLength; at += RELOCATION_INFO_SIZE) {
    const offset = view.getUint32(at, true);
    const bits = view.getInt32(at + 4, true);
    const where = `${part.name}+0x${offset.toString(16)}`;
    const length = (bits >>> R_LENGTH_SHIFT) & 3;
    const width = 1 << length;
    if (offset + width > field.byteLength) return malformed(`${where}: relocation outside of its section`);
    const type = typeOf(bits, length);
    if (type === undefined) {
      return new Refusal(ENOSYS, `${where}: unknown kind of a.out relocation 0x${(bits >>> 24).toString(16)}`);
    }
    let addend = stored(field, offset, width);
    // Whoever wrote the field has subtracted its address in the file, as if the section stayed there.
    if ((bits & R_PCREL) !== 0) addend += BigInt(part.base + offset);
    const number = bits & R_SYMBOLNUM_MASK;
    let symbol = number + FIRST_SYMBOL;
    if ((bits & R_EXTERN) === 0) {
      // The number is the type of a section, whose address in the file is in the field.
      const place = parts.findIndex((candidate) => candidate.type === (number & N_TYPE));
      if (place < 0 && (number & N_TYPE) !== N_ABS) return malformed(`${where}: no section 0x${number.toString(16)}`);
      symbol = place + 1;
      addend -= BigInt(parts[place]?.base ?? 0);
    }
    if (symbol >= symbolCount) return malformed(`${where}: no symbol ${number}`);
    relocations.push({ offset, type, symbol, addend: BigInt.asIntN(64, addend) });
  }
  return relocations;
}

function stored(field: DataView, offset: number, width: number): bigint {
  if (width === 8) return field.getBigInt64(offset, true);
  if (width === 4) return BigInt(field.getInt32(offset, true));
  return BigInt(width === 2 ? field.getInt16(offset, true) : field.getInt8(offset));
}

const START = '__start_';
const STOP = '__stop_';

function findRanges(symbols: readonly ObjectSymbol[]): readonly NamedRange[] | Refusal {
  const stops = new Map(symbols.filter(({ name }) => name.startsWith(STOP)).map((symbol) => [symbol.name, symbol]));
  const ranges: NamedRange[] = [];
  for (const { name: start, place, value } of symbols) {
    if (!start.startsWith(START) || place < 0) continue;
    const name = start.slice(START.length);
    const stop = stops.get(STOP + name);
    if (stop === undefined || stop.place !== place || stop.value < value) {
      return malformed(`${printable(start)} and ${printable(STOP + name)} are no range`);
    }
    ranges.push({ name, section: place, offset: Number(value), size: Number(stop.value - value) });
  }
  return ranges;
}
