/** User and group identities, and the capability calls as far as identities decide them. @source credentials(7), setresuid(2), capabilities(7) */
import { EFAULT, EINVAL, EPERM, type Err, ESRCH, fail, isErr } from '../../abi/errno.js';
import type { Credentials } from '../../vfs/caller.js';
import type { Task } from '../task.js';
import type { SyscallHandler, SyscallRows } from './row.js';

/** -1 in the ABI: leave as it is. */
const KEEP = 0xffffffff;
const MAX_GROUPS = 65536;

const isPrivileged = (cred: Credentials): boolean => cred.euid === 0;

/** Identities are a thread's own for the kernel; the C library sets them for all threads by itself. */
function setresuid(task: Task, r: number, e: number, s: number): number {
  const [uid, euid, suid] = [r >>> 0, e >>> 0, s >>> 0];
  const old = task.cred;
  const allowed = (id: number): boolean =>
    id === KEEP || isPrivileged(old) || id === old.uid || id === old.euid || id === old.suid;
  if (!allowed(uid) || !allowed(euid) || !allowed(suid)) return fail(EPERM);
  const next = {
    ...old,
    uid: uid === KEEP ? old.uid : uid,
    euid: euid === KEEP ? old.euid : euid,
    suid: suid === KEEP ? old.suid : suid,
  };
  return commit(task, next);
}

function setresgid(task: Task, r: number, e: number, s: number): number {
  const [gid, egid, sgid] = [r >>> 0, e >>> 0, s >>> 0];
  const old = task.cred;
  const allowed = (id: number): boolean =>
    id === KEEP || isPrivileged(old) || id === old.gid || id === old.egid || id === old.sgid;
  if (!allowed(gid) || !allowed(egid) || !allowed(sgid)) return fail(EPERM);
  const next = {
    ...old,
    gid: gid === KEEP ? old.gid : gid,
    egid: egid === KEEP ? old.egid : egid,
    sgid: sgid === KEEP ? old.sgid : sgid,
  };
  return commit(task, next);
}

/** File system identities follow the effective ones. Whoever changes those has memory that others must not see. */
function commit(task: Task, next: Credentials): number {
  const changed = next.euid !== task.cred.euid || next.egid !== task.cred.egid;
  task.cred = { ...next, fsuid: next.euid, fsgid: next.egid };
  if (changed) {
    task.process.dumpable = task.kernel.coreSettings.setIdDumpable;
    task.parentDeathSignal = 0;
  }
  return 0;
}

function setuid(task: Task, id: number): number {
  const uid = id >>> 0;
  if (uid === KEEP) return fail(EINVAL);
  if (isPrivileged(task.cred)) return setresuid(task, uid, uid, uid);
  if (uid !== task.cred.uid && uid !== task.cred.suid) return fail(EPERM);
  return setresuid(task, KEEP, uid, KEEP);
}

function setgid(task: Task, id: number): number {
  const gid = id >>> 0;
  if (gid === KEEP) return fail(EINVAL);
  if (isPrivileged(task.cred)) return setresgid(task, gid, gid, gid);
  if (gid !== task.cred.gid && gid !== task.cred.sgid) return fail(EPERM);
  return setresgid(task, KEEP, gid, KEEP);
}

function setreuid(task: Task, r: number, e: number): number {
  const [uid, euid] = [r >>> 0, e >>> 0];
  const old = task.cred;
  if (uid !== KEEP && uid !== old.uid && uid !== old.euid && !isPrivileged(old)) return fail(EPERM);
  const suid = uid !== KEEP || (euid !== KEEP && euid !== old.uid) ? (euid === KEEP ? old.euid : euid) : KEEP;
  if (euid !== KEEP && euid !== old.uid && euid !== old.euid && euid !== old.suid && !isPrivileged(old))
    return fail(EPERM);
  return commit(task, {
    ...old,
    uid: uid === KEEP ? old.uid : uid,
    euid: euid === KEEP ? old.euid : euid,
    suid: suid === KEEP ? old.suid : suid,
  });
}

function setregid(task: Task, r: number, e: number): number {
  const [gid, egid] = [r >>> 0, e >>> 0];
  const old = task.cred;
  if (gid !== KEEP && gid !== old.gid && gid !== old.egid && !isPrivileged(old)) return fail(EPERM);
  const sgid = gid !== KEEP || (egid !== KEEP && egid !== old.gid) ? (egid === KEEP ? old.egid : egid) : KEEP;
  if (egid !== KEEP && egid !== old.gid && egid !== old.egid && egid !== old.sgid && !isPrivileged(old))
    return fail(EPERM);
  return commit(task, {
    ...old,
    gid: gid === KEEP ? old.gid : gid,
    egid: egid === KEEP ? old.egid : egid,
    sgid: sgid === KEEP ? old.sgid : sgid,
  });
}

/** @returns the old one, whether or not it changed */
function setfsuid(task: Task, id: number): number {
  const uid = id >>> 0;
  const { cred } = task;
  const old = cred.fsuid;
  if (isPrivileged(cred) || [cred.uid, cred.euid, cred.suid, cred.fsuid].includes(uid)) {
    if (uid !== KEEP) task.cred = { ...cred, fsuid: uid };
  }
  return old;
}

function setfsgid(task: Task, id: number): number {
  const gid = id >>> 0;
  const { cred } = task;
  const old = cred.fsgid;
  if (isPrivileged(cred) || [cred.gid, cred.egid, cred.sgid, cred.fsgid].includes(gid)) {
    if (gid !== KEEP) task.cred = { ...cred, fsgid: gid };
  }
  return old;
}

function getgroups(task: Task, size: number, address: number): number {
  const { groups } = task.cred;
  if ((size | 0) < 0) return fail(EINVAL);
  if ((size | 0) === 0) return groups.length;
  if ((size | 0) < groups.length) return fail(EINVAL);
  const bytes = new Uint8Array(Uint32Array.from(groups).buffer);
  return task.mm!.write(address, bytes) === 0 ? groups.length : fail(EFAULT);
}

function setgroups(task: Task, size: number, address: number): number {
  if (!isPrivileged(task.cred)) return fail(EPERM);
  if (size < 0 || size > MAX_GROUPS) return fail(EINVAL);
  const words = new Uint32Array(size);
  if (task.mm!.read(address, new Uint8Array(words.buffer)) !== 0) return fail(EFAULT);
  task.cred = { ...task.cred, groups: Array.from(words).sort((a, b) => a - b) };
  return 0;
}

/** getresuid and getresgid. */
const writeThree =
  (pick: (cred: Credentials) => readonly [number, number, number]): SyscallHandler =>
  (task, a, b, c) => {
    const ids = pick(task.cred);
    for (const [i, address] of [a, b, c].entries()) {
      if (task.mm!.writeU32(address, ids[i]) !== 0) return fail(EFAULT);
    }
    return 0;
  };

// Capabilities: the superuser has all of them, everybody else none.

const CAPABILITY_V1 = 0x19980330;
const CAPABILITY_V2 = 0x20071026;
const CAPABILITY_V3 = 0x20080522;
/** CAP_CHECKPOINT_RESTORE, the last one, is number 40. */
const ALL_LO = 0xffffffff;
const ALL_HI = 0x1ff;

/** @returns 32-bit words per set; the header is corrected for an unknown version */
function capabilityWords(task: Task, headerAddress: number): number | Err {
  const version = task.mm!.readU32(headerAddress);
  if (isErr(version)) return version;
  if (version === CAPABILITY_V1) return 1;
  if (version === CAPABILITY_V2 || version === CAPABILITY_V3) return 2;
  return task.mm!.writeU32(headerAddress, CAPABILITY_V3) === 0 ? fail(EINVAL) : fail(EFAULT);
}

function capget(task: Task, header: number, data: number): number {
  const words = capabilityWords(task, header);
  if (words < 0) return data === 0 && words === fail(EINVAL) ? 0 : words;
  const pid = task.mm!.readU32(header + 4);
  if (isErr(pid)) return pid;
  if ((pid | 0) < 0) return fail(EINVAL);
  const target = (pid | 0) === 0 ? task : task.kernel.processes.task(pid | 0);
  if (target === null) return fail(ESRCH);
  if (data === 0) return 0;
  const root = isPrivileged(target.cred);
  const permitted = root || target.cred.suid === 0 || target.cred.uid === 0;
  const out = new Uint32Array(3 * words);
  for (let i = 0; i < words; i++) {
    const all = i === 0 ? ALL_LO : ALL_HI;
    out[3 * i] = root ? all : 0;
    out[3 * i + 1] = permitted ? all : 0;
  }
  return task.mm!.write(data, new Uint8Array(out.buffer));
}

export const credentialSyscalls: SyscallRows = {
  102: { name: 'getuid', fn: (task) => task.cred.uid, support: 'full', args: [] },
  104: { name: 'getgid', fn: (task) => task.cred.gid, support: 'full', args: [] },
  105: { name: 'setuid', fn: setuid, support: 'full', args: ['uid'] },
  106: { name: 'setgid', fn: setgid, support: 'full', args: ['uid'] },
  107: { name: 'geteuid', fn: (task) => task.cred.euid, support: 'full', args: [] },
  108: { name: 'getegid', fn: (task) => task.cred.egid, support: 'full', args: [] },
  113: { name: 'setreuid', fn: setreuid, support: 'full', args: ['uid', 'uid'] },
  114: { name: 'setregid', fn: setregid, support: 'full', args: ['uid', 'uid'] },
  115: { name: 'getgroups', fn: getgroups, support: 'full', args: ['int', 'groupsOut'] },
  116: { name: 'setgroups', fn: setgroups, support: 'full', args: ['int', 'groupsIn'] },
  117: { name: 'setresuid', fn: setresuid, support: 'full', args: ['uid', 'uid', 'uid'] },
  118: {
    name: 'getresuid',
    fn: writeThree((c) => [c.uid, c.euid, c.suid]),
    support: 'full',
    args: ['uidOut', 'uidOut', 'uidOut'],
  },
  119: { name: 'setresgid', fn: setresgid, support: 'full', args: ['uid', 'uid', 'uid'] },
  120: {
    name: 'getresgid',
    fn: writeThree((c) => [c.gid, c.egid, c.sgid]),
    support: 'full',
    args: ['uidOut', 'uidOut', 'uidOut'],
  },
  122: { name: 'setfsuid', fn: setfsuid, support: 'full', args: ['uid'] },
  123: { name: 'setfsgid', fn: setfsgid, support: 'full', args: ['uid'] },
  125: {
    name: 'capget',
    fn: capget,
    support: 'partial',
    note: 'all or none, by effective user id',
    args: ['capHeader', 'capDataOut'],
  },
};
