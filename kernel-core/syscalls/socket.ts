/** System calls that make, name, connect and end sockets. @source socket(2), bind(2), accept(2) …; Linux net/socket.c */
import { EBADF, ECONNABORTED, EFAULT, EINVAL, EMFILE, type Err, fail, isErr } from '../../abi/errno.js';
import { O_NONBLOCK } from '../../abi/fcntl.js';
import { SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_TYPE_MASK } from '../../abi/socket.js';
import { openSocket, type Socket } from '../../net/socket.js';
import type { Task } from '../task.js';
import type { SyscallRows } from './row.js';
import { readAddress, socketFile, writeAddress } from './socket-address.js';
import { acceptOn, connectOn } from './socket-io.js';

const TYPE_FLAGS = SOCK_CLOEXEC | SOCK_NONBLOCK;

/** Gives a socket a descriptor. @returns it, or -EMFILE: the socket is then closed */
function install(task: Task, socket: Socket, flags: number): number | Err {
  const file = openSocket(task.kernel.vfsEnv, socket, flags & SOCK_NONBLOCK ? O_NONBLOCK : 0, task);
  const fd = task.files.install(file, (flags & SOCK_CLOEXEC) !== 0, task.fileLimit);
  if (isErr(fd)) file.unref();
  return fd;
}

function socket(task: Task, family: number, type: number, protocol: number): number {
  const flags = type & ~SOCK_TYPE_MASK;
  if (flags & ~TYPE_FLAGS) return fail(EINVAL);
  const made = task.kernel.net.families.create(family | 0, type & SOCK_TYPE_MASK, protocol | 0, task);
  return isErr(made) ? made : install(task, made, flags);
}

function socketpair(task: Task, family: number, type: number, protocol: number, address: number): number {
  const flags = type & ~SOCK_TYPE_MASK;
  if (flags & ~TYPE_FLAGS) return fail(EINVAL);
  const { files } = task;
  // Room and the place for the result are looked at first: their errors come before the family's.
  const second = files.free(1);
  if (second >= task.fileLimit) return fail(EMFILE);
  const mm = task.mm!;
  if (mm.writeU32(address, files.free(0)) !== 0 || mm.writeU32(address + 4, second) !== 0) return fail(EFAULT);
  const pair = task.kernel.net.families.createPair(family | 0, type & SOCK_TYPE_MASK, protocol | 0, task);
  if (isErr(pair)) return pair;
  install(task, pair[0], flags);
  install(task, pair[1], flags);
  return 0;
}

function bind(task: Task, fd: number, address: number, length: number): number {
  const file = socketFile(task, fd);
  if (isErr(file)) return file;
  const name = readAddress(task, address, length);
  return isErr(name) ? name : file.socket.bind(name, task);
}

function connect(task: Task, fd: number, address: number, length: number): number {
  const file = socketFile(task, fd);
  if (file === -EBADF) return file;
  const name = readAddress(task, address, length);
  if (isErr(name)) return name;
  return isErr(file) ? file : connectOn(task, file, name);
}

function listen(task: Task, fd: number, backlog: number): number {
  const file = socketFile(task, fd);
  return isErr(file) ? file : file.socket.listen(backlog | 0, task);
}

function accept4(task: Task, fd: number, address: number, lengthAddress: number, flags: number): number {
  const file = socketFile(task, fd);
  const { files } = task;
  // The order of Linux: a closed descriptor, wrong flags, a full table, something that is no socket.
  if (file === -EBADF) return file;
  if (flags & ~TYPE_FLAGS) return fail(EINVAL);
  if (files.free(0) >= task.fileLimit) return fail(EMFILE);
  if (isErr(file)) return file;
  return acceptOn(task, file, (made) => {
    const bad = address === 0 ? 0 : peerAddress(task, made, address, lengthAddress);
    if (bad < 0) {
      made.discard();
      return bad;
    }
    return install(task, made, flags);
  });
}

function peerAddress(task: Task, made: Socket, address: number, lengthAddress: number): number | Err {
  const name = made.name(true);
  return isErr(name) ? fail(ECONNABORTED) : writeAddress(task, name, address, lengthAddress);
}

const accept = (task: Task, fd: number, address: number, lengthAddress: number): number =>
  accept4(task, fd, address, lengthAddress, 0);

function nameOf(task: Task, fd: number, address: number, lengthAddress: number, peer: boolean): number {
  const file = socketFile(task, fd);
  if (isErr(file)) return file;
  const name = file.socket.name(peer);
  return isErr(name) ? name : writeAddress(task, name, address, lengthAddress);
}

const getsockname = (task: Task, fd: number, address: number, lengthAddress: number): number =>
  nameOf(task, fd, address, lengthAddress, false);

const getpeername = (task: Task, fd: number, address: number, lengthAddress: number): number =>
  nameOf(task, fd, address, lengthAddress, true);

function shutdown(task: Task, fd: number, how: number): number {
  const file = socketFile(task, fd);
  return isErr(file) ? file : file.socket.shutdown(how | 0);
}

export const socketSyscalls: SyscallRows = {
  41: {
    name: 'socket',
    fn: socket,
    support: 'partial',
    note: 'AF_UNIX, and of AF_NETLINK NETLINK_SOCK_DIAG about unix sockets; others: EAFNOSUPPORT, EPROTONOSUPPORT, as of a kernel without them',
    args: ['addressFamily', 'socketType', 'socketProtocol'],
  },
  42: { name: 'connect', fn: connect, support: 'full', args: ['fd', 'sockaddrIn', 'int'] },
  43: { name: 'accept', fn: accept, support: 'full', args: ['fd', 'sockaddrOut', 'addressLength'] },
  48: { name: 'shutdown', fn: shutdown, support: 'full', args: ['fd', 'shutdownHow'] },
  49: { name: 'bind', fn: bind, support: 'full', args: ['fd', 'sockaddrIn', 'int'] },
  50: { name: 'listen', fn: listen, support: 'full', args: ['fd', 'int'] },
  51: { name: 'getsockname', fn: getsockname, support: 'full', args: ['fd', 'sockaddrOut', 'addressLength'] },
  52: { name: 'getpeername', fn: getpeername, support: 'full', args: ['fd', 'sockaddrOut', 'addressLength'] },
  53: {
    name: 'socketpair',
    fn: socketpair,
    support: 'partial',
    note: 'as socket',
    args: ['addressFamily', 'socketType', 'socketProtocol', 'fdPairOut'],
  },
  288: {
    name: 'accept4',
    fn: accept4,
    support: 'full',
    args: ['fd', 'sockaddrOut', 'addressLength', 'socketFlags'],
  },
};
