/**
 * poll, ppoll, select, pselect6: waiting until one of several descriptors is ready, over the one wait primitive. Each
 * call is a set of interests that can be scanned any number of times; when a scan finds nothing the task hangs on the
 * hooks of all inodes concerned and scans again after every event.
 *
 * Interrupted, poll goes on by restart_syscall with its old deadline; the others start again (with what is left of
 * their time-out, which they write back) unless a handler ran. @source signal(7), select(2), Linux fs/select.c
 */
import {
  EAGAIN,
  EBADF,
  EFAULT,
  EINVAL,
  ERESTART_RESTARTBLOCK,
  ERESTARTNOHAND,
  type Err,
  fail,
  isErr,
} from '../../abi/errno.js';
import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  POLLPRI,
  POLLRDBAND,
  POLLRDNORM,
  POLLWRBAND,
  POLLWRNORM,
} from '../../abi/poll.js';
import type { OpenFile } from '../../vfs/file.js';
import { isUserRange } from '../mm/layout.js';
import type { Task } from '../task.js';
import type { Hook } from '../wait.js';
import { openFile } from './args.js';
import { getI64, NANOSECONDS, readTimespec, writeTimespec, writeTimeval } from './layouts.js';
import type { SyscallRows } from './row.js';
import { restoreMask, useMask } from './signals.js';

/** Deadline of a call that does not wait at all, and of one that waits for ever. */
const NO_WAIT = Number.NEGATIVE_INFINITY;
const FOREVER = Number.POSITIVE_INFINITY;

/** What a poll or select call watches. */
interface Interests {
  /** Files watched, each once or more. */
  readonly files: readonly OpenFile[];
  /** Looks at every file and notes what is ready. @returns how many are, or an error */
  scan(): number | Err;
  /** Writes the notes of the last scan to the caller's memory. @param interrupted nothing is ready, a signal is @returns 0 or -EFAULT */
  store(interrupted: boolean): number | Err;
}

interface PollWait {
  deadline: number;
  /** What an interrupted call answers: ERESTARTNOHAND or ERESTART_RESTARTBLOCK. */
  interrupted: number;
  /** Where the remaining time is to be written when the call ends, and how; 0: nowhere. */
  timeAddress: number;
  writeTime: (task: Task, address: number, nanoseconds: number) => void;
}

function finish(task: Task, interests: Interests, count: number): number {
  const stored = count < 0 ? 0 : interests.store(false);
  restoreMask(task);
  return stored < 0 ? stored : count;
}

/** Scans, waits, stores. @returns number of ready descriptors, 0 after the deadline, an error; PENDING while it sleeps */
function waitForEvents(task: Task, interests: Interests, wait: PollWait): number {
  const count = interests.scan();
  if (count !== 0) {
    writeRemaining(task, wait);
    return finish(task, interests, count);
  }
  if (wait.deadline === NO_WAIT) {
    if (!task.hasDeliverableSignal) return finish(task, interests, 0);
    interests.store(true);
    return fail(wait.interrupted);
  }
  const hooks = new Set<Hook>();
  const { files } = interests;
  for (const file of files) {
    file.ref();
    hooks.add(file.inode.hook);
  }
  return task.wait.block({
    hooks: [...hooks],
    attempt: () => {
      const ready = interests.scan();
      if (ready !== 0) return finish(task, interests, ready);
      if (task.hasDeliverableSignal) interests.store(true);
      return -EAGAIN;
    },
    deadline: wait.deadline,
    timedOut: () => finish(task, interests, 0),
    interrupted: wait.interrupted,
    cleanup: () => {
      for (const file of files) file.unref();
      writeRemaining(task, wait);
    },
    what: 'poll_schedule_timeout',
  });
}

/** A time-out of zero is not written back, an endless one has no place to go. */
function writeRemaining(task: Task, { deadline, timeAddress, writeTime }: PollWait): void {
  if (timeAddress === 0 || deadline === NO_WAIT) return;
  writeTime(task, timeAddress, Math.max(0, deadline - task.kernel.host.monotonic()));
}

const writeNothing = (): void => {};
const writeSpec = (task: Task, address: number, nanoseconds: number): void => {
  writeTimespec(task.mm!, address, nanoseconds);
};
const writeVal = (task: Task, address: number, nanoseconds: number): void => {
  writeTimeval(task.mm!, address, nanoseconds);
};

/** Monotonic deadline of a wait of `nanoseconds`. */
const deadlineOf = (task: Task, nanoseconds: number): number =>
  nanoseconds === 0 ? NO_WAIT : task.kernel.host.monotonic() + nanoseconds;

// poll.

/** struct pollfd: fd (i32), events (i16), revents (i16). */
const POLLFD_SIZE = 8;
/** Always reported, asked for or not. */
const ALWAYS = POLLERR | POLLHUP;

class PollSet implements Interests {
  readonly files: OpenFile[] = [];
  readonly #task: Task;
  readonly #address: number;
  readonly #view: DataView;
  readonly #byIndex: (OpenFile | null)[] = [];

  constructor(task: Task, address: number, bytes: Uint8Array) {
    this.#task = task;
    this.#address = address;
    this.#view = new DataView(bytes.buffer);
    for (let at = 0; at < bytes.length; at += POLLFD_SIZE) {
      const fd = this.#view.getInt32(at, true);
      const file = fd < 0 ? null : openFile(task, fd);
      this.#byIndex.push(file);
      if (file !== null) this.files.push(file);
    }
  }

  scan(): number {
    const view = this.#view;
    let ready = 0;
    for (let i = 0; i < this.#byIndex.length; i++) {
      const at = i * POLLFD_SIZE;
      const file = this.#byIndex[i];
      let events = 0;
      if (file !== null) events = file.poll() & (view.getUint16(at + 4, true) | ALWAYS);
      else if (view.getInt32(at, true) >= 0) events = POLLNVAL;
      view.setUint16(at + 6, events, true);
      if (events !== 0) ready++;
    }
    return ready;
  }

  /** Nothing is written of a row without entries, but where it lies is checked all the same. */
  store(): number | Err {
    const mm = this.#task.mm!;
    if (!isUserRange(this.#address, this.#view.byteLength)) return fail(EFAULT);
    for (let i = 0; i < this.#byIndex.length; i++) {
      const at = i * POLLFD_SIZE + 6;
      if (mm.writeU16(this.#address + at, this.#view.getUint16(at, true)) !== 0) return fail(EFAULT);
    }
    return 0;
  }
}

function loadPollSet(task: Task, address: number, count: number): PollSet | Err {
  const entries = count >>> 0;
  if (entries > task.fileLimit) return fail(EINVAL);
  const bytes = new Uint8Array(entries * POLLFD_SIZE);
  return task.mm!.read(address, bytes) === 0 ? new PollSet(task, address, bytes) : fail(EFAULT);
}

function pollUntil(task: Task, address: number, count: number, deadline: number): number {
  const set = loadPollSet(task, address, count);
  if (isErr(set)) return set;
  task.restart = (again) => pollUntil(again, address, count, deadline);
  return waitForEvents(task, set, {
    deadline,
    interrupted: ERESTART_RESTARTBLOCK,
    timeAddress: 0,
    writeTime: writeNothing,
  });
}

function poll(task: Task, address: number, count: number, timeout: number): number {
  const milliseconds = timeout | 0;
  return pollUntil(task, address, count, milliseconds < 0 ? FOREVER : deadlineOf(task, milliseconds * 1_000_000));
}

function ppoll(task: Task, address: number, count: number, time: number, mask: number, maskSize: number): number {
  let deadline = FOREVER;
  if (time !== 0) {
    const nanoseconds = readTimespec(task.mm!, time);
    if (isErr(nanoseconds)) return nanoseconds;
    deadline = deadlineOf(task, nanoseconds);
  }
  const masked = useMask(task, mask, maskSize);
  if (masked !== 0) return masked;
  const set = loadPollSet(task, address, count);
  if (isErr(set)) {
    restoreMask(task);
    return set;
  }
  return waitForEvents(task, set, { deadline, interrupted: ERESTARTNOHAND, timeAddress: time, writeTime: writeSpec });
}

// select.

const READABLE = POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR;
const WRITABLE = POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR;
const EXCEPTIONAL = POLLPRI;
const EVENTS = [READABLE, WRITABLE, EXCEPTIONAL];

class SelectSet implements Interests {
  readonly files: OpenFile[] = [];
  readonly #task: Task;
  readonly #addresses: readonly number[];
  readonly #wanted: readonly (Uint8Array | null)[];
  readonly #found: readonly (Uint8Array | null)[];
  readonly #fds: number[] = [];

  constructor(task: Task, addresses: readonly number[], wanted: readonly (Uint8Array | null)[]) {
    this.#task = task;
    this.#addresses = addresses;
    this.#wanted = wanted;
    this.#found = wanted.map((set) => (set === null ? null : new Uint8Array(set.length)));
  }

  /** Collects the descriptors below `count`. @returns 0 or -EBADF */
  collect(count: number): number | Err {
    for (let fd = 0; fd < count; fd++) {
      const bit = 1 << (fd & 7);
      if (!this.#wanted.some((set) => set !== null && (set[fd >> 3] & bit) !== 0)) continue;
      const file = openFile(this.#task, fd);
      if (file === null) return fail(EBADF);
      this.#fds.push(fd);
      this.files.push(file);
    }
    return 0;
  }

  scan(): number {
    let ready = 0;
    for (const set of this.#found) set?.fill(0);
    for (let i = 0; i < this.#fds.length; i++) {
      const fd = this.#fds[i];
      const bit = 1 << (fd & 7);
      const events = this.files[i].poll();
      for (let kind = 0; kind < EVENTS.length; kind++) {
        const wanted = this.#wanted[kind];
        if (wanted === null || (wanted[fd >> 3] & bit) === 0 || (events & EVENTS[kind]) === 0) continue;
        this.#found[kind]![fd >> 3] |= bit;
        ready++;
      }
    }
    return ready;
  }

  store(interrupted: boolean): number | Err {
    if (interrupted) return 0;
    for (let kind = 0; kind < EVENTS.length; kind++) {
      const set = this.#found[kind];
      if (set !== null && this.#task.mm!.write(this.#addresses[kind], set) !== 0) return fail(EFAULT);
    }
    return 0;
  }
}

function loadSelectSet(task: Task, count: number, addresses: readonly number[]): SelectSet | Err {
  if (count < 0) return fail(EINVAL);
  const limited = Math.min(count, task.files.room);
  const bytes = Math.ceil(limited / 64) * 8;
  const sets: (Uint8Array | null)[] = [];
  for (const address of addresses) {
    const set = address === 0 ? null : new Uint8Array(bytes);
    if (set !== null && task.mm!.read(address, set) !== 0) return fail(EFAULT);
    sets.push(set);
  }
  const select = new SelectSet(task, addresses, sets);
  const collected = select.collect(limited);
  return isErr(collected) ? collected : select;
}

const timeval = new Uint8Array(16);
const timevalView = new DataView(timeval.buffer);

/** Whether the seconds of `timeval`, with those of its microseconds, are more than fit in 63 bits. */
const carriesOver = (): boolean =>
  timevalView.getBigInt64(0, true) + timevalView.getBigInt64(8, true) / 1_000_000n >= 2n ** 63n;

/** struct timeval of select: microseconds above a second are carried over. @returns nanoseconds, -EFAULT, -EINVAL */
function readSelectTime(task: Task, address: number): number | Err {
  if (task.mm!.read(address, timeval) !== 0) return fail(EFAULT);
  const seconds = getI64(timevalView, 0);
  const microseconds = getI64(timevalView, 8);
  if (seconds < 0 || microseconds < 0) return fail(EINVAL);
  if (seconds > Number.MAX_SAFE_INTEGER && carriesOver()) return fail(EINVAL);
  return seconds * NANOSECONDS + microseconds * 1000;
}

function select(task: Task, count: number, read: number, write: number, except: number, time: number): number {
  let deadline = FOREVER;
  if (time !== 0) {
    const nanoseconds = readSelectTime(task, time);
    if (isErr(nanoseconds)) return nanoseconds;
    deadline = deadlineOf(task, nanoseconds);
  }
  const set = loadSelectSet(task, count | 0, [read, write, except]);
  if (isErr(set)) return set;
  return waitForEvents(task, set, { deadline, interrupted: ERESTARTNOHAND, timeAddress: time, writeTime: writeVal });
}

/** The sixth argument of pselect6: address of the mask, size of the mask. */
const maskPair = new Uint8Array(16);
const maskView = new DataView(maskPair.buffer);

function pselect6(
  task: Task,
  count: number,
  read: number,
  write: number,
  except: number,
  time: number,
  maskArgument: number,
): number {
  maskPair.fill(0);
  if (maskArgument !== 0 && task.mm!.read(maskArgument, maskPair) !== 0) return fail(EFAULT);
  const mask = getI64(maskView, 0);
  const maskSize = getI64(maskView, 8);
  let deadline = FOREVER;
  if (time !== 0) {
    const nanoseconds = readTimespec(task.mm!, time);
    if (isErr(nanoseconds)) return nanoseconds;
    deadline = deadlineOf(task, nanoseconds);
  }
  const masked = useMask(task, mask, maskSize);
  if (masked !== 0) return masked;
  const set = loadSelectSet(task, count | 0, [read, write, except]);
  if (isErr(set)) {
    restoreMask(task);
    return set;
  }
  return waitForEvents(task, set, { deadline, interrupted: ERESTARTNOHAND, timeAddress: time, writeTime: writeSpec });
}

export const pollSyscalls: SyscallRows = {
  7: { name: 'poll', fn: poll, support: 'full', args: ['pollfds', 'uint', 'int'], result: 'poll' },
  23: {
    name: 'select',
    fn: select,
    support: 'full',
    args: ['int', 'fdSet', 'fdSet', 'fdSet', 'timevalInOut'],
    result: 'select',
  },
  270: {
    name: 'pselect6',
    fn: pselect6,
    support: 'full',
    args: ['int', 'fdSet', 'fdSet', 'fdSet', 'timespecInOut', 'sigmaskPair'],
    result: 'select',
  },
  271: {
    name: 'ppoll',
    fn: ppoll,
    support: 'full',
    args: ['pollfds', 'uint', 'timespecInOut', 'sigsetIn', 'size'],
    result: 'poll',
  },
};
