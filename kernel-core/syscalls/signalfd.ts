/** signalfd, signalfd4. */
import { EBADF, EINVAL, fail } from '../../abi/errno.js';
import { SFD_CLOEXEC, SFD_NONBLOCK } from '../../abi/event-files.js';
import { SignalFd } from '../events/signalfd.js';
import { SigSet } from '../signals/sigset.js';
import type { Task } from '../task.js';
import { openFile } from './args.js';
import { installFile } from './files-open.js';
import type { SyscallRows } from './row.js';
import { readSigSet } from './signals.js';

const mask = new SigSet();

/** @param fd an existing one, whose mask changes, or -1 for a new one */
function signalfd4(task: Task, fd: number, address: number, size: number, flags: number): number {
  const read = readSigSet(task, address, size, mask);
  if (read !== 0) return read;
  if ((flags & ~(SFD_CLOEXEC | SFD_NONBLOCK)) !== 0) return fail(EINVAL);
  if ((fd | 0) === -1) return installFile(task, new SignalFd(task, mask, flags), flags);
  const file = openFile(task, fd);
  if (file === null) return fail(EBADF);
  if (!(file instanceof SignalFd)) return fail(EINVAL);
  file.setMask(mask);
  return fd | 0;
}

export const signalfdSyscalls: SyscallRows = {
  282: {
    name: 'signalfd',
    fn: (task, fd, address, size) => signalfd4(task, fd, address, size, 0),
    support: 'full',
    args: ['fd', 'sizedSigset', 'size'],
    result: 'fd',
  },
  289: {
    name: 'signalfd4',
    fn: signalfd4,
    support: 'full',
    args: ['fd', 'sizedSigset', 'size', 'signalfdFlags'],
    result: 'fd',
  },
};
