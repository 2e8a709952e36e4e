/** Advisory locks as system calls: flock, and the lock commands of fcntl. The locks themselves are the VFS's. */
import { EAGAIN, EBADF, EFAULT, EINVAL, type Err, fail, isErr } from '../../abi/errno.js';
import { F_UNLCK, LOCK_EX, LOCK_MAND, LOCK_NB, LOCK_SH, LOCK_UN, SEEK_SET } from '../../abi/fcntl.js';
import type { OpenFile } from '../../vfs/file.js';
import { flock, getRangeLock, LockWait, lockRange, setRangeLock } from '../../vfs/locks.js';
import type { Task } from '../task.js';
import { openFile } from './args.js';
import { getI64, putI64 } from './layouts.js';
import type { SyscallRows } from './row.js';

/** struct flock: type, whence (i16), start, length (i64), pid (i32); 32 bytes. */
const lockBytes = new Uint8Array(32);
const lockView = new DataView(lockBytes.buffer);
const PID_AT = 24;

const signedType = (): number => lockView.getInt16(0, true);

/** The range of the struct flock in the buffer. OFD locks want a pid of 0. @returns -EINVAL, -EOVERFLOW */
function rangeOf(file: OpenFile, ofd: boolean): ReturnType<typeof lockRange> {
  if (ofd && lockView.getInt32(PID_AT, true) !== 0) return fail(EINVAL);
  return lockRange(file, lockView.getInt16(2, true), getI64(lockView, 8), getI64(lockView, 16));
}

/** F_GETLK, F_OFD_GETLK. */
export function getRecordLock(task: Task, file: OpenFile, address: number, ofd: boolean): number | Err {
  if (task.mm!.read(address, lockBytes) !== 0) return fail(EFAULT);
  const range = rangeOf(file, ofd);
  if (isErr(range)) return range;
  const found = getRangeLock(file, signedType(), range, task, ofd);
  if (isErr(found)) return found;
  if (found === null) lockView.setInt16(0, F_UNLCK, true);
  else {
    lockView.setInt16(0, found.type, true);
    lockView.setInt16(2, SEEK_SET, true);
    putI64(lockView, 8, found.start);
    putI64(lockView, 16, found.end === Number.POSITIVE_INFINITY ? 0 : found.end - found.start);
    lockView.setInt32(PID_AT, found.pid, true);
  }
  return task.mm!.write(address, lockBytes);
}

/** F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW. */
export function setRecordLock(task: Task, file: OpenFile, address: number, ofd: boolean, waits: boolean): number {
  if (task.mm!.read(address, lockBytes) !== 0) return fail(EFAULT);
  const range = rangeOf(file, ofd);
  if (isErr(range)) return range;
  const type = signedType();
  if (!waits) return setRangeLock(file, type, range, task, ofd, null);
  const wait = new LockWait();
  const attempt = (): number => setRangeLock(file, type, range, task, ofd, wait);
  const result = attempt();
  if (result !== -EAGAIN) return result;
  return waitForLock(task, file, attempt, () => wait.end());
}

function waitForLock(task: Task, file: OpenFile, attempt: () => number, end: () => void): number {
  file.ref();
  return task.wait.block({
    hooks: [file.inode.hook],
    attempt,
    cleanup: () => {
      end();
      file.unref();
    },
    what: 'locks_lock_inode_wait',
  });
}

function flockCall(task: Task, fd: number, operation: number): number {
  // Mandatory locks of old do nothing, whatever the descriptor is.
  if ((operation & LOCK_MAND) !== 0) return 0;
  const type = operation & ~LOCK_NB;
  if (type !== LOCK_SH && type !== LOCK_EX && type !== LOCK_UN) return fail(EINVAL);
  const file = openFile(task, fd);
  if (file === null) return fail(EBADF);
  const result = flock(file, type);
  if (result !== -EAGAIN || (operation & LOCK_NB) !== 0) return result;
  return waitForLock(
    task,
    file,
    () => flock(file, type),
    () => {},
  );
}

export const fileLockSyscalls: SyscallRows = {
  73: { name: 'flock', fn: flockCall, support: 'full', args: ['fd', 'flockOperation'] },
};
