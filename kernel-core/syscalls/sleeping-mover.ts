/**
 * A transfer (transfer.ts) from or to a file of a driver, whose reads and writes may sleep in the middle: bytes go through a
 * buffer of the transfer's own, read first and written then, and each of the two may take any time.
 *
 * What a device has given is gone from there: a pipe keeps room for it meanwhile. What is read from a pipe stays there
 * until the driver has taken it, and nobody else reads there meanwhile. What comes from a file with positions is read
 * again if it was not taken. No locks.
 */
import { EAGAIN, EFAULT, EPIPE, type Err, fail } from '../../abi/errno.js';
import { POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../../abi/poll.js';
import { SIGPIPE } from '../../abi/signal.js';
import { SUSPENDED } from '../../vfs/file.js';
import { PipeFile } from '../../vfs/fs/pipefs.js';
import { fileAccessed, fileModified } from '../../vfs/fsnotify.js';
import { writeFile as writeAtOffset } from '../../vfs/io.js';
import { BytesIter } from '../../vfs/iter.js';
import type { Task } from '../task.js';
import type { Hook, WaitRequest } from '../wait.js';
import { AT_OFFSET, raise } from './io.js';
import type { Transfer } from './transfer.js';

/** Slots of a pipe that one write gets. @source Linux fs/splice.c PIPE_DEF_BUFFERS */
const PIPE_SLOTS = 16;
/** Bytes that are read at once. */
const BUFFER_SIZE = PIPE_SLOTS * 4096;

export class SleepingMover implements WaitRequest {
  readonly what = 'splice';
  readonly hooks: readonly Hook[];
  /** What `attempt` has answered is the result, -EAGAIN too; or it is the driver who wakes. */
  waitsByItself = false;
  readonly #task: Task;
  readonly #transfer: Transfer;
  readonly #buffer: Uint8Array;
  #moved = 0;
  /** The operation that is under way. */
  #state: 'none' | 'reading' | 'writing' = 'none';
  /** What the operation works on. */
  #iter = new BytesIter(new Uint8Array(0));
  /** Where the source is being read. */
  #source = 0;
  /** Bytes of the buffer: those before `#start` were taken by the target. */
  #start = 0;
  #end = 0;
  /** Bytes that the target, a pipe, keeps room for. */
  #reserved = 0;
  /** The source is a pipe, where the bytes of the buffer still are. */
  #holds = false;

  constructor(task: Task, transfer: Transfer) {
    this.#task = task;
    this.#transfer = transfer;
    this.#buffer = new Uint8Array(Math.min(transfer.count, BUFFER_SIZE));
    const hooks = [transfer.from, transfer.to].filter((file) => !file.waitsByItself).map((file) => file.inode.hook);
    this.hooks = [...new Set(hooks)];
  }

  /** @returns bytes moved, or why none was; PENDING */
  run(): number {
    const result = this.attempt();
    if (result !== SUSPENDED && (result !== -EAGAIN || this.waitsByItself)) {
      this.#giveBack();
      return result;
    }
    const { from, to } = this.#transfer;
    from.ref();
    to.ref();
    return this.#task.wait.block(this);
  }

  cleanup(): void {
    const { from, to } = this.#transfer;
    this.#giveBack();
    from.unref();
    to.unref();
  }

  attempt(): number {
    this.waitsByItself = true;
    for (;;) {
      if (this.#start === this.#end) {
        if (this.#moved === this.#transfer.count) return this.#done();
        const room = this.#state === 'none' ? this.#room() : 0;
        if (room < 0) return this.#ended(room, false);
        const count = this.#read(room);
        if (count === SUSPENDED) return count;
        if (count <= 0) return this.#ended(count, this.#transfer.from.waitsByItself);
      }
      const count = this.#write();
      if (count === SUSPENDED) return count;
      if (count <= 0) return this.#ended(count, this.#transfer.to.waitsByItself);
      if (this.#start < this.#end) continue;
      // A device says at once what it has; whoever wants more asks again.
      const { all, from } = this.#transfer;
      if (!all && !(from instanceof PipeFile)) return this.#done();
    }
  }

  /** Nothing comes, or nothing is taken. @param isDriver a driver says so */
  #ended(result: number, isDriver: boolean): number {
    const { all, nonBlocking } = this.#transfer;
    if (result === -EAGAIN && !isDriver) {
      const enough = this.#moved > 0 && (!all || this.#task.hasDeliverableSignal);
      if (nonBlocking) return this.#moved > 0 ? this.#done() : result;
      if (!enough) {
        this.waitsByItself = false;
        return result;
      }
    }
    if (result === -EPIPE) raise(this.#task, SIGPIPE);
    return this.#moved > 0 || result === 0 ? this.#done() : result;
  }

  /** How many bytes may be read now. @returns -EPIPE, -EAGAIN when the pipe that they go to has no room */
  #room(): number | Err {
    const { to, count } = this.#transfer;
    const wanted = Math.min(count - this.#moved, this.#buffer.length);
    if (!(to instanceof PipeFile)) return wanted;
    const { readers, room } = to.pipe;
    if (readers === 0) return fail(EPIPE);
    return room === 0 ? fail(EAGAIN) : Math.min(wanted, room);
  }

  /**
   * Fills the buffer, or goes on with it.
   * @param wanted bytes
   * @returns bytes; 0 at the end; -EAGAIN, SUSPENDED, errors
   */
  #read(wanted: number): number {
    const { from, fromAt, to } = this.#transfer;
    if (this.#state === 'none') {
      if (from instanceof PipeFile) return this.#look(from, wanted);
      if (to instanceof PipeFile) {
        to.pipe.reserve(wanted);
        this.#reserved = wanted;
      }
      this.#source = fromAt.position === AT_OFFSET ? from.offset : fromAt.position;
      this.#iter = new BytesIter(this.#buffer.subarray(0, wanted));
      this.#state = 'reading';
    }
    const result = from.read(this.#iter, this.#source, this.#task);
    if (result === SUSPENDED) return result;
    this.#state = 'none';
    if (result <= 0) this.#giveBack();
    else this.#filled(result);
    return result;
  }

  #look(from: PipeFile, wanted: number): number | Err {
    const count = from.pipe.peek(this.#buffer, wanted, PIPE_SLOTS);
    if (count > 0) {
      from.pipe.hold();
      this.#holds = true;
      this.#filled(count);
    }
    return count;
  }

  #filled(count: number): void {
    this.#start = 0;
    this.#end = count;
  }

  /** Hands what is in the buffer to the target. @returns bytes that it took; -EAGAIN, SUSPENDED, errors */
  #write(): number {
    const { to, toAt } = this.#transfer;
    if (this.#state === 'none') {
      this.#iter = new BytesIter(this.#buffer.subarray(this.#start, this.#end));
      this.#state = 'writing';
      if (to instanceof PipeFile) this.#unreserve(to);
    }
    const result =
      toAt.position === AT_OFFSET
        ? writeAtOffset(to, this.#iter, this.#task)
        : to.write(this.#iter, toAt.position, this.#task);
    if (result === SUSPENDED) return result;
    this.#state = 'none';
    if (result > 0) this.#took(result);
    // What the target does not want stays where it was.
    if (this.#start === this.#end || (result <= 0 && result !== -EAGAIN)) this.#giveBack();
    return result;
  }

  #took(count: number): void {
    const { from, fromAt, to, toAt } = this.#transfer;
    this.#start += count;
    this.#moved += count;
    if (toAt.position !== AT_OFFSET) toAt.position += count;
    if (from instanceof PipeFile) {
      from.pipe.letGo();
      const into = new BytesIter(new Uint8Array(count));
      while (into.remaining > 0 && from.read(into, 0, this.#task) > 0) {}
      if (this.#start < this.#end) from.pipe.hold();
    } else if (fromAt.position !== AT_OFFSET) fromAt.position += count;
    else if (from.seekable) from.offset = this.#source + this.#start;
    fileAccessed(from);
    fileModified(to);
  }

  #unreserve(to: PipeFile): void {
    if (this.#reserved === 0) return;
    to.pipe.unreserve(this.#reserved);
    this.#reserved = 0;
  }

  /** Nothing is under way: pipes are as they were. */
  #giveBack(): void {
    const { from, to } = this.#transfer;
    this.#state = 'none';
    this.#start = this.#end;
    if (to instanceof PipeFile && this.#reserved > 0) {
      this.#unreserve(to);
      to.inode.notify(POLLOUT | POLLWRNORM);
    }
    if (!this.#holds) return;
    this.#holds = false;
    (from as PipeFile).pipe.letGo();
    from.inode.notify(POLLIN | POLLRDNORM);
  }

  #done(): number | Err {
    const { fromAt, toAt } = this.#transfer;
    return fromAt.store() !== 0 || toAt.store() !== 0 ? fail(EFAULT) : this.#moved;
  }
}
