/** What NETLINK_SOCK_DIAG tells of unix sockets. @source sock_diag(7); Linux net/unix/diag.c */
import { EINVAL, EMSGSIZE, ENOENT, type Err, ESTALE, fail } from '../../abi/errno.js';
import * as abi from '../../abi/netlink.js';
import { AF_UNIX } from '../../abi/socket.js';
import { majorOf, minorOf } from '../../vfs/devices.js';
import type { UserNamespace } from '../../vfs/user-namespace.js';
import type { MessageWriter, Request } from '../netlink/message.js';
import type { SocketDiag } from '../netlink/sock-diag.js';
import type { Dump, NetlinkSocket } from '../netlink/socket.js';
import { memoryInfo } from '../options.js';
import type { UnixDomain } from './domain.js';
import { LISTENING, type UnixSocket } from './socket.js';

/** Bits of a minor number in a device number of the kernel's own form. @source Linux linux/kdev_t.h MINORBITS */
const MINOR_BITS = 20;
const DUMP_FLAGS = abi.NLM_F_MULTI;

/** 0 for a socket without a descriptor. */
const inodeOf = (socket: UnixSocket | null): number => socket?.inode?.ino ?? 0;

function name({ address }: UnixSocket, writer: MessageWriter): boolean {
  return address === null || writer.attribute(abi.UNIX_DIAG_NAME, address.bytes.subarray(2));
}

function node({ address }: UnixSocket, writer: MessageWriter): boolean {
  const inode = address?.path?.dentry.inode;
  if (inode === undefined) return true;
  const { device } = inode.fs;
  return writer.words(abi.UNIX_DIAG_VFS, inode.ino, ((majorOf(device) << MINOR_BITS) | minorOf(device)) >>> 0);
}

function peer({ peer }: UnixSocket, writer: MessageWriter): boolean {
  return peer === null || writer.words(abi.UNIX_DIAG_PEER, inodeOf(peer));
}

/** Who has connected and is not accepted yet. */
function pending(socket: UnixSocket, writer: MessageWriter): boolean {
  if (socket.state !== LISTENING) return true;
  return writer.words(abi.UNIX_DIAG_ICONS, ...socket.pending.map((server) => inodeOf(server.peer)));
}

function queues(socket: UnixSocket, writer: MessageWriter): boolean {
  return socket.state === LISTENING
    ? writer.words(abi.UNIX_DIAG_RQLEN, socket.pending.length, socket.backlog)
    : writer.words(abi.UNIX_DIAG_RQLEN, socket.inputSize(), socket.charged);
}

/** @returns false: no room */
function describe(socket: UnixSocket, show: number, viewer: UserNamespace, writer: MessageWriter): boolean {
  const wants = (bit: number): boolean => (show & bit) !== 0;
  return (
    (!wants(abi.UDIAG_SHOW_NAME) || name(socket, writer)) &&
    (!wants(abi.UDIAG_SHOW_VFS) || node(socket, writer)) &&
    (!wants(abi.UDIAG_SHOW_PEER) || peer(socket, writer)) &&
    (!wants(abi.UDIAG_SHOW_ICONS) || pending(socket, writer)) &&
    (!wants(abi.UDIAG_SHOW_RQLEN) || queues(socket, writer)) &&
    (!wants(abi.UDIAG_SHOW_MEMINFO) || writer.attribute(abi.UNIX_DIAG_MEMINFO, memoryInfo(socket))) &&
    writer.attribute(abi.UNIX_DIAG_SHUTDOWN, new Uint8Array([socket.shutMask])) &&
    (!wants(abi.UDIAG_SHOW_UID) || writer.words(abi.UNIX_DIAG_UID, viewer.users.shown(socket.inode!.uid)))
  );
}

/** Writes the message about a socket that has a descriptor. @returns false: no room, nothing is written */
function tell(
  socket: UnixSocket,
  request: Request,
  flags: number,
  from: NetlinkSocket,
  writer: MessageWriter,
): boolean {
  const message = writer.begin(abi.SOCK_DIAG_BY_FAMILY, flags, request.sequence, from.port, abi.UNIX_DIAG_MSG_SIZE);
  if (message === null) return false;
  const { cookie } = socket.options;
  message.setUint8(0, AF_UNIX);
  message.setUint8(1, socket.type);
  message.setUint8(2, socket.state);
  message.setUint32(4, inodeOf(socket), true);
  message.setUint32(8, cookie >>> 0, true);
  message.setUint32(12, Math.floor(cookie / 2 ** 32), true);
  if (describe(socket, request.payload.getUint32(abi.UDIAG_SHOW, true), from.viewer, writer)) return true;
  writer.cancel();
  return false;
}

/** Does the cookie of a request, if it has one, name that socket? */
function isMeant({ options }: UnixSocket, { payload }: Request): boolean {
  const low = payload.getUint32(abi.UDIAG_COOKIE, true);
  const high = payload.getUint32(abi.UDIAG_COOKIE + 4, true);
  if (low === abi.DIAG_NO_COOKIE && high === abi.DIAG_NO_COOKIE) return true;
  return low + high * 2 ** 32 === options.cookie;
}

/** Goes through the sockets that are there; what is made or closed meanwhile may be told or not. */
class UnixDump implements Dump {
  readonly request: Request;
  readonly #sockets: Iterator<UnixSocket>;
  readonly #from: NetlinkSocket;
  readonly #states: number;
  /** Had no room in the last piece. */
  #next: UnixSocket | undefined;

  constructor(domain: UnixDomain, request: Request, from: NetlinkSocket) {
    this.request = request;
    this.#sockets = domain.sockets.values();
    this.#from = from;
    this.#states = request.payload.getUint32(abi.UDIAG_STATES, true);
  }

  fill(writer: MessageWriter): void {
    for (;;) {
      this.#next ??= this.#sockets.next().value;
      const socket = this.#next;
      if (socket === undefined) return;
      if (this.#isWanted(socket) && !tell(socket, this.request, DUMP_FLAGS, this.#from, writer)) return;
      this.#next = undefined;
    }
  }

  #isWanted(socket: UnixSocket): boolean {
    if (socket.namespace !== this.#from.namespace || inodeOf(socket) === 0) return false;
    return (this.#states & (1 << socket.state)) !== 0;
  }
}

export const unixDiag = (domain: UnixDomain): SocketDiag => ({
  family: AF_UNIX,
  requestSize: abi.UNIX_DIAG_REQ_SIZE,
  one(request, from, writer): number | Err {
    const ino = request.payload.getUint32(abi.UDIAG_INO, true);
    if (ino === 0) return fail(EINVAL);
    for (const socket of domain.sockets) {
      if (inodeOf(socket) !== ino || socket.namespace !== from.namespace) continue;
      if (!isMeant(socket, request)) return fail(ESTALE);
      return tell(socket, request, 0, from, writer) ? 0 : fail(EMSGSIZE);
    }
    return fail(ENOENT);
  },
  all: (request, from) => new UnixDump(domain, request, from),
});
