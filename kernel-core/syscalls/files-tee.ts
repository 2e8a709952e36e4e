/** tee(2): copies what is in one pipe to another, and leaves it there. @source tee(2); Linux fs/splice.c do_tee */
import { EAGAIN, EBADF, EINVAL, EPIPE, type Err, fail } from '../../abi/errno.js';
import { O_NONBLOCK, SPLICE_F_NONBLOCK } from '../../abi/fcntl.js';
import { POLLIN, POLLRDNORM } from '../../abi/poll.js';
import { SIGPIPE } from '../../abi/signal.js';
import { PipeFile } from '../../vfs/fs/pipefs.js';
import type { Task } from '../task.js';
import { openFile } from './args.js';
import { SPLICE_FLAGS } from './files-transfer.js';
import { raise } from './io.js';
import type { SyscallRows } from './row.js';

/** One try. @returns bytes; 0: nothing is there, nobody will write; -EAGAIN to wait, -EPIPE, -ENOMEM */
function copy(task: Task, from: PipeFile, to: PipeFile, count: number): number | Err {
  if (from.pipe.isEmpty && from.pipe.writers > 0) return fail(EAGAIN);
  if (to.pipe.readers === 0) {
    raise(task, SIGPIPE);
    return fail(EPIPE);
  }
  if (to.pipe.isFull) return fail(EAGAIN);
  const copied = from.pipe.copyTo(to.pipe, count);
  if (copied > 0) to.inode.notify(POLLIN | POLLRDNORM);
  return copied;
}

function tee(task: Task, inFd: number, outFd: number, count: number, flags: number): number {
  if ((flags & ~SPLICE_FLAGS) !== 0) return fail(EINVAL);
  if (count === 0) return 0;
  const from = openFile(task, inFd);
  const to = openFile(task, outFd);
  if (from === null || to === null || !from.readable || !to.writable) return fail(EBADF);
  if (!(from instanceof PipeFile && to instanceof PipeFile) || from.pipe === to.pipe) return fail(EINVAL);
  // A length beyond 2 to the 63rd arrives as a negative number; it is as good as any other that is more than there is.
  const most = count < 0 ? Number.MAX_SAFE_INTEGER : count;
  const result = copy(task, from, to, most);
  const mustNotWait = (flags & SPLICE_F_NONBLOCK) !== 0 || ((from.flags | to.flags) & O_NONBLOCK) !== 0;
  if (result !== -EAGAIN || mustNotWait) return result;
  from.ref();
  to.ref();
  return task.wait.block({
    hooks: [from.inode.hook, to.inode.hook],
    attempt: () => copy(task, from, to, most),
    cleanup: () => {
      from.unref();
      to.unref();
    },
    what: 'tee',
  });
}

export const teeSyscalls: SyscallRows = {
  276: { name: 'tee', fn: tee, support: 'full', args: ['fd', 'fd', 'size', 'spliceFlags'] },
};
