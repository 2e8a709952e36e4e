/** The first stack of a program. @source fs/exec.c setup_arg_pages */

import type { Err } from '../../abi/errno.js';
import { MAP_ANONYMOUS, MAP_FIXED_NOREPLACE, MAP_GROWSDOWN, MAP_PRIVATE } from '../../abi/mman.js';
import { RLIMIT_STACK } from '../../abi/resource.js';
import type { AddressSpace } from './address-space.js';
import { PAGE_SIZE, pageFloor } from './layout.js';

/** Mapped below what is in use at the start. */
const HEADROOM = 32 * PAGE_SIZE;

/** Maps a stack that grows down, with some room below `start` as far as RLIMIT_STACK lets. @returns its lowest address, or -ENOMEM … */
export function mapStack(space: AddressSpace, start: number, end: number, prot: number): number | Err {
  const limit = pageFloor(Math.min(space.limits.limit(RLIMIT_STACK), end));
  const size = Math.max(end - start, Math.min(end - start + HEADROOM, limit));
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE;
  return space.map(end - size, size, prot, flags, null, 0);
}
