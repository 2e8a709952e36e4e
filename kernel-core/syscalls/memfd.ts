/** memfd_create: files without a name on a tmpfs of the kernel's own. */
import { EFAULT, EINVAL, type Err, fail, isErr } from '../../abi/errno.js';
import { O_CLOEXEC, O_LARGEFILE, O_RDWR } from '../../abi/fcntl.js';
import { MFD_CLOEXEC } from '../../abi/mman.js';
import { S_IFREG } from '../../abi/stat.js';
import { Dentry } from '../../vfs/dentry.js';
import { makeDevice } from '../../vfs/devices.js';
import { Tmpfs } from '../../vfs/fs/tmpfs.js';
import { kernelMount } from '../../vfs/mount.js';
import type { Kernel } from '../kernel.js';
import type { Task } from '../task.js';
import { installFile } from './files-open.js';
import type { SyscallRows } from './row.js';

/** st_dev of the kernel's own tmpfs, as Linux numbers it. */
const DEVICE = makeDevice(0, 1);
/** NAME_MAX less the prefix. */
const NAME_LIMIT = 249;

const instances = new WeakMap<Kernel, Tmpfs>();

function anonymousTmpfs(kernel: Kernel): Tmpfs {
  let fs = instances.get(kernel);
  if (fs === undefined) instances.set(kernel, (fs = new Tmpfs(kernel.vfsEnv, DEVICE)));
  return fs;
}

function memfdCreate(task: Task, nameAddress: number, flags: number): number | Err {
  if ((flags & ~MFD_CLOEXEC) !== 0) return fail(EINVAL);
  const name = task.mm!.readCString(nameAddress, NAME_LIMIT + 1);
  if (isErr(name)) return name === (fail(EFAULT) as Err) ? name : fail(EINVAL);
  const fs = anonymousTmpfs(task.kernel);
  const inode = fs.root.createUnlinked(S_IFREG | 0o777, task);
  if (isErr(inode)) return inode;
  const mount = kernelMount(fs);
  const dentry = new Dentry(fs.rootDentry, `memfd:${name}`, inode, true);
  const file = inode.open(O_RDWR | O_LARGEFILE, task);
  if (isErr(file)) {
    dentry.unref();
    mount.unref();
    return file;
  }
  file.path = { mount, dentry };
  return installFile(task, file, (flags & MFD_CLOEXEC) !== 0 ? O_CLOEXEC : 0);
}

export const memfdSyscalls: SyscallRows = {
  319: {
    name: 'memfd_create',
    fn: memfdCreate,
    support: 'partial',
    note: 'no seals and no huge pages: their flags answer EINVAL',
    args: ['string', 'memfdFlags'],
    result: 'fd',
  },
};
