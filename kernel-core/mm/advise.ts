/** madvise(2): what changes contents or inheritance is done; mere hints are checked and forgotten. @source mm/madvise.c */
import { EACCES, EFAULT, EINVAL, ENOMEM, type Err, fail, isErr } from '../../abi/errno.js';
import {
  MADV_COLD,
  MADV_DODUMP,
  MADV_DOFORK,
  MADV_DONTDUMP,
  MADV_DONTFORK,
  MADV_DONTNEED,
  MADV_DONTNEED_LOCKED,
  MADV_FREE,
  MADV_HUGEPAGE,
  MADV_KEEPONFORK,
  MADV_MERGEABLE,
  MADV_NOHUGEPAGE,
  MADV_NORMAL,
  MADV_PAGEOUT,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  MADV_RANDOM,
  MADV_REMOVE,
  MADV_SEQUENTIAL,
  MADV_UNMERGEABLE,
  MADV_WILLNEED,
  MADV_WIPEONFORK,
  PROT_READ,
  PROT_WRITE,
} from '../../abi/mman.js';
import { PTE_READ, PTE_WRITE } from '../../cpu/index.js';
import type { AddressSpace } from './address-space.js';
import { FAULT_OOM } from './fault.js';
import { MAX_MAPPINGS, PAGE_SIZE, pageCeil, USER_END, wrapsAround } from './layout.js';
import { dropPages } from './pages.js';
import { touch } from './populate.js';
import { VM_DONTDUMP, VM_DONTFORK, VM_LOCKED, VM_MAYWRITE, VM_WIPEONFORK, type Vma } from './vma.js';
import { changeVma, mergeRange, splitVma } from './vma-ops.js';

type Advice = (space: AddressSpace, vma: Vma, start: number, end: number) => number | Err;

const isAnonymous = (vma: Vma): boolean => vma.cache === null;
const hint: Advice = () => 0;
const unlessLocked: Advice = (_space, vma) => (vma.flags & VM_LOCKED ? fail(EINVAL) : 0);

const forget: Advice = (space, _vma, start, end) => {
  dropPages(space, start, end);
  return 0;
};

/** Gives the part of a mapping other flags. */
const flagging =
  (set: number, clear: number): Advice =>
  (space, vma, start, end) => {
    const flags = (vma.flags | set) & ~clear;
    if (flags === vma.flags) return 0;
    const cuts = (start > vma.start ? 1 : 0) + (end < vma.end ? 1 : 0);
    if (space.areas.count + cuts > MAX_MAPPINGS) return fail(ENOMEM);
    const middle = start > vma.start ? splitVma(space, vma, start) : vma;
    if (end < middle.end) splitVma(space, middle, end);
    changeVma(space, middle, middle.prot, flags);
    return 0;
  };

const remove: Advice = (_space, vma, start, end) => {
  if ((vma.flags & VM_LOCKED) !== 0 || vma.cache === null) return fail(EINVAL);
  if (!vma.isShared || (vma.flags & VM_MAYWRITE) === 0) return fail(EACCES);
  const from = vma.cacheIndex(start);
  const to = vma.cacheIndex(end - PAGE_SIZE) + 1;
  if (vma.shared !== null) {
    vma.shared.punch(from, to);
    return 0;
  }
  const PUNCH_HOLE_KEEP_SIZE = 3;
  return vma.file!.allocate(PUNCH_HOLE_KEEP_SIZE, from * PAGE_SIZE, (to - from) * PAGE_SIZE);
};

const wipeOnFork = flagging(VM_WIPEONFORK, 0);

const ADVICE: Readonly<Record<number, Advice>> = {
  [MADV_NORMAL]: hint,
  [MADV_RANDOM]: hint,
  [MADV_SEQUENTIAL]: hint,
  [MADV_WILLNEED]: hint,
  [MADV_DONTNEED]: (space, vma, start, end) => (vma.flags & VM_LOCKED ? fail(EINVAL) : forget(space, vma, start, end)),
  [MADV_DONTNEED_LOCKED]: forget,
  [MADV_FREE]: (space, vma, start, end) =>
    vma.flags & VM_LOCKED || !isAnonymous(vma) ? fail(EINVAL) : forget(space, vma, start, end),
  [MADV_REMOVE]: remove,
  [MADV_DONTFORK]: flagging(VM_DONTFORK, 0),
  [MADV_DOFORK]: flagging(0, VM_DONTFORK),
  [MADV_WIPEONFORK]: (space, vma, start, end) => (isAnonymous(vma) ? wipeOnFork(space, vma, start, end) : fail(EINVAL)),
  [MADV_KEEPONFORK]: flagging(0, VM_WIPEONFORK),
  [MADV_DONTDUMP]: flagging(VM_DONTDUMP, 0),
  [MADV_DODUMP]: flagging(0, VM_DONTDUMP),
  [MADV_MERGEABLE]: hint,
  [MADV_UNMERGEABLE]: hint,
  [MADV_HUGEPAGE]: hint,
  [MADV_NOHUGEPAGE]: hint,
  [MADV_COLD]: unlessLocked,
  [MADV_PAGEOUT]: unlessLocked,
};

export function adviseRange(space: AddressSpace, address: number, length: number, advice: number): number | Err {
  const isPopulate = advice === MADV_POPULATE_READ || advice === MADV_POPULATE_WRITE;
  const act = ADVICE[advice];
  if ((act === undefined && !isPopulate) || address % PAGE_SIZE !== 0 || length < 0) return fail(EINVAL);
  if (length === 0) return 0;
  if (wrapsAround(address, length)) return fail(EINVAL);
  if (address < 0 || address > USER_END || length > USER_END) return fail(ENOMEM); // nothing is mapped there
  const end = address + pageCeil(length);
  if (isPopulate) return populateAdvice(space, address, end, advice === MADV_POPULATE_WRITE);
  const result = adviseVmas(space, address, end, act!);
  mergeRange(space, address, end);
  return result;
}

/** Holes are passed over, and reported at the end. */
function adviseVmas(space: AddressSpace, start: number, end: number, act: Advice): number | Err {
  let hasHole = false;
  for (let at = start; at < end; ) {
    const vma = space.areas.overlapping(at, end);
    if (vma === undefined) return fail(ENOMEM);
    if (vma.start > at) {
      hasHole = true;
      at = vma.start;
    }
    const to = Math.min(end, vma.end);
    const result = act(space, vma, at, to);
    if (isErr(result)) return result;
    at = to;
  }
  return hasHole ? fail(ENOMEM) : 0;
}

function populateAdvice(space: AddressSpace, start: number, end: number, writes: boolean): number | Err {
  for (let at = start; at < end; ) {
    const vma = space.areas.at(at);
    if (vma === null) return fail(ENOMEM);
    // The right itself is asked for, although whatever may be executed can be read.
    if ((vma.prot & (writes ? PROT_WRITE : PROT_READ)) === 0) return fail(EINVAL);
    const to = Math.min(end, vma.end);
    const failed = touch(space, at, to, writes ? PTE_WRITE : PTE_READ);
    if (failed !== 0) return fail(failed === FAULT_OOM ? ENOMEM : EFAULT);
    at = to;
  }
  return 0;
}
