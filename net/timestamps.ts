/**
 * Times of messages: SO_TIMESTAMP and SO_TIMESTAMPNS, which ask for the time of arrival, and SO_TIMESTAMPING, which adds a
 * second form of it. Rows of options.ts; the control messages are written in kernel-core/syscalls/socket-control.ts.
 * @source Linux net/core/sock.c, Documentation/networking/timestamping.rst
 */
import { EINVAL, EOPNOTSUPP, type Err, fail } from '../abi/errno.js';
import {
  SOF_TIMESTAMPING_BIND_PHC,
  SOF_TIMESTAMPING_MASK,
  SOF_TIMESTAMPING_OPT_ID,
  SOF_TIMESTAMPING_OPT_ID_TCP,
  SOF_TIMESTAMPING_OPT_RX_FILTER,
  SOF_TIMESTAMPING_OPT_STATS,
  SOF_TIMESTAMPING_OPT_TSONLY,
  SOF_TIMESTAMPING_RX_SOFTWARE,
  SOF_TIMESTAMPING_SOFTWARE,
} from '../abi/net-tstamp.js';
import * as abi from '../abi/socket.js';
import { int, type OptionRow, pair } from './option-row.js';

/** What a socket has been asked to tell of the times of its messages. */
export class Timestamps {
  /** By SO_TIMESTAMP or SO_TIMESTAMPNS: nothing is told without. */
  isWanted = false;
  inNanoseconds = false;
  /** The last option was one of those with 64-bit times on all machines, which number their control messages otherwise. */
  isNew = false;
  /** SOF_TIMESTAMPING_… */
  flags = 0;

  /** Type of the control message that tells the time. */
  get type(): number {
    if (this.inNanoseconds) return this.isNew ? abi.SO_TIMESTAMPNS_NEW : abi.SO_TIMESTAMPNS;
    return this.isNew ? abi.SO_TIMESTAMP_NEW : abi.SO_TIMESTAMP;
  }

  /** Type of the control message with the times that SO_TIMESTAMPING asks for; 0: there is none. */
  get secondType(): number {
    if ((this.flags & SOF_TIMESTAMPING_SOFTWARE) === 0) return 0;
    const isFiltered = (this.flags & SOF_TIMESTAMPING_OPT_RX_FILTER) !== 0;
    if (isFiltered && (this.flags & SOF_TIMESTAMPING_RX_SOFTWARE) === 0) return 0;
    return this.isNew ? abi.SO_TIMESTAMPING_NEW : abi.SO_TIMESTAMPING;
  }
}

interface Form {
  isNew: boolean;
  inNanoseconds: boolean;
}

/** The older forms read as on only when they are; the newest of all reads as on for nanoseconds, too. */
function isOn(timestamps: Timestamps, { isNew, inNanoseconds }: Form): boolean {
  if (!timestamps.isWanted || timestamps.isNew !== isNew) return false;
  return isNew && !inNanoseconds ? true : timestamps.inNanoseconds === inNanoseconds;
}

/** The forms shut each other out: the last one that was switched on counts, and each switches all of them off. */
const timestamp = (form: Form): OptionRow => ({
  get: ({ options }) => int(isOn(options.timestamps, form) ? 1 : 0),
  set: ({ options: { timestamps } }, value) => {
    timestamps.isWanted = value !== 0;
    timestamps.inNanoseconds = value !== 0 && form.inNanoseconds;
    if (value !== 0) timestamps.isNew = form.isNew;
    return 0;
  },
});

/** @returns 0; -EINVAL, -EOPNOTSUPP: a clock of a device that is not there */
function checkFlags(flags: number): 0 | Err {
  if ((flags & ~SOF_TIMESTAMPING_MASK) !== 0) return fail(EINVAL);
  if ((flags & SOF_TIMESTAMPING_OPT_ID_TCP) !== 0 && (flags & SOF_TIMESTAMPING_OPT_ID) === 0) return fail(EINVAL);
  if ((flags & SOF_TIMESTAMPING_OPT_STATS) !== 0 && (flags & SOF_TIMESTAMPING_OPT_TSONLY) === 0) return fail(EINVAL);
  return (flags & SOF_TIMESTAMPING_BIND_PHC) !== 0 ? fail(EOPNOTSUPP) : 0;
}

/** struct so_timestamping: flags, and the clock of a device, which no socket here has. */
const timestamping = (isNew: boolean): OptionRow => ({
  size: 8,
  isExact: true,
  get: ({ options: { timestamps } }) => pair(!isNew || timestamps.isNew ? timestamps.flags : 0, 0),
  set: ({ options: { timestamps } }, flags) => {
    const refused = checkFlags(flags);
    if (refused !== 0) return refused;
    timestamps.flags = flags;
    timestamps.isNew = isNew;
    return 0;
  },
});

export const TIMESTAMP_ROWS: Readonly<Record<number, OptionRow>> = {
  [abi.SO_TIMESTAMP]: timestamp({ isNew: false, inNanoseconds: false }),
  [abi.SO_TIMESTAMPNS]: timestamp({ isNew: false, inNanoseconds: true }),
  [abi.SO_TIMESTAMPING]: timestamping(false),
  [abi.SO_TIMESTAMP_NEW]: timestamp({ isNew: true, inNanoseconds: false }),
  [abi.SO_TIMESTAMPNS_NEW]: timestamp({ isNew: true, inNanoseconds: true }),
  [abi.SO_TIMESTAMPING_NEW]: timestamping(true),
};
