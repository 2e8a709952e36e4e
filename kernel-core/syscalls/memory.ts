/** System calls on the address space: mappings, protection, the program break, locking, advice. */
import { EBADF, EINVAL, ENOMEM, type Err, fail } from '../../abi/errno.js';
import {
  MAP_ANONYMOUS,
  MAP_HUGETLB,
  MAP_TYPE,
  MCL_CURRENT,
  MCL_FUTURE,
  MCL_ONFAULT,
  MLOCK_ONFAULT,
} from '../../abi/mman.js';
import { SUSPENDED } from '../../vfs/file.js';
import { mappingRequest } from '../mm/map.js';
import type { Task } from '../task.js';
import { openFile } from './args.js';
import { awaitDriver } from './io.js';
import type { SyscallRows } from './row.js';

const PAGE_SIZE = 4096;

function mmap(
  task: Task,
  address: number,
  length: number,
  prot: number,
  flags: number,
  fd: number,
  at: number,
): number {
  if (at % PAGE_SIZE !== 0) return fail(EINVAL);
  const kind = flags & MAP_TYPE;
  if ((flags & MAP_ANONYMOUS) !== 0) {
    // There is no pool of huge pages, as on a machine that has none reserved.
    if ((flags & MAP_HUGETLB) !== 0 && length > 0 && kind !== 0) return fail(ENOMEM);
    return task.mm!.map(address, length, prot, flags, null, at);
  }
  const file = openFile(task, fd);
  if (file === null) return fail(EBADF);
  if ((flags & MAP_HUGETLB) !== 0) return fail(EINVAL);
  const result = task.mm!.map(address, length, prot, flags, file, at, task);
  if (result !== SUSPENDED) return result;
  // The driver says what there is to be mapped; then it is looked for room anew.
  return awaitDriver(task, file, () => {
    const cache = file.mapping(mappingRequest(length, prot, flags, at), task);
    if (typeof cache === 'number') return cache;
    return task.mm!.map(address, length, prot, flags, file, at, task, cache);
  });
}

function msync(task: Task, address: number, length: number, flags: number): number {
  const sync = task.mm!.sync(address, length, flags | 0);
  if (typeof sync === 'number') return sync;
  const result = sync.step(task);
  if (result !== SUSPENDED) return result;
  return task.wait.block({
    hooks: [],
    attempt: () => sync.step(task),
    waitsByItself: true,
    cleanup: () => sync.release(),
    what: 'wait_for_driver',
  });
}

function mlock2(task: Task, address: number, length: number, flags: number): number | Err {
  if ((flags & ~MLOCK_ONFAULT) !== 0) return fail(EINVAL);
  return task.mm!.lock(address, length, flags);
}

function mlockall(task: Task, flags: number): number | Err {
  const known = MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT;
  if (flags === 0 || (flags & ~known) !== 0 || flags === MCL_ONFAULT) return fail(EINVAL);
  return task.mm!.lockAll(flags);
}

export const memorySyscalls: SyscallRows = {
  9: {
    name: 'mmap',
    fn: mmap,
    support: 'partial',
    note: 'no huge pages: MAP_HUGETLB answers ENOMEM',
    args: ['addressOrNull', 'size', 'prot', 'mmapFlags', 'fd', 'hex'],
    // The protection too, other than that of mprotect.
    ints: 0b011100,
    result: 'hex',
  },
  10: {
    name: 'mprotect',
    fn: (task, address, length, prot) => task.mm!.protect(address, length, prot),
    support: 'full',
    args: ['address', 'size', 'prot'],
  },
  11: {
    name: 'munmap',
    fn: (task, address, length) => task.mm!.unmap(address, length),
    support: 'full',
    args: ['address', 'size'],
  },
  12: { name: 'brk', fn: (task, address) => task.mm!.brk(address), support: 'full', args: ['address'], result: 'hex' },
  25: {
    name: 'mremap',
    fn: (task, old, oldLength, newLength, flags, target) => task.mm!.remap(old, oldLength, newLength, flags, target),
    support: 'full',
    args: ['address', 'size', 'size', 'mremapFlags', 'mremapTarget'],
    result: 'hex',
  },
  26: {
    name: 'msync',
    fn: msync,
    support: 'full',
    args: ['address', 'size', 'msyncFlags'],
  },
  27: {
    name: 'mincore',
    fn: (task, address, length, vector) => task.mm!.mincore(address, length, vector),
    support: 'full',
    args: ['address', 'size', 'mincoreOut'],
  },
  28: {
    name: 'madvise',
    fn: (task, address, length, advice) => task.mm!.advise(address, length, advice | 0),
    support: 'partial',
    note: 'advice about huge pages, merging and swapping is accepted and changes nothing',
    args: ['address', 'size', 'madvise'],
  },
  149: {
    name: 'mlock',
    fn: (task, address, length) => task.mm!.lock(address, length, 0),
    support: 'full',
    args: ['address', 'size'],
  },
  150: {
    name: 'munlock',
    fn: (task, address, length) => task.mm!.unlock(address, length),
    support: 'full',
    args: ['address', 'size'],
  },
  151: { name: 'mlockall', fn: (task, flags) => mlockall(task, flags | 0), support: 'full', args: ['mclFlags'] },
  152: { name: 'munlockall', fn: (task) => task.mm!.unlockAll(), support: 'full', args: [] },
  325: { name: 'mlock2', fn: mlock2, support: 'full', args: ['address', 'size', 'mlockFlags'] },
};
