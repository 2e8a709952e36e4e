/** `FileHandle` of node:fs/promises, over a descriptor of the guest's kernel. */
import { kindOf, wholeNumber } from '../calls.js';
import type { Source, Target } from '../files.js';
import type { Libc } from '../libc.js';
import { BigIntStats, Stats } from './stats.js';
import { calling, modeOf, type NodeTime, timeOf } from './support.js';

export type Encoding = BufferEncoding | 'buffer' | null;
export type EncodingOption =
  | Encoding
  | { encoding?: Encoding; flag?: string | number; mode?: number; signal?: AbortSignal };

export interface ReadOptions {
  buffer?: Target;
  offset?: number;
  length?: number;
  /** Bytes; null: where the file stands. */
  position?: number | bigint | null;
}

export interface ReadResult<T> {
  bytesRead: number;
  buffer: T;
}

export interface WriteResult<T> {
  bytesWritten: number;
  buffer: T;
}

const CHUNK = 65536;
/** So much is read at once at most: it takes that much of the guest's memory meanwhile. */
const LARGEST_CHUNK = 2 ** 20;

export function encodingOf(option: EncodingOption | undefined): Encoding {
  const encoding = typeof option === 'object' && option !== null ? option.encoding : option;
  if (encoding === undefined || encoding === null || encoding === 'buffer') return null;
  if (!Buffer.isEncoding(encoding)) throw new TypeError(`unknown encoding: ${String(encoding)}`);
  return encoding;
}

/** What writeFile takes: text, bytes, or something that gives them one after the other. */
export type Writable =
  | string
  | NodeJS.ArrayBufferView
  | AsyncIterable<string | Uint8Array>
  | Iterable<string | Uint8Array>;

export class FileHandle implements AsyncDisposable {
  readonly #libc: Libc;
  #fd: number;

  /** @internal */
  constructor(libc: Libc, fd: number) {
    this.#libc = libc;
    this.#fd = fd;
  }

  /** Descriptor number in process 1; -1 once it is closed. */
  get fd(): number {
    return this.#fd;
  }

  /** As node:fs: `read(buffer, offset, length, position)` or `read({ buffer, … })`. */
  async read<T extends Target = Buffer>(
    first?: T | ReadOptions | null,
    offset?: number | ReadOptions | null,
    length?: number | null,
    position?: number | bigint | null,
  ): Promise<ReadResult<T>> {
    const isBuffer = ArrayBuffer.isView(first) || first instanceof ArrayBuffer;
    const given: ReadOptions = isBuffer
      ? typeof offset === 'object' && offset !== null
        ? offset
        : { offset: offset ?? undefined, length: length ?? undefined, position }
      : ((first as ReadOptions | null) ?? {});
    const buffer = (isBuffer ? first : (given.buffer ?? Buffer.alloc(16384))) as T;
    const bytes = windowOf(buffer, given.offset ?? 0, given.length);
    const at = given.position;
    const bytesRead = await calling('read', null, () =>
      at === null || at === undefined || Number(at) < 0
        ? this.#libc.read(this.#fd, bytes)
        : this.#libc.pread(this.#fd, bytes, Number(at)),
    );
    return { bytesRead, buffer };
  }

  /** As node:fs: `write(buffer, offset, length, position)` or `write(text, position, encoding)`. */
  async write<T extends Source>(
    data: T,
    offsetOrPosition?: number | null,
    lengthOrEncoding?: number | BufferEncoding | null,
    position?: number | null,
  ): Promise<WriteResult<T>> {
    const isText = typeof data === 'string';
    const bytes = isText
      ? Buffer.from(data, (lengthOrEncoding as BufferEncoding | undefined) ?? 'utf8')
      : windowOf(data, offsetOrPosition ?? 0, (lengthOrEncoding as number | null) ?? undefined);
    const at = isText ? offsetOrPosition : position;
    const bytesWritten = await calling('write', null, () =>
      typeof at === 'number' ? this.#libc.pwrite(this.#fd, bytes, at) : this.#libc.write(this.#fd, bytes),
    );
    return { bytesWritten, buffer: data };
  }

  async readv(buffers: readonly Target[]): Promise<{ bytesRead: number; buffers: readonly Target[] }> {
    return { bytesRead: await calling('read', null, () => this.#libc.readv(this.#fd, buffers)), buffers };
  }

  async writev(buffers: readonly Source[]): Promise<{ bytesWritten: number; buffers: readonly Source[] }> {
    return { bytesWritten: await calling('write', null, () => this.#libc.writev(this.#fd, buffers)), buffers };
  }

  readFile(options?: { encoding?: null | 'buffer' } | null): Promise<Buffer>;
  readFile(options: BufferEncoding | { encoding: BufferEncoding }): Promise<string>;
  readFile(options?: EncodingOption): Promise<Buffer | string>;
  async readFile(options?: EncodingOption): Promise<Buffer | string> {
    const encoding = encodingOf(options);
    const { st_size } = await this.#call('fstat', () => this.#libc.fstat(this.#fd));
    const chunks: Uint8Array[] = [];
    for (let next = st_size + 1; ; next = CHUNK) {
      const chunk = new Uint8Array(Math.min(next, LARGEST_CHUNK));
      const count = await this.#call('read', () => this.#libc.read(this.#fd, chunk));
      if (count === 0) break;
      chunks.push(chunk.subarray(0, count));
    }
    const bytes = Buffer.concat(chunks);
    return encoding === null ? bytes : bytes.toString(encoding as BufferEncoding);
  }

  async writeFile(data: Writable, options?: EncodingOption): Promise<void> {
    const encoding = (encodingOf(options) ?? 'utf8') as BufferEncoding;
    for await (const piece of piecesOf(data)) {
      const bytes = typeof piece === 'string' ? Buffer.from(piece, encoding) : piece;
      await this.#call('write', () => this.#libc.writeAll(this.#fd, bytes));
    }
  }

  /** As writeFile: where the bytes go is decided by how the file was opened. */
  appendFile(data: Writable, options?: EncodingOption): Promise<void> {
    return this.writeFile(data, options);
  }

  stat(options: { bigint: true }): Promise<BigIntStats>;
  stat(options?: { bigint?: false }): Promise<Stats>;
  async stat(options: { bigint?: boolean } = {}): Promise<Stats | BigIntStats> {
    const stat = await this.#call('fstat', () => this.#libc.fstat(this.#fd));
    return options.bigint ? new BigIntStats(stat) : new Stats(stat);
  }

  async truncate(length = 0): Promise<void> {
    await this.#call('ftruncate', () => this.#libc.ftruncate(this.#fd, length));
  }

  async chmod(mode: number | string): Promise<void> {
    await this.#call('fchmod', () => this.#libc.fchmod(this.#fd, modeOf(mode, 0)));
  }

  async chown(uid: number, gid: number): Promise<void> {
    await this.#call('fchown', () => this.#libc.fchown(this.#fd, uid, gid));
  }

  async utimes(atime: NodeTime, mtime: NodeTime): Promise<void> {
    await this.#call('futime', () => this.#libc.futimens(this.#fd, [timeOf(atime), timeOf(mtime)]));
  }

  async sync(): Promise<void> {
    await this.#call('fsync', () => this.#libc.fsync(this.#fd));
  }

  async datasync(): Promise<void> {
    await this.#call('fdatasync', () => this.#libc.fdatasync(this.#fd));
  }

  async close(): Promise<void> {
    const fd = this.#fd;
    this.#fd = -1;
    if (fd >= 0) await this.#call('close', () => this.#libc.close(fd));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #call<T>(syscall: string, action: () => T | Promise<T>): Promise<T> {
    return calling(syscall, null, action);
  }
}

/** @throws TypeError, RangeError */
function windowOf(buffer: unknown, offset: number, length: number | undefined): Uint8Array {
  const bytes = buffer instanceof ArrayBuffer ? new Uint8Array(buffer) : buffer;
  if (!ArrayBuffer.isView(bytes)) throw new TypeError(`a buffer is needed, not ${kindOf(buffer)}`);
  const size = wholeNumber(length ?? bytes.byteLength - offset, 'length');
  if (!(wholeNumber(offset, 'offset') >= 0 && size >= 0 && offset + size <= bytes.byteLength)) {
    throw new RangeError('offset and length do not lie in the buffer');
  }
  return new Uint8Array(bytes.buffer, bytes.byteOffset + offset, size);
}

async function* piecesOf(data: Writable): AsyncIterable<string | Uint8Array> {
  if (typeof data === 'string') yield data;
  else if (ArrayBuffer.isView(data)) yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  else if (Symbol.asyncIterator in data || Symbol.iterator in data) yield* data;
  else throw new TypeError(`text or bytes are needed, not ${kindOf(data)}`);
}
