/**
 * Memory of a program as a debugger sees it: what the program may not do itself, it may. A page that is read only is
 * copied for the one that is written to, as copy-on-write does it; the file behind it stays as it is.
 * @source Linux mm/gup.c FOLL_FORCE
 */

import { isErr } from '../../abi/errno.js';
import { PROT_WRITE } from '../../abi/mman.js';
import { PTE_READ, PTE_WRITE } from '../../cpu/index.js';
import type { Kernel } from '../kernel.js';
import type { AddressSpace } from '../mm/address-space.js';
import { faultPage } from '../mm/fault.js';
import { PAGE_SIZE, pageFloor, pageOf } from '../mm/layout.js';
import { physicalAddress } from '../mm/user-memory.js';
import { pteRights } from '../mm/vma.js';

/** Physical address of a byte that the program may not read; -1: there is none. */
function behindRights(space: AddressSpace, address: number): number {
  const frame = space.pageTable.frameOf(pageOf(address));
  return frame === 0 ? -1 : frame * PAGE_SIZE + (address - pageFloor(address));
}

/** Physical address of a byte to be written in a private mapping that is not writable; -1: it is none. */
function ownCopy(space: AddressSpace, address: number): number {
  const vma = space.areas.at(address);
  if (vma === null || vma.isShared || (vma.prot & PROT_WRITE) !== 0) return -1;
  const { prot } = vma;
  vma.prot = prot | PROT_WRITE;
  const failed = faultPage(space, address, PTE_WRITE);
  vma.prot = prot;
  if (failed !== 0) return -1;
  const vpn = pageOf(address);
  space.pageTable.protect(vpn, pteRights(prot));
  space.memory.willWrite(space.pageTable.frameOf(vpn));
  return behindRights(space, address);
}

/** Kernel memory, for drivers. @returns as `peek` */
export function peekKernel({ drivers }: Kernel, address: number, target: Uint8Array): number {
  if (!drivers.isStarted) return 0;
  return pieces(
    address,
    target.length,
    (at, done, count) => !isErr(drivers.space.read(at, target.subarray(done, done + count))),
  );
}

/** @returns as `poke` */
export function pokeKernel({ drivers }: Kernel, address: number, source: Uint8Array): boolean {
  return drivers.isStarted && drivers.space.install(address, source) === 0;
}

/** @returns how many of the bytes are in `target`, from its beginning: fewer where nothing is mapped */
export function peek(space: AddressSpace, address: number, target: Uint8Array): number {
  return pieces(address, target.length, (at, done, count) => {
    const readable = physicalAddress(space, at, PTE_READ);
    const from = readable < 0 ? behindRights(space, at) : readable;
    if (from < 0) return false;
    target.set(space.memory.u8.subarray(from, from + count), done);
    return true;
  });
}

/** @returns whether all bytes were written */
export function poke(space: AddressSpace, address: number, source: Uint8Array): boolean {
  const written = pieces(address, source.length, (at, done, count) => {
    const writable = physicalAddress(space, at, PTE_WRITE);
    const to = writable < 0 ? ownCopy(space, at) : writable;
    if (to < 0) return false;
    space.memory.u8.set(source.subarray(done, done + count), to);
    return true;
  });
  return written === source.length;
}

/** Page by page, until `move` says no. @returns bytes that were moved */
function pieces(address: number, length: number, move: (at: number, done: number, count: number) => boolean): number {
  let done = 0;
  while (done < length) {
    const at = address + done;
    const count = Math.min(length - done, PAGE_SIZE - (at - pageFloor(at)));
    if (!move(at, done, count)) break;
    done += count;
  }
  return done;
}
