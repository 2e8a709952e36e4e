/** Arguments of socket calls: families, types, addresses, options, messages. */
import { SOL_NETLINK } from '../../abi/netlink.js';
import * as socket from '../../abi/socket.js';
import { getI64 } from '../syscalls/layouts.js';
import { type ArgumentFormat, early, failed, late, peek, peekView, type TraceCall } from './call.js';
import { iovecText } from './kinds-memory.js';
import { NETLINK_OPTIONS, NETLINK_PROTOCOLS, netlinkAddressText } from './kinds-netlink.js';
import { timespecAt } from './kinds-time.js';
import { isNetlink, netlinkText } from './netlink-messages.js';
import { FAMILIES, SOCKET_TYPES } from './socket-names.js';
import { flagText, hex, hex32, type Names, namesOf, pointer, quote, unsigned64, valueText } from './text.js';

const TYPE_FLAGS = namesOf(socket, 'SOCK_CLOEXEC SOCK_NONBLOCK');
const MESSAGE_FLAGS = namesOf(
  socket,
  'MSG_OOB MSG_PEEK MSG_DONTROUTE MSG_CTRUNC MSG_PROXY MSG_TRUNC MSG_DONTWAIT MSG_EOR MSG_WAITALL MSG_FIN MSG_SYN MSG_CONFIRM MSG_RST MSG_ERRQUEUE MSG_NOSIGNAL MSG_MORE MSG_WAITFORONE MSG_BATCH MSG_ZEROCOPY MSG_FASTOPEN MSG_CMSG_CLOEXEC MSG_CMSG_COMPAT',
);
const HOW = namesOf(socket, 'SHUT_RD SHUT_WR SHUT_RDWR');
/** strace's names; those that came later than it are numbers. */
const OPTIONS = namesOf(
  socket,
  'SO_DEBUG SO_REUSEADDR SO_TYPE SO_ERROR SO_DONTROUTE SO_BROADCAST SO_SNDBUF SO_RCVBUF SO_KEEPALIVE SO_OOBINLINE SO_NO_CHECK SO_PRIORITY SO_LINGER SO_BSDCOMPAT SO_REUSEPORT SO_PASSCRED SO_PEERCRED SO_RCVLOWAT SO_SNDLOWAT SO_RCVTIMEO_OLD SO_SNDTIMEO_OLD SO_BINDTODEVICE SO_ATTACH_FILTER SO_DETACH_FILTER SO_PEERNAME SO_TIMESTAMP_OLD SO_SECURITY_AUTHENTICATION SO_SECURITY_ENCRYPTION_TRANSPORT SO_SECURITY_ENCRYPTION_NETWORK SO_ACCEPTCONN SO_PEERSEC SO_SNDBUFFORCE SO_RCVBUFFORCE SO_PASSSEC SO_TIMESTAMPNS_OLD SO_MARK SO_TIMESTAMPING_OLD SO_PROTOCOL SO_DOMAIN SO_RXQ_OVFL SO_WIFI_STATUS SO_PEEK_OFF SO_NOFCS SO_LOCK_FILTER SO_SELECT_ERR_QUEUE SO_BUSY_POLL SO_MAX_PACING_RATE SO_BPF_EXTENSIONS SO_INCOMING_CPU SO_ATTACH_BPF SO_ATTACH_REUSEPORT_CBPF SO_ATTACH_REUSEPORT_EBPF SO_CNX_ADVICE SO_MEMINFO SO_INCOMING_NAPI_ID SO_COOKIE SO_PEERGROUPS SO_ZEROCOPY SO_TXTIME SO_BINDTOIFINDEX SO_TIMESTAMP_NEW SO_TIMESTAMPNS_NEW SO_TIMESTAMPING_NEW SO_RCVTIMEO_NEW SO_SNDTIMEO_NEW SO_DETACH_REUSEPORT_BPF SO_PREFER_BUSY_POLL SO_BUSY_POLL_BUDGET SO_NETNS_COOKIE SO_BUF_LOCK SO_RESERVE_MEM SO_TXREHASH SO_RCVMARK',
);
const CONTROL_TYPES = namesOf(socket, 'SCM_RIGHTS SCM_CREDENTIALS');

const typeText = (value: number): string => {
  const known = SOCKET_TYPES.find(([, type]) => type === (value & socket.SOCK_TYPE_MASK));
  if (known === undefined) return valueText(value, SOCKET_TYPES, 'SOCK_???');
  const [name] = known;
  const rest = value & ~socket.SOCK_TYPE_MASK;
  return rest === 0 ? name : `${name}|${flagText(rest, TYPE_FLAGS, 'SOCK_???')}`;
};

const messageFlags = (value: number): string => flagText(value, MESSAGE_FLAGS, 'MSG_???');

/** An address of `length` bytes, of which at most sizeof(struct sockaddr_storage) are looked at. */
function addressText(call: TraceCall, at: number, length: number): string {
  if (at === 0) return 'NULL';
  if (length < 2) return pointer(at);
  const bytes = peek(call, at, Math.min(length, socket.SOCKADDR_MAX));
  if (bytes === null) return pointer(at);
  const family = bytes[0]! | (bytes[1]! << 8);
  const name = valueText(family, FAMILIES, 'AF_???');
  if (length === 2) return `{sa_family=${name}}`;
  if (family === socket.AF_UNIX) return `{sa_family=AF_UNIX, sun_path=${pathText(bytes.subarray(2))}}`;
  const ofNetlink = family === socket.AF_NETLINK ? netlinkAddressText(bytes) : null;
  if (ofNetlink !== null) return `{sa_family=AF_NETLINK, ${ofNetlink}}`;
  return `{sa_family=${name}, sa_data=${quote(bytes.subarray(2), bytes.length)}}`;
}

/** A path to its zero byte; an abstract name as a whole, behind an @ for its own zero. */
function pathText(bytes: Uint8Array): string {
  const path = bytes.subarray(0, socket.UNIX_PATH_MAX);
  if (path[0] === 0) return `@${quote(path.subarray(1), socket.UNIX_PATH_MAX)}`;
  const end = path.indexOf(0);
  return quote(end < 0 ? path : path.subarray(0, end), socket.UNIX_PATH_MAX);
}

/** What an int at `address` was when the call was made. */
const before = new WeakMap<TraceCall['args'], number>();

function lengthText(call: TraceCall, address: number): string {
  const now = peekView(call, address, 4)?.getInt32(0, true);
  const was = before.get(call.args);
  if (now === undefined || was === undefined) return pointer(address);
  return was === now || failed(call) ? `[${was}]` : `[${was} => ${now}]`;
}

/** Keeps the length that the caller gave for an address or an option, which stands before it. */
function remember(call: TraceCall, index: number): void {
  if (call.args[index - 1] === 0) return;
  const { mm } = call.task;
  const value = mm === null ? Number.NaN : mm.readI32(call.args[index]!);
  if (!Number.isNaN(value)) before.set(call.args, value);
}

/** An address that the call fills in, its length in an int that the next argument points to. */
const sockaddrOut: ArgumentFormat = {
  late: true,
  prepare: (call, index) => remember(call, index + 1),
  text: (call, value, index) => {
    const room = before.get(call.args);
    const length = peekView(call, call.args[index + 1]!, 4)?.getInt32(0, true);
    if (failed(call) || room === undefined || length === undefined) return pointer(value);
    return length === 0 ? pointer(value) : addressText(call, value, Math.min(room, length));
  },
};

// Options.

const TIMES: readonly number[] = [
  socket.SO_RCVTIMEO,
  socket.SO_SNDTIMEO,
  socket.SO_RCVTIMEO_NEW,
  socket.SO_SNDTIMEO_NEW,
];

/** A value of an option: an int, a structure that strace knows, or else bytes. */
function optionText(call: TraceCall, address: number, length: number): string {
  if (address === 0) return 'NULL';
  const option = call.args[2]! | 0;
  const bytes = peek(call, address, Math.min(length, 64));
  if (bytes === null) return pointer(address);
  const view = new DataView(bytes.buffer);
  if ((call.args[1]! | 0) === socket.SOL_SOCKET) {
    if (option === socket.SO_LINGER && length >= 8) {
      return `{l_onoff=${view.getInt32(0, true)}, l_linger=${view.getInt32(4, true)}}`;
    }
    if (option === socket.SO_PEERCRED && length >= 12) return `{${ucredText(view, 0)}}`;
  }
  const isNumber = length === 4 || (call.row.name === 'setsockopt' && !TIMES.includes(option));
  return isNumber ? `[${view.getInt32(0, true)}]` : quote(bytes, bytes.length);
}

const identityText = (id: number): string => (id === 0xffffffff ? '-1' : String(id));

const ucredText = (view: DataView, at: number): string =>
  `pid=${view.getInt32(at, true)}, uid=${identityText(view.getUint32(at + 4, true))}, gid=${identityText(view.getUint32(at + 8, true))}`;

// Messages.

function controlText(call: TraceCall, address: number, length: number): string {
  if (length === 0) return '';
  if (address === 0) return ', msg_control=NULL';
  const bytes = peek(call, address, Math.min(length, 4096));
  if (bytes === null || length < socket.CMSGHDR_SIZE) return `, msg_control=${pointer(address)}`;
  const view = new DataView(bytes.buffer);
  const parts: string[] = [];
  for (let at = 0; at + socket.CMSGHDR_SIZE <= bytes.length; ) {
    const size = getI64(view, at);
    const level = view.getInt32(at + 8, true);
    const type = view.getInt32(at + 12, true);
    const kind =
      level === socket.SOL_SOCKET
        ? `cmsg_level=SOL_SOCKET, cmsg_type=${valueText(type, CONTROL_TYPES, 'SCM_???')}`
        : `cmsg_level=${levelText(level)}, cmsg_type=${hex32(type)}`;
    const end = Math.min(at + size, bytes.length);
    const data = size < socket.CMSGHDR_SIZE ? '' : controlData(level, type, view, at + socket.CMSGHDR_SIZE, end);
    parts.push(`{cmsg_len=${unsigned64(size)}, ${kind}${data}}`);
    if (size < socket.CMSGHDR_SIZE) {
      if (size < bytes.length - at) parts.push(`... /* ${hex(address + at + socket.CMSGHDR_SIZE)} */`);
      break;
    }
    at += Math.ceil(size / 8) * 8;
  }
  return `, msg_control=[${parts.join(', ')}]`;
}

function controlData(level: number, type: number, view: DataView, start: number, end: number): string {
  if (end <= start) return '';
  if (level === socket.SOL_SOCKET && type === socket.SCM_RIGHTS) {
    const fds: number[] = [];
    for (let at = start; at + 4 <= end; at += 4) fds.push(view.getInt32(at, true));
    return `, cmsg_data=[${fds.join(', ')}]`;
  }
  if (level === socket.SOL_SOCKET && type === socket.SCM_CREDENTIALS && end - start >= 12) {
    return `, cmsg_data={${ucredText(view, start)}}`;
  }
  return '';
}

const LEVELS: Names = [
  ['SOL_IP', 0],
  ['SOL_SOCKET', 1],
  ['SOL_TCP', 6],
  ['SOL_UDP', 17],
  ['SOL_IPV6', 41],
  ['SOL_NETLINK', SOL_NETLINK],
];
const levelText = (value: number): string => valueText(value, LEVELS, 'SOL_???');

/** @param transferred bytes, null when nothing was; @param room what msg_namelen was before the call */
function messageText(call: TraceCall, at: number, transferred: number | null, room: number | null): string {
  const view = peekView(call, at, socket.MSGHDR_SIZE);
  if (view === null) return pointer(at);
  const name = getI64(view, socket.MSGHDR_NAME);
  const nameLength = view.getInt32(socket.MSGHDR_NAMELEN, true);
  const shownLength = room !== null && room !== nameLength ? `${room} => ${nameLength}` : `${nameLength}`;
  const address =
    room === null ? addressText(call, name, nameLength) : addressText(call, name, Math.min(room, nameLength));
  const vectors = iovecText(
    call,
    getI64(view, socket.MSGHDR_IOV),
    getI64(view, socket.MSGHDR_IOVLEN),
    transferred,
    isNetlink(call) ? netlinkText : undefined,
  );
  const controlLength = getI64(view, socket.MSGHDR_CONTROLLEN);
  const control = controlText(call, getI64(view, socket.MSGHDR_CONTROL), controlLength);
  return (
    `{msg_name=${address}, msg_namelen=${shownLength}, msg_iov=${vectors}, ` +
    `msg_iovlen=${unsigned64(getI64(view, socket.MSGHDR_IOVLEN))}${control}, msg_controllen=${unsigned64(controlLength)}, ` +
    `msg_flags=${messageFlags(view.getInt32(socket.MSGHDR_FLAGS, true))}}`
  );
}

/** Times that calls were given. */
const times = new WeakMap<TraceCall['args'], string>();

/** What is left of recvmmsg's time. */
export function messagesResultText(call: TraceCall): string {
  const view = times.has(call.args) ? peekView(call, call.args[4]!, 16) : null;
  return view === null ? '' : ` (left ${timespecAt(view, 0)})`;
}

/** Array of struct mmsghdr. @param done messages that were transferred */
function messagesText(call: TraceCall, at: number, count: number, done: number, sends: boolean): string {
  const parts: string[] = [];
  for (let i = 0; i < Math.min(count, 32); i++) {
    const entry = at + i * socket.MMSGHDR_SIZE;
    const view = peekView(call, entry, socket.MMSGHDR_SIZE);
    if (view === null) return parts.length === 0 ? pointer(at) : `[${parts.join(', ')}, ... /* ${hex(entry)} */]`;
    const length = view.getUint32(socket.MMSGHDR_LEN, true);
    const message = messageText(call, entry, sends ? Number.MAX_SAFE_INTEGER : length, null);
    parts.push(i < done ? `{msg_hdr=${message}, msg_len=${length}}` : `{msg_hdr=${message}}`);
  }
  if (count > 32) parts.push('...');
  return `[${parts.join(', ')}]`;
}

export const SOCKET_KINDS = {
  addressFamily: early((_call, value) => valueText(value | 0, FAMILIES, 'AF_???')),
  socketType: early((_call, value) => typeText(value | 0)),
  socketFlags: early((_call, value) => flagText(value | 0, TYPE_FLAGS, 'SOCK_???')),
  // strace names it for socket, and not for socketpair.
  socketProtocol: early((call, value) =>
    (call.args[0]! | 0) === socket.AF_NETLINK && call.row.name === 'socket'
      ? valueText(value | 0, NETLINK_PROTOCOLS, 'NETLINK_???')
      : String(value | 0),
  ),
  shutdownHow: early((_call, value) => valueText(value | 0, HOW, 'SHUT_???')),
  msgFlags: early((_call, value) => messageFlags(value | 0)),
  sockaddrIn: early((call, value, index) => addressText(call, value, call.args[index + 1]! | 0)),
  sockaddrOut,
  addressLength: late((call, value) => lengthText(call, value)),
  socketLevel: early((_call, value) => valueText(value | 0, LEVELS, 'SOL_??')),
  socketOption: early((call, value) => {
    const level = call.args[1]! | 0;
    if (level === socket.SOL_SOCKET) return valueText(value | 0, OPTIONS, 'SO_???');
    return level === SOL_NETLINK ? valueText(value | 0, NETLINK_OPTIONS, 'NETLINK_???') : String(value | 0);
  }),
  optionIn: early((call, value, index) => {
    const length = call.args[index + 1]! | 0;
    return length < 4 ? pointer(value) : optionText(call, value, length);
  }),
  optionOut: {
    late: true,
    prepare: (call, index) => remember(call, index + 1),
    text: (call, value, index) => {
      const length = peekView(call, call.args[index + 1]!, 4)?.getInt32(0, true);
      return failed(call) || length === undefined ? pointer(value) : optionText(call, value, length);
    },
  },
  msghdrIn: early((call, value) => messageText(call, value, Number.MAX_SAFE_INTEGER, null)),
  msghdrOut: {
    late: true,
    prepare: (call, index) => {
      const { mm } = call.task;
      const room = mm === null ? Number.NaN : mm.readI32(call.args[index]! + socket.MSGHDR_NAMELEN);
      if (!Number.isNaN(room)) before.set(call.args, room);
    },
    text: (call, value) => {
      const room = before.get(call.args) ?? null;
      return failed(call)
        ? room === null
          ? pointer(value)
          : `{msg_namelen=${room}}`
        : messageText(call, value, call.result ?? 0, room);
    },
  },
  /** How long recvmmsg may take, as it was before the call. */
  messageTime: {
    late: true,
    prepare: (call, index) => {
      const view = call.args[index] === 0 ? null : peekView(call, call.args[index]!, 16);
      if (view !== null) times.set(call.args, timespecAt(view, 0));
    },
    text: (call, value) => times.get(call.args) ?? pointer(value),
  },
  mmsghdrIn: late((call, value, index) =>
    messagesText(call, value, call.args[index + 1]! >>> 0, failed(call) ? 0 : (call.result ?? 0), true),
  ),
  mmsghdrOut: late((call, value, index) =>
    failed(call)
      ? pointer(value)
      : messagesText(call, value, Math.min(call.args[index + 1]! >>> 0, call.result ?? 0), call.result ?? 0, false),
  ),
} satisfies Record<string, ArgumentFormat>;
