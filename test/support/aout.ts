/**
 * Writes a relocatable a.out object (elf/link/aout.ts) from an ELF one: no toolchain makes them for x86-64. What the format
 * cannot say is an error of the test: it throws.
 */
import {
  AUX_FUNC,
  BIND_WEAK,
  EXEC,
  EXEC_SIZE,
  MID_X86_64,
  N_ABS,
  N_BSS,
  N_DATA,
  N_EXT,
  N_FN,
  N_SIZE,
  N_TEXT,
  N_UNDF,
  NLIST,
  NLIST_SIZE,
  OMAGIC,
  R_BASEREL,
  R_EXTERN,
  R_JMPTABLE,
  R_LENGTH_SHIFT,
  R_PCREL,
  RELOCATION_INFO_SIZE,
} from '../../abi/aout.js';
import { STB_LOCAL, STB_WEAK, STT_FILE, STT_SECTION } from '../../abi/elf.js';
import { ABSOLUTE, COMMON, type ObjectSection, type RelocatableObject, UNDEFINED } from '../../elf/link/object.js';
import { RELOCATIONS } from '../../elf/link/relocations.js';

const PARTS = [N_TEXT, N_DATA, N_BSS] as const;
type Part = (typeof PARTS)[number];

/** What the names of sections would have said. */
const isMarked = (name: string): boolean => /^\.(banos-|modinfo$|init_array|fini_array)|^__versions$/.test(name);

const partOf = (section: ObjectSection): Part => (section.bytes === null ? N_BSS : section.write ? N_DATA : N_TEXT);

const roundUp = (value: number, align: number): number => Math.ceil(value / align) * align;

/** Kinds of fields by the ELF type that means them; PIC and the forms with an X are what they are without it. */
const KINDS: Readonly<Record<string, number>> = {
  R_X86_64_64: 0,
  R_X86_64_32: 0,
  R_X86_64_32S: 0,
  R_X86_64_16: 0,
  R_X86_64_8: 0,
  R_X86_64_PC64: R_PCREL,
  R_X86_64_PC32: R_PCREL,
  R_X86_64_PC16: R_PCREL,
  R_X86_64_PC8: R_PCREL,
  R_X86_64_PLT32: R_PCREL | R_JMPTABLE,
  R_X86_64_GOT32: R_BASEREL,
  R_X86_64_GOT64: R_BASEREL,
  R_X86_64_GOTPCREL: R_BASEREL | R_PCREL,
  R_X86_64_GOTPCRELX: R_BASEREL | R_PCREL,
  R_X86_64_REX_GOTPCRELX: R_BASEREL | R_PCREL,
  R_X86_64_GOTPCREL64: R_BASEREL | R_PCREL,
};

class Strings {
  readonly #parts: Buffer[] = [];
  #size = 8;

  add(text: string): number {
    const at = this.#size;
    this.#parts.push(Buffer.from(`${text}\0`, 'latin1'));
    this.#size += text.length + 1;
    return at;
  }

  bytes(): Buffer {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(this.#size));
    return Buffer.concat([length, ...this.#parts]);
  }
}

export function aoutOf(object: RelocatableObject): Uint8Array {
  const sizes = new Map<Part, number>(PARTS.map((part) => [part, 0]));
  const offsets = object.sections.map((section) => {
    const part = partOf(section);
    const at = roundUp(sizes.get(part)!, section.align);
    sizes.set(part, at + section.size);
    return at;
  });
  // So that addresses in the file are aligned as those in memory.
  for (const part of PARTS) sizes.set(part, roundUp(sizes.get(part)!, 64));
  const bases = new Map<Part, number>([
    [N_TEXT, 0],
    [N_DATA, sizes.get(N_TEXT)!],
    [N_BSS, sizes.get(N_TEXT)! + sizes.get(N_DATA)!],
  ]);
  const addressAt = (section: number): number => bases.get(partOf(object.sections[section]!))! + offsets[section]!;

  const strings = new Strings();
  const symbols: Buffer[] = [];
  const addSymbol = (name: string, type: number, value: bigint, other = 0): number => {
    const entry = Buffer.alloc(NLIST_SIZE);
    entry.writeBigUInt64LE(BigInt(name === '' ? 0 : strings.add(name)), NLIST.strx);
    entry[NLIST.type] = type;
    entry[NLIST.other] = other;
    entry.writeBigUInt64LE(value, NLIST.value);
    symbols.push(entry);
    return symbols.length - 1;
  };
  const numbers = object.symbols.map((symbol, index): number => {
    const { name, value, size, type, binding, place } = symbol;
    if (index === 0 || type === STT_SECTION) return -1;
    if (type === STT_FILE) return addSymbol(name, N_FN | N_EXT, 0n);
    const external = binding === STB_LOCAL ? 0 : N_EXT;
    const other = (type <= AUX_FUNC ? type : 0) | (binding === STB_WEAK ? BIND_WEAK << 4 : 0);
    if (place === UNDEFINED) return addSymbol(name, N_UNDF | external, 0n, other);
    if (place === COMMON) return addSymbol(name, N_UNDF | external, BigInt(size), other);
    if (place === ABSOLUTE) return addSymbol(name, N_ABS | external, value, other);
    if (place < 0) return -1;
    const part = partOf(object.sections[place]!);
    const number = addSymbol(name, part | external, value + BigInt(addressAt(place)), other);
    if (size > 0) addSymbol(name, N_SIZE, BigInt(size));
    return number;
  });
  for (const [place, section] of object.sections.entries()) {
    if (!isMarked(section.name)) continue;
    addSymbol(`__start_${section.name}`, partOf(section), BigInt(addressAt(place)));
    addSymbol(`__stop_${section.name}`, partOf(section), BigInt(addressAt(place) + section.size));
  }

  const contents = new Map([N_TEXT, N_DATA].map((part) => [part, Buffer.alloc(sizes.get(part as Part)!)]));
  const relocations = new Map<number, Buffer[]>([
    [N_TEXT, []],
    [N_DATA, []],
  ]);
  for (const [place, section] of object.sections.entries()) {
    const part = partOf(section);
    if (section.bytes === null) continue;
    const content = contents.get(part)!;
    content.set(section.bytes, offsets[place]!);
    for (const { offset, type, symbol, addend } of section.relocations) {
      const row = RELOCATIONS.get(type)!;
      const kind = KINDS[row.name];
      if (kind === undefined) throw new Error(`a.out has no ${row.name}`);
      const at = offsets[place]! + offset;
      const { place: home, value, name, type: symbolType } = object.symbols[symbol]!;
      const isLocal = symbolType === STT_SECTION || numbers[symbol]! < 0;
      if (isLocal && home < 0) throw new Error(`a.out cannot refer to ${name}`);
      let field = addend;
      if ((kind & R_PCREL) !== 0) field -= BigInt(bases.get(part)! + at);
      if (isLocal) field += value + BigInt(addressAt(home));
      const entry = Buffer.alloc(RELOCATION_INFO_SIZE);
      entry.writeUInt32LE(at, 0);
      const number = isLocal ? partOf(object.sections[home]!) : numbers[symbol]!;
      const bits = number | kind | (isLocal ? 0 : R_EXTERN) | (Math.log2(row.width) << R_LENGTH_SHIFT);
      entry.writeInt32LE(bits, 4);
      relocations.get(part)!.push(entry);
      for (let i = 0; i < row.width; i++) content[at + i] = Number((field >> BigInt(8 * i)) & 0xffn);
    }
  }

  const text = Buffer.concat(relocations.get(N_TEXT)!);
  const data = Buffer.concat(relocations.get(N_DATA)!);
  const table = Buffer.concat(symbols);
  const header = Buffer.alloc(EXEC_SIZE);
  header.writeUInt32BE((MID_X86_64 << 16) | OMAGIC, EXEC.midmag);
  const put = (at: number, value: number): number => header.writeBigUInt64LE(BigInt(value), at);
  put(EXEC.text, sizes.get(N_TEXT)!);
  put(EXEC.data, sizes.get(N_DATA)!);
  put(EXEC.bss, sizes.get(N_BSS)!);
  put(EXEC.syms, table.length);
  put(EXEC.trsize, text.length);
  put(EXEC.drsize, data.length);
  return new Uint8Array(
    Buffer.concat([header, contents.get(N_TEXT)!, contents.get(N_DATA)!, text, data, table, strings.bytes()]),
  );
}
