/** Exports for character devices: registration, notification, where bytes go and come from, mapping. */
import { EFAULT, EINVAL, fail } from '../../../abi/errno.js';
import { PTE_READ, PTE_WRITE } from '../../../cpu/index.js';
import { PAGE_SIZE } from '../../mm/layout.js';
import type { KernelCall } from '../call.js';
import { notifyDevice, registerDevice, unregisterDevice } from '../chrdev.js';
import { DriverMapping } from '../chrdev-mapping.js';
import type { ExportRow } from '../row.js';

/** Moves bytes between the kernel and the iterator of the call. @returns bytes moved, -EFAULT */
function moveIter(call: KernelCall, address: number, count: number, iterAddress: number, isPut: boolean): number {
  const { iter } = call;
  const { drivers, memory } = call.kernel;
  if (iter === null || iterAddress !== call.iterAddress) return call.bug('a banos_iter that is not of this call');
  if (!(count >= 0)) return fail(EINVAL);
  const wanted = Math.min(count, iter.remaining);
  let done = 0;
  while (done < wanted) {
    const at = drivers.space.physical(address + done, isPut ? PTE_READ : PTE_WRITE);
    if (at < 0) return call.bug('copy with a bad kernel pointer');
    const length = Math.min(wanted - done, PAGE_SIZE - (at & (PAGE_SIZE - 1)));
    const moved = isPut ? iter.put(memory.u8, at, at + length) : iter.take(memory.u8, at, at + length);
    if (moved > 0) done += moved;
    if (moved < length) break;
  }
  return done === 0 && wanted > 0 ? fail(EFAULT) : done;
}

export const chrdevExports: readonly ExportRow[] = [
  {
    name: 'banos_chrdev_register',
    prototype: 'long banos_chrdev_register(const struct banos_chrdev *device)',
    fn: (call, device) => registerDevice(call.kernel.drivers, call.owner, device),
  },
  {
    name: 'banos_chrdev_unregister',
    prototype: 'long banos_chrdev_unregister(banos_u32 number)',
    fn: (call, number) => unregisterDevice(call.kernel.drivers, call.owner, number >>> 0),
  },
  {
    name: 'banos_notify',
    prototype: 'long banos_notify(banos_u32 number, banos_u32 mask)',
    fn: (call, number, mask) => notifyDevice(call.kernel.drivers, number >>> 0, mask & 0xffff),
  },
  {
    name: 'banos_copy_to_iter',
    prototype: 'long banos_copy_to_iter(const void *from, size_t count, struct banos_iter *to)',
    fn: (call, from, count, iter) => moveIter(call, from, count, iter, true),
  },
  {
    name: 'banos_copy_from_iter',
    prototype: 'long banos_copy_from_iter(void *to, size_t count, struct banos_iter *from)',
    fn: (call, to, count, iter) => moveIter(call, to, count, iter, false),
  },
  {
    name: 'banos_iter_count',
    prototype: 'size_t banos_iter_count(struct banos_iter *iter)',
    fn: (call, iter) =>
      call.iter === null || iter !== call.iterAddress
        ? call.bug('a banos_iter that is not of this call')
        : call.iter.remaining,
  },
  {
    name: 'banos_map_pages',
    prototype: 'long banos_map_pages(struct banos_mapping *mapping, banos_u64 offset, void *pages, size_t count)',
    fn: ({ companion, iterAddress }, mapping, offset, pages, count) =>
      companion instanceof DriverMapping && mapping === iterAddress
        ? companion.add(offset, pages, count)
        : fail(EINVAL),
  },
];
