/**
 * System calls that move one message: sendmsg and recvmsg, and sendto and recvfrom, which are the same with their
 * arguments given otherwise; many at once: socket-mmsg.ts. @source send(2), recv(2); Linux net/socket.c
 */
import { EFAULT, EINVAL, EMSGSIZE, type Err, fail, isErr } from '../../abi/errno.js';
import {
  MSG_CMSG_CLOEXEC,
  MSG_CMSG_COMPAT,
  MSGHDR_CONTROL,
  MSGHDR_CONTROLLEN,
  MSGHDR_FLAGS,
  MSGHDR_IOV,
  MSGHDR_IOVLEN,
  MSGHDR_NAME,
  MSGHDR_NAMELEN,
  MSGHDR_SIZE,
  SOCKADDR_MAX,
  UIO_MAXIOV,
} from '../../abi/socket.js';
import { type Outgoing, PLAIN, type Receipt } from '../../net/message.js';
import type { SocketFile } from '../../net/socket.js';
import type { IoIter } from '../../vfs/iter.js';
import { MAX_RW_COUNT } from '../mm/user-iter.js';
import type { Task } from '../task.js';
import { getI64 } from './layouts.js';
import type { SyscallRows } from './row.js';
import { readAddress, socketFile, writeAddress } from './socket-address.js';
import { ControlWriter, readControl } from './socket-control.js';
import {
  bytesOnly,
  type Completion,
  finish,
  receiveOn,
  type Started,
  sendOn,
  startReceive,
  startSend,
} from './socket-io.js';

const NO_ADDRESS = new Uint8Array(0);

export const isCompat = (flags: number): boolean => (flags & MSG_CMSG_COMPAT) !== 0;

/** The reader's side of an address: bytes of the sender's, none if it has no name. */
const senderOf = (receipt: Receipt): Uint8Array => receipt.address ?? NO_ADDRESS;

// One buffer.

/** A buffer of which, unlike for read and write, only what can be moved has to be memory. @source Linux import_ubuf */
const bufferOf = (task: Task, address: number, length: number): IoIter | Err =>
  task.mm!.iter(address, length < 0 ? MAX_RW_COUNT : Math.min(length, MAX_RW_COUNT));

/** The buffer of the call under way that has one. */
let buffer: IoIter;

/** How sendto and recvfrom begin: the buffer is looked at before the descriptor. @returns the socket; `buffer` is set */
function withBuffer(task: Task, fd: number, address: number, length: number): SocketFile | Err {
  const iter = bufferOf(task, address, length);
  if (isErr(iter)) return iter;
  buffer = iter;
  return socketFile(task, fd);
}

function sendto(
  task: Task,
  fd: number,
  data: number,
  length: number,
  flags: number,
  address: number,
  addressLength: number,
): number {
  const file = withBuffer(task, fd, data, length);
  if (isErr(file)) return file;
  const to = address === 0 ? null : readAddress(task, address, addressLength);
  if (to !== null && isErr(to)) return to;
  return sendOn(task, file, buffer, flags | 0, to === null ? PLAIN : outgoing(task, to));
}

const outgoing = (task: Task, address: Uint8Array | null): Outgoing => ({
  address: address === null || address.length === 0 ? null : address,
  caller: task,
  files: null,
  pid: 0,
  uid: 0,
  gid: 0,
  who: null,
});

function recvfrom(
  task: Task,
  fd: number,
  room: number,
  length: number,
  flags: number,
  address: number,
  lengthAddress: number,
): number {
  const file = withBuffer(task, fd, room, length);
  if (isErr(file)) return file;
  const complete = address === 0 ? bytesOnly : withSender(task, address, lengthAddress);
  return receiveOn(task, file, buffer, flags | 0, complete);
}

/** Writes the address of the sender where recvfrom wants it. */
const withSender =
  (task: Task, address: number, lengthAddress: number): Completion =>
  (receipt, result) => {
    receipt.drop();
    if (result < 0) return result;
    const written = writeAddress(task, senderOf(receipt), address, lengthAddress);
    return written < 0 ? written : result;
  };

// struct msghdr.

const bytes = new Uint8Array(MSGHDR_SIZE);
const view = new DataView(bytes.buffer);

/** What a msghdr says. */
interface MessageHeader {
  name: number;
  nameLength: number;
  control: number;
  controlLength: number;
  buffers: IoIter;
}

/** @param sends the address is read by the caller, who also gets -EFAULT for it before the buffers are looked at */
function readHeader(
  task: Task,
  address: number,
  sends: boolean,
): { header: MessageHeader; to: Uint8Array | null } | Err {
  const mm = task.mm!;
  if (mm.read(address, bytes) !== 0) return fail(EFAULT);
  const name = getI64(view, MSGHDR_NAME);
  const given = view.getInt32(MSGHDR_NAMELEN, true);
  if (name !== 0 && given < 0) return fail(EINVAL);
  const nameLength = name === 0 ? 0 : Math.min(given, SOCKADDR_MAX);
  const vectors = getI64(view, MSGHDR_IOV);
  const count = getI64(view, MSGHDR_IOVLEN);
  const control = getI64(view, MSGHDR_CONTROL);
  const controlLength = getI64(view, MSGHDR_CONTROLLEN);
  const to = sends && nameLength > 0 ? readAddress(task, name, nameLength) : null;
  if (to !== null && isErr(to)) return to;
  if (count < 0 || count > UIO_MAXIOV) return fail(EMSGSIZE);
  const buffers = mm.iovIter(vectors, count);
  if (isErr(buffers)) return buffers;
  return { header: { name, nameLength, control, controlLength, buffers }, to };
}

/** Begins to send the message at `address`. @param started gets what is sent */
export function startSendmsg(
  task: Task,
  file: SocketFile,
  address: number,
  flags: number,
  started?: (buffers: IoIter) => void,
): Started {
  const read = readHeader(task, address, true);
  if (isErr(read)) return read;
  const { header } = read;
  started?.(header.buffers);
  const out = outgoing(task, read.to);
  const control = readControl(task, file.socket, header.control, header.controlLength, out);
  if (control !== 0) return control;
  return startSend(task, file, header.buffers, flags, out);
}

/** Begins to receive into the message at `address`. @param received gets the final flags of the message */
export function startRecvmsg(
  task: Task,
  file: SocketFile,
  address: number,
  flags: number,
  received?: (flags: number) => void,
): Started {
  const read = readHeader(task, address, false);
  if (isErr(read)) return read;
  const { header } = read;
  const complete: Completion = (receipt, result) => {
    if (result < 0) {
      receipt.drop();
      return result;
    }
    const writer = new ControlWriter(task, header.control, header.controlLength);
    writer.write(file.socket, receipt, flags);
    const shown = (flags & MSG_CMSG_CLOEXEC) | receipt.flags | writer.flags;
    received?.(shown);
    const { name } = header;
    const mm = task.mm!;
    const written = name === 0 ? 0 : writeAddress(task, senderOf(receipt), name, address + MSGHDR_NAMELEN);
    if (written < 0) return written;
    if (mm.writeU32(address + MSGHDR_FLAGS, shown) !== 0) return fail(EFAULT);
    const used = writer.position - header.control;
    return mm.writeU64(address + MSGHDR_CONTROLLEN, used) === 0 ? result : fail(EFAULT);
  };
  return startReceive(task, file, header.buffers, flags, complete);
}

/** How sendmsg and recvmsg begin. @returns the socket; -EINVAL: flags that 32-bit programs have */
export const messageFile = (task: Task, fd: number, flags: number): SocketFile | Err =>
  isCompat(flags) ? fail(EINVAL) : socketFile(task, fd);

function sendmsg(task: Task, fd: number, address: number, flags: number): number {
  const file = messageFile(task, fd, flags | 0);
  return isErr(file) ? file : finish(task, startSendmsg(task, file, address, flags | 0));
}

function recvmsg(task: Task, fd: number, address: number, flags: number): number {
  const file = messageFile(task, fd, flags | 0);
  return isErr(file) ? file : finish(task, startRecvmsg(task, file, address, flags | 0));
}

export const socketMessageSyscalls: SyscallRows = {
  44: {
    name: 'sendto',
    fn: sendto,
    support: 'full',
    args: ['fd', 'bufSent', 'size', 'msgFlags', 'sockaddrIn', 'int'],
  },
  45: {
    name: 'recvfrom',
    fn: recvfrom,
    support: 'full',
    args: ['fd', 'bufReceived', 'size', 'msgFlags', 'sockaddrOut', 'addressLength'],
  },
  46: { name: 'sendmsg', fn: sendmsg, support: 'full', args: ['fd', 'msghdrIn', 'msgFlags'] },
  47: { name: 'recvmsg', fn: recvmsg, support: 'full', args: ['fd', 'msghdrOut', 'msgFlags'] },
};
