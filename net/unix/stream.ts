/** SOCK_STREAM: bytes without boundaries, cut only where descriptors, urgent bytes or another sender come in. */
import {
  EAGAIN,
  EFAULT,
  EINVAL,
  EISCONN,
  ENOTCONN,
  EOPNOTSUPP,
  EPERM,
  EPIPE,
  type Err,
  fail,
  isErr,
} from '../../abi/errno.js';
import { POLLHUP, POLLPRI } from '../../abi/poll.js';
import { MSG_OOB, MSG_PEEK, SOCK_STREAM } from '../../abi/socket.js';
import type { Caller } from '../../vfs/caller.js';
import type { IoIter } from '../../vfs/iter.js';
import type { Outgoing, PassedFiles, Receipt } from '../message.js';
import type { SocketCaller } from '../socket.js';
import { type Chunk, STREAM_PIECE, streamTruesize } from './chunk.js';
import { acceptFrom, connectTo, listenOn } from './connection.js';
import { CLOSED, ESTABLISHED, SHUT_RECEIVE, SHUT_SEND, UnixSocket, WRITABLE } from './socket.js';

export class UnixStream extends UnixSocket {
  override readonly type = SOCK_STREAM;
  /** Bytes in the queue that are not read yet. */
  #unread = 0;
  /** SO_INQ: every receive tells how much is left. */
  tellsUnread = false;

  override get isStream(): boolean {
    return true;
  }

  override get raisesSigpipe(): boolean {
    return true;
  }

  override listen(backlog: number, caller: SocketCaller): number | Err {
    return listenOn(this, backlog, caller);
  }

  override connect(address: Uint8Array, caller: SocketCaller, flags: number): number | Err {
    return connectTo(this, address, caller, flags, () => new UnixStream(this.domain, this.namespace));
  }

  override accept(flags: number): UnixSocket | Err {
    return acceptFrom(this, flags);
  }

  override inputSize(): number {
    return this.#unread;
  }

  override poll(): number {
    let mask = this.pollInput();
    if (this.urgent !== null) mask |= POLLPRI;
    if (this.state === CLOSED) mask |= POLLHUP;
    return this.hasRoom ? mask | WRITABLE : mask;
  }

  override send(from: IoIter, flags: number, out: Outgoing, caller: Caller, resumed: boolean): number | Err {
    const tail = flags & MSG_OOB ? 1 : 0;
    if (from.remaining < tail) return fail(EOPNOTSUPP);
    if (out.address !== null) return fail(this.state === ESTABLISHED ? EISCONN : EOPNOTSUPP);
    const other = this.peer;
    if (other === null) return fail(ENOTCONN);
    if (!resumed && this.shutMask & SHUT_SEND) return fail(EPIPE);
    const most = Math.min((this.options.sendBuffer >> 1) - 64, STREAM_PIECE);
    let sent = 0;
    while (from.remaining > tail) {
      const count = this.#sendPiece(other, from, Math.min(from.remaining - tail, most), out, caller);
      if (count < 0) return sent > 0 ? sent : count;
      sent += count;
    }
    if (tail === 0) return sent;
    const urgent = this.#sendPiece(other, from, 1, out, caller, true);
    return urgent < 0 && sent > 0 ? sent : urgent < 0 ? urgent : sent + 1;
  }

  /** Queues `size` bytes at the peer. @returns `size`; -EAGAIN, -EPIPE, -EFAULT, -EPERM … */
  #sendPiece(
    peer: UnixSocket,
    from: IoIter,
    size: number,
    out: Outgoing,
    caller: Caller,
    isUrgent = false,
  ): number | Err {
    const allowed = this.mayAllocate();
    if (allowed !== 0) return allowed;
    const files: PassedFiles | null = out.files;
    const chunk = this.makeChunk(out, files, caller, streamTruesize(size));
    if (isErr(chunk)) return chunk;
    const other = peer as UnixStream;
    let error = chunk.fill(this.domain.slots, from, size);
    if (error === 0 && (other.isDead || other.shutMask & SHUT_RECEIVE)) error = fail(EPIPE);
    if (error === 0 && files !== null && !other.options.passRights) error = fail(EPERM);
    if (error !== 0) {
      this.abandon(chunk);
      return error;
    }
    out.files = null;
    this.enqueue(other, chunk, caller);
    other.#arrived(chunk, size, isUrgent);
    return size;
  }

  #arrived(chunk: Chunk, size: number, isUrgent: boolean): void {
    this.#unread += size;
    if (isUrgent) {
      this.urgent = chunk;
      if (this.inode?.file) this.domain.env.urgent(this.inode.file);
    }
    this.dataReady(isUrgent ? POLLPRI : 0);
  }

  override receive(to: IoIter, flags: number, receipt: Receipt): number | Err {
    if (this.state !== ESTABLISHED) return fail(EINVAL);
    if (flags & MSG_OOB) return this.#receiveUrgent(to, flags, receipt);
    return flags & MSG_PEEK ? this.#peek(to, receipt) : this.#read(to, receipt);
  }

  /** Nothing (more) to read. @returns what the call answers; -EAGAIN to wait */
  #dry(receipt: Receipt): number | Err {
    if (receipt.copied >= receipt.target) return receipt.copied;
    const error = this.takeError();
    if (error !== 0) return receipt.copied > 0 ? receipt.copied : error;
    if ((this.shutMask & SHUT_RECEIVE) === 0) return fail(EAGAIN);
    receipt.hasMessage = true;
    return receipt.copied;
  }

  #read(to: IoIter, receipt: Receipt): number | Err {
    const { queue } = this;
    do {
      let chunk = queue.first;
      if (chunk !== null && (chunk.left === 0 || chunk === this.urgent)) {
        chunk = this.#passUrgent(chunk, receipt.copied, false);
        if (chunk === null && receipt.copied > 0) return receipt.copied;
      }
      if (chunk === null) return this.#dry(receipt);
      if (receipt.hasIdentity && !receipt.isFrom(chunk)) break;
      const count = this.#copy(chunk, to, 0, receipt);
      if (count < 0) return receipt.copied > 0 ? receipt.copied : count;
      chunk.consumed += count;
      this.#unread -= count;
      this.movePeekOffset(-count);
      this.takeFiles(chunk, receipt);
      if (chunk.left > 0) break;
      queue.remove(chunk);
      this.free(chunk);
    } while (to.remaining > 0 && receipt.files === null);
    return receipt.copied;
  }

  /** Copies out of one piece. @returns bytes or -EFAULT */
  #copy(chunk: Chunk, to: IoIter, skip: number, receipt: Receipt): number | Err {
    if (!receipt.hasIdentity && this.wantsIdentity) receipt.identify(chunk);
    this.noteAddress(chunk, receipt);
    const count = Math.min(chunk.left - skip, to.remaining);
    const copied = chunk.copyTo(this.domain.slots, to, chunk.consumed + skip, count);
    if (copied >= 0) receipt.copied += count;
    return copied;
  }

  #peek(to: IoIter, receipt: Receipt): number | Err {
    let skip = Math.max(this.options.peekOffset, 0);
    let chunk = this.queue.first;
    for (;;) {
      if (chunk !== null && (chunk.left === 0 || chunk === this.urgent)) {
        chunk = this.#passUrgent(chunk, receipt.copied, true);
        if (chunk === null && receipt.copied > 0) return receipt.copied;
      }
      if (chunk === null) return this.#dry(receipt);
      if (skip >= chunk.left) {
        skip -= chunk.left;
        chunk = chunk.next;
        continue;
      }
      if (receipt.hasIdentity && !receipt.isFrom(chunk)) return receipt.copied;
      const count = this.#copy(chunk, to, skip, receipt);
      if (count < 0) return receipt.copied > 0 ? receipt.copied : count;
      this.movePeekOffset(count);
      this.peekFiles(chunk, receipt);
      // A peek goes on to the next piece even when there is no room for more: its descriptors are seen.
      if (receipt.files !== null) return receipt.copied;
      skip = 0;
      chunk = chunk.next;
      if (chunk === null) return receipt.copied;
    }
  }

  /**
   * Goes past what an urgent byte leaves in the queue: a read stops before it, or, at its place, leaves it out.
   * @param chunk an empty piece, or the one with the urgent byte
   * @returns the piece to read; null: stop, or nothing is there
   */
  #passUrgent(first: Chunk, copied: number, peeks: boolean): Chunk | null {
    let chunk: Chunk | null = first;
    if (chunk.left === 0) {
      if (copied > 0 && (this.urgent === null || chunk === this.urgent)) return null;
      const { next } = chunk;
      if (!peeks) {
        this.queue.remove(chunk);
        this.free(chunk);
      }
      chunk = next;
    }
    if (chunk === null || chunk !== this.urgent) return chunk;
    if (copied > 0) return null;
    const inline = this.options.oobInline;
    if (peeks) return inline ? chunk : chunk.next;
    this.urgent = null;
    if (inline) return chunk;
    // Linux still counts it: SIOCINQ is one too many from here on.
    this.queue.remove(chunk);
    this.free(chunk);
    return this.queue.first;
  }

  /** MSG_OOB: the urgent byte, which leaves an empty piece as a mark of its place. */
  #receiveUrgent(to: IoIter, flags: number, receipt: Receipt): number | Err {
    const chunk = this.urgent;
    if (chunk === null || this.options.oobInline) return fail(EINVAL);
    const takes = (flags & MSG_PEEK) === 0;
    if (takes) {
      this.urgent = null;
      this.#unread--;
      const { previous } = chunk;
      if (previous !== null && previous.left === 0) {
        this.queue.remove(previous);
        this.free(previous);
      }
    }
    const count = Math.min(1, to.remaining);
    const copied = chunk.copyTo(this.domain.slots, to, 0, count);
    if (takes) chunk.consumed = 1;
    if (copied < 0) return fail(EFAULT);
    receipt.flags |= MSG_OOB;
    return 1;
  }
}
