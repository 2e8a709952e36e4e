/**
 * The pages of a file, as frames of guest memory: read, write and mmap work on the same bytes.
 * A regular file system's inode owns one; the memory manager maps its frames into address spaces.
 */
import type { Err } from '../abi/errno.js';
import type { MemberSet } from './member-set.js';

/** Somebody who has frames of a cache mapped and must let go when the file gets shorter. */
export interface PageMapper {
  /** Pages from `index` on are gone: unmap them (a later access is beyond the end: SIGBUS). */
  invalidate(index: number): void;
}

/** What of a file mmap(2) asks for. */
export interface MappingRequest {
  /** Bytes from the beginning of the file, whole pages. */
  readonly offset: number;
  readonly length: number;
  /** PROT_*. */
  readonly protection: number;
  readonly shared: boolean;
}

export interface PageCache {
  /** Length of the file in bytes: pages wholly beyond it must not be mapped. */
  readonly size: number;
  /**
   * Frame of page `index`, made resident if need be. The cache keeps its own reference; who maps it takes another.
   * @returns frame number; -EIO, -ENOMEM; 0 when the page is wholly beyond the end of the file
   */
  page(index: number): number | Err;
  /** Frame of page `index` if it is resident, 0 if not. Loads nothing. */
  resident(index: number): number;
  /** The page was, or may soon be, written through a shared mapping. */
  markDirty(index: number): void;
  readonly mappers: MemberSet<PageMapper>;
}
