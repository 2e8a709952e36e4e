/** Descriptors: open, read, write, duplicates, pipes, locks. What may wait is a promise; everything else answers at once. */
import { EINTR } from '../abi/errno.js';
import {
  AT_FDCWD,
  F_GETLK,
  F_OFD_GETLK,
  F_OFD_SETLK,
  F_OFD_SETLKW,
  F_SETLK,
  F_SETLKW,
  O_CREAT,
  O_TRUNC,
  O_WRONLY,
} from '../abi/fcntl.js';
import {
  type Argument,
  bytesOf,
  Calls,
  InOut,
  memoryOf,
  Out,
  out,
  type PathLike,
  shown,
  Vector,
  wholeNumber,
  zeroTerminated,
} from './calls.js';
import { Transfer } from './transfer.js';

/** What can be written. Text is UTF-8. */
export type Source = string | ArrayBufferView | ArrayBuffer | SharedArrayBuffer;
/** What can be read into. */
export type Target = ArrayBufferView | ArrayBuffer | SharedArrayBuffer;

/** struct flock. */
export interface Flock {
  /** F_RDLCK, F_WRLCK, F_UNLCK. */
  l_type: number;
  /** SEEK_SET, SEEK_CUR, SEEK_END. */
  l_whence: number;
  l_start: number;
  /** 0: to the end of the file, wherever that comes to be. */
  l_len: number;
  l_pid: number;
}

const FLOCK_SIZE = 32;
const IOVEC_SIZE = 16;
const LOCK_COMMANDS = new Set([F_GETLK, F_SETLK, F_SETLKW, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW]);

export class Files extends Calls {
  /** For the next calls of read and write. */
  readonly #transfers: Transfer[] = [];

  /** @param mode permission bits of a new file, before the umask @returns the descriptor; waits for the other end of a fifo */
  open(path: PathLike, flags: number, mode = 0o666): Promise<number> {
    return this.openat(AT_FDCWD, path, flags, mode);
  }

  async openat(dirfd: number, path: PathLike, flags: number, mode = 0o666): Promise<number> {
    return this.blocking('openat', [dirfd, zeroTerminated(path, 'path'), flags, mode], shown(path));
  }

  creat(path: PathLike, mode = 0o666): Promise<number> {
    return this.open(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
  }

  close(fd: number): void {
    this.now('close', [fd]);
  }

  /** @returns bytes read, 0 at the end. What is in `buffer` behind them stays. */
  read(fd: number, buffer: Target): Promise<number> {
    return Transfer.take(this.system, this.#transfers).read(fd, buffer);
  }

  /** @returns bytes written */
  write(fd: number, data: Source): Promise<number> {
    return Transfer.take(this.system, this.#transfers).write(fd, data);
  }

  async pread(fd: number, buffer: Target, offset: number): Promise<number> {
    const bytes = memoryOf(buffer, 'buffer');
    return this.blocking('pread64', [fd, new Out(bytes, true), bytes.length, offset]);
  }

  async pwrite(fd: number, data: Source, offset: number): Promise<number> {
    const bytes = bytesOf(data, 'data');
    return this.blocking('pwrite64', [fd, bytes, bytes.length, offset]);
  }

  /** Fills the buffers one after the other. */
  async readv(fd: number, buffers: readonly Target[]): Promise<number> {
    const parts = buffers.map((buffer, i) => memoryOf(buffer, `buffers[${i}]`));
    return this.blocking('readv', [fd, vectorOf(parts.map((bytes) => new InOut(bytes))), parts.length]);
  }

  async writev(fd: number, buffers: readonly Source[]): Promise<number> {
    const parts = buffers.map((buffer, i) => bytesOf(buffer, `buffers[${i}]`));
    return this.blocking('writev', [fd, vectorOf(parts), parts.length]);
  }

  /** As readv, from `offset` on. */
  async preadv(fd: number, buffers: readonly Target[], offset: number): Promise<number> {
    const parts = buffers.map((buffer, i) => memoryOf(buffer, `buffers[${i}]`));
    return this.blocking('preadv', [fd, vectorOf(parts.map((bytes) => new InOut(bytes))), parts.length, offset]);
  }

  async pwritev(fd: number, buffers: readonly Source[], offset: number): Promise<number> {
    const parts = buffers.map((buffer, i) => bytesOf(buffer, `buffers[${i}]`));
    return this.blocking('pwritev', [fd, vectorOf(parts), parts.length, offset]);
  }

  /** Writes everything, however often a write takes only a part. */
  async writeAll(fd: number, data: Source): Promise<void> {
    let rest = bytesOf(data, 'data');
    while (rest.length > 0) {
      try {
        rest = rest.subarray(await this.write(fd, rest));
      } catch (error) {
        if ((error as { errno?: number }).errno !== -EINTR) throw error;
      }
    }
  }

  /** @returns the new offset in bytes */
  lseek(fd: number, offset: number, whence: number): number {
    return this.now('lseek', [fd, offset, whence]);
  }

  dup(fd: number): number {
    return this.now('dup', [fd]);
  }

  dup2(from: number, to: number): number {
    return this.now('dup2', [from, to]);
  }

  dup3(from: number, to: number, flags: number): number {
    return this.now('dup3', [from, to, flags]);
  }

  /** @returns the reading and the writing end */
  pipe(flags = 0): [reader: number, writer: number] {
    const ends = out(8);
    this.now('pipe2', [ends, flags]);
    return [ends.view.getInt32(0, true), ends.view.getInt32(4, true)];
  }

  /**
   * Record locks take a `Flock`, which F_GETLK fills in; other commands take a number. F_SETLKW waits, so that the
   * result is a promise.
   */
  async fcntl(fd: number, command: number, argument: number | Flock = 0): Promise<number> {
    if (typeof argument === 'number') return this.blocking('fcntl', [fd, command, argument]);
    if (!LOCK_COMMANDS.has(command)) throw new TypeError('only record locks take a struct flock');
    const lock = new InOut(encodeFlock(argument));
    const result = await this.blocking('fcntl', [fd, command, lock]);
    if (command === F_GETLK || command === F_OFD_GETLK) Object.assign(argument, decodeFlock(lock.view));
    return result;
  }

  /** @param argument a number, or the bytes of the structure, which are written back */
  async ioctl(fd: number, request: number, argument: number | Target = 0): Promise<number> {
    const value: Argument = typeof argument === 'number' ? argument : new InOut(memoryOf(argument, 'argument'));
    return this.blocking('ioctl', [fd, request, value]);
  }

  /** @param operation LOCK_SH, LOCK_EX, LOCK_UN, with LOCK_NB */
  async flock(fd: number, operation: number): Promise<void> {
    await this.blocking('flock', [fd, operation]);
  }

  fsync(fd: number): void {
    this.now('fsync', [fd]);
  }

  fdatasync(fd: number): void {
    this.now('fdatasync', [fd]);
  }

  sync(): void {
    this.now('sync');
  }

  /** @param mode FALLOC_FL_* */
  fallocate(fd: number, mode: number, offset: number, length: number): void {
    this.now('fallocate', [fd, mode, offset, length]);
  }

  posix_fallocate(fd: number, offset: number, length: number): void {
    this.fallocate(fd, 0, offset, length);
  }

  /** @param offset where to read; null: the file's own offset, which moves @returns bytes */
  async sendfile(to: number, from: number, offset: number | null, count: number): Promise<number> {
    return this.blocking('sendfile', [to, from, offset === null ? 0 : new InOut(word(offset)), count]);
  }

  async copy_file_range(
    from: number,
    fromOffset: number | null,
    to: number,
    toOffset: number | null,
    length: number,
  ): Promise<number> {
    const place = (offset: number | null): Argument => (offset === null ? 0 : new InOut(word(offset)));
    return this.blocking('copy_file_range', [from, place(fromOffset), to, place(toOffset), length, 0]);
  }

  memfd_create(name: string, flags = 0): number {
    return this.now('memfd_create', [zeroTerminated(name, 'name'), flags]);
  }
}

/** A 64-bit word. */
function word(value: number): Uint8Array {
  return new Uint8Array(BigInt64Array.of(BigInt(wholeNumber(value, 'offset'))).buffer);
}

/** struct iovec for each part: address, length. */
export function vectorOf(parts: readonly (Uint8Array | Out)[]): Vector {
  return new Vector(parts, parts.length * IOVEC_SIZE, (addresses) => {
    const words = new BigUint64Array(2 * parts.length);
    parts.forEach((part, i) => {
      words[2 * i] = BigInt(addresses[i]);
      words[2 * i + 1] = BigInt((part instanceof Out ? part.bytes : part).length);
    });
    return new Uint8Array(words.buffer);
  });
}

function encodeFlock(lock: Flock): Uint8Array {
  const bytes = new Uint8Array(FLOCK_SIZE);
  const view = new DataView(bytes.buffer);
  view.setInt16(0, wholeNumber(lock.l_type, 'l_type'), true);
  view.setInt16(2, wholeNumber(lock.l_whence, 'l_whence'), true);
  view.setBigInt64(8, BigInt(wholeNumber(lock.l_start, 'l_start')), true);
  view.setBigInt64(16, BigInt(wholeNumber(lock.l_len, 'l_len')), true);
  view.setInt32(24, wholeNumber(lock.l_pid ?? 0, 'l_pid'), true);
  return bytes;
}

const decodeFlock = (view: DataView): Flock => ({
  l_type: view.getInt16(0, true),
  l_whence: view.getInt16(2, true),
  l_start: Number(view.getBigInt64(8, true)),
  l_len: Number(view.getBigInt64(16, true)),
  l_pid: view.getInt32(24, true),
});
