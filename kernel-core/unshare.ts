/**
 * What tasks share, taken apart again: unshare(2), setns(2), and the namespaces that clone(2) is asked for.
 *
 * Of namespaces there are those of users and of the network; the other kinds are answered as by a kernel that is built without them.
 * @source unshare(2), setns(2), namespaces(7); Linux kernel/fork.c ksys_unshare, kernel/nsproxy.c, kernel/user_namespace.c
 */
import { CAP_SETFCAP, CAP_SYS_ADMIN } from '../abi/capability.js';
import { EINVAL, ENOSPC, EPERM, type Err, ESRCH, fail, isErr } from '../abi/errno.js';
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
import type { Credentials } from '../vfs/caller.js';
import { capableIn, hasCapability, SUPERUSER } from '../vfs/capability.js';
import type { OpenFile } from '../vfs/file.js';
import { NamespaceFile, nextNamespaceIno } from '../vfs/fs/nsfs.js';
import { holdPath } from '../vfs/namei.js';
import { UserNamespace } from '../vfs/user-namespace.js';
import { PidFd } from './events/pidfd.js';
import { changeCredentials, mayInspect } from './inspect.js';
import type { SharedFsContext, Task } from './task.js';

/** Kinds of namespaces that are not built. */
const UNBUILT = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID;
const GROUP = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;
const UNSHARED =
  GROUP | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_NEWNET | UNBUILT | CLONE_NEWUSER | CLONE_NEWTIME;

/** What somebody who asks for namespaces will be and be in. */
export interface Surroundings {
  readonly cred: Credentials;
  readonly netNamespace: NetNamespace;
}

/**
 * Makes the namespaces that `flags` ask for. That of users comes first: the others are made in it, by its superuser.
 * @returns -EPERM, -EINVAL (not built), -ENOSPC (nested too deep): nothing is made
 */
export function makeNamespaces(task: Task, flags: number, unbuilt = UNBUILT): Surroundings | Err {
  const cred = (flags & CLONE_NEWUSER) === 0 ? task.cred : foundUserNamespace(task);
  if (isErr(cred)) return cred;
  if ((flags & (unbuilt | CLONE_NEWNET)) !== 0 && !capableIn(task.cred, cred.userNamespace, CAP_SYS_ADMIN)) {
    return fail(EPERM);
  }
  if ((flags & unbuilt) !== 0) return fail(EINVAL);
  const isNew = (flags & CLONE_NEWNET) !== 0;
  return { cred, netNamespace: isNew ? task.kernel.net.makeNamespace(cred.userNamespace) : task.netNamespace };
}

/** @returns what the task will be in the namespace that it has made @source Linux create_user_ns */
function foundUserNamespace({ kernel, fs, cred }: Task): Credentials | Err {
  const parent = cred.userNamespace;
  const { euid, egid } = cred;
  if (!parent.canNest) return fail(ENOSPC);
  // From inside a chroot, one would get the capability to leave it.
  const { root } = kernel.rootContext;
  if (fs.root.dentry !== root.dentry || fs.root.mount !== root.mount) return fail(EPERM);
  if (!parent.users.has(euid) || !parent.groups.has(egid)) return fail(EPERM);
  const hasSetfcap = hasCapability(cred.capabilities.effective, CAP_SETFCAP);
  return inside(cred, new UserNamespace(parent, nextNamespaceIno(kernel.vfsEnv), { euid, egid, hasSetfcap }));
}

/** Who enters a user namespace has all capabilities in it. */
const inside = (cred: Credentials, userNamespace: UserNamespace): Credentials => ({
  ...cred,
  userNamespace,
  capabilities: SUPERUSER,
});

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
export function unshareTask(task: Task, given: number): number | Err {
  // Before anything is done with their bits: a number may have more than 32.
  if (given < 0 || given > UNSHARED || (given & ~UNSHARED) !== 0) return fail(EINVAL);
  const flags = (given & CLONE_NEWUSER) === 0 ? given : given | CLONE_THREAD | CLONE_FS;
  if (!isAlone(task, flags)) return fail(EINVAL);
  const made = makeNamespaces(task, flags, UNBUILT | CLONE_NEWTIME);
  if (isErr(made)) return made;
  if ((flags & CLONE_FS) !== 0) unshareFs(task);
  if ((flags & CLONE_FILES) !== 0) unshareFiles(task);
  changeCredentials(task, made.cred);
  task.netNamespace = made.netNamespace;
  return 0;
}

/**
 * setns(2): into the namespace of a file of /proc/PID/ns, or into some of the task behind a pidfd.
 * @param kinds CLONE_NEW* flags; 0: whatever the file is
 * @returns 0; -EINVAL (another kind, neither of both), -EPERM, -ESRCH
 */
export function enterNamespace(task: Task, file: OpenFile, kinds: number): number | Err {
  if (file instanceof NamespaceFile) {
    const { namespace } = file.inode;
    if (kinds !== 0 && kinds !== namespace.flag) return fail(EINVAL);
    if (namespace instanceof UserNamespace) return enter(task, namespace, null);
    return namespace instanceof NetNamespace ? enter(task, null, namespace) : fail(EINVAL);
  }
  if (!(file instanceof PidFd) || kinds === 0 || (kinds & ~(CLONE_NEWNET | CLONE_NEWUSER)) !== 0) return fail(EINVAL);
  const target = file.inode.isGone ? null : file.inode.task;
  if (target === null || target.state === 'dead') return fail(ESRCH);
  if (!mayInspect(task, target)) return fail(EPERM);
  return enter(
    task,
    (kinds & CLONE_NEWUSER) === 0 ? null : target.cred.userNamespace,
    (kinds & CLONE_NEWNET) === 0 ? null : target.netNamespace,
  );
}

/** All of it or nothing, the user namespace first. @source Linux userns_install, netns_install */
function enter(task: Task, users: UserNamespace | null, network: NetNamespace | null): number | Err {
  let { cred } = task;
  if (users !== null) {
    if (users === cred.userNamespace || task.process.threads.size > 1 || task.fs.refs > 1) return fail(EINVAL);
    if (!capableIn(cred, users, CAP_SYS_ADMIN)) return fail(EPERM);
    cred = inside(cred, users);
  }
  if (network !== null) {
    if (!capableIn(task.cred, network.userNamespace, CAP_SYS_ADMIN)) return fail(EPERM);
    if (!capableIn(task.cred, cred.userNamespace, CAP_SYS_ADMIN)) return fail(EPERM);
    task.netNamespace = network;
  }
  changeCredentials(task, cred);
  return 0;
}
