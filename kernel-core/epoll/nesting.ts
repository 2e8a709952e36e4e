/**
 * Sets that watch sets: no loops, no chains longer than `MAX_NESTS`, and no more ways from one file to the sets that
 * nobody watches than `PATH_LIMITS` allows, because a change of the file travels along all of them.
 * @source Linux fs/eventpoll.c ep_loop_check, reverse_path_check
 */
import { EINVAL, ELOOP, type Err, fail } from '../../abi/errno.js';
import type { OpenFile } from '../../vfs/file.js';
import { EpollFile } from './file.js';
import { EpollItem } from './item.js';

/** Links of the longest chain of sets. */
const MAX_NESTS = 4;
/** Ways of each length; there may be any number of the shortest. */
const PATH_LIMITS = [Number.POSITIVE_INFINITY, 500, 100, 50, 10];
const ENDLESS = Number.POSITIVE_INFINITY;

/** Sets that have an interest in `file`. */
function* watchersOf(file: OpenFile): IterableIterator<EpollFile> {
  for (const observer of file.observers ?? []) if (observer instanceof EpollItem) yield observer.set.file;
}

/** Links of the longest chain of sets below `file`; Infinity when it leads to `inserting`. */
function depthBelow(file: EpollFile, inserting: EpollFile, known: Map<EpollFile, number>, level = 0): number {
  const before = known.get(file);
  if (before !== undefined) return before;
  let depth = 0;
  known.set(file, depth);
  for (const item of file.inode.items()) {
    if (!(item.file instanceof EpollFile)) continue;
    if (item.file === inserting || level > MAX_NESTS) depth = ENDLESS;
    else depth = Math.max(depth, depthBelow(item.file, inserting, known, level + 1) + 1);
    if (depth > MAX_NESTS) break;
  }
  known.set(file, depth);
  return depth;
}

function depthAbove(file: EpollFile, known: Map<EpollFile, number>): number {
  const before = known.get(file);
  if (before !== undefined) return before;
  let depth = 0;
  for (const watcher of watchersOf(file)) depth = Math.max(depth, depthAbove(watcher, known) + 1);
  known.set(file, depth);
  return depth;
}

/** May `set` watch the set `target`? @returns 0 or -ELOOP */
export function checkChain(set: EpollFile, target: EpollFile): 0 | Err {
  const below = depthBelow(target, set, new Map());
  if (below > MAX_NESTS || below + 1 + depthAbove(set, new Map()) > MAX_NESTS) return fail(ELOOP);
  return 0;
}

/** Counts the ways from `file` upwards. @returns whether there are too many */
function hasTooManyPaths(file: OpenFile, counts: number[], depth: number): boolean {
  if (depth > MAX_NESTS) return true;
  for (const watcher of watchersOf(file)) {
    const isTop = watcher.observers === null || watcher.observers.size === 0;
    if (isTop ? ++counts[depth]! > PATH_LIMITS[depth]! : hasTooManyPaths(watcher, counts, depth + 1)) return true;
  }
  return false;
}

/** Files below `file` that are no sets, each once. */
function collectLeaves(file: OpenFile, leaves: Set<OpenFile>, seen: Set<OpenFile>): void {
  if (!(file instanceof EpollFile)) leaves.add(file);
  else if (!seen.has(file)) {
    seen.add(file);
    for (const item of file.inode.items()) collectLeaves(item.file, leaves, seen);
  }
}

/** `set` has just begun to watch `target`: are the ways from below still few enough? @returns 0 or -EINVAL */
export function checkPaths(set: EpollFile, target: OpenFile): 0 | Err {
  if (!(target instanceof EpollFile) && (set.observers === null || set.observers.size === 0)) return 0;
  const leaves = new Set<OpenFile>();
  collectLeaves(target, leaves, new Set());
  for (const leaf of leaves) if (hasTooManyPaths(leaf, [0, 0, 0, 0, 0], 0)) return fail(EINVAL);
  return 0;
}
