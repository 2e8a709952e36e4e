/** Network namespaces and their sockets as procfs shows them. */

import { CAP_NET_ADMIN } from '../../abi/capability.js';
import type { NetNamespace } from '../../net/namespace.js';
import { ESTABLISHED, type UnixSocket } from '../../net/unix/socket.js';
import { capableIn } from '../../vfs/capability.js';
import { namespaceInode } from '../../vfs/fs/nsfs.js';
import type { ProcNetwork, ProcUnixSocket } from '../../vfs/fs/procfs/source.js';
import { INVALID_ID } from '../../vfs/user-namespace.js';
import type { Kernel } from '../kernel.js';

/** Socket states of the column St. @source uapi/linux/net.h */
const SS_UNCONNECTED = 1;
const SS_CONNECTING = 2;
const SS_CONNECTED = 3;
const SS_DISCONNECTING = 4;

function stateOf({ inode, state }: UnixSocket): number {
  if (inode === null) return state === ESTABLISHED ? SS_CONNECTING : SS_DISCONNECTING;
  return state === ESTABLISHED ? SS_CONNECTED : SS_UNCONNECTED;
}

/** sun_path without the final zero of a path. */
function pathOf({ address }: UnixSocket): string {
  if (address === null) return '';
  const text = String.fromCharCode(...address.bytes.subarray(2));
  return text.startsWith('\0') ? text : text.slice(0, -1);
}

/** The socket's own two, and that of the other end as long as it is there. */
const referencesOf = (socket: UnixSocket): number =>
  socket.peer !== null && !socket.peer.isDead && socket.peer.peer === socket ? 3 : 2;

function* unixSockets({ net }: Kernel, namespace: NetNamespace): Iterable<ProcUnixSocket> {
  for (const socket of net.unix.sockets) {
    if (socket.namespace !== namespace) continue;
    yield {
      references: referencesOf(socket),
      isListening: socket.isListening,
      type: socket.type,
      state: stateOf(socket),
      ino: socket.inode?.ino ?? 0,
      path: pathOf(socket),
    };
  }
}

const networks = new WeakMap<NetNamespace, ProcNetwork>();

/** The same object for the same namespace, as its directories are. */
export function procNetwork(kernel: Kernel, namespace: NetNamespace): ProcNetwork {
  let network = networks.get(namespace);
  if (network === undefined) networks.set(namespace, (network = makeNetwork(kernel, namespace)));
  return network;
}

const orSuperuser = (id: number): number => (id === INVALID_ID ? 0 : id);

const makeNetwork = (kernel: Kernel, namespace: NetNamespace): ProcNetwork => ({
  settings: namespace.settings,
  isFirst: namespace.isFirst,
  get owner() {
    const { users, groups } = namespace.userNamespace;
    return { uid: orSuperuser(users.toKernel(0)), gid: orSuperuser(groups.toKernel(0)) };
  },
  isAdministrator: (cred) => capableIn(cred, namespace.userNamespace, CAP_NET_ADMIN),
  inode: namespaceInode(kernel.vfsEnv, namespace),
  unixSockets: () => unixSockets(kernel, namespace),
});
