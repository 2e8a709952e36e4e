/**
 * NETLINK_SOCK_DIAG: programs ask what sockets there are and how they are (ss, lsof). Which family answers what is in
 * a table by family; unix sockets are in net/unix/diag.ts. @source sock_diag(7); Linux net/core/sock_diag.c
 */
import { EINVAL, ENOENT, EOPNOTSUPP, type Err, fail } from '../../abi/errno.js';
import {
  DCCPDIAG_GETSOCK,
  NETLINK_SOCK_DIAG,
  NLM_F_DUMP,
  SOCK_DESTROY,
  SOCK_DIAG_BY_FAMILY,
  TCPDIAG_GETSOCK,
} from '../../abi/netlink.js';
import { AF_MAX } from '../../abi/socket.js';
import type { MessageWriter, Request } from './message.js';
import type { Dump, NetlinkProtocol, NetlinkSocket } from './socket.js';

/** One family's sockets. */
export interface SocketDiag {
  /** AF_*. */
  readonly family: number;
  /** Bytes of a request behind its header. */
  readonly requestSize: number;
  /** Answers about one socket. @param from whom it is for: its port, and what it sees @returns 0; -EINVAL, -ENOENT, -ESTALE, -EMSGSIZE (no room) */
  one(request: Request, from: NetlinkSocket, writer: MessageWriter): number | Err;
  /** Goes through all sockets. */
  all(request: Request, from: NetlinkSocket): Dump;
}

/** Most bytes of an answer about one socket. @source Linux grows the buffer up to an allocation of 8192, trailer included */
const ANSWER_ROOM = 7872;

export class SockDiag implements NetlinkProtocol {
  readonly protocol = NETLINK_SOCK_DIAG;
  readonly #families: ReadonlyMap<number, SocketDiag>;

  constructor(families: readonly SocketDiag[]) {
    this.#families = new Map(families.map((one) => [one.family, one]));
  }

  request(request: Request, from: NetlinkSocket): number | Err {
    const { type, payload } = request;
    // The older form of questions about TCP sockets, of which there are none.
    if (type === TCPDIAG_GETSOCK || type === DCCPDIAG_GETSOCK) return fail(EOPNOTSUPP);
    if (type !== SOCK_DIAG_BY_FAMILY && type !== SOCK_DESTROY) return fail(EINVAL);
    if (payload.byteLength < 2) return fail(EINVAL);
    const family = payload.getUint8(0);
    if (family >= AF_MAX) return fail(EINVAL);
    const diag = this.#families.get(family);
    if (diag === undefined) return fail(ENOENT);
    if (type === SOCK_DESTROY) return fail(EOPNOTSUPP);
    if (payload.byteLength < diag.requestSize) return fail(EINVAL);
    if (request.flags & NLM_F_DUMP) return from.startDump(diag.all(request, from));
    return from.answer(ANSWER_ROOM, (writer) => diag.one(request, from, writer));
  }
}
