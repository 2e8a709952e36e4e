/**
 * What unix sockets of all types have in common: state, peer, address, receive queue, and the accounting of what a
 * sender has in others' queues. Streams, datagrams and sequenced packets build on it.
 *
 *   closed ──listen──► listening          closed ──connect, socketpair──► established
 *
 * The states are TCP's, as Linux uses them here; a shut-down or orphaned connection stays established, what has gone
 * shows in `shutMask`. Life of a connection: connect makes the server's end and puts it into the listener's `pending`;
 * both ends can send at once; accept gives it an inode. @source unix(7); Linux net/unix/af_unix.c
 */
import { CAP_SYS_ADMIN, CAP_SYS_RESOURCE } from '../../abi/capability.js';
import { EAGAIN, ECONNRESET, EINVAL, ENOTCONN, EPIPE, type Err, ETOOMANYREFS, fail } from '../../abi/errno.js';
import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLPRI,
  POLLRDBAND,
  POLLRDHUP,
  POLLRDNORM,
  POLLWRBAND,
  POLLWRNORM,
} from '../../abi/poll.js';
import { AF_UNIX, SHUT_RDWR, SIOCATMARK, SIOCINQ, SIOCOUTQ } from '../../abi/socket.js';
import type { Caller } from '../../vfs/caller.js';
import { capable } from '../../vfs/capability.js';
import type { UserMemory } from '../../vfs/file.js';
import type { PollMask } from '../../vfs/inode.js';
import { dropFiles, type Outgoing, type PassedFiles, type Receipt } from '../message.js';
import type { NetNamespace } from '../namespace.js';
import { Socket, type SocketCaller } from '../socket.js';
import { dropAddress, UNNAMED, type UnixAddress } from './address.js';
import { type Chunk, ChunkQueue } from './chunk.js';
import type { UnixDomain } from './domain.js';

/** Socket states. @source Linux net/tcp_states.h */
export const ESTABLISHED = 1;
export const CLOSED = 7;
export const LISTENING = 10;

/** Bits of `shutMask`. */
export const SHUT_RECEIVE = 1;
export const SHUT_SEND = 2;
export const SHUT_BOTH = 3;

export const READABLE = POLLIN | POLLRDNORM;
export const WRITABLE = POLLOUT | POLLWRNORM | POLLWRBAND;
const DATA_READY = READABLE | POLLRDBAND;
/** A change of state: whatever one waits for may have come. */
const ANYTHING = READABLE | WRITABLE | POLLRDBAND | POLLRDHUP | POLLPRI | POLLHUP | POLLERR;

/** Whose end of a connection it is. @source SO_PEERCRED: as of connect, listen or socketpair */
export interface PeerIdentity {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly who: Caller;
}

export function identityOf(who: Caller): PeerIdentity {
  const { pid, cred } = who;
  return { pid, uid: cred.euid, gid: cred.egid, groups: cred.groups, who };
}

export abstract class UnixSocket extends Socket {
  override readonly family = AF_UNIX;
  readonly domain: UnixDomain;
  state = CLOSED;
  /** SHUT_RECEIVE, SHUT_SEND. */
  shutMask = 0;
  /** Closed by its owner; others may still point here. */
  isDead = false;
  /** The other end, or where datagrams go to. It stays after that end is closed. */
  peer: UnixSocket | null = null;
  peerIdentity: PeerIdentity | null = null;
  address: UnixAddress | null = null;
  readonly queue = new ChunkQueue();
  /** True size of what this socket has in others' queues. */
  charged = 0;
  /** Connections that wait for accept, oldest first. */
  readonly pending: UnixSocket[] = [];
  /** The queue is full when it is longer. */
  backlog: number;
  /** The piece with the newest urgent byte. */
  urgent: Chunk | null = null;
  /** Senders that found the queue full, and wait or have been told so by poll. */
  #stalled: Set<UnixSocket> | null = null;
  /** Sockets whose `#stalled` it stands in. */
  #stalledAt: Set<UnixSocket> | null = null;

  constructor(domain: UnixDomain, namespace: NetNamespace) {
    super(namespace);
    this.domain = domain;
    this.backlog = namespace.settings.maxDatagrams;
    domain.sockets.add(this);
  }

  override get isListening(): boolean {
    return this.state === LISTENING;
  }

  /** Datagrams and connections are bounded by their number. */
  get isQueueFull(): boolean {
    return Math.max(this.queue.length, this.pending.length) > this.backlog;
  }

  /** Can this socket be sent to without waiting, as far as its own buffer goes? */
  get hasRoom(): boolean {
    return this.state !== LISTENING && this.charged * 4 <= this.options.sendBuffer;
  }

  /** Wants to know who sends: identities are noted in messages to it. */
  get wantsIdentity(): boolean {
    return this.options.passCredentials || this.options.passPidfd;
  }

  override get sendCharge(): number {
    return this.charged;
  }

  // Addresses.

  override bind(address: Uint8Array, caller: SocketCaller): number | Err {
    return this.domain.names.bind(this, address, caller);
  }

  override name(peer: boolean): Uint8Array | Err {
    const socket = peer ? this.peer : this;
    if (socket === null) return fail(ENOTCONN);
    return socket.address === null ? UNNAMED : socket.address.bytes;
  }

  /** Who wants to know the senders must be nameable. */
  autobind(): number | Err {
    return this.wantsIdentity && this.address === null ? this.domain.names.autobind(this) : 0;
  }

  /** socketpair(2). */
  join(other: UnixSocket, caller: SocketCaller): void {
    this.peer = other;
    other.peer = this;
    this.state = ESTABLISHED;
    other.state = ESTABLISHED;
    this.peerIdentity = identityOf(caller);
    other.peerIdentity = this.peerIdentity;
  }

  // Events.

  dataReady(urgent = 0): void {
    this.notify(DATA_READY | urgent);
  }

  protected stateChanged(): void {
    this.notify(ANYTHING);
  }

  override writeSpace(): void {
    if (this.inode !== null && this.hasRoom) this.notify(WRITABLE);
  }

  /** Errors, ends and data, which all types show alike. */
  protected pollInput(): PollMask {
    const { shutMask } = this;
    let mask = this.error !== 0 ? POLLERR : 0;
    if (shutMask === SHUT_BOTH) mask |= POLLHUP;
    if (shutMask & SHUT_RECEIVE) mask |= POLLRDHUP | READABLE;
    if (this.queue.first !== null || this.pending.length > 0) mask |= READABLE;
    return mask;
  }

  /** `this` waits, or tells somebody that it would have to wait, for room in the queue of `target`. */
  stallAt(target: UnixSocket): void {
    (target.#stalled ??= new Set()).add(this);
    (this.#stalledAt ??= new Set()).add(target);
  }

  /** There is room in the queue, or there never will be: those who wait for it try again. */
  wakeStalled(): void {
    const stalled = this.#stalled;
    if (stalled === null || stalled.size === 0) return;
    const all = [...stalled];
    stalled.clear();
    for (const socket of all) {
      socket.#stalledAt?.delete(this);
      socket.notify(WRITABLE);
    }
  }

  #leaveStalled(): void {
    for (const target of this.#stalledAt ?? []) target.#stalled?.delete(this);
    this.#stalledAt = null;
  }

  // Sending: one piece.

  /** May a piece be made now? @returns 0; the pending error, -EPIPE, -EAGAIN */
  protected mayAllocate(): number | Err {
    const error = this.takeError();
    if (error !== 0) return error;
    if (this.shutMask & SHUT_SEND) return fail(EPIPE);
    return this.charged < this.options.sendBuffer ? 0 : fail(EAGAIN);
  }

  /** Takes `length` bytes of a message into a piece that is charged to this socket. */
  protected makeChunk(from: Outgoing, files: PassedFiles | null, caller: Caller, truesize: number): Chunk | Err {
    if (files !== null && this.#hasTooMany(caller)) return fail(ETOOMANYREFS);
    const chunk = this.domain.takeChunk();
    chunk.sender = this;
    chunk.truesize = truesize;
    chunk.files = files;
    if (from.pid !== 0) {
      chunk.pid = from.pid;
      chunk.uid = from.uid;
      chunk.gid = from.gid;
      chunk.who = from.who;
    }
    this.charged += truesize;
    return chunk;
  }

  /** A user's descriptors in flight are limited to what one process may have open. */
  #hasTooMany(caller: Caller): boolean {
    const limit = (caller as Partial<SocketCaller>).fileLimit;
    if (limit === undefined) return false;
    if (capable(caller.cred, CAP_SYS_RESOURCE) || capable(caller.cred, CAP_SYS_ADMIN)) return false;
    return this.domain.inFlight.of(caller.cred.uid) > limit;
  }

  /** Puts a piece into the queue of `other`, with the sender's identity if one of the two wants it. */
  protected enqueue(other: UnixSocket, chunk: Chunk, caller: Caller): void {
    if (chunk.pid === 0 && (this.wantsIdentity || other.wantsIdentity || other.inode === null)) {
      chunk.pid = caller.pid;
      chunk.uid = caller.cred.uid;
      chunk.gid = caller.cred.gid;
      chunk.who = caller;
    }
    if (chunk.files !== null) this.domain.inFlight.add(chunk.files);
    other.queue.push(chunk);
  }

  /** A piece is done with: memory and charge go back, descriptors in it are closed. Not in any queue any more. */
  protected free(chunk: Chunk): void {
    const { files, sender, truesize } = chunk;
    chunk.files = null;
    chunk.empty(this.domain.slots);
    this.domain.recycle(chunk);
    if (sender !== null) {
      sender.charged -= truesize;
      sender.writeSpace();
    }
    if (files !== null) dropFiles(files.files);
  }

  /**
   * A piece that was never queued: its descriptors stay with the caller, who gives them back.
   * @param waits the call is about to sleep: the room that it gives back is no news to itself
   */
  protected abandon(chunk: Chunk, waits = false): void {
    chunk.files = null;
    chunk.empty(this.domain.slots);
    this.charged -= chunk.truesize;
    this.domain.recycle(chunk);
    if (!waits) this.writeSpace();
  }

  // Receiving.

  /** Hands over the descriptors of a piece that is being read. */
  protected takeFiles(chunk: Chunk, receipt: Receipt): void {
    const { files } = chunk;
    if (files === null) return;
    chunk.files = null;
    this.domain.inFlight.remove(files);
    receipt.files = files.files;
  }

  /** Hands over copies of the descriptors of a piece that is peeked at. */
  protected peekFiles(chunk: Chunk, receipt: Receipt): void {
    if (chunk.files !== null) receipt.files = chunk.files.files.map((file) => file.ref());
  }

  /** SO_PEEK_OFF moves on by what was peeked, back by what was read. */
  protected movePeekOffset(count: number): void {
    const { options } = this;
    if (options.peekOffset >= 0) options.peekOffset = Math.max(0, options.peekOffset + count);
  }

  protected noteAddress(chunk: Chunk, receipt: Receipt): void {
    if (receipt.hasMessage) return;
    receipt.hasMessage = true;
    receipt.address = chunk.sender!.address?.bytes ?? null;
  }

  /** Bytes that SIOCINQ tells. */
  abstract inputSize(): number;

  override ioctl(request: number, argument: number, user: UserMemory, caller: Caller): number | Err {
    switch (request) {
      case SIOCINQ:
        return this.state === LISTENING ? fail(EINVAL) : writeInt(user, argument, this.inputSize());
      case SIOCOUTQ:
        return writeInt(user, argument, this.charged);
      case SIOCATMARK:
        return writeInt(user, argument, this.isAtMark ? 1 : 0);
      default:
        return super.ioctl(request, argument, user, caller);
    }
  }

  /** The next byte to be read is the urgent one, or that one has been read out of the stream here. */
  get isAtMark(): boolean {
    const { first } = this.queue;
    if (first === null) return false;
    const { urgent } = this;
    return first === urgent || (first.left === 0 && (urgent === null || first.next === urgent));
  }

  // The end.

  override shutdown(how: number): number | Err {
    if (how < 0 || how > SHUT_RDWR) return fail(EINVAL);
    const mask = how + 1;
    this.shutMask |= mask;
    const { peer } = this;
    this.stateChanged();
    if (peer !== null && this.#isConnectionType) {
      const theirs = (mask & SHUT_RECEIVE ? SHUT_SEND : 0) | (mask & SHUT_SEND ? SHUT_RECEIVE : 0);
      peer.shutMask |= theirs;
      peer.stateChanged();
    }
    return 0;
  }

  get #isConnectionType(): boolean {
    return this.isStream || this.isSequenced;
  }

  /** SOCK_SEQPACKET. */
  get isSequenced(): boolean {
    return false;
  }

  override discard(): void {
    this.close(true);
  }

  /** @param unaccepted nobody has ever had this end */
  override close(unaccepted = false): void {
    const { domain, peer } = this;
    domain.sockets.delete(this);
    domain.names.unbind(this);
    const wasListening = this.state === LISTENING;
    this.isDead = true;
    this.shutMask = SHUT_BOTH;
    this.state = CLOSED;
    this.urgent = null;
    this.peer = null;
    this.wakeStalled();
    this.#leaveStalled();
    if (peer !== null) this.leave(peer, unaccepted);
    if (wasListening) for (const one of this.pending.splice(0)) one.close(true);
    this.purge();
    const { address } = this;
    // What it sent still shows its name.
    if (address !== null) this.address = { bytes: address.bytes, path: null };
    dropAddress(address);
  }

  /** Tells the peer that this end is gone. */
  protected leave(peer: UnixSocket, unaccepted: boolean): void {
    if (!this.#isConnectionType) return;
    // An urgent byte that was read leaves an empty piece, which is no data.
    let { first } = this.queue;
    if (first !== null && this.isStream && first.left === 0) first = first.next;
    peer.shutMask = SHUT_BOTH;
    if (first !== null || unaccepted) peer.error = ECONNRESET;
    peer.stateChanged();
  }

  /** Throws away what is in the queue. */
  protected purge(): void {
    const { queue, domain } = this;
    for (let chunk = queue.first; chunk !== null; chunk = queue.first) {
      queue.remove(chunk);
      if (chunk.files !== null) domain.inFlight.remove(chunk.files);
      this.free(chunk);
    }
  }
}

const word = new Uint8Array(4);
const wordView = new DataView(word.buffer);

function writeInt(user: UserMemory, address: number, value: number): number | Err {
  wordView.setInt32(0, value, true);
  return user.write(address, word);
}
