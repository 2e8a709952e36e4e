/**
 * What a module says about itself: the driver record and the exports of Banos (pointers, so read once the object is linked),
 * parameters (likewise), `.modinfo` texts and the versions of the symbols that it was built against (readable at once).
 * Layouts: drivers/include/banos/; `.modinfo` and `__versions` are Linux's.
 */
import { EINVAL } from '../../abi/errno.js';
import { i64, u64, viewOf } from '../fields.js';
import { SEGMENTS, type SegmentName } from './layout.js';
import type { LinkedObject, LinkedSection } from './link.js';
import { namedBytes, type RelocatableObject } from './object.js';
import { printable, Refusal } from './refusal.js';

const malformed = (reason: string): Refusal => new Refusal(EINVAL, reason);
const hex = (address: number): string => `0x${BigInt.asUintN(64, BigInt(address)).toString(16)}`;

/** Bytes of a string in a record, without its end. */
const MAX_STRING = 512;

/** Initialised bytes from `address` to the end of its segment. @returns null when it lies elsewhere */
function bytesFrom(linked: LinkedObject, address: number): { bytes: Uint8Array; segment: SegmentName } | null {
  for (const segment of SEGMENTS) {
    const { address: base, bytes } = linked.segments[segment];
    const offset = address - base;
    if (offset >= 0 && offset < bytes.length) return { bytes: bytes.subarray(offset), segment };
  }
  return null;
}

/** C string at an address, latin1. @returns null when it is not in the module, or does not end in it, or is too long */
function stringAt(linked: LinkedObject, address: number): string | null {
  const found = bytesFrom(linked, address);
  if (found === null) return null;
  const end = found.bytes.subarray(0, MAX_STRING + 1).indexOf(0);
  return end < 0 ? null : String.fromCharCode(...found.bytes.subarray(0, end));
}

/** Whether the module may be called at this address. */
function isCode(linked: LinkedObject, address: number): boolean {
  return bytesFrom(linked, address)?.segment === 'text';
}

/** A section of records. @returns undefined when the object has none, a refusal when it is not initialised data */
function findRecords(
  linked: LinkedObject,
  name: string,
): { section: LinkedSection; view: DataView } | Refusal | undefined {
  const section = linked.sections.find((candidate) => candidate.name === name);
  if (section === undefined || section.size === 0) return undefined;
  const found = bytesFrom(linked, section.address);
  if (found === null || found.bytes.length < section.size) return malformed(`section ${name} has no bytes`);
  return { section, view: viewOf(found.bytes.subarray(0, section.size)) };
}

export const DRIVER_SECTION = '.banos-driver';
export const EXPORT_SECTION = '.banos-export';
export const PARAMETER_SECTION = '.banos-param';

/** `Banos_Driver`, interface version 0.0.1, LP64. Offsets in bytes. */
const DRIVER = { size: 0, minimal: 8, name: 16, license: 24, version: 32, init: 40, uninit: 48 } as const;
/** What every driver must have: all up to `init`. */
const DRIVER_REQUIRED = DRIVER.uninit;
const DRIVER_SIZE = DRIVER.uninit + 8;

export interface DriverRecord {
  /** Of the record: what `init` and `uninit` get as their argument. Signed, as all addresses here. */
  readonly address: number;
  /** Bytes of it that the driver knows: smaller than ours in old ones, larger in newer. */
  readonly size: number;
  /** Lowest version of the interface that it runs on: see versionText. */
  readonly minimalVersion: number;
  /** 1 to 512 bytes of any kind. */
  readonly name: string;
  readonly license: string | null;
  readonly version: number;
  /** In the module's code. */
  readonly init: number;
  /** In the module's code; 0: it has none. */
  readonly uninit: number;
}

export function readDriver(linked: LinkedObject): DriverRecord | Refusal {
  const found = findRecords(linked, DRIVER_SECTION);
  if (found === undefined) return malformed(`no section ${DRIVER_SECTION}: not a Banos driver`);
  if (found instanceof Refusal) return found;
  const { section, view } = found;
  if (view.byteLength < 8) return malformed(`${DRIVER_SECTION}: ${view.byteLength} bytes are too few`);
  const size = u64(view, DRIVER.size);
  if (size < DRIVER_REQUIRED) {
    return malformed(`${DRIVER_SECTION}: driver_size ${size} is too short, ${DRIVER_REQUIRED} bytes are needed`);
  }
  if (size > view.byteLength) {
    return malformed(`${DRIVER_SECTION}: driver_size ${size} is longer than the section of ${view.byteLength} bytes`);
  }
  if (view.byteLength >= 2 * size) return malformed(`${DRIVER_SECTION} holds more than one driver`);
  const name = stringAt(linked, i64(view, DRIVER.name));
  if (name === null || name === '') return malformed(`${DRIVER_SECTION}: the driver has no name`);
  const licenseAt = i64(view, DRIVER.license);
  const license = licenseAt === 0 ? null : stringAt(linked, licenseAt);
  if (license === null && licenseAt !== 0) return malformed(`${DRIVER_SECTION}: license is no string of the module`);
  const init = i64(view, DRIVER.init);
  const uninit = size >= DRIVER_SIZE ? i64(view, DRIVER.uninit) : 0;
  for (const [field, address] of [
    ['init', init],
    ['uninit', uninit],
  ] as const) {
    if (isCode(linked, address) || (field === 'uninit' && address === 0)) continue;
    return malformed(`${DRIVER_SECTION}: ${field} ${hex(address)} lies outside of the module's code`);
  }
  return {
    address: section.address,
    size,
    minimalVersion: view.getUint32(DRIVER.minimal, true),
    name,
    license,
    version: view.getUint32(DRIVER.version, true),
    init,
    uninit,
  };
}

/** A version word as people write it: 8 bits, 8 bits, 16 bits from the top. */
export const versionText = (word: number): string => `${word >>> 24}.${(word >>> 16) & 0xff}.${word & 0xffff}`;

export interface ExportRecord {
  readonly name: string;
  /** Signed. In the module; function or variable. */
  readonly address: number;
}

/** `{ const char *name; void *address }` */
const EXPORT_SIZE = 16;

export function readExports(linked: LinkedObject): readonly ExportRecord[] | Refusal {
  const found = findRecords(linked, EXPORT_SECTION);
  if (found === undefined) return [];
  if (found instanceof Refusal) return found;
  const { view } = found;
  if (view.byteLength % EXPORT_SIZE !== 0) {
    return malformed(`${EXPORT_SECTION}: ${view.byteLength} bytes are no records of ${EXPORT_SIZE}`);
  }
  const exports: ExportRecord[] = [];
  const names = new Set<string>();
  for (let at = 0; at < view.byteLength; at += EXPORT_SIZE) {
    const shown = `${EXPORT_SECTION}: record ${at / EXPORT_SIZE}`;
    const name = stringAt(linked, i64(view, at));
    if (name === null || name === '') return malformed(`${shown} has no name`);
    const address = i64(view, at + 8);
    if (!isInside(linked, address)) {
      return malformed(`${shown}, ${printable(name)}: ${hex(address)} lies outside of the module`);
    }
    if (names.has(name)) return malformed(`${shown}: ${printable(name)} is exported twice`);
    names.add(name);
    exports.push({ name, address });
  }
  return exports;
}

function isInside(linked: LinkedObject, address: number): boolean {
  return SEGMENTS.some((name) => {
    const { address: base, size } = linked.segments[name];
    return address >= base && address < base + size;
  });
}

/** `type` of a parameter; the names are those that Linux's `parmtype=` has. */
export const PARAMETER_TYPES = [
  'bool',
  'invbool',
  'byte',
  'short',
  'ushort',
  'int',
  'uint',
  'long',
  'ulong',
  'charp',
  'string',
] as const;
export type ParameterType = (typeof PARAMETER_TYPES)[number];

/** Bytes of one value. charp: a pointer; string: the buffer's length is `count`. */
const VALUE_SIZE: Readonly<Record<ParameterType, number>> = {
  bool: 1,
  invbool: 1,
  byte: 1,
  short: 2,
  ushort: 2,
  int: 4,
  uint: 4,
  long: 8,
  ulong: 8,
  charp: 8,
  string: 1,
};

export interface ParameterRecord {
  readonly name: string;
  /** Of the variable, in the module's data. Signed. */
  readonly address: number;
  readonly type: ParameterType;
  /** Values that fit: 1, or the length of an array; of a string, bytes of its buffer. */
  readonly count: number;
  /** Of its file in /sys/module: permission bits, 0 for none. */
  readonly mode: number;
  /** `unsigned` that gets the number of values given, in the module's data; 0: nobody asks. */
  readonly given: number;
}

/**
 * `struct banos_param { u64 size; const char *name; void *value; u32 type; u32 count; u32 mode; u32 pad; u32 *given; }`.
 * `size` is that of the record as the module was built, so that later versions can be longer.
 */
const PARAMETER = { size: 0, name: 8, value: 16, type: 24, count: 28, mode: 32, given: 40 } as const;
const PARAMETER_SIZE = 48;

export function readParameters(linked: LinkedObject): readonly ParameterRecord[] | Refusal {
  const found = findRecords(linked, PARAMETER_SECTION);
  if (found === undefined) return [];
  if (found instanceof Refusal) return found;
  const parameters: ParameterRecord[] = [];
  let { view } = found;
  while (view.byteLength > 0) {
    const shown = `${PARAMETER_SECTION}: record ${parameters.length}`;
    if (view.byteLength < PARAMETER_SIZE) return malformed(`${shown} is cut off`);
    const size = u64(view, PARAMETER.size);
    if (size < PARAMETER_SIZE || size > view.byteLength || size % 8 !== 0) {
      return malformed(`${shown}: size ${size} is not possible`);
    }
    const parameter = readParameter(linked, view, shown);
    if (parameter instanceof Refusal) return parameter;
    parameters.push(parameter);
    view = new DataView(view.buffer, view.byteOffset + size, view.byteLength - size);
  }
  return parameters;
}

function readParameter(linked: LinkedObject, view: DataView, shown: string): ParameterRecord | Refusal {
  const name = stringAt(linked, i64(view, PARAMETER.name));
  if (name === null || name === '') return malformed(`${shown} has no name`);
  const of = `parameter ${printable(name)}`;
  const type = PARAMETER_TYPES[view.getUint32(PARAMETER.type, true)];
  if (type === undefined) return malformed(`${of}: unknown type ${view.getUint32(PARAMETER.type, true)}`);
  const count = view.getUint32(PARAMETER.count, true);
  const address = i64(view, PARAMETER.value);
  const given = i64(view, PARAMETER.given);
  const mode = view.getUint32(PARAMETER.mode, true);
  if (count === 0) return malformed(`${of} has room for nothing`);
  if (!isData(linked, address, count * VALUE_SIZE[type])) {
    return malformed(`${of}: ${hex(address)} is not in the module's data`);
  }
  if (given !== 0 && !isData(linked, given, 4)) return malformed(`${of}: ${hex(given)} is not in the module's data`);
  if (mode > 0o777) return malformed(`${of}: mode 0${mode.toString(8)} is no permission`);
  return { name, address, type, count, mode, given };
}

function isData(linked: LinkedObject, address: number, size: number): boolean {
  const { address: base, size: room } = linked.segments.data;
  return address >= base && address + size <= base + room;
}

const MODINFO_SECTION = '.modinfo';

/** Texts by key, each in the order of the file: `license`, `author`, `description`, `alias`, `depends`, `parm`, … */
export type ModuleInfo = ReadonlyMap<string, readonly string[]>;

/** `key=value` texts, each with a NUL at its end; more NULs may lie between them. Without the section: empty. */
export function readModuleInfo(object: RelocatableObject): ModuleInfo | Refusal {
  const bytes = namedBytes(object, MODINFO_SECTION) ?? new Uint8Array(0);
  const info = new Map<string, string[]>();
  let begin = 0;
  while (begin < bytes.length) {
    const end = bytes.indexOf(0, begin);
    if (end < 0) return malformed(`${MODINFO_SECTION}: the last text does not end`);
    const text = latin1(bytes.subarray(begin, end));
    begin = end + 1;
    if (text === '') continue;
    const equals = text.indexOf('=');
    if (equals <= 0) return malformed(`${MODINFO_SECTION}: ${printable(text)} is not key=value`);
    const key = text.slice(0, equals);
    const values = info.get(key);
    if (values === undefined) info.set(key, [text.slice(equals + 1)]);
    else values.push(text.slice(equals + 1));
  }
  return info;
}

/** Texts of any length: an argument list has a limit. */
function latin1(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return text;
}

const VERSION_SECTIONS = ['.banos-versions', '__versions'] as const;
/** `{ u64 version; char name[56]; }` @source Linux struct modversion_info */
const VERSION_SIZE = 64;

/** Version (or checksum) of each symbol that the module was built against, by name. Unsigned. */
export function readVersions(object: RelocatableObject): ReadonlyMap<string, bigint> | Refusal {
  const versions = new Map<string, bigint>();
  for (const section of VERSION_SECTIONS) {
    const bytes = namedBytes(object, section) ?? new Uint8Array(0);
    if (bytes.length % VERSION_SIZE !== 0) {
      return malformed(`${section}: ${bytes.length} bytes are no records of ${VERSION_SIZE}`);
    }
    const view = viewOf(bytes);
    for (let at = 0; at < bytes.length; at += VERSION_SIZE) {
      const text = bytes.subarray(at + 8, at + VERSION_SIZE);
      const end = text.indexOf(0);
      if (end <= 0) return malformed(`${section}: record ${at / VERSION_SIZE} has no name`);
      versions.set(String.fromCharCode(...text.subarray(0, end)), view.getBigUint64(at, true));
    }
  }
  return versions;
}
