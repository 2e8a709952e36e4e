/**
 * Netlink sockets: datagrams to the kernel, which answers by datagrams, and to other sockets by port number or group.
 *
 * The kernel takes a request while the sender's call lasts: its answers are in the socket's queue when send returns. A
 * dump is longer than a datagram: its next piece is made whenever one is read and the queue is short enough.
 * @source netlink(7); Linux net/netlink/af_netlink.c
 */

import { CAP_NET_ADMIN } from '../../abi/capability.js';
import {
  EAGAIN,
  EBUSY,
  ECONNREFUSED,
  EFAULT,
  EINVAL,
  EMSGSIZE,
  ENOBUFS,
  ENODATA,
  EOPNOTSUPP,
  EPERM,
  type Err,
  fail,
  isErr,
} from '../../abi/errno.js';
import * as abi from '../../abi/netlink.js';
import { POLLERR, POLLIN, POLLOUT, POLLRDNORM, POLLWRBAND, POLLWRNORM } from '../../abi/poll.js';
import { AF_NETLINK, AF_UNSPEC, MSG_DONTWAIT, MSG_OOB, MSG_PEEK, MSG_TRUNC } from '../../abi/socket.js';
import type { Caller } from '../../vfs/caller.js';
import { capableIn } from '../../vfs/capability.js';
import type { PollMask } from '../../vfs/inode.js';
import type { IoIter } from '../../vfs/iter.js';
import type { UserNamespace } from '../../vfs/user-namespace.js';
import type { Outgoing, Receipt } from '../message.js';
import type { NetNamespace } from '../namespace.js';
import { Socket, type SocketCaller } from '../socket.js';
import type { NetlinkDomain } from './domain.js';
import { align, MessageWriter, type Request, requestsIn } from './message.js';
import { NetlinkOptions } from './options.js';

/** What answers requests of one protocol. */
export interface NetlinkProtocol {
  /** NETLINK_*. */
  readonly protocol: number;
  /** @returns 0 (told only to who asked for it), an error (told), or ANSWERED: nothing more is to be said */
  request(request: Request, from: NetlinkSocket): number | Err;
}

/** Many answers to one request. */
export interface Dump {
  readonly request: Request;
  /** Writes what there is room for; nothing: it is over. */
  fill(writer: MessageWriter): void;
}

/** Not an errno: a dump has begun. */
export const ANSWERED = 1;

/** A message in a queue. */
interface Datagram {
  readonly bytes: Uint8Array;
  /** Of the sender; 0: the kernel. */
  readonly port: number;
  /** It was sent to: 1 and up; 0: to a port. */
  readonly group: number;
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

const READABLE = POLLIN | POLLRDNORM;
const WRITABLE = POLLOUT | POLLWRNORM | POLLWRBAND;

/** What a queued datagram takes beside its bytes, and what a message may fall short of the send buffer by, at least. */
const OVERHEAD = 768;
const MESSAGE_OVERHEAD = 32;
/** Bytes of a dump's piece for who has not read with more room, and for whoever has. @source NLMSG_GOODSIZE; netlink_recvmsg */
const FIRST_PIECE = 3776;
const LONGEST_PIECE = 32_448;
/** Ports that the kernel gives when the process id is taken: from here down. @source netlink_autobind */
const LAST_PORT = -4097;

const chargeOf = ({ bytes }: Datagram): number => bytes.length + OVERHEAD;
const maskOf = (group: number): number => (group === 0 ? 0 : (1 << (group - 1)) >>> 0);
/** The first group in a mask, from 1 on; 0: none. */
const groupOf = (mask: number): number => (mask === 0 ? 0 : 32 - Math.clz32(mask & -mask));

function sockaddr(port: number, groups: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(abi.SOCKADDR_NL_SIZE));
  view.setUint16(0, AF_NETLINK, true);
  view.setUint32(abi.NL_PID, port, true);
  view.setUint32(abi.NL_GROUPS, groups, true);
  return new Uint8Array(view.buffer);
}

/** @returns the address; -EINVAL for what is none */
function readSockaddr(bytes: Uint8Array): { port: number; groups: number } | Err {
  if (bytes.length < abi.SOCKADDR_NL_SIZE) return fail(EINVAL);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint16(0, true) !== AF_NETLINK) return fail(EINVAL);
  return { port: view.getUint32(abi.NL_PID, true), groups: view.getUint32(abi.NL_GROUPS, true) };
}

export class NetlinkSocket extends Socket {
  override readonly family = AF_NETLINK;
  override readonly type: number;
  override readonly protocol: number;
  readonly domain: NetlinkDomain;
  /** Options of SOL_NETLINK. */
  readonly own: NetlinkOptions;
  /** Of who made it: what it tells of users is in the numbers of this one. */
  readonly viewer: UserNamespace;
  /** Its own number in the protocol; 0: none yet. One that it was refused shows, too. */
  port = 0;
  /** Where messages without an address go. */
  #peer = { port: 0, group: 0 };
  #isConnected = false;
  #isBound = false;
  readonly #queue: Datagram[] = [];
  #charged = 0;
  /** Something was lost: nothing more comes in until the queue is empty. */
  #isCongested = false;
  #dump: Dump | null = null;
  /** Most room that a receive had. */
  #longestRoom = 0;
  /** Senders that wait for room. */
  readonly #stalled = new Set<NetlinkSocket>();

  constructor(domain: NetlinkDomain, namespace: NetNamespace, viewer: UserNamespace, type: number, protocol: number) {
    super(namespace);
    this.viewer = viewer;
    this.own = new NetlinkOptions(namespace.userNamespace);
    this.domain = domain;
    this.type = type;
    this.protocol = protocol;
    domain.sockets.add(this);
  }

  override poll(): PollMask {
    return (this.error === 0 ? 0 : POLLERR) | (this.#queue.length > 0 ? READABLE : 0) | WRITABLE;
  }

  override get receiveCharge(): number {
    return this.#charged;
  }

  // Addresses.

  override name(peer: boolean): Uint8Array {
    return peer ? sockaddr(this.#peer.port, maskOf(this.#peer.group)) : sockaddr(this.port, this.own.groups);
  }

  override bind(address: Uint8Array, caller: SocketCaller): number | Err {
    const name = readSockaddr(address);
    if (isErr(name)) return name;
    if (this.#isBound && name.port !== this.port) return fail(EINVAL);
    const bound = this.#isBound ? 0 : name.port === 0 ? this.#autobind(caller) : this.#bindTo(name.port);
    if (bound !== 0) return bound;
    if (name.groups !== 0 || this.own.groups !== 0) this.own.groups = name.groups;
    return 0;
  }

  #bindTo(port: number): number | Err {
    this.port = port;
    const taken = this.domain.insert(this);
    this.#isBound = taken === 0;
    return taken;
  }

  /** Takes the process id for a number, or one that no process has. */
  #autobind(caller: Caller): number | Err {
    if (this.#bindTo(caller.pid) === 0) return 0;
    let port = LAST_PORT;
    while (this.#bindTo(port >>> 0) !== 0) port--;
    return 0;
  }

  override connect(address: Uint8Array, caller: SocketCaller): number | Err {
    if (address.length < 2) return fail(EINVAL);
    if ((address[0]! | (address[1]! << 8)) === AF_UNSPEC) {
      this.#peer = { port: 0, group: 0 };
      this.#isConnected = false;
      return 0;
    }
    const name = readSockaddr(address);
    if (isErr(name)) return name;
    if ((name.port !== 0 || name.groups !== 0) && !this.#isAdministrator(caller)) return fail(EPERM);
    if (!this.#isBound) this.#autobind(caller);
    this.#peer = { port: name.port, group: groupOf(name.groups) };
    this.#isConnected = true;
    return 0;
  }

  // Sending.

  override send(from: IoIter, flags: number, out: Outgoing, caller: Caller): number | Err {
    if (flags & MSG_OOB) return fail(EOPNOTSUPP);
    const size = from.remaining;
    if (size === 0) return fail(ENODATA);
    const target = this.#targetOf(out, caller);
    if (isErr(target)) return target;
    if (!this.#isBound) this.#autobind(caller);
    if (size > this.options.sendBuffer - MESSAGE_OVERHEAD) return fail(EMSGSIZE);
    const bytes = new Uint8Array(size);
    if (from.take(bytes, 0, size) !== size) return fail(EFAULT);
    const sender = out.pid === 0 ? { pid: caller.pid, uid: caller.cred.uid, gid: caller.cred.gid } : out;
    const { pid, uid, gid } = sender;
    const datagram = { bytes, port: this.port, group: target.group, pid, uid, gid };
    if (target.group !== 0) this.#broadcast(datagram, target);
    const error = target.port === 0 ? this.#toKernel(bytes) : this.#unicast(datagram, target.port, flags);
    if (error === -EAGAIN) from.rewind(size);
    return error < 0 ? error : size;
  }

  #isAdministrator({ cred }: Caller): boolean {
    return capableIn(cred, this.namespace.userNamespace, CAP_NET_ADMIN);
  }

  #targetOf({ address }: Outgoing, caller: Caller): { port: number; group: number } | Err {
    if (address === null) return this.#peer;
    const name = readSockaddr(address);
    if (isErr(name)) return name;
    const target = { port: name.port, group: groupOf(name.groups) };
    return (target.port !== 0 || target.group !== 0) && !this.#isAdministrator(caller) ? fail(EPERM) : target;
  }

  #unicast(datagram: Datagram, port: number, flags: number): number | Err {
    const other = this.domain.find(this, port);
    if (other === undefined || (other.#isConnected && other.#peer.port !== this.port)) return fail(ECONNREFUSED);
    if (other.#deliver(datagram)) return 0;
    if ((flags & MSG_DONTWAIT) === 0) other.#stalled.add(this);
    return fail(EAGAIN);
  }

  /** To all members of the group; who has no room for it has lost it. */
  #broadcast(datagram: Datagram, { port, group }: { port: number; group: number }): void {
    for (const other of this.domain.bound(this)) {
      if (other === this || other.port === port || (other.own.groups & maskOf(group)) === 0) continue;
      if (!other.#deliver(datagram)) other.#overrun();
    }
  }

  #toKernel(bytes: Uint8Array): number {
    for (const request of requestsIn(bytes)) {
      const { flags, type } = request;
      let result: number = 0;
      if (flags & abi.NLM_F_REQUEST && type >= abi.NLMSG_MIN_TYPE) {
        result = this.domain.protocols.get(this.protocol)!.request(request, this);
      }
      if (result < 0 || (result === 0 && flags & abi.NLM_F_ACK)) this.#acknowledge(request, result);
    }
    return 0;
  }

  // Answers of the kernel.

  /** Makes one datagram of messages. @param room bytes @returns what `write` returned, unless it is 0 and there is no room */
  answer(room: number, write: (writer: MessageWriter) => number | Err): number | Err {
    const writer = new MessageWriter(room);
    const error = write(writer);
    if (error !== 0) return error;
    return this.#fromKernel(writer.bytes.slice()) ? 0 : fail(EAGAIN);
  }

  /** A message that says how a request went, with the request if it went wrong. */
  #acknowledge({ bytes, sequence }: Request, error: number): void {
    const isWhole = error !== 0 && !this.own.has(abi.NETLINK_CAP_ACK);
    const told = isWhole ? bytes : bytes.subarray(0, abi.NLMSG_HDRLEN);
    const payload = 4 + align(told.length);
    const flags = isWhole ? 0 : abi.NLM_F_CAPPED;
    this.answer(abi.NLMSG_HDRLEN + payload, (writer) => {
      const message = writer.begin(abi.NLMSG_ERROR, flags, sequence, this.port, payload)!;
      message.setInt32(0, error, true);
      for (let i = 0; i < told.length; i++) message.setUint8(4 + i, told[i]!);
      return 0;
    });
  }

  /** @returns ANSWERED; -EBUSY: one is under way; -ENOBUFS */
  startDump(dump: Dump): number | Err {
    if (this.#dump !== null) return fail(EBUSY);
    this.#dump = dump;
    return this.#continueDump() || ANSWERED;
  }

  /** Makes the next piece of the dump. @returns 0, -ENOBUFS */
  #continueDump(): number | Err {
    const dump = this.#dump!;
    if (this.#charged >= this.options.receiveBuffer) return fail(ENOBUFS);
    const writer = new MessageWriter(Math.max(FIRST_PIECE, this.#longestRoom));
    dump.fill(writer);
    if (writer.bytes.length === 0) {
      this.#dump = null;
      writer.begin(abi.NLMSG_DONE, abi.NLM_F_MULTI, dump.request.sequence, this.port, 4);
    }
    this.#enqueue(kernelDatagram(writer.bytes.slice()));
    return 0;
  }

  #fromKernel(bytes: Uint8Array): boolean {
    const isTaken = this.#deliver(kernelDatagram(bytes));
    if (!isTaken) this.#overrun();
    return isTaken;
  }

  /** Queues a datagram if there is room. */
  #deliver(datagram: Datagram): boolean {
    if (this.#isCongested) return false;
    if (this.#charged > 0 && this.#charged + chargeOf(datagram) > this.options.receiveBuffer) return false;
    this.#enqueue(datagram);
    return true;
  }

  #enqueue(datagram: Datagram): void {
    this.#queue.push(datagram);
    this.#charged += chargeOf(datagram);
    this.notify(READABLE);
  }

  /** A message is lost, and the reader is told so. */
  #overrun(): void {
    if (this.own.has(abi.NETLINK_NO_ENOBUFS) || this.#isCongested) return;
    this.#isCongested = true;
    this.error = ENOBUFS;
    this.notify(POLLERR);
  }

  // Receiving.

  override receive(to: IoIter, flags: number, receipt: Receipt): number | Err {
    if (flags & MSG_OOB) return fail(EOPNOTSUPP);
    const error = this.takeError();
    if (error !== 0) return error;
    const datagram = this.#queue[0];
    if (datagram === undefined) return fail(EAGAIN);
    this.#longestRoom = Math.min(Math.max(this.#longestRoom, to.remaining), LONGEST_PIECE);
    const { length } = datagram.bytes;
    const size = Math.min(length, to.remaining);
    if (size < length) receipt.flags |= MSG_TRUNC;
    const copied = size === 0 ? 0 : to.put(datagram.bytes, 0, size);
    receipt.hasMessage = true;
    receipt.address = sockaddr(datagram.port, maskOf(datagram.group));
    receipt.hasIdentity = true;
    receipt.pid = datagram.pid;
    receipt.uid = datagram.uid;
    receipt.gid = datagram.gid;
    if (this.own.has(abi.NETLINK_PKTINFO)) receipt.group = datagram.group;
    receipt.copied = size;
    if ((flags & MSG_PEEK) === 0) this.#remove(datagram);
    if (this.#dump !== null && this.#charged <= this.options.receiveBuffer / 2) {
      const failed = this.#continueDump();
      if (failed !== 0) this.error = -failed;
    }
    if (copied !== size) return fail(EFAULT);
    return flags & MSG_TRUNC ? length : size;
  }

  #remove(datagram: Datagram): void {
    this.#queue.shift();
    this.#charged -= chargeOf(datagram);
    if (this.#queue.length === 0) this.#isCongested = false;
    if (!this.#isCongested) this.#wakeStalled();
  }

  #wakeStalled(): void {
    const stalled = [...this.#stalled];
    this.#stalled.clear();
    for (const one of stalled) one.notify(WRITABLE);
  }

  override writeSpace(): void {
    this.notify(WRITABLE);
  }

  // Options of its own level.

  override setOption(level: number, option: number, value: DataView | null, caller: Caller): number | Err {
    return this.own.set(level, option, value, caller);
  }

  override getOption(level: number, option: number, room: number): Uint8Array | Err {
    return this.own.get(level, option, room);
  }

  override discard(): void {
    this.close();
  }

  override close(): void {
    this.domain.sockets.delete(this);
    if (this.#isBound) this.domain.remove(this);
    this.#isBound = false;
    this.#queue.length = 0;
    this.#charged = 0;
    this.#dump = null;
    this.#wakeStalled();
  }
}

/** @param bytes nobody else has */
const kernelDatagram = (bytes: Uint8Array): Datagram => ({ bytes, port: 0, group: 0, pid: 0, uid: 0, gid: 0 });
