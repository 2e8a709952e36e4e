/**
 * capget, capset, and what prctl(2) has to do with capabilities. Ambient capabilities and those of files are not built.
 * @source capabilities(7), capget(2); Linux kernel/capability.c, security/commoncap.c
 */
import {
  _LINUX_CAPABILITY_VERSION_1,
  _LINUX_CAPABILITY_VERSION_2,
  _LINUX_CAPABILITY_VERSION_3,
  CAP_LAST_CAP,
  CAP_SETPCAP,
} from '../../abi/capability.js';
import { EFAULT, EINVAL, EPERM, type Err, ESRCH, fail, isErr } from '../../abi/errno.js';
import {
  ALL_CAPABILITIES,
  type CapabilitySet,
  capableHere,
  hasCapability,
  intersection,
  isSubset,
  setOf,
  union,
  without,
} from '../../vfs/capability.js';
import type { Task } from '../task.js';
import type { SyscallRows } from './row.js';

/** @returns 32-bit words per set; the header is corrected for an unknown version */
function capabilityWords(task: Task, headerAddress: number): number | Err {
  const version = task.mm!.readU32(headerAddress);
  if (isErr(version)) return version;
  if (version === _LINUX_CAPABILITY_VERSION_1) return 1;
  if (version === _LINUX_CAPABILITY_VERSION_2 || version === _LINUX_CAPABILITY_VERSION_3) return 2;
  return task.mm!.writeU32(headerAddress, _LINUX_CAPABILITY_VERSION_3) === 0 ? fail(EINVAL) : fail(EFAULT);
}

function capget(task: Task, header: number, data: number): number {
  const words = capabilityWords(task, header);
  // Without room for an answer it is only asked for the version.
  if (data === 0) return words === fail(EFAULT) ? words : 0;
  if (words < 0) return words;
  const pid = task.mm!.readU32(header + 4);
  if (isErr(pid)) return pid;
  if ((pid | 0) < 0) return fail(EINVAL);
  const target = (pid | 0) === 0 ? task : task.kernel.processes.task(pid | 0);
  if (target === null) return fail(ESRCH);
  const { effective, permitted, inheritable } = target.cred.capabilities;
  const out = [effective, permitted, inheritable].map(({ lo }) => lo);
  if (words === 2) out.push(...[effective, permitted, inheritable].map(({ hi }) => hi));
  return task.mm!.write(data, new Uint8Array(Int32Array.from(out).buffer));
}

/** Sets the caller's own, within what it is permitted. */
function capset(task: Task, header: number, data: number): number {
  const words = capabilityWords(task, header);
  if (words < 0) return words;
  const pid = task.mm!.readU32(header + 4);
  if (isErr(pid)) return pid;
  if (pid !== 0 && pid !== task.tid) return fail(EPERM);
  const given = new Int32Array(6);
  if (task.mm!.read(data, new Uint8Array(given.buffer, 0, 12 * words)) !== 0) return fail(EFAULT);
  const read = (at: number): CapabilitySet => intersection({ lo: given[at]!, hi: given[at + 3]! }, ALL_CAPABILITIES);
  return changeSets(task, read(0), read(1), read(2));
}

function changeSets(
  task: Task,
  effective: CapabilitySet,
  permitted: CapabilitySet,
  inheritable: CapabilitySet,
): number {
  const old = task.cred.capabilities;
  const isGranted = isSubset(inheritable, union(old.inheritable, old.permitted));
  if (!isGranted && !capableHere(task.cred, CAP_SETPCAP)) return fail(EPERM);
  if (!isSubset(inheritable, union(old.inheritable, old.bounding))) return fail(EPERM);
  if (!isSubset(permitted, old.permitted) || !isSubset(effective, permitted)) return fail(EPERM);
  task.cred = { ...task.cred, capabilities: { ...old, effective, permitted, inheritable } };
  return 0;
}

const isKnown = (capability: number): boolean => capability >= 0 && capability <= CAP_LAST_CAP;

/** PR_CAPBSET_READ. */
export const isInBoundingSet = ({ cred }: Task, capability: number): number =>
  isKnown(capability) ? Number(hasCapability(cred.capabilities.bounding, capability)) : fail(EINVAL);

/** PR_CAPBSET_DROP. */
export function dropFromBoundingSet(task: Task, capability: number): number {
  const { cred } = task;
  if (!capableHere(cred, CAP_SETPCAP)) return fail(EPERM);
  if (!isKnown(capability)) return fail(EINVAL);
  const bounding = without(cred.capabilities.bounding, setOf(capability));
  task.cred = { ...cred, capabilities: { ...cred.capabilities, bounding } };
  return 0;
}

/** PR_SET_KEEPCAPS. */
export function keepCapabilities(task: Task, on: number): number {
  if (on !== 0 && on !== 1) return fail(EINVAL);
  task.cred = { ...task.cred, capabilities: { ...task.cred.capabilities, keeps: on === 1 } };
  return 0;
}

export const capabilitySyscalls: SyscallRows = {
  125: { name: 'capget', fn: capget, support: 'full', args: ['capHeader', 'capDataOut'] },
  126: {
    name: 'capset',
    fn: capset,
    support: 'partial',
    note: 'no ambient capabilities, none of files',
    args: ['capHeader', 'capDataIn'],
  },
};
