/**
 * User and group identities. Programs speak of ids of their user namespace; what a task has are the kernel's numbers.
 * @source credentials(7), setresuid(2), user_namespaces(7); Linux kernel/sys.c, kernel/groups.c
 */
import { CAP_SETGID, CAP_SETUID } from '../../abi/capability.js';
import { EFAULT, EINVAL, EPERM, fail } from '../../abi/errno.js';
import type { Credentials } from '../../vfs/caller.js';
import { afterFileUserChange, afterUserChange, capableHere } from '../../vfs/capability.js';
import { INVALID_ID } from '../../vfs/user-namespace.js';
import { changeCredentials } from '../inspect.js';
import type { Task } from '../task.js';
import type { SyscallHandler, SyscallRows } from './row.js';

/** -1 in the ABI: leave as it is. No id has that number. */
const KEEP = INVALID_ID;
const MAX_GROUPS = 65536;

const mayChangeUsers = (cred: Credentials): boolean => capableHere(cred, CAP_SETUID);
const mayChangeGroups = (cred: Credentials): boolean => capableHere(cred, CAP_SETGID);

/** The kernel's number of a user; KEEP stays, NaN: the namespace has none. */
const userOf = (task: Task, argument: number): number =>
  kernelIdOf(task.cred.userNamespace.users.toKernel(argument >>> 0), argument);
const groupOf = (task: Task, argument: number): number =>
  kernelIdOf(task.cred.userNamespace.groups.toKernel(argument >>> 0), argument);

const kernelIdOf = (id: number, argument: number): number =>
  id === INVALID_ID && argument >>> 0 !== KEEP ? Number.NaN : id;

const shownUser = ({ cred }: Task, uid: number): number => cred.userNamespace.users.shown(uid);
const shownGroup = ({ cred }: Task, gid: number): number => cred.userNamespace.groups.shown(gid);

/** Identities are a thread's own for the kernel; the C library sets them for all threads by itself. */
function setresuid(task: Task, r: number, e: number, s: number): number {
  const [uid, euid, suid] = [userOf(task, r), userOf(task, e), userOf(task, s)];
  if (Number.isNaN(uid + euid + suid)) return fail(EINVAL);
  const old = task.cred;
  // What asks for nothing new leaves the file system's identity, too.
  const keepsEffective = euid === KEEP || (euid === old.euid && euid === old.fsuid);
  if (keepsEffective && [KEEP, old.uid].includes(uid) && [KEEP, old.suid].includes(suid)) return 0;
  const allowed = (id: number): boolean =>
    id === KEEP || id === old.uid || id === old.euid || id === old.suid || mayChangeUsers(old);
  if (!allowed(uid) || !allowed(euid) || !allowed(suid)) return fail(EPERM);
  return setUsers(task, uid, euid, suid);
}

function setresgid(task: Task, r: number, e: number, s: number): number {
  const [gid, egid, sgid] = [groupOf(task, r), groupOf(task, e), groupOf(task, s)];
  if (Number.isNaN(gid + egid + sgid)) return fail(EINVAL);
  const old = task.cred;
  const keepsEffective = egid === KEEP || (egid === old.egid && egid === old.fsgid);
  if (keepsEffective && [KEEP, old.gid].includes(gid) && [KEEP, old.sgid].includes(sgid)) return 0;
  const allowed = (id: number): boolean =>
    id === KEEP || id === old.gid || id === old.egid || id === old.sgid || mayChangeGroups(old);
  if (!allowed(gid) || !allowed(egid) || !allowed(sgid)) return fail(EPERM);
  return setGroups(task, gid, egid, sgid);
}

/** @param uid, euid, suid kernel's numbers or KEEP. The file system's identity follows the effective one. */
function setUsers(task: Task, uid: number, euid: number, suid: number): number {
  const old = task.cred;
  const next = {
    uid: uid === KEEP ? old.uid : uid,
    euid: euid === KEEP ? old.euid : euid,
    suid: suid === KEEP ? old.suid : suid,
  };
  return commit(task, { ...old, ...next, fsuid: next.euid, capabilities: afterUserChange(old, next) });
}

function setGroups(task: Task, gid: number, egid: number, sgid: number): number {
  const old = task.cred;
  const next = {
    gid: gid === KEEP ? old.gid : gid,
    egid: egid === KEEP ? old.egid : egid,
    sgid: sgid === KEEP ? old.sgid : sgid,
  };
  return commit(task, { ...old, ...next, fsgid: next.egid });
}

function commit(task: Task, next: Credentials): number {
  changeCredentials(task, next);
  return 0;
}

function setuid(task: Task, argument: number): number {
  const uid = userOf(task, argument);
  if (uid === KEEP || Number.isNaN(uid)) return fail(EINVAL);
  if (mayChangeUsers(task.cred)) return setUsers(task, uid, uid, uid);
  if (uid !== task.cred.uid && uid !== task.cred.suid) return fail(EPERM);
  return setUsers(task, KEEP, uid, KEEP);
}

function setgid(task: Task, argument: number): number {
  const gid = groupOf(task, argument);
  if (gid === KEEP || Number.isNaN(gid)) return fail(EINVAL);
  if (mayChangeGroups(task.cred)) return setGroups(task, gid, gid, gid);
  if (gid !== task.cred.gid && gid !== task.cred.sgid) return fail(EPERM);
  return setGroups(task, KEEP, gid, KEEP);
}

/** The saved one becomes the new effective one, unless nothing but that was asked for as it is. */
const savedOf = (real: number, effective: number, oldReal: number, oldEffective: number): number =>
  real !== KEEP || (effective !== KEEP && effective !== oldReal)
    ? effective === KEEP
      ? oldEffective
      : effective
    : KEEP;

function setreuid(task: Task, r: number, e: number): number {
  const [uid, euid] = [userOf(task, r), userOf(task, e)];
  if (Number.isNaN(uid + euid)) return fail(EINVAL);
  const old = task.cred;
  if (![KEEP, old.uid, old.euid].includes(uid) && !mayChangeUsers(old)) return fail(EPERM);
  if (![KEEP, old.uid, old.euid, old.suid].includes(euid) && !mayChangeUsers(old)) return fail(EPERM);
  return setUsers(task, uid, euid, savedOf(uid, euid, old.uid, old.euid));
}

function setregid(task: Task, r: number, e: number): number {
  const [gid, egid] = [groupOf(task, r), groupOf(task, e)];
  if (Number.isNaN(gid + egid)) return fail(EINVAL);
  const old = task.cred;
  if (![KEEP, old.gid, old.egid].includes(gid) && !mayChangeGroups(old)) return fail(EPERM);
  if (![KEEP, old.gid, old.egid, old.sgid].includes(egid) && !mayChangeGroups(old)) return fail(EPERM);
  return setGroups(task, gid, egid, savedOf(gid, egid, old.gid, old.egid));
}

/** @returns the old one, whether or not it changed */
function setfsuid(task: Task, argument: number): number {
  const uid = userOf(task, argument);
  const { cred } = task;
  const old = shownUser(task, cred.fsuid);
  if (Number.isNaN(uid) || uid === KEEP) return old;
  if ([cred.uid, cred.euid, cred.suid, cred.fsuid].includes(uid) || mayChangeUsers(cred)) {
    changeCredentials(task, { ...cred, fsuid: uid, capabilities: afterFileUserChange(cred, uid) });
  }
  return old;
}

function setfsgid(task: Task, argument: number): number {
  const gid = groupOf(task, argument);
  const { cred } = task;
  const old = shownGroup(task, cred.fsgid);
  if (Number.isNaN(gid) || gid === KEEP) return old;
  if ([cred.gid, cred.egid, cred.sgid, cred.fsgid].includes(gid) || mayChangeGroups(cred)) {
    changeCredentials(task, { ...cred, fsgid: gid });
  }
  return old;
}

function getgroups(task: Task, size: number, address: number): number {
  const { groups } = task.cred;
  if ((size | 0) < 0) return fail(EINVAL);
  if ((size | 0) === 0) return groups.length;
  if ((size | 0) < groups.length) return fail(EINVAL);
  const bytes = new Uint8Array(Uint32Array.from(groups, (gid) => shownGroup(task, gid)).buffer);
  return task.mm!.write(address, bytes) === 0 ? groups.length : fail(EFAULT);
}

/** In a namespace without numbers for groups, or where it was denied, nobody may drop those that he has. */
function setgroups(task: Task, size: number, address: number): number {
  const { userNamespace } = task.cred;
  if (!mayChangeGroups(task.cred) || !userNamespace.groups.isSet || !userNamespace.allowsSetgroups) return fail(EPERM);
  if (size < 0 || size > MAX_GROUPS) return fail(EINVAL);
  const words = new Uint32Array(size);
  if (task.mm!.read(address, new Uint8Array(words.buffer)) !== 0) return fail(EFAULT);
  const groups = Array.from(words, (gid) => userNamespace.groups.toKernel(gid));
  if (groups.includes(INVALID_ID)) return fail(EINVAL);
  task.cred = { ...task.cred, groups: groups.sort((a, b) => a - b) };
  return 0;
}

/** getresuid and getresgid. */
const writeThree =
  (pick: (task: Task) => readonly number[]): SyscallHandler =>
  (task, a, b, c) => {
    const ids = pick(task);
    for (const [i, address] of [a, b, c].entries()) {
      if (task.mm!.writeU32(address, ids[i]) !== 0) return fail(EFAULT);
    }
    return 0;
  };

export const credentialSyscalls: SyscallRows = {
  102: { name: 'getuid', fn: (task) => shownUser(task, task.cred.uid), support: 'full', args: [] },
  104: { name: 'getgid', fn: (task) => shownGroup(task, task.cred.gid), support: 'full', args: [] },
  105: { name: 'setuid', fn: setuid, support: 'full', args: ['uid'] },
  106: { name: 'setgid', fn: setgid, support: 'full', args: ['uid'] },
  107: { name: 'geteuid', fn: (task) => shownUser(task, task.cred.euid), support: 'full', args: [] },
  108: { name: 'getegid', fn: (task) => shownGroup(task, task.cred.egid), support: 'full', args: [] },
  113: { name: 'setreuid', fn: setreuid, support: 'full', args: ['uid', 'uid'] },
  114: { name: 'setregid', fn: setregid, support: 'full', args: ['uid', 'uid'] },
  115: { name: 'getgroups', fn: getgroups, support: 'full', args: ['int', 'groupsOut'] },
  116: { name: 'setgroups', fn: setgroups, support: 'full', args: ['int', 'groupsIn'] },
  117: { name: 'setresuid', fn: setresuid, support: 'full', args: ['uid', 'uid', 'uid'] },
  118: {
    name: 'getresuid',
    fn: writeThree((task) => [task.cred.uid, task.cred.euid, task.cred.suid].map((uid) => shownUser(task, uid))),
    support: 'full',
    args: ['uidOut', 'uidOut', 'uidOut'],
  },
  119: { name: 'setresgid', fn: setresgid, support: 'full', args: ['uid', 'uid', 'uid'] },
  120: {
    name: 'getresgid',
    fn: writeThree((task) => [task.cred.gid, task.cred.egid, task.cred.sgid].map((gid) => shownGroup(task, gid))),
    support: 'full',
    args: ['uidOut', 'uidOut', 'uidOut'],
  },
  122: { name: 'setfsuid', fn: setfsuid, support: 'full', args: ['uid'] },
  123: { name: 'setfsgid', fn: setfsgid, support: 'full', args: ['uid'] },
};
