/**
 * An open device of a driver: every operation is a call of the driver. One that sleeps answers SUSPENDED; the task makes the
 * same operation again when it is woken, and that goes on with the call (`KernelCall` of the task).
 *
 * The driver knows the file by a `struct banos_file` in its heap, and where bytes go by a `struct banos_iter`, which is valid
 * during the call only. A module that went by force leaves files behind that answer -ENODEV.
 */
import { EINVAL, ENODEV, ENOMEM, ENOTTY, type Err, ESPIPE, fail } from '../../abi/errno.js';
import { O_ASYNC, SEEK_CUR, SEEK_SET } from '../../abi/fcntl.js';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../../abi/poll.js';
import type { Caller } from '../../vfs/caller.js';
import { OpenFile, SUSPENDED, type UserMemory } from '../../vfs/file.js';
import type { IoIter } from '../../vfs/iter.js';
import type { MappingRequest, PageCache } from '../../vfs/page-cache.js';
import { Task } from '../task.js';
import type { MinorInode, OperationName } from './chrdev.js';
import { DriverMapping } from './chrdev-mapping.js';
import { numberOf } from './device-number.js';
import type { Owned } from './owner.js';

/** struct banos_file. */
const FILE_SIZE = 40;
const F_FLAGS = 4;
const F_MINOR = 8;
const F_DEVICE = 12;
const F_DATA = 24;
const ALWAYS_READY = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
const GONE = POLLERR | POLLHUP;
/** BANOS_CHRDEV_SEEKABLE */
const FLAG_SEEKABLE = 1;
/** BANOS_CHRDEV_SPLICE */
const FLAG_SPLICE = 2;

export class DriverFile extends OpenFile {
  declare readonly inode: MinorInode;
  /** Of its struct banos_file; 0: it is gone. */
  #address: number;
  #isOpen = false;
  /** The module went by force. */
  #isOrphan = false;
  /** The answer of a poll that had to sleep, until the next one. */
  #polled = -1;
  #isPolling = false;
  readonly #mappings = new Set<DriverMapping>();
  /** What its module has of it: when that goes by force, the file stays without a driver. Its block goes with the heap. */
  readonly #owned: Owned = {
    release: () => {
      this.#isOrphan = true;
      this.inode.notify(GONE);
    },
  };

  /** Calls the driver's open. It may sleep: then `finishOpen` goes on with it. */
  static open(inode: MinorInode, flags: number, caller: Caller): DriverFile | Err {
    const { owner, drivers, data, major } = inode.device;
    const { heap, space } = drivers;
    const address = heap.alloc(owner, FILE_SIZE, 0);
    if (address === 0) return fail(ENOMEM);
    space.fill(address, 0, FILE_SIZE);
    space.writeU32(address, FILE_SIZE);
    space.writeU32(address + F_FLAGS, flags);
    space.writeU32(address + F_MINOR, inode.minor);
    space.writeU32(address + F_DEVICE, numberOf(major, inode.minor));
    space.writeI64(address + F_DATA, data);
    const file = new DriverFile(inode, flags, address);
    const result = file.#call('open', caller, 0, 0);
    if (result === SUSPENDED) return file;
    if (result < 0) {
      file.#abandon();
      return result as Err;
    }
    file.#opened();
    return file;
  }

  private constructor(inode: MinorInode, flags: number, address: number) {
    super(inode, flags);
    this.#address = address;
    const { owner } = inode.device;
    owner.holds++;
    owner.add(this.#owned);
  }

  override get waitsByItself(): boolean {
    return true;
  }

  override finishOpen(caller: Caller): number | Err {
    if (this.#isOpen) return 0;
    const result = this.#call('open', caller);
    if (result === SUSPENDED) return result;
    if (result < 0) return result as Err;
    this.#opened();
    return 0;
  }

  override get seekable(): boolean {
    const { flags, operations } = this.inode.device;
    return (flags & FLAG_SEEKABLE) !== 0 || operations.llseek !== null;
  }

  override get pollable(): boolean {
    return this.inode.device.operations.poll !== null;
  }

  // As on Linux a driver says that it can be spliced; without that programs read and write.

  override get splicesOut(): boolean {
    return (this.inode.device.flags & FLAG_SPLICE) !== 0;
  }

  override get splicesIn(): boolean {
    return this.splicesOut;
  }

  override read(to: IoIter, position: number, caller: Caller): number | Err {
    if (!this.#has('read')) return fail(EINVAL);
    return this.#call('read', caller, 0, position, to) as Err;
  }

  override write(from: IoIter, position: number, caller: Caller): number | Err {
    if (!this.#has('write')) return fail(EINVAL);
    return this.#call('write', caller, 0, position, from) as Err;
  }

  override ioctl(request: number, argument: number, _user: UserMemory, caller: Caller): number | Err {
    if (!this.#has('ioctl')) return fail(ENOTTY);
    return this.#call('ioctl', caller, request, argument) as Err;
  }

  /** What the driver says; of one that had to sleep for it, what it said last, and those who wait hear when it knows. */
  override poll(): number {
    if (this.#isOrphan || this.inode.device.isGone) return GONE;
    const { device } = this.inode;
    const { operations, owner, drivers } = device;
    if (operations.poll === null) return ALWAYS_READY;
    if (this.#polled >= 0) {
      const polled = this.#polled;
      this.#polled = -1;
      return polled;
    }
    if (this.#isPolling) return 0;
    let mask = 0;
    let isOver = false;
    this.#isPolling = true;
    this.refs++;
    drivers.callDetached(owner, operations.poll.address, [this.#address], (result) => {
      this.#isPolling = false;
      mask = result < 0 ? GONE : result & 0xffff;
      if (!isOver) {
        isOver = true;
        this.refs--;
        return;
      }
      this.#polled = mask;
      this.inode.notify(mask);
      this.unref();
    });
    if (isOver) return mask;
    isOver = true;
    return 0;
  }

  override seek(offset: number, whence: number, caller?: Caller): number | Err {
    const { operations, flags } = this.inode.device;
    if (operations.llseek === null) {
      if ((flags & FLAG_SEEKABLE) === 0) return fail(ESPIPE);
      const base = whence === SEEK_SET ? 0 : whence === SEEK_CUR ? this.offset : Number.NaN;
      if (!(base + offset >= 0)) return fail(EINVAL);
      this.offset = base + offset;
      return this.offset;
    }
    const [base, from] = whence === SEEK_CUR ? [this.offset, SEEK_SET] : [0, whence];
    const result = this.#call('llseek', caller, base + offset, from);
    if (result >= 0) this.offset = result;
    return result as Err;
  }

  override fsync(caller?: Caller): number | Err {
    return this.#has('fsync') ? (this.#call('fsync', caller) as Err) : fail(EINVAL);
  }

  override asyncChanged(on: boolean, caller: Caller): number | Err {
    return this.#call('fasync', caller, on ? 1 : 0) as Err;
  }

  override flagsChanged(): void {
    const { drivers } = this.inode.device;
    if (this.#isOrphan) return;
    drivers.space.writeU32(this.#address + F_FLAGS, this.flags);
  }

  override mapping(request?: MappingRequest, caller?: Caller): PageCache | Err {
    if (!this.#has('mmap')) return fail(ENODEV);
    if (request === undefined) return DriverMapping.NONE;
    const { drivers, owner, operations } = this.inode.device;
    const { runner } = drivers;
    const call = runner.underWay(caller);
    let mapping: DriverMapping;
    let result: number;
    if (call !== null) {
      mapping = call.companion as DriverMapping;
      result = runner.goOn(call);
    } else {
      if (this.#isOrphan) return fail(ENODEV);
      mapping = new DriverMapping(drivers, request);
      this.#mappings.add(mapping);
      result = runner.invokeWith(owner, caller, operations.mmap!, this.#address, mapping);
    }
    if (result >= 0) return mapping;
    if (result !== SUSPENDED) this.#mappings.delete(mapping);
    return result as Err;
  }

  protected override release(): void {
    for (const mapping of this.#mappings) mapping.dispose();
    const { owner, drivers, operations } = this.inode.device;
    if (!this.#isOrphan) {
      const address = this.#address;
      const done = (): void => {
        drivers.heap.free(address);
        owner.remove(this.#owned);
        owner.holds--;
      };
      const { release, fasync } = operations;
      const close = (): void => {
        if (this.#isOpen && release !== null) drivers.callDetached(owner, release.address, [address], done);
        else done();
      };
      if ((this.flags & O_ASYNC) !== 0 && fasync !== null)
        drivers.callDetached(owner, fasync.address, [address, 0], close);
      else close();
    }
    super.release();
  }

  #opened(): void {
    this.#isOpen = true;
  }

  /** The driver refused to open it. */
  #abandon(): void {
    const { owner, drivers } = this.inode.device;
    drivers.heap.free(this.#address);
    owner.remove(this.#owned);
    owner.holds--;
  }

  #has(operation: OperationName): boolean {
    return this.inode.device.operations[operation] !== null;
  }

  /** Begins the operation, or goes on with it. @param a second argument, if it is not the iterator */
  #call(operation: OperationName, caller: Caller | undefined, a = 0, b = 0, iter: IoIter | null = null): number {
    const { owner, drivers, operations } = this.inode.device;
    const { runner } = drivers;
    const task = caller instanceof Task ? caller : null;
    const call = runner.underWay(caller);
    if (call !== null) return runner.goOn(call);
    if (this.#isOrphan) return fail(ENODEV);
    const fn = operations[operation];
    if (fn === null) return 0;
    if (task === null) return runner.invokeAtomic(owner, null, fn, this.#address, a, b);
    return runner.invoke(owner, task, fn, this.#address, a, b, iter);
  }
}
