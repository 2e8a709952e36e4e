/**
 * What netlink messages say, as strace shows it: headers, errors, and of NETLINK_SOCK_DIAG, the one protocol there is, what
 * concerns unix sockets. The rest is shown as bytes. @source netlink(7), sock_diag(7)
 */
import { ERRNO_NAMES } from '../../abi/errno.js';
import * as netlink from '../../abi/netlink.js';
import { AF_NETLINK, AF_UNIX } from '../../abi/socket.js';
import { SocketFile } from '../../net/socket.js';
import { peek, type TraceCall } from './call.js';
import { deviceText } from './kinds-numbers.js';
import { FAMILIES, SOCKET_TYPES } from './socket-names.js';
import { flagText, type Names, namesOf, pointer, quote, quoteHex, SHOWN, valueText } from './text.js';

const MESSAGE_TYPES = namesOf(netlink, 'NLMSG_NOOP NLMSG_ERROR NLMSG_DONE NLMSG_OVERRUN');
const DIAG_TYPES = namesOf(netlink, 'TCPDIAG_GETSOCK DCCPDIAG_GETSOCK SOCK_DIAG_BY_FAMILY SOCK_DESTROY');
const FLAGS = namesOf(netlink, 'NLM_F_REQUEST NLM_F_MULTI NLM_F_ACK NLM_F_ECHO NLM_F_DUMP_INTR NLM_F_DUMP_FILTERED');
/** The upper byte means something else in each direction. */
const GET_FLAGS = [...FLAGS, ...namesOf(netlink, 'NLM_F_DUMP NLM_F_ROOT NLM_F_MATCH NLM_F_ATOMIC')];
const ERROR_FLAGS = [...FLAGS, ...namesOf(netlink, 'NLM_F_CAPPED NLM_F_ACK_TLVS')];
const SHOWS = namesOf(
  netlink,
  'UDIAG_SHOW_NAME UDIAG_SHOW_VFS UDIAG_SHOW_PEER UDIAG_SHOW_ICONS UDIAG_SHOW_RQLEN UDIAG_SHOW_MEMINFO UDIAG_SHOW_UID',
);
const ATTRIBUTES = namesOf(
  netlink,
  'UNIX_DIAG_NAME UNIX_DIAG_VFS UNIX_DIAG_PEER UNIX_DIAG_ICONS UNIX_DIAG_RQLEN UNIX_DIAG_MEMINFO UNIX_DIAG_SHUTDOWN UNIX_DIAG_UID',
);
/** From 1 on. @source Linux net/tcp_states.h */
const STATES: Names =
  'ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE CLOSE_WAIT LAST_ACK LISTEN CLOSING NEW_SYN_RECV'
    .split(' ')
    .map((name, i) => [`TCP_${name}`, i + 1]);
const STATE_BITS: Names = STATES.map(([name, state]) => [`1<<${name}`, 1 << state]);
/** Words of sk_meminfo. @source uapi/linux/sock_diag.h */
const MEMORY_WORDS = 'RMEM_ALLOC RCVBUF WMEM_ALLOC SNDBUF FWD_ALLOC WMEM_QUEUED OPTMEM BACKLOG DROPS'.split(' ');

/** How deep messages are shown that lie in errors about them: programs may nest them as long as there is room. */
const DEEPEST = 8;
/** Bytes of a buffer that are looked at. */
const MOST = 65536;
/** struct nlmsgerr: a number and the header of what it is about. */
const ERROR_SIZE = 4 + netlink.NLMSG_HDRLEN;

const bytesText = (bytes: Uint8Array): string => quoteHex(bytes.subarray(0, SHOWN), bytes.length > SHOWN);
const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
const wordsOf = (bytes: Uint8Array): number[] => {
  const view = viewOf(bytes);
  return Array.from({ length: bytes.length >>> 2 }, (_, i) => view.getUint32(4 * i, true));
};

/** Does the call concern a netlink socket? */
export function isNetlink({ task, args }: TraceCall): boolean {
  const file = task.files?.get(args[0]! | 0);
  return file instanceof SocketFile && file.socket.family === AF_NETLINK;
}

/**
 * Things of a length that they say themselves, one behind the other, each from a multiple of four on: in brackets if there
 * are several.
 */
function sequence(
  bytes: Uint8Array,
  header: number,
  lengthOf: (view: DataView) => number,
  text: (bytes: Uint8Array) => string,
): string {
  const parts: string[] = [];
  for (let at = 0; at === 0 || at < bytes.length; ) {
    const rest = bytes.subarray(at);
    if (rest.length < header) {
      parts.push(bytesText(rest));
      break;
    }
    if (parts.length === SHOWN) {
      parts.push('...');
      break;
    }
    const length = lengthOf(viewOf(rest));
    parts.push(text(rest.subarray(0, Math.max(header, length))));
    if (length < header) break;
    at += Math.ceil(length / 4) * 4;
  }
  return parts.length === 1 ? parts[0]! : `[${parts.join(', ')}]`;
}

const messagesText = (bytes: Uint8Array): string =>
  sequence(
    bytes,
    netlink.NLMSG_HDRLEN,
    (view) => view.getUint32(0, true),
    (one) => messageText(one, 0),
  );

/** A header and what is behind it. @param depth errors around it */
function messageText(bytes: Uint8Array, depth: number): string {
  const view = viewOf(bytes);
  const type = view.getUint16(netlink.NLMSG_TYPE, true);
  const flags = view.getUint16(netlink.NLMSG_FLAGS, true);
  const isControl = type < netlink.NLMSG_MIN_TYPE;
  const typeText = isControl
    ? valueText(type, MESSAGE_TYPES, 'NLMSG_???')
    : valueText(type, DIAG_TYPES, 'SOCK_DIAG_???');
  const names = type === netlink.NLMSG_ERROR ? ERROR_FLAGS : isControl ? FLAGS : GET_FLAGS;
  const header =
    `{nlmsg_len=${view.getUint32(0, true)}, nlmsg_type=${typeText}, nlmsg_flags=${flagText(flags, names, 'NLM_F_???')}, ` +
    `nlmsg_seq=${view.getUint32(netlink.NLMSG_SEQ, true)}, nlmsg_pid=${view.getInt32(netlink.NLMSG_PID, true)}}`;
  const payload = bytes.subarray(netlink.NLMSG_HDRLEN);
  return payload.length === 0 ? header : `[${header}, ${payloadText(type, flags, payload, depth)}]`;
}

function payloadText(type: number, flags: number, payload: Uint8Array, depth: number): string {
  if (type === netlink.NLMSG_ERROR) return errorText(payload, (flags & netlink.NLM_F_CAPPED) !== 0, depth);
  if (type === netlink.NLMSG_DONE && payload.length === 4) return String(viewOf(payload).getInt32(0, true));
  if (type < netlink.NLMSG_MIN_TYPE) return bytesText(payload);
  if (payload[0] !== AF_UNIX || payload.length === 1) return familyText(payload);
  return (flags & netlink.NLM_F_REQUEST) !== 0 ? requestText(payload) : answerText(payload);
}

/** @param isCapped only the header of the message that it is about comes back */
function errorText(payload: Uint8Array, isCapped: boolean, depth: number): string {
  if (payload.length < ERROR_SIZE || depth === DEEPEST) return bytesText(payload);
  const view = viewOf(payload);
  const error = view.getInt32(0, true);
  const name = ERRNO_NAMES.get(-error)?.name;
  const length = Math.max(netlink.NLMSG_HDRLEN, isCapped ? 0 : view.getUint32(4, true));
  const about = messageText(payload.subarray(4, 4 + length), depth + 1);
  const text = `{error=${name === undefined ? error : `-${name}`}, msg=${about}}`;
  const rest = payload.subarray(4 + length);
  return rest.length === 0 ? text : `[${text}, ${bytesText(rest)}]`;
}

function familyText(payload: Uint8Array): string {
  const family = valueText(payload[0]!, FAMILIES, 'AF_???');
  return payload.length === 1 ? `{family=${family}}` : `{family=${family}, data=${bytesText(payload.subarray(1))}}`;
}

const cookieText = (view: DataView, at: number): string =>
  `udiag_cookie=[${view.getUint32(at, true)}, ${view.getUint32(at + 4, true)}]`;

function requestText(payload: Uint8Array): string {
  if (payload.length < netlink.UNIX_DIAG_REQ_SIZE) return '{sdiag_family=AF_UNIX, ...}';
  const view = viewOf(payload);
  const states = flagText(view.getUint32(netlink.UDIAG_STATES, true), STATE_BITS, '1<<TCP_???');
  const show = flagText(view.getUint32(netlink.UDIAG_SHOW, true), SHOWS, 'UDIAG_SHOW_???');
  return (
    `{sdiag_family=AF_UNIX, sdiag_protocol=${payload[1]}, udiag_states=${states}, ` +
    `udiag_ino=${view.getUint32(netlink.UDIAG_INO, true)}, udiag_show=${show}, ${cookieText(view, netlink.UDIAG_COOKIE)}}`
  );
}

/** struct unix_diag_msg and its attributes. */
function answerText(payload: Uint8Array): string {
  if (payload.length < netlink.UNIX_DIAG_MSG_SIZE) return '{udiag_family=AF_UNIX, ...}';
  const view = viewOf(payload);
  const head =
    `{udiag_family=AF_UNIX, udiag_type=${valueText(payload[1]!, SOCKET_TYPES, 'SOCK_???')}, ` +
    `udiag_state=${valueText(payload[2]!, STATES, 'TCP_???')}, udiag_ino=${view.getUint32(4, true)}, ${cookieText(view, 8)}}`;
  const attributes = payload.subarray(netlink.UNIX_DIAG_MSG_SIZE);
  if (attributes.length === 0) return head;
  return `${head}, ${sequence(attributes, netlink.NLA_HDRLEN, (one) => one.getUint16(0, true), attributeText)}`;
}

function attributeText(bytes: Uint8Array): string {
  const view = viewOf(bytes);
  const type = view.getUint16(2, true);
  const header = `{nla_len=${view.getUint16(0, true)}, nla_type=${valueText(type, ATTRIBUTES, 'UNIX_DIAG_???')}}`;
  const payload = bytes.subarray(netlink.NLA_HDRLEN);
  return payload.length === 0 ? header : `[${header}, ${attributeValue(type, payload) ?? bytesText(payload)}]`;
}

/** @returns null: it is not as long as it should be, or not known */
function attributeValue(type: number, payload: Uint8Array): string | null {
  const words = wordsOf(payload);
  const [first, second] = words;
  switch (type) {
    case netlink.UNIX_DIAG_NAME: {
      const isEnded = payload.at(-1) === 0;
      return quote(isEnded ? payload.subarray(0, -1) : payload, SHOWN, !isEnded);
    }
    case netlink.UNIX_DIAG_VFS:
      return second === undefined ? null : `{udiag_vfs_dev=${deviceText(first!)}, udiag_vfs_ino=${second}}`;
    case netlink.UNIX_DIAG_PEER:
    case netlink.UNIX_DIAG_UID:
      return first === undefined ? null : String(first);
    case netlink.UNIX_DIAG_ICONS:
      return first === undefined ? null : `[${words.join(', ')}]`;
    case netlink.UNIX_DIAG_RQLEN:
      return second === undefined ? null : `{udiag_rqueue=${first}, udiag_wqueue=${second}}`;
    case netlink.UNIX_DIAG_MEMINFO:
      return `[${words.map((word, i) => `[${i < MEMORY_WORDS.length ? `SK_MEMINFO_${MEMORY_WORDS[i]}` : i}]=${word}`).join(', ')}]`;
    case netlink.UNIX_DIAG_SHUTDOWN:
      return String(payload[0]);
    default:
      return null;
  }
}

/** `length` bytes of a buffer as messages, as far as they fit into what is looked at. */
export function netlinkText(call: TraceCall, address: number, length: number): string {
  const bytes = peek(call, address, Math.min(length, MOST));
  return bytes === null ? pointer(address) : messagesText(bytes);
}
