/**
 * Who asks: the few facts about the calling task that the file layers need.
 * kernel-core's tasks implement `Caller`; nothing below kernel-core knows tasks.
 */

/** A point in time: seconds since the epoch and nanoseconds below a second. Mutable, so that the clock fills it without allocating. */
export interface Timespec {
  sec: number;
  nsec: number;
}

/** User and group identities. @source credentials(7) */
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
}

/** May this identity do what capabilities(7) reserve to the superuser? */
export const isSuperuser = (cred: Credentials): boolean => cred.fsuid === 0;

export const isInGroup = (cred: Credentials, gid: number): boolean => cred.fsgid === gid || cred.groups.includes(gid);

export interface Caller {
  readonly cred: Credentials;
  /** Process id (thread group) of the caller; 0 for the kernel itself. */
  readonly pid: number;
}

/** The kernel acting for itself: everything permitted. */
export const KERNEL_CALLER: Caller = {
  pid: 0,
  cred: { uid: 0, euid: 0, suid: 0, fsuid: 0, gid: 0, egid: 0, sgid: 0, fsgid: 0, groups: [] },
};
