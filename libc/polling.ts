/** Waiting for several descriptors at once: poll and select. */
import { encodeTimespecs } from './attributes.js';
import { type Argument, InOut, Vector, wholeNumber } from './calls.js';
import { encodeSet } from './sigset.js';
import { Time, toTimespec } from './time.js';

/** struct pollfd. */
export interface PollFd {
  fd: number;
  /** POLL* bits wanted. */
  events: number;
  /** POLL* bits found. */
  revents?: number;
}

/** Sets of descriptors; absent: none. */
export interface SelectSets {
  read?: Iterable<number>;
  write?: Iterable<number>;
  except?: Iterable<number>;
}

export interface Selected {
  read: Set<number>;
  write: Set<number>;
  except: Set<number>;
}

const POLLFD_SIZE = 8;
/** @source FD_SETSIZE of the C library; the kernel itself has no such bound */
const FD_SETSIZE = 1024;

export abstract class Polling extends Time {
  /** Fills in `revents`. @param timeout milliseconds; -1: for ever @returns how many have some */
  async poll(fds: readonly PollFd[], timeout: number): Promise<number> {
    return this.ppoll(fds, wholeNumber(timeout, 'timeout') < 0 ? null : timeout / 1000, null);
  }

  /** @param timeout seconds; null: for ever @param mask signals blocked while waiting; null: as they are */
  async ppoll(fds: readonly PollFd[], timeout: number | null, mask: readonly number[] | null): Promise<number> {
    const bytes = new Uint8Array(fds.length * POLLFD_SIZE);
    const view = new DataView(bytes.buffer);
    fds.forEach(({ fd, events }, i) => {
      view.setInt32(i * POLLFD_SIZE, wholeNumber(fd, 'fd'), true);
      view.setInt16(i * POLLFD_SIZE + 4, wholeNumber(events, 'events'), true);
    });
    const time = timeout === null ? 0 : encodeTimespecs([toTimespec(timeout)]);
    const set = mask === null ? 0 : encodeSet(mask);
    const ready = await this.blocking('ppoll', [new InOut(bytes), fds.length, time, set, 8]);
    fds.forEach((entry, i) => {
      (entry as PollFd).revents = view.getUint16(i * POLLFD_SIZE + 6, true);
    });
    return ready;
  }

  /** @param timeout seconds; null: for ever @returns the descriptors of each set that are ready */
  select(sets: SelectSets, timeout: number | null = null): Promise<Selected> {
    return this.pselect(sets, timeout, null);
  }

  async pselect(sets: SelectSets, timeout: number | null, mask: readonly number[] | null): Promise<Selected> {
    const wanted = [sets.read, sets.write, sets.except].map((fds) => (fds === undefined ? null : encodeFds(fds)));
    const count = Math.max(0, ...wanted.map((set) => (set === null ? 0 : lastOf(set.bytes) + 1)));
    const time = timeout === null ? 0 : encodeTimespecs([toTimespec(timeout)]);
    const sigmask: Argument = mask === null ? 0 : withMask(mask);
    await this.blocking('pselect6', [count, ...wanted.map((set) => set ?? 0), time, sigmask]);
    const [read, write, except] = wanted.map((set) => (set === null ? new Set<number>() : decodeFds(set.bytes)));
    return { read, write, except };
  }
}

/** What pselect6 takes as its sixth argument: address and size of the set. */
function withMask(mask: readonly number[]): Vector {
  return new Vector([encodeSet(mask)], 16, ([address]) => {
    return new Uint8Array(BigUint64Array.of(BigInt(address), 8n).buffer);
  });
}

function encodeFds(fds: Iterable<number>): InOut {
  const bytes = new Uint8Array(FD_SETSIZE / 8);
  for (const fd of fds) {
    if (!(wholeNumber(fd, 'fd') >= 0 && fd < FD_SETSIZE))
      throw new RangeError(`select takes descriptors below ${FD_SETSIZE}`);
    bytes[fd >> 3] |= 1 << (fd & 7);
  }
  return new InOut(bytes);
}

function decodeFds(bytes: Uint8Array): Set<number> {
  const fds = new Set<number>();
  for (let fd = 0; fd < FD_SETSIZE; fd++) if (bytes[fd >> 3] & (1 << (fd & 7))) fds.add(fd);
  return fds;
}

const lastOf = (bytes: Uint8Array): number => Math.max(-1, ...decodeFds(bytes));
