/** Exports for memory: the heap, and copying to and from the memory of the process that made the system call. */
import { EFAULT, fail, isErr } from '../../../abi/errno.js';
import { PTE_READ, PTE_WRITE } from '../../../cpu/index.js';
import { PAGE_SIZE } from '../../mm/layout.js';
import type { KernelCall } from '../call.js';
import type { ExportRow } from '../row.js';

const RSP = 4;
/** Most bytes that one copy moves. */
const MAX_COPY = 0x7ffff000;

/** Where the exported function was called from: what an allocation is remembered by. */
const callerOf = (call: KernelCall): number => call.kernel.drivers.space.readI64(call.kernel.cpu.reg(RSP));

/** @returns address, or 0 when there is no memory */
function allocate(call: KernelCall, size: number, zero: boolean): number {
  const { heap, space } = call.kernel.drivers;
  const address = heap.alloc(call.owner, size, callerOf(call));
  if (zero && address !== 0) space.fill(address, 0, size);
  return address;
}

function release(call: KernelCall, address: number): number {
  if (address === 0) return 0;
  const { heap, symbols } = call.kernel.drivers;
  const block = heap.find(address);
  const { mutexes, spinLocks } = call.kernel.drivers;
  if (
    block !== undefined &&
    (mutexes.heldIn(address, address + block.size) || spinLocks.heldIn(address, address + block.size))
  ) {
    return call.bug('banos_kfree of memory with a held lock in it');
  }
  const fault = heap.free(address);
  if (fault === null) return 0;
  const origin = block === undefined ? '' : `, allocated in ${symbols.describe(block.caller, true)}`;
  return call.bug(`banos_kfree of 0x${BigInt.asUintN(64, BigInt(address)).toString(16)}: ${fault}${origin}`);
}

/** As Linux: a copy of the old contents in a new block; the old one stays when there is no memory. */
function reallocate(call: KernelCall, address: number, size: number): number {
  const { heap, space } = call.kernel.drivers;
  if (address === 0) return allocate(call, size, false);
  const block = heap.find(address);
  if (block === undefined) return release(call, address);
  const fresh = allocate(call, size, false);
  if (fresh === 0) return 0;
  const bytes = new Uint8Array(Math.min(size, block.size));
  space.read(address, bytes);
  space.write(fresh, bytes);
  const freed = release(call, address);
  return freed === 0 ? fresh : freed;
}

/** Pages between two address spaces. @returns bytes that were not copied */
function copyUser(call: KernelCall, kernelAddress: number, user: number, count: number, toUser: boolean): number {
  const { space } = call.kernel.drivers;
  const mm = call.task?.mm;
  if (!(count >= 0 && count <= MAX_COPY)) return call.bug(`copy of ${count} bytes`);
  let done = 0;
  while (done < count) {
    const address = kernelAddress + done;
    const at = space.physical(address, toUser ? PTE_READ : PTE_WRITE);
    if (at < 0) return call.bug('copy with a bad kernel pointer');
    if (!mm) break;
    const length = Math.min(count - done, PAGE_SIZE - (at & (PAGE_SIZE - 1)));
    const moved = moveUser(call, at, user + done, length, toUser);
    done += moved;
    if (moved < length) break;
  }
  return count - done;
}

/** @param at physical, within one page @returns bytes moved */
function moveUser(call: KernelCall, at: number, user: number, length: number, toUser: boolean): number {
  const { memory } = call.kernel;
  const iter = call.task!.mm!.iter(user, length);
  if (isErr(iter)) return 0;
  // The iterator sees that a fault may move memory.
  const moved = toUser ? iter.put(memory.u8, at, at + length) : iter.take(memory.u8, at, at + length);
  return Math.max(moved, 0);
}

export const memoryExports: readonly ExportRow[] = [
  {
    name: 'banos_kmalloc',
    prototype: 'void *banos_kmalloc(size_t size)',
    fn: (call, size) => allocate(call, size, false),
  },
  {
    name: 'banos_kzalloc',
    prototype: 'void *banos_kzalloc(size_t size)',
    fn: (call, size) => allocate(call, size, true),
  },
  {
    name: 'banos_krealloc',
    prototype: 'void *banos_krealloc(void *block, size_t size)',
    fn: (call, address, size) => reallocate(call, address, size),
  },
  { name: 'banos_kfree', prototype: 'void banos_kfree(void *block)', fn: (call, address) => release(call, address) },
  {
    name: 'banos_alloc_pages',
    prototype: 'void *banos_alloc_pages(size_t pages)',
    fn: (call, pages) => {
      const { heap, space } = call.kernel.drivers;
      const address = heap.allocPages(call.owner, pages, callerOf(call));
      if (address !== 0) space.fill(address, 0, pages * PAGE_SIZE);
      return address;
    },
  },
  {
    name: 'banos_free_pages',
    prototype: 'void banos_free_pages(void *pages)',
    fn: (call, address) => release(call, address),
  },
  {
    name: 'banos_copy_from_user',
    prototype: 'size_t banos_copy_from_user(void *to, const void *from, size_t count)',
    fn: (call, to, from, count) => copyUser(call, to, from, count, false),
  },
  {
    name: 'banos_copy_to_user',
    prototype: 'size_t banos_copy_to_user(void *to, const void *from, size_t count)',
    fn: (call, to, from, count) => copyUser(call, from, to, count, true),
  },
  {
    name: 'banos_strncpy_from_user',
    prototype: 'long banos_strncpy_from_user(char *to, const char *from, long size)',
    fn: (call, to, from, size) => {
      const mm = call.task?.mm;
      if (!mm || size <= 0) return fail(EFAULT);
      const text = mm.readCString(from, size);
      // Longer than there is room: as many bytes as there are, without an end.
      if (isErr(text)) return text === fail(EFAULT) ? text : size;
      return call.kernel.drivers.space.write(to, Buffer.from(`${text}\0`, 'latin1')) === 0
        ? text.length
        : call.bug('banos_strncpy_from_user with a bad kernel pointer');
    },
  },
];
