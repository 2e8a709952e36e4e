/**
 * What a driver lets a process map: pages of its heap. The driver's mmap operation names them once, when the mapping is
 * made; a page that it does not name is not there (SIGBUS).
 */
import { EFAULT, EINVAL, EIO, type Err, fail } from '../../abi/errno.js';
import { MemberSet } from '../../vfs/member-set.js';
import type { MappingRequest, PageCache, PageMapper } from '../../vfs/page-cache.js';
import { PAGE_SIZE } from '../mm/layout.js';
import type { Companion, KernelCall } from './call.js';
import type { Drivers } from './drivers.js';

/** struct banos_mapping, which lies where other operations have their iterator. */
const MAPPING_SIZE = 32;
const M_PROTECTION = 4;
const M_LENGTH = 8;
const M_OFFSET = 16;
const M_SHARED = 24;

export class DriverMapping implements PageCache, Companion {
  /** Says only that there is such a thing. */
  static readonly NONE: PageCache = {
    size: 0,
    page: () => fail(EIO),
    resident: () => 0,
    markDirty: () => {},
    mappers: new MemberSet(),
  };

  readonly size = Number.POSITIVE_INFINITY;
  readonly mappers = new MemberSet<PageMapper>();
  readonly #drivers: Drivers;
  readonly #request: MappingRequest;
  /** Index of a page in the file → frame, with a reference. */
  readonly #frames = new Map<number, number>();
  /** The driver is being asked. */
  #isOpen = false;

  constructor(drivers: Drivers, request: MappingRequest) {
    this.#drivers = drivers;
    this.#request = request;
  }

  begin(call: KernelCall): number {
    const { space } = this.#drivers;
    const { length, offset, protection, shared } = this.#request;
    const address = call.iterAddress;
    space.writeU32(address, MAPPING_SIZE);
    space.writeU32(address + M_PROTECTION, protection);
    space.writeI64(address + M_LENGTH, length);
    space.writeI64(address + M_OFFSET, offset);
    space.writeI64(address + M_SHARED, shared ? 1 : 0);
    this.#isOpen = true;
    return address;
  }

  finish(result: number): number {
    this.#isOpen = false;
    if (result < 0) this.dispose();
    return result;
  }

  /**
   * The driver names pages.
   * @param offset bytes from the beginning of the device, a multiple of a page
   * @param address of whole pages in the kernel
   * @returns 0, -EINVAL, -EFAULT
   */
  add(offset: number, address: number, pages: number): number | Err {
    const { offset: start, length } = this.#request;
    if (!this.#isOpen || offset % PAGE_SIZE !== 0 || address % PAGE_SIZE !== 0) return fail(EINVAL);
    if (
      !(pages > 0) ||
      offset < start ||
      offset + pages * PAGE_SIZE > start + Math.ceil(length / PAGE_SIZE) * PAGE_SIZE
    ) {
      return fail(EINVAL);
    }
    const { heap, space } = this.#drivers;
    const block = heap.pagesAround(address);
    if (block === undefined || address + pages * PAGE_SIZE > block.address + block.size) return fail(EFAULT);
    for (let i = 0; i < pages; i++) {
      const frame = space.frameAt(address + i * PAGE_SIZE);
      const index = offset / PAGE_SIZE + i;
      const old = this.#frames.get(index);
      space.memory.ref(frame);
      if (old !== undefined) space.memory.unref(old);
      this.#frames.set(index, frame);
    }
    return 0;
  }

  page(index: number): number | Err {
    return this.#frames.get(index) ?? fail(EIO);
  }

  resident(index: number): number {
    return this.#frames.get(index) ?? 0;
  }

  markDirty(_index: number): void {}

  dispose(): void {
    for (const frame of this.#frames.values()) this.#drivers.space.memory.unref(frame);
    this.#frames.clear();
  }
}
