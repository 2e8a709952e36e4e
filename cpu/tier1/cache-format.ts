/**
 * Modules of regions as bytes. A file holds those whose first region begins in one page:
 *
 *   magic (8) · SHA-256 of the engine's version (32) · entries
 *   entry: length of the payload (u32) · SHA-256 of the payload (32) · payload
 *   payload: length of the description (u32) · description (JSON, UTF-8) · WebAssembly
 *
 * Integers are little-endian. Whatever is damaged is left out: a file of another version as a whole, an entry whose digest
 * is wrong, and all behind a length that leads out of the file.
 */
import { type Place, writeFixed } from '../wasm/code.js';
import type { FlagOperand, FlagSource } from './flags.js';
import { missKind, type Relocation, WIDTH, windowField } from './relocation.js';
import type { RegionBody } from './translation.js';

const MAGIC = Uint8Array.of(0x62, 0x61, 0x6e, 0x6f, 0x73, 0x54, 0x43, 0x01);
const DIGEST = 32;
const HEAD = MAGIC.length + DIGEST;
const ENTRY_HEAD = 4 + DIGEST;

/** SHA-256. */
export type Digest = (bytes: Uint8Array) => Uint8Array;

export interface StoredRegion extends Omit<RegionBody, 'pages' | 'destinations' | 'addresses'> {
  /** Which function of the module it is. */
  readonly index: number;
  readonly pages: readonly number[];
  readonly destinations: readonly number[];
  readonly addresses: readonly number[];
  /** How often it was made anew: code that is kept settles from run to run. */
  readonly version: number;
}

export interface StoredModule {
  readonly regions: readonly StoredRegion[];
  /** Page numbers of code with the digests of their content, in hexadecimal. */
  readonly pages: readonly (readonly [page: number, digest: string])[];
  /** Roots of regions in other modules. */
  readonly imports: readonly number[];
  /** Slots, and a page that each was used for. */
  readonly slots: readonly (readonly [slot: number, page: number])[];
  readonly places: readonly Place<Relocation>[];
  readonly bytes: Uint8Array;
}

// Files

export function encodeFile(version: Uint8Array, modules: readonly StoredModule[], digest: Digest): Uint8Array {
  const payloads = modules.map(encodeModule);
  const size = payloads.reduce((sum, { length }) => sum + ENTRY_HEAD + length, HEAD);
  const out = new Uint8Array(size);
  const view = new DataView(out.buffer);
  out.set(MAGIC);
  out.set(version, MAGIC.length);
  let at = HEAD;
  for (const payload of payloads) {
    view.setUint32(at, payload.length, true);
    out.set(digest(payload), at + 4);
    out.set(payload, at + ENTRY_HEAD);
    at += ENTRY_HEAD + payload.length;
  }
  return out;
}

/** @returns the modules that are whole */
export function decodeFile(version: Uint8Array, bytes: Uint8Array, digest: Digest): StoredModule[] {
  if (bytes.length < HEAD || !equal(bytes, 0, MAGIC) || !equal(bytes, MAGIC.length, version)) return [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const modules: StoredModule[] = [];
  for (let at = HEAD; at + ENTRY_HEAD <= bytes.length; ) {
    const start = at + ENTRY_HEAD;
    const end = start + view.getUint32(at, true);
    if (end > bytes.length) break;
    const payload = bytes.subarray(start, end);
    if (equal(bytes, at + 4, digest(payload))) {
      const module = decodeModule(payload);
      if (module !== undefined) modules.push(module);
    }
    at = end;
  }
  return modules;
}

function equal(bytes: Uint8Array, offset: number, expected: Uint8Array): boolean {
  for (let i = 0; i < expected.length; i++) if (bytes[offset + i] !== expected[i]) return false;
  return true;
}

// Modules

/** An operand: register and byte, a constant as text, which saved value, or none. */
type StoredOperand = [register: number, byte: number] | string | 0 | 1 | null;
type StoredSource = [kind: FlagSource['kind'], size: FlagSource['size'], ...operands: StoredOperand[]];

const KINDS = ['record', 'flags', 'window', 'miss'] as const;

interface Description {
  regions: StoredRegion[];
  pages: [number, string][];
  imports: number[];
  slots: [number, number][];
  sources: StoredSource[];
  /** Four numbers each: bytes since the place before, kind, and two for the kind. */
  places: number[];
}

function encodeModule(module: StoredModule): Uint8Array {
  const sources: StoredSource[] = [];
  const known = new Map<string, number>();
  const places: number[] = [];
  let last = 0;
  for (const { offset, symbol } of module.places) {
    places.push(offset - last, KINDS.indexOf(symbol.kind));
    last = offset;
    if (symbol.kind === 'record') places.push(symbol.address, symbol.distance);
    else if (symbol.kind === 'window') places.push(symbol.slot, symbol.field);
    else if (symbol.kind === 'miss') places.push(symbol.slot, symbol.flags);
    else {
      const { kind, size, a, b, res } = symbol.source;
      const source: StoredSource = [kind, size, encodeOperand(a), encodeOperand(b), encodeOperand(res)];
      const key = JSON.stringify(source);
      let index = known.get(key);
      if (index === undefined) known.set(key, (index = sources.push(source) - 1));
      places.push(index, 0);
    }
  }
  const description: Description = {
    regions: module.regions.map((region) => ({ ...region, addresses: differences(region.addresses) })),
    pages: module.pages.map(([page, digest]) => [page, digest]),
    imports: [...module.imports],
    slots: module.slots.map(([slot, page]) => [slot, page]),
    sources,
    places,
  };
  const text = new TextEncoder().encode(JSON.stringify(description));
  const out = new Uint8Array(4 + text.length + module.bytes.length);
  new DataView(out.buffer).setUint32(0, text.length, true);
  out.set(text, 4);
  out.set(module.bytes, 4 + text.length);
  return out;
}

/** @returns undefined for what this version does not write */
function decodeModule(payload: Uint8Array): StoredModule | undefined {
  try {
    const length = new DataView(payload.buffer, payload.byteOffset, payload.byteLength).getUint32(0, true);
    const text = new TextDecoder().decode(payload.subarray(4, 4 + length));
    const { regions, pages, imports, slots, sources, places } = JSON.parse(text) as Description;
    return {
      regions: regions.map((region) => ({ ...region, addresses: sums(region.addresses) })),
      pages,
      imports,
      slots,
      places: decodePlaces(places, sources),
      bytes: payload.slice(4 + length),
    };
  } catch {
    return undefined;
  }
}

function decodePlaces(numbers: readonly number[], sources: readonly StoredSource[]): Place<Relocation>[] {
  const decoded = sources.map(([kind, size, a, b, res]): FlagSource => {
    return { kind, size, a: decodeOperand(a), b: decodeOperand(b), res: decodeOperand(res) };
  });
  const places: Place<Relocation>[] = [];
  let offset = 0;
  for (let i = 0; i < numbers.length; i += 4) {
    offset += numbers[i]!;
    const [x, y] = [numbers[i + 2]!, numbers[i + 3]!];
    places.push({ offset, symbol: decodeRelocation(KINDS[numbers[i + 1]!]!, x, y, decoded) });
  }
  return places;
}

function decodeRelocation(kind: Relocation['kind'], x: number, y: number, sources: readonly FlagSource[]): Relocation {
  switch (kind) {
    case 'record':
      return { kind, address: x, distance: y };
    case 'window':
      return { kind, slot: x, field: y };
    case 'miss':
      return { kind, slot: x, flags: y };
    default:
      return { kind: 'flags', source: sources[x]! };
  }
}

function encodeOperand(operand: FlagOperand | undefined): StoredOperand {
  if (operand === undefined) return null;
  if ('saved' in operand) return operand.saved;
  return 'constant' in operand ? String(operand.constant) : [operand.register, operand.byte];
}

function decodeOperand(operand: StoredOperand | undefined): FlagOperand | undefined {
  if (operand === null || operand === undefined) return undefined;
  if (typeof operand === 'string') return { constant: BigInt(operand) };
  if (typeof operand === 'number') return { saved: operand };
  return { register: operand[0], byte: operand[1] };
}

/** Ascending numbers as the steps between them: short in JSON. */
function differences(numbers: readonly number[]): number[] {
  return numbers.map((number, i) => number - (i === 0 ? 0 : numbers[i - 1]!));
}

function sums(steps: readonly number[]): number[] {
  let sum = 0;
  return steps.map((step) => (sum += step));
}

// Relocation

/** The numbers of this run. */
export interface Resolver {
  /** 0: there is none. */
  record(address: number): number;
  flagSource(source: FlagSource): number;
  /** Slot of the run that emitted → slot of this one. */
  slots: ReadonlyMap<number, number>;
}

/** The code with the numbers of this run; undefined when something has none. */
export function relocate({ bytes, places }: StoredModule, resolver: Resolver): Uint8Array | undefined {
  const out = bytes.slice();
  for (const { offset, symbol } of places) {
    const value = numberFor(symbol, resolver);
    if (value === undefined) return undefined;
    writeFixed(out, offset, WIDTH[symbol.kind], value);
  }
  return out;
}

function numberFor(symbol: Relocation, { record, flagSource, slots }: Resolver): number | undefined {
  switch (symbol.kind) {
    case 'record': {
      const found = record(symbol.address);
      return found === 0 ? undefined : found + symbol.distance;
    }
    case 'flags':
      return flagSource(symbol.source);
    default: {
      const slot = slots.get(symbol.slot);
      if (slot === undefined) return undefined;
      return symbol.kind === 'window' ? windowField(slot, symbol.field) : missKind(slot, symbol.flags);
    }
  }
}
