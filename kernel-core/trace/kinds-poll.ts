/** Arguments and results of poll and select: descriptor lists, sets, and what was found ready. */
import * as poll from '../../abi/poll.js';
import { type ArgumentFormat, early, failed, peek, peekView, type TraceCall } from './call.js';
import { timespecText, timevalText } from './kinds-time.js';
import { flagText, namesOf, pointer, SHOWN } from './text.js';

const EVENTS = namesOf(
  poll,
  'POLLIN POLLPRI POLLOUT POLLRDNORM POLLRDBAND POLLWRNORM POLLWRBAND POLLMSG POLLERR POLLHUP POLLNVAL POLLRDHUP',
);
const eventText = (events: number): string => flagText(events, EVENTS, 'POLL???');

const POLLFD_SIZE = 8;

function pollList(call: TraceCall, value: number, index: number): string {
  const count = call.args[index + 1] >>> 0;
  if (value === 0 || count === 0) return value === 0 ? 'NULL' : '[]';
  const shown = Math.min(count, SHOWN);
  const view = peekView(call, value, shown * POLLFD_SIZE);
  if (view === null) return pointer(value);
  const parts = Array.from({ length: shown }, (_, i) => {
    const fd = view.getInt32(i * POLLFD_SIZE, true);
    const events = view.getUint16(i * POLLFD_SIZE + 4, true);
    return fd < 0 ? `{fd=${fd}}` : `{fd=${fd}, events=${eventText(events)}}`;
  });
  if (count > SHOWN) parts.push('...');
  return `[${parts.join(', ')}]`;
}

/** Descriptors of a set below the count in the first argument. */
function setMembers(call: TraceCall, address: number): number[] | null {
  const count = Math.min(Math.max(call.args[0] | 0, 0), 1024);
  const bytes = address === 0 ? null : peek(call, address, Math.ceil(count / 64) * 8);
  if (bytes === null) return null;
  const members: number[] = [];
  for (let fd = 0; fd < count; fd++) if (bytes[fd >> 3] & (1 << (fd & 7))) members.push(fd);
  return members;
}

function setText(call: TraceCall, value: number): string {
  const members = setMembers(call, value);
  return members === null ? pointer(value) : `[${members.join(' ')}]`;
}

/** What poll found, behind its result: `([{fd=0, revents=POLLIN}])`, `(Timeout)`. */
export function pollResultText(call: TraceCall): string {
  if (failed(call) || call.result === null) return '';
  if (call.result === 0) return ' (Timeout)';
  const count = call.args[1] >>> 0;
  const view = peekView(call, call.args[0], Math.min(count, 1024) * POLLFD_SIZE);
  if (view === null) return '';
  const parts: string[] = [];
  for (let at = 0; at < view.byteLength; at += POLLFD_SIZE) {
    const events = view.getUint16(at + 6, true);
    if (events !== 0) parts.push(`{fd=${view.getInt32(at, true)}, revents=${eventText(events)}}`);
  }
  const left = call.row.name === 'ppoll' ? leftText(call, call.args[2], timespecText) : '';
  return ` ([${parts.join(', ')}]${left})`;
}

function leftText(call: TraceCall, address: number, text: (view: DataView) => string): string {
  const view = address === 0 ? null : peekView(call, address, 16);
  return view === null ? '' : `, left ${text(view)}`;
}

const SETS = ['in', 'out', 'except'];

/** What select found: `(in [3], out [4], left {tv_sec=0, tv_usec=5})`. */
export function selectResultText(call: TraceCall): string {
  if (failed(call) || call.result === null) return '';
  if (call.result === 0) return ' (Timeout)';
  const parts: string[] = [];
  for (let i = 0; i < SETS.length; i++) {
    const members = setMembers(call, call.args[i + 1]);
    if (members !== null && members.length > 0) parts.push(`${SETS[i]} [${members.join(' ')}]`);
  }
  const time = call.row.name === 'select' ? timevalText : timespecText;
  return ` (${parts.join(', ')}${leftText(call, call.args[4], time)})`;
}

export const POLL_KINDS = {
  pollfds: early(pollList),
  fdSet: early(setText),
} satisfies Record<string, ArgumentFormat>;
