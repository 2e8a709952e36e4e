/** futex(2): waiting on a word of memory; the lists of robust futexes. Priority inheritance is not built. */
import {
  EAGAIN,
  EFAULT,
  EINVAL,
  ENOSYS,
  EPERM,
  ERESTART_RESTARTBLOCK,
  ERESTARTSYS,
  ESRCH,
  ETIMEDOUT,
  fail,
  isErr,
} from '../../abi/errno.js';
import {
  FUTEX_CLOCK_REALTIME,
  FUTEX_CMP_REQUEUE,
  FUTEX_PRIVATE_FLAG,
  FUTEX_REQUEUE,
  FUTEX_WAIT,
  FUTEX_WAIT_BITSET,
  FUTEX_WAKE,
  FUTEX_WAKE_BITSET,
  FUTEX_WAKE_OP,
} from '../../abi/sched.js';
import type { Timespec } from '../../vfs/caller.js';
import { type FutexKey, futexKey, MATCH_ANY, waitFutex } from '../futex.js';
import { mayInspect } from '../inspect.js';
import { ROBUST_LIST_HEAD_SIZE } from '../robust-list.js';
import type { Task } from '../task.js';
import { NANOSECONDS, putI64, readTimespec } from './layouts.js';
import type { SyscallRows } from './row.js';

const realtime: Timespec = { sec: 0, nsec: 0 };

function futex(
  task: Task,
  address: number,
  op: number,
  value: number,
  timeout: number,
  address2: number,
  value3: number,
): number {
  const command = op & 0x7f;
  const isPrivate = (op & FUTEX_PRIVATE_FLAG) !== 0;
  if (address % 4 !== 0) return fail(EINVAL);
  const key = futexKey(task.mm!, address, isPrivate);
  const { futexes } = task.kernel;
  if (key === null) return fail(EFAULT);
  switch (command) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET: {
      const deadline = readDeadline(task, timeout, command === FUTEX_WAIT_BITSET, (op & FUTEX_CLOCK_REALTIME) !== 0);
      if (deadline < 0) return deadline;
      const bits = command === FUTEX_WAIT ? MATCH_ANY : value3 >>> 0;
      return wait(task, address, key, value, bits, deadline);
    }
    case FUTEX_WAKE:
      return futexes.wake(key, Math.max(1, value | 0), MATCH_ANY);
    case FUTEX_WAKE_BITSET:
      return value3 >>> 0 === 0 ? fail(EINVAL) : futexes.wake(key, Math.max(1, value | 0), value3 >>> 0);
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE: {
      if ((value | 0) < 0 || (timeout | 0) < 0) return fail(EINVAL);
      const target = futexKey(task.mm!, address2, isPrivate);
      if (target === null) return fail(EFAULT);
      if (command === FUTEX_CMP_REQUEUE && task.mm!.readU32(address) !== value3 >>> 0) return fail(EAGAIN);
      const woken = futexes.wake(key, value | 0, MATCH_ANY);
      const moved = futexes.requeue(key, target, timeout | 0);
      return command === FUTEX_CMP_REQUEUE ? woken + moved : woken;
    }
    case FUTEX_WAKE_OP:
      return wakeOp(task, key, value | 0, timeout | 0, address2, value3 >>> 0, isPrivate);
    default:
      return fail(ENOSYS);
  }
}

/** An interrupted wait with a time limit goes on to the same moment; one without simply starts again. */
function wait(task: Task, address: number, key: FutexKey, value: number, bits: number, deadline: number): number {
  const endless = deadline === Number.POSITIVE_INFINITY;
  if (!endless) task.restart = (again) => wait(again, address, key, value, bits, deadline);
  const interrupted = endless ? ERESTARTSYS : ERESTART_RESTARTBLOCK;
  return waitFutex(task, address, key, value, bits, deadline, fail(ETIMEDOUT), interrupted);
}

/** @returns monotonic nanoseconds, Infinity, or an error. FUTEX_WAIT counts from now, FUTEX_WAIT_BITSET names a moment. */
function readDeadline(task: Task, address: number, isAbsolute: boolean, isRealtime: boolean): number {
  if (address === 0) return Number.POSITIVE_INFINITY;
  const time = readTimespec(task.mm!, address);
  if (time < 0) return time;
  const { host } = task.kernel;
  if (!isAbsolute) return host.monotonic() + time;
  if (!isRealtime) return time;
  host.realtime(realtime);
  return Math.max(0, host.monotonic() + time - (realtime.sec * NANOSECONDS + realtime.nsec));
}

/** Changes the second word, wakes on the first, and on the second if its old value compares. @source futex(2) FUTEX_WAKE_OP */
function wakeOp(
  task: Task,
  key: FutexKey,
  count: number,
  count2: number,
  address2: number,
  code: number,
  isPrivate: boolean,
): number {
  const mm = task.mm!;
  if (address2 % 4 !== 0) return fail(EINVAL);
  const key2 = futexKey(mm, address2, isPrivate);
  const old = mm.readU32(address2);
  if (key2 === null || isErr(old)) return fail(EFAULT);
  const signed12 = (x: number): number => (x << 20) >> 20;
  const argument = (code & 0x80000000) !== 0 ? 1 << (signed12(code >>> 12) & 31) : signed12(code >>> 12);
  const next = combine((code >>> 28) & 7, old, argument);
  if (next === null) return fail(ENOSYS);
  if (mm.writeU32(address2, next >>> 0) !== 0) return fail(EFAULT);
  const { futexes } = task.kernel;
  const comparison = compare((code >>> 24) & 15, old | 0, signed12(code));
  if (comparison === null) return fail(ENOSYS);
  return futexes.wake(key, count, MATCH_ANY) + (comparison ? futexes.wake(key2, count2, MATCH_ANY) : 0);
}

function combine(operation: number, old: number, argument: number): number | null {
  switch (operation) {
    case 0:
      return argument;
    case 1:
      return old + argument;
    case 2:
      return old | argument;
    case 3:
      return old & ~argument;
    case 4:
      return old ^ argument;
    default:
      return null;
  }
}

function compare(operation: number, old: number, argument: number): boolean | null {
  switch (operation) {
    case 0:
      return old === argument;
    case 1:
      return old !== argument;
    case 2:
      return old < argument;
    case 3:
      return old <= argument;
    case 4:
      return old > argument;
    case 5:
      return old >= argument;
    default:
      return null;
  }
}

function setRobustList(task: Task, head: number, size: number): number {
  if (size !== ROBUST_LIST_HEAD_SIZE) return fail(EINVAL);
  task.robustList = head;
  return 0;
}

function getRobustList(task: Task, tid: number, head: number, size: number): number {
  const target = (tid | 0) === 0 ? task : task.kernel.processes.task(tid | 0);
  if (target === null) return fail(ESRCH);
  if (!mayInspect(task, target)) return fail(EPERM);
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  putI64(view, 0, ROBUST_LIST_HEAD_SIZE);
  if (isErr(task.mm!.write(size, bytes))) return fail(EFAULT);
  putI64(view, 0, target.robustList);
  return task.mm!.write(head, bytes);
}

export const futexSyscalls: SyscallRows = {
  202: {
    name: 'futex',
    fn: futex,
    support: 'partial',
    note: 'no priority inheritance',
    args: ['address', 'futexOp', 'uint', 'futexTimeout', 'address', 'hex'],
  },
  273: { name: 'set_robust_list', fn: setRobustList, support: 'full', args: ['address', 'size'] },
  274: { name: 'get_robust_list', fn: getRobustList, support: 'full', args: ['pid', 'addressOut', 'sizeOut'] },
};
