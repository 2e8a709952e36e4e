/** argv and envp: fetching them from the old program, and the bounds on what a new one may be given. @source fs/exec.c */
import { E2BIG, EFAULT, ENAMETOOLONG, type Err, fail, isErr } from '../../abi/errno.js';
import type { AddressSpace } from '../mm/address-space.js';

/** Longest string, with its final zero byte. */
const MAX_STRING = 131072;
const MIN_BYTES = 131072;
/** Three quarters of the default stack. */
const MAX_BYTES = 6 * 2 ** 20;
const POINTER = 8;

/** Bytes that strings and pointers may take, for a stack limit in bytes. */
export const argumentBytes = (stackLimit: number): number =>
  Math.max(Math.min(MAX_BYTES, Math.floor(stackLimit / 4)), MIN_BYTES);

/**
 * Reads a vector of strings that ends with a null pointer; a null vector is empty.
 * @returns latin1 strings; -EFAULT; -E2BIG for a string, or a sum of them, that no program can be given
 */
export function readStringVector(space: AddressSpace, address: number): string[] | Err {
  const strings: string[] = [];
  if (address === 0) return strings;
  let bytes = 0;
  for (let at = address; ; at += POINTER) {
    const pointer = space.readU64(at);
    if (Number.isNaN(pointer)) return fail(EFAULT);
    if (pointer === 0) return strings;
    const text = space.readCString(pointer, MAX_STRING);
    if (isErr(text)) return text === -ENAMETOOLONG ? fail(E2BIG) : text;
    bytes += text.length + 1 + POINTER;
    if (bytes > MAX_BYTES) return fail(E2BIG);
    strings.push(text);
  }
}

/** Counts what goes to the top of a new stack. Strings are only counted here, not kept. */
export class ArgumentBudget {
  #left: number;

  /** @param pointers number of argv and envp strings at the start; scripts do not change it */
  constructor(stackLimit: number, pointers: number) {
    this.#left = argumentBytes(stackLimit) - pointers * POINTER;
  }

  /** @returns false: too much (-E2BIG) */
  addAll(texts: readonly string[]): boolean {
    for (const text of texts) {
      this.#left -= text.length + 1;
      if (text.length + 1 > MAX_STRING) return false;
    }
    return this.#left > 0;
  }

  remove(text: string): void {
    this.#left += text.length + 1;
  }
}
