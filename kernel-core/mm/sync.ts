/** msync(2) and mincore(2). @source mm/msync.c, mm/mincore.c */
import { EBUSY, EFAULT, EINVAL, ENOMEM, type Err, fail, isErr } from '../../abi/errno.js';
import { MS_ASYNC, MS_INVALIDATE, MS_SYNC } from '../../abi/mman.js';
import { PTE_WRITE } from '../../cpu/index.js';
import type { Caller } from '../../vfs/caller.js';
import { type OpenFile, SUSPENDED } from '../../vfs/file.js';
import type { AddressSpace } from './address-space.js';
import { isUserRange, PAGE_SIZE, pageCeil, pageOf, roundsToNothing, USER_END } from './layout.js';
import { VM_LOCKED, type Vma } from './vma.js';

/** An msync that goes from mapping to mapping; the files of drivers may take their time. */
export class RangeSync {
  /** The file that is being written back; null: none. */
  file: OpenFile | null = null;
  readonly #space: AddressSpace;
  readonly #flags: number;
  #at: number;
  readonly #end: number;
  #hasHole = false;

  /** @param start, end addresses, whole pages */
  constructor(space: AddressSpace, start: number, end: number, flags: number) {
    this.#space = space;
    this.#at = start;
    this.#end = end;
    this.#flags = flags;
  }

  /** Begins, or goes on. @returns 0, -ENOMEM, -EBUSY, SUSPENDED, or what fsync of the file answers */
  step(caller: Caller): number {
    while (this.file !== null || this.#at < this.#end) {
      if (this.file === null) {
        const failed = this.#next();
        if (isErr(failed)) return failed;
        continue;
      }
      const synced = this.file.fsync(caller);
      if (synced === SUSPENDED) return synced;
      this.release();
      if (isErr(synced)) return synced;
    }
    return this.#hasHole ? fail(ENOMEM) : 0;
  }

  release(): void {
    this.file?.unref();
    this.file = null;
  }

  /** Passes a mapping; `file` is what has to be written back before the next one. */
  #next(): number | Err {
    const vma = this.#space.areas.overlapping(this.#at, this.#end);
    if (vma === undefined || (vma.start > this.#at && this.#flags === MS_ASYNC)) return fail(ENOMEM);
    if (vma.start > this.#at) {
      this.#hasHole = true;
      this.#at = vma.start;
    }
    if ((this.#flags & MS_INVALIDATE) !== 0 && (vma.flags & VM_LOCKED) !== 0) return fail(EBUSY);
    const to = Math.min(this.#end, vma.end);
    if ((this.#flags & MS_SYNC) !== 0 && vma.file !== null && vma.isShared) {
      watchWrites(this.#space, vma, this.#at, to);
      this.file = vma.file.ref();
    }
    this.#at = to;
    return 0;
  }
}

/** @returns what is to be done; 0: nothing; -EINVAL, -ENOMEM */
export function beginSync(space: AddressSpace, address: number, length: number, flags: number): RangeSync | 0 | Err {
  if ((flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) !== 0 || address % PAGE_SIZE !== 0) return fail(EINVAL);
  if ((flags & MS_ASYNC) !== 0 && (flags & MS_SYNC) !== 0) return fail(EINVAL);
  if (length === 0 || roundsToNothing(length)) return 0;
  if (length < 0 || address < 0 || address > USER_END || length > USER_END) return fail(ENOMEM);
  return new RangeSync(space, address, address + pageCeil(length), flags);
}

/** What is written back becomes clean: the next write has to fault, so that it marks the page dirty again. */
function watchWrites(space: AddressSpace, vma: Vma, start: number, end: number): void {
  const { pageTable } = space;
  pageTable.forEach(pageOf(start), pageOf(end), (vpn, _frame, rights) => {
    if ((rights & PTE_WRITE) === 0) return;
    vma.cache!.markDirty(vma.cacheIndex(vpn * PAGE_SIZE));
    pageTable.protect(vpn, rights & ~PTE_WRITE);
  });
}

const PAGES_AT_ONCE = 4096;

export function residency(space: AddressSpace, address: number, length: number, vector: number): number | Err {
  if (address % PAGE_SIZE !== 0) return fail(EINVAL);
  if (!isUserRange(address, length)) return fail(ENOMEM);
  const pages = Math.ceil(length / PAGE_SIZE);
  if (!isUserRange(vector, pages)) return fail(EFAULT);
  const bytes = new Uint8Array(Math.min(pages, PAGES_AT_ONCE));
  for (let done = 0; done < pages; done += bytes.length) {
    const count = Math.min(bytes.length, pages - done);
    for (let i = 0; i < count; i++) {
      const at = address + (done + i) * PAGE_SIZE;
      const vma = space.areas.at(at);
      if (vma === null) return fail(ENOMEM);
      bytes[i] = isResident(space, vma, at) ? 1 : 0;
    }
    if (isErr(space.write(vector + done, bytes.subarray(0, count)))) return fail(EFAULT);
  }
  return 0;
}

/** File data always is in memory here. */
function isResident(space: AddressSpace, vma: Vma, address: number): boolean {
  if (space.pageTable.frameOf(pageOf(address)) !== 0) return true;
  return vma.file !== null && vma.cache !== null && vma.cacheIndex(address) * PAGE_SIZE < vma.cache.size;
}
