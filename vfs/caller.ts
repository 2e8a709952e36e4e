/**
 * Who asks: the few facts about the calling task that the file layers need.
 * kernel-core's tasks implement `Caller`; nothing below kernel-core knows tasks.
 */
import { type Capabilities, ORDINARY, SUPERUSER } from './capability.js';
import { INITIAL_USER_NAMESPACE, type UserNamespace } from './user-namespace.js';

/** A point in time: seconds since the epoch and nanoseconds below a second. Mutable, so that the clock fills it without allocating. */
export interface Timespec {
  sec: number;
  nsec: number;
}

/** User and group identities, all in the kernel's numbers (user-namespace.ts), and what comes with them. @source credentials(7) */
export interface Credentials {
  uid: number;
  euid: number;
  suid: number;
  fsuid: number;
  gid: number;
  egid: number;
  sgid: number;
  fsgid: number;
  /** Supplementary groups. */
  groups: readonly number[];
  userNamespace: UserNamespace;
  capabilities: Capabilities;
}

/** All identities alike, in the initial user namespace. */
export const makeCredentials = (uid: number, gid: number, groups: readonly number[] = []): Credentials => ({
  uid,
  euid: uid,
  suid: uid,
  fsuid: uid,
  gid,
  egid: gid,
  sgid: gid,
  fsgid: gid,
  groups,
  userNamespace: INITIAL_USER_NAMESPACE,
  capabilities: uid === 0 ? SUPERUSER : ORDINARY,
});

export const isInGroup = (cred: Credentials, gid: number): boolean => cred.fsgid === gid || cred.groups.includes(gid);

export interface Caller {
  readonly cred: Credentials;
  /** Process id (thread group) of the caller; 0 for the kernel itself. */
  readonly pid: number;
}

/** The kernel acting for itself: everything permitted. */
export const KERNEL_CALLER: Caller = { pid: 0, cred: makeCredentials(0, 0) };
