/** Options of level SOL_NETLINK: flags, and the groups that a socket is a member of. @source netlink(7) */

import { CAP_NET_BROADCAST } from '../../abi/capability.js';
import { EFAULT, EINVAL, ENOPROTOOPT, EPERM, type Err, fail } from '../../abi/errno.js';
import * as abi from '../../abi/netlink.js';
import type { Caller } from '../../vfs/caller.js';
import { capableIn } from '../../vfs/capability.js';
import type { UserNamespace } from '../../vfs/user-namespace.js';

/** Groups of a protocol, numbered from 1 on. */
const GROUPS = 32;

/** Options that are on or off. */
const FLAGS: ReadonlySet<number> = new Set([
  abi.NETLINK_PKTINFO,
  abi.NETLINK_BROADCAST_ERROR,
  abi.NETLINK_NO_ENOBUFS,
  abi.NETLINK_LISTEN_ALL_NSID,
  abi.NETLINK_CAP_ACK,
  abi.NETLINK_EXT_ACK,
  abi.NETLINK_GET_STRICT_CHK,
]);

export class NetlinkOptions {
  #groups = 0;
  /** Room for groups is made with the first one. */
  #hasGroups = false;
  readonly #flags = new Set<number>();
  readonly #owner: UserNamespace;

  /** @param owner of the socket's network namespace */
  constructor(owner: UserNamespace) {
    this.#owner = owner;
  }

  /** Mask of the groups, the first one in bit 0. */
  get groups(): number {
    return this.#groups;
  }

  set groups(mask: number) {
    this.#groups = mask >>> 0;
    this.#hasGroups = true;
  }

  /** Is the flag on? */
  has(option: number): boolean {
    return this.#flags.has(option);
  }

  /** @param bytes less than four count as a zero; null: not readable */
  set(level: number, option: number, bytes: DataView | null, caller: Caller): number | Err {
    if (level !== abi.SOL_NETLINK) return fail(ENOPROTOOPT);
    if (bytes === null) return fail(EFAULT);
    const value = bytes.byteLength >= 4 ? bytes.getInt32(0, true) : 0;
    if (option === abi.NETLINK_ADD_MEMBERSHIP || option === abi.NETLINK_DROP_MEMBERSHIP) {
      return this.#setMember(value, option === abi.NETLINK_ADD_MEMBERSHIP);
    }
    if (!FLAGS.has(option)) return fail(ENOPROTOOPT);
    if (option === abi.NETLINK_LISTEN_ALL_NSID && !capableIn(caller.cred, this.#owner, CAP_NET_BROADCAST))
      return fail(EPERM);
    if (value === 0) this.#flags.delete(option);
    else this.#flags.add(option);
    return 0;
  }

  #setMember(group: number, isMember: boolean): number | Err {
    this.#hasGroups = true;
    if (group < 1 || group > GROUPS) return fail(EINVAL);
    const bit = 1 << (group - 1);
    this.groups = isMember ? this.#groups | bit : this.#groups & ~bit;
    return 0;
  }

  /** @param room NaN: not readable */
  get(level: number, option: number, room: number): Uint8Array | Err {
    if (level !== abi.SOL_NETLINK) return fail(ENOPROTOOPT);
    if (Number.isNaN(room)) return fail(EFAULT);
    if (room < 0) return fail(EINVAL);
    if (option === abi.NETLINK_LIST_MEMBERSHIPS) return this.#hasGroups ? word(this.#groups) : new Uint8Array(0);
    if (!FLAGS.has(option)) return fail(ENOPROTOOPT);
    return room < 4 ? fail(EINVAL) : word(this.has(option) ? 1 : 0);
  }
}

const word = (value: number): Uint8Array => new Uint8Array(new Uint32Array([value]).buffer);
