/** A connection of `kernel.net`: a Duplex over a descriptor of process 1, which the poller tells what it can do. */
import { Duplex } from 'node:stream';
import { EAGAIN } from '../../abi/errno.js';
import { AF_UNIX, SHUT_WR, SOCK_CLOEXEC, SOCK_STREAM } from '../../abi/socket.js';
import { errnoError } from '../../kernel-core/index.js';
import { kindOf } from '../calls.js';
import type { Pollable, Poller } from './poller.js';

export interface SocketOptions {
  /** The writing side stays open when the peer has ended its own. Default: false. */
  allowHalfOpen?: boolean;
}

/** Longest time of the host's timers in milliseconds. @source nodejs.org/api/timers.html */
const MAX_TIMEOUT = 2 ** 31 - 1;

/** What calls answer that would have to wait. */
export const WOULD_BLOCK = -EAGAIN;

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
  #watchesRoom = false;
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
    if (typeof milliseconds !== 'number') throw new TypeError(`a time-out is a number, not ${kindOf(milliseconds)}`);
    if (!(milliseconds >= 0 && milliseconds < Number.POSITIVE_INFINITY)) {
      throw new RangeError(`not a time-out: ${milliseconds}`);
    }
    this.#timeout = Math.min(milliseconds, MAX_TIMEOUT);
    if (typeof listener === 'function') this.once('timeout', listener);
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
      () => {
        callback();
        process.nextTick(this.#begin);
      },
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

  /** Reads from the start, as node:net does: who only writes hears of the peer's end, too. */
  readonly #begin = (): void => {
    if (!this.isPaused()) this.read(0);
  };

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
      const got = this.#poller.libc.tryRead(this.#fd);
      if (got === WOULD_BLOCK) return;
      this.#restartTimer();
      if (typeof got !== 'number') {
        this.bytesRead += got.length;
        this.#wanted = this.push(got);
        continue;
      }
      this.#wanted = false;
      if (got === 0) this.#end();
      else this.destroy(errnoError(got, 'read'));
    }
  }

  /** The peer sends no more. Told at once if nothing waits to be read, be there a reader or not. */
  #end(): void {
    this.push(null);
    this.read(0);
  }

  #start(chunks: readonly Uint8Array[], done: Done): void {
    this.#unsent = chunks;
    this.#sent = done;
    this.#send();
  }

  #send(): void {
    while (this.#unsent.length > 0) {
      const count = this.#poller.libc.tryWrite(this.#fd, this.#unsent);
      if (count === WOULD_BLOCK) {
        this.#watchRoom();
        return;
      }
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

  /** If there is room by now, that is told at once. */
  #watchRoom(): void {
    if (this.#watchesRoom) return;
    this.#watchesRoom = true;
    this.#poller.watchRoom(this.#fd, this.#id);
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

/** `pieces` without their first `count` bytes. */
function without(pieces: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let left = count;
  for (let i = 0; i < pieces.length; i++) {
    if (left < pieces[i].length) return [pieces[i].subarray(left), ...pieces.slice(i + 1)];
    left -= pieces[i].length;
  }
  return [];
}
