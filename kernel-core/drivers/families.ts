/**
 * Address families of drivers. A driver's operations on sockets never sleep: what would have to wait answers -EAGAIN, and the
 * kernel waits as it does for its own families, on the socket's hook, which the driver fires with `banos_socket_notify`. So
 * non-blocking calls, time-outs, signals, the order of those who wait and every way of polling are right without a line in
 * the driver (net/socket.ts, kernel-core/syscalls/socket-io.ts).
 *
 * The driver knows a socket by a `struct banos_socket` in its heap (socket-block.ts). A module that went by force leaves sockets behind that answer -ENETDOWN.
 */
import {
  EAFNOSUPPORT,
  EAGAIN,
  EBUSY,
  EINVAL,
  ENETDOWN,
  ENOENT,
  ENOTTY,
  EOPNOTSUPP,
  EPROTONOSUPPORT,
  type Err,
  fail,
  isErr,
} from '../../abi/errno.js';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../../abi/poll.js';
import { MSG_PEEK, MSG_TRUNC, SOCK_STREAM, SOCKADDR_MAX } from '../../abi/socket.js';
import type { AddressFamily } from '../../net/families.js';
import type { Outgoing, Receipt } from '../../net/message.js';
import type { NetNamespace } from '../../net/namespace.js';
import { Socket, type SocketCaller } from '../../net/socket.js';
import type { Caller } from '../../vfs/caller.js';
import type { UserMemory } from '../../vfs/file.js';
import type { IoIter } from '../../vfs/iter.js';
import type { Drivers } from './drivers.js';
import type { Owned, Owner } from './owner.js';
import { MAX_VALUE, SocketBlock } from './socket-block.js';

/** struct banos_family_ops: its functions in order, behind size and flags. */
export const FAMILY_OPERATIONS = [
  'create',
  'release',
  'bind',
  'connect',
  'listen',
  'accept',
  'getname',
  'sendmsg',
  'recvmsg',
  'shutdown',
  'ioctl',
  'setsockopt',
  'getsockopt',
  'poll',
  'socketpair',
] as const;
type OperationName = (typeof FAMILY_OPERATIONS)[number];
/** Addresses of the driver's functions; 0: it has none. */
export type FamilyOperations = Readonly<Record<OperationName, number>>;

const GONE = POLLERR | POLLHUP | POLLIN | POLLRDNORM;
const ALWAYS_READY = POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM;
/** A stream's read that goes on asks the driver again as often as this before others have a turn. */
const MAX_PIECES = 1000;

export class DriverFamily implements AddressFamily, Owned {
  readonly drivers: Drivers;
  readonly owner: Owner;
  readonly family: number;
  readonly name: string;
  readonly operations: FamilyOperations;
  /** Sockets that there are. */
  sockets = 0;

  constructor(drivers: Drivers, owner: Owner, family: number, name: string, operations: FamilyOperations) {
    this.drivers = drivers;
    this.owner = owner;
    this.family = family;
    this.name = name;
    this.operations = operations;
  }

  create(type: number, protocol: number, caller: SocketCaller): Socket | Err {
    if (this.owner.isClosing) return fail(EAFNOSUPPORT);
    const socket = DriverSocket.make(this, type, protocol, caller.netNamespace);
    if (isErr(socket)) return socket;
    const result = socket.begin();
    return result < 0 ? (result as Err) : socket;
  }

  createPair(type: number, protocol: number, caller: SocketCaller): [Socket, Socket] | Err {
    const first = this.create(type, protocol, caller);
    if (isErr(first)) return first;
    const second = this.create(type, protocol, caller);
    if (!isErr(second)) {
      const result = (first as DriverSocket).join(second as DriverSocket);
      if (result >= 0) return [first, second];
      second.discard();
      first.discard();
      return result as Err;
    }
    first.discard();
    return second;
  }

  release(): void {
    this.drivers.families.forget(this);
  }
}

/** A driver's socket. */
class DriverSocket extends Socket implements Owned {
  override readonly family: number;
  override readonly type: number;
  override readonly protocol: number;
  readonly of: DriverFamily;
  /** It lies in the driver's heap. */
  readonly #block: SocketBlock;
  /** Its module went by force. */
  #isOrphan = false;
  #isListening = false;
  /** The driver has accepted it. */
  #isMade = false;
  #isClosed = false;

  /** A socket that the driver does not know yet. @returns -ENOMEM */
  static make(of: DriverFamily, type: number, protocol: number, namespace: NetNamespace): DriverSocket | Err {
    const block = SocketBlock.make(of.drivers, of.owner, of.family, type, protocol);
    return isErr(block) ? block : new DriverSocket(of, type, protocol, namespace, block);
  }

  private constructor(of: DriverFamily, type: number, protocol: number, namespace: NetNamespace, block: SocketBlock) {
    super(namespace);
    this.of = of;
    this.family = of.family;
    this.type = type;
    this.protocol = protocol;
    this.#block = block;
    of.sockets++;
    of.owner.holds++;
    of.owner.add(this);
    of.drivers.families.sockets.set(block.address, this);
  }

  /** By which the driver knows it. */
  get address(): number {
    return this.#block.address;
  }

  override get isStream(): boolean {
    return this.type === SOCK_STREAM;
  }

  override get raisesSigpipe(): boolean {
    return this.isStream;
  }

  override get isListening(): boolean {
    return this.#isListening;
  }

  /** Asks the driver for a socket of this type. */
  begin(): number {
    const result = this.#ask('create', 0, 0, EPROTONOSUPPORT);
    if (result < 0) this.#forget();
    else this.#isMade = true;
    return result;
  }

  join(other: DriverSocket): number {
    return this.#ask('socketpair', other.address, 0, EOPNOTSUPP);
  }

  override poll(): number {
    if (this.#isOrphan) return GONE;
    if (this.of.operations.poll === 0) return ALWAYS_READY;
    const mask = this.#ask('poll');
    return (mask < 0 ? GONE : mask & 0xffff) | (this.error === 0 ? 0 : POLLERR);
  }

  override bind(address: Uint8Array): number | Err {
    return this.#ask('bind', this.#put(address), address.length, EOPNOTSUPP) as Err;
  }

  override connect(address: Uint8Array): number | Err {
    const error = this.takeError();
    if (error !== 0) return error;
    return this.#ask('connect', this.#put(address), address.length, EOPNOTSUPP) as Err;
  }

  override listen(backlog: number): number | Err {
    const result = this.#ask('listen', backlog, 0, EOPNOTSUPP);
    if (result === 0) this.#isListening = true;
    return result as Err;
  }

  override accept(): Socket | Err {
    if (this.of.operations.accept === 0) return fail(EOPNOTSUPP);
    const connection = DriverSocket.make(this.of, this.type, this.protocol, this.namespace);
    if (isErr(connection)) return connection;
    const result = this.#ask('accept', connection.address);
    if (result < 0) {
      connection.#forget();
      return result as Err;
    }
    connection.#isMade = true;
    return connection;
  }

  override discard(): void {
    this.close();
  }

  override name(peer: boolean): Uint8Array | Err {
    if (this.#isOrphan) return fail(ENETDOWN);
    this.#block.clearRoom();
    const length = this.#ask('getname', peer ? 1 : 0, this.#block.room, EOPNOTSUPP);
    return length < 0 ? (length as Err) : this.#block.take(length);
  }

  override shutdown(how: number): number | Err {
    if (how < 0 || how > 2) return fail(EINVAL);
    return this.#ask('shutdown', how, 0, EOPNOTSUPP) as Err;
  }

  override send(from: IoIter, flags: number, out: Outgoing): number | Err {
    const error = this.takeError();
    if (error !== 0) return error;
    // Descriptors go through unix sockets only.
    if (out.files !== null) return fail(EINVAL);
    const { address } = out;
    const before = from.remaining;
    const result = this.#move('sendmsg', from, flags, address === null ? 0 : this.#put(address), address?.length ?? 0);
    const moved = before - from.remaining;
    if (result === -EAGAIN && moved > 0) from.rewind(moved);
    return (result >= 0 && this.isStream ? moved : result) as Err;
  }

  override receive(to: IoIter, flags: number, receipt: Receipt): number | Err {
    const error = this.takeError();
    if (error !== 0) return error;
    for (let pieces = 0; ; pieces++) {
      const before = to.remaining;
      const result = this.#move('recvmsg', to, flags, this.#block.room, SOCKADDR_MAX);
      const moved = before - to.remaining;
      if (result < 0) {
        if (moved > 0) to.rewind(moved);
        return receipt.copied > 0 && (result !== -EAGAIN || receipt.copied >= receipt.target)
          ? receipt.copied
          : (result as Err);
      }
      if (!receipt.hasMessage) this.#readSender(receipt);
      if (!this.isStream) return this.#received(flags, receipt, result);
      receipt.copied += moved;
      const isEnough = receipt.copied >= receipt.target || to.remaining === 0;
      if (moved === 0 || isEnough || flags & MSG_PEEK || pieces === MAX_PIECES) return receipt.copied;
    }
  }

  /** @param result bytes that the driver says it has moved */
  #received(flags: number, receipt: Receipt, result: number): number {
    const { messageFlags, messageLength: length } = this.#block;
    receipt.flags |= messageFlags & MSG_TRUNC;
    return flags & MSG_TRUNC && length > result ? length : result;
  }

  #readSender(receipt: Receipt): void {
    const { nameLength } = this.#block;
    receipt.hasMessage = true;
    receipt.address = nameLength > 0 ? this.#block.take(nameLength) : null;
  }

  override setOption(level: number, option: number, value: DataView | null): number | Err {
    if (value === null) return fail(EINVAL);
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    return this.#option('setsockopt', level, option, bytes) as Err;
  }

  override getOption(level: number, option: number): Uint8Array | Err {
    const result = this.#option('getsockopt', level, option, null);
    if (result < 0) return result as Err;
    const { valueLength } = this.#block;
    return valueLength <= MAX_VALUE ? this.#block.take(valueLength) : fail(EINVAL);
  }

  override ioctl(request: number, argument: number, _user: UserMemory, _caller: Caller): number | Err {
    return this.#ask('ioctl', request, argument, ENOTTY) as Err;
  }

  override close(): void {
    if (this.#isClosed) return;
    if (this.#isMade) this.#ask('release');
    this.#forget();
  }

  override writeSpace(): void {
    this.notify(POLLOUT | POLLWRNORM);
  }

  /** Its module goes by force; its block goes with the heap. */
  release(): void {
    this.#isOrphan = true;
    this.of.drivers.families.sockets.delete(this.address);
    this.notify(GONE);
  }

  #forget(): void {
    const { of, address } = this;
    this.#isClosed = true;
    of.sockets--;
    of.owner.holds--;
    of.owner.remove(this);
    if (this.#isOrphan) return;
    of.drivers.families.sockets.delete(address);
    of.drivers.heap.free(address);
  }

  /** Calls the driver. @param missing errno when it has no such operation */
  #ask(operation: OperationName, a = 0, b = 0, missing = 0): number {
    const { drivers, owner, operations } = this.of;
    if (this.#isOrphan) return fail(ENETDOWN);
    const fn = operations[operation];
    return fn === 0 ? -missing : drivers.callNow(owner, fn, [this.address, a, b], false);
  }

  #move(operation: 'sendmsg' | 'recvmsg', iter: IoIter, flags: number, name: number, length: number): number {
    const { drivers, owner, operations } = this.of;
    if (this.#isOrphan) return fail(ENETDOWN);
    const fn = operations[operation];
    if (fn === 0) return fail(EOPNOTSUPP);
    const { runner, kernel } = drivers;
    const { address, message } = this.#block;
    this.#block.setMessage(flags, name, operation === 'sendmsg' ? length : 0);
    return runner.moveAtomic(owner, kernel.caller, fn, address, iter, message);
  }

  #option(operation: 'setsockopt' | 'getsockopt', level: number, option: number, value: Uint8Array | null): number {
    if (this.#isOrphan) return fail(ENETDOWN);
    this.#block.setOption(level, option, value);
    return this.#ask(operation, this.#block.option, 0, EOPNOTSUPP);
  }

  /** Puts bytes where the driver finds them. @returns their address */
  #put(bytes: Uint8Array): number {
    return this.#isOrphan ? this.#block.room : this.#block.put(bytes);
  }
}

/** The families that drivers have brought. */
export class DriverFamilies {
  /** By the address that the driver knows them by. */
  readonly sockets = new Map<number, Socket>();
  readonly #families = new Set<DriverFamily>();

  register(family: DriverFamily): number | Err {
    const result = family.drivers.kernel.net.families.register(family);
    if (result !== 0) return result;
    this.#families.add(family);
    family.owner.add(family);
    return 0;
  }

  /** @returns -ENOENT; -EBUSY while there are sockets */
  unregister(owner: Owner, number: number): number | Err {
    for (const family of this.#families) {
      if (family.owner !== owner || family.family !== number) continue;
      if (family.sockets > 0) return fail(EBUSY);
      owner.remove(family);
      this.forget(family);
      return 0;
    }
    return fail(ENOENT);
  }

  forget(family: DriverFamily): void {
    family.drivers.kernel.net.families.unregister(family);
    this.#families.delete(family);
  }

  /** Lines of /proc/banos/families: number, name, module, sockets. */
  describe(): string {
    return [...this.#families]
      .map(({ family, name, owner, sockets }) => `${family} ${name} ${owner.name} ${sockets}\n`)
      .join('');
  }
}
