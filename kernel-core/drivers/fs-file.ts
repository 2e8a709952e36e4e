/**
 * An open regular file of a driver's file system. Its reads, writes and fsync may sleep; then they answer SUSPENDED, and the task
 * makes them again, which goes on with the call. What nobody can wait for (a program being loaded) is done in one piece.
 */
import { EAGAIN, EFBIG, EINVAL, EIO, EOPNOTSUPP, type Err, fail, isErr } from '../../abi/errno.js';
import { O_APPEND, O_NOATIME } from '../../abi/fcntl.js';
import { MAX_FILE_SIZE } from '../../vfs/attributes.js';
import type { Caller, Timespec } from '../../vfs/caller.js';
import { OpenFile, SUSPENDED } from '../../vfs/file.js';
import type { IoIter } from '../../vfs/iter.js';
import type { PageCache } from '../../vfs/page-cache.js';
import { withoutSetId, writeDropsSetId } from '../../vfs/permission.js';
import { seekTo } from '../../vfs/seek.js';
import { touchAtime } from '../../vfs/times.js';
import { Task } from '../task.js';
import type { DriverFileInode } from './fs-inode.js';
import { asError } from './fs-layout.js';

/** A call that must not wait, of a task that sleeps in another one. */
const isBusy = (caller: Caller): boolean => caller instanceof Task && caller.driverCall !== null && caller.wait.refused;

const before: Timespec = { sec: 0, nsec: 0 };

export class DriverFsFile extends OpenFile {
  declare readonly inode: DriverFileInode;

  /** @returns what the driver refuses with */
  static open(inode: DriverFileInode, flags: number): DriverFsFile | Err {
    const { fs, address } = inode;
    if (address === 0) return fail(EIO);
    if (fs.operations.open !== null) {
      const result = fs.callForStatus('open', address, flags);
      if (isErr(result)) return result;
    }
    return new DriverFsFile(inode, flags);
  }

  override get waitsByItself(): boolean {
    return true;
  }

  override get seekable(): boolean {
    return true;
  }

  override get pollable(): boolean {
    return this.inode.fs.operations.poll !== null;
  }

  override read(to: IoIter, position: number, caller: Caller): number | Err {
    if (this.inode.fs.operations.read === null) return fail(EINVAL);
    if (isBusy(caller)) return fail(EAGAIN);
    if (!this.#isUnderWay(caller)) {
      if (to.remaining === 0) return 0;
      const written = this.inode.writeBack();
      if (isErr(written)) return written;
    }
    const count = this.#move('read', to, position, caller);
    if (count >= 0 && !(this.flags & O_NOATIME)) this.#touchAtime();
    return count;
  }

  override write(from: IoIter, position: number, caller: Caller): number | Err {
    const { inode } = this;
    if (inode.fs.operations.write === null) return fail(EINVAL);
    if (isBusy(caller)) return fail(EAGAIN);
    const isAppending = (this.flags & O_APPEND) !== 0;
    const start = isAppending ? inode.size : position;
    if (!this.#isUnderWay(caller)) {
      if (from.remaining === 0) return 0;
      if (start + from.remaining > MAX_FILE_SIZE) return fail(EFBIG);
      if (writeDropsSetId(inode, caller)) inode.setAttributes({ mode: withoutSetId(inode, caller) });
      const written = inode.writeBack();
      if (isErr(written)) return written;
    }
    const count = this.#move('write', from, start, caller);
    if (count === SUSPENDED) return count;
    inode.refresh();
    // Where one that slept began nobody knows any more.
    if (count > 0) inode.pages.reload(isAppending ? 0 : start, isAppending ? inode.size : count);
    return count;
  }

  override seek(offset: number, whence: number): number | Err {
    const position = seekTo(offset, whence, this.inode.size, this.offset);
    if (!isErr(position)) this.offset = position;
    return position;
  }

  override mapping(): PageCache | Err {
    return this.inode.address === 0 ? fail(EIO) : this.inode.pages;
  }

  override fsync(caller?: Caller): number | Err {
    const result = this.#fsync(caller);
    if (result === SUSPENDED) return result;
    return result === 0 || result === fail(EOPNOTSUPP) ? 0 : asError(result);
  }

  override flushed(caller: Caller): void {
    super.flushed(caller);
    this.inode.writeBack();
  }

  protected override release(): void {
    const { inode, flags } = this;
    inode.writeBack();
    if (inode.address !== 0 && inode.fs.operations.release !== null) inode.fs.call('release', inode.address, flags);
    super.release();
  }

  #fsync(caller: Caller | undefined): number {
    const { inode } = this;
    const { fs, address } = inode;
    const { runner } = fs.kernel.drivers;
    const call = runner.underWay(caller);
    if (call !== null) return runner.goOn(call);
    if (address === 0) return fail(EIO);
    inode.writeBack();
    const error = inode.pages.takeError();
    if (isErr(error)) return error;
    const { fsync } = fs.operations;
    if (fsync === null || !(caller instanceof Task)) return fs.call('fsync', address);
    return runner.invoke(fs.driverType.owner, caller, fsync, address);
  }

  /** Is it the same operation again, which sleeps? */
  #isUnderWay(caller: Caller): boolean {
    return this.inode.fs.kernel.drivers.runner.underWay(caller) !== null;
  }

  #move(operation: 'read' | 'write', iter: IoIter, position: number, caller: Caller): number | Err {
    const { fs, address } = this.inode;
    const { runner } = fs.kernel.drivers;
    let count: number;
    if (this.#isUnderWay(caller)) count = runner.resume((caller as Task).driverCall!);
    else if (address === 0) return fail(EIO);
    else if (!(caller instanceof Task)) count = fs.move(operation, address, iter, position);
    else count = runner.invoke(fs.driverType.owner, caller, fs.operations[operation]!, address, 0, position, iter);
    return count >= 0 || count === SUSPENDED ? (count as Err) : asError(count);
  }

  /** As the mount wants it kept; the driver learns it when it is another one. */
  #touchAtime(): void {
    const { inode, path } = this;
    const { atime } = inode;
    Object.assign(before, atime);
    touchAtime(inode, path === null ? null : path.mount);
    if (atime.sec === before.sec && atime.nsec === before.nsec) return;
    if (inode.fs.operations.setattr === null) return;
    inode.setAttributes({ atime: { ...atime } });
  }
}
