/** mount and umount2: new mounts, bind mounts, moves, remounts. @source mount(2), Linux fs/namespace.c path_mount */
import { CAP_SYS_ADMIN } from '../../abi/capability.js';
import { EFAULT, EINVAL, EPERM, type Err, fail, isErr } from '../../abi/errno.js';
import { AT_FDCWD } from '../../abi/fcntl.js';
import {
  MNT_DETACH,
  MNT_EXPIRE,
  MNT_FORCE,
  MS_BIND,
  MS_MGC_MSK,
  MS_MGC_VAL,
  MS_MOVE,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_REMOUNT,
  MS_SHARED,
  MS_SILENT,
  MS_SLAVE,
  MS_UNBINDABLE,
  UMOUNT_NOFOLLOW,
} from '../../abi/mount.js';
import { capable } from '../../vfs/capability.js';
import type { Path } from '../../vfs/dentry.js';
import { holdPath, LOOKUP_DIRECTORY, LOOKUP_FOLLOW, releasePath, resolve } from '../../vfs/namei.js';

import type { Task } from '../task.js';
import { pathArgument, pathName } from './args.js';
import type { SyscallRows } from './row.js';

const PAGE_SIZE = 4096;
const PROPAGATION = MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE;

/** An optional string argument of at most a page. @returns '' for a null pointer; -EFAULT, -EINVAL when too long */
function optionalString(task: Task, address: number): string | Err {
  if (address === 0) return '';
  const text = task.mm!.readCString(address, PAGE_SIZE);
  if (!isErr(text)) return text;
  return text === (fail(EFAULT) as Err) ? text : fail(EINVAL);
}

/** Resolves `name` and hands the path to `use`. */
function withPath(task: Task, name: string, flags: number, use: (path: Path) => number): number {
  const path = resolve(task.fs, task, null, name, flags);
  if (isErr(path)) return path;
  const result = use(path);
  releasePath(path);
  return result;
}

function mount(task: Task, source: number, target: number, type: number, flags: number, data: number): number {
  const typeName = optionalString(task, type);
  if (isErr(typeName)) return typeName;
  const sourceName = optionalString(task, source);
  if (isErr(sourceName)) return sourceName;
  const options = optionalString(task, data);
  if (isErr(options)) return options;
  const loaded = pathArgument.load(task, AT_FDCWD, target);
  if (loaded !== 0) return loaded;
  const magic = (flags & MS_MGC_MSK) >>> 0 === MS_MGC_VAL;
  const bits = magic ? flags & ~MS_MGC_MSK : flags | 0;
  return withPath(task, pathArgument.name, LOOKUP_FOLLOW, (at) => {
    if (!capable(task.cred, CAP_SYS_ADMIN)) return fail(EPERM);
    return mountAt(task, at, bits, sourceName, type === 0 ? null : typeName, options);
  });
}

function mountAt(task: Task, at: Path, flags: number, source: string, type: string | null, options: string): number {
  const { namespace } = task.fs;
  if ((flags & MS_REMOUNT) !== 0) return namespace.remount(at, flags, (flags & MS_BIND) !== 0);
  if ((flags & MS_BIND) !== 0) {
    return withSource(task, source, (from) => succeeded(namespace.bind(from, at, (flags & MS_REC) !== 0)));
  }
  if ((flags & PROPAGATION) !== 0) return changePropagation(at, flags);
  if ((flags & MS_MOVE) !== 0) return withSource(task, source, (from) => namespace.move(from, at));
  if (type === null) return fail(EINVAL);
  const fs = task.kernel.fileSystemTypes.make(type, source, options, (flags & MS_RDONLY) !== 0);
  if (isErr(fs)) return fs;
  const mounted = namespace.mount(fs, at, flags, source === '' ? 'none' : source);
  if (isErr(mounted)) {
    if (fs.mountCount === 0) fs.shutdown();
    return mounted;
  }
  if ((flags & MS_RDONLY) !== 0) fs.flags |= MS_RDONLY;
  return 0;
}

const succeeded = (result: object | Err): number => (isErr(result) ? result : 0);

const withSource = (task: Task, source: string, use: (from: Path) => number): number =>
  source === '' ? fail(EINVAL) : withPath(task, source, LOOKUP_FOLLOW, use);

/** Mounts here are private, and a slave of a private mount is private, too; events are never shared. */
function changePropagation(at: Path, flags: number): number | Err {
  if ((flags & ~(PROPAGATION | MS_REC | MS_SILENT)) !== 0) return fail(EINVAL);
  const kind = flags & PROPAGATION;
  if (at.dentry !== at.mount.root) return fail(EINVAL);
  return kind === MS_PRIVATE || kind === MS_SLAVE ? 0 : fail(EINVAL);
}

function umount2(task: Task, target: number, flags: number): number {
  if ((flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW)) !== 0) return fail(EINVAL);
  const loaded = pathArgument.load(task, AT_FDCWD, target);
  if (loaded !== 0) return loaded;
  const follow = (flags & UMOUNT_NOFOLLOW) !== 0 ? 0 : LOOKUP_FOLLOW;
  return withPath(task, pathArgument.name, follow, (path) =>
    capable(task.cred, CAP_SYS_ADMIN) ? task.fs.namespace.umount(path, flags | 0, task.fs.root) : fail(EPERM),
  );
}

/** Everybody who stood at the old root stands at the new one. @source pivot_root(2), Linux chroot_fs_refs */
function pivotRoot(task: Task, newAddress: number, oldAddress: number): number {
  if (!capable(task.cred, CAP_SYS_ADMIN)) return fail(EPERM);
  const newName = pathName(task, newAddress);
  if (isErr(newName)) return newName;
  return withPath(task, newName, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, (next) => {
    const oldName = pathName(task, oldAddress);
    if (isErr(oldName)) return oldName;
    return withPath(task, oldName, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, (putOld) => {
      const old = { ...task.fs.root };
      const result = task.fs.namespace.pivot(next, putOld, old);
      if (!isErr(result)) moveRoots(task, old, next);
      return result;
    });
  });
}

function moveRoots(task: Task, from: Path, to: Path): void {
  const contexts = new Set(
    [...task.kernel.processes.tasks()].filter(({ state }) => state !== 'dead').map(({ fs }) => fs),
  );
  for (const fs of contexts) {
    for (const place of ['root', 'cwd'] as const) {
      const path = fs[place];
      if (path.mount !== from.mount || path.dentry !== from.dentry) continue;
      fs[place] = { mount: to.mount, dentry: to.dentry };
      holdPath(to);
      releasePath(path);
    }
  }
}

export const mountSyscalls: SyscallRows = {
  155: { name: 'pivot_root', fn: pivotRoot, support: 'full', args: ['path', 'path'] },
  165: {
    name: 'mount',
    fn: mount,
    support: 'partial',
    note: 'every mount is private: MS_SHARED and MS_UNBINDABLE answer EINVAL',
    args: ['pathOrNull', 'path', 'stringOrNull', 'mountFlags', 'stringOrNull'],
  },
  166: { name: 'umount2', fn: umount2, support: 'full', args: ['path', 'umountFlags'] },
};
