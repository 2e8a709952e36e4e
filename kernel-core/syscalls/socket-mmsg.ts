/** System calls that move many messages: sendmmsg and recvmmsg. @source sendmmsg(2), recvmmsg(2); Linux net/socket.c */
import { EAGAIN, EFAULT, EINTR, EINVAL, ERESTARTSYS, fail, isErr } from '../../abi/errno.js';
import { MMSGHDR_LEN, MMSGHDR_SIZE, MSG_DONTWAIT, MSG_OOB, MSG_WAITFORONE, UIO_MAXIOV } from '../../abi/socket.js';
import type { SocketFile } from '../../net/socket.js';
import type { IoIter } from '../../vfs/iter.js';
import type { Task } from '../task.js';
import type { Hook, WaitRequest } from '../wait.js';
import { readTimespec, writeTimespec } from './layouts.js';
import type { SyscallRows } from './row.js';
import { socketFile } from './socket-address.js';
import type { Started } from './socket-io.js';
import { isCompat, messageFile, startRecvmsg, startSendmsg } from './socket-messages.js';

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
  const file = messageFile(task, fd, flags | 0);
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

export const socketMmsgSyscalls: SyscallRows = {
  299: {
    name: 'recvmmsg',
    fn: recvmmsg,
    support: 'full',
    args: ['fd', 'mmsghdrOut', 'uint', 'msgFlags', 'messageTime'],
    result: 'messages',
  },
  307: { name: 'sendmmsg', fn: sendmmsg, support: 'full', args: ['fd', 'mmsghdrIn', 'uint', 'msgFlags'] },
};
