/**
 * How the libc makes system calls: arguments become numbers and memory of the program's own address space, results
 * become values and exceptions. everything else in this folder stands on `now`, `blocking` and the kinds of arguments here.
 *
 * The classes of the libc extend each other, one family of calls in each file:
 *
 *   Calls → Files → Attributes → Directories → Identity → Processes → Signals → Time → Polling → Terminals → Events → Sockets → Libc
 */
import { ESRCH } from '../abi/errno.js';
import { errnoError, type MemoryBlock, type Program } from '../kernel-core/index.js';
import { SYS, type SystemCall } from './numbers.js';

/** Names of files: text, or the bytes of a name that is not UTF-8. */
export type PathLike = string | Uint8Array;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Pointers in arguments are multiples of it. */
const ALIGNMENT = 16;
const MAX_ERRNO = 4095;

/** An argument that points to bytes which the call fills in. */
export class Out {
  readonly bytes: Uint8Array;
  /** The call's result says how many bytes it filled. */
  readonly counted: boolean;

  constructor(bytes: Uint8Array, counted = false) {
    this.bytes = bytes;
    this.counted = counted;
  }

  get view(): DataView {
    return new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
  }
}

/** As `Out`, with what is in the bytes before the call. */
export class InOut extends Out {}

type Part = Uint8Array | Out | Vector;

/** An argument that holds addresses: made when it is known where its parts lie. */
export class Vector {
  /** What the addresses point to, in and out. */
  readonly parts: readonly Part[];
  /** Makes the bytes of the argument from the addresses of `parts`. */
  readonly make: (addresses: readonly number[]) => Uint8Array;
  /** Bytes of the argument. */
  readonly size: number;
  /** Gets the argument as it is after the call. */
  readonly result: Out | null;

  constructor(
    parts: readonly Part[],
    size: number,
    make: (addresses: readonly number[]) => Uint8Array,
    result: Out | null = null,
  ) {
    this.parts = parts;
    this.size = size;
    this.make = make;
    this.result = result;
  }
}

/** A number, bytes that the call reads, or one of the above. */
export type Argument = number | Part;

export const out = (size: number): Out => new Out(new Uint8Array(size));

/**
 * The bytes of something that a caller gave as a buffer.
 * @throws TypeError: no buffer, or one whose memory was given away (a detached ArrayBuffer)
 */
export function bytesOf(value: unknown, name: string): Uint8Array {
  if (typeof value === 'string') return encoder.encode(value);
  return memoryOf(value, name);
}

/** As `bytesOf`, for what the call writes to: text will not do. */
export function memoryOf(value: unknown, name: string): Uint8Array {
  // Mostly it is one already. An empty one may be detached, which the constructor below refuses.
  if (value instanceof Uint8Array && ArrayBuffer.isView(value) && value.length > 0) return value;
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return new Uint8Array(value);
  if (!ArrayBuffer.isView(value)) throw new TypeError(`${name} must be a buffer, not ${kindOf(value)}`);
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

export function kindOf(value: unknown): string {
  return value === null ? 'null' : typeof value === 'object' ? 'an object' : `${typeof value}`;
}

/** @throws TypeError */
export function wholeNumber(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
    throw new TypeError(`${name} must be a whole number, not ${typeof value === 'number' ? value : kindOf(value)}`);
  }
  return value;
}

/** A string of the kernel: its bytes and a zero. @throws TypeError when it holds a zero byte itself */
export function zeroTerminated(value: unknown, name: string): Uint8Array {
  if (typeof value !== 'string' && !ArrayBuffer.isView(value)) {
    throw new TypeError(`${name} must be a string or a buffer, not ${kindOf(value)}`);
  }
  const bytes = bytesOf(value, name);
  if (bytes.includes(0)) throw new TypeError(`${name} must not hold zero bytes`);
  const terminated = new Uint8Array(bytes.length + 1);
  terminated.set(bytes);
  return terminated;
}

/** Text up to the first zero byte; what is not UTF-8 becomes U+FFFD. */
export function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
}

const align = (size: number): number => Math.ceil(size / ALIGNMENT) * ALIGNMENT;
const bytesIn = (part: Uint8Array | Out): Uint8Array => (part instanceof Out ? part.bytes : part);

/** What the arguments of one call take in memory, and what is to be fetched from there afterwards. */
class Marshalled {
  readonly numbers: number[] = [];
  #block: MemoryBlock | null = null;
  readonly #outs: { address: number; out: Out; size: number }[] = [];
  readonly #program: Program;
  #next = 0;

  constructor(program: Program, name: SystemCall, args: readonly Argument[]) {
    this.#program = program;
    let size = 0;
    for (const arg of args) size += sizeOf(arg, name);
    if (size > 0) {
      const block = program.memory.take(size);
      if (typeof block === 'number') throw errnoError(block, name);
      this.#block = block;
      this.#next = block.address;
    }
    try {
      for (const arg of args) this.numbers.push(typeof arg === 'number' ? wholeNumber(arg, name) : this.#place(arg));
    } catch (error) {
      this.release();
      throw error;
    }
  }

  /** Copies out what the call filled in. @throws TypeError when a buffer shrank or was given away meanwhile */
  fetch(result: number): void {
    for (const { address, out, size } of this.#outs) {
      const { bytes } = out;
      const count = out.counted ? Math.min(result, size) : size;
      if (count > bytes.length) throw new TypeError('the buffer was detached while the call waited');
      const failed = this.#program.memory.read(address, count === bytes.length ? bytes : bytes.subarray(0, count));
      if (failed !== 0) throw errnoError(failed, 'read');
    }
  }

  release(): void {
    if (this.#block !== null) this.#program.memory.give(this.#block);
    this.#block = null;
  }

  /** @returns the address */
  #place(part: Part): number {
    if (!(part instanceof Vector)) return this.#put(part);
    const address = this.#put(part.make(part.parts.map((inner) => this.#place(inner))));
    if (part.result !== null) this.#outs.push({ address, out: part.result, size: part.result.bytes.length });
    return address;
  }

  #put(part: Uint8Array | Out): number {
    const address = this.#next;
    const bytes = bytesIn(part);
    this.#next += align(Math.max(bytes.length, 1));
    if (part instanceof Out) this.#outs.push({ address, out: part, size: bytes.length });
    if (!(part instanceof Out) || part instanceof InOut) {
      const failed = this.#program.memory.write(address, bytes);
      if (failed !== 0) throw errnoError(failed, 'write');
    }
    return address;
  }
}

function sizeOf(arg: Argument, name: string): number {
  if (typeof arg === 'number') return 0;
  // Arguments come from callers that the compiler has not seen.
  if (!(arg instanceof Vector || arg instanceof Out || arg instanceof Uint8Array)) {
    throw new TypeError(`${name}: ${kindOf(arg)} where a number is needed`);
  }
  if (!(arg instanceof Vector)) return align(Math.max(bytesIn(arg).length, 1));
  return arg.parts.reduce((sum, part) => sum + sizeOf(part, name), align(Math.max(arg.size, 1)));
}

export class Calls {
  /** The system calls themselves. */
  readonly system: Program;
  /** Environment of the program; `execve` hands it on unless told otherwise. */
  readonly environ: Record<string, string>;

  constructor(system: Program, environ: Record<string, string> = {}) {
    this.system = system;
    this.environ = environ;
  }

  /** Aborted when the process has ended: for what it holds outside of the kernel. */
  get ended(): AbortSignal {
    return this.system.ended;
  }

  /**
   * A call that cannot wait.
   * @throws ErrnoError
   */
  protected now(name: SystemCall, args: readonly Argument[] = [], path?: string): number {
    const result = this.raw(name, args);
    if (result < 0 && result >= -MAX_ERRNO) throw errnoError(result, name, path);
    return result;
  }

  /** As `now`, with the negative errno as result. */
  protected raw(name: SystemCall, args: readonly Argument[]): number {
    const marshalled = new Marshalled(this.system, name, args);
    try {
      const [a, b, c, d, e, f] = marshalled.numbers;
      const result = this.system.callNow(SYS[name], a, b, c, d, e, f);
      if (result >= 0) marshalled.fetch(result);
      return result;
    } finally {
      // A call that ended the process, or made it another program, took the memory with it.
      if (!this.system.isOver) marshalled.release();
    }
  }

  /** A call that may wait. @throws ErrnoError by the promise; TypeErrors, too */
  protected async blocking(name: SystemCall, args: readonly Argument[] = [], path?: string): Promise<number> {
    const marshalled = new Marshalled(this.system, name, args);
    const [a, b, c, d, e, f] = marshalled.numbers;
    const answer = this.system.call(SYS[name], a, b, c, d, e, f);
    const result = typeof answer === 'number' ? answer : await answer;
    if (result === -ESRCH && this.system.isOver) throw errnoError(result, name, path);
    try {
      if (result < 0 && result >= -MAX_ERRNO) throw errnoError(result, name, path);
      marshalled.fetch(result);
      return result;
    } finally {
      marshalled.release();
    }
  }
}

/** As errors show it. */
export const shown = (path: PathLike): string => (typeof path === 'string' ? path : textOf(path));
