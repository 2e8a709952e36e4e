/**
 * Robust futexes: a thread that ends, or becomes another program, while it holds locks says so in the words of the locks, and
 * wakes somebody who waits for each. The locks are a list in the thread's own memory, which it told the kernel of
 * (set_robust_list): what the list says is hostile input, and a damaged list only ends the walk.
 * @source get_robust_list(2); Documentation/locking/robust-futex-ABI.rst of Linux
 */
import { isErr } from '../abi/errno.js';
import { FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS } from '../abi/sched.js';
import { wakeFutex } from './futex.js';
import type { AddressSpace } from './mm/address-space.js';
import type { Task } from './task.js';

/** struct robust_list_head: first entry, offset from an entry to its word, entry of a lock that is being taken or given back. */
export const ROBUST_LIST_HEAD_SIZE = 24;
const OFFSET_AT = 8;
const PENDING_AT = 16;
/** Entries that are walked at most: a list may be a circle. @source Linux ROBUST_LIST_LIMIT */
const MAX_ENTRIES = 2048;
/** Bit 0 of a pointer to an entry: the lock inherits priority. */
const PRIORITY_INHERITANCE = 1;

/** The thread gives up its memory: its robust locks are marked. */
export function releaseRobustLocks(task: Task): void {
  const { mm, robustList: head } = task;
  task.robustList = 0;
  if (mm === null || head === 0) return;
  let entry = mm.readU64(head);
  const offset = mm.readU64(head + OFFSET_AT);
  const pending = mm.readU64(head + PENDING_AT);
  if (Number.isNaN(entry + offset + pending)) return;
  for (let left = MAX_ENTRIES; plain(entry) !== head && left > 0; left--) {
    // Read before the word is changed: whoever is woken may take the entry out.
    const next = mm.readU64(plain(entry));
    if (plain(entry) !== plain(pending) && !release(task, mm, entry, offset, false)) return;
    if (Number.isNaN(next)) return;
    entry = next;
  }
  if (plain(pending) !== 0) release(task, mm, pending, offset, true);
}

/** @returns whether the word could be looked at */
function release(task: Task, mm: AddressSpace, entry: number, offset: number, isPending: boolean): boolean {
  const inherits = entry % 2 !== 0;
  const address = plain(entry) + offset;
  const value = address % 4 === 0 ? mm.readU32(address) : -1;
  if (value < 0) return false;
  const owner = value & FUTEX_TID_MASK;
  if (isPending && !inherits && owner === 0) {
    // Given back already, but the waiter was not woken any more.
    wakeFutex(task.kernel, mm, address, 1);
    return true;
  }
  if (owner !== task.tid) return true;
  if (isErr(mm.writeU32(address, ((value & FUTEX_WAITERS) | FUTEX_OWNER_DIED) >>> 0))) return false;
  if (!inherits && (value & FUTEX_WAITERS) !== 0) wakeFutex(task.kernel, mm, address, 1);
  return true;
}

const plain = (pointer: number): number => (pointer % 2 === 0 ? pointer : pointer - PRIORITY_INHERITANCE);
