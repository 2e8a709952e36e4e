/** All that unix sockets of one kernel share: names, memory, descriptors in flight, limits. */
import { EPROTONOSUPPORT, type Err, ESOCKTNOSUPPORT, fail, isErr } from '../../abi/errno.js';
import { AF_UNIX, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET, SOCK_STREAM } from '../../abi/socket.js';
import type { Timespec } from '../../vfs/caller.js';
import type { AddressFamily } from '../families.js';
import { Slots } from '../slots.js';
import type { SocketCaller, SocketEnv } from '../socket.js';
import { UnixNames } from './address.js';
import { Chunk } from './chunk.js';
import { UnixDatagram } from './datagram.js';
import { InFlight } from './in-flight.js';
import { UnixSeqpacket } from './seqpacket.js';
import type { UnixSocket } from './socket.js';
import { UnixStream } from './stream.js';

/** Descriptors of pieces that are kept for the next ones. */
const SPARE_CHUNKS = 256;

const now: Timespec = { sec: 0, nsec: 0 };

export class UnixDomain implements AddressFamily {
  readonly family = AF_UNIX;
  readonly env: SocketEnv;
  readonly names: UnixNames;
  readonly inFlight = new InFlight();
  readonly slots: Slots;
  /** Every socket of all namespaces, connections not yet accepted included. */
  readonly sockets = new Set<UnixSocket>();
  readonly #spare: Chunk[] = [];

  constructor(env: SocketEnv) {
    this.env = env;
    this.names = new UnixNames((target) => env.random(target));
    this.slots = new Slots(env.vfs.frames);
  }

  create(type: number, protocol: number, { netNamespace }: SocketCaller): UnixSocket | Err {
    if (protocol !== 0 && protocol !== AF_UNIX) return fail(EPROTONOSUPPORT);
    switch (type) {
      case SOCK_STREAM:
        return new UnixStream(this, netNamespace);
      case SOCK_RAW: // Taken for a datagram socket since BSD.
      case SOCK_DGRAM:
        return new UnixDatagram(this, netNamespace);
      case SOCK_SEQPACKET:
        return new UnixSeqpacket(this, netNamespace);
      default:
        return fail(ESOCKTNOSUPPORT);
    }
  }

  createPair(type: number, protocol: number, caller: SocketCaller): [UnixSocket, UnixSocket] | Err {
    const first = this.create(type, protocol, caller);
    if (isErr(first)) return first;
    const second = this.create(type, protocol, caller) as UnixSocket;
    first.join(second, caller);
    return [first, second];
  }

  takeChunk(): Chunk {
    return this.#spare.pop() ?? new Chunk();
  }

  /** The piece has no memory and no descriptors any more. */
  recycle(chunk: Chunk): void {
    if (this.#spare.length >= SPARE_CHUNKS) return;
    chunk.consumed = 0;
    chunk.sender = null;
    chunk.pid = 0;
    chunk.who = null;
    chunk.time = -1;
    chunk.peeked = false;
    this.#spare.push(chunk);
  }

  /** Nanoseconds since the epoch. */
  time(): number {
    this.env.vfs.now(now);
    return now.sec * 1e9 + now.nsec;
  }

  /** What is left behind although no program has a socket: a list for messages, empty when all is well. */
  leaks(): string[] {
    this.inFlight.collect();
    const found: string[] = [];
    const report = (count: number, what: string): void => {
      if (count > 0) found.push(`${count} ${what}`);
    };
    report(this.sockets.size, 'unix sockets');
    report(this.names.size, 'addresses of unix sockets');
    report(this.inFlight.total, 'descriptors in messages');
    report(this.slots.used, 'pieces of messages');
    return found;
  }

  dispose(): void {
    this.slots.dispose();
  }
}
