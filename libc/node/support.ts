/** What the faces for Node people share: their kinds of paths, flags, modes, times and encodings. */
import { O_APPEND, O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_SYNC, O_TRUNC, O_WRONLY } from '../../abi/fcntl.js';
import { kindOf, type PathLike, wholeNumber } from '../calls.js';

/** A path as node:fs takes it; of a URL only `file:` without a host. */
export type NodePath = PathLike | URL;
export type NodeTime = Date | number | string;
type NodeMode = number | string;

/** @source nodejs.org/api/fs.html, file system flags */
const FLAGS: Readonly<Record<string, number>> = {
  r: O_RDONLY,
  rs: O_RDONLY | O_SYNC,
  'r+': O_RDWR,
  'rs+': O_RDWR | O_SYNC,
  w: O_WRONLY | O_CREAT | O_TRUNC,
  wx: O_WRONLY | O_CREAT | O_TRUNC | O_EXCL,
  'w+': O_RDWR | O_CREAT | O_TRUNC,
  'wx+': O_RDWR | O_CREAT | O_TRUNC | O_EXCL,
  a: O_WRONLY | O_CREAT | O_APPEND,
  ax: O_WRONLY | O_CREAT | O_APPEND | O_EXCL,
  as: O_WRONLY | O_CREAT | O_APPEND | O_SYNC,
  'a+': O_RDWR | O_CREAT | O_APPEND,
  'ax+': O_RDWR | O_CREAT | O_APPEND | O_EXCL,
  'as+': O_RDWR | O_CREAT | O_APPEND | O_SYNC,
};

export function flagsOf(flags: string | number): number {
  const bits = typeof flags === 'string' ? FLAGS[flags] : flags;
  if (bits === undefined) throw new TypeError(`unknown file system flag: ${flags}`);
  return wholeNumber(bits, 'flags');
}

export function modeOf(mode: NodeMode | undefined, otherwise: number): number {
  if (mode === undefined) return otherwise;
  if (typeof mode === 'string' && !/^[0-7]+$/.test(mode)) throw new TypeError(`a mode in text is octal, not ${mode}`);
  return typeof mode === 'string' ? Number.parseInt(mode, 8) : wholeNumber(mode, 'mode');
}

export function pathOf(path: NodePath): PathLike {
  if (path instanceof URL) {
    if (path.protocol !== 'file:' || path.host !== '') throw new TypeError(`not the URL of a file: ${path.href}`);
    return decodeURIComponent(path.pathname);
  }
  if (typeof path !== 'string' && !(path instanceof Uint8Array)) {
    throw new TypeError(`a path must be a string, a buffer or a URL, not ${kindOf(path)}`);
  }
  return path;
}

/** A time of node:fs: a date, seconds since the epoch, or either of them as text. */
export function timeOf(time: NodeTime): { tv_sec: number; tv_nsec: number } {
  const milliseconds = time instanceof Date ? time.getTime() : Number(time) * 1000;
  if (!Number.isFinite(milliseconds)) throw new TypeError(`not a time: ${time}`);
  const tv_sec = Math.floor(milliseconds / 1000);
  return { tv_sec, tv_nsec: Math.min(999_999_999, Math.round((milliseconds - tv_sec * 1000) * 1e6)) };
}

export type Encoding = BufferEncoding | 'buffer' | null;
export type EncodingOption =
  | Encoding
  | { encoding?: Encoding; flag?: string | number; mode?: number; signal?: AbortSignal };

/** @returns null: bytes */
export function encodingOf(option: EncodingOption | undefined): BufferEncoding | null {
  const encoding = typeof option === 'object' && option !== null ? option.encoding : option;
  if (encoding === undefined || encoding === null || encoding === 'buffer') return null;
  if (!Buffer.isEncoding(encoding)) throw new TypeError(`unknown encoding: ${String(encoding)}`);
  return encoding;
}

/** A name as the option of a call asks for it: text of UTF-8 unless it says otherwise. */
export function namedAs(bytes: Uint8Array, option: EncodingOption | undefined): string | Buffer {
  const asked = typeof option === 'object' && option !== null ? option.encoding : option;
  const encoding = encodingOf(option);
  const name = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return asked === 'buffer' ? name : name.toString(encoding ?? 'utf8');
}

export const signalOf = (option: EncodingOption | undefined): AbortSignal | undefined =>
  typeof option === 'object' && option !== null ? option.signal : undefined;
