/**
 * read and write, the calls that programs make most: as `Calls.blocking`, with less in between. The bytes are fetched when
 * the kernel tells the result, so that one promise is all that a wait takes. An object is one call under way; it is used
 * again for later ones, since new closures cost as much as the call.
 */
import { ESRCH } from '../abi/errno.js';
import { errnoError, type MemoryBlock, type Program, ProgramCall } from '../kernel-core/index.js';
import { bytesOf, memoryOf, wholeNumber } from './calls.js';
import { SYS } from './numbers.js';

export class Transfer {
  readonly #system: Program;
  /** Where it goes when its call is over. */
  readonly #spares: Transfer[];
  readonly #call = new ProgramCall();
  #name: 'read' | 'write' = 'read';
  #block: MemoryBlock | null = null;
  /** What gets the bytes of a read. */
  #target: Uint8Array | null = null;
  #resolve!: (count: number) => void;
  #reject!: (error: unknown) => void;

  /** @param spares of the program, for `take` */
  private constructor(system: Program, spares: Transfer[]) {
    this.#system = system;
    this.#spares = spares;
  }

  static take(system: Program, spares: Transfer[]): Transfer {
    return spares.pop() ?? new Transfer(system, spares);
  }

  /** @returns bytes read @throws ErrnoError, TypeError by the promise */
  read(fd: number, buffer: unknown): Promise<number> {
    try {
      this.#name = 'read';
      wholeNumber(fd, 'fd');
      const target = memoryOf(buffer, 'buffer');
      this.#target = target;
      return this.#start(SYS.read, fd, this.#take(target.length), target.length);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** @returns bytes written @throws ErrnoError, TypeError by the promise */
  write(fd: number, data: unknown): Promise<number> {
    try {
      this.#name = 'write';
      wholeNumber(fd, 'fd');
      const bytes = bytesOf(data, 'data');
      this.#target = null;
      const block = this.#take(bytes.length);
      const failed = this.#system.memory.write(block.address, bytes);
      if (failed !== 0) return Promise.resolve(this.#finish(failed));
      return this.#start(SYS.write, fd, block, bytes.length);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #take(size: number): MemoryBlock {
    const block = this.#system.memory.take(Math.max(size, 1));
    if (typeof block === 'number') throw errnoError(block, this.#name);
    this.#block = block;
    return block;
  }

  #start(number: number, fd: number, { address }: MemoryBlock, size: number): Promise<number> {
    const result = this.#system.callTelling(this.#call, this.#told, number, fd, address, size);
    return result === null ? new Promise(this.#promised) : Promise.resolve(this.#finish(result));
  }

  readonly #promised = (resolve: (count: number) => void, reject: (error: unknown) => void): void => {
    this.#resolve = resolve;
    this.#reject = reject;
  };

  readonly #told = (result: number): void => {
    const resolve = this.#resolve;
    const reject = this.#reject;
    try {
      resolve(this.#finish(result));
    } catch (error) {
      reject(error);
    }
  };

  /** The call is over. @returns `result` @throws ErrnoError, TypeError */
  #finish(result: number): number {
    const { memory, isOver } = this.#system;
    if (isOver) throw errnoError(-ESRCH, this.#name);
    const block = this.#block!;
    const target = this.#target;
    this.#target = null;
    const isDetached = target !== null && result > target.length;
    if (target !== null && result > 0 && !isDetached) {
      memory.read(block.address, result === target.length ? target : target.subarray(0, result));
    }
    memory.give(block);
    this.#spares.push(this);
    if (result < 0) throw errnoError(result, this.#name);
    if (isDetached) throw new TypeError('the buffer was detached while the call waited');
    return result;
  }
}
