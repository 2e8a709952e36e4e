/** What sendmsg and recvmsg exchange: addresses, struct msghdr, control messages. @source recvmsg(2), cmsg(3), unix(7) */
import { AF_UNIX, SCM_CREDENTIALS, SCM_RIGHTS, SOL_SOCKET } from '../abi/socket.js';
import { bytesOf, InOut, kindOf, memoryOf, Out, textOf, Vector, wholeNumber } from './calls.js';
import { type Source, type Target, vectorOf } from './files.js';

/**
 * Where a unix socket is: a path, an abstract name (its first character is a zero byte), or '' for a socket without a
 * name, which bind takes as "choose an abstract name".
 */
export type SocketPath = string | Uint8Array;

/** struct ucred. */
export interface Ucred {
  pid: number;
  uid: number;
  gid: number;
}

export interface ControlMessage {
  cmsg_level: number;
  cmsg_type: number;
  data: Uint8Array;
}

/** What goes with the bytes of a message. */
export interface Attachments {
  /** Descriptors: the receiver gets its own for the same open files (SCM_RIGHTS). */
  fds?: readonly number[];
  credentials?: Ucred;
  control?: readonly ControlMessage[];
}

export interface ReceivedMessage {
  /** Bytes of the message; 0 at the end of a stream. */
  length: number;
  /** MSG_TRUNC, MSG_CTRUNC, MSG_EOR … */
  flags: number;
  /** Of the sender; '' if it has none. */
  address: string;
  /** New descriptors of this process: to be closed by it. */
  fds: number[];
  credentials: Ucred | null;
  /** What is none of the above. */
  control: ControlMessage[];
}

const SUN_PATH = 2;
export const SOCKADDR_SIZE = 110;
const MSGHDR_SIZE = 56;
const CMSG_HEADER = 16;
const UCRED_SIZE = 12;
/** Room for as many descriptors as a message can hold, and credentials. @source SCM_MAX_FD */
export const CONTROL_ROOM = CMSG_HEADER + 1016 + CMSG_HEADER + 16;

const align8 = (size: number): number => (size + 7) & ~7;

/** struct sockaddr_un. */
export function encodeAddress(path: SocketPath): Uint8Array {
  if (typeof path !== 'string' && !ArrayBuffer.isView(path)) {
    throw new TypeError(`an address of a socket is a string or a buffer, not ${kindOf(path)}`);
  }
  const name = bytesOf(path, 'address');
  const isPath = name.length > 0 && name[0] !== 0;
  if (isPath && name.includes(0)) throw new TypeError('the path of a socket must not hold zero bytes');
  const bytes = new Uint8Array(SUN_PATH + name.length + (isPath ? 1 : 0));
  new DataView(bytes.buffer).setUint16(0, AF_UNIX, true);
  bytes.set(name, SUN_PATH);
  return bytes;
}

/** @param length of the address in bytes, as the kernel says */
export function decodeAddress(bytes: Uint8Array, length: number): string {
  const name = bytes.subarray(SUN_PATH, Math.max(SUN_PATH, Math.min(length, bytes.length)));
  return name[0] === 0 ? new TextDecoder().decode(name) : textOf(name);
}

function encodeControl({ fds = [], credentials, control = [] }: Attachments): Uint8Array {
  const messages = [...control];
  if (fds.length > 0) {
    const words = Int32Array.from(fds, (fd) => wholeNumber(fd, 'fd'));
    messages.push({ cmsg_level: SOL_SOCKET, cmsg_type: SCM_RIGHTS, data: new Uint8Array(words.buffer) });
  }
  if (credentials !== undefined) {
    const { pid, uid, gid } = credentials;
    const data = new Uint8Array(Int32Array.of(pid, uid, gid).buffer);
    messages.push({ cmsg_level: SOL_SOCKET, cmsg_type: SCM_CREDENTIALS, data });
  }
  const size = messages.reduce((sum, { data }) => sum + CMSG_HEADER + align8(memoryOf(data, 'data').length), 0);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const { cmsg_level, cmsg_type, data } of messages) {
    view.setBigUint64(at, BigInt(CMSG_HEADER + data.length), true);
    view.setInt32(at + 8, wholeNumber(cmsg_level, 'cmsg_level'), true);
    view.setInt32(at + 12, wholeNumber(cmsg_type, 'cmsg_type'), true);
    bytes.set(data, at + CMSG_HEADER);
    at += CMSG_HEADER + align8(data.length);
  }
  return bytes;
}

/** struct msghdr over its parts: name, buffers, control. */
function messageHeader(
  name: Uint8Array | Out | null,
  data: Vector,
  control: Uint8Array | Out | null,
  result: Out | null,
): Vector {
  const parts = [data, ...(name === null ? [] : [name]), ...(control === null ? [] : [control])];
  return new Vector(
    parts,
    MSGHDR_SIZE,
    (addresses) => {
      const bytes = new Uint8Array(MSGHDR_SIZE);
      const view = new DataView(bytes.buffer);
      const put = (offset: number, value: number): void => view.setBigUint64(offset, BigInt(value), true);
      put(16, addresses[0]);
      put(24, data.parts.length);
      if (name !== null) put(0, addresses[1]);
      if (name !== null) view.setUint32(8, lengthOf(name), true);
      if (control !== null) put(32, addresses[addresses.length - 1]);
      if (control !== null) put(40, lengthOf(control));
      return bytes;
    },
    result,
  );
}

const lengthOf = (part: Uint8Array | Out): number => (part instanceof Out ? part.bytes : part).length;

/** @param address null: to the peer */
export function outgoing(data: readonly Source[], address: SocketPath | null, attachments: Attachments): Vector {
  const control = encodeControl(attachments);
  const buffers = vectorOf(data.map((part, i) => bytesOf(part, `data[${i}]`)));
  return messageHeader(
    address === null ? null : encodeAddress(address),
    buffers,
    control.length === 0 ? null : control,
    null,
  );
}

/** Where recvmsg puts a message. */
export class Incoming {
  readonly argument: Vector;
  readonly #name = new Out(new Uint8Array(SOCKADDR_SIZE));
  readonly #control: Out | null;
  readonly #header = new Out(new Uint8Array(MSGHDR_SIZE));

  /** @param controlRoom bytes; what does not fit is thrown away, descriptors closed, and MSG_CTRUNC set */
  constructor(targets: readonly Target[], controlRoom: number) {
    const parts = targets.map((target, i) => memoryOf(target, `buffers[${i}]`));
    // One buffer gets what the call returned; several are fetched whole, and sent whole for it.
    const buffers = parts.map((bytes) => (parts.length === 1 ? new Out(bytes, true) : new InOut(bytes)));
    this.#control = controlRoom === 0 ? null : new InOut(new Uint8Array(wholeNumber(controlRoom, 'room')));
    this.argument = messageHeader(this.#name, vectorOf(buffers), this.#control, this.#header);
  }

  message(length: number): ReceivedMessage {
    const { view } = this.#header;
    const message: ReceivedMessage = {
      length,
      flags: view.getInt32(48, true),
      address: decodeAddress(this.#name.bytes, view.getUint32(8, true)),
      fds: [],
      credentials: null,
      control: [],
    };
    if (this.#control !== null) decodeControl(this.#control, Number(view.getBigUint64(40, true)), message);
    return message;
  }
}

function decodeControl({ bytes, view }: Out, length: number, into: ReceivedMessage): void {
  for (let at = 0; at + CMSG_HEADER <= length; ) {
    const size = Number(view.getBigUint64(at, true));
    if (size < CMSG_HEADER || at + size > length) return;
    const [cmsg_level, cmsg_type] = [view.getInt32(at + 8, true), view.getInt32(at + 12, true)];
    const data = bytes.slice(at + CMSG_HEADER, at + size);
    if (cmsg_level === SOL_SOCKET && cmsg_type === SCM_RIGHTS) {
      into.fds.push(...new Int32Array(data.buffer, 0, data.length >> 2));
    } else if (cmsg_level === SOL_SOCKET && cmsg_type === SCM_CREDENTIALS && data.length === UCRED_SIZE) {
      const [pid, uid, gid] = new Int32Array(data.buffer);
      into.credentials = { pid, uid, gid };
    } else {
      into.control.push({ cmsg_level, cmsg_type, data });
    }
    at += align8(size);
  }
}
