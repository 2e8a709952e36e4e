/** What the kernel has of networking: the families of addresses, and the namespaces that sockets belong to. */

import { AddressFamilies } from '../net/families.js';
import { NetNamespace } from '../net/namespace.js';
import { NetlinkDomain } from '../net/netlink/domain.js';
import { SockDiag } from '../net/netlink/sock-diag.js';
import { defaultBuffers } from '../net/settings.js';
import { unixDiag } from '../net/unix/diag.js';
import { UnixDomain } from '../net/unix/domain.js';
import type { OpenFile } from '../vfs/file.js';
import type { VfsEnv } from '../vfs/filesystem.js';
import { INITIAL_USER_NAMESPACE, type UserNamespace } from '../vfs/user-namespace.js';
import type { Host } from './host.js';

export class Network {
  readonly families = new AddressFamilies();
  readonly unix: UnixDomain;
  readonly netlink: NetlinkDomain;
  /** That of the first task, hence of all but those that asked for another. */
  readonly first: NetNamespace;
  readonly #vfs: VfsEnv;
  #made = 1;

  /** @param urgent tells the owner of a description that urgent data has come */
  constructor(vfs: VfsEnv, host: Host, urgent: (file: OpenFile) => void) {
    this.unix = new UnixDomain({ vfs, urgent, random: (target) => host.random(target) });
    this.#vfs = vfs;
    this.first = new NetNamespace(vfs, this.#made, INITIAL_USER_NAMESPACE, defaultBuffers());
    this.families.register(this.unix);
    this.netlink = new NetlinkDomain([new SockDiag([unixDiag(this.unix)])]);
    this.families.register(this.netlink);
  }

  /** @param owner capabilities over it are those in this one */
  makeNamespace(owner: UserNamespace): NetNamespace {
    return new NetNamespace(this.#vfs, ++this.#made, owner, this.first.settings.buffers);
  }

  /** What is left behind although no program has a socket: a list for messages, empty when all is well. */
  leaks(): string[] {
    return [...this.unix.leaks(), ...this.netlink.leaks()];
  }

  dispose(): void {
    this.unix.dispose();
  }
}
