/** System calls that ask and change what a descriptor or its description is: fcntl and ioctl. Locks are in file-locks.ts. */

import { CAP_NET_ADMIN } from '../../abi/capability.js';
import { EAGAIN, EBADF, EFAULT, EINVAL, EPERM, type Err, ESRCH, fail, isErr } from '../../abi/errno.js';
import {
  F_DUPFD,
  F_DUPFD_CLOEXEC,
  F_GETFD,
  F_GETFL,
  F_GETLK,
  F_GETOWN,
  F_GETOWN_EX,
  F_GETPIPE_SZ,
  F_GETSIG,
  F_OFD_GETLK,
  F_OFD_SETLK,
  F_OFD_SETLKW,
  F_OWNER_PGRP,
  F_OWNER_PID,
  F_OWNER_TID,
  F_SETFD,
  F_SETFL,
  F_SETLK,
  F_SETLKW,
  F_SETOWN,
  F_SETOWN_EX,
  F_SETPIPE_SZ,
  F_SETSIG,
  FD_CLOEXEC,
  O_APPEND,
  O_ASYNC,
  O_CLOEXEC,
  O_DIRECT,
  O_NOATIME,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
} from '../../abi/fcntl.js';
import {
  FIGETBSZ,
  FIOASYNC,
  FIOCLEX,
  FIONBIO,
  FIONCLEX,
  FIONREAD,
  FIOQSIZE,
  NS_GET_PARENT,
  NS_GET_USERNS,
  TIOCGPTPEER,
} from '../../abi/ioctl.js';
import { FIOGETOWN, FIOSETOWN, SIOCGPGRP, SIOCGSKNS, SIOCSPGRP } from '../../abi/socket.js';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } from '../../abi/stat.js';
import { SocketFile } from '../../net/socket.js';
import { capableIn } from '../../vfs/capability.js';
import { type OpenFile, SUSPENDED } from '../../vfs/file.js';
import { type Namespace, NamespaceFile, namespaceInode } from '../../vfs/fs/nsfs.js';
import { PipeFile } from '../../vfs/fs/pipefs.js';
import { isOwner } from '../../vfs/permission.js';
import type { Task } from '../task.js';
import { openSlave } from '../terminals.js';
import { anyFile } from './args.js';
import { type AsyncOwner, asyncOwner, setAsync } from './async-io.js';
import { getRecordLock, setRecordLock } from './file-locks.js';
import { installFile } from './files-open.js';
import { awaitDriver } from './io.js';
import { putI64 } from './layouts.js';
import type { SyscallRows } from './row.js';

// fcntl.

type FcntlCommand = (task: Task, file: OpenFile, argument: number, fd: number) => number;

/** What F_SETFL changes; the rest of its argument is ignored. @source Linux SETFL_MASK */
const SETTABLE = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME | O_ASYNC;
const LAST_SIGNAL = 64;

function duplicateFrom(task: Task, file: OpenFile, minimum: number, closeOnExec: boolean): number {
  const lowest = minimum | 0;
  if (lowest < 0 || lowest >= task.fileLimit) return fail(EINVAL);
  const fd = task.files.install(file.ref(), closeOnExec, task.fileLimit, lowest);
  if (isErr(fd)) file.unref();
  return fd;
}

function setFlags(task: Task, file: OpenFile, argument: number): number {
  if ((argument & ~file.flags & O_NOATIME) !== 0 && !isOwner(file.node, task)) return fail(EPERM);
  if (((argument ^ file.flags) & O_ASYNC) === 0) return applyFlags(file, argument);
  return switchAsync(task, file, (argument & O_ASYNC) !== 0, () => applyFlags(file, argument));
}

/** Switches O_ASYNC; a driver is asked first, which may take its time. @returns what `done` does, why it cannot be, PENDING */
function switchAsync(task: Task, file: OpenFile, on: boolean, done: () => number): number {
  const step = (): number => {
    const asked = file.asyncChanged(on, task);
    if (asked < 0) return asked;
    const result = setAsync(task, file, on);
    return result < 0 ? result : done();
  };
  const result = step();
  return result === SUSPENDED ? awaitDriver(task, file, step) : result;
}

function applyFlags(file: OpenFile, argument: number): number {
  const keep = file.flags & ~(SETTABLE & ~O_ASYNC);
  file.flags = keep | (argument & SETTABLE & ~O_ASYNC);
  file.flagsChanged();
  return 0;
}

/** struct f_owner_ex: type, pid. */
const ownerPair = new Uint8Array(8);
const ownerView = new DataView(ownerPair.buffer);

function setOwner(task: Task, owner: AsyncOwner, type: number, id: number): number | Err {
  const { processes } = task.kernel;
  if (id !== 0) {
    const known =
      type === F_OWNER_TID
        ? processes.task(id) !== null
        : type === F_OWNER_PID
          ? processes.get(id) !== null
          : !processes.inGroup(id)[Symbol.iterator]().next().done;
    if (!known) return fail(ESRCH);
  }
  owner.type = type;
  owner.id = id;
  owner.uid = task.cred.uid;
  owner.euid = task.cred.euid;
  return 0;
}

function setOwnerEx(task: Task, file: OpenFile, address: number): number | Err {
  if (task.mm!.read(address, ownerPair) !== 0) return fail(EFAULT);
  const type = ownerView.getInt32(0, true);
  const id = ownerView.getInt32(4, true);
  if (type < F_OWNER_TID || type > F_OWNER_PGRP) return fail(EINVAL);
  if (id < 0) return fail(EINVAL);
  return setOwner(task, asyncOwner(file), type, id);
}

function getOwnerEx(task: Task, file: OpenFile, address: number): number | Err {
  const { type, id } = asyncOwner(file);
  ownerView.setInt32(0, type, true);
  ownerView.setInt32(4, id, true);
  return task.mm!.write(address, ownerPair);
}

/** F_SETOWN: a negative number names a process group. */
function setOwnerOld(task: Task, file: OpenFile, argument: number): number | Err {
  const id = argument | 0;
  if (id === -0x80000000) return fail(EINVAL);
  return setOwner(task, asyncOwner(file), id < 0 ? F_OWNER_PGRP : F_OWNER_PID, Math.abs(id));
}

function ownerOf(file: OpenFile): number {
  const { type, id } = asyncOwner(file);
  return type === F_OWNER_PGRP ? -id : id;
}

function setSignal(_task: Task, file: OpenFile, argument: number): number {
  if (argument < 0 || argument > LAST_SIGNAL) return fail(EINVAL);
  asyncOwner(file).signal = argument;
  return 0;
}

/** Calls that also work on a description opened with O_PATH. */
const ON_PATH: readonly number[] = [F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL];

const COMMANDS = new Map<number, FcntlCommand>([
  [F_DUPFD, (task, file, argument) => duplicateFrom(task, file, argument, false)],
  [F_DUPFD_CLOEXEC, (task, file, argument) => duplicateFrom(task, file, argument, true)],
  [F_GETFD, (task, _file, _argument, fd) => (task.files.isCloseOnExec(fd) ? FD_CLOEXEC : 0)],
  [
    F_SETFD,
    (task, _file, argument, fd) => {
      task.files.setCloseOnExec(fd, (argument & FD_CLOEXEC) !== 0);
      return 0;
    },
  ],
  [F_GETFL, (_task, file) => file.flags & ~O_CLOEXEC],
  [F_SETFL, (task, file, argument) => setFlags(task, file, argument | 0)],
  [F_GETLK, (task, file, address) => getRecordLock(task, file, address, false)],
  [F_SETLK, (task, file, address) => setRecordLock(task, file, address, false, false)],
  [F_SETLKW, (task, file, address) => setRecordLock(task, file, address, false, true)],
  [F_OFD_GETLK, (task, file, address) => getRecordLock(task, file, address, true)],
  [F_OFD_SETLK, (task, file, address) => setRecordLock(task, file, address, true, false)],
  [F_OFD_SETLKW, (task, file, address) => setRecordLock(task, file, address, true, true)],
  [F_SETOWN, setOwnerOld],
  [F_GETOWN, (_task, file) => ownerOf(file)],
  [F_SETOWN_EX, setOwnerEx],
  [F_GETOWN_EX, getOwnerEx],
  [F_SETSIG, setSignal],
  [F_GETSIG, (_task, file) => asyncOwner(file).signal],
  [F_GETPIPE_SZ, (_task, file) => (file instanceof PipeFile ? file.getPipeSize() : fail(EBADF))],
  [
    F_SETPIPE_SZ,
    (task, file, argument) => (file instanceof PipeFile ? file.setPipeSize(argument >>> 0, task) : fail(EBADF)),
  ],
]);

function fcntl(task: Task, fd: number, command: number, argument: number): number {
  const file = anyFile(task, fd);
  if (file === null) return fail(EBADF);
  if ((file.flags & O_PATH) !== 0 && !ON_PATH.includes(command | 0)) return fail(EBADF);
  const run = COMMANDS.get(command | 0);
  return run === undefined ? fail(EINVAL) : run(task, file, argument, fd | 0);
}

// ioctl: requests that every file answers come first, then those of regular files, then the file's own.

type IoctlRequest = (task: Task, file: OpenFile, argument: number, fd: number) => number;

function setNonBlocking(task: Task, file: OpenFile, address: number): number {
  const on = task.mm!.readU32(address);
  if (isErr(on)) return on;
  file.flags = on !== 0 ? file.flags | O_NONBLOCK : file.flags & ~O_NONBLOCK;
  file.flagsChanged();
  return 0;
}

function setAsyncRequest(task: Task, file: OpenFile, address: number): number {
  const on = task.mm!.readU32(address);
  if (isErr(on)) return on;
  if ((on !== 0) === ((file.flags & O_ASYNC) !== 0)) return setAsync(task, file, on !== 0);
  return switchAsync(task, file, on !== 0, () => {
    file.flagsChanged();
    return 0;
  });
}

/** FIOSETOWN and SIOCSPGRP: F_SETOWN of sockets. */
function setSocketOwner(task: Task, file: OpenFile, address: number): number | null {
  if (typeOf(file) !== S_IFSOCK) return null;
  const owner = task.mm!.readI32(address);
  return Number.isNaN(owner) ? fail(EFAULT) : setOwnerOld(task, file, owner);
}

const getSocketOwner = (task: Task, file: OpenFile, address: number): number | null =>
  typeOf(file) === S_IFSOCK ? task.mm!.writeU32(address, ownerOf(file)) : null;

const typeOf = (file: OpenFile): number => file.node.mode & S_IFMT;

/** Eight bytes for FIOQSIZE. */
const quad = new Uint8Array(8);
const quadView = new DataView(quad.buffer);

function fileSize(task: Task, file: OpenFile, address: number): number | null {
  const type = typeOf(file);
  if (type !== S_IFREG && type !== S_IFDIR && type !== S_IFLNK) return null;
  putI64(quadView, 0, file.inode.size);
  return task.mm!.write(address, quad);
}

const GENERIC = new Map<number, (...args: Parameters<IoctlRequest>) => number | null>([
  [
    FIOCLEX,
    (task, _file, _argument, fd) => {
      task.files.setCloseOnExec(fd, true);
      return 0;
    },
  ],
  [
    FIONCLEX,
    (task, _file, _argument, fd) => {
      task.files.setCloseOnExec(fd, false);
      return 0;
    },
  ],
  [FIONBIO, setNonBlocking],
  [FIOASYNC, setAsyncRequest],
  [FIOQSIZE, fileSize],
  [FIOSETOWN, setSocketOwner],
  [SIOCSPGRP, setSocketOwner],
  [FIOGETOWN, getSocketOwner],
  [SIOCGPGRP, getSocketOwner],
  [TIOCGPTPEER, openPeerCall],
  [NS_GET_USERNS, (task, file) => openRelated(task, file, NS_GET_USERNS)],
  [NS_GET_PARENT, (task, file) => openRelated(task, file, NS_GET_PARENT)],
  [SIOCGSKNS, openNamespaceCall],
  [FIGETBSZ, (task, file, address) => task.mm!.writeU32(address, file.inode.blockSize)],
  [
    FIONREAD,
    (task, file, address) =>
      typeOf(file) === S_IFREG ? task.mm!.writeU32(address, file.inode.size - file.offset) : null,
  ],
]);

/** TIOCGPTPEER: the slave of this master as a new descriptor. @source ioctl_tty(2) */
function openPeerCall(task: Task, file: OpenFile, flags: number): number {
  const { devpts } = task.kernel;
  const slave = openSlave(task.fs.namespace, devpts, file, flags & ~O_CLOEXEC, task);
  if (isErr(slave)) return slave;
  const fd = task.files.install(slave, (flags & O_CLOEXEC) !== 0, task.fileLimit);
  if (isErr(fd)) slave.unref();
  return fd;
}

/** SIOCGSKNS: the network namespace of a socket as a new descriptor. */
function openNamespaceCall(task: Task, file: OpenFile): number | null {
  if (!(file instanceof SocketFile)) return null;
  const { namespace } = file.socket;
  if (!capableIn(task.cred, namespace.userNamespace, CAP_NET_ADMIN)) return fail(EPERM);
  return openNamespace(task, namespace);
}

function openNamespace(task: Task, namespace: Namespace): number {
  const opened = namespaceInode(task.kernel.vfsEnv, namespace).open(O_RDONLY, task);
  return isErr(opened) ? opened : installFile(task, opened, O_CLOEXEC);
}

/** NS_GET_USERNS and NS_GET_PARENT: a namespace that another one belongs to as a new descriptor. @source ioctl_ns(2) */
function openRelated(task: Task, file: OpenFile, request: number): number | null {
  if (!(file instanceof NamespaceFile)) return null;
  const found = file.related(request, task);
  return isErr(found) ? found : openNamespace(task, found);
}

function ioctl(task: Task, fd: number, request: number, argument: number): number {
  const file = anyFile(task, fd);
  if (file === null || (file.flags & O_PATH) !== 0) return fail(EBADF);
  const number = request >>> 0;
  const generic = GENERIC.get(number);
  if (generic !== undefined) {
    const answer = generic(task, file, argument, fd | 0);
    if (answer !== null) return answer;
  }
  const result = file.ioctl(number, argument, task.mm!, task);
  if (result !== SUSPENDED && result !== -EAGAIN) return result;
  return awaitIoctl(task, file, number, argument, result);
}

/** Functions that outlive the call are made here, where it has to wait: else every call would pay for them. */
function awaitIoctl(task: Task, file: OpenFile, number: number, argument: number, result: number): number {
  const mm = task.mm!;
  if (result === SUSPENDED) return awaitDriver(task, file, () => file.ioctl(number, argument, mm, task));
  if (file.waitsByItself || (file.flags & O_NONBLOCK) !== 0) return result;
  file.ref();
  return task.wait.block({
    hooks: [file.inode.hook],
    attempt: () => file.ioctl(number, argument, mm, task),
    cleanup: () => file.unref(),
    what: 'wait_for_device',
  });
}

export const fileControlSyscalls: SyscallRows = {
  16: { name: 'ioctl', fn: ioctl, support: 'full', args: ['fd', 'ioctlRequest', 'ioctlArgument'] },
  72: {
    name: 'fcntl',
    fn: fcntl,
    support: 'partial',
    note: 'no leases, directory notification, seals or read/write hints: EINVAL',
    args: ['fd', 'fcntlCommand', 'fcntlArgument'],
    result: 'fcntl',
  },
};
