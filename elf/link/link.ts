/**
 * With the segments' addresses known: finds the names that others define, relocates, and says where everything lies. Third
 * step of the linker: see object.ts. The result holds nothing of the file's image.
 */
import { STT_FILE, STT_SECTION } from '../../abi/elf.js';
import { ENOENT } from '../../abi/errno.js';
import { viewOf } from '../fields.js';
import { apply, type Target } from './apply.js';
import { findLifecycle, type Lifecycle } from './constructors.js';
import { isGotSymbol, isImport, type Layout, type Place, SEGMENTS, type SegmentName } from './layout.js';
import { ABSOLUTE, COMMON, DROPPED, type ObjectSymbol } from './object.js';
import { printable, Refusal } from './refusal.js';

/**
 * Where a name of somebody else's lies. Called once for each import, in their order.
 * @returns address, signed; undefined: nobody has it
 */
export type Resolve = (name: string, weak: boolean) => number | undefined;

/** Addresses of the segments: signed, multiples of SEGMENT_ALIGN; also of those that are empty, near the others. */
export type Bases = Readonly<Record<SegmentName, number>>;

export interface LinkedSegment {
  /** Signed. */
  readonly address: number;
  /** Bytes of memory. */
  readonly size: number;
  /** What to copy there; up to `size` zeros follow. */
  readonly bytes: Uint8Array;
}

export interface LinkedSection {
  readonly name: string;
  /** Signed. */
  readonly address: number;
  readonly size: number;
  readonly write: boolean;
  readonly execute: boolean;
}

export interface LinkedSymbol {
  readonly name: string;
  /** Signed. That of an absolute symbol is a number of any kind, rounded above 2^53. */
  readonly address: number;
  /** Bytes; 0 when not known. */
  readonly size: number;
  /** STT_* */
  readonly type: number;
  /** STB_* */
  readonly binding: number;
  /** Name of its section; '' for absolute symbols. */
  readonly section: string;
}

export interface LinkedImport {
  readonly name: string;
  /** Signed; 0 for a weak one that nobody has. */
  readonly address: number;
}

export interface LinkedObject extends Lifecycle {
  readonly segments: Readonly<Record<SegmentName, LinkedSegment>>;
  readonly sections: readonly LinkedSection[];
  /** What the object defines, local and global, in the file's order; no section or file symbols. */
  readonly symbols: readonly LinkedSymbol[];
  readonly imports: readonly LinkedImport[];
}

/** How many missing names a refusal lists. */
const MAX_LISTED = 8;

export function link(layout: Layout, bases: Bases, resolve: Resolve): LinkedObject | Refusal {
  const imports = resolveImports(layout, resolve);
  if (imports instanceof Refusal) return imports;
  const { object } = layout;
  const addresses = object.symbols.map((_, index) => addressOf(layout, bases, imports, index));
  const segments = fillSegments(layout, bases);
  const target: Target = {
    layout,
    addresses,
    sizes: object.symbols.map((_, index) =>
      isImport(object, layout.definitions, index) ? null : BigInt(sizeOf(layout, index)),
    ),
    got: BigInt(bases[layout.got.segment] + layout.got.offset),
    addressOf: (place: Place) => BigInt(bases[place.segment] + place.offset),
    views: {
      text: viewOf(segments.text.bytes),
      rodata: viewOf(segments.rodata.bytes),
      data: viewOf(segments.data.bytes),
    },
  };
  const wrong = apply(target);
  if (wrong !== null) return wrong;
  const sections = listSections(layout, bases);
  const lifecycle = findLifecycle(sections, Object.values(segments), segments.text);
  if (lifecycle instanceof Refusal) return lifecycle;
  return {
    ...lifecycle,
    segments,
    sections,
    symbols: listSymbols(layout, addresses),
    imports: [...imports].map(([name, address]) => ({ name, address })),
  };
}

function resolveImports(layout: Layout, resolve: Resolve): ReadonlyMap<string, number> | Refusal {
  const imports = new Map<string, number>();
  const missing: string[] = [];
  for (const { name, weak } of layout.imports) {
    const address = resolve(name, weak) ?? (weak ? 0 : undefined);
    if (address === undefined) missing.push(name);
    else imports.set(name, address);
  }
  if (missing.length === 0) return imports;
  const listed = missing.slice(0, MAX_LISTED).map(printable).join(', ');
  const more = missing.length > MAX_LISTED ? ` and ${missing.length - MAX_LISTED} more` : '';
  return new Refusal(ENOENT, `unknown symbol${missing.length > 1 ? 's' : ''} ${listed}${more}`);
}

/** @returns signed; null for symbols of sections that are not loaded */
function addressOf(layout: Layout, bases: Bases, imports: ReadonlyMap<string, number>, index: number): bigint | null {
  const { object, definitions, places, commons } = layout;
  const symbol = object.symbols[definitions.by[index]!]!;
  if (isGotSymbol(object, definitions, index)) return BigInt(bases[layout.got.segment] + layout.got.offset);
  if (isImport(object, definitions, index)) return BigInt(imports.get(symbol.name)!);
  if (symbol.place === ABSOLUTE) return BigInt.asIntN(64, symbol.value);
  if (symbol.place === DROPPED) return null;
  const place = symbol.place === COMMON ? commons.get(definitions.by[index]!)! : places[symbol.place]!;
  // st_value is an offset in the section; for common symbols it was the alignment.
  const value = symbol.place === COMMON ? 0n : symbol.value;
  return BigInt.asIntN(64, BigInt(bases[place.segment] + place.offset) + value);
}

function sizeOf({ object, definitions }: Layout, index: number): number {
  const by = definitions.by[index]!;
  return definitions.commons.get(by)?.size ?? object.symbols[by]!.size;
}

/** `int3`: who runs off the end of a function is stopped. */
const CODE_PADDING = 0xcc;

function fillSegments(layout: Layout, bases: Bases): Record<SegmentName, LinkedSegment> {
  const segments = {} as Record<SegmentName, LinkedSegment>;
  for (const name of SEGMENTS) {
    const { size, initialised } = layout.segments[name];
    segments[name] = { address: bases[name], size, bytes: new Uint8Array(initialised) };
  }
  segments.text.bytes.fill(CODE_PADDING);
  for (const [index, { bytes }] of layout.object.sections.entries()) {
    const { segment, offset } = layout.places[index]!;
    if (bytes !== null) segments[segment].bytes.set(bytes, offset);
  }
  return segments;
}

function listSections(layout: Layout, bases: Bases): readonly LinkedSection[] {
  const { object, places } = layout;
  const addressAt = (section: number): number => bases[places[section]!.segment] + places[section]!.offset;
  const sections = object.sections.map(({ name, size, write, execute }, index) => ({
    name,
    address: addressAt(index),
    size,
    write,
    execute,
  }));
  const ranges = object.ranges.map(({ name, section, offset, size }) => {
    const { write, execute } = object.sections[section]!;
    return { name, address: addressAt(section) + offset, size, write, execute };
  });
  return [...sections, ...ranges];
}

const isListed = ({ name, type, place }: ObjectSymbol): boolean =>
  name !== '' && type !== STT_SECTION && type !== STT_FILE && (place >= 0 || place === ABSOLUTE || place === COMMON);

function listSymbols(layout: Layout, addresses: readonly (bigint | null)[]): readonly LinkedSymbol[] {
  const { object, definitions } = layout;
  const symbols: LinkedSymbol[] = [];
  for (const [index, symbol] of object.symbols.entries()) {
    const address = addresses[index]!;
    // Of several definitions of one name, only the one that counts.
    if (!isListed(symbol) || definitions.by[index] !== index || address === null) continue;
    const { name, type, binding, place, home } = symbol;
    const section = place === COMMON ? 'COMMON' : home;
    symbols.push({ name, address: Number(address), size: sizeOf(layout, index), type, binding, section });
  }
  return symbols;
}
