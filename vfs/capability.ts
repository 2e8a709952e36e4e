/**
 * What a task may do beyond what its ids allow: sets of capabilities, and where they count.
 * @source capabilities(7); Linux security/commoncap.c
 */
import {
  CAP_CHOWN,
  CAP_DAC_OVERRIDE,
  CAP_DAC_READ_SEARCH,
  CAP_FOWNER,
  CAP_FSETID,
  CAP_LAST_CAP,
  CAP_LINUX_IMMUTABLE,
  CAP_MAC_OVERRIDE,
  CAP_MKNOD,
} from '../abi/capability.js';
import type { Credentials } from './caller.js';
import { INITIAL_USER_NAMESPACE, type UserNamespace } from './user-namespace.js';

/** Capability n is bit n of the 64 bits in two words, both signed. */
export interface CapabilitySet {
  readonly lo: number;
  readonly hi: number;
}

/** The sets of a task. */
export interface Capabilities {
  readonly effective: CapabilitySet;
  readonly permitted: CapabilitySet;
  readonly inheritable: CapabilitySet;
  /** What executing a program can give at most. */
  readonly bounding: CapabilitySet;
  /** PR_SET_KEEPCAPS: giving up user 0 leaves the permitted ones. */
  readonly keeps: boolean;
}

export const NO_CAPABILITIES: CapabilitySet = { lo: 0, hi: 0 };
export const ALL_CAPABILITIES: CapabilitySet = { lo: -1, hi: 2 ** (CAP_LAST_CAP - 31) - 1 };

/** Of the superuser, and of whoever enters a user namespace. */
export const SUPERUSER: Capabilities = {
  effective: ALL_CAPABILITIES,
  permitted: ALL_CAPABILITIES,
  inheritable: NO_CAPABILITIES,
  bounding: ALL_CAPABILITIES,
  keeps: false,
};

export const ORDINARY: Capabilities = { ...SUPERUSER, effective: NO_CAPABILITIES, permitted: NO_CAPABILITIES };

export const hasCapability = ({ lo, hi }: CapabilitySet, capability: number): boolean =>
  (((capability < 32 ? lo : hi) >>> (capability & 31)) & 1) === 1;

export const isSubset = (some: CapabilitySet, all: CapabilitySet): boolean =>
  (some.lo & ~all.lo) === 0 && (some.hi & ~all.hi) === 0;

export const union = (a: CapabilitySet, b: CapabilitySet): CapabilitySet => ({ lo: a.lo | b.lo, hi: a.hi | b.hi });

export const intersection = (a: CapabilitySet, b: CapabilitySet): CapabilitySet => ({
  lo: a.lo & b.lo,
  hi: a.hi & b.hi,
});

export const without = (a: CapabilitySet, b: CapabilitySet): CapabilitySet => ({ lo: a.lo & ~b.lo, hi: a.hi & ~b.hi });

export const setOf = (...capabilities: readonly number[]): CapabilitySet =>
  capabilities.reduce(
    (set, one) => union(set, one < 32 ? { lo: 1 << one, hi: 0 } : { lo: 0, hi: 1 << (one & 31) }),
    NO_CAPABILITIES,
  );

/** Is `next` permitted what `old` is not? Who makes a user namespace gains nothing by entering it. @source Linux cred_cap_issubset */
export function gains(old: Credentials, next: Credentials): boolean {
  const before = old.userNamespace;
  if (before === next.userNamespace) return !isSubset(next.capabilities.permitted, old.capabilities.permitted);
  for (let one: UserNamespace | null = next.userNamespace; one !== null; one = one.parent) {
    if (one.parent === before && one.owner === old.euid) return false;
  }
  return true;
}

/** What a change of the file system's user id takes and gives. @source Linux CAP_FS_SET */
const FILE_CAPABILITIES = setOf(
  CAP_CHOWN,
  CAP_MKNOD,
  CAP_DAC_OVERRIDE,
  CAP_DAC_READ_SEARCH,
  CAP_FOWNER,
  CAP_FSETID,
  CAP_LINUX_IMMUTABLE,
  CAP_MAC_OVERRIDE,
);

/**
 * Has `cred` the capability over what belongs to `namespace`? It has those of its effective set in its own namespace and
 * all below, and the user that made a namespace has all of them in it. @source Linux cap_capable
 */
export function capableIn(cred: Credentials, namespace: UserNamespace, capability: number): boolean {
  const own = cred.userNamespace;
  for (let one = namespace; one !== own; one = one.parent!) {
    if (one.level <= own.level) return false;
    if (one.parent === own && one.owner === cred.euid) return true;
  }
  return hasCapability(cred.capabilities.effective, capability);
}

/** Over the whole kernel. */
export const capable = (cred: Credentials, capability: number): boolean =>
  cred.userNamespace === INITIAL_USER_NAMESPACE && hasCapability(cred.capabilities.effective, capability);

/** In its own namespace, which is enough for what concerns nobody else. */
export const capableHere = (cred: Credentials, capability: number): boolean =>
  hasCapability(cred.capabilities.effective, capability);

/** Over a file: only where its owner and its group have numbers. @source Linux capable_wrt_inode_uidgid */
export const capableOver = (
  cred: Credentials,
  { uid, gid }: { readonly uid: number; readonly gid: number },
  capability: number,
): boolean =>
  hasCapability(cred.capabilities.effective, capability) &&
  cred.userNamespace.users.has(uid) &&
  cred.userNamespace.groups.has(gid);

/** The same where only the owner counts. @source Linux inode_owner_or_capable */
export const capableOverOwner = (cred: Credentials, { uid }: { readonly uid: number }, capability: number): boolean =>
  hasCapability(cred.capabilities.effective, capability) && cred.userNamespace.users.has(uid);

/** User ids that setuid(2) and its like change. */
type UserIds = Pick<Credentials, 'uid' | 'euid' | 'suid'>;

/** The sets after a change of user ids from `old` to `next`. @source capabilities(7), effect of user ID changes */
export function afterUserChange(old: Credentials, next: UserIds): Capabilities {
  const { root } = old.userNamespace;
  const isAny = ({ uid, euid, suid }: UserIds): boolean => uid === root || euid === root || suid === root;
  let capabilities = old.capabilities;
  if (isAny(old) && !isAny(next) && !capabilities.keeps) {
    capabilities = { ...capabilities, permitted: NO_CAPABILITIES, effective: NO_CAPABILITIES };
  }
  if (old.euid === root && next.euid !== root) capabilities = { ...capabilities, effective: NO_CAPABILITIES };
  if (old.euid !== root && next.euid === root) capabilities = { ...capabilities, effective: capabilities.permitted };
  return capabilities;
}

/** The same for the file system's user id alone. */
export function afterFileUserChange(
  { userNamespace: { root }, fsuid, capabilities }: Credentials,
  next: number,
): Capabilities {
  if ((fsuid === root) === (next === root)) return capabilities;
  const { effective, permitted } = capabilities;
  const changed =
    next === root
      ? union(effective, intersection(FILE_CAPABILITIES, permitted))
      : without(effective, FILE_CAPABILITIES);
  return { ...capabilities, effective: changed };
}

/** The sets after execve(2) of a program without capabilities of its own: user 0 of the namespace gets what it may. */
export function afterExecution(next: Credentials): Capabilities {
  const { root } = next.userNamespace;
  const { inheritable, bounding } = next.capabilities;
  const permitted = next.uid === root || next.euid === root ? union(inheritable, bounding) : NO_CAPABILITIES;
  const effective = next.euid === root ? permitted : NO_CAPABILITIES;
  return { ...next.capabilities, permitted, effective, keeps: false };
}

/** The sets that access(2) asks with: as if the real ids were the effective ones. @source Linux access_override_creds */
export const ofRealUser = ({ uid, userNamespace: { root }, capabilities }: Credentials): Capabilities => ({
  ...capabilities,
  effective: uid === root ? capabilities.permitted : NO_CAPABILITIES,
});
