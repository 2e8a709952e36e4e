/** read(2) and write(2) and their relatives over a description: access mode, offset, and what Linux checks before the file is asked. */
import { EBADF, EINVAL, type Err, ESPIPE, fail } from '../abi/errno.js';
import { O_APPEND } from '../abi/fcntl.js';
import type { Caller } from './caller.js';
import type { OpenFile } from './file.js';
import type { IoIter } from './iter.js';

/** Reads at the offset and moves it. @returns bytes, 0 at the end, -EBADF, -EAGAIN … */
export function readFile(file: OpenFile, to: IoIter, caller: Caller): number | Err {
  if (!file.readable) return fail(EBADF);
  const count = file.read(to, file.offset, caller);
  if (count > 0 && file.seekable) file.offset += count;
  return count;
}

/** Writes at the offset, or at the end with O_APPEND, and moves it behind. */
export function writeFile(file: OpenFile, from: IoIter, caller: Caller): number | Err {
  if (!file.writable) return fail(EBADF);
  if (!file.seekable) return file.write(from, 0, caller);
  const start = file.flags & O_APPEND ? file.inode.size : file.offset;
  const count = file.write(from, start, caller);
  if (count > 0) file.offset = start + count;
  return count;
}

/** pread(2). @returns -EINVAL for a negative position, -ESPIPE where there are none */
export function readFileAt(file: OpenFile, to: IoIter, position: number, caller: Caller): number | Err {
  if (position < 0) return fail(EINVAL);
  if (!file.seekable) return fail(ESPIPE);
  return file.readable ? file.read(to, position, caller) : fail(EBADF);
}

/** pwrite(2). With O_APPEND the data goes to the end whatever the position. @source pwrite(2), BUGS */
export function writeFileAt(file: OpenFile, from: IoIter, position: number, caller: Caller): number | Err {
  if (position < 0) return fail(EINVAL);
  if (!file.seekable) return fail(ESPIPE);
  return file.writable ? file.write(from, position, caller) : fail(EBADF);
}
