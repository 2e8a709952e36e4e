/** How the tracer writes numbers, strings and sets of flags: strace's own forms. */
import { SIGRTMIN } from '../../abi/signal.js';
import { signalName } from '../signal-names.js';

/** Characters of a string, elements of an array that are shown before "...". */
export const SHOWN = 32;

export const unsigned64 = (value: number): bigint => BigInt.asUintN(64, BigInt(value));

/** `%#x`: 0 stays 0. */
export const hex = (value: number): string => (value === 0 ? '0' : `0x${unsigned64(value).toString(16)}`);

/** As `hex`, for 32-bit arguments. */
export const hex32 = (value: number): string => hex(value >>> 0);

export const pointer = (value: number): string => (value === 0 ? 'NULL' : hex(value));

/** Permission bits: three octal digits at least, one of them the leading zero. */
export const octal = (value: number): string => `0${value.toString(8)}`.padStart(3, '0');

const ESCAPES = new Map([
  [0x22, '\\"'],
  [0x5c, '\\\\'],
  [0x0a, '\\n'],
  [0x0d, '\\r'],
  [0x09, '\\t'],
  [0x0b, '\\v'],
  [0x0c, '\\f'],
]);

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39;

function escapeByte(byte: number, next: number | undefined): string {
  const known = ESCAPES.get(byte);
  if (known !== undefined) return known;
  if (byte >= 0x20 && byte < 0x7f) return String.fromCharCode(byte);
  const digits = byte.toString(8);
  return `\\${isDigit(next) ? digits.padStart(3, '0') : digits}`;
}

/** A quoted string of at most `limit` bytes; `more` says that there is more than `bytes`. */
export function quote(bytes: ArrayLike<number>, limit = SHOWN, more = false): string {
  const length = Math.min(bytes.length, limit);
  let text = '"';
  for (let i = 0; i < length; i++) text += escapeByte(bytes[i], i + 1 < length ? bytes[i + 1] : undefined);
  return `${text}"${more || bytes.length > limit ? '...' : ''}`;
}

/** As `quote` with every byte in hexadecimal, for random data. */
export function quoteHex(bytes: Uint8Array, more: boolean): string {
  const shown = Array.from(bytes.subarray(0, SHOWN), (byte) => `\\x${byte.toString(16).padStart(2, '0')}`);
  return `"${shown.join('')}"${more || bytes.length > SHOWN ? '...' : ''}`;
}

/** `quote` of a kernel string: latin1, one character per byte. */
export const quoteText = (text: string, limit = SHOWN): string =>
  quote(
    Array.from(text, (character) => character.charCodeAt(0)),
    limit,
  );

/** Names of bits or values in the order in which they are printed. */
export type Names = readonly (readonly [name: string, value: number])[];

/** Picks `names` (separated by blanks) out of a module of constants. */
export function namesOf<T extends object>(constants: T, names: string): Names {
  return names.split(' ').map((name) => [name, constants[name as keyof T] as number]);
}

/**
 * A set of flags: names joined by `|`, the rest in hexadecimal.
 * @param unknown stands for a name when no bit has one: `O_???`
 */
export function flagText(value: number, names: Names, unknown: string): string {
  let rest = value >>> 0;
  const parts: string[] = [];
  for (const [name, bits] of names) {
    const mask = bits >>> 0;
    if (mask === 0 ? value >>> 0 !== 0 : (rest & mask) >>> 0 !== mask) continue;
    parts.push(name);
    rest = (rest & ~mask) >>> 0;
  }
  if (rest !== 0) parts.push(parts.length === 0 ? `${hex(rest)} /* ${unknown} */` : hex(rest));
  return parts.length === 0 ? '0' : parts.join('|');
}

/** One of several values: its name, or the number with a remark. */
export function valueText(value: number, names: Names, unknown: string): string {
  const found = names.find(([, known]) => known >>> 0 === value >>> 0);
  return found === undefined ? `${hex32(value)} /* ${unknown} */` : found[0];
}

/** SIGINT, SIGRTMIN, SIGRT_1; 0 and unknown numbers as they are. */
export const signalText = (signal: number): string => (signal === SIGRTMIN ? 'SIGRTMIN' : signalName(signal));

const SIGNALS = 64;
/** From so many members on the complement is shown. */
const MANY = Math.floor((SIGNALS * 2) / 3);

/** A signal set given as two words: `[INT CHLD]`, `~[KILL STOP]`. */
export function sigsetText(lo: number, hi: number): string {
  const has = (signal: number): boolean => ((signal <= 32 ? lo >>> (signal - 1) : hi >>> (signal - 33)) & 1) !== 0;
  const inside: string[] = [];
  const outside: string[] = [];
  for (let signal = 1; signal <= SIGNALS; signal++) (has(signal) ? inside : outside).push(signalText(signal).slice(3));
  return inside.length >= MANY ? `~[${outside.join(' ')}]` : `[${inside.join(' ')}]`;
}

const two = (value: number): string => String(value).padStart(2, '0');

/** A point in time as strace's remarks show it, in UTC. @param fraction digits below a second, '' for none */
export function dateText(seconds: number, fraction: string): string {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return String(seconds);
  const day = `${date.getUTCFullYear()}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`;
  const time = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
  return `${day}T${time}${fraction === '' ? '' : `.${fraction}`}+0000`;
}
