/**
 * `kernel.net`: unix sockets of the guest with the shape of node:net. Programs of the guest connect to its servers by
 * path, it connects to theirs. Process 1 makes the calls. Names are paths, or abstract ones that begin with a zero byte.
 */
import { kindOf } from '../calls.js';
import type { Poller } from './poller.js';
import { Server } from './server.js';
import { Socket, type SocketOptions } from './socket.js';

export interface ConnectOptions extends SocketOptions {
  path: string;
}

export class Net {
  readonly #poller: () => Poller;

  /** @internal @param poller asked for at each call */
  constructor(poller: () => Poller) {
    this.#poller = poller;
  }

  /** @param options or the listener of 'connection' */
  createServer(
    options?: SocketOptions | ((socket: Socket) => void) | null,
    listener?: (socket: Socket) => void,
  ): Server {
    const onConnection = typeof options === 'function' ? options : listener;
    const server = new Server(this.#poller(), typeof options === 'object' && options !== null ? options : {});
    if (typeof onConnection === 'function') server.on('connection', onConnection);
    return server;
  }

  /** Connects; failures are told by 'error'. */
  connect(where: string | ConnectOptions, listener?: () => void): Socket {
    const { path, ...options }: ConnectOptions = typeof where === 'string' ? { path: where } : where;
    if (typeof path !== 'string') throw new TypeError(`a connection needs a path, not ${kindOf(path)}`);
    const socket = new Socket(this.#poller(), null, path, options);
    // As in node:net, what is no function is no listener: with the socket made, a throw would leave nobody to close it.
    if (typeof listener === 'function') socket.once('connect', listener);
    return socket;
  }

  /** Another name of `connect`. */
  createConnection(where: string | ConnectOptions, listener?: () => void): Socket {
    return this.connect(where, listener);
  }
}
