/** Sockets. Messages go by sendmsg and recvmsg; send, sendto, recv and recvfrom are wrappers over these. */
import { AF_UNIX } from '../abi/socket.js';
import { bytesOf, InOut, memoryOf, Out, out } from './calls.js';
import { Events } from './events.js';
import type { Source, Target } from './files.js';
import {
  type Attachments,
  CONTROL_ROOM,
  decodeAddress,
  encodeAddress,
  Incoming,
  outgoing,
  type ReceivedMessage,
  SOCKADDR_SIZE,
  type SocketPath,
} from './messages.js';

export abstract class Sockets extends Events {
  /** @param type SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET, with SOCK_NONBLOCK and SOCK_CLOEXEC */
  socket(domain: number, type: number, protocol = 0): number {
    return this.now('socket', [domain, type, protocol]);
  }

  socketpair(domain: number, type: number, protocol = 0): [number, number] {
    const pair = out(8);
    this.now('socketpair', [domain, type, protocol, pair]);
    return [pair.view.getInt32(0, true), pair.view.getInt32(4, true)];
  }

  bind(fd: number, address: SocketPath): void {
    const name = encodeAddress(address);
    this.now('bind', [fd, name, name.length]);
  }

  listen(fd: number, backlog: number): void {
    this.now('listen', [fd, backlog]);
  }

  /** Waits while the listener's queue is full. */
  async connect(fd: number, address: SocketPath): Promise<void> {
    const name = encodeAddress(address);
    await this.blocking('connect', [fd, name, name.length]);
  }

  /** @returns the descriptor of the connection; `getpeername` tells whose it is */
  accept(fd: number): Promise<number> {
    return this.accept4(fd, 0);
  }

  /** @param flags SOCK_NONBLOCK, SOCK_CLOEXEC */
  accept4(fd: number, flags: number): Promise<number> {
    return this.blocking('accept4', [fd, 0, 0, flags]);
  }

  /** @param how SHUT_RD, SHUT_WR, SHUT_RDWR */
  shutdown(fd: number, how: number): void {
    this.now('shutdown', [fd, how]);
  }

  getsockname(fd: number): string {
    return this.#name('getsockname', fd);
  }

  getpeername(fd: number): string {
    return this.#name('getpeername', fd);
  }

  /** Fills `value`. @returns bytes of the option */
  getsockopt(fd: number, level: number, option: number, value: Target): number {
    const bytes = memoryOf(value, 'value');
    const length = new InOut(new Uint8Array(Uint32Array.of(bytes.length).buffer));
    this.now('getsockopt', [fd, level, option, new InOut(bytes), length]);
    return length.view.getUint32(0, true);
  }

  /** @param value a number for options that are an int, else the bytes of the structure */
  setsockopt(fd: number, level: number, option: number, value: number | Source): void {
    const bytes = typeof value === 'number' ? new Uint8Array(Int32Array.of(value).buffer) : bytesOf(value, 'value');
    this.now('setsockopt', [fd, level, option, bytes, bytes.length]);
  }

  /**
   * @param data one piece or several, sent as one message
   * @param address null: to the peer
   * @returns bytes
   */
  async sendmsg(
    fd: number,
    data: Source | readonly Source[],
    flags = 0,
    address: SocketPath | null = null,
    attachments: Attachments = {},
  ): Promise<number> {
    const pieces = Array.isArray(data) ? (data as readonly Source[]) : [data as Source];
    return this.blocking('sendmsg', [fd, outgoing(pieces, address, attachments), flags]);
  }

  send(fd: number, data: Source, flags = 0): Promise<number> {
    return this.sendmsg(fd, data, flags);
  }

  sendto(fd: number, data: Source, flags: number, address: SocketPath): Promise<number> {
    return this.sendmsg(fd, data, flags, address);
  }

  /** @param controlRoom bytes for what comes with the message; by default enough for descriptors and credentials */
  async recvmsg(
    fd: number,
    buffers: Target | readonly Target[],
    flags = 0,
    controlRoom = CONTROL_ROOM,
  ): Promise<ReceivedMessage> {
    const incoming = new Incoming(
      Array.isArray(buffers) ? (buffers as readonly Target[]) : [buffers as Target],
      controlRoom,
    );
    return incoming.message(await this.blocking('recvmsg', [fd, incoming.argument, flags]));
  }

  /** Descriptors that come with the message are closed: use `recvmsg` for them. @returns bytes, 0 at the end */
  async recv(fd: number, buffer: Target, flags = 0): Promise<number> {
    return (await this.recvmsg(fd, buffer, flags, 0)).length;
  }

  async recvfrom(fd: number, buffer: Target, flags = 0): Promise<{ length: number; address: string }> {
    const { length, address } = await this.recvmsg(fd, buffer, flags, 0);
    return { length, address };
  }

  #name(call: 'getsockname' | 'getpeername', fd: number): string {
    const address = new Out(new Uint8Array(SOCKADDR_SIZE));
    const length = new InOut(new Uint8Array(Uint32Array.of(SOCKADDR_SIZE).buffer));
    this.now(call, [fd, address, length]);
    const family = address.view.getUint16(0, true);
    return family === AF_UNIX ? decodeAddress(address.bytes, length.view.getUint32(0, true)) : '';
  }
}
