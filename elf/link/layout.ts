/**
 * Where everything goes, relative to three segments whose addresses are not known yet. Second step of the linker: see
 * object.ts. No page is writable and executable: text (r-x), read-only data (r--) and data (rw-) have pages of their own.
 *
 *   text:   code | stubs for calls that may turn out to be out of reach
 *   rodata: constants | global offset table (filled when the object is linked, read-only from then on)
 *   data:   initialised data | zeros: .bss, common symbols
 */

import { R_X86_64_PC32, R_X86_64_PLT32, STB_WEAK } from '../../abi/elf.js';
import { ENOEXEC, ENOMEM } from '../../abi/errno.js';
import { chooseDefinitions, type Definitions } from './definitions.js';
import { type ObjectRelocation, type ObjectSection, type RelocatableObject, UNDEFINED } from './object.js';
import { printable, Refusal } from './refusal.js';
import { RELOCATIONS } from './relocations.js';

/** Segments begin at multiples of this, and nothing can be aligned to more. */
export const SEGMENT_ALIGN = 4096;
/** Bytes of all segments of one object. */
const MAX_SIZE = 256 * 2 ** 20;
/** `jmp *0(%rip)` and the address behind it. */
const STUB_SIZE = 16;
const GOT_ENTRY_SIZE = 8;
/** The table's own address; compilers use it without anybody defining it. @source psABI, global offset table */
const GOT_SYMBOL = '_GLOBAL_OFFSET_TABLE_';

export const SEGMENTS = ['text', 'rodata', 'data'] as const;
export type SegmentName = (typeof SEGMENTS)[number];

export interface SegmentLayout {
  /** Bytes of memory, whole pages; 0: there is nothing to put there. */
  readonly size: number;
  /** Bytes from the beginning that are not zeros. */
  readonly initialised: number;
}

/** `offset` bytes into a segment. */
export interface Place {
  readonly segment: SegmentName;
  readonly offset: number;
}

/** A name that others must define. Weak: 0 if nobody does. */
export interface Import {
  readonly name: string;
  readonly weak: boolean;
}

export interface Layout {
  readonly object: RelocatableObject;
  readonly segments: Readonly<Record<SegmentName, SegmentLayout>>;
  /** One for each of the object's sections. */
  readonly places: readonly Place[];
  readonly definitions: Definitions;
  /** By defining symbol. */
  readonly commons: ReadonlyMap<number, Place>;
  /** Each name once. */
  readonly imports: readonly Import[];
  readonly got: Place;
  /** By symbol: offset of its entry in the table. */
  readonly gotEntries: ReadonlyMap<number, number>;
  /** By symbol: offset of its stub in the text segment. */
  readonly stubs: ReadonlyMap<number, number>;
}

/** Takes memory of one segment, from its beginning up. */
class Segment {
  #end = 0;
  #initialised = 0;

  take(size: number, align: number): number {
    const at = Math.ceil(this.#end / align) * align;
    this.#end = at + size;
    return at;
  }

  /** What is taken from here on is zeros. */
  endInitialised(): void {
    this.#initialised = this.#end;
  }

  layout(): SegmentLayout {
    return { size: Math.ceil(this.#end / SEGMENT_ALIGN) * SEGMENT_ALIGN, initialised: this.#initialised };
  }
}

const segmentOf = (section: ObjectSection): SegmentName =>
  section.execute ? 'text' : section.write ? 'data' : 'rodata';

export function layOut(object: RelocatableObject): Layout | Refusal {
  const definitions = chooseDefinitions(object);
  if (definitions instanceof Refusal) return definitions;
  const wrong = findUnplaceable(object, definitions);
  if (wrong !== null) return wrong;
  const { gotEntries, stubs, usesGot } = findIndirect(object, definitions);
  const segments: Record<SegmentName, Segment> = { text: new Segment(), rodata: new Segment(), data: new Segment() };
  const places: Place[] = [];
  const placeAll = (areZeros: boolean): void => {
    for (const [index, section] of object.sections.entries()) {
      if ((section.bytes === null) !== areZeros) continue;
      const segment = segmentOf(section);
      places[index] = { segment, offset: segments[segment].take(section.size, section.align) };
    }
  };
  placeAll(false);
  // An empty table has an address too.
  const gotSize = usesGot ? Math.max(gotEntries.length, 1) * GOT_ENTRY_SIZE : 0;
  const got: Place = { segment: 'rodata', offset: segments.rodata.take(gotSize, usesGot ? GOT_ENTRY_SIZE : 1) };
  const firstStub = segments.text.take(stubs.length * STUB_SIZE, stubs.length > 0 ? STUB_SIZE : 1);
  for (const name of SEGMENTS) segments[name].endInitialised();
  placeAll(true);
  const commons = new Map<number, Place>();
  for (const [symbol, { size, align }] of definitions.commons) {
    commons.set(symbol, { segment: 'data', offset: segments.data.take(size, align) });
  }
  const laidOut = {
    text: segments.text.layout(),
    rodata: segments.rodata.layout(),
    data: segments.data.layout(),
  };
  const total = laidOut.text.size + laidOut.rodata.size + laidOut.data.size;
  if (total > MAX_SIZE) return new Refusal(ENOMEM, `needs ${total} bytes of memory, and may have ${MAX_SIZE}`);
  return {
    object,
    segments: laidOut,
    places,
    definitions,
    commons,
    imports: listImports(object, definitions),
    got,
    gotEntries: new Map(gotEntries.map((symbol, i) => [symbol, i * GOT_ENTRY_SIZE])),
    stubs: new Map(stubs.map((symbol, i) => [symbol, firstStub + i * STUB_SIZE])),
  };
}

function findUnplaceable(object: RelocatableObject, definitions: Definitions): Refusal | null {
  for (const { name, write, execute, align } of object.sections) {
    const shown = `section ${printable(name)}`;
    if (write && execute) return new Refusal(ENOEXEC, `${shown} is both writable and executable`);
    if (align > SEGMENT_ALIGN) return new Refusal(ENOEXEC, `${shown} is to be aligned to ${align}, more than a page`);
  }
  for (const [symbol, { align }] of definitions.commons) {
    if (align <= SEGMENT_ALIGN) continue;
    const shown = `common symbol ${printable(object.symbols[symbol]!.name)}`;
    return new Refusal(ENOEXEC, `${shown} is to be aligned to ${align}, more than a page`);
  }
  return null;
}

/** Nobody in the object defines it. */
export const isImport = ({ symbols }: RelocatableObject, { by }: Definitions, symbol: number): boolean =>
  symbols[by[symbol]!]!.place === UNDEFINED;

export const isGotSymbol = (object: RelocatableObject, definitions: Definitions, symbol: number): boolean =>
  object.symbols[symbol]!.name === GOT_SYMBOL && isImport(object, definitions, symbol);

function listImports(object: RelocatableObject, definitions: Definitions): readonly Import[] {
  const imports = new Map<string, Import>();
  for (const [index, { name, binding }] of object.symbols.entries()) {
    if (!isImport(object, definitions, index) || isGotSymbol(object, definitions, index)) continue;
    const weak = binding === STB_WEAK && imports.get(name)?.weak !== false;
    imports.set(name, { name, weak });
  }
  return [...imports.values()];
}

interface Indirect {
  /** Symbols with an entry of the global offset table. */
  readonly gotEntries: readonly number[];
  /** Symbols with a stub. */
  readonly stubs: readonly number[];
  readonly usesGot: boolean;
}

/** What may be needed: which of it is, only the addresses tell. */
function findIndirect(object: RelocatableObject, definitions: Definitions): Indirect {
  const gotEntries = new Set<number>();
  const stubs = new Set<number>();
  let usesGot = false;
  for (const section of object.sections) {
    for (const relocation of section.relocations) {
      const { type, symbol } = relocation;
      const got = RELOCATIONS.get(type)?.got;
      if (got === 'entry') gotEntries.add(symbol);
      usesGot ||= got !== undefined || isGotSymbol(object, definitions, symbol);
      if (isCall(section, relocation) && isImport(object, definitions, symbol)) stubs.add(symbol);
    }
  }
  return { gotEntries: [...gotEntries], stubs: [...stubs], usesGot };
}

const CALL = 0xe8;
const JUMP = 0xe9;

/** Transfers control to the symbol, so that a stub can stand for it. Old assemblers write calls as R_X86_64_PC32. */
export function isCall({ execute, bytes }: ObjectSection, { type, offset, addend }: ObjectRelocation): boolean {
  if (type === R_X86_64_PLT32) return true;
  if (type !== R_X86_64_PC32 || !execute || bytes === null || addend !== -4n) return false;
  // No ModRM byte of an operand relative to rip looks like one of these.
  const opcode = bytes[offset - 1];
  const isConditional = bytes[offset - 2] === 0x0f && opcode !== undefined && opcode >> 4 === 8;
  return opcode === CALL || opcode === JUMP || isConditional;
}
