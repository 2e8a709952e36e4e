/** Arguments that point to strings, buffers and arrays. */

import { isErr } from '../../abi/errno.js';
import { getI64 } from '../syscalls/layouts.js';
import { type ArgumentFormat, early, failed, filled, late, peek, peekView, pointed, type TraceCall } from './call.js';
import { openFlagText } from './kinds-flags.js';
import { isNetlink, netlinkText } from './netlink-messages.js';
import { hex, octal, pointer, quote, quoteHex, quoteText, SHOWN, unsigned64 } from './text.js';

const PATH_MAX = 4096;
/** Bytes of a string that are read to show its beginning. */
const STRING_PEEK = 65536;

function stringText(call: TraceCall, address: number, limit: number): string {
  const { mm } = call.task;
  if (address === 0 || mm === null) return pointer(address);
  const text = mm.readCString(address, limit === SHOWN ? STRING_PEEK : limit);
  if (!isErr(text)) return quoteText(text, limit);
  // Longer than what is shown, or running into unreadable memory.
  const start = peek(call, address, limit);
  return start === null ? pointer(address) : quote(start, limit, true);
}

const path = early((call, value) => stringText(call, value, PATH_MAX));
const text = early((call, value) => stringText(call, value, SHOWN));

/** A buffer of `length` bytes. */
function bufferText(call: TraceCall, address: number, length: number): string {
  if (address === 0) return 'NULL';
  const bytes = peek(call, address, Math.min(length, SHOWN + 1));
  return bytes === null ? pointer(address) : quote(bytes, SHOWN, length > SHOWN);
}

const messageText = (call: TraceCall, address: number, length: number): string =>
  isNetlink(call) ? netlinkText(call, address, length) : bufferText(call, address, length);

/** argv as a list of strings; an environment only as a count. */
function stringArray(call: TraceCall, address: number): string[] | null {
  const strings: string[] = [];
  for (let at = address; ; at += 8) {
    const view = peekView(call, at, 8);
    if (view === null) return null;
    const pointerValue = getI64(view, 0);
    if (pointerValue === 0) return strings;
    strings.push(strings.length < SHOWN ? stringText(call, pointerValue, SHOWN) : '');
  }
}

function argvText(call: TraceCall, value: number): string {
  const strings = value === 0 ? null : stringArray(call, value);
  if (strings === null) return pointer(value);
  return `[${strings.length > SHOWN ? [...strings.slice(0, SHOWN), '...'].join(', ') : strings.join(', ')}]`;
}

function envpText(call: TraceCall, value: number): string {
  const strings = value === 0 ? null : stringArray(call, value);
  if (strings === null) return pointer(value);
  return `${hex(value)} /* ${strings.length} var${strings.length === 1 ? '' : 's'} */`;
}

/** Elements of an array, at most SHOWN of them. */
function arrayText(
  call: TraceCall,
  address: number,
  count: number,
  size: number,
  element: (view: DataView, offset: number) => string,
): string {
  if (address === 0) return 'NULL';
  if (count === 0) return '[]';
  const shown = Math.min(count, SHOWN);
  const view = peekView(call, address, shown * size);
  if (view === null) return pointer(address);
  const parts = Array.from({ length: shown }, (_, i) => element(view, i * size));
  if (count > SHOWN) parts.push('...');
  return `[${parts.join(', ')}]`;
}

const IOVEC_SIZE = 16;

/**
 * @param available bytes that were transferred; what lies behind them is not shown. null: only the addresses are
 * @param textOf shows what a buffer holds
 */
export function iovecText(
  call: TraceCall,
  address: number,
  count: number,
  available: number | null,
  textOf = bufferText,
): string {
  let left = available ?? 0;
  return arrayText(call, address, count, IOVEC_SIZE, (view, offset) => {
    const base = getI64(view, offset);
    const length = getI64(view, offset + 8);
    const used = Math.min(left, length);
    left -= used;
    const text = available === null ? pointer(base) : textOf(call, base, used);
    return `{iov_base=${text}, iov_len=${unsigned64(length)}}`;
  });
}

function direntCount(call: TraceCall, address: number): string {
  const bytes = peek(call, address, call.result ?? 0);
  if (failed(call) || bytes === null) return pointer(address);
  const view = new DataView(bytes.buffer);
  let entries = 0;
  for (let at = 0; at + 18 <= bytes.length; at += Math.max(view.getUint16(at + 16, true), 1)) entries++;
  return `${pointer(address)} /* ${entries} entries */`;
}

const u32 = (view: DataView, offset: number): string => String(view.getUint32(offset, true));
const i32 = (view: DataView, offset: number): string => String(view.getInt32(offset, true));

/** Bits of a processor set as the numbers of the processors. */
function cpusetText(bytes: Uint8Array): string {
  const cpus: number[] = [];
  for (let cpu = 0; cpu < bytes.length * 8; cpu++) if (bytes[cpu >> 3] & (1 << (cpu & 7))) cpus.push(cpu);
  return `[${cpus.join(' ')}]`;
}

/** struct open_how: flags, mode, resolve. */
const openHow = pointed(24, (view) => {
  const flags = getI64(view, 0);
  const mode = getI64(view, 8);
  const shownMode = mode === 0 ? '' : `, mode=${octal(mode)}`;
  return `{flags=${openFlagText(flags)}${shownMode}, resolve=${hex(getI64(view, 16))}}`;
});

export const MEMORY_KINDS = {
  path,
  pathOrNull: path,
  string: text,
  stringOrNull: text,
  stringOut: late((call, value) => (failed(call) ? pointer(value) : stringText(call, value, PATH_MAX))),
  bufIn: early((call, value, index) => bufferText(call, value, call.args[index + 1])),
  /** What a socket sends: on others than netlink, bytes. */
  bufSent: early((call, value, index) => messageText(call, value, call.args[index + 1])),
  bufOut: late((call, value) => (failed(call) ? pointer(value) : bufferText(call, value, call.result ?? 0))),
  /** What a message brought, which may have been longer than the buffer. */
  bufReceived: late((call, value, index) =>
    failed(call) ? pointer(value) : messageText(call, value, Math.min(call.result ?? 0, call.args[index + 1])),
  ),
  randomOut: late((call, value) => {
    const length = call.result ?? 0;
    const bytes = failed(call) ? null : peek(call, value, Math.min(length, SHOWN));
    return bytes === null ? pointer(value) : quoteHex(bytes, length > SHOWN);
  }),
  iovecIn: early((call, value, index) => iovecText(call, value, call.args[index + 1], Number.MAX_SAFE_INTEGER)),
  iovecOut: late((call, value, index) =>
    iovecText(call, value, call.args[index + 1], failed(call) ? null : (call.result ?? 0)),
  ),
  direntsOut: late((call, value) => direntCount(call, value)),
  dirents64Out: late((call, value) => direntCount(call, value)),
  fdPairOut: filled(8, (view) => `[${i32(view, 0)}, ${i32(view, 4)}]`),
  argv: early(argvText),
  envp: early(envpText),
  openHow,
  offsetInOut: early((call, value) => {
    const view = value === 0 ? null : peekView(call, value, 8);
    return view === null ? pointer(value) : `[${getI64(view, 0)}]`;
  }),
  /** An offset that the call moved by its result. */
  movedOffset: late((call, value) => {
    const view = value === 0 ? null : peekView(call, value, 8);
    if (view === null) return pointer(value);
    const after = getI64(view, 0);
    const moved = failed(call) ? 0 : (call.result ?? 0);
    return moved === 0 ? `[${after}]` : `[${after - moved}] => [${after}]`;
  }),
  uidOut: filled(4, (view) => `[${u32(view, 0)}]`),
  intOut: filled(4, (view) => `[${i32(view, 0)}]`),
  intIn: pointed(4, (view) => `[${i32(view, 0)}]`),
  uintOut: filled(4, (view) => `[${u32(view, 0)}]`),
  sizeOut: filled(8, (view) => `[${getI64(view, 0)}]`),
  addressOut: filled(8, (view) => `[${pointer(getI64(view, 0))}]`),
  groupsIn: early((call, value, index) => arrayText(call, value, call.args[index - 1], 4, u32)),
  groupsOut: late((call, value) => (failed(call) ? pointer(value) : arrayText(call, value, call.result ?? 0, 4, u32))),
  cpusetOut: late((call, value) => {
    const bytes = failed(call) ? null : peek(call, value, call.result ?? 0);
    return bytes === null ? pointer(value) : cpusetText(bytes);
  }),
  cpusetIn: early((call, value, index) => {
    const bytes = peek(call, value, Math.min(call.args[index - 1], 1024));
    return bytes === null ? pointer(value) : cpusetText(bytes);
  }),
  mincoreOut: late((call, value, index) => {
    const pages = Math.ceil(call.args[index - 1] / 4096);
    const bytes = failed(call) ? null : peek(call, value, Math.min(pages, SHOWN));
    return bytes === null ? pointer(value) : `[${[...bytes].join(', ')}${pages > SHOWN ? ', ...' : ''}]`;
  }),
} satisfies Record<string, ArgumentFormat>;
