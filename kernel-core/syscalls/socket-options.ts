/** System calls setsockopt and getsockopt. What each option is: net/options.ts. */
import { EBADF, EFAULT, EINVAL, ENODATA, ENOPROTOOPT, EPERM, ERANGE, type Err, fail, isErr } from '../../abi/errno.js';
import {
  SO_ATTACH_BPF,
  SO_ATTACH_FILTER,
  SO_ATTACH_REUSEPORT_CBPF,
  SO_ATTACH_REUSEPORT_EBPF,
  SO_BINDTODEVICE,
  SO_COOKIE,
  SO_GET_FILTER,
  SO_INQ,
  SO_LOCK_FILTER,
  SO_NETNS_COOKIE,
  SO_PEERCRED,
  SO_PEERGROUPS,
  SO_PEERNAME,
  SO_PEERPIDFD,
  SOL_SOCKET,
} from '../../abi/socket.js';
import { bindToDevice, bytesRead, getSocketOption, setSocketOption } from '../../net/options.js';
import type { Socket } from '../../net/socket.js';
import { UnixSocket } from '../../net/unix/socket.js';
import { UnixStream } from '../../net/unix/stream.js';
import { Task } from '../task.js';
import { openFile } from './args.js';
import { getI64 } from './layouts.js';
import type { SyscallRows } from './row.js';
import { socketFile } from './socket-address.js';
import { installPidfd } from './socket-control.js';

/** Longest option value that is looked at. */
const MAX_VALUE = 64;
/** IFNAMSIZ - 1. */
const DEVICE_NAME = 15;

function setDevice(task: Task, address: number, length: number): number | Err {
  const bytes = new Uint8Array(Math.min(length, DEVICE_NAME));
  if (task.mm!.read(address, bytes) !== 0) return fail(EFAULT);
  const end = bytes.indexOf(0);
  return bindToDevice(String.fromCharCode(...bytes.subarray(0, end < 0 ? bytes.length : end)));
}

/** Options that attach a filter: a classic program, given as struct sock_fprog, or a descriptor of a BPF program. */
const CLASSIC: ReadonlySet<number> = new Set([SO_ATTACH_FILTER, SO_ATTACH_REUSEPORT_CBPF]);
const ATTACHING: ReadonlySet<number> = new Set([...CLASSIC, SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_EBPF]);
const SOCK_FPROG = 16;
const INSTRUCTION = 8;
const MAX_INSTRUCTIONS = 4096;

/**
 * Filters are not built: what is wrong with the program is told, and a right one is refused. bpf(2) is not built
 * either, so that no descriptor is one of a program; a group of SO_REUSEPORT no unix socket can be in.
 */
function attach(task: Task, socket: Socket, option: number, value: DataView): number | Err {
  const isClassic = CLASSIC.has(option);
  if (value.byteLength !== (isClassic ? SOCK_FPROG : 4)) return fail(EINVAL);
  if (socket.options.plain.get(SO_LOCK_FILTER) === 1) return fail(EPERM);
  if (!isClassic) return fail(openFile(task, value.getInt32(0, true)) === null ? EBADF : EINVAL);
  const count = value.getUint16(0, true);
  const address = getI64(value, 8);
  if (count === 0 || count > MAX_INSTRUCTIONS || address === 0) return fail(EINVAL);
  if (task.mm!.read(address, new Uint8Array(count * INSTRUCTION)) !== 0) return fail(EFAULT);
  return fail(option === SO_ATTACH_FILTER ? ENOPROTOOPT : EINVAL);
}

/** SO_INQ is an option of streams alone. */
function setTellsUnread(socket: UnixStream, value: number, length: number): number | Err {
  if (length !== 4 || value < 0 || value > 1) return fail(EINVAL);
  socket.tellsUnread = value === 1;
  return 0;
}

/** An option of the protocol's own level. */
function setOwn(task: Task, socket: Socket, level: number, option: number, address: number, size: number): number {
  const bytes = new Uint8Array(Math.min(size, MAX_VALUE));
  const isThere = task.mm!.read(address, bytes) === 0;
  return socket.setOption(level, option, isThere ? new DataView(bytes.buffer) : null, task);
}

function setsockopt(task: Task, fd: number, level: number, name: number, address: number, length: number): number {
  const file = socketFile(task, fd);
  if (isErr(file)) return file;
  const size = length | 0;
  const option = name | 0;
  if (size < 0) return fail(EINVAL);
  if ((level | 0) !== SOL_SOCKET) return setOwn(task, file.socket, level | 0, option, address, size);
  if (option === SO_BINDTODEVICE) return setDevice(task, address, size);
  const isInq = option === SO_INQ && file.socket instanceof UnixStream;
  if (size < 4 || (isInq && size !== 4)) return fail(EINVAL);
  const bytes = new Uint8Array(Math.min(size, MAX_VALUE));
  const count = CLASSIC.has(option) && size === SOCK_FPROG ? size : bytesRead(option, size);
  if (task.mm!.read(address, bytes.subarray(0, count)) !== 0) return fail(EFAULT);
  const view = new DataView(bytes.buffer);
  if (ATTACHING.has(option)) return attach(task, file.socket, option, view);
  if (isInq) return setTellsUnread(file.socket as UnixStream, view.getInt32(0, true), size);
  return setSocketOption(file.socket, option, view, task);
}

const NOTHING = new Uint8Array(0);
const COOKIE_SIZE = 8;

function peerCredentials({ cred: { userNamespace } }: Task, socket: Socket): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  const peer = socket instanceof UnixSocket ? socket.peerIdentity : null;
  view.setInt32(0, peer?.pid ?? 0, true);
  view.setInt32(4, peer === null ? -1 : userNamespace.users.shown(peer.uid), true);
  view.setInt32(8, peer === null ? -1 : userNamespace.groups.shown(peer.gid), true);
  return bytes;
}

function peerPidfd(task: Task, socket: Socket): Uint8Array | Err {
  const who = socket instanceof UnixSocket ? socket.peerIdentity?.who : undefined;
  if (!(who instanceof Task)) return fail(ENODATA);
  const fd = installPidfd(task, who);
  return isErr(fd) ? fd : new Uint8Array(new Int32Array([fd]).buffer);
}

function peerGroups(task: Task, socket: Socket, room: number, lengthAddress: number): Uint8Array | Err {
  const peer = socket instanceof UnixSocket ? socket.peerIdentity : null;
  if (peer === null) return fail(ENODATA);
  const { groups } = task.cred.userNamespace;
  const bytes = new Uint8Array(Uint32Array.from(peer.groups, (gid) => groups.shown(gid)).buffer);
  if (room >= bytes.length) return bytes;
  return task.mm!.writeU32(lengthAddress, bytes.length) === 0 ? fail(ERANGE) : fail(EFAULT);
}

/** @param room bytes that the caller has @returns the value, of which as much is written as there is room for */
function optionValue(
  task: Task,
  socket: Socket,
  option: number,
  room: number,
  lengthAddress: number,
): Uint8Array | Err {
  switch (option) {
    case SO_BINDTODEVICE:
    case SO_GET_FILTER:
      return NOTHING;
    case SO_PEERCRED:
      return peerCredentials(task, socket);
    case SO_PEERPIDFD:
      return peerPidfd(task, socket);
    case SO_PEERGROUPS:
      return peerGroups(task, socket, room, lengthAddress);
    case SO_PEERNAME: {
      const name = socket.name(true);
      return !isErr(name) && name.length < room ? fail(EINVAL) : name;
    }
    case SO_NETNS_COOKIE:
      return room === COOKIE_SIZE
        ? new Uint8Array(new BigUint64Array([BigInt(socket.namespace.cookie)]).buffer)
        : fail(EINVAL);
    case SO_COOKIE:
      return room < COOKIE_SIZE ? fail(EINVAL) : getSocketOption(socket, option, room);
    default:
      return getSocketOption(socket, option, room);
  }
}

/** @param room NaN: where it should be is no memory */
function getOwn(
  task: Task,
  socket: Socket,
  level: number,
  option: number,
  room: number,
  address: number,
  lengthAddress: number,
): number {
  const value = socket.getOption(level, option, room);
  if (isErr(value)) return value;
  const mm = task.mm!;
  if (room >= value.length && mm.write(address, value) !== 0) return fail(EFAULT);
  return mm.writeU32(lengthAddress, value.length);
}

function getsockopt(
  task: Task,
  fd: number,
  level: number,
  name: number,
  address: number,
  lengthAddress: number,
): number {
  const file = socketFile(task, fd);
  if (isErr(file)) return file;
  const isOwn = (level | 0) !== SOL_SOCKET;
  const mm = task.mm!;
  const room = mm.readI32(lengthAddress);
  if (isOwn) return getOwn(task, file.socket, level | 0, name | 0, room, address, lengthAddress);
  if (Number.isNaN(room)) return fail(EFAULT);
  if (room < 0) return fail(EINVAL);
  const value = optionValue(task, file.socket, name | 0, room, lengthAddress);
  if (isErr(value)) return value;
  const count = Math.min(room, value.length);
  if (mm.write(address, value.subarray(0, count)) !== 0) return fail(EFAULT);
  return mm.writeU32(lengthAddress, count);
}

export const socketOptionSyscalls: SyscallRows = {
  54: {
    name: 'setsockopt',
    fn: setsockopt,
    support: 'partial',
    note: 'no packet filters: ENOPROTOOPT; options of a network are remembered only',
    args: ['fd', 'socketLevel', 'socketOption', 'optionIn', 'int'],
  },
  55: {
    name: 'getsockopt',
    fn: getsockopt,
    support: 'partial',
    note: 'as setsockopt',
    args: ['fd', 'socketLevel', 'socketOption', 'optionOut', 'addressLength'],
  },
};
