/**
 * A socket as every address family implements it, and its face in the file system.
 *
 * Layers: a `SocketFile` (open file description) leads to a `SocketInode` (fstat, hook of the waiters), and that to a
 * `Socket` (the protocol's state). A connection that nobody has accepted yet is a `Socket` without an inode.
 * Nothing waits here: what would have to wait answers -EAGAIN, and whoever waits hangs on the inode's hook
 * (kernel-core/syscalls/socket-io.ts).
 *
 * Locks: `receiveLock`, `sendLock`, each held only across a wait. No call holds both, nor two sockets' locks.
 */
import type { EventEmitter } from 'eventemitter3';
import { EAGAIN, EINVAL, ENOTTY, ENXIO, EOPNOTSUPP, type Err, fail } from '../abi/errno.js';
import { O_NONBLOCK, O_RDWR } from '../abi/fcntl.js';
import { SOCKFS_MAGIC } from '../abi/mount.js';
import { MSG_DONTWAIT } from '../abi/socket.js';
import { S_IFSOCK } from '../abi/stat.js';
import type { Caller } from '../vfs/caller.js';
import { makeDevice } from '../vfs/devices.js';
import { OpenFile, type UserMemory } from '../vfs/file.js';
import type { VfsEnv } from '../vfs/filesystem.js';
import { AnonymousFs, applyAttributes } from '../vfs/fs/anonymous-fs.js';
import { type AttributeChange, Inode, type InodeEvents, type PollMask } from '../vfs/inode.js';
import type { IoIter } from '../vfs/iter.js';
import type { FsContext } from '../vfs/namei.js';
import { CallLock } from './call-lock.js';
import { type Outgoing, PLAIN, Receipt } from './message.js';
import type { NetNamespace } from './namespace.js';
import { SocketOptions } from './options.js';

/** st_dev of sockets. Major 0, as for the other file systems without a mount. */
const SOCKFS_DEVICE = makeDevice(0, 8);

/** Who makes a call on a socket. Tasks implement it. */
export interface SocketCaller extends Caller {
  /** Where path names start. */
  readonly fs: FsContext;
  /** Soft RLIMIT_NOFILE. */
  readonly fileLimit: number;
  /** Where the sockets that it makes belong to. */
  readonly netNamespace: NetNamespace;
}

/** What the kernel lends to sockets. */
export interface SocketEnv {
  readonly vfs: VfsEnv;
  /** Urgent data has come for the owner of `file` (SIGURG). */
  urgent(file: OpenFile): void;
  /** Fills `target` with random bytes. */
  random(target: Uint8Array): void;
}

export abstract class Socket {
  abstract readonly family: number;
  abstract readonly type: number;
  /** Third argument of socket(2), where a family has more than one. */
  readonly protocol: number = 0;
  readonly namespace: NetNamespace;
  readonly options: SocketOptions;
  /** Null until the connection is accepted, and once the last descriptor is closed. */
  inode: SocketInode | null = null;
  /** Pending error, a positive errno or 0: SO_ERROR, and the result of the next call. */
  error = 0;
  #receiveLock: CallLock | null = null;
  #sendLock: CallLock | null = null;

  constructor(namespace: NetNamespace) {
    this.namespace = namespace;
    this.options = new SocketOptions(namespace.settings);
  }

  /** Held by a read that has to wait, so that those behind it are served in order. */
  get receiveLock(): CallLock {
    this.#receiveLock ??= new CallLock();
    return this.#receiveLock;
  }

  /** Held by a send that has to wait, so that no other one comes between its pieces. */
  get sendLock(): CallLock {
    this.#sendLock ??= new CallLock();
    return this.#sendLock;
  }

  /** Does a call wait for its turn to read? Makes no lock. */
  get isReceiveLocked(): boolean {
    return this.#receiveLock?.isTaken === true;
  }

  get isSendLocked(): boolean {
    return this.#sendLock?.isTaken === true;
  }

  /** Returns the pending error as a result and forgets it. @returns 0 or an error */
  takeError(): number | Err {
    const { error } = this;
    if (error === 0) return 0;
    this.error = 0;
    return -error as Err;
  }

  /** Does a send whose peer is gone raise SIGPIPE? */
  get raisesSigpipe(): boolean {
    return false;
  }

  /** Pieces of one send may be taken one by one, with waits in between. */
  get isStream(): boolean {
    return false;
  }

  get isListening(): boolean {
    return false;
  }

  /** Bytes of memory that are charged to it for what it has not read, and for what others have not. */
  get receiveCharge(): number {
    return 0;
  }

  get sendCharge(): number {
    return 0;
  }

  /** Events ready now. Pure. */
  abstract poll(): PollMask;

  /** @param address as given to bind(2), its family included, `SOCKADDR_MAX` bytes at most */
  bind(_address: Uint8Array, _caller: SocketCaller): number | Err {
    return fail(EOPNOTSUPP);
  }

  listen(_backlog: number, _caller: SocketCaller): number | Err {
    return fail(EOPNOTSUPP);
  }

  /** @param flags MSG_DONTWAIT or 0 @returns 0; -EAGAIN when it must wait for room at the listener */
  connect(_address: Uint8Array, _caller: SocketCaller, _flags: number): number | Err {
    return fail(EOPNOTSUPP);
  }

  /** @param flags MSG_DONTWAIT or 0 @returns the first connection in the queue, without an inode; -EAGAIN */
  accept(_flags: number): Socket | Err {
    return fail(EOPNOTSUPP);
  }

  /** The connection of `accept` could not be handed over. */
  abstract discard(): void;

  /** @returns the address as sockaddr bytes; -ENOTCONN */
  abstract name(peer: boolean): Uint8Array | Err;

  shutdown(_how: number): number | Err {
    return fail(EOPNOTSUPP);
  }

  /** What is told of a send before the control messages that it carries are looked at. @returns 0 or an error */
  refusal(): number | Err {
    return 0;
  }

  /**
   * Sends what can be taken now.
   * @param flags MSG_* @param resumed not the first try of this call
   * @returns bytes taken, of a stream maybe fewer than asked; -EAGAIN, -EPIPE, -EMSGSIZE …
   */
  abstract send(from: IoIter, flags: number, out: Outgoing, caller: Caller, resumed: boolean): number | Err;

  /**
   * Receives what is there. A stream that has less than `receipt.target` answers -EAGAIN, with `receipt.copied` bytes
   * delivered. @returns bytes; 0 at the end; -EAGAIN, -ECONNRESET, -ENOTCONN, -EFAULT …
   */
  abstract receive(to: IoIter, flags: number, receipt: Receipt): number | Err;

  /** Options of other levels than SOL_SOCKET. @param _value null: where it should be is no memory */
  setOption(_level: number, _option: number, _value: DataView | null, _caller: Caller): number | Err {
    return fail(EOPNOTSUPP);
  }

  /** @param _room bytes that the caller has, NaN: unknown @returns the value, which is given as a whole or not at all */
  getOption(_level: number, _option: number, _room: number): Uint8Array | Err {
    return fail(EOPNOTSUPP);
  }

  ioctl(_request: number, _argument: number, _user: UserMemory, _caller: Caller): number | Err {
    return fail(ENOTTY);
  }

  /** The last description is gone. */
  abstract close(): void;

  /** There may be room for sending again. */
  abstract writeSpace(): void;

  notify(mask: PollMask): void {
    if (this.inode !== null) this.inode.notify(mask);
  }
}

const instances = new WeakMap<VfsEnv, AnonymousFs>();

function sockfsOf(env: VfsEnv): AnonymousFs {
  let fs = instances.get(env);
  if (fs === undefined) instances.set(env, (fs = new AnonymousFs(env, 'sockfs', SOCKFS_DEVICE, SOCKFS_MAGIC)));
  return fs;
}

export class SocketInode extends Inode {
  readonly socket: Socket;
  /** The description on it; there is one. */
  file: SocketFile | null = null;
  /** The hook, as those who wait take it. */
  readonly hooks: readonly [EventEmitter<InodeEvents>];

  constructor(env: VfsEnv, socket: Socket, caller: Caller) {
    const fs = sockfsOf(env);
    super(fs, fs.nextIno(), S_IFSOCK | 0o777);
    this.socket = socket;
    this.uid = caller.cred.fsuid;
    this.gid = caller.cred.fsgid;
    this.hooks = [this.hook];
    socket.inode = this;
  }

  override get anonymousName(): string {
    return `socket:[${this.ino}]`;
  }

  override get blocks(): number {
    return 0;
  }

  override poll(): PollMask {
    return this.socket.poll();
  }

  /** Opening one again through /proc/PID/fd is refused. */
  override open(): OpenFile | Err {
    return fail(ENXIO);
  }

  override setAttributes(change: AttributeChange): number | Err {
    return applyAttributes(this, change);
  }
}

const receipt = new Receipt();

export class SocketFile extends OpenFile {
  declare readonly inode: SocketInode;
  readonly socket: Socket;
  /** References by messages that nobody has read yet (SCM_RIGHTS). */
  inFlight = 0;
  /** Told when every reference that is left is one of those: it may be garbage. */
  onlyInFlight: ((file: SocketFile) => void) | null = null;

  /** @param flags O_NONBLOCK or 0 */
  constructor(inode: SocketInode, flags: number) {
    super(inode, O_RDWR | (flags & O_NONBLOCK));
    this.socket = inode.socket;
    inode.file = this;
  }

  override poll(): PollMask {
    return this.socket.poll();
  }

  /** One try, for those that move bytes from file to file; descriptors that come along are dropped. */
  override read(to: IoIter, _position: number, _caller: Caller): number | Err {
    if (to.remaining === 0) return 0;
    const { socket } = this;
    if (socket.isReceiveLocked) return fail(EAGAIN);
    receipt.begin(1);
    const result = socket.receive(to, 0, receipt);
    receipt.drop();
    return result;
  }

  override write(from: IoIter, _position: number, caller: Caller): number | Err {
    const { socket } = this;
    if (socket.isSendLocked) return fail(EAGAIN);
    return socket.send(from, MSG_DONTWAIT, PLAIN, caller, false);
  }

  override ioctl(request: number, argument: number, user: UserMemory, caller: Caller): number | Err {
    return this.socket.ioctl(request, argument, user, caller);
  }

  override fsync(): number | Err {
    return fail(EINVAL);
  }

  override unref(): void {
    super.unref();
    if (this.inFlight > 0 && this.refs === this.inFlight) this.onlyInFlight?.(this);
  }

  protected override release(): void {
    const { socket, inode } = this;
    socket.close();
    inode.file = null;
    socket.inode = null;
    super.release();
  }
}

/** Puts a socket behind a description. @param flags O_NONBLOCK or 0 */
export const openSocket = (env: VfsEnv, socket: Socket, flags: number, caller: Caller): SocketFile =>
  new SocketFile(new SocketInode(env, socket, caller), flags);
