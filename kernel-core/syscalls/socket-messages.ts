/**
 * System calls that move messages: sendmsg and recvmsg, and sendto, recvfrom, sendmmsg, recvmmsg, which are the same
 * with their arguments given otherwise. @source send(2), recv(2), sendmmsg(2), recvmmsg(2); Linux net/socket.c
 */
import { EAGAIN, EFAULT, EINTR, EINVAL, EMSGSIZE, ERESTARTSYS, type Err, fail, isErr } from '../../abi/errno.js';
import {
  MMSGHDR_LEN,
  MMSGHDR_SIZE,
  MSG_CMSG_CLOEXEC,
  MSG_CMSG_COMPAT,
  MSG_DONTWAIT,
  MSG_OOB,
  MSG_WAITFORONE,
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
import type { Hook, WaitRequest } from '../wait.js';
import { getI64, readTimespec, writeTimespec } from './layouts.js';
import type { SyscallRows } from './row.js';
import { readAddress, socketFile, writeAddress } from './socket-address.js';
import { ControlWriter, readControl } from './socket-control.js';
import { bytesOnly, type Completion, receiveOn, type Started, sendOn, startReceive, startSend } from './socket-io.js';

const NO_ADDRESS = new Uint8Array(0);

const isCompat = (flags: number): boolean => (flags & MSG_CMSG_COMPAT) !== 0;

/** The reader's side of an address: bytes of the sender's, none if it has no name. */
const senderOf = (receipt: Receipt): Uint8Array => receipt.address ?? NO_ADDRESS;

// One buffer.

/** A buffer of which, unlike for read and write, only what can be moved has to be memory. @source Linux import_ubuf */
const bufferOf = (task: Task, address: number, length: number): IoIter | Err =>
  task.mm!.iter(address, length < 0 ? MAX_RW_COUNT : Math.min(length, MAX_RW_COUNT));

function sendto(
  task: Task,
  fd: number,
  buffer: number,
  length: number,
  flags: number,
  address: number,
  addressLength: number,
): number {
  const from = bufferOf(task, buffer, length);
  if (isErr(from)) return from;
  const file = socketFile(task, fd);
  if (isErr(file)) return file;
  if (address === 0) return sendOn(task, file, from, flags | 0, PLAIN);
  const to = readAddress(task, address, addressLength);
  if (isErr(to)) return to;
  return sendOn(task, file, from, flags | 0, outgoing(task, to));
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
  buffer: number,
  length: number,
  flags: number,
  address: number,
  lengthAddress: number,
): number {
  const to = bufferOf(task, buffer, length);
  if (isErr(to)) return to;
  const file = socketFile(task, fd);
  if (isErr(file)) return file;
  if (address === 0) return receiveOn(task, file, to, flags | 0, bytesOnly);
  return receiveOn(task, file, to, flags | 0, (receipt, result) => {
    receipt.drop();
    if (result < 0) return result;
    const written = writeAddress(task, senderOf(receipt), address, lengthAddress);
    return written < 0 ? written : result;
  });
}

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
function startSendmsg(
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
function startRecvmsg(
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

const finish = (task: Task, started: Started): number =>
  typeof started === 'number' ? started : task.wait.block(started);

function sendmsg(task: Task, fd: number, address: number, flags: number): number {
  if (isCompat(flags | 0)) return fail(EINVAL);
  const file = socketFile(task, fd);
  return isErr(file) ? file : finish(task, startSendmsg(task, file, address, flags | 0));
}

function recvmsg(task: Task, fd: number, address: number, flags: number): number {
  if (isCompat(flags | 0)) return fail(EINVAL);
  const file = socketFile(task, fd);
  return isErr(file) ? file : finish(task, startRecvmsg(task, file, address, flags | 0));
}

// Many messages.

/** A row of messages, one after the other; a wait in the middle is that of the message under way. */
abstract class Many implements WaitRequest {
  readonly hooks: readonly Hook[];
  readonly what = 'wait_for_message';
  readonly interrupted: number;
  protected readonly task: Task;
  protected readonly file: SocketFile;
  protected flags: number;
  protected count = 0;
  readonly #array: number;
  readonly #total: number;
  #current: WaitRequest | null = null;

  constructor(task: Task, file: SocketFile, array: number, total: number, flags: number, timeout: number) {
    this.task = task;
    this.file = file;
    this.flags = flags;
    this.#array = array;
    this.#total = total;
    this.hooks = [file.inode.hook];
    this.interrupted = timeout === Number.POSITIVE_INFINITY ? ERESTARTSYS : EINTR;
    file.ref();
  }

  protected abstract start(entry: number): Started;
  /** One more message is done. @returns whether to stop here */
  protected abstract isEnough(): boolean;
  /** The result of the call: `error` ended the row, or 0. */
  protected abstract end(error: number): number;

  get deadline(): () => number {
    return () => {
      const { deadline } = this.#current!;
      return typeof deadline === 'function' ? deadline() : (deadline ?? Number.POSITIVE_INFINITY);
    };
  }

  /** @returns the result of the call, or -EAGAIN with `isWaiting`: a message waits */
  attempt(): number {
    while (this.count < this.#total) {
      const entry = this.#array + this.count * MMSGHDR_SIZE;
      const result = this.#step(entry);
      if (result === null) {
        if (this.count > 0 && this.task.hasDeliverableSignal) return this.end(-EINTR);
        return fail(EAGAIN);
      }
      if (result < 0) return this.end(result);
      if (this.task.mm!.writeU32(entry + MMSGHDR_LEN, result) !== 0) return this.end(-EFAULT);
      this.count++;
      if (this.isEnough()) break;
    }
    return this.end(0);
  }

  get isWaiting(): boolean {
    return this.#current !== null;
  }

  /** @returns the result of a message, or null: it waits */
  #step(entry: number): number | null {
    const started = this.#current ?? this.start(entry);
    if (typeof started === 'number') return started;
    this.#current = started;
    const result = started.attempt();
    if (result === -EAGAIN) return null;
    this.#finishCurrent();
    return result;
  }

  #finishCurrent(): void {
    const current = this.#current;
    this.#current = null;
    current?.cleanup?.();
  }

  timedOut(): number {
    const result = this.#current!.timedOut!();
    this.#finishCurrent();
    return this.end(result);
  }

  cleanup(): void {
    this.#finishCurrent();
    this.file.unref();
  }
}

function runMany(task: Task, many: Many): number {
  const result = many.attempt();
  if (many.isWaiting) return task.wait.block(many);
  many.cleanup();
  return result;
}

class SendMany extends Many {
  #buffers: IoIter | null = null;

  protected override start(entry: number): Started {
    return startSendmsg(this.task, this.file, entry, this.flags, (buffers) => {
      this.#buffers = buffers;
    });
  }

  /** A message that went only in part is the last. */
  protected override isEnough(): boolean {
    return this.#buffers !== null && this.#buffers.remaining > 0;
  }

  protected override end(error: number): number {
    return this.count > 0 ? this.count : error;
  }
}

class ReceiveMany extends Many {
  readonly #timeAddress: number;
  readonly #endTime: number;
  #isUrgent = false;

  constructor(task: Task, file: SocketFile, array: number, total: number, flags: number, time: [number, number]) {
    super(task, file, array, total, flags, file.socket.options.receiveTimeout);
    [this.#timeAddress, this.#endTime] = time;
  }

  protected override start(entry: number): Started {
    return startRecvmsg(this.task, this.file, entry, this.flags & ~MSG_WAITFORONE, (flags) => {
      this.#isUrgent = (flags & MSG_OOB) !== 0;
    });
  }

  protected override isEnough(): boolean {
    if (this.flags & MSG_WAITFORONE) this.flags |= MSG_DONTWAIT;
    return this.#isUrgent || this.#remaining <= 0;
  }

  /** Nanoseconds. */
  get #remaining(): number {
    return this.#timeAddress === 0 ? 1 : Math.max(0, this.#endTime - this.task.kernel.host.monotonic());
  }

  /** An error after the first message is left for the next call. */
  protected override end(error: number): number {
    if (this.count === 0) return error;
    if (error < 0 && error !== -EAGAIN && error !== -EINTR) this.file.socket.error = -error;
    if (this.#timeAddress !== 0 && writeTimespec(this.task.mm!, this.#timeAddress, this.#remaining) !== 0) {
      return fail(EFAULT);
    }
    return this.count;
  }
}

function sendmmsg(task: Task, fd: number, array: number, count: number, flags: number): number {
  if (isCompat(flags | 0)) return fail(EINVAL);
  const file = socketFile(task, fd);
  if (isErr(file)) return file;
  const total = Math.min(count >>> 0, UIO_MAXIOV);
  return runMany(task, new SendMany(task, file, array, total, flags | 0, file.socket.options.sendTimeout));
}

function recvmmsg(task: Task, fd: number, array: number, count: number, flags: number, time: number): number {
  if (isCompat(flags | 0)) return fail(EINVAL);
  let duration = 0;
  if (time !== 0) {
    const read = readTimespec(task.mm!, time);
    if (isErr(read)) return read;
    duration = read;
  }
  const file = socketFile(task, fd);
  if (isErr(file)) return file;
  const error = file.socket.takeError();
  if (error !== 0) return error;
  const end: [number, number] = [time, time === 0 ? 0 : task.kernel.host.monotonic() + duration];
  return runMany(task, new ReceiveMany(task, file, array, count >>> 0, flags | 0, end));
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
  299: {
    name: 'recvmmsg',
    fn: recvmmsg,
    support: 'full',
    args: ['fd', 'mmsghdrOut', 'uint', 'msgFlags', 'messageTime'],
    result: 'messages',
  },
  307: { name: 'sendmmsg', fn: sendmmsg, support: 'full', args: ['fd', 'mmsghdrIn', 'uint', 'msgFlags'] },
};
