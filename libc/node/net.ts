/**
 * `kernel.net`: unix sockets of the guest with the shape of node:net. Programs of the guest connect to its servers by
 * path, it connects to theirs. Process 1 makes the calls. Names are paths, or abstract ones that begin with a zero byte.
 */
import { EventEmitter } from 'node:events';
import { Duplex } from 'node:stream';
import { EAGAIN } from '../../abi/errno.js';
import { AF_UNIX, SHUT_WR, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } from '../../abi/socket.js';
import { errnoError } from '../../kernel-core/index.js';
import { kindOf } from '../calls.js';
import type { Pollable, Poller } from './poller.js';

export interface SocketOptions {
  /** The writing side stays open when the peer has ended its own. Default: false. */
  allowHalfOpen?: boolean;
}

export interface ConnectOptions extends SocketOptions {
  path: string;
}

export interface ListenOptions {
  path: string;
  /** Connections that may wait to be accepted. Default: 511. */
  backlog?: number;
}

/** Where reads of all sockets land, before a copy of the right size is made. */
const landing = Buffer.allocUnsafeSlow(65536);
const BACKLOG = 511;
const WOULD_BLOCK = -EAGAIN;

type Done = (error?: Error | null) => void;

/** A connection. Events, and what is not here, as of a Duplex and of node:net's Socket. */
export class Socket extends Duplex implements Pollable {
  bytesRead = 0;
  bytesWritten = 0;
  /** True until the connection is there. */
  connecting: boolean;
  readonly #poller: Poller;
  readonly #path: string | null;
  #fd: number;
  #id = 0;
  /** The reader wants more. */
  #wanted = false;
  /** What the peer has no room for yet, and whom to tell. */
  #unsent: readonly Uint8Array[] = [];
  #sent: Done | null = null;
  #timeout = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;

  /** @internal @param fd of an accepted connection; null: to be connected to `path` */
  constructor(poller: Poller, fd: number | null, path: string | null, options: SocketOptions) {
    super({ allowHalfOpen: options.allowHalfOpen === true, emitClose: false, decodeStrings: true });
    this.#poller = poller;
    this.#path = path;
    this.#fd = fd ?? -1;
    this.connecting = fd === null;
  }

  /** As node:net: open, opening, readOnly, writeOnly, closed. */
  get readyState(): string {
    if (this.connecting) return 'opening';
    if (this.readable && this.writable) return 'open';
    return this.readable ? 'readOnly' : this.writable ? 'writeOnly' : 'closed';
  }

  get pending(): boolean {
    return this.#fd < 0 || this.connecting;
  }

  /** Milliseconds without traffic after which 'timeout' is emitted; 0: never. */
  get timeout(): number | undefined {
    return this.#timeout === 0 ? undefined : this.#timeout;
  }

  setTimeout(milliseconds: number, listener?: () => void): this {
    this.#timeout = milliseconds;
    if (listener !== undefined) this.once('timeout', listener);
    this.#restartTimer();
    return this;
  }

  /** As node:net has it for sockets with a path. */
  address(): Record<string, never> {
    return {};
  }

  /** Unix sockets know no delay. */
  setNoDelay(_noDelay?: boolean): this {
    return this;
  }

  /** Nor do they need to be kept alive. */
  setKeepAlive(_enable?: boolean, _delay?: number): this {
    return this;
  }

  /** Nothing of the guest's kernel holds the event loop: a kernel in which everything waits does not keep Node alive. */
  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  /** Ends the writing side, and destroys the socket when that is done. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  override _construct(callback: Done): void {
    this.#open().then(
      () => callback(),
      (error: Error) => {
        this.connecting = false;
        callback(error);
      },
    );
  }

  override _read(): void {
    this.#wanted = true;
    this.#receive();
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, callback: Done): void {
    this.#start([chunk], callback);
  }

  override _writev(chunks: { chunk: Uint8Array }[], callback: Done): void {
    this.#start(
      chunks.map(({ chunk }) => chunk),
      callback,
    );
  }

  override _final(callback: Done): void {
    try {
      this.#poller.libc.shutdown(this.#fd, SHUT_WR);
      callback();
    } catch (error) {
      // The peer has gone: there is nobody to tell.
      callback((error as { code?: string }).code === 'ENOTCONN' ? null : (error as Error));
    }
  }

  override _destroy(error: Error | null, callback: Done): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.connecting = false;
    this.#closeDescriptor();
    callback(error);
    setImmediate(() => this.emit('close', error !== null));
  }

  /** @internal */
  ready(readable: boolean, writable: boolean): void {
    if (readable) this.#receive();
    if (writable && this.#sent !== null) this.#send();
  }

  /** @internal */
  kernelGone(): void {
    this.#fd = -1;
    this.destroy();
  }

  async #open(): Promise<void> {
    const { libc } = this.#poller;
    if (this.#path !== null) {
      const fd = libc.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC);
      try {
        await libc.connect(fd, this.#path);
        libc.setNonBlocking(fd);
      } catch (error) {
        if (!libc.system.isOver) libc.close(fd);
        throw Object.assign(error as Error, { address: this.#path });
      }
      this.#fd = fd;
    }
    if (this.destroyed) {
      this.#closeDescriptor();
      return;
    }
    this.#id = this.#poller.add(this.#fd, this);
    if (!this.connecting) return;
    this.connecting = false;
    process.nextTick(() => {
      this.emit('connect');
      this.emit('ready');
    });
  }

  #receive(): void {
    while (this.#wanted && this.#fd >= 0) {
      const count = this.#poller.libc.tryRead(this.#fd, landing);
      if (count === WOULD_BLOCK) return;
      this.#restartTimer();
      if (count < 0) {
        this.destroy(errnoError(count, 'read'));
        return;
      }
      this.bytesRead += count;
      if (count === 0) {
        this.#wanted = false;
        this.push(null);
        return;
      }
      this.#wanted = this.push(Buffer.from(landing.subarray(0, count)));
    }
  }

  #start(chunks: readonly Uint8Array[], done: Done): void {
    this.#unsent = chunks;
    this.#sent = done;
    this.#send();
  }

  #send(): void {
    while (this.#unsent.length > 0) {
      const count = this.#poller.libc.tryWrite(this.#fd, this.#unsent.slice(0, MAX_PIECES));
      if (count === WOULD_BLOCK) return;
      this.#restartTimer();
      if (count < 0) {
        this.#tellSender(errnoError(count, 'write'));
        return;
      }
      this.bytesWritten += count;
      this.#unsent = without(this.#unsent, count);
    }
    this.#tellSender(null);
  }

  #tellSender(error: Error | null): void {
    const done = this.#sent;
    this.#sent = null;
    this.#unsent = [];
    done?.(error);
  }

  #closeDescriptor(): void {
    if (this.#fd < 0) return;
    this.#poller.remove(this.#id);
    if (!this.#poller.libc.system.isOver) this.#poller.libc.close(this.#fd);
    this.#fd = -1;
  }

  #restartTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#timeout > 0) this.#timer = setTimeout(() => this.emit('timeout'), this.#timeout);
  }
}

/** @source Linux UIO_MAXIOV */
const MAX_PIECES = 1024;

/** `pieces` without their first `count` bytes. */
function without(pieces: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let left = count;
  for (let i = 0; i < pieces.length; i++) {
    if (left < pieces[i].length) return [pieces[i].subarray(left), ...pieces.slice(i + 1)];
    left -= pieces[i].length;
  }
  return [];
}

interface ServerEvents {
  listening: [];
  connection: [socket: Socket];
  error: [error: Error];
  close: [];
}

/** Accepts connections of programs of the guest, and of the embedder. */
export class Server extends EventEmitter<ServerEvents> implements Pollable {
  readonly #poller: Poller;
  readonly #options: SocketOptions;
  readonly #connections = new Set<Socket>();
  #fd = -1;
  #id = 0;
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
    if (this.listening) throw new Error('the server listens already');
    if (listener !== undefined) this.once('listening', listener);
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
      if (callback !== undefined) process.nextTick(() => callback(new Error('the server does not listen')));
      return this;
    }
    if (callback !== undefined) this.once('close', callback);
    this.#stop();
    this.#closeWhenIdle();
    return this;
  }

  getConnections(callback: (error: Error | null, count: number) => void): void {
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
        this.emit('error', errnoError(fd, 'accept'));
        return;
      }
      const socket = new Socket(this.#poller, fd, null, this.#options);
      this.#connections.add(socket);
      socket.once('close', () => {
        this.#connections.delete(socket);
        if (!this.listening) this.#closeWhenIdle();
      });
      this.emit('connection', socket);
    }
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
    if (onConnection !== undefined) server.on('connection', onConnection);
    return server;
  }

  /** Connects; failures are told by 'error'. */
  connect(where: string | ConnectOptions, listener?: () => void): Socket {
    const { path, ...options }: ConnectOptions = typeof where === 'string' ? { path: where } : where;
    if (typeof path !== 'string') throw new TypeError(`a connection needs a path, not ${kindOf(path)}`);
    const socket = new Socket(this.#poller(), null, path, options);
    if (listener !== undefined) socket.once('connect', listener);
    return socket;
  }

  /** Another name of `connect`. */
  createConnection(where: string | ConnectOptions, listener?: () => void): Socket {
    return this.connect(where, listener);
  }
}
