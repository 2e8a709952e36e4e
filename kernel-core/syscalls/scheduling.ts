/** Scheduling and I/O priorities. There is one processor and one policy; what has no effect here is checked, kept and reported as Linux does. @source sched(7), setpriority(2), ioprio_set(2) */

import { CAP_SYS_ADMIN, CAP_SYS_NICE } from '../../abi/capability.js';
import { EACCES, EFAULT, EINVAL, EPERM, type Err, ESRCH, fail, isErr } from '../../abi/errno.js';
import { RLIMIT_NICE } from '../../abi/resource.js';
import { SCHED_BATCH, SCHED_FIFO, SCHED_IDLE, SCHED_NORMAL, SCHED_RR } from '../../abi/sched.js';
import type { Credentials } from '../../vfs/caller.js';
import { capable, capableIn } from '../../vfs/capability.js';
import type { Process } from '../process.js';
import type { Task } from '../task.js';
import { writeTimespec } from './layouts.js';
import type { SyscallRows } from './row.js';

const RESET_ON_FORK = 0x40000000;
const PRIO_MIN = -20;
const PRIO_MAX = 19;
/** Real-time policies have the priorities 1 to 99, the others 0 only. */
const REALTIME = [SCHED_FIFO, SCHED_RR];
const ORDINARY = [SCHED_NORMAL, SCHED_BATCH, SCHED_IDLE];
const DEADLINE = 6;

/** @returns -ESRCH, also of a negative number */
const taskOf = (task: Task, pid: number): Task | Err =>
  (pid | 0) === 0 ? task : (task.kernel.processes.task(pid | 0) ?? fail(ESRCH));

/** As `taskOf`, for calls that tell a negative number before. @returns -EINVAL, -ESRCH */
const target = (task: Task, pid: number): Task | Err => ((pid | 0) < 0 ? fail(EINVAL) : taskOf(task, pid));

function getaffinity(task: Task, pid: number, size: number, address: number): number {
  if (size < 8 || size % 8 !== 0) return fail(EINVAL);
  const found = taskOf(task, pid);
  if (isErr(found)) return found;
  return task.mm!.write(address, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0)) === 0 ? 8 : fail(EFAULT);
}

function setaffinity(task: Task, pid: number, size: number, address: number): number {
  const mask = new Uint8Array(Math.min(Math.max(size, 0), 128));
  if (task.mm!.read(address, mask) !== 0) return fail(EFAULT);
  const found = taskOf(task, pid);
  if (isErr(found)) return found;
  if (!mayPrioritize(task, found.cred)) return fail(EPERM);
  return mask.length > 0 && (mask[0] & 1) !== 0 ? 0 : fail(EINVAL);
}

/** The running task goes behind all others: the scheduler ends its slice. */
function schedYield(task: Task): number {
  task.kernel.scheduler.yield(task);
  return 0;
}

function* priorityTargets(task: Task, which: number, who: number): IterableIterator<Process> {
  const { processes } = task.kernel;
  if (which === 0) {
    const process = who === 0 ? task.process : processes.get(who);
    if (process !== null) yield process;
  } else if (which === 1) {
    yield* processes.inGroup(who === 0 ? task.pgid : who);
  } else {
    const uid = who === 0 ? task.cred.uid : task.cred.userNamespace.users.toKernel(who >>> 0);
    for (const process of processes.all()) if (process.leader.cred.uid === uid) yield process;
  }
}

/** @returns 20 - nice of the best, as the system call has it */
function getpriority(task: Task, which: number, who: number): number {
  if (which < 0 || which > 2) return fail(EINVAL);
  let best: number | null = null;
  for (const process of priorityTargets(task, which, who | 0)) best = Math.max(best ?? 0, 20 - process.nice);
  return best ?? fail(ESRCH);
}

/** Those of the same user, and who has the capability over it. @source Linux set_one_prio_perm, sched_setaffinity */
const mayPrioritize = ({ cred }: Task, target: Credentials): boolean =>
  cred.euid === target.uid || cred.euid === target.euid || capableIn(cred, target.userNamespace, CAP_SYS_NICE);

function setpriority(task: Task, which: number, who: number, value: number): number {
  if (which < 0 || which > 2) return fail(EINVAL);
  const nice = Math.min(PRIO_MAX, Math.max(PRIO_MIN, value | 0));
  let result: number = fail(ESRCH);
  for (const process of priorityTargets(task, which, who | 0)) {
    if (!mayPrioritize(task, process.leader.cred)) {
      result = fail(EPERM);
      continue;
    }
    if (nice < process.nice && 20 - nice > process.limit(RLIMIT_NICE) && !capable(task.cred, CAP_SYS_NICE)) {
      result = fail(EACCES);
      continue;
    }
    process.nice = nice;
    if (result === fail(ESRCH)) result = 0;
  }
  return result;
}

function priorityBound(policy: number, realtime: number): number {
  if (REALTIME.includes(policy)) return realtime;
  return ORDINARY.includes(policy) || policy === DEADLINE ? 0 : fail(EINVAL);
}

function rrInterval(task: Task, pid: number, address: number): number {
  const found = target(task, pid);
  return isErr(found) ? found : writeTimespec(task.mm!, address, 4_000_000);
}

function getscheduler(task: Task, pid: number): number {
  const found = target(task, pid);
  return isErr(found) ? found : found.policy | (found.resetsOnFork ? RESET_ON_FORK : 0);
}

function getparam(task: Task, pid: number, address: number): number {
  const found = address === 0 ? fail(EINVAL) : target(task, pid);
  return isErr(found) ? found : task.mm!.writeU32(address, 0);
}

const setscheduler = (task: Task, pid: number, policy: number, address: number): number =>
  (policy | 0) < 0 ? fail(EINVAL) : schedule(task, pid, policy | 0, address);

const setparam = (task: Task, pid: number, address: number): number => schedule(task, pid, null, address);

/**
 * Ordinary policies with priority 0; real-time ones would let a program keep the processor to itself: -EPERM.
 * @param asked policy and RESET_ON_FORK; null: those that there are @param address of a struct sched_param, the priority
 * @source Linux __sched_setscheduler
 */
function schedule(task: Task, pid: number, asked: number | null, address: number): number {
  if (address === 0 || (pid | 0) < 0) return fail(EINVAL);
  const priority = task.mm!.readU32(address);
  if (isErr(priority)) return priority;
  const found = taskOf(task, pid);
  if (isErr(found)) return found;
  const policy = asked === null ? found.policy : asked & ~RESET_ON_FORK;
  const resets = asked === null ? found.resetsOnFork : (asked & RESET_ON_FORK) !== 0;
  if (REALTIME.includes(policy)) return fail(priority >= 1 && priority <= 99 ? EPERM : EINVAL);
  if (!ORDINARY.includes(policy) || priority !== 0) return fail(EINVAL);
  if (!mayChangePolicy(task, found, policy, resets) && !capable(task.cred, CAP_SYS_NICE)) return fail(EPERM);
  found.policy = policy;
  found.resetsOnFork = resets;
  return 0;
}

/** Without privilege: of a task of the same user, which is then no better off. @source Linux user_check_sched_setscheduler */
function mayChangePolicy({ cred }: Task, found: Task, policy: number, resets: boolean): boolean {
  const { process } = found;
  const leavesIdle = found.policy === SCHED_IDLE && policy !== SCHED_IDLE;
  if (leavesIdle && 20 - process.nice > process.limit(RLIMIT_NICE)) return false;
  if (found.resetsOnFork && !resets) return false;
  return cred.euid === found.cred.euid || cred.euid === found.cred.uid;
}

// I/O priorities: class in the top three bits, level in the lowest three, hints for the device between.

const CLASS_SHIFT = 13;
const CLASS_RT = 1;
const CLASS_BE = 2;
const CLASS_IDLE = 3;
const LEVELS = 8;

function* ioTargets(task: Task, which: number, who: number): IterableIterator<Task> {
  const { processes } = task.kernel;
  if (which === 1) {
    const found = who === 0 ? task : processes.task(who);
    if (found !== null) yield found;
    return;
  }
  for (const process of priorityTargets(task, which - 1, who)) yield* process.threads;
}

function ioprioSet(task: Task, which: number, who: number, value: number): number {
  const level = value & (LEVELS - 1);
  const kind = (value >>> CLASS_SHIFT) & 7;
  if (kind === CLASS_RT && !capable(task.cred, CAP_SYS_NICE) && !capable(task.cred, CAP_SYS_ADMIN)) return fail(EPERM);
  if (kind > CLASS_IDLE || (kind === 0 && level !== 0)) return fail(EINVAL);
  if (which < 1 || which > 3) return fail(EINVAL);
  let result: number = fail(ESRCH);
  for (const found of ioTargets(task, which, who | 0)) {
    const { uid } = found.cred;
    if (uid !== task.cred.euid && uid !== task.cred.uid && !capable(task.cred, CAP_SYS_NICE)) return fail(EPERM);
    found.ioPriority = value & 0xffff;
    result = 0;
  }
  return result;
}

/** A task that never set one has the class "none", which ranks by its nice value: level (nice + 20) / 5 of best effort. */
function ioprioGet(task: Task, which: number, who: number): number {
  if (which < 1 || which > 3) return fail(EINVAL);
  let best: number | null = null;
  for (const found of ioTargets(task, which, who | 0)) {
    const level = Math.floor((found.process.nice + 20) / 5);
    const value = found.ioPriority !== 0 ? found.ioPriority : which === 1 ? 0 : (CLASS_BE << CLASS_SHIFT) | level;
    best = Math.min(best ?? value, value);
  }
  return best ?? fail(ESRCH);
}

export const schedulingSyscalls: SyscallRows = {
  24: { name: 'sched_yield', fn: schedYield, support: 'full', args: [] },
  140: { name: 'getpriority', fn: getpriority, support: 'full', args: ['prioWhich', 'int'] },
  141: { name: 'setpriority', fn: setpriority, support: 'full', args: ['prioWhich', 'int', 'int'] },
  142: { name: 'sched_setparam', fn: setparam, support: 'full', args: ['pid', 'address'] },
  143: { name: 'sched_getparam', fn: getparam, support: 'full', args: ['pid', 'address'] },
  144: {
    name: 'sched_setscheduler',
    fn: setscheduler,
    support: 'partial',
    note: 'real-time policies answer EPERM',
    args: ['pid', 'int', 'address'],
  },
  145: { name: 'sched_getscheduler', fn: getscheduler, support: 'full', args: ['pid'] },
  146: {
    name: 'sched_get_priority_max',
    fn: (_task, policy) => priorityBound(policy, 99),
    support: 'full',
    args: ['int'],
  },
  147: {
    name: 'sched_get_priority_min',
    fn: (_task, policy) => priorityBound(policy, 1),
    support: 'full',
    args: ['int'],
  },
  148: { name: 'sched_rr_get_interval', fn: rrInterval, support: 'full', args: ['pid', 'timespecOut'] },
  203: { name: 'sched_setaffinity', fn: setaffinity, support: 'full', args: ['pid', 'uint', 'address'] },
  204: { name: 'sched_getaffinity', fn: getaffinity, support: 'full', args: ['pid', 'uint', 'cpusetOut'] },
  251: { name: 'ioprio_set', fn: ioprioSet, support: 'full', args: ['int', 'int', 'hex'] },
  252: { name: 'ioprio_get', fn: ioprioGet, support: 'full', args: ['int', 'int'] },
};
