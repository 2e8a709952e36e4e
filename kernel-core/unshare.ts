/**
 * What tasks share, taken apart again: unshare(2), setns(2), and the namespaces that clone(2) is asked for.
 *
 * Of namespaces there are those of the network; the other kinds are answered as by a kernel that is built without them.
 * @source unshare(2), setns(2), namespaces(7); Linux kernel/fork.c ksys_unshare, kernel/nsproxy.c
 */
import { EINVAL, EPERM, type Err, ESRCH, fail } from '../abi/errno.js';
import {
  CLONE_FILES,
  CLONE_FS,
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
  CLONE_SIGHAND,
  CLONE_SYSVSEM,
  CLONE_THREAD,
  CLONE_VM,
} from '../abi/sched.js';
import { NetNamespace } from '../net/namespace.js';
import { isSuperuser } from '../vfs/caller.js';
import type { OpenFile } from '../vfs/file.js';
import { NamespaceFile } from '../vfs/fs/nsfs.js';
import { holdPath } from '../vfs/namei.js';
import { PidFd } from './events/pidfd.js';
import type { SharedFsContext, Task } from './task.js';

/** Kinds of namespaces that are not built; users' is apart, because it needs no privilege. */
const UNBUILT = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID;
const GROUP = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;
const UNSHARED =
  GROUP | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_NEWNET | UNBUILT | CLONE_NEWUSER | CLONE_NEWTIME;

/** May `task` have the new namespaces that `flags` ask for, and are they built? @returns 0; -EPERM, -EINVAL */
export function checkNamespaces(task: Task, flags: number, unbuilt = UNBUILT): number | Err {
  if ((flags & CLONE_NEWUSER) !== 0) return fail(EINVAL);
  if ((flags & (unbuilt | CLONE_NEWNET)) !== 0 && !isSuperuser(task.cred)) return fail(EPERM);
  return (flags & unbuilt) === 0 ? 0 : fail(EINVAL);
}

export function copyFs(fs: SharedFsContext): SharedFsContext {
  holdPath(fs.root);
  holdPath(fs.cwd);
  return { root: fs.root, cwd: fs.cwd, umask: fs.umask, namespace: fs.namespace, refs: 1 };
}

/** Gives the task a descriptor table of its own. */
export function unshareFiles(task: Task): void {
  if (task.files.refs === 1) return;
  task.files.refs--;
  task.files = task.files.clone();
}

function unshareFs(task: Task): void {
  if (task.fs.refs === 1) return;
  task.fs.refs--;
  task.fs = copyFs(task.fs);
}

/**
 * Memory, handlers and the thread group cannot be left: asking for that is only right where nobody shares them.
 * A leader that has ended still counts as a member of its group.
 */
function isAlone(task: Task, flags: number): boolean {
  const { process, handlers, mm } = task;
  if ((flags & GROUP) === 0) return true;
  if (process.threads.size > 1 || process.leader !== task) return false;
  if ((flags & (CLONE_SIGHAND | CLONE_VM)) !== 0 && handlers.refs > 1) return false;
  return (flags & CLONE_VM) === 0 || mm === null || mm.refs === 1;
}

/** unshare(2). System V semaphores, whose undo lists CLONE_SYSVSEM is about, are not built: there are none to leave. */
export function unshareTask(task: Task, flags: number): number | Err {
  if (flags < 0 || flags > UNSHARED || (flags & ~UNSHARED) !== 0) return fail(EINVAL);
  if (!isAlone(task, flags)) return fail(EINVAL);
  const refused = checkNamespaces(task, flags, UNBUILT | CLONE_NEWTIME);
  if (refused !== 0) return refused;
  if ((flags & CLONE_FS) !== 0) unshareFs(task);
  if ((flags & CLONE_FILES) !== 0) unshareFiles(task);
  if ((flags & CLONE_NEWNET) !== 0) task.netNamespace = task.kernel.net.makeNamespace();
  return 0;
}

/**
 * setns(2): into the namespace of a file of /proc/PID/ns, or into one of the task behind a pidfd.
 * @param kinds CLONE_NEW* flags; 0: whatever the file is
 * @returns 0; -EINVAL (another kind, neither of both), -EPERM, -ESRCH
 */
export function enterNamespace(task: Task, file: OpenFile, kinds: number): number | Err {
  let target: NetNamespace;
  if (file instanceof NamespaceFile) {
    const { namespace } = file.inode;
    if ((kinds !== 0 && kinds !== namespace.flag) || !(namespace instanceof NetNamespace)) return fail(EINVAL);
    target = namespace;
  } else {
    if (!(file instanceof PidFd) || kinds !== CLONE_NEWNET) return fail(EINVAL);
    if (file.inode.isGone) return fail(ESRCH);
    target = file.inode.task.netNamespace;
  }
  if (!isSuperuser(task.cred)) return fail(EPERM);
  if (file instanceof PidFd && file.inode.task.state === 'dead') return fail(ESRCH);
  task.netNamespace = target;
  return 0;
}
