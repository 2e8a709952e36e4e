/** `FileHandle` of node:fs/promises, over a descriptor of the guest's kernel. */
import { EventEmitter } from 'node:events';
import type { ReadStream, WriteStream } from 'node:fs';
import { createInterface, type Interface } from 'node:readline/promises';
import type { ReadableStream } from 'node:stream/web';
import { kindOf, wholeNumber } from '../calls.js';
import type { Source, Target } from '../files.js';
import type { Libc } from '../libc.js';
import { calling, stateError, throwIfAborted } from './errors.js';
import {
  type Hold,
  type ReadStreamOptions,
  readStreamOn,
  type WriteStreamOptions,
  webStreamOn,
  writeStreamOn,
} from './file-streams.js';
import { BigIntStats, Stats } from './stats.js';
import { type EncodingOption, encodingOf, modeOf, type NodeTime, signalOf, timeOf } from './support.js';

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

/** What writeFile takes: text, bytes, or something that gives them one after the other. */
export type Writable =
  | string
  | NodeJS.ArrayBufferView
  | AsyncIterable<string | Uint8Array>
  | Iterable<string | Uint8Array>;

/** Tells 'close' once. */
export class FileHandle extends EventEmitter implements AsyncDisposable {
  readonly #libc: Libc;
  #fd: number;
  /** What else needs the descriptor: streams, each by what ends it. */
  readonly #streams = new Set<() => void>();
  #closing: Promise<void> | null = null;
  /** Lets `close` go on when the last stream has let go. */
  #released: (() => void) | null = null;
  #isLocked = false;

  /** @internal */
  constructor(libc: Libc, fd: number) {
    super();
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
    const bytesRead = await this.#call('read', () =>
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
    const here = () => this.#libc.write(this.#fd, bytes);
    const bytesWritten = await this.#at(at, 'write', here, (from) => this.#libc.pwrite(this.#fd, bytes, from));
    return { bytesWritten, buffer: data };
  }

  /** @param position bytes; null: where the file stands */
  async readv(
    buffers: readonly Target[],
    position?: number | null,
  ): Promise<{ bytesRead: number; buffers: readonly Target[] }> {
    const here = () => this.#libc.readv(this.#fd, buffers);
    const bytesRead = await this.#at(position, 'read', here, (from) => this.#libc.preadv(this.#fd, buffers, from));
    return { bytesRead, buffers };
  }

  async writev(
    buffers: readonly Source[],
    position?: number | null,
  ): Promise<{ bytesWritten: number; buffers: readonly Source[] }> {
    const here = () => this.#libc.writev(this.#fd, buffers);
    const bytesWritten = await this.#at(position, 'write', here, (from) => this.#libc.pwritev(this.#fd, buffers, from));
    return { bytesWritten, buffers };
  }

  readFile(options?: { encoding?: null | 'buffer' } | null): Promise<Buffer>;
  readFile(options: BufferEncoding | { encoding: BufferEncoding }): Promise<string>;
  readFile(options?: EncodingOption): Promise<Buffer | string>;
  async readFile(options?: EncodingOption): Promise<Buffer | string> {
    const encoding = encodingOf(options);
    const signal = signalOf(options);
    throwIfAborted(signal);
    const { st_size } = await this.#call('fstat', () => this.#libc.fstat(this.#fd));
    const chunks: Uint8Array[] = [];
    for (let next = st_size + 1; ; next = CHUNK) {
      const chunk = new Uint8Array(Math.min(next, LARGEST_CHUNK));
      const count = await this.#call('read', () => this.#libc.read(this.#fd, chunk));
      throwIfAborted(signal);
      if (count === 0) break;
      chunks.push(chunk.subarray(0, count));
    }
    const bytes = Buffer.concat(chunks);
    return encoding === null ? bytes : bytes.toString(encoding);
  }

  async writeFile(data: Writable, options?: EncodingOption): Promise<void> {
    const encoding = encodingOf(options) ?? 'utf8';
    const signal = signalOf(options);
    throwIfAborted(signal);
    for await (const piece of piecesOf(data)) {
      throwIfAborted(signal);
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

  /** Reads from where the file stands, or from `start` on; closes the file at the end unless `autoClose` is false. */
  createReadStream(options: ReadStreamOptions = {}): ReadStream {
    return readStreamOn(this, this.#hold, options);
  }

  createWriteStream(options: WriteStreamOptions = {}): WriteStream {
    return writeStreamOn(this, this.#hold, options);
  }

  /** The lines of the file, without their ends, for `for await`. */
  readLines(options: ReadStreamOptions = {}): Interface {
    return createInterface({ input: this.createReadStream(options), crlfDelay: Number.POSITIVE_INFINITY });
  }

  /** Once for each file; it does not close the file. @throws Error ERR_INVALID_STATE */
  readableWebStream(options: { type?: 'bytes' } = {}): ReadableStream {
    if (this.#fd < 0 || this.#closing !== null) throw stateError('ERR_INVALID_STATE', 'the file is closed');
    if (this.#isLocked) throw stateError('ERR_INVALID_STATE', 'the file has a web stream already');
    const type = options?.type;
    if (type !== undefined && type !== 'bytes') throw new TypeError(`unknown kind of web stream: ${String(type)}`);
    this.#isLocked = true;
    return webStreamOn(this, type, this.#hold);
  }

  /** Waits for the streams on the file to let go of it. */
  close(): Promise<void> {
    if (this.#fd < 0) return this.#closing ?? Promise.resolve();
    if (this.#closing !== null) return this.#closing;
    this.#closing =
      this.#streams.size === 0
        ? this.#release()
        : new Promise((resolve, reject) => {
            this.#released = () => this.#release().then(resolve, reject);
          });
    this.emit('close');
    for (const end of [...this.#streams]) end();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  readonly #hold: Hold = (closed) => {
    this.#streams.add(closed);
    return () => {
      if (this.#streams.delete(closed) && this.#streams.size === 0) this.#released?.();
    };
  };

  async #release(): Promise<void> {
    const fd = this.#fd;
    this.#fd = -1;
    await calling('close', null, () => this.#libc.close(fd));
  }

  /** Moves bytes at `position`, or where the file stands if that is no number. */
  #at(
    position: number | null | undefined,
    syscall: string,
    here: () => Promise<number>,
    there: (from: number) => Promise<number>,
  ): Promise<number> {
    return this.#call(syscall, () => (typeof position === 'number' ? there(position) : here()));
  }

  async #call<T>(syscall: string, action: () => T | Promise<T>): Promise<T> {
    if (this.#fd < 0) throw Object.assign(stateError('EBADF', 'the file is closed'), { syscall });
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
