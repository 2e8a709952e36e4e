/**
 * Address families of drivers. A driver's operations on sockets never sleep: what would have to wait answers -EAGAIN, and the
 * kernel waits as it does for its own families, on the socket's hook, which the driver fires with `banos_socket_notify`. So
 * non-blocking calls, time-outs, signals, the order of those who wait and every way of polling are right without a line in
 * the driver (net/socket.ts, kernel-core/syscalls/socket-io.ts).
 *
 * The driver knows a socket by a `struct banos_socket` in its heap. In the same block the kernel hands messages and addresses
 * over. A module that went by force leaves sockets behind that answer -ENETDOWN.
 */
import {
  EAFNOSUPPORT,
  EAGAIN,
  EBUSY,
  EINVAL,
  ENETDOWN,
  ENOENT,
  ENOMEM,
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

/** struct banos_socket, and behind it struct banos_message and struct banos_option, and room for an address or a value. */
const SOCKET_SIZE = 32;
const S_FAMILY = 4;
const S_TYPE = 8;
const S_PROTOCOL = 12;
const MESSAGE = 64;
const MESSAGE_SIZE = 40;
const M_FLAGS = MESSAGE + 4;
const M_NAME = MESSAGE + 8;
const M_NAME_LENGTH = MESSAGE + 16;
const M_LENGTH = MESSAGE + 24;
const OPTION = 128;
const OPTION_SIZE = 32;
const O_LEVEL = OPTION + 4;
const O_NAME = OPTION + 8;
const O_LENGTH = OPTION + 12;
const O_VALUE = OPTION + 16;
const ROOM = 192;
/** Longest value of an option. */
const MAX_VALUE = 64;
const BLOCK_SIZE = ROOM + SOCKADDR_MAX;
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
  /** Of its block in the driver's heap. */
  readonly address: number;
  /** Its module went by force. */
  #isOrphan = false;
  #isListening = false;
  /** The driver has accepted it. */
  #isMade = false;
  #isClosed = false;

  /** A socket that the driver does not know yet. @returns -ENOMEM */
  static make(of: DriverFamily, type: number, protocol: number, namespace: NetNamespace): DriverSocket | Err {
    const { drivers, owner } = of;
    const address = drivers.heap.alloc(owner, BLOCK_SIZE, 0);
    if (address === 0) return fail(ENOMEM);
    const { space } = drivers;
    space.fill(address, 0, BLOCK_SIZE);
    space.writeU32(address, SOCKET_SIZE);
    space.writeU32(address + S_FAMILY, of.family);
    space.writeU32(address + S_TYPE, type);
    space.writeU32(address + S_PROTOCOL, protocol);
    return new DriverSocket(of, type, protocol, namespace, address);
  }

  private constructor(of: DriverFamily, type: number, protocol: number, namespace: NetNamespace, address: number) {
    super(namespace);
    this.of = of;
    this.family = of.family;
    this.type = type;
    this.protocol = protocol;
    this.address = address;
    of.sockets++;
    of.owner.holds++;
    of.owner.add(this);
    of.drivers.families.sockets.set(address, this);
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
    const room = this.address + ROOM;
    this.of.drivers.space.fill(room, 0, SOCKADDR_MAX);
    const length = this.#ask('getname', peer ? 1 : 0, room, EOPNOTSUPP);
    return length < 0 ? (length as Err) : this.#take(length);
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
      const result = this.#move('recvmsg', to, flags, this.address + ROOM, SOCKADDR_MAX);
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
    const { space } = this.of.drivers;
    receipt.flags |= space.readU32(this.address + M_FLAGS) & MSG_TRUNC;
    const length = space.readI64(this.address + M_LENGTH);
    return flags & MSG_TRUNC && length > result ? length : result;
  }

  #readSender(receipt: Receipt): void {
    const length = this.of.drivers.space.readU32(this.address + M_NAME_LENGTH);
    receipt.hasMessage = true;
    receipt.address = length > 0 ? this.#take(length) : null;
  }

  override setOption(level: number, option: number, value: DataView | null): number | Err {
    if (value === null) return fail(EINVAL);
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    return this.#option('setsockopt', level, option, bytes) as Err;
  }

  override getOption(level: number, option: number): Uint8Array | Err {
    const result = this.#option('getsockopt', level, option, null);
    if (result < 0) return result as Err;
    const length = this.of.drivers.space.readU32(this.address + O_LENGTH);
    return length <= MAX_VALUE ? this.#take(length) : fail(EINVAL);
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
    const { space, runner, kernel } = drivers;
    const { address } = this;
    space.writeU32(address + MESSAGE, MESSAGE_SIZE);
    space.writeU32(address + M_FLAGS, flags >>> 0);
    space.writeI64(address + M_NAME, name);
    space.writeU32(address + M_NAME_LENGTH, operation === 'sendmsg' ? length : 0);
    space.writeI64(address + M_LENGTH, 0);
    return runner.moveAtomic(owner, kernel.caller, fn, address, iter, address + MESSAGE);
  }

  #option(operation: 'setsockopt' | 'getsockopt', level: number, option: number, value: Uint8Array | null): number {
    if (this.#isOrphan) return fail(ENETDOWN);
    const { space } = this.of.drivers;
    const { address } = this;
    space.writeU32(address + OPTION, OPTION_SIZE);
    space.writeU32(address + O_LEVEL, level >>> 0);
    space.writeU32(address + O_NAME, option >>> 0);
    space.writeU32(address + O_LENGTH, value === null ? MAX_VALUE : value.length);
    space.writeI64(address + O_VALUE, value === null ? address + ROOM : this.#put(value));
    return this.#ask(operation, address + OPTION, 0, EOPNOTSUPP);
  }

  /** Puts bytes where the driver finds them. @returns their address */
  #put(bytes: Uint8Array): number {
    const at = this.address + ROOM;
    if (!this.#isOrphan) this.of.drivers.space.write(at, bytes.subarray(0, SOCKADDR_MAX));
    return at;
  }

  #take(length: number): Uint8Array {
    const bytes = new Uint8Array(Math.min(length, SOCKADDR_MAX));
    this.of.drivers.space.read(this.address + ROOM, bytes);
    return bytes;
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
