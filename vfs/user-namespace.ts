/**
 * User namespaces: which numbers users and groups have for whom, and over what capabilities count.
 *
 * Everywhere inside, a user id is the kernel's own (Linux: kuid_t), which is the number in the initial namespace. System
 * calls and texts translate where they meet a program: `toKernel` what it says, `shown` what it sees.
 * @source user_namespaces(7); Linux kernel/user_namespace.c
 */
import { CLONE_NEWUSER } from '../abi/sched.js';

/** No user, no group: `(uid_t) -1`, and what ids without a mapping become inside. */
export const INVALID_ID = 0xffffffff;
/** What a program sees in place of an id that its namespace has no number for. @source proc_sys_kernel(5) */
export const OVERFLOW_ID = 65534;
/** @source Linux linux/user_namespace.h UID_GID_MAP_MAX_EXTENTS */
export const MAX_EXTENTS = 340;
/** Linux keeps so many as they were written, more in the order of `first`. */
const KEPT_IN_ORDER = 5;
/** Namespaces below the initial one. */
const MAX_LEVEL = 32;
/** Inode number of the initial one. @source Linux uapi/linux/nsfs.h USER_NS_INIT_INO */
const FIRST_INO = 4026531837;

/** `count` ids from `first` on in the namespace are those from `lower` on: in the map, of the kernel; in what is written, of the parent. */
export interface IdExtent {
  readonly first: number;
  readonly lower: number;
  readonly count: number;
}

/** Numbers of one kind in a namespace and in the kernel. Written once. */
export class IdMap {
  #extents: readonly IdExtent[];

  constructor(extents: readonly IdExtent[] = []) {
    this.#extents = extents;
  }

  get extents(): readonly IdExtent[] {
    return this.#extents;
  }

  get isSet(): boolean {
    return this.#extents.length > 0;
  }

  set(extents: readonly IdExtent[]): void {
    this.#extents = extents.length > KEPT_IN_ORDER ? [...extents].sort((a, b) => a.first - b.first) : extents;
  }

  /** The kernel's number of `id`; INVALID_ID: it has none. @param count of ids that must be mapped side by side */
  toKernel(id: number, count = 1): number {
    for (const extent of this.#extents) {
      const at = id - extent.first;
      if (at >= 0 && at + count <= extent.count) return extent.lower + at;
    }
    return INVALID_ID;
  }

  /** The number here of the kernel's `id`; INVALID_ID: none. */
  fromKernel(id: number): number {
    for (const { first, lower, count } of this.#extents) {
      const at = id - lower;
      if (at >= 0 && at < count) return first + at;
    }
    return INVALID_ID;
  }

  /** `fromKernel`, or the overflow id: what programs are shown. */
  shown(id: number): number {
    const here = this.fromKernel(id);
    return here === INVALID_ID ? OVERFLOW_ID : here;
  }

  has(id: number): boolean {
    return this.fromKernel(id) !== INVALID_ID;
  }
}

/** Who makes a namespace: the kernel's ids, and whether it could give files capabilities. */
export interface Founder {
  readonly euid: number;
  readonly egid: number;
  readonly hasSetfcap: boolean;
}

export class UserNamespace {
  readonly kind = 'user';
  readonly flag = CLONE_NEWUSER;
  readonly ino: number;
  /** null: the initial one. */
  readonly parent: UserNamespace | null;
  readonly level: number;
  /** Effective ids of who made it, kernel's numbers: that user has all capabilities in it, from the parent. */
  readonly owner: number;
  readonly group: number;
  /** Its maker could have given files capabilities; without, user 0 of the parent must not be mapped from inside. */
  readonly founderHadSetfcap: boolean;
  readonly users: IdMap;
  readonly groups: IdMap;
  /** Project ids of quotas: kept for those who write and read them, no file has any. */
  readonly projects: IdMap;
  allowsSetgroups: boolean;

  /** @param parent null: everything is mapped to itself */
  constructor(parent: UserNamespace | null, ino: number, founder: Founder) {
    this.ino = ino;
    this.parent = parent;
    this.level = parent === null ? 0 : parent.level + 1;
    this.owner = founder.euid;
    this.group = founder.egid;
    this.founderHadSetfcap = founder.hasSetfcap;
    this.allowsSetgroups = parent?.allowsSetgroups ?? true;
    const everything = parent === null ? [{ first: 0, lower: 0, count: INVALID_ID }] : [];
    this.users = new IdMap(everything);
    this.groups = new IdMap(everything);
    this.projects = new IdMap(everything);
  }

  /** What owns this namespace: the one around it, as with those of other kinds. */
  get userNamespace(): UserNamespace | null {
    return this.parent;
  }

  get canNest(): boolean {
    return this.level <= MAX_LEVEL;
  }

  /** Kernel's number of user 0, INVALID_ID where nobody is. */
  get root(): number {
    return this.users.toKernel(0);
  }
}

/** The one in which all kernels begin. Nothing about it ever changes. */
export const INITIAL_USER_NAMESPACE = new UserNamespace(null, FIRST_INO, { euid: 0, egid: 0, hasSetfcap: true });
