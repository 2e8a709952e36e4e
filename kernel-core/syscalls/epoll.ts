/** epoll_create, epoll_ctl, epoll_wait and their variants. @source epoll_ctl(2), epoll_wait(2), Linux fs/eventpoll.c for the order of checks */
import { CAP_BLOCK_SUSPEND } from '../../abi/capability.js';
import { EBADF, EFAULT, EINTR, EINVAL, EPERM, type Err, fail, isErr } from '../../abi/errno.js';
import {
  EP_MAX_EVENTS,
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLL_EVENT_SIZE,
  EPOLLERR,
  EPOLLET,
  EPOLLEXCLUSIVE,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLWAKEUP,
} from '../../abi/eventpoll.js';
import { capable } from '../../vfs/capability.js';
import type { OpenFile } from '../../vfs/file.js';
import { EpollFile } from '../epoll/file.js';
import { checkChain, checkPaths } from '../epoll/nesting.js';
import { EpollSet } from '../epoll/set.js';
import { waitForEpoll } from '../epoll/wait.js';
import type { Task } from '../task.js';
import { openFile } from './args.js';
import { installFile } from './files-open.js';
import { readTimespec } from './layouts.js';
import type { SyscallRows } from './row.js';
import { restoreMask, useMask } from './signals.js';

/** What may go with EPOLLEXCLUSIVE. */
const EXCLUSIVE_COMPANIONS = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;
/** Addresses of programs are below it. */
const USER_END = 2 ** 47 - 4096;

function epollCreate1(task: Task, flags: number): number {
  if ((flags & ~EPOLL_CLOEXEC) !== 0) return fail(EINVAL);
  return installFile(task, new EpollFile(new EpollSet(task.kernel, task)), flags);
}

/** @param size once a hint, now only to be above 0 */
const epollCreate = (task: Task, size: number): number => ((size | 0) <= 0 ? fail(EINVAL) : epollCreate1(task, 0));

const event = new Uint8Array(EPOLL_EVENT_SIZE);
const eventView = new DataView(event.buffer);

function epollCtl(task: Task, epollFd: number, operation: number, fd: number, address: number): number {
  const op = operation | 0;
  if (op !== EPOLL_CTL_DEL && task.mm!.read(address, event) !== 0) return fail(EFAULT);
  const file = openFile(task, epollFd);
  const target = openFile(task, fd);
  if (file === null || target === null) return fail(EBADF);
  if (!target.pollable) return fail(EPERM);
  if (file === target || !(file instanceof EpollFile)) return fail(EINVAL);
  let events = eventView.getInt32(0, true);
  if (op !== EPOLL_CTL_DEL) {
    if ((events & EPOLLWAKEUP) !== 0 && !capable(task.cred, CAP_BLOCK_SUSPEND)) events &= ~EPOLLWAKEUP;
    const refused = checkExclusive(op, target, events);
    if (refused !== 0) return refused;
  }
  const set = file.inode;
  const low = eventView.getInt32(4, true);
  const high = eventView.getInt32(8, true);
  switch (op) {
    case EPOLL_CTL_ADD:
      return addInterest(file, target, fd | 0, events, low, high);
    case EPOLL_CTL_MOD:
      return set.modify(target, fd | 0, events, low, high);
    case EPOLL_CTL_DEL:
      return set.delete(target, fd | 0);
    default:
      return fail(EINVAL);
  }
}

function checkExclusive(op: number, target: OpenFile, events: number): 0 | Err {
  if ((events & EPOLLEXCLUSIVE) === 0) return 0;
  if (op === EPOLL_CTL_MOD) return fail(EINVAL);
  if (op !== EPOLL_CTL_ADD) return 0;
  return target instanceof EpollFile || (events & ~EXCLUSIVE_COMPANIONS) !== 0 ? fail(EINVAL) : 0;
}

function addInterest(
  file: EpollFile,
  target: OpenFile,
  fd: number,
  events: number,
  low: number,
  high: number,
): number | Err {
  if (target instanceof EpollFile) {
    const chained = checkChain(file, target);
    if (chained !== 0) return chained;
  }
  const set = file.inode;
  const item = set.add(target, fd, events, low, high);
  if (isErr(item)) return item;
  const spread = checkPaths(file, target);
  if (spread !== 0) set.remove(item);
  else set.announce(item);
  return spread;
}

/** Checks what all waits check. @returns the set's description; -EBADF, -EINVAL, -EFAULT */
function epollFileOf(task: Task, fd: number, address: number, limit: number): EpollFile | Err {
  const file = openFile(task, fd);
  if (file === null) return fail(EBADF);
  if (limit <= 0 || limit > EP_MAX_EVENTS) return fail(EINVAL);
  if (address < 0 || address + limit * EPOLL_EVENT_SIZE > USER_END) return fail(EFAULT);
  return file instanceof EpollFile ? file : fail(EINVAL);
}

function waitUntil(task: Task, fd: number, address: number, limit: number, deadline: number): number {
  const file = epollFileOf(task, fd, address, limit);
  return isErr(file) ? file : waitForEpoll(task, file, address, limit, deadline);
}

/** @param milliseconds 0: only look; negative: wait for ever */
function deadlineOf(task: Task, milliseconds: number): number {
  if (milliseconds === 0) return Number.NEGATIVE_INFINITY;
  return milliseconds < 0 ? Number.POSITIVE_INFINITY : task.kernel.host.monotonic() + milliseconds * 1_000_000;
}

const epollWait = (task: Task, fd: number, address: number, limit: number, timeout: number): number =>
  waitUntil(task, fd, address, limit | 0, deadlineOf(task, timeout | 0));

/** As `waitUntil`, under the signal mask at `mask`. */
function waitMasked(
  task: Task,
  fd: number,
  address: number,
  limit: number,
  deadline: number,
  mask: number,
  maskSize: number,
): number {
  const masked = useMask(task, mask, maskSize);
  if (masked !== 0) return masked;
  const result = waitUntil(task, fd, address, limit | 0, deadline);
  if (isErr(result) && result !== -EINTR) restoreMask(task);
  return result;
}

const epollPwait = (
  task: Task,
  fd: number,
  address: number,
  limit: number,
  timeout: number,
  mask: number,
  maskSize: number,
): number => waitMasked(task, fd, address, limit, deadlineOf(task, timeout | 0), mask, maskSize);

function epollPwait2(
  task: Task,
  fd: number,
  address: number,
  limit: number,
  time: number,
  mask: number,
  maskSize: number,
): number {
  let deadline = Number.POSITIVE_INFINITY;
  if (time !== 0) {
    const duration = readTimespec(task.mm!, time);
    if (isErr(duration)) return duration;
    deadline = duration === 0 ? Number.NEGATIVE_INFINITY : task.kernel.host.monotonic() + duration;
  }
  return waitMasked(task, fd, address, limit, deadline, mask, maskSize);
}

export const epollSyscalls: SyscallRows = {
  213: { name: 'epoll_create', fn: epollCreate, support: 'full', args: ['int'], result: 'fd' },
  232: { name: 'epoll_wait', fn: epollWait, support: 'full', args: ['fd', 'epollEventsOut', 'int', 'int'] },
  233: { name: 'epoll_ctl', fn: epollCtl, support: 'full', args: ['fd', 'epollOp', 'fd', 'epollEvent'] },
  281: {
    name: 'epoll_pwait',
    fn: epollPwait,
    support: 'full',
    args: ['fd', 'epollEventsOut', 'int', 'int', 'sizedSigset', 'size'],
  },
  291: { name: 'epoll_create1', fn: epollCreate1, support: 'full', args: ['epollFlags'], result: 'fd' },
  441: {
    name: 'epoll_pwait2',
    fn: epollPwait2,
    support: 'full',
    args: ['fd', 'epollEventsOut', 'int', 'timespecIn', 'sizedSigset', 'size'],
  },
};
