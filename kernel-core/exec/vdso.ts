/**
 * The vDSO in address spaces: one page per kernel, mapped privately into every program behind its interpreter, as Linux
 * does it. Nothing in it changes: the wall clock is the monotonic one from another beginning.
 */
import { ENOMEM, type Err, fail, isErr } from '../../abi/errno.js';
import { PROT_EXEC, PROT_READ } from '../../abi/mman.js';
import type { PhysicalMemory } from '../../cpu/index.js';
import { vdsoImage } from '../../elf/vdso.js';
import type { Timespec } from '../../vfs/caller.js';
import { MemberSet } from '../../vfs/member-set.js';
import type { PageCache, PageMapper } from '../../vfs/page-cache.js';
import { mayExpand } from '../mm/accounting.js';
import type { AddressSpace } from '../mm/address-space.js';
import { PAGE_SIZE } from '../mm/layout.js';
import { placeMapping } from '../mm/map.js';
import { VM_MAY_ANY, Vma } from '../mm/vma.js';
import { addVma } from '../mm/vma-ops.js';

/** The page, as a cache that never changes. */
export class Vdso implements PageCache {
  readonly size = PAGE_SIZE;
  readonly mappers = new MemberSet<PageMapper>();
  readonly #memory: PhysicalMemory;
  readonly #frame: number;

  /**
   * @param epoch wall-clock time at 0 of the clock that the time stamp counter counts, in nanoseconds
   * @returns null when there is no memory: programs do without
   */
  static create(memory: PhysicalMemory, epoch: Timespec): Vdso | null {
    const frame = memory.allocFrame();
    if (frame === 0) return null;
    memory.u8.set(vdsoImage(BigInt(epoch.sec) * 1_000_000_000n + BigInt(epoch.nsec)), frame * PAGE_SIZE);
    return new Vdso(memory, frame);
  }

  private constructor(memory: PhysicalMemory, frame: number) {
    this.#memory = memory;
    this.#frame = frame;
  }

  page(index: number): number {
    return this.resident(index);
  }

  resident(index: number): number {
    return index === 0 ? this.#frame : 0;
  }

  markDirty(): void {}

  /** No address space has it any more. */
  dispose(): void {
    this.#memory.unref(this.#frame);
  }
}

/** Maps the page where there is room. @returns its address for AT_SYSINFO_EHDR; -ENOMEM */
export function mapVdso(space: AddressSpace, vdso: Vdso): number | Err {
  const start = placeMapping(space, 0, PAGE_SIZE, 0);
  if (isErr(start)) return start;
  const prot = PROT_READ | PROT_EXEC;
  if (!mayExpand(space, prot, VM_MAY_ANY, 1)) return fail(ENOMEM);
  addVma(space, new Vma(start, start + PAGE_SIZE, prot, VM_MAY_ANY, { file: null, cache: vdso, shared: null }, 0));
  return start;
}
