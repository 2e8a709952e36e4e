/**
 * The kernel address space: one page table, apart from those of all processes. No user page is in it, so that a driver that
 * dereferences a user pointer faults instead of reading whatever process happens to run.
 *
 * It maps frames and reads and writes them by address on behalf of the kernel, without regard to rights; what is at an
 * address is the business of the heap, the stacks, the modules. No locks.
 */
import { EFAULT, ENOMEM, type Err, fail, isErr } from '../../abi/errno.js';
import { PageTable, type PhysicalMemory, PTE_EXEC, PTE_READ, PTE_WRITE } from '../../cpu/index.js';
import { PAGE_SIZE, pageOf } from '../mm/layout.js';
import { isKernelAddress } from './layout.js';

export const RW = PTE_READ | PTE_WRITE;
export const RX = PTE_READ | PTE_EXEC;

const PAGE_MASK = PAGE_SIZE - 1;
const TWO_32 = 2 ** 32;

export class KernelSpace {
  readonly memory: PhysicalMemory;
  readonly pageTable: PageTable;

  /** @returns -ENOMEM */
  static create(memory: PhysicalMemory): KernelSpace | Err {
    const table = PageTable.create(memory);
    return isErr(table) ? table : new KernelSpace(memory, table);
  }

  private constructor(memory: PhysicalMemory, pageTable: PageTable) {
    this.memory = memory;
    this.pageTable = pageTable;
  }

  /** Maps zeroed pages at `address`. @returns 0, or -ENOMEM with nothing mapped */
  map(address: number, pages: number, rights: number): number | Err {
    const first = pageOf(address);
    if (!this.memory.isTableRoomLeft(1 + (pages >>> 9) + 1)) return fail(ENOMEM);
    for (let i = 0; i < pages; i++) {
      const frame = this.memory.allocFrame();
      if (frame === 0) {
        this.unmap(address, i);
        return fail(ENOMEM);
      }
      this.pageTable.set(first + i, frame, rights);
    }
    return 0;
  }

  /** Takes pages away; their frames stay as long as somebody else has them mapped. */
  unmap(address: number, pages: number): void {
    const first = pageOf(address);
    for (let i = 0; i < pages; i++) {
      const frame = this.pageTable.frameOf(first + i);
      if (frame === 0) continue;
      this.pageTable.clear(first + i);
      this.memory.unref(frame);
    }
  }

  protect(address: number, pages: number, rights: number): void {
    const first = pageOf(address);
    for (let i = 0; i < pages; i++) this.pageTable.protect(first + i, rights);
  }

  /** Frame behind a kernel address, 0 without. */
  frameAt(address: number): number {
    return isKernelAddress(address) ? this.pageTable.frameOf(pageOf(address)) : 0;
  }

  /** Rights of the page at an address; 0 when there is none. */
  rightsAt(address: number): number {
    return isKernelAddress(address) ? this.pageTable.protOf(pageOf(address)) : 0;
  }

  /** Physical address, valid for the rest of the page; -1 when nothing is there that permits `access`. */
  physical(address: number, access: number): number {
    if (!isKernelAddress(address)) return -1;
    const entry = this.pageTable.entryOf(pageOf(address));
    if (entry === 0 || (access === PTE_WRITE && (entry & PTE_WRITE) === 0)) return -1;
    const frame = entry >>> 3;
    if (access === PTE_WRITE) this.memory.willWrite(frame);
    return frame * PAGE_SIZE + (address & PAGE_MASK);
  }

  /** Copies out of kernel memory. @returns 0 or -EFAULT */
  read(address: number, target: Uint8Array): number | Err {
    for (let done = 0; done < target.length; ) {
      const from = this.physical(address + done, PTE_READ);
      if (from < 0) return fail(EFAULT);
      const count = Math.min(target.length - done, PAGE_SIZE - (from & PAGE_MASK));
      target.set(this.memory.u8.subarray(from, from + count), done);
      done += count;
    }
    return 0;
  }

  /** Copies into kernel memory that drivers may write. @returns 0 or -EFAULT */
  write(address: number, source: Uint8Array): number | Err {
    return this.#put(address, source, PTE_WRITE);
  }

  /** As `write`, also where drivers may not: loading code. */
  install(address: number, source: Uint8Array): number | Err {
    return this.#put(address, source, PTE_READ);
  }

  #put(address: number, source: Uint8Array, access: number): number | Err {
    for (let done = 0; done < source.length; ) {
      const to = this.physical(address + done, access);
      if (to < 0) return fail(EFAULT);
      const count = Math.min(source.length - done, PAGE_SIZE - (to & PAGE_MASK));
      this.memory.willWrite(to >>> 12);
      this.memory.u8.set(source.subarray(done, done + count), to);
      done += count;
    }
    return 0;
  }

  fill(address: number, value: number, length: number): void {
    for (let done = 0; done < length; ) {
      const to = this.physical(address + done, PTE_WRITE);
      if (to < 0) return;
      const count = Math.min(length - done, PAGE_SIZE - (to & PAGE_MASK));
      this.memory.u8.fill(value, to, to + count);
      done += count;
    }
  }

  /** @returns the unsigned value, NaN when nothing is there */
  readU32(address: number): number {
    const low = address & PAGE_MASK;
    const from = this.physical(address, PTE_READ);
    if (from < 0) return Number.NaN;
    if (low <= PAGE_SIZE - 4) return this.memory.view.getUint32(from, true);
    return this.read(address, scratch.subarray(0, 4)) === 0 ? scratchView.getUint32(0, true) : Number.NaN;
  }

  /** Signed; exact below 2^53. @returns NaN when nothing is there */
  readI64(address: number): number {
    const from = this.physical(address, PTE_READ);
    if (from < 0) return Number.NaN;
    if ((address & PAGE_MASK) <= PAGE_SIZE - 8) return getI64(this.memory.view, from);
    return this.read(address, scratch.subarray(0, 8)) === 0 ? getI64(scratchView, 0) : Number.NaN;
  }

  writeU32(address: number, value: number): number | Err {
    scratchView.setUint32(0, value, true);
    return this.write(address, scratch.subarray(0, 4));
  }

  writeI64(address: number, value: number): number | Err {
    scratchView.setUint32(0, value % TWO_32, true);
    scratchView.setInt32(4, Math.floor(value / TWO_32), true);
    return this.write(address, scratch.subarray(0, 8));
  }

  /** Text up to a zero byte, latin1. @returns -EFAULT when the memory ends first; `max` bytes when there is no zero */
  readText(address: number, max: number): string | Err {
    let text = '';
    for (let i = 0; i < max; i++) {
      const from = this.physical(address + i, PTE_READ);
      if (from < 0) return fail(EFAULT);
      const byte = this.memory.u8[from]!;
      if (byte === 0) return text;
      text += String.fromCharCode(byte);
    }
    return text;
  }

  /** Precondition: all mapped pages were taken away by who mapped them. */
  dispose(): void {
    this.pageTable.clearAll((frame) => this.memory.unref(frame));
    this.pageTable.dispose();
  }
}

const scratch = new Uint8Array(8);
const scratchView = new DataView(scratch.buffer);

const getI64 = (view: DataView, at: number): number => view.getInt32(at + 4, true) * TWO_32 + view.getUint32(at, true);
