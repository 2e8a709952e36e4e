/** System calls about what tasks share. The rules: kernel-core/unshare.ts. @source unshare(2), setns(2) */
import { EBADF, fail } from '../../abi/errno.js';
import type { Task } from '../task.js';
import { enterNamespace, unshareTask } from '../unshare.js';
import { openFile } from './args.js';
import type { SyscallRows } from './row.js';

function setns(task: Task, fd: number, kinds: number): number {
  const file = openFile(task, fd);
  return file === null ? fail(EBADF) : enterNamespace(task, file, kinds | 0);
}

export const namespaceSyscalls: SyscallRows = {
  272: {
    name: 'unshare',
    fn: unshareTask,
    support: 'partial',
    note: 'namespaces of users and of the network only; CLONE_NEWNS, NEWUTS, NEWIPC, NEWPID, NEWCGROUP, NEWTIME: EINVAL, as of a kernel without them; what is not namespaced (mounts, host name, process numbers) belongs to the initial user namespace; no max_user_namespaces',
    args: ['unshareFlags'],
  },
  308: {
    name: 'setns',
    fn: setns,
    support: 'partial',
    note: 'namespaces of users and of the network only; other kinds: EINVAL',
    args: ['fd', 'namespaceKinds'],
  },
};
