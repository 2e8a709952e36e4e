/**
 * Options of level SOL_SOCKET that every family has: where they are kept, how they are read and written.
 * A row says what an option is; anything without a row answers -ENOPROTOOPT. @source socket(7); Linux net/core/sock.c
 */
import { CAP_NET_ADMIN, CAP_NET_RAW } from '../abi/capability.js';
import {
  EACCES,
  EBADF,
  EDOM,
  EINVAL,
  ENODEV,
  ENOENT,
  ENOPROTOOPT,
  EOPNOTSUPP,
  EPERM,
  type Err,
  fail,
} from '../abi/errno.js';
import * as abi from '../abi/socket.js';
import { CLOCK_MONOTONIC } from '../abi/time.js';
import type { Caller } from '../vfs/caller.js';
import { capable, capableIn } from '../vfs/capability.js';
import type { Socket } from './socket.js';

/** /proc/sys/net/core/[rw]mem_*: bytes. The figures of Linux on a machine of this size. One set for all namespaces. */
export interface BufferSettings {
  sendBufferDefault: number;
  sendBufferMax: number;
  receiveBufferDefault: number;
  receiveBufferMax: number;
}

export const defaultBuffers = (): BufferSettings => ({
  sendBufferDefault: 212_992,
  sendBufferMax: 4_194_304,
  receiveBufferDefault: 212_992,
  receiveBufferMax: 4_194_304,
});

/** What each network namespace sets for itself. */
export interface NetSettings {
  readonly buffers: BufferSettings;
  /** /proc/sys/net/core: connections. */
  somaxconn: number;
  /** Bytes of control data of one message. */
  optmemMax: number;
  /** /proc/sys/net/unix/max_dgram_qlen */
  maxDatagrams: number;
}

/** Of a new namespace, whatever the others have. */
export const defaultSettings = (buffers: BufferSettings): NetSettings => ({
  buffers,
  somaxconn: 4096,
  optmemMax: 131_072,
  maxDatagrams: 10,
});

/** Least buffer sizes. @source linux/net/sock.h SOCK_MIN_SNDBUF, SOCK_MIN_RCVBUF */
const MIN_SEND_BUFFER = 4608;
const MIN_RECEIVE_BUFFER = 2304;
const INT_MAX = 0x7fffffff;
/** Nanoseconds of a timer tick: time-outs are rounded up to whole ones. @source CONFIG_HZ=250 */
const TICK = 4_000_000;
const SECOND = 1_000_000_000;
/** Seconds from which on a time-out counts as none. */
const ENDLESS = Math.floor(Number.MAX_SAFE_INTEGER / SECOND);
/** What a negative SO_LINGER time reads as: the longest time-out in ticks, in seconds again, cut to 32 bits. */
const ENDLESS_LINGER = 0x978d4fdf | 0;
const UINT_MAX = 0xffffffff;
const USHRT_MAX = 0xffff;
const UNLIMITED_RATE = 2n ** 64n - 1n;
/** SOF_TXTIME_DEADLINE_MODE, SOF_TXTIME_REPORT_ERRORS. */
const TXTIME_FLAGS = 3;
/** CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_TAI. */
const TXTIME_CLOCKS: readonly number[] = [0, CLOCK_MONOTONIC, 11];
/** What a socket begins with. @source host: any more is refused to users */
const BUSY_POLL_BUDGET = 0;
/** SO_PRIORITY that needs no privilege. */
const MAX_PRIORITY = 6;

/** Values of one socket. */
export class SocketOptions {
  sendBuffer: number;
  receiveBuffer: number;
  /** Nanoseconds; Infinity: none, 0: does not wait. */
  sendTimeout = Number.POSITIVE_INFINITY;
  receiveTimeout = Number.POSITIVE_INFINITY;
  lowWater = 1;
  passCredentials = false;
  passPidfd = false;
  passRights = true;
  oobInline = false;
  /** Number of the SO_TIMESTAMP option that is on, or 0. */
  timestamp = 0;
  /** SO_PEEK_OFF; negative: off. */
  peekOffset = -1;
  lingers = false;
  /** Seconds. */
  lingerTime = 0;
  readonly settings: NetSettings;
  readonly cookie: number;
  /** SO_MAX_PACING_RATE, only remembered. */
  pacingRate = UNLIMITED_RATE;
  /** Second word of SO_TXTIME, only remembered. */
  transmitTimeFlags = 0;
  /** Options that are only remembered, by number. */
  readonly plain = new Map<number, number>();
  static #cookies = 0;

  constructor(settings: NetSettings) {
    this.settings = settings;
    this.sendBuffer = settings.buffers.sendBufferDefault;
    this.receiveBuffer = settings.buffers.receiveBufferDefault;
    this.cookie = ++SocketOptions.#cookies;
  }
}

/** Where an option's value goes to: at most 64 bytes. */
const reply = new Uint8Array(64);
const view = new DataView(reply.buffer);

/** The bytes of `count` values: the reply is valid until the next call. */
function int(value: number): Uint8Array {
  view.setInt32(0, value, true);
  return reply.subarray(0, 4);
}

function pair(first: number, second: number): Uint8Array {
  view.setInt32(0, first, true);
  view.setInt32(4, second, true);
  return reply.subarray(0, 8);
}

interface OptionRow {
  /** @param room bytes that the caller has @returns the value, valid until the next call; absent: -ENOPROTOOPT */
  get?: (socket: Socket, room: number) => Uint8Array | Err;
  /** @param value the first four bytes as an int @param bytes all of them; absent: -ENOPROTOOPT */
  set?: (socket: Socket, value: number, bytes: DataView, caller: Caller) => number | Err;
}

const truth = (value: number): number => (value !== 0 ? 1 : 0);
const asIs = (value: number): number => value;

/** An option that is remembered and has no further effect on a socket without a network under it. */
function remembered(option: number, initial = 0, form = truth): OptionRow {
  return {
    get: ({ options }) => int(options.plain.get(option) ?? initial),
    set: ({ options }, value) => {
      options.plain.set(option, form(value));
      return 0;
    },
  };
}

/** Who may: over the whole kernel, or over the namespace of the socket. */
type Permission = (socket: Socket, caller: Caller) => boolean;

const ofKernel: Permission = (_socket, { cred }) => capable(cred, CAP_NET_ADMIN);

const ofNamespace: Permission = ({ namespace: { userNamespace } }, { cred }) =>
  capableIn(cred, userNamespace, CAP_NET_RAW) || capableIn(cred, userNamespace, CAP_NET_ADMIN);

/** As `row`, only for who `may` where `guarded` says so. */
function privileged(row: OptionRow, may: Permission, guarded: (value: number) => boolean, error = EPERM): OptionRow {
  return {
    ...row,
    set: (socket, value, bytes, caller) =>
      guarded(value) && !may(socket, caller) ? fail(error) : row.set!(socket, value, bytes, caller),
  };
}

/** As `row`, for values that `valid` lets through. */
function checked(row: OptionRow, valid: (value: number) => boolean, error = EINVAL): OptionRow {
  return {
    ...row,
    set: (socket, value, bytes, caller) => (valid(value) ? row.set!(socket, value, bytes, caller) : fail(error)),
  };
}

/** As `row`, of unix sockets alone. */
const ofUnix = (row: OptionRow): OptionRow => ({
  get: (socket, room) => (socket.family === abi.AF_UNIX ? row.get!(socket, room) : fail(EOPNOTSUPP)),
  set: (socket, value, bytes, caller) =>
    socket.family === abi.AF_UNIX ? row.set!(socket, value, bytes, caller) : fail(EOPNOTSUPP),
});

type Flag = 'passCredentials' | 'passPidfd' | 'passRights' | 'oobInline';
const flag = (name: Flag): OptionRow => ({
  get: ({ options }) => int(options[name] ? 1 : 0),
  set: ({ options }, value) => {
    options[name] = value !== 0;
    return 0;
  },
});

const readOnly = (get: (socket: Socket) => number): OptionRow => ({ get: (socket) => int(get(socket)) });

/** The value doubles: half of it is for the kernel's own overhead. */
const doubled = (value: number, most: number, least: number): number =>
  Math.max(Math.min(Math.min(value >>> 0, most), INT_MAX >> 1) * 2, least);

/** A size that was set stays: SO_BUF_LOCK tells so. @param bit SOCK_SNDBUF_LOCK, SOCK_RCVBUF_LOCK */
function lockSize({ plain }: SocketOptions, bit: number): void {
  plain.set(abi.SO_BUF_LOCK, (plain.get(abi.SO_BUF_LOCK) ?? 0) | bit);
}

const setSendBuffer = (socket: Socket, value: number, most: number): number => {
  lockSize(socket.options, 1);
  socket.options.sendBuffer = doubled(value, most, MIN_SEND_BUFFER);
  socket.writeSpace();
  return 0;
};
const setReceiveBuffer = ({ options }: Socket, value: number, most: number): number => {
  lockSize(options, 2);
  options.receiveBuffer = doubled(value, most, MIN_RECEIVE_BUFFER);
  return 0;
};

/** struct timeval. @returns nanoseconds; -EINVAL, -EDOM */
function timeoutOf(bytes: DataView): number | Err {
  if (bytes.byteLength < 16) return fail(EINVAL);
  const seconds = bytes.getInt32(4, true) * 2 ** 32 + bytes.getUint32(0, true);
  const microseconds = bytes.getInt32(12, true) * 2 ** 32 + bytes.getUint32(8, true);
  if (microseconds < 0 || microseconds >= 1_000_000) return fail(EDOM);
  if (seconds < 0) return 0;
  if ((seconds === 0 && microseconds === 0) || seconds >= ENDLESS) return Number.POSITIVE_INFINITY;
  return seconds * SECOND + Math.ceil((microseconds * 1000) / TICK) * TICK;
}

const timeout = (name: 'sendTimeout' | 'receiveTimeout'): OptionRow => ({
  get: ({ options }) => {
    const time = options[name] === Number.POSITIVE_INFINITY ? 0 : options[name];
    const seconds = Math.floor(time / SECOND);
    view.setUint32(0, seconds >>> 0, true);
    view.setUint32(4, Math.floor(seconds / 2 ** 32), true);
    view.setUint32(8, (time % SECOND) / 1000, true);
    view.setUint32(12, 0, true);
    return reply.subarray(0, 16);
  },
  set: ({ options }, _value, bytes) => {
    const time = timeoutOf(bytes);
    if (time < 0) return time as Err;
    options[name] = time;
    return 0;
  },
});

/** The forms of SO_TIMESTAMP shut each other out: kept is the number of the option that is on. */
const timestamp = (option: number): OptionRow => ({
  get: ({ options }) => int(options.timestamp === option ? 1 : 0),
  set: ({ options }, value) => {
    options.timestamp = value !== 0 ? option : 0;
    return 0;
  },
});

/** Who is bound already needs privilege to be bound elsewhere. */
const bindToIndex: OptionRow = {
  get: ({ options }) => int(options.plain.get(abi.SO_BINDTOIFINDEX) ?? 0),
  set: ({ options, namespace }, value, _bytes, caller) => {
    const bound = options.plain.get(abi.SO_BINDTOIFINDEX) ?? 0;
    if (bound !== 0 && !capableIn(caller.cred, namespace.userNamespace, CAP_NET_RAW)) return fail(EPERM);
    if (value < 0) return fail(EINVAL);
    options.plain.set(abi.SO_BINDTOIFINDEX, value);
    return 0;
  },
};

const lingerRow: OptionRow = {
  get: ({ options }) => pair(options.lingers ? 1 : 0, options.lingerTime),
  set: ({ options }, value, bytes) => {
    if (bytes.byteLength < 8) return fail(EINVAL);
    options.lingers = value !== 0;
    if (value === 0) return 0;
    const time = bytes.getInt32(4, true);
    options.lingerTime = time < 0 ? ENDLESS_LINGER : time;
    return 0;
  },
};

const lowWater: OptionRow = {
  get: ({ options }) => int(options.lowWater),
  set: ({ options }, value) => {
    options.lowWater = value < 0 ? INT_MAX : value || 1;
    return 0;
  },
};

/** sk_meminfo: nine words, of which sockets without a network use the first four. The reply is valid until the next call. */
export function memoryInfo({ options, receiveCharge, sendCharge }: Socket): Uint8Array {
  reply.fill(0, 0, 36);
  view.setInt32(0, receiveCharge, true);
  view.setInt32(4, options.receiveBuffer, true);
  view.setInt32(8, sendCharge, true);
  view.setInt32(12, options.sendBuffer, true);
  return reply.subarray(0, 36);
}

/** An option that no unix socket can have, though its value can be asked for. */
const refused = (valid: (value: number) => boolean = () => true): OptionRow => ({
  get: () => int(0),
  set: (_socket, value) => fail(valid(value) ? EOPNOTSUPP : EINVAL),
});

/** An option that nobody but connections of a network listens to. */
const unheeded: OptionRow = { set: () => 0 };

/** Bytes per second, as an unsigned long or an unsigned int of as many ones when there is no limit. */
const pacingRate: OptionRow = {
  get: ({ options }, room) => {
    const rate = options.pacingRate;
    const small = rate > BigInt(UINT_MAX) ? UINT_MAX : Number(rate);
    view.setBigUint64(0, room < 8 ? BigInt(small) : rate, true);
    return reply.subarray(0, room < 8 ? 4 : 8);
  },
  set: ({ options }, value, bytes) => {
    if (bytes.byteLength >= 8) options.pacingRate = bytes.getBigUint64(0, true);
    else options.pacingRate = value === -1 ? UNLIMITED_RATE : BigInt(value >>> 0);
    return 0;
  },
};

/** struct sock_txtime: clock and flags. @source uapi/linux/net_tstamp.h */
const transmitTime: OptionRow = {
  get: ({ options }) => pair(options.plain.get(abi.SO_TXTIME) ?? 0, options.transmitTimeFlags),
  set: ({ options, namespace }, clock, bytes, caller) => {
    if (bytes.byteLength !== 8) return fail(EINVAL);
    const flags = bytes.getUint32(4, true);
    if (flags > TXTIME_FLAGS) return fail(EINVAL);
    if (clock !== CLOCK_MONOTONIC && !capableIn(caller.cred, namespace.userNamespace, CAP_NET_ADMIN))
      return fail(EPERM);
    if (!TXTIME_CLOCKS.includes(clock)) return fail(EINVAL);
    options.plain.set(abi.SO_TXTIME, clock);
    options.transmitTimeFlags = flags;
    return 0;
  },
};

/** More than before needs privilege. */
const busyPollBudget: OptionRow = {
  set: ({ options }, value, _bytes, caller) => {
    if (
      value > (options.plain.get(abi.SO_BUSY_POLL_BUDGET) ?? BUSY_POLL_BUDGET) &&
      !capable(caller.cred, CAP_NET_ADMIN)
    ) {
      return fail(EPERM);
    }
    if (value < 0 || value > USHRT_MAX) return fail(EINVAL);
    options.plain.set(abi.SO_BUSY_POLL_BUDGET, value);
    return 0;
  },
};

export const OPTION_ROWS: Readonly<Record<number, OptionRow>> = {
  [abi.SO_DEBUG]: privileged(remembered(abi.SO_DEBUG), ofKernel, (value) => value !== 0, EACCES),
  [abi.SO_REUSEADDR]: remembered(abi.SO_REUSEADDR),
  [abi.SO_TYPE]: readOnly(({ type }) => type),
  [abi.SO_ERROR]: readOnly((socket) => -socket.takeError()),
  [abi.SO_DONTROUTE]: remembered(abi.SO_DONTROUTE),
  [abi.SO_BROADCAST]: remembered(abi.SO_BROADCAST),
  [abi.SO_SNDBUF]: {
    get: ({ options }) => int(options.sendBuffer),
    set: (socket, value) => setSendBuffer(socket, value, socket.options.settings.buffers.sendBufferMax),
  },
  [abi.SO_RCVBUF]: {
    get: ({ options }) => int(options.receiveBuffer),
    set: (socket, value) => setReceiveBuffer(socket, value, socket.options.settings.buffers.receiveBufferMax),
  },
  [abi.SO_SNDBUFFORCE]: privileged(
    { set: (socket, v) => setSendBuffer(socket, Math.max(v, 0), INT_MAX) },
    ofKernel,
    () => true,
  ),
  [abi.SO_RCVBUFFORCE]: privileged(
    { set: (socket, v) => setReceiveBuffer(socket, Math.max(v, 0), INT_MAX) },
    ofKernel,
    () => true,
  ),
  [abi.SO_KEEPALIVE]: remembered(abi.SO_KEEPALIVE),
  [abi.SO_OOBINLINE]: flag('oobInline'),
  [abi.SO_NO_CHECK]: remembered(abi.SO_NO_CHECK),
  [abi.SO_PRIORITY]: privileged(
    remembered(abi.SO_PRIORITY, 0, asIs),
    ofNamespace,
    (value) => value >>> 0 > MAX_PRIORITY,
  ),
  [abi.SO_LINGER]: lingerRow,
  [abi.SO_BSDCOMPAT]: { get: () => int(0), set: () => 0 },
  [abi.SO_REUSEPORT]: checked(remembered(abi.SO_REUSEPORT), (value) => value === 0, EOPNOTSUPP),
  [abi.SO_PASSCRED]: flag('passCredentials'),
  [abi.SO_RCVLOWAT]: lowWater,
  [abi.SO_SNDLOWAT]: readOnly(() => 1),
  [abi.SO_RCVTIMEO]: timeout('receiveTimeout'),
  [abi.SO_SNDTIMEO]: timeout('sendTimeout'),
  [abi.SO_RCVTIMEO_NEW]: timeout('receiveTimeout'),
  [abi.SO_SNDTIMEO_NEW]: timeout('sendTimeout'),
  // Packet filters are not built: there is none to be detached.
  [abi.SO_DETACH_FILTER]: { set: () => fail(ENOENT) },
  [abi.SO_TIMESTAMP]: timestamp(abi.SO_TIMESTAMP),
  [abi.SO_TIMESTAMPNS]: timestamp(abi.SO_TIMESTAMPNS),
  [abi.SO_TIMESTAMP_NEW]: timestamp(abi.SO_TIMESTAMP_NEW),
  [abi.SO_TIMESTAMPNS_NEW]: timestamp(abi.SO_TIMESTAMPNS_NEW),
  [abi.SO_ACCEPTCONN]: readOnly((socket) => (socket.isListening ? 1 : 0)),
  [abi.SO_PASSSEC]: remembered(abi.SO_PASSSEC),
  [abi.SO_MARK]: privileged(remembered(abi.SO_MARK, 0, asIs), ofNamespace, () => true),
  [abi.SO_PROTOCOL]: readOnly(({ protocol }) => protocol),
  [abi.SO_DOMAIN]: readOnly(({ family }) => family),
  [abi.SO_RXQ_OVFL]: remembered(abi.SO_RXQ_OVFL),
  [abi.SO_WIFI_STATUS]: remembered(abi.SO_WIFI_STATUS),
  [abi.SO_PEEK_OFF]: ofUnix({
    get: ({ options }) => int(options.peekOffset),
    set: ({ options }, value) => {
      options.peekOffset = value;
      return 0;
    },
  }),
  [abi.SO_NOFCS]: remembered(abi.SO_NOFCS),
  [abi.SO_LOCK_FILTER]: {
    get: ({ options }) => int(options.plain.get(abi.SO_LOCK_FILTER) ?? 0),
    set: ({ options }, value) => {
      if (value === 0 && options.plain.get(abi.SO_LOCK_FILTER) === 1) return fail(EPERM);
      options.plain.set(abi.SO_LOCK_FILTER, truth(value));
      return 0;
    },
  },
  [abi.SO_SELECT_ERR_QUEUE]: remembered(abi.SO_SELECT_ERR_QUEUE),
  [abi.SO_BUSY_POLL]: checked(remembered(abi.SO_BUSY_POLL, 0, asIs), (value) => value >= 0),
  [abi.SO_BPF_EXTENSIONS]: readOnly(() => 64),
  [abi.SO_INCOMING_CPU]: remembered(abi.SO_INCOMING_CPU, -1, asIs),
  [abi.SO_MEMINFO]: { get: memoryInfo },
  [abi.SO_INCOMING_NAPI_ID]: readOnly(() => 0),
  [abi.SO_COOKIE]: { get: ({ options }) => pair(options.cookie, 0) },
  [abi.SO_BINDTOIFINDEX]: bindToIndex,
  [abi.SO_PREFER_BUSY_POLL]: privileged(remembered(abi.SO_PREFER_BUSY_POLL), ofKernel, (value) => value !== 0),
  [abi.SO_RCVMARK]: remembered(abi.SO_RCVMARK),
  [abi.SO_PASSPIDFD]: ofUnix(flag('passPidfd')),
  [abi.SO_RCVPRIORITY]: remembered(abi.SO_RCVPRIORITY),
  [abi.SO_PASSRIGHTS]: ofUnix(flag('passRights')),
  [abi.SO_MAX_PACING_RATE]: pacingRate,
  [abi.SO_TXTIME]: transmitTime,
  [abi.SO_BUSY_POLL_BUDGET]: busyPollBudget,
  [abi.SO_CNX_ADVICE]: unheeded,
  [abi.SO_ZEROCOPY]: refused(),
  [abi.SO_RESERVE_MEM]: refused((value) => value >= 0),
  [abi.SO_TXREHASH]: { get: () => fail(EOPNOTSUPP), set: () => fail(EOPNOTSUPP) },
  [abi.SO_DEVMEM_DONTNEED]: { set: () => fail(EBADF) },
  // Of a group of sockets that SO_REUSEPORT makes, which unix sockets cannot have.
  [abi.SO_DETACH_REUSEPORT_BPF]: { set: () => fail(EINVAL) },
  [abi.SO_BUF_LOCK]: checked(remembered(abi.SO_BUF_LOCK, 0, asIs), (value) => (value & ~3) === 0),
};

/** @param room bytes that the caller has @returns the value, valid until the next call; -ENOPROTOOPT … */
export function getSocketOption(socket: Socket, option: number, room: number): Uint8Array | Err {
  const row = OPTION_ROWS[option];
  return row?.get === undefined ? fail(ENOPROTOOPT) : row.get(socket, room);
}

/** @param bytes what the caller gave, four bytes at least @returns 0; -ENOPROTOOPT, -EINVAL, -EPERM … */
export function setSocketOption(socket: Socket, option: number, bytes: DataView, caller: Caller): number | Err {
  const row = OPTION_ROWS[option];
  return row?.set === undefined ? fail(ENOPROTOOPT) : row.set(socket, bytes.getInt32(0, true), bytes, caller);
}

/** SO_BINDTODEVICE: there is no device to bind to but none. */
export const bindToDevice = (name: string): number | Err => (name === '' ? 0 : fail(ENODEV));
