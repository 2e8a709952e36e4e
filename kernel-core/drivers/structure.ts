/**
 * Structures that drivers hand over. Each begins with its size as the driver was built (`u32 size`), so that later versions
 * can be longer: what an old driver does not have reads as zeros.
 */
import { EINVAL, type Err, fail, isErr } from '../../abi/errno.js';
import type { KernelCall } from './call.js';
import type { KernelSpace } from './space.js';

export class Structure {
  /** Its address. */
  readonly address: number;
  readonly #space: KernelSpace;
  readonly #view: DataView;

  constructor(space: KernelSpace, address: number, bytes: Uint8Array) {
    this.#space = space;
    this.address = address;
    this.#view = new DataView(bytes.buffer);
  }

  u8(offset: number): number {
    return this.#view.getUint8(offset);
  }

  u32(offset: number): number {
    return this.#view.getUint32(offset, true);
  }

  s32(offset: number): number {
    return this.#view.getInt32(offset, true);
  }

  /** An address, signed. */
  pointer(offset: number): number {
    return this.#view.getInt32(offset + 4, true) * 2 ** 32 + this.#view.getUint32(offset, true);
  }

  /** The text that a pointer leads to. @returns -EFAULT; `max` bytes when it has no end by then */
  text(offset: number, max: number): string | Err {
    return this.#space.readText(this.pointer(offset), max);
  }
}

/**
 * Copies a structure out of a driver's memory.
 * @param least bytes that the first version of it has
 * @param known bytes that this kernel knows
 * @returns -EINVAL when it is shorter; BUG when it is not there
 */
export function readStructure(call: KernelCall, address: number, least: number, known: number): Structure | number {
  const { space } = call.kernel.drivers;
  const size = space.readU32(address);
  if (Number.isNaN(size)) return call.bug('a structure that is not there');
  if (size < least) return fail(EINVAL);
  const bytes = new Uint8Array(known);
  const failed = space.read(address, bytes.subarray(0, Math.min(size, known)));
  return isErr(failed) ? call.bug('a structure that is not there') : new Structure(space, address, bytes);
}
