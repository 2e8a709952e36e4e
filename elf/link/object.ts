/**
 * A relocatable object in memory: what the linker works on, whatever format it was read from (elf-object.ts, aout.ts).
 *
 * Life of a driver in this folder: `parseObject` (parse.ts) → metadata that needs no addresses (metadata.ts) →
 * `layOut` (layout.ts): sizes of the three segments, names that must be found → the caller takes memory, knows the bases →
 * `link` (link.ts): bytes to be copied there, symbols, sections → metadata that points into them (metadata.ts).
 *
 * What a reader guarantees: section bytes have the section's size, symbol and section indexes exist, alignments are powers of
 * two. Offsets of relocations, values and sizes of symbols are as the file says, and checked where they are used.
 */

/** `ObjectSymbol.place` of symbols that lie in no kept section. */
export const UNDEFINED = -1;
export const ABSOLUTE = -2;
/** Memory that the linker takes: `value` is the alignment. */
export const COMMON = -3;
/** In a section that is not loaded; its name is `home`. */
export const DROPPED = -4;

export interface ObjectSection {
  readonly name: string;
  readonly write: boolean;
  readonly execute: boolean;
  /** Bytes. */
  readonly size: number;
  /** Bytes, a power of two. */
  readonly align: number;
  /** A view of the image; null: `size` zeros. */
  readonly bytes: Uint8Array | null;
  readonly relocations: readonly ObjectRelocation[];
}

export interface ObjectSymbol {
  /** '' for section symbols and the null symbol. */
  readonly name: string;
  /** As the file has it, unsigned: offset in the section, absolute value, or alignment of a common symbol. */
  readonly value: bigint;
  /** Bytes; 0 when not known. */
  readonly size: number;
  /** STT_* */
  readonly type: number;
  /** STB_* */
  readonly binding: number;
  /** Index in `sections`, or one of the constants above. */
  readonly place: number;
  /** Name of the section that it is defined in, '' if none. */
  readonly home: string;
}

export interface ObjectRelocation {
  /** Bytes from the beginning of the section. Not checked. */
  readonly offset: number;
  /** R_X86_64_*. Not checked. */
  readonly type: number;
  /** Index in `symbols`. */
  readonly symbol: number;
  /** Signed, 64 bits. */
  readonly addend: bigint;
}

/** A part of a section with a name of its own: formats without named sections have them (a.out). Lies inside its section. */
export interface NamedRange {
  readonly name: string;
  readonly section: number;
  readonly offset: number;
  readonly size: number;
}

export interface RelocatableObject {
  /** Those that are loaded, in the file's order. */
  readonly sections: readonly ObjectSection[];
  /** The first is the null symbol: absolute, 0. */
  readonly symbols: readonly ObjectSymbol[];
  readonly ranges: readonly NamedRange[];
}

export const NULL_SYMBOL: ObjectSymbol = {
  name: '',
  value: 0n,
  size: 0,
  type: 0,
  binding: 0,
  place: ABSOLUTE,
  home: '',
};

/** Initialised bytes that carry this name, before relocation. @returns null if there are none */
export function namedBytes(object: RelocatableObject, name: string): Uint8Array | null {
  const section = object.sections.find((candidate) => candidate.name === name);
  if (section !== undefined) return section.bytes;
  const range = object.ranges.find((candidate) => candidate.name === name);
  if (range === undefined) return null;
  return object.sections[range.section]!.bytes?.subarray(range.offset, range.offset + range.size) ?? null;
}
