/** All that netlink sockets of one kernel share: protocols, and who has which port. */
import { EADDRINUSE, EPROTONOSUPPORT, type Err, ESOCKTNOSUPPORT, fail } from '../../abi/errno.js';
import { MAX_LINKS } from '../../abi/netlink.js';
import { AF_NETLINK, SOCK_DGRAM, SOCK_RAW } from '../../abi/socket.js';
import type { AddressFamily } from '../families.js';
import type { NetNamespace } from '../namespace.js';
import type { SocketCaller } from '../socket.js';
import { type NetlinkProtocol, NetlinkSocket } from './socket.js';

export class NetlinkDomain implements AddressFamily {
  readonly family = AF_NETLINK;
  readonly protocols: ReadonlyMap<number, NetlinkProtocol>;
  readonly sockets = new Set<NetlinkSocket>();
  /** Sockets with a port, of each protocol in each namespace. */
  readonly #ports = new WeakMap<NetNamespace, Map<number, Map<number, NetlinkSocket>>>();

  constructor(protocols: readonly NetlinkProtocol[]) {
    this.protocols = new Map(protocols.map((one) => [one.protocol, one]));
  }

  create(type: number, protocol: number, { netNamespace, cred }: SocketCaller): NetlinkSocket | Err {
    if (type !== SOCK_RAW && type !== SOCK_DGRAM) return fail(ESOCKTNOSUPPORT);
    if (protocol < 0 || protocol >= MAX_LINKS || !this.protocols.has(protocol)) return fail(EPROTONOSUPPORT);
    return new NetlinkSocket(this, netNamespace, cred.userNamespace, type, protocol);
  }

  /** The ports that are the same space as that of `socket`. */
  #around({ namespace, protocol }: NetlinkSocket): Map<number, NetlinkSocket> {
    let protocols = this.#ports.get(namespace);
    if (protocols === undefined) this.#ports.set(namespace, (protocols = new Map()));
    let ports = protocols.get(protocol);
    if (ports === undefined) protocols.set(protocol, (ports = new Map()));
    return ports;
  }

  /** Gives a socket its port. @returns 0, -EADDRINUSE */
  insert(socket: NetlinkSocket): number | Err {
    const ports = this.#around(socket);
    if (ports.has(socket.port)) return fail(EADDRINUSE);
    ports.set(socket.port, socket);
    return 0;
  }

  remove(socket: NetlinkSocket): void {
    this.#around(socket).delete(socket.port);
  }

  /** The socket with a port, as seen by `from`. */
  find(from: NetlinkSocket, port: number): NetlinkSocket | undefined {
    return this.#around(from).get(port);
  }

  /** All that have a port there. */
  bound(from: NetlinkSocket): Iterable<NetlinkSocket> {
    return this.#around(from).values();
  }

  /** What is left behind although no program has a socket. */
  leaks(): string[] {
    return this.sockets.size === 0 ? [] : [`${this.sockets.size} netlink sockets`];
  }
}
