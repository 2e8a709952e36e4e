/** A server of `kernel.net`: accepts connections of programs of the guest, and of the embedder. */
import { EventEmitter } from 'node:events';
import { AF_UNIX, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } from '../../abi/socket.js';
import { errnoError } from '../../kernel-core/index.js';
import { kindOf } from '../calls.js';
import type { Pollable, Poller } from './poller.js';
import { Socket, type SocketOptions, WOULD_BLOCK } from './socket.js';

export interface ListenOptions {
  path: string;
  /** Connections that may wait to be accepted. Default: 511. */
  backlog?: number;
}

const BACKLOG = 511;

interface ServerEvents {
  listening: [];
  connection: [socket: Socket];
  error: [error: Error];
  close: [];
}

export class Server extends EventEmitter<ServerEvents> implements Pollable {
  readonly #poller: Poller;
  readonly #options: SocketOptions;
  readonly #connections = new Set<Socket>();
  #fd = -1;
  #id = 0;
  /** A connection could not be accepted; more may wait. */
  #isStalled = false;
  #path: string | null = null;

  /** @internal */
  constructor(poller: Poller, options: SocketOptions) {
    super();
    this.#poller = poller;
    this.#options = options;
  }

  get listening(): boolean {
    return this.#fd >= 0;
  }

  /** Takes connections from now on. Failures are told by 'error'. */
  listen(where: string | ListenOptions, listener?: () => void): this {
    const { path, backlog = BACKLOG }: ListenOptions = typeof where === 'string' ? { path: where } : where;
    if (typeof path !== 'string') throw new TypeError(`a server needs a path, not ${kindOf(path)}`);
    if (this.listening) {
      throw Object.assign(new Error('the server listens already'), { code: 'ERR_SERVER_ALREADY_LISTEN' });
    }
    if (typeof listener === 'function') this.once('listening', listener);
    const { libc } = this.#poller;
    const fd = libc.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK);
    try {
      libc.bind(fd, path);
      libc.listen(fd, backlog);
      this.#id = this.#poller.add(fd, this);
    } catch (error) {
      libc.close(fd);
      process.nextTick(() => this.emit('error', Object.assign(error as Error, { address: path })));
      return this;
    }
    this.#fd = fd;
    this.#path = path;
    process.nextTick(() => this.emit('listening'));
    return this;
  }

  /** The path; null when it never listened. */
  address(): string | null {
    return this.#path;
  }

  /** Takes no more connections; 'close' comes when the last of those that there are has ended. */
  close(callback?: (error?: Error) => void): this {
    if (!this.listening || this.#poller.libc.system.isOver) {
      const error = Object.assign(new Error('the server does not listen'), { code: 'ERR_SERVER_NOT_RUNNING' });
      if (typeof callback === 'function') process.nextTick(() => callback(error));
      return this;
    }
    if (typeof callback === 'function') this.once('close', callback);
    this.#stop();
    this.#closeWhenIdle();
    return this;
  }

  getConnections(callback: (error: Error | null, count: number) => void): void {
    if (typeof callback !== 'function') throw new TypeError(`the number goes to a function, not ${kindOf(callback)}`);
    process.nextTick(() => callback(null, this.#connections.size));
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  /** @internal */
  ready(readable: boolean): void {
    while (readable && this.#fd >= 0) {
      const fd = this.#poller.libc.tryAccept(this.#fd);
      if (fd === WOULD_BLOCK) return;
      if (fd < 0) {
        this.#isStalled = true;
        this.emit('error', errnoError(fd, 'accept'));
        return;
      }
      const socket = new Socket(this.#poller, fd, null, this.#options);
      this.#connections.add(socket);
      socket.once('close', () => {
        this.#connections.delete(socket);
        if (!this.listening) this.#closeWhenIdle();
        else if (this.#isStalled) this.#goOn();
      });
      this.emit('connection', socket);
    }
  }

  /** One of its connections has given its descriptor back. Nobody tells a second time of connections that had to wait for one. */
  #goOn(): void {
    this.#isStalled = false;
    this.ready(true);
  }

  /** @internal */
  kernelGone(): void {
    this.#fd = -1;
    this.#closeWhenIdle();
  }

  /** The name goes, too, as node:net removes it. */
  #stop(): void {
    const { libc } = this.#poller;
    const path = this.#path!;
    this.#poller.remove(this.#id);
    libc.close(this.#fd);
    this.#fd = -1;
    if (path === '' || path.startsWith('\0')) return;
    try {
      libc.unlink(path);
    } catch {
      // Somebody has removed it already.
    }
  }

  #closeWhenIdle(): void {
    if (this.#connections.size === 0) process.nextTick(() => this.emit('close'));
  }
}
