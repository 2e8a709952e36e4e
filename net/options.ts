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
import {
  asIs,
  checked,
  flag,
  int,
  type OptionRow,
  ofKernel,
  ofNamespace,
  ofUnix,
  pair,
  privileged,
  readOnly,
  refused,
  remembered,
  reply,
  truth,
  unheeded,
  view,
} from './option-row.js';
import type { NetSettings } from './settings.js';
import type { Socket } from './socket.js';
import { TIMESTAMP_ROWS, Timestamps } from './timestamps.js';

/** Least buffer sizes. @source linux/net/sock.h SOCK_MIN_SNDBUF, SOCK_MIN_RCVBUF */
const MIN_SEND_BUFFER = 4608;
const MIN_RECEIVE_BUFFER = 2304;
const INT_MAX = 0x7fffffff;
/** Timer ticks of a second: time-outs are rounded up to whole ones. @source CONFIG_HZ=250 */
const TICKS = 250;
/** Nanoseconds of a tick. */
const TICK = 4_000_000;
/** Seconds from which on a time-out counts as none. @source Linux MAX_SCHEDULE_TIMEOUT / HZ - 1 */
const ENDLESS = 2 ** 63 / TICKS - 1;
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
  /** Ticks; Infinity: none, 0: does not wait. */
  sendTicks = Number.POSITIVE_INFINITY;
  receiveTicks = Number.POSITIVE_INFINITY;
  lowWater = 1;
  passCredentials = false;
  passPidfd = false;
  passRights = true;
  oobInline = false;
  readonly timestamps = new Timestamps();
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

  /** Nanoseconds; Infinity: none, 0: does not wait. */
  get sendTimeout(): number {
    return this.sendTicks * TICK;
  }

  get receiveTimeout(): number {
    return this.receiveTicks * TICK;
  }
}

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

/** struct timeval. @returns ticks; -EINVAL, -EDOM */
function ticksOf(bytes: DataView): number | Err {
  if (bytes.byteLength < 16) return fail(EINVAL);
  const seconds = bytes.getInt32(4, true) * 2 ** 32 + bytes.getUint32(0, true);
  const microseconds = bytes.getInt32(12, true) * 2 ** 32 + bytes.getUint32(8, true);
  if (microseconds < 0 || microseconds >= 1_000_000) return fail(EDOM);
  if (seconds < 0) return 0;
  if ((seconds === 0 && microseconds === 0) || seconds >= ENDLESS) return Number.POSITIVE_INFINITY;
  return seconds * TICKS + Math.ceil((microseconds * TICKS) / 1_000_000);
}

const timeout = (name: 'sendTicks' | 'receiveTicks'): OptionRow => ({
  size: 16,
  get: ({ options }) => {
    const ticks = options[name] === Number.POSITIVE_INFINITY ? 0 : options[name];
    const seconds = Math.floor(ticks / TICKS);
    view.setUint32(0, seconds >>> 0, true);
    view.setUint32(4, Math.floor(seconds / 2 ** 32), true);
    view.setUint32(8, (ticks % TICKS) * (1_000_000 / TICKS), true);
    view.setUint32(12, 0, true);
    return reply.subarray(0, 16);
  },
  set: ({ options }, _value, bytes) => {
    const ticks = ticksOf(bytes);
    if (ticks < 0) return ticks as Err;
    options[name] = ticks;
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
  size: 8,
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

/** Bytes per second, as an unsigned long or an unsigned int of as many ones when there is no limit. */
const pacingRate: OptionRow = {
  size: 8,
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
  size: 8,
  isExact: true,
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
  [abi.SO_RCVTIMEO]: timeout('receiveTicks'),
  [abi.SO_SNDTIMEO]: timeout('sendTicks'),
  [abi.SO_RCVTIMEO_NEW]: timeout('receiveTicks'),
  [abi.SO_SNDTIMEO_NEW]: timeout('sendTicks'),
  // Packet filters are not built: there is none to be detached.
  [abi.SO_DETACH_FILTER]: { set: () => fail(ENOENT) },
  ...TIMESTAMP_ROWS,
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

/** @param size of the value that the caller gave, four bytes at least @returns how many of them are looked at */
export function bytesRead(option: number, size: number): number {
  const row = OPTION_ROWS[option];
  const most = row?.size ?? 4;
  return row?.isExact && size !== most ? 4 : Math.min(size, most);
}

/** @param bytes what the caller gave, of which `bytesRead` are there, four bytes at least @returns 0; -ENOPROTOOPT, -EINVAL, -EPERM … */
export function setSocketOption(socket: Socket, option: number, bytes: DataView, caller: Caller): number | Err {
  const row = OPTION_ROWS[option];
  return row?.set === undefined ? fail(ENOPROTOOPT) : row.set(socket, bytes.getInt32(0, true), bytes, caller);
}

/** SO_BINDTODEVICE: there is no device to bind to but none. */
export const bindToDevice = (name: string): number | Err => (name === '' ? 0 : fail(ENODEV));
