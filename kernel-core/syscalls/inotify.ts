/** inotify_init, inotify_add_watch, inotify_rm_watch. */
import { EBADF, EINVAL, EMFILE, type Err, fail, isErr } from '../../abi/errno.js';
import { AT_FDCWD } from '../../abi/fcntl.js';
import {
  IN_ALL_EVENTS,
  IN_CLOEXEC,
  IN_DONT_FOLLOW,
  IN_EXCL_UNLINK,
  IN_IGNORED,
  IN_ISDIR,
  IN_MASK_ADD,
  IN_MASK_CREATE,
  IN_NONBLOCK,
  IN_ONESHOT,
  IN_ONLYDIR,
  IN_Q_OVERFLOW,
  IN_UNMOUNT,
} from '../../abi/inotify.js';
import { Inotify } from '../../vfs/fs/inotify.js';
import { LOOKUP_DIRECTORY, LOOKUP_FOLLOW, releasePath, resolve } from '../../vfs/namei.js';
import { MAY_READ, permission } from '../../vfs/permission.js';
import type { Task } from '../task.js';
import { openFile, pathArgument } from './args.js';
import { installFile } from './files-open.js';
import type { SyscallRows } from './row.js';

/** A mask without any of them makes no sense. */
const MEANINGFUL =
  IN_ALL_EVENTS |
  IN_UNMOUNT |
  IN_Q_OVERFLOW |
  IN_IGNORED |
  IN_ONLYDIR |
  IN_DONT_FOLLOW |
  IN_EXCL_UNLINK |
  IN_MASK_ADD |
  IN_MASK_CREATE |
  IN_ISDIR |
  IN_ONESHOT;
const CONTRARY = IN_MASK_ADD | IN_MASK_CREATE;

function inotifyInit1(task: Task, flags: number): number {
  if ((flags & ~(IN_CLOEXEC | IN_NONBLOCK)) !== 0) return fail(EINVAL);
  const { vfsEnv, inotify } = task.kernel;
  if (!inotify.instances.take(task.cred.uid)) return fail(EMFILE);
  return installFile(task, new Inotify(vfsEnv, task, inotify, flags), flags);
}

function inotifyOf(task: Task, fd: number): Inotify | Err {
  const file = openFile(task, fd);
  if (file === null) return fail(EBADF);
  return file instanceof Inotify ? file : fail(EINVAL);
}

function inotifyAddWatch(task: Task, fd: number, address: number, mask: number): number {
  if ((mask & MEANINGFUL) === 0) return fail(EINVAL);
  if (openFile(task, fd) === null) return fail(EBADF);
  if ((mask & CONTRARY) === CONTRARY) return fail(EINVAL);
  const file = inotifyOf(task, fd);
  if (isErr(file)) return file;
  const loaded = pathArgument.load(task, AT_FDCWD, address);
  if (loaded !== 0) return loaded;
  const follow = (mask & IN_DONT_FOLLOW) === 0 ? LOOKUP_FOLLOW : 0;
  const path = resolve(
    task.fs,
    task,
    null,
    pathArgument.name,
    follow | ((mask & IN_ONLYDIR) === 0 ? 0 : LOOKUP_DIRECTORY),
  );
  if (isErr(path)) return path;
  const { inode } = path.dentry;
  const allowed = permission(inode, task, MAY_READ);
  const result = allowed === 0 ? file.inode.watch(inode, mask | 0) : allowed;
  releasePath(path);
  return result;
}

function inotifyRmWatch(task: Task, fd: number, wd: number): number {
  const file = inotifyOf(task, fd);
  return isErr(file) ? file : file.inode.unwatch(wd | 0);
}

export const inotifySyscalls: SyscallRows = {
  253: { name: 'inotify_init', fn: (task) => inotifyInit1(task, 0), support: 'full', args: [], result: 'fd' },
  254: {
    name: 'inotify_add_watch',
    fn: inotifyAddWatch,
    support: 'full',
    args: ['fd', 'path', 'inotifyMask'],
  },
  255: { name: 'inotify_rm_watch', fn: inotifyRmWatch, support: 'full', args: ['fd', 'int'] },
  294: { name: 'inotify_init1', fn: inotifyInit1, support: 'full', args: ['inotifyFlags'], result: 'fd' },
};
