/** SOCK_DGRAM: whole messages, to whom one likes or to one peer. Sequenced packets (seqpacket.ts) send and receive as these do. */
import {
  EAGAIN,
  ECONNREFUSED,
  ECONNRESET,
  EINVAL,
  EMSGSIZE,
  ENOTCONN,
  EOPNOTSUPP,
  EPERM,
  EPIPE,
  type Err,
  fail,
  isErr,
} from '../../abi/errno.js';
import { POLLERR } from '../../abi/poll.js';
import { AF_UNSPEC, MSG_DONTWAIT, MSG_OOB, MSG_PEEK, MSG_TRUNC, SOCK_DGRAM } from '../../abi/socket.js';
import type { Caller } from '../../vfs/caller.js';
import type { IoIter } from '../../vfs/iter.js';
import type { Outgoing, Receipt } from '../message.js';
import type { SocketCaller } from '../socket.js';
import { checkAddress, familyOf } from './address.js';
import { type Chunk, datagramTruesize } from './chunk.js';
import { CLOSED, ESTABLISHED, SHUT_RECEIVE, UnixSocket, WRITABLE } from './socket.js';

/** What a message's length may fall short of the send buffer by, at least. @source Linux unix_dgram_sendmsg */
const MESSAGE_OVERHEAD = 32;

export class UnixDatagram extends UnixSocket {
  override readonly type: number = SOCK_DGRAM;

  override inputSize(): number {
    return this.queue.first === null ? 0 : this.queue.first.length;
  }

  /** Not writable while the peer's queue is full, unless the peer is connected to this socket. */
  override poll(): number {
    const mask = this.pollInput();
    if (!this.hasRoom) return mask;
    const { peer } = this;
    if (peer === null || peer.peer === this || !peer.isQueueFull) return mask | WRITABLE;
    this.stallAt(peer);
    return mask;
  }

  /** Connects, connects elsewhere, or with AF_UNSPEC disconnects. */
  override connect(address: Uint8Array, caller: SocketCaller, _flags: number): number | Err {
    if (address.length < 2) return fail(EINVAL);
    if (familyOf(address) === AF_UNSPEC) {
      this.#reconnect(null);
      return 0;
    }
    const bad = checkAddress(address);
    if (bad !== 0) return bad;
    const named = this.autobind();
    if (named !== 0) return named;
    const other = this.domain.names.find(address, this, caller);
    if (isErr(other)) return other;
    if (!this.#maySendTo(other)) return fail(EPERM);
    this.state = ESTABLISHED;
    other.state = ESTABLISHED;
    this.#reconnect(other);
    return 0;
  }

  #reconnect(other: UnixSocket | null): void {
    const old = this.peer;
    this.peer = other;
    if (old === null) return;
    if (other === null) this.state = CLOSED;
    this.writeSpace();
    if (other === old) return;
    this.#disconnected(old);
    if (old.peer === null) old.state = CLOSED;
  }

  /** What the old peer has sent is lost, and it is told so if it was connected to this socket. */
  #disconnected(old: UnixSocket): void {
    if (this.queue.first === null) return;
    this.purge();
    this.wakeStalled();
    if (old.isDead || old.peer !== this) return;
    old.error = ECONNRESET;
    old.notify(POLLERR);
  }

  #maySendTo(other: UnixSocket): boolean {
    return other.peer === null || other.peer === this;
  }

  override send(from: IoIter, flags: number, out: Outgoing, caller: Caller, _resumed: boolean): number | Err {
    if (flags & MSG_OOB) return fail(EOPNOTSUPP);
    if (out.address !== null && !this.isSequenced) {
      const bad = checkAddress(out.address);
      if (bad !== 0) return bad;
    }
    const named = this.autobind();
    if (named !== 0) return named;
    const size = from.remaining;
    if (size > this.options.sendBuffer - MESSAGE_OVERHEAD) return fail(EMSGSIZE);
    const allowed = this.mayAllocate();
    if (allowed !== 0) return allowed;
    const { files } = out;
    const chunk = this.makeChunk(out, files, caller, datagramTruesize(size));
    if (isErr(chunk)) return chunk;
    let error = chunk.fill(this.domain.slots, from, size);
    const other = error === 0 ? this.#target(out) : (error as Err);
    if (!isErr(other)) {
      error = this.#mayQueueAt(other, out, flags);
      if (error === 0) {
        out.files = null;
        this.enqueue(other, chunk, caller);
        if (other.options.timestamps.isWanted) chunk.time = this.domain.time();
        other.dataReady();
        return size;
      }
      if (error === -EAGAIN) from.rewind(size);
    } else error = other;
    this.abandon(chunk, error === -EAGAIN && (flags & MSG_DONTWAIT) === 0);
    return error;
  }

  #target(out: Outgoing): UnixSocket | Err {
    if (out.address !== null && !this.isSequenced) return this.domain.names.find(out.address, this, out.caller!);
    return this.peer ?? fail(ENOTCONN);
  }

  #mayQueueAt(other: UnixSocket, out: Outgoing, flags: number): number | Err {
    if (!this.#maySendTo(other)) return fail(EPERM);
    if (other.isDead) return this.peerIsDead(other);
    if (other.shutMask & SHUT_RECEIVE) return fail(EPIPE);
    if (out.files !== null && !other.options.passRights) return fail(EPERM);
    if (other === this || other.peer === this || !other.isQueueFull) return 0;
    if ((flags & MSG_DONTWAIT) === 0 || this.peer === other) this.stallAt(other);
    return fail(EAGAIN);
  }

  /** The peer was closed: the socket is unconnected from now on. */
  protected peerIsDead(peer: UnixSocket): Err {
    this.peer = null;
    this.state = CLOSED;
    this.#disconnected(peer);
    return fail(ECONNREFUSED);
  }

  override receive(to: IoIter, flags: number, receipt: Receipt): number | Err {
    if (flags & MSG_OOB) return fail(EOPNOTSUPP);
    const error = this.takeError();
    if (error !== 0) return error;
    const peeks = (flags & MSG_PEEK) !== 0;
    let skip = 0;
    let chunk = this.queue.first;
    if (peeks && this.options.peekOffset >= 0) {
      skip = this.options.peekOffset;
      while (chunk !== null && skip >= chunk.length && (skip > 0 || chunk.peeked)) {
        skip -= chunk.length;
        chunk = chunk.next;
      }
    }
    if (chunk === null) return this.#dry(flags);
    if (!peeks) {
      this.queue.remove(chunk);
      if (chunk.files !== null) this.domain.inFlight.remove(chunk.files);
      this.wakeStalled();
    } else if (chunk.length === 0) chunk.peeked = true;
    return this.#deliver(chunk, to, skip, flags, receipt);
  }

  /** The end of input is told to who would wait for more; who would not learns it from poll. */
  #dry(flags: number): number | Err {
    const atEnd = this.shutMask & SHUT_RECEIVE && ((flags & MSG_DONTWAIT) === 0 || this.isSequenced);
    return atEnd ? 0 : fail(EAGAIN);
  }

  #deliver(chunk: Chunk, to: IoIter, skip: number, flags: number, receipt: Receipt): number | Err {
    this.noteAddress(chunk, receipt);
    const left = chunk.length - skip;
    const size = Math.min(left, to.remaining);
    if (size < left) receipt.flags |= MSG_TRUNC;
    const copied = chunk.copyTo(this.domain.slots, to, skip, size);
    const peeks = (flags & MSG_PEEK) !== 0;
    if (copied >= 0) {
      receipt.identify(chunk);
      if (this.options.timestamps.isWanted) receipt.time = chunk.time >= 0 ? chunk.time : this.domain.time();
      if (peeks) this.peekFiles(chunk, receipt);
      else if (chunk.files !== null) {
        receipt.files = chunk.files.files;
        chunk.files = null;
      }
      this.movePeekOffset(peeks ? size : -chunk.length);
      receipt.copied = size;
    }
    if (!peeks) this.free(chunk);
    return copied < 0 ? copied : flags & MSG_TRUNC ? left : size;
  }
}
