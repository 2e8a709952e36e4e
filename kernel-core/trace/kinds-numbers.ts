/** Arguments that are plain numbers: descriptors, sizes, ids, modes. */
import { AT_FDCWD } from '../../abi/fcntl.js';
import * as stat from '../../abi/stat.js';
import { type ArgumentFormat, early } from './call.js';
import { hex, namesOf, octal, pointer, signalText, unsigned64, valueText } from './text.js';

const decimal = early((_call, value) => String(value | 0));
const unsigned = early((_call, value) => String(value >>> 0));
const wide = early((_call, value) => unsigned64(value).toString());
/** A user or group id; -1 leaves it as it is. */
const identity = early((_call, value) => String((value | 0) === -1 ? -1 : value >>> 0));

const FILE_TYPES = namesOf(stat, 'S_IFREG S_IFDIR S_IFCHR S_IFBLK S_IFIFO S_IFSOCK S_IFLNK');
const MODE_BITS = namesOf(stat, 'S_ISUID S_ISGID S_ISVTX');

/** st_mode: `S_IFREG|S_ISUID|0755`. */
export function modeText(mode: number): string {
  const type = mode & stat.S_IFMT;
  const parts: string[] = [];
  if (type !== 0) parts.push(valueText(type, FILE_TYPES, 'S_IF???'));
  let bits = mode & ~stat.S_IFMT;
  for (const [name, bit] of MODE_BITS) {
    if ((bits & bit) === 0) continue;
    parts.push(name);
    bits &= ~bit;
  }
  return [...parts, octal(bits)].join('|');
}

/** 12 bits of major between two pieces of minor, as st_rdev has them. */
export function deviceText(device: number): string {
  const major = (device >>> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00);
  return `makedev(${hex(major)}, ${hex(minor)})`;
}

const isDevice = (mode: number): boolean => {
  const type = mode & stat.S_IFMT;
  return type === stat.S_IFCHR || type === stat.S_IFBLK;
};

export const NUMBER_KINDS = {
  int: decimal,
  pid: decimal,
  fd: decimal,
  uint: unsigned,
  ulong: wide,
  size: wide,
  offset: early((_call, value) => String(value)),
  uid: identity,
  id: identity,
  hex: early((_call, value) => hex(value)),
  address: early((_call, value) => pointer(value)),
  addressOrNull: early((_call, value) => pointer(value)),
  dirfd: early((_call, value) => ((value | 0) === AT_FDCWD ? 'AT_FDCWD' : String(value | 0))),
  signal: early((_call, value) => signalText(value | 0)),
  mode: early((_call, value) => octal(value & 0xffff)),
  openMode: early((_call, value) => octal(value & 0xffff)),
  nodeMode: {
    text: (_call, value) => modeText(value & 0xffff),
    rest: (_call, value) => (isDevice(value) ? ['device'] : []),
  },
  device: early((_call, value) => deviceText(value >>> 0)),
  skip: early(() => null),
} satisfies Record<string, ArgumentFormat>;
