/**
 * Sending, receiving, connecting and accepting with waits: the one place that joins the never-blocking operations of
 * sockets to the wait primitive. read and write come here from io.ts, the message calls from socket-messages.ts.
 *
 * The first try is made at once and allocates nothing. A call that must wait becomes an object that is tried again
 * whenever the socket's hook fires. Time-outs are those of SO_RCVTIMEO and SO_SNDTIMEO; with one, an interrupted call
 * is not restarted. @source socket(7), signal(7)
 */
import { EAGAIN, EINTR, EPIPE, ERESTARTSYS, fail } from '../../abi/errno.js';
import { O_NONBLOCK } from '../../abi/fcntl.js';
import { POLLIN, POLLOUT, POLLRDBAND, POLLRDNORM, POLLWRBAND, POLLWRNORM } from '../../abi/poll.js';
import { SI_USER, SIGPIPE } from '../../abi/signal.js';
import { MSG_DONTWAIT, MSG_NOSIGNAL, MSG_WAITALL } from '../../abi/socket.js';
import { dropFiles, type Outgoing, PLAIN, Receipt } from '../../net/message.js';
import type { Socket, SocketFile } from '../../net/socket.js';
import type { IoIter } from '../../vfs/iter.js';
import { sendToTask } from '../signals/send.js';
import { makeSignalInfo } from '../signals/state.js';
import type { Task } from '../task.js';
import type { Hook, WaitRequest } from '../wait.js';
import { type Sleeper, Turn } from './socket-turn.js';

/** Monotonic nanoseconds at which a wait of `duration` ends. */
const deadlineOf = (task: Task, duration: number): number =>
  duration === Number.POSITIVE_INFINITY ? duration : task.kernel.host.monotonic() + duration;

/** What all waits of sockets have in common. */
abstract class SocketWait implements WaitRequest, Sleeper {
  readonly hooks: readonly Hook[];
  readonly deadline: number;
  readonly interrupted: number;
  abstract readonly what: string;
  readonly task: Task;
  protected readonly file: SocketFile;

  constructor(task: Task, file: SocketFile, timeout: number) {
    this.task = task;
    this.file = file;
    this.hooks = file.inode.hooks;
    this.deadline = deadlineOf(task, timeout);
    this.interrupted = timeout === Number.POSITIVE_INFINITY ? ERESTARTSYS : EINTR;
    file.ref();
  }

  wake(): void {
    this.task.kernel.scheduler.wake(this.task);
  }

  abstract attempt(): number;
  abstract timedOut(): number;

  cleanup(): void {
    this.file.unref();
  }
}

// Sending.

/** `flags` with MSG_DONTWAIT if the call must not wait. */
const sendFlags = (file: SocketFile, flags: number): number =>
  (file.flags & O_NONBLOCK) !== 0 || file.socket.options.sendTimeout === 0 ? flags | MSG_DONTWAIT : flags;

const receiveFlags = (file: SocketFile, flags: number): number =>
  (file.flags & O_NONBLOCK) !== 0 || file.socket.options.receiveTimeout === 0 ? flags | MSG_DONTWAIT : flags;

/** The call is over: descriptors that no message took go. */
function forgetFiles(out: Outgoing): void {
  if (out.files === null) return;
  dropFiles(out.files.files);
  out.files = null;
}

/** A send's error on the first try. A stream without a reader raises SIGPIPE. */
function sendFailed(task: Task, socket: Socket, flags: number, error: number): number {
  if (error === -EPIPE && socket.raisesSigpipe && (flags & MSG_NOSIGNAL) === 0) {
    sendToTask(task, makeSignalInfo(SIGPIPE, SI_USER, { pid: task.pid, uid: task.cred.uid }));
  }
  return error;
}

/** A send that waits for room, at the peer or in its own buffer. */
class SendWait extends SocketWait {
  readonly ignored = POLLIN | POLLRDNORM | POLLRDBAND;
  readonly what = 'sock_alloc_send_pskb';
  readonly #from: IoIter;
  readonly #flags: number;
  readonly #out: Outgoing;
  readonly #turn: Turn | null;
  #done: number;

  constructor(task: Task, file: SocketFile, from: IoIter, flags: number, out: Outgoing, done: number) {
    super(task, file, file.socket.options.sendTimeout);
    this.#from = from;
    this.#flags = flags;
    this.#out = out;
    this.#done = done;
    // Whole messages go in whole: they need no turn, and one that waits for its receiver must not keep others back.
    this.#turn = file.socket.isStream ? new Turn(file.socket.sendLock, this) : null;
  }

  attempt(): number {
    if (this.#turn !== null && !this.#turn.hasCome) return this.#sleep();
    const count = this.file.socket.send(this.#from, this.#flags, this.#out, this.task, true);
    if (count >= 0) this.#done += count;
    else if (count !== -EAGAIN) return this.#done > 0 ? this.#done : count;
    if (count >= 0 && (this.#turn === null || this.#from.remaining === 0)) return this.#done;
    return this.#sleep();
  }

  #sleep(): number {
    if (this.#done > 0 && this.task.hasDeliverableSignal) return this.#done;
    this.#turn?.keep();
    return fail(EAGAIN);
  }

  timedOut(): number {
    return this.#done > 0 ? this.#done : fail(EAGAIN);
  }

  override cleanup(): void {
    this.#turn?.leave();
    forgetFiles(this.#out);
    super.cleanup();
  }
}

/** A send under way: its result, or what goes on waiting for it. */
export type Started = number | WaitRequest;

/** @returns the result, or the wait to be made */
export function startSend(task: Task, file: SocketFile, from: IoIter, asked: number, out: Outgoing): Started {
  const { socket } = file;
  const flags = sendFlags(file, asked);
  let count = fail(EAGAIN) as number;
  if (!socket.isSendLocked) count = socket.send(from, flags, out, task, false);
  if (count >= 0 && (from.remaining === 0 || !socket.isStream)) {
    forgetFiles(out);
    return count;
  }
  if (count < 0 && count !== -EAGAIN) {
    forgetFiles(out);
    return sendFailed(task, socket, flags, count);
  }
  if (flags & MSG_DONTWAIT) {
    forgetFiles(out);
    return count;
  }
  return new SendWait(task, file, from, flags, out, Math.max(count, 0));
}

/** Waits if need be. */
export const finish = (task: Task, started: Started): number =>
  typeof started === 'number' ? started : task.wait.block(started);

/** Sends all of `from`. Takes over the descriptors of `out`. @returns bytes; -EAGAIN, -EPIPE …; PENDING */
export const sendOn = (task: Task, file: SocketFile, from: IoIter, flags: number, out: Outgoing): number =>
  finish(task, startSend(task, file, from, flags, out));

// Receiving.

/** What becomes of a receive: the result of the call. Called once. */
export type Completion = (receipt: Receipt, result: number) => number;

class ReceiveWait extends SocketWait {
  readonly ignored = POLLOUT | POLLWRNORM | POLLWRBAND;
  readonly what = 'unix_stream_data_wait';
  readonly #to: IoIter;
  readonly #flags: number;
  readonly #receipt: Receipt;
  readonly #turn: Turn;
  readonly #complete: Completion;

  constructor(task: Task, file: SocketFile, to: IoIter, flags: number, receipt: Receipt, complete: Completion) {
    super(task, file, file.socket.options.receiveTimeout);
    this.#to = to;
    this.#flags = flags;
    this.#receipt = receipt;
    this.#complete = complete;
    this.#turn = new Turn(file.socket.receiveLock, this);
  }

  attempt(): number {
    if (this.#turn.hasCome) {
      const count = this.file.socket.receive(this.#to, this.#flags, this.#receipt);
      if (count !== -EAGAIN) return this.#complete(this.#receipt, count);
    }
    if (this.#receipt.copied > 0 && this.task.hasDeliverableSignal) return this.timedOut();
    this.#turn.keep();
    return fail(EAGAIN);
  }

  timedOut(): number {
    const { copied } = this.#receipt;
    return this.#complete(this.#receipt, copied > 0 ? copied : fail(EAGAIN));
  }

  override cleanup(): void {
    this.#turn.leave();
    this.#receipt.drop();
    spares.push(this.#receipt);
    super.cleanup();
  }
}

/** For the first try; a call that waits takes it along, and brings it back. */
let spare = new Receipt();
const spares: Receipt[] = [];

/** @returns the result of `complete`, or the wait to be made */
export function startReceive(task: Task, file: SocketFile, to: IoIter, asked: number, complete: Completion): Started {
  const { socket } = file;
  const flags = receiveFlags(file, asked);
  const receipt = spare;
  const { lowWater } = socket.options;
  receipt.begin((flags & MSG_WAITALL ? to.remaining : Math.min(lowWater, to.remaining)) || 1);
  const count = socket.isReceiveLocked ? fail(EAGAIN) : socket.receive(to, flags, receipt);
  if (count !== -EAGAIN) return complete(receipt, count);
  if (flags & MSG_DONTWAIT) return complete(receipt, receipt.copied > 0 ? receipt.copied : count);
  spare = spares.pop() ?? new Receipt();
  return new ReceiveWait(task, file, to, flags, receipt, complete);
}

export const receiveOn = (task: Task, file: SocketFile, to: IoIter, flags: number, complete: Completion): number =>
  finish(task, startReceive(task, file, to, flags, complete));

/** For who has no place for what comes beside the bytes. */
export const bytesOnly: Completion = (receipt, result) => {
  receipt.drop();
  return result;
};

/** read(2) and relatives. @param noWait as RWF_NOWAIT */
export function readSocket(task: Task, file: SocketFile, to: IoIter, noWait: boolean): number {
  if (to.remaining === 0) return 0;
  task.process.io.readCalls++;
  return receiveOn(task, file, to, noWait ? MSG_DONTWAIT : 0, bytesOnly);
}

/** write(2) and relatives. */
export function writeSocket(task: Task, file: SocketFile, from: IoIter, noWait: boolean): number {
  task.process.io.writeCalls++;
  return sendOn(task, file, from, noWait ? MSG_DONTWAIT : 0, PLAIN);
}

// Connections.

class ConnectWait extends SocketWait {
  readonly what = 'unix_wait_for_peer';
  readonly #address: Uint8Array;

  constructor(task: Task, file: SocketFile, address: Uint8Array) {
    super(task, file, file.socket.options.sendTimeout);
    this.#address = address;
  }

  attempt(): number {
    return this.file.socket.connect(this.#address, this.task, 0);
  }

  timedOut(): number {
    return fail(EAGAIN);
  }
}

export function connectOn(task: Task, file: SocketFile, address: Uint8Array): number {
  const flags = sendFlags(file, 0);
  const result = file.socket.connect(address, task, flags);
  if (result !== -EAGAIN || flags & MSG_DONTWAIT) return result;
  return task.wait.block(new ConnectWait(task, file, address));
}

class AcceptWait extends SocketWait {
  readonly ignored = POLLOUT | POLLWRNORM | POLLWRBAND;
  readonly what = 'skb_wait_for_more_packets';
  readonly #turn: Turn;
  readonly #accepted: (socket: Socket) => number;

  constructor(task: Task, file: SocketFile, accepted: (socket: Socket) => number) {
    super(task, file, file.socket.options.receiveTimeout);
    this.#accepted = accepted;
    this.#turn = new Turn(file.socket.receiveLock, this);
  }

  attempt(): number {
    if (this.#turn.hasCome) {
      const socket = this.file.socket.accept(0);
      if (typeof socket !== 'number') return this.#accepted(socket);
      if (socket !== -EAGAIN) return socket;
    }
    this.#turn.keep();
    return fail(EAGAIN);
  }

  timedOut(): number {
    return fail(EAGAIN);
  }

  override cleanup(): void {
    this.#turn.leave();
    super.cleanup();
  }
}

/** @param accepted makes the result of the call out of the connection */
export function acceptOn(task: Task, file: SocketFile, accepted: (socket: Socket) => number): number {
  const flags = receiveFlags(file, 0);
  const socket = file.socket.isReceiveLocked ? fail(EAGAIN) : file.socket.accept(flags);
  if (typeof socket !== 'number') return accepted(socket);
  if (socket !== -EAGAIN || flags & MSG_DONTWAIT) return socket;
  return task.wait.block(new AcceptWait(task, file, accepted));
}
