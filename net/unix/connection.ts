/** What stream and sequenced-packet sockets have beyond datagrams: listen, connect, accept. */
import { EAGAIN, ECONNREFUSED, EINVAL, EISCONN, type Err, fail, isErr } from '../../abi/errno.js';
import { MSG_DONTWAIT } from '../../abi/socket.js';
import type { SocketCaller } from '../socket.js';
import { checkAddress, shareAddress } from './address.js';
import { CLOSED, ESTABLISHED, identityOf, LISTENING, SHUT_RECEIVE, type UnixSocket } from './socket.js';

/** listen(2); a second one changes the length of the queue. */
export function listenOn(socket: UnixSocket, backlog: number, caller: SocketCaller): number | Err {
  if (socket.address === null) return fail(EINVAL);
  if (socket.state !== CLOSED && socket.state !== LISTENING) return fail(EINVAL);
  const most = socket.options.settings.somaxconn;
  const limit = backlog >>> 0 > most ? most : backlog;
  const hasGrown = limit > socket.backlog;
  socket.backlog = limit;
  socket.state = LISTENING;
  socket.peerIdentity = identityOf(caller);
  if (hasGrown) socket.wakeStalled();
  return 0;
}

/**
 * connect(2) of a connection. The listener is looked up first, so that a wrong address is told whatever state the
 * socket is in.
 * @param makeServer a socket of the same type
 * @returns 0; -EAGAIN when the listener's queue is full: `socket` is then told when it is not
 */
export function connectTo(
  socket: UnixSocket,
  address: Uint8Array,
  caller: SocketCaller,
  flags: number,
  makeServer: () => UnixSocket,
): number | Err {
  const bad = checkAddress(address);
  if (bad !== 0) return bad;
  const named = socket.autobind();
  if (named !== 0) return named;
  const listener = socket.domain.names.find(address, socket, caller);
  if (isErr(listener)) return listener;
  if (listener.state !== LISTENING || listener.shutMask & SHUT_RECEIVE) return fail(ECONNREFUSED);
  if (listener.isQueueFull) {
    if ((flags & MSG_DONTWAIT) === 0) socket.stallAt(listener);
    return fail(EAGAIN);
  }
  if (socket.state !== CLOSED) return fail(socket.state === ESTABLISHED ? EISCONN : EINVAL);
  const server = makeServer();
  const { options } = listener;
  server.peer = socket;
  server.state = ESTABLISHED;
  server.peerIdentity = identityOf(caller);
  server.address = shareAddress(listener.address);
  server.options.passCredentials = options.passCredentials;
  server.options.passPidfd = options.passPidfd;
  server.options.passRights = options.passRights;
  socket.peer = server;
  socket.state = ESTABLISHED;
  socket.peerIdentity = listener.peerIdentity;
  listener.pending.push(server);
  listener.dataReady();
  return 0;
}

/** @param flags MSG_DONTWAIT: the end of input is then not told @returns the oldest connection; -EAGAIN, -EINVAL */
export function acceptFrom(socket: UnixSocket, flags: number): UnixSocket | Err {
  if (socket.state !== LISTENING) return fail(EINVAL);
  const error = socket.takeError();
  if (error !== 0) return error as Err;
  const server = socket.pending.shift();
  if (server !== undefined) {
    socket.wakeStalled();
    return server;
  }
  return fail(socket.shutMask & SHUT_RECEIVE && (flags & MSG_DONTWAIT) === 0 ? EINVAL : EAGAIN);
}
