/** Access times as mounts want them kept. @source Linux fs/inode.c touch_atime, relatime_need_update */
import { MS_NOATIME, MS_NODIRATIME, MS_RDONLY, MS_RELATIME } from '../abi/mount.js';
import type { Timespec } from './caller.js';
import type { Inode } from './inode.js';
import type { Mount } from './mount.js';

const DAY_SECONDS = 86_400;

const isBefore = (a: Timespec, b: Timespec): boolean => a.sec < b.sec || (a.sec === b.sec && a.nsec <= b.nsec);

const now: Timespec = { sec: 0, nsec: 0 };

/** Somebody read `inode` through `mount` (null: anonymous). O_NOATIME is the caller's business. */
export function touchAtime(inode: Inode, mount: Mount | null): void {
  const flags = (mount === null ? MS_RELATIME : mount.flags) | inode.fs.flags;
  if (flags & (MS_NOATIME | MS_RDONLY)) return;
  if (flags & MS_NODIRATIME && inode.isDirectory) return;
  const { atime } = inode;
  inode.fs.env.now(now);
  if (flags & MS_RELATIME) {
    const stale = now.sec - atime.sec >= DAY_SECONDS;
    if (!stale && !isBefore(atime, inode.mtime) && !isBefore(atime, inode.ctime)) return;
  }
  atime.sec = now.sec;
  atime.nsec = now.nsec;
}
