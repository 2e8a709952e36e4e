/**
 * Reading tar archives: old, POSIX (ustar, pax) and GNU headers. Yields members one after the other; the data of a
 * member may be read or left, it is skipped then. Nothing in an archive is trusted: sizes are bounded, sums checked.
 * @source pax(1) "ustar Interchange Format", GNU tar "Basic Tar Format"
 */
import type { Timespec } from '../caller.js';

const BLOCK = 512;
/** Bytes of one pax header or long name. */
const HEADER_LIMIT = 1 << 20;
const CHECKSUM_AT = 148;
const CHECKSUM_LENGTH = 8;

/** Something is wrong with the archive; the message says what and where. */
export class TarError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'TarError';
  }
}

/** Bytes in order. */
export interface TarInput {
  /** Bytes that have been read or skipped. */
  readonly position: number;
  /** @returns `count` bytes, fewer only at the end; valid until the next call */
  read(count: number): Promise<Uint8Array>;
  /** @returns bytes skipped, fewer than `count` only at the end */
  skip(count: number): Promise<number>;
}

export type TarType = 'file' | 'link' | 'symlink' | 'character' | 'block' | 'directory' | 'fifo';

export interface TarMember {
  /** Latin1, as in the archive: maybe absolute, with `.` and `..`. */
  readonly name: string;
  readonly type: TarType;
  /** Permission bits with set-id and sticky bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of data; 0 for all but files. */
  readonly size: number;
  readonly mtime: Timespec;
  /** Target of `link` and `symlink`, latin1. */
  readonly linkName: string;
  readonly major: number;
  readonly minor: number;
  /** Where in the input the data begins. */
  readonly position: number;
}

const TYPES: Readonly<Record<string, TarType>> = {
  '\0': 'file',
  '0': 'file',
  '1': 'link',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
  '7': 'file',
};

/** Fields that a pax header or a GNU long name replaces. */
type Overrides = Map<string, string>;

const latin1 = (bytes: Uint8Array): string => {
  let text = '';
  for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return text;
};

const untilNul = (text: string): string => {
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
};

const field = (header: Uint8Array, at: number, length: number): string =>
  untilNul(latin1(header.subarray(at, at + length)));

/** A number: octal digits, or big-endian binary when the first bit is set (GNU). */
function number(header: Uint8Array, at: number, length: number, what: string): number {
  const first = header[at];
  if (first & 0x80) {
    // Two's complement; bit 6 of the first byte is its sign.
    let value = first & 0x40 ? -1 : 0;
    value = value * 64 + (first & 0x3f);
    for (let i = 1; i < length; i++) value = value * 256 + header[at + i];
    if (!Number.isSafeInteger(value)) throw new TarError(`damaged archive: ${what} is out of range`);
    return value;
  }
  const text = field(header, at, length).trim();
  if (text === '') return 0;
  if (!/^[0-7]+$/.test(text)) throw new TarError(`damaged archive: ${what} is no octal number`);
  return Number.parseInt(text, 8);
}

function checksumMatches(header: Uint8Array): boolean {
  const text = field(header, CHECKSUM_AT, CHECKSUM_LENGTH).trim();
  if (!/^[0-7]+$/.test(text)) return false;
  let unsigned = 0;
  let signed = 0;
  for (let i = 0; i < BLOCK; i++) {
    const byte = i >= CHECKSUM_AT && i < CHECKSUM_AT + CHECKSUM_LENGTH ? 0x20 : header[i];
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  const sum = Number.parseInt(text, 8);
  return sum === unsigned || sum === signed;
}

/** Records `length key=value\n` of a pax header. An empty value takes the key back. */
function readPax(bytes: Uint8Array, into: Overrides): void {
  const text = latin1(bytes);
  for (let at = 0; at < text.length; ) {
    const blank = text.indexOf(' ', at);
    const length = Number(text.slice(at, blank));
    const equals = text.indexOf('=', blank);
    const end = at + length;
    if (blank < 0 || !(length > 0) || equals < 0 || equals > end || end > text.length || text[end - 1] !== '\n') {
      throw new TarError('damaged archive: malformed pax header');
    }
    const key = text.slice(blank + 1, equals);
    if (key.startsWith('GNU.sparse.')) throw new TarError('sparse members are not supported');
    into.set(key, text.slice(equals + 1, end - 1));
    at = end;
  }
}

function paxNumber(overrides: Overrides, key: string, otherwise: number): number {
  const text = overrides.get(key);
  if (text === undefined || text === '') return otherwise;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new TarError(`damaged archive: pax ${key} is '${text}'`);
  return value;
}

function paxTime(text: string | undefined, otherwise: number): Timespec {
  const match = text === undefined ? null : /^(-?\d{1,15})(?:\.(\d+))?$/.exec(text);
  if (match === null) return { sec: otherwise, nsec: 0 };
  const sec = Number(match[1]);
  const nsec = Number((match[2] ?? '').slice(0, 9).padEnd(9, '0'));
  return match[1].startsWith('-') && nsec > 0 ? { sec: sec - 1, nsec: 1e9 - nsec } : { sec, nsec };
}

const pick = (overrides: Overrides, key: string, otherwise: string): string => overrides.get(key) || otherwise;

function parseMember(header: Uint8Array, overrides: Overrides, position: number): TarMember | null {
  const flag = String.fromCharCode(header[156]);
  const isPosix = latin1(header.subarray(257, 263)) === 'ustar\0';
  const prefix = isPosix ? field(header, 345, 155) : '';
  const short = field(header, 0, 100);
  const name = untilNul(pick(overrides, 'path', prefix === '' ? short : `${prefix}/${short}`));
  let type = TYPES[flag];
  const size = paxNumber(overrides, 'size', number(header, 124, 12, `size of '${name}'`));
  if (size < 0) throw new TarError(`damaged archive: size of '${name}' is negative`);
  if (type === undefined) return null;
  // Archives from before there were types mark directories by a slash.
  if (type === 'file' && name.endsWith('/')) type = 'directory';
  const isDevice = type === 'character' || type === 'block';
  return {
    name,
    type,
    mode: number(header, 100, 8, `mode of '${name}'`) & 0o7777,
    uid: paxNumber(overrides, 'uid', number(header, 108, 8, `owner of '${name}'`)) >>> 0,
    gid: paxNumber(overrides, 'gid', number(header, 116, 8, `group of '${name}'`)) >>> 0,
    size: type === 'file' ? size : 0,
    mtime: paxTime(overrides.get('mtime'), number(header, 136, 12, `time of '${name}'`)),
    linkName: untilNul(pick(overrides, 'linkpath', field(header, 157, 100))),
    major: isDevice ? number(header, 329, 8, `device of '${name}'`) : 0,
    minor: isDevice ? number(header, 337, 8, `device of '${name}'`) : 0,
    position,
  };
}

const isZero = (block: Uint8Array): boolean => block.every((byte) => byte === 0);

const padded = (size: number): number => Math.ceil(size / BLOCK) * BLOCK;

/**
 * Members of an archive. An archive may end without the two blocks of zeros; it may not end inside a member.
 * @throws TarError
 */
export async function* tarMembers(input: TarInput): AsyncGenerator<TarMember> {
  const global: Overrides = new Map();
  let overrides: Overrides = new Map();
  for (let first = true; ; first = false) {
    const header = (await input.read(BLOCK)).slice();
    if (header.length === 0) {
      if (first) throw new TarError('not a tar archive: it is empty');
      return;
    }
    if (header.length < BLOCK) throw new TarError(first ? 'not a tar archive' : 'the archive is truncated');
    if (isZero(header)) return;
    if (!checksumMatches(header)) {
      throw new TarError(first ? 'not a tar archive' : `damaged archive: bad header at byte ${input.position - BLOCK}`);
    }
    const flag = String.fromCharCode(header[156]);
    if (flag === 'S') throw new TarError(`'${field(header, 0, 100)}': sparse members are not supported`);
    if (flag === 'M') throw new TarError('archives of several volumes are not supported');
    if (flag === 'x' || flag === 'g') {
      readPax(await extension(input, header), flag === 'g' ? global : overrides);
      continue;
    }
    if (flag === 'L' || flag === 'K') {
      overrides.set(flag === 'L' ? 'path' : 'linkpath', untilNul(latin1(await extension(input, header))));
      continue;
    }
    const member = parseMember(header, new Map([...global, ...overrides]), input.position);
    overrides = new Map();
    const start = input.position;
    const data = member === null ? number(header, 124, 12, 'size') : member.size;
    if (member !== null) yield member;
    const left = start + padded(data) - input.position;
    // Padding behind the last member may be missing; data may not.
    if (left > 0 && (await input.skip(left)) < left && input.position < start + data) {
      throw new TarError('the archive is truncated');
    }
  }
}

/** Data of a header that describes the next member. */
async function extension(input: TarInput, header: Uint8Array): Promise<Uint8Array> {
  const size = number(header, 124, 12, 'size of a header');
  if (size < 0 || size > HEADER_LIMIT) throw new TarError(`damaged archive: a header of ${size} bytes`);
  const bytes = (await input.read(size)).slice();
  const pad = padded(size) - size;
  if (bytes.length < size || (await input.skip(pad)) < pad) throw new TarError('the archive is truncated');
  return bytes;
}

/** Input over chunks that arrive in order. @param limit bytes in all, against archives that unpack without end */
export class StreamInput implements TarInput {
  position = 0;
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #limit: number;
  #buffer: Uint8Array = new Uint8Array(0);
  #ended = false;

  constructor(chunks: AsyncIterable<Uint8Array>, limit: number) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#limit = limit;
  }

  async read(count: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let got = 0;
    while (got < count && (await this.#fill())) {
      const part = this.#take(count - got);
      parts.push(part);
      got += part.length;
    }
    if (parts.length === 1) return parts[0];
    const whole = new Uint8Array(got);
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  async skip(count: number): Promise<number> {
    let skipped = 0;
    while (skipped < count && (await this.#fill())) skipped += this.#take(count - skipped).length;
    return skipped;
  }

  /** Ends the source before its time. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  #take(count: number): Uint8Array {
    const part = this.#buffer.subarray(0, count);
    this.#buffer = this.#buffer.subarray(part.length);
    this.position += part.length;
    if (this.position > this.#limit) {
      throw new TarError(`the archive unpacks to more than ${Math.floor(this.#limit / 2 ** 20)} MiB`);
    }
    return part;
  }

  /** @returns false at the end */
  async #fill(): Promise<boolean> {
    while (this.#buffer.length === 0 && !this.#ended) {
      const next = await this.#chunks.next();
      if (next.done === true) this.#ended = true;
      else this.#buffer = next.value;
    }
    return this.#buffer.length > 0;
  }
}
