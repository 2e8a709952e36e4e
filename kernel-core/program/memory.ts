/**
 * The memory of a TypeScript program: pages of its address space that arguments of system calls are put into, so that
 * the calls find pointers where a machine-code program has them, and check them in the same way.
 *
 * Blocks are powers of two of pages. Small ones come from chunks that are mapped once; a large one is a mapping of its
 * own, which goes when the block does, so that one large read does not stay a large program.
 */
import { ENOMEM, type Err, fail, isErr } from '../../abi/errno.js';
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '../../abi/mman.js';
import type { AddressSpace } from '../mm/address-space.js';
import { PAGE_SIZE } from '../mm/layout.js';

/** Bytes mapped at once for small blocks. */
const CHUNK = 64 * PAGE_SIZE;
/** A block of more is a mapping of its own. */
const LARGEST_POOLED = 16 * PAGE_SIZE;
/** No call moves more bytes. @source Linux MAX_RW_COUNT */
const LARGEST = 2 ** 31 - PAGE_SIZE;

/** Some bytes at `address`, until they are given back. */
export interface MemoryBlock {
  readonly address: number;
  /** Bytes; at least what was asked for. */
  readonly size: number;
}

export class ProgramMemory {
  readonly #space: AddressSpace;
  /** Free blocks by the logarithm of their pages. */
  readonly #free: MemoryBlock[][] = [];
  #next = 0;
  #end = 0;

  constructor(space: AddressSpace) {
    this.#space = space;
  }

  /** @param size bytes @returns a block whose contents are anything, or -ENOMEM */
  take(size: number): MemoryBlock | Err {
    if (size > LARGEST) return fail(ENOMEM);
    if (size > LARGEST_POOLED) return this.#map(Math.ceil(size / PAGE_SIZE) * PAGE_SIZE);
    const order = orderOf(size);
    const free = this.#free[order]?.pop();
    return free ?? this.#carve(PAGE_SIZE << order);
  }

  give(block: MemoryBlock): void {
    if (block.size > LARGEST_POOLED) {
      this.#space.unmap(block.address, block.size);
      return;
    }
    const order = orderOf(block.size);
    this.#free[order] ??= [];
    this.#free[order].push(block);
  }

  /** @returns 0, -EFAULT, -ENOMEM */
  write(address: number, bytes: Uint8Array): number | Err {
    return this.#checked(this.#space.write(address, bytes));
  }

  /** Fills `target`. @returns 0, -EFAULT, -ENOMEM */
  read(address: number, target: Uint8Array): number | Err {
    return this.#checked(this.#space.read(address, target));
  }

  /** A page that could not be had is the program's error here, not its death: nothing of it runs in that memory. */
  #checked(result: number | Err): number | Err {
    if (!this.#space.outOfMemory) return result;
    this.#space.outOfMemory = false;
    return fail(ENOMEM);
  }

  #carve(size: number): MemoryBlock | Err {
    if (this.#next + size > this.#end) {
      const chunk = this.#map(CHUNK);
      if (isErr(chunk)) return chunk;
      // What is left of the last chunk is too small for this block, not for others.
      for (let at = this.#next; at < this.#end; at += PAGE_SIZE) this.give({ address: at, size: PAGE_SIZE });
      this.#next = chunk.address;
      this.#end = chunk.address + CHUNK;
    }
    const block = { address: this.#next, size };
    this.#next += size;
    return block;
  }

  #map(size: number): MemoryBlock | Err {
    const address = this.#space.map(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, null, 0);
    return isErr(address) ? address : { address, size };
  }
}

/** Logarithm of the pages that hold `size` bytes. */
const orderOf = (size: number): number => (size <= PAGE_SIZE ? 0 : 32 - Math.clz32((size - 1) >>> 12));
