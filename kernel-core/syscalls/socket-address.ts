/** Socket descriptors and addresses as arguments of calls. */
import { EBADF, EFAULT, EINVAL, ENOTSOCK, type Err, fail } from '../../abi/errno.js';
import { SOCKADDR_MAX } from '../../abi/socket.js';
import { SocketFile } from '../../net/socket.js';
import type { Task } from '../task.js';
import { openFile } from './args.js';

/** @returns the description without a reference; -EBADF, -ENOTSOCK */
export function socketFile(task: Task, fd: number): SocketFile | Err {
  const file = openFile(task, fd);
  if (file === null) return fail(EBADF);
  return file instanceof SocketFile ? file : fail(ENOTSOCK);
}

/** @returns the sockaddr bytes at `address`, in an array of their own; -EINVAL, -EFAULT */
export function readAddress(task: Task, address: number, length: number): Uint8Array | Err {
  const size = length | 0;
  if (size < 0 || size > SOCKADDR_MAX) return fail(EINVAL);
  const bytes = new Uint8Array(size);
  return task.mm!.read(address, bytes) === 0 ? bytes : fail(EFAULT);
}

/**
 * Writes an address as far as the caller has room for it, and its whole length.
 * @param lengthAddress where the room is, an int, and where the length goes
 * @returns 0; -EFAULT, -EINVAL (negative room)
 */
export function writeAddress(task: Task, bytes: Uint8Array, address: number, lengthAddress: number): number | Err {
  const mm = task.mm!;
  const room = mm.readI32(lengthAddress);
  if (Number.isNaN(room)) return fail(EFAULT);
  if (room < 0) return fail(EINVAL);
  if (mm.writeU32(lengthAddress, bytes.length) !== 0) return fail(EFAULT);
  return mm.write(address, room < bytes.length ? bytes.subarray(0, room) : bytes);
}
