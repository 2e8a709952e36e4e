/**
 * Reading of executable files: their first bytes, and what their program headers ask for. What a file was found to be is kept
 * with the bytes that it follows from: while these are the same, and in memory, the same program is not read again.
 */
import { EINVAL, EIO, ENOEXEC, type Err, fail, isErr } from '../../abi/errno.js';
import { EHDR_SIZE } from '../../elf/fields.js';
import { locateProgram, type ProgramPlan, planProgram } from '../../elf/program.js';
import { KERNEL_CALLER } from '../../vfs/caller.js';
import type { OpenFile } from '../../vfs/file.js';
import type { Inode } from '../../vfs/inode.js';
import { BytesIter } from '../../vfs/iter.js';
import { PAGE_SIZE } from '../mm/layout.js';

/** Reads beyond it would overflow a signed 64-bit offset. */
const MAX_OFFSET = 2 ** 63 - 4096;

interface KnownPlan {
  readonly plan: ProgramPlan;
  /** The file from its beginning to the end of its program headers, which lie in its first page. */
  readonly bytes: Uint8Array;
}

const plans = new WeakMap<Inode, KnownPlan>();

/** What the file was found to be before, if its headers are as they were. */
export function knownPlan(file: OpenFile): ProgramPlan | null {
  const known = plans.get(file.inode);
  if (known === undefined) return null;
  const { bytes, plan } = known;
  const start = residentStart(file, bytes.length, 0);
  if (start < 0) return null;
  const { u8 } = file.inode.fs.env.frames;
  for (let i = 0; i < bytes.length; i++) if (u8[start + i] !== bytes[i]) return null;
  return plan;
}

/** @returns -ENOEXEC whatever is wrong with the headers */
export function readPlan(file: OpenFile, head: Uint8Array): ProgramPlan | Err {
  const table = locateProgram(head);
  if (isErr(table)) return table;
  const headers = readExact(file, table.size, table.offset);
  if (isErr(headers)) return fail(ENOEXEC);
  const plan = planProgram(table, headers);
  const end = Math.max(EHDR_SIZE, table.offset + table.size);
  const bytes = end <= PAGE_SIZE ? readExact(file, end, 0) : fail(EIO);
  if (!isErr(bytes)) plans.set(file.inode, { plan, bytes });
  return plan;
}

/** Fills `head`, with zeros behind the end of the file. @returns it */
export function readHead(file: OpenFile, head: Uint8Array): Uint8Array | Err {
  head.fill(0);
  const count = readAt(file, head, 0);
  return isErr(count) ? count : head;
}

/** Reads exactly `size` bytes. @returns -EIO when the file is shorter, -EINVAL when no file is that long */
export function readExact(file: OpenFile, size: number, position: number): Uint8Array | Err {
  if (position > Number.MAX_SAFE_INTEGER) return fail(position < MAX_OFFSET ? EIO : EINVAL);
  const bytes = new Uint8Array(size);
  const count = readAt(file, bytes, position);
  if (isErr(count)) return count;
  return count === size ? bytes : fail(EIO);
}

/** Reads until `target` is full or the file ends. @returns bytes */
function readAt(file: OpenFile, target: Uint8Array, position: number): number | Err {
  const start = residentStart(file, target.length, position);
  if (start >= 0) {
    target.set(file.inode.fs.env.frames.u8.subarray(start, start + target.length));
    return target.length;
  }
  const iter = new BytesIter(target);
  while (iter.remaining > 0) {
    const count = file.read(iter, position + iter.position, KERNEL_CALLER);
    if (isErr(count)) return count;
    if (count === 0) break;
  }
  return iter.position;
}

/**
 * Where bytes of a file lie in physical memory, when they are all in one page that is there already, as it is when the program
 * has run before. @returns -1 when not
 */
function residentStart(file: OpenFile, size: number, position: number): number {
  const within = position % PAGE_SIZE;
  if (within + size > PAGE_SIZE) return -1;
  const cache = file.mapping();
  if (isErr(cache) || position + size > cache.size) return -1;
  const frame = cache.resident((position - within) / PAGE_SIZE);
  return frame === 0 ? -1 : frame * PAGE_SIZE + within;
}
