/** eventfd, eventfd2. */
import { EINVAL, fail } from '../../abi/errno.js';
import { EFD_CLOEXEC, EFD_NONBLOCK, EFD_SEMAPHORE } from '../../abi/event-files.js';
import { createEventFd } from '../../vfs/fs/eventfd.js';
import type { Task } from '../task.js';
import { installFile } from './files-open.js';
import type { SyscallRows } from './row.js';

function eventfd2(task: Task, count: number, flags: number): number {
  if ((flags & ~(EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE)) !== 0) return fail(EINVAL);
  return installFile(task, createEventFd(task.kernel.vfsEnv, task, count >>> 0, flags), flags);
}

export const eventfdSyscalls: SyscallRows = {
  284: {
    name: 'eventfd',
    fn: (task, count) => eventfd2(task, count, 0),
    support: 'full',
    args: ['uint'],
    result: 'fd',
  },
  290: { name: 'eventfd2', fn: eventfd2, support: 'full', args: ['uint', 'eventfdFlags'], result: 'fd' },
};
