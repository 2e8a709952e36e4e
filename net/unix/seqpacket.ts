/** SOCK_SEQPACKET: a connection whose messages keep their boundaries. */
import { ENOTCONN, EPIPE, type Err, fail } from '../../abi/errno.js';
import { POLLHUP } from '../../abi/poll.js';
import { SOCK_SEQPACKET } from '../../abi/socket.js';
import type { Caller } from '../../vfs/caller.js';
import type { IoIter } from '../../vfs/iter.js';
import type { Outgoing, Receipt } from '../message.js';
import type { SocketCaller } from '../socket.js';
import { acceptFrom, connectTo, listenOn } from './connection.js';
import { UnixDatagram } from './datagram.js';
import { CLOSED, ESTABLISHED, type UnixSocket } from './socket.js';

export class UnixSeqpacket extends UnixDatagram {
  override readonly type = SOCK_SEQPACKET;

  override get isSequenced(): boolean {
    return true;
  }

  /** All messages, unlike a datagram socket's. */
  override inputSize(): number {
    let sum = 0;
    for (let chunk = this.queue.first; chunk !== null; chunk = chunk.next) sum += chunk.length;
    return sum;
  }

  override poll(): number {
    const mask = super.poll();
    return this.state === CLOSED ? mask | POLLHUP : mask;
  }

  override listen(backlog: number, caller: SocketCaller): number | Err {
    return listenOn(this, backlog, caller);
  }

  override connect(address: Uint8Array, caller: SocketCaller, flags: number): number | Err {
    return connectTo(this, address, caller, flags, () => new UnixSeqpacket(this.domain, this.namespace));
  }

  override accept(flags: number): UnixSocket | Err {
    return acceptFrom(this, flags);
  }

  override refusal(): number | Err {
    const error = this.takeError();
    if (error !== 0) return error;
    return this.state === ESTABLISHED ? 0 : fail(ENOTCONN);
  }

  /** An address is not looked at. */
  override send(from: IoIter, flags: number, out: Outgoing, caller: Caller, resumed: boolean): number | Err {
    const refused = this.refusal();
    if (refused !== 0) return refused;
    return super.send(from, flags, out, caller, resumed);
  }

  override receive(to: IoIter, flags: number, receipt: Receipt): number | Err {
    if (this.state !== ESTABLISHED) return fail(ENOTCONN);
    return super.receive(to, flags, receipt);
  }

  protected override peerIsDead(): Err {
    return fail(EPIPE);
  }
}
