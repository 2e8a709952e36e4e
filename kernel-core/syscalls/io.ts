/**
 * Reading and writing through a descriptor: the one path that every read and write variant, sendfile and splice take.
 * It joins the never-blocking operations of open files to the wait primitive, keeps the file offset, and raises
 * SIGPIPE and SIGXFSZ.
 *
 * A read that finds nothing sleeps on the inode's hook and tries again. A write goes on until all of it is taken; an
 * error, a signal or a time-out after the first byte ends it with the count so far.
 */
import { EAGAIN, EFBIG, EPIPE, type Err, fail } from '../../abi/errno.js';
import { O_APPEND, O_NONBLOCK } from '../../abi/fcntl.js';
import { POLLOUT, POLLWRNORM } from '../../abi/poll.js';
import { RLIMIT_FSIZE } from '../../abi/resource.js';
import { SI_USER, SIGPIPE, SIGXFSZ } from '../../abi/signal.js';
import { S_IFMT, S_IFREG } from '../../abi/stat.js';
import { SocketFile } from '../../net/socket.js';
import { type OpenFile, SUSPENDED } from '../../vfs/file.js';
import { fileAccessed, fileModified } from '../../vfs/fsnotify.js';
import { readFile as readAtOffset, writeFile as writeAtOffset } from '../../vfs/io.js';
import type { IoIter } from '../../vfs/iter.js';
import { noteLock, noteUnlock } from '../lock-order.js';
import { sendToTask } from '../signals/send.js';
import { makeSignalInfo } from '../signals/state.js';
import type { Task } from '../task.js';
import type { Hook, WaitRequest } from '../wait.js';
import { readSocket, writeSocket } from './socket-io.js';

/** Position argument: read or write at the file offset and move it. */
export const AT_OFFSET = -1;

/** Per-call flag of preadv2, splice and others: do not wait, whatever the description says. */
export type Waiting = 'wait' | 'no-wait';

/** A signal the task sends itself, as send_sig(…, current, 0) does. */
export function raise(task: Task, signo: number): void {
  sendToTask(task, makeSignalInfo(signo, SI_USER, { pid: task.pid, uid: task.cred.uid }));
}

const mayWait = (file: OpenFile, waiting: Waiting): boolean => waiting === 'wait' && (file.flags & O_NONBLOCK) === 0;

/** Nanoseconds of the monotonic clock at which a wait of `duration` from now ends. */
export const deadlineIn = (task: Task, duration: number): number =>
  duration === Number.POSITIVE_INFINITY ? duration : task.kernel.host.monotonic() + duration;

/** One try to read; moves the offset if `position` is AT_OFFSET. */
function readOnce(task: Task, file: OpenFile, to: IoIter, position: number): number | Err {
  const count = position === AT_OFFSET ? readAtOffset(file, to, task) : file.read(to, position, task);
  if (count > 0) {
    task.process.io.readChars += count;
    fileAccessed(file);
  }
  return count;
}

/**
 * Reads what is there, at least one byte unless at the end.
 * @param position bytes from the start, or AT_OFFSET
 * @returns bytes; -EAGAIN if it must not wait; errors of the file; PENDING while it sleeps
 */
export function readFile(task: Task, file: OpenFile, to: IoIter, position: number, waiting: Waiting = 'wait'): number {
  if (file instanceof SocketFile) return readSocket(task, file, to, waiting === 'no-wait');
  task.process.io.readCalls++;
  const result = readOnce(task, file, to, position);
  if (result !== SUSPENDED) {
    if (result !== -EAGAIN || file.waitsByItself) return result;
    if (!mayWait(file, waiting)) return result;
  }
  return task.wait.block(new ReadWait(task, file, to, position));
}

/** Of those who are woken by a driver. */
const NO_HOOKS: readonly Hook[] = [];

/** A read that waits for input. Holds the description. */
class ReadWait implements WaitRequest {
  readonly hooks: readonly Hook[];
  readonly what = 'wait_for_input';
  waitsByItself: boolean;
  readonly #task: Task;
  readonly #file: OpenFile;
  readonly #to: IoIter;
  readonly #position: number;
  readonly #epoch: number;

  constructor(task: Task, file: OpenFile, to: IoIter, position: number) {
    this.#task = task;
    this.#file = file;
    this.#to = to;
    this.#position = position;
    this.#epoch = file.waitEpoch;
    this.waitsByItself = file.waitsByItself;
    this.hooks = file.waitsByItself ? NO_HOOKS : [file.inode.hook];
    file.ref();
  }

  attempt(): number {
    const { waitError, waitEpoch } = this.#file;
    if (waitError !== 0) return waitError;
    if (waitEpoch !== this.#epoch) {
      this.waitsByItself = true;
      return fail(EAGAIN);
    }
    return readOnce(this.#task, this.#file, this.#to, this.#position);
  }

  deadline(): number {
    return deadlineIn(this.#task, this.#file.readTimeout());
  }

  timedOut(): number {
    return this.#file.readTimedOut(this.#to, this.#task);
  }

  cleanup(): void {
    this.#file.unref();
  }
}

const isRegular = (file: OpenFile): boolean => (file.inode.mode & S_IFMT) === S_IFREG;

/** One try to write; moves the offset if `position` is AT_OFFSET, and raises SIGPIPE when nobody is there to read. */
function writeOnce(task: Task, file: OpenFile, from: IoIter, position: number): number | Err {
  const count = position === AT_OFFSET ? writeAtOffset(file, from, task) : file.write(from, position, task);
  if (count > 0) {
    task.process.io.writtenChars += count;
    fileModified(file);
  } else if (count === -EPIPE) raise(task, SIGPIPE);
  return count;
}

/** A write on its way: what is left of the source, and what went already. */
class Writer {
  readonly #task: Task;
  readonly #file: OpenFile;
  readonly #from: IoIter;
  #position: number;
  #done: number;
  #holdsLock = false;

  /** @param done bytes that went before */
  constructor(task: Task, file: OpenFile, from: IoIter, position: number, done: number) {
    this.#task = task;
    this.#done = done;
    this.#file = file;
    this.#from = from;
    this.#position = position;
  }

  /** Goes on until all is written or nothing more is taken. @returns the final result, or -EAGAIN: wait and go on */
  step(): number | Err {
    const lock = this.#file.writeLock;
    if (lock?.isLocked() && !this.#holdsLock) return fail(EAGAIN);
    for (;;) {
      const count = writeOnce(this.#task, this.#file, this.#from, this.#position);
      if (count === -EAGAIN) return this.#task.hasDeliverableSignal && this.#done > 0 ? this.#done : count;
      if (count < 0) return this.#done > 0 ? this.#done : count;
      this.#done += count;
      if (this.#position !== AT_OFFSET) this.#position += count;
      if (count === 0 || this.#from.remaining === 0 || !continues(this.#file)) return this.#done;
    }
  }

  /** The call is going to sleep: what it still has to write goes out in one piece. An uncontended acquire takes effect at once. */
  keepOthersOut(): void {
    const lock = this.#file.writeLock;
    if (lock === null || this.#done === 0 || this.#holdsLock) return;
    noteLock(this.#task, lock, 'the write lock of a terminal');
    void lock.acquire();
    this.#holdsLock = true;
  }

  /** The call is over. */
  letOthersIn(): void {
    if (!this.#holdsLock) return;
    this.#holdsLock = false;
    const lock = this.#file.writeLock!;
    noteUnlock(this.#task, lock);
    lock.release();
    this.#file.inode.notify(POLLOUT | POLLWRNORM);
  }

  /** The answer of a call that must not wait. */
  get sofar(): number | Err {
    return this.#done > 0 ? this.#done : fail(EAGAIN);
  }
}

/** Does a short write mean that the rest must wait? Of a seekable file it is the answer. */
const continues = (file: OpenFile): boolean => !file.seekable;

/**
 * Writes all of `from`, sleeping as often as needed.
 * @param position bytes from the start, or AT_OFFSET
 * @returns bytes; -EPIPE (SIGPIPE is then pending); -EFBIG (SIGXFSZ); errors of the file; PENDING while it sleeps
 */
export function writeFile(
  task: Task,
  file: OpenFile,
  from: IoIter,
  position: number,
  waiting: Waiting = 'wait',
): number {
  if (file instanceof SocketFile) return writeSocket(task, file, from, waiting === 'no-wait');
  let source = from;
  if (isRegular(file) && task.process.limit(RLIMIT_FSIZE) !== Number.POSITIVE_INFINITY) {
    const start = (file.flags & O_APPEND) !== 0 ? file.inode.size : position === AT_OFFSET ? file.offset : position;
    const room = roomBelowLimit(task, start, from.remaining);
    if (room < 0) return room;
    source = new LimitedIter(from, room);
  }
  if (file.waitsByItself) return writeDriver(task, file, source, position);
  task.process.io.writeCalls++;
  let done = 0;
  if (position === AT_OFFSET && file.writeLock === null) {
    // Mostly all of it is taken at once: then nothing has to be remembered of it.
    const count = writeOnce(task, file, source, position);
    if (count < 0 && count !== -EAGAIN) return count;
    if (count >= 0 && (count === 0 || source.remaining === 0 || !continues(file))) return count;
    done = Math.max(count, 0);
  }
  const writer = new Writer(task, file, source, position, done);
  const result = writer.step();
  if (result !== -EAGAIN) return result;
  if (!mayWait(file, waiting)) return writer.sofar;
  writer.keepOthersOut();
  file.ref();
  const { waitEpoch } = file;
  const request: WaitRequest = {
    hooks: [file.inode.hook],
    attempt: () => {
      if (file.waitEpoch !== waitEpoch) {
        request.waitsByItself = true;
        return writer.sofar;
      }
      const answer = writer.step();
      if (answer === -EAGAIN) writer.keepOthersOut();
      return answer;
    },
    cleanup: () => {
      writer.letOthersIn();
      file.unref();
    },
    what: 'wait_for_room',
  };
  return task.wait.block(request);
}

/** As much as the driver takes: whether it waits for room is its own business. */
function writeDriver(task: Task, file: OpenFile, from: IoIter, position: number): number {
  task.process.io.writeCalls++;
  const result = writeOnce(task, file, from, position);
  return result === SUSPENDED ? awaitDriver(task, file, () => writeOnce(task, file, from, position)) : result;
}

/** An operation of a driver is not over: the task sleeps until it is. @param again makes it again, which goes on with it */
export function awaitDriver(task: Task, file: OpenFile, again: () => number): number {
  file.ref();
  return task.wait.block({
    hooks: NO_HOOKS,
    attempt: again,
    waitsByItself: true,
    cleanup: () => file.unref(),
    what: 'wait_for_driver',
  });
}

/** @returns how many of `count` bytes at `start` RLIMIT_FSIZE lets through; -EFBIG, with SIGXFSZ, when none */
export function roomBelowLimit(task: Task, start: number, count: number): number | Err {
  const limit = task.process.limit(RLIMIT_FSIZE);
  if (count > 0 && start >= limit) {
    raise(task, SIGXFSZ);
    return fail(EFBIG);
  }
  return Math.min(count, limit - start);
}

/** The first `limit` bytes of another iterator. */
class LimitedIter implements IoIter {
  readonly #inner: IoIter;
  /** What `remaining` of the inner one is at our end. */
  readonly #floor: number;

  constructor(inner: IoIter, limit: number) {
    this.#inner = inner;
    this.#floor = Math.max(0, inner.remaining - limit);
  }

  get remaining(): number {
    return this.#inner.remaining - this.#floor;
  }

  put(source: Uint8Array, start: number, end: number): number | Err {
    return this.#inner.put(source, start, Math.min(end, start + this.remaining));
  }

  take(target: Uint8Array, start: number, end: number): number | Err {
    return this.#inner.take(target, start, Math.min(end, start + this.remaining));
  }

  zero(count: number): number | Err {
    return this.#inner.zero(Math.min(count, this.remaining));
  }

  rewind(count: number): void {
    this.#inner.rewind(count);
  }
}
