/**
 * One user address space (Linux: mm_struct): its mappings, its page table, its figures.
 *
 * Layers: `Vma`/`VmaSet` say what should be where; `PageTable` says which pages are there; `fault` makes the second
 * follow the first, page by page. Every present page holds one reference on its frame; every mapping holds one on
 * its file or shared memory and one use of the `CacheMapper` that lets files tell us about truncation. The
 * operations live in the files beside this one, one system call family each. Tasks share a space by `ref`; the last
 * `unref` gives everything back. No locks: nothing here waits.
 *
 * Addresses and lengths are numbers straight from system call registers: signed, perhaps huge; all are checked.
 */
import { ENOMEM, type Err, fail, isErr } from '../../abi/errno.js';
import { RLIMIT_STACK } from '../../abi/resource.js';
import { PageTable, type PhysicalMemory } from '../../cpu/index.js';
import type { Caller } from '../../vfs/caller.js';
import type { OpenFile, UserMemory } from '../../vfs/file.js';
import { FrameExtents } from '../../vfs/frame-extents.js';
import type { IoIter } from '../../vfs/iter.js';
import type { PageCache } from '../../vfs/page-cache.js';
import { type Accounting, makeAccounting } from './accounting.js';
import { adviseRange } from './advise.js';
import { moveBreak } from './brk.js';
import { CacheMapper } from './cache-mapper.js';
import { faultPage } from './fault.js';
import { copySpace, mayFork } from './fork.js';
import { mmapBase } from './layout.js';
import type { MmLimits } from './limits.js';
import { lockAll, lockRange, unlockAll, unlockRange } from './lock.js';
import { mapRange } from './map.js';
import { protectRange } from './protect.js';
import { remapRange } from './remap.js';
import { beginSync, type RangeSync, residency } from './sync.js';
import { dropVmas, unmapRange } from './unmap.js';
import { makeIovIter, makeIter } from './user-iter.js';
import {
  readCString,
  readScalar,
  readSigned32,
  readSigned64,
  readUser,
  writeScalar,
  writeUser,
} from './user-memory.js';
import { type Vma, VmaSet } from './vma.js';
import { acquireZeroFrame, releaseZeroFrame } from './zero-frame.js';

/** Memory without a file, first pages of programs and libraries, private huge pages. @source core(5) */
const DEFAULT_CORE_FILTER = 0x33;

const NOTHING: readonly number[] = [];

/** Where the parts of the running program lie, for brk and procfs. Addresses in bytes; 0 when unknown. */
export interface ProgramLayout {
  startCode: number;
  endCode: number;
  startData: number;
  endData: number;
  startBreak: number;
  /** Current program break. */
  break: number;
  startStack: number;
  argStart: number;
  argEnd: number;
  envStart: number;
  envEnd: number;
}

export class AddressSpace implements UserMemory {
  readonly memory: PhysicalMemory;
  readonly pageTable: PageTable;
  readonly areas = new VmaSet();
  /** Where private pages go in physical memory. */
  readonly extents: FrameExtents;
  readonly figures: Accounting = makeAccounting();
  readonly mappers = new Map<PageCache, CacheMapper>();
  /** Frame of zeros that untouched anonymous memory reads from. */
  readonly zeroFrame: number;
  /** Limits of the process that owns the space; to be replaced after a fork by the child's. */
  limits: MmLimits;
  /** Highest address for ordinary mappings. */
  mmapBase: number;
  /** VM_LOCKED and VM_LOCKONFAULT that new mappings get (mlockall with MCL_FUTURE). */
  futureFlags = 0;
  #executable: OpenFile | null = null;
  /** Which mappings a core file gets: bits of /proc/PID/coredump_filter. */
  coreFilter = DEFAULT_CORE_FILTER;
  /** The auxiliary vector as the program got it, in words. */
  auxiliary: readonly number[] = NOTHING;
  program: ProgramLayout = {
    startCode: 0,
    endCode: 0,
    startData: 0,
    endData: 0,
    startBreak: 0,
    break: 0,
    startStack: 0,
    argStart: 0,
    argEnd: 0,
    envStart: 0,
    envEnd: 0,
  };
  /**
   * A system call could not touch a page because memory is exhausted (it answered -EFAULT). The kernel ends the
   * process with SIGKILL, as the out-of-memory killer does.
   */
  outOfMemory = false;
  #refs = 1;

  /** @returns an empty space with one reference, or -ENOMEM */
  static create(memory: PhysicalMemory, limits: MmLimits): AddressSpace | Err {
    const pageTable = PageTable.create(memory);
    if (isErr(pageTable)) return pageTable;
    const zeroFrame = acquireZeroFrame(memory);
    if (zeroFrame !== 0) return new AddressSpace(memory, pageTable, zeroFrame, limits);
    pageTable.dispose();
    return fail(ENOMEM);
  }

  private constructor(memory: PhysicalMemory, pageTable: PageTable, zeroFrame: number, limits: MmLimits) {
    this.memory = memory;
    this.pageTable = pageTable;
    this.extents = new FrameExtents(memory);
    this.zeroFrame = zeroFrame;
    this.limits = limits;
    this.mmapBase = mmapBase(limits.limit(RLIMIT_STACK));
  }

  /** Tasks and running calls that hold the space. */
  get refs(): number {
    return this.#refs;
  }

  ref(): this {
    this.#refs++;
    return this;
  }

  /** Drops a reference; the last one gives frames, files and mappers back. */
  unref(): void {
    if (--this.#refs !== 0) return;
    dropVmas(this);
    this.extents.clear();
    this.executable = null;
    releaseZeroFrame(this.memory);
    this.pageTable.dispose();
  }

  /** The program that runs here, for /proc/PID/exe; referenced. While it is, its file cannot be opened for writing. */
  get executable(): OpenFile | null {
    return this.#executable;
  }

  set executable(file: OpenFile | null) {
    const old = this.#executable;
    this.#executable = file;
    if (file !== null) file.ref().inode.writeCount--;
    if (old !== null) {
      old.inode.writeCount++;
      old.unref();
    }
  }

  /** The bytes of the auxiliary vector. */
  get auxv(): Uint8Array {
    const bytes = new BigInt64Array(this.auxiliary.map(BigInt));
    return new Uint8Array(bytes.buffer);
  }

  /** Mappings in ascending order. */
  vmas(): readonly Vma[] {
    return this.areas.list;
  }

  /** Resident pages. */
  get rss(): number {
    return this.figures.resident;
  }

  /**
   * mmap(2). The caller has turned the descriptor into `file` (-EBADF is its business, but after the check that
   * `offset` is a multiple of 4096); MAP_ANONYMOUS ignores `file`.
   * @param caller who waits if a driver has to be asked; absent: nobody can
   * @param cache what the driver has answered
   * @returns the address; SUSPENDED; -EINVAL, -ENOMEM, -EACCES, -ENODEV, -EOVERFLOW, -EEXIST, -EPERM, -EAGAIN, -EOPNOTSUPP
   */
  map(
    address: number,
    length: number,
    prot: number,
    flags: number,
    file: OpenFile | null,
    offset: number,
    caller?: Caller,
    cache?: PageCache,
  ): number | Err {
    return mapRange(this, address, length, prot, flags, { file, offset, caller, cache });
  }

  /** munmap(2). @returns 0, -EINVAL, -ENOMEM */
  unmap(address: number, length: number): number | Err {
    return unmapRange(this, address, length);
  }

  /** mprotect(2). @returns 0, -EINVAL, -ENOMEM, -EACCES */
  protect(address: number, length: number, prot: number): number | Err {
    return protectRange(this, address, length, prot);
  }

  /** mremap(2). @returns the new address; -EINVAL, -EFAULT, -ENOMEM, -EAGAIN, -EPERM */
  remap(address: number, oldLength: number, newLength: number, flags: number, newAddress: number): number | Err {
    return remapRange(this, address, oldLength, newLength, flags, newAddress);
  }

  /** brk(2). @returns the program break afterwards, the old one if it could not move */
  brk(address: number): number {
    return moveBreak(this, address);
  }

  /** madvise(2). @returns 0, -EINVAL, -ENOMEM, -EFAULT, -EACCES */
  advise(address: number, length: number, advice: number): number | Err {
    return adviseRange(this, address, length, advice);
  }

  /** msync(2), which may take its time. @returns what is to be done; 0: nothing; -EINVAL, -ENOMEM */
  sync(address: number, length: number, flags: number): RangeSync | 0 | Err {
    return beginSync(this, address, length, flags);
  }

  /** mincore(2). Writes one byte per page to `vector`. @returns 0, -EINVAL, -ENOMEM, -EFAULT */
  mincore(address: number, length: number, vector: number): number | Err {
    return residency(this, address, length, vector);
  }

  /** mlock(2), mlock2(2). @param flags MLOCK_ONFAULT or 0 */
  lock(address: number, length: number, flags: number): number | Err {
    return lockRange(this, address, length, flags);
  }

  unlock(address: number, length: number): number | Err {
    return unlockRange(this, address, length);
  }

  /** mlockall(2). @param flags MCL_* */
  lockAll(flags: number): number | Err {
    return lockAll(this, flags);
  }

  unlockAll(): number | Err {
    return unlockAll(this);
  }

  /** A copy for a child process, sharing pages until one side writes. @returns it with one reference, or -ENOMEM */
  fork(): AddressSpace | Err {
    const denied = mayFork(this);
    if (isErr(denied)) return denied;
    const child = AddressSpace.create(this.memory, this.limits);
    if (!isErr(child)) copySpace(this, child);
    return child;
  }

  /**
   * Makes the page of `address` present with the right `access`.
   * @param access PTE_READ, PTE_WRITE or PTE_EXEC
   * @returns 0: try again; else a FAULT_* of fault.ts: `faultSignal` and `faultCode` take it apart
   */
  fault(address: number, access: number): number {
    return faultPage(this, address, access);
  }

  /** Copies in, whole. @returns 0 or -EFAULT */
  read(address: number, target: Uint8Array): number | Err {
    return readUser(this, address, target);
  }

  /** Copies out, whole. @returns 0 or -EFAULT (the pages before the bad one may have been written) */
  write(address: number, source: Uint8Array): number | Err {
    return writeUser(this, address, source);
  }

  /** @returns the unsigned value, or -EFAULT */
  readU8(address: number): number | Err {
    return readScalar(this, address, 1);
  }

  /** @returns the unsigned value, or -EFAULT */
  readU16(address: number): number | Err {
    return readScalar(this, address, 2);
  }

  /** @returns the unsigned value, or -EFAULT */
  readU32(address: number): number | Err {
    return readScalar(this, address, 4);
  }

  /** @returns the signed value, or NaN for a bad address */
  readI32(address: number): number {
    return readSigned32(this, address);
  }

  /** @returns the signed value, exact between -2^53 and 2^53, or NaN for a bad address */
  readU64(address: number): number {
    return readSigned64(this, address);
  }

  /** @returns 0 or -EFAULT */
  writeU8(address: number, value: number): number | Err {
    return writeScalar(this, address, 1, value);
  }

  /** @returns 0 or -EFAULT */
  writeU16(address: number, value: number): number | Err {
    return writeScalar(this, address, 2, value);
  }

  /** Signed or unsigned. @returns 0 or -EFAULT */
  writeU32(address: number, value: number): number | Err {
    return writeScalar(this, address, 4, value);
  }

  /** Signed or unsigned, a whole number. @returns 0 or -EFAULT */
  writeU64(address: number, value: number): number | Err {
    return writeScalar(this, address, 8, value);
  }

  /** A string that ends with a zero byte, one character per byte. @param max bytes including the zero @returns -EFAULT, -ENAMETOOLONG */
  readCString(address: number, max: number): string | Err {
    return readCString(this, address, max);
  }

  /**
   * A buffer of the guest for read and write paths, at most MAX_RW_COUNT bytes of it.
   * @returns -EFAULT when it does not lie in user space; bad pages inside show themselves as short transfers
   */
  iter(address: number, length: number): IoIter | Err {
    return makeIter(this, address, length);
  }

  /** The buffers of an iovec array, at most MAX_RW_COUNT bytes together. @returns -EINVAL, -EFAULT */
  iovIter(address: number, count: number): IoIter | Err {
    return makeIovIter(this, address, count);
  }

  /** Registers interest in truncation of `cache` for one more mapping. */
  holdCache(cache: PageCache): void {
    const known = this.mappers.get(cache);
    if (known !== undefined) {
      known.users++;
      return;
    }
    const mapper = new CacheMapper(this, cache);
    this.mappers.set(cache, mapper);
    cache.mappers.add(mapper);
  }

  releaseCache(cache: PageCache): void {
    const mapper = this.mappers.get(cache)!;
    if (--mapper.users !== 0) return;
    this.mappers.delete(cache);
    cache.mappers.delete(mapper);
  }
}
