/** The system as a whole: names, figures, limits, scheduling parameters, thread set-up, random numbers. */

import { CAP_SYS_ADMIN, CAP_SYS_RESOURCE } from '../../abi/capability.js';
import { EFAULT, EINVAL, ENAMETOOLONG, EPERM, ESRCH, fail, isErr } from '../../abi/errno.js';
import { RLIMIT_CPU } from '../../abi/resource.js';
import {
  ARCH_GET_FS,
  ARCH_GET_GS,
  ARCH_SET_FS,
  ARCH_SET_GS,
  PR_CAPBSET_DROP,
  PR_CAPBSET_READ,
  PR_GET_CHILD_SUBREAPER,
  PR_GET_DUMPABLE,
  PR_GET_KEEPCAPS,
  PR_GET_NAME,
  PR_GET_NO_NEW_PRIVS,
  PR_GET_PDEATHSIG,
  PR_GET_TIMERSLACK,
  PR_SET_CHILD_SUBREAPER,
  PR_SET_DUMPABLE,
  PR_SET_KEEPCAPS,
  PR_SET_NAME,
  PR_SET_NO_NEW_PRIVS,
  PR_SET_PDEATHSIG,
} from '../../abi/sched.js';
import type { Credentials } from '../../vfs/caller.js';
import { capable, capableIn } from '../../vfs/capability.js';
import { watchCpuTime } from '../cpu-time.js';
import type { Process } from '../process.js';
import { LAST_SIGNAL } from '../signals/state.js';
import type { Task } from '../task.js';
import { latin1Bytes } from '../text.js';
import { dropFromBoundingSet, isInBoundingSet, keepCapabilities } from './capabilities.js';
import { NANOSECONDS, putI64 } from './layouts.js';
import type { SyscallRows } from './row.js';

/** The interface version that programs are told; glibc asks for 3.2 at least. */
export const KERNEL_RELEASE = '6.1.0-banos';
export const KERNEL_VERSION = '#1 SMP PREEMPT_DYNAMIC Banos';
/** Who built it, with what. */
export const KERNEL_BUILDER = '(banos@banos) (tsc)';
export const KERNEL_COMMAND_LINE = 'banos';
const UTS_FIELD = 65;
const HOST_NAME_MAX = 64;
/** Of a task, without the zero. @source linux/sched.h TASK_COMM_LEN */
const COMM_LENGTH = 15;
const RLIM_INFINITY_HI = 0xffffffff;
const USER_LIMIT = 2 ** 47;

const PER_LINUX32 = 0x0008;
const ADDR_NO_RANDOMIZE = 0x0040000;
/** Asks without changing. */
const ASK = 0xffffffff;

function uname(task: Task, address: number): number {
  const { hostname, domainname } = task.kernel;
  const machine = (task.personality & PER_LINUX32) !== 0 ? 'i686' : 'x86_64';
  const fields = ['Linux', hostname, KERNEL_RELEASE, KERNEL_VERSION, machine, domainname];
  const bytes = new Uint8Array(fields.length * UTS_FIELD);
  for (const [i, field] of fields.entries()) bytes.set(latin1Bytes(field).subarray(0, UTS_FIELD - 1), i * UTS_FIELD);
  return task.mm!.write(address, bytes);
}

function setName(task: Task, address: number, length: number, set: (name: string) => void): number {
  if (!capable(task.cred, CAP_SYS_ADMIN)) return fail(EPERM);
  if (length < 0 || length > HOST_NAME_MAX) return fail(EINVAL);
  const bytes = new Uint8Array(length);
  if (task.mm!.read(address, bytes) !== 0) return fail(EFAULT);
  set(String.fromCharCode(...bytes).replace(/\0.*$/s, ''));
  return 0;
}

const sethostname = (task: Task, address: number, length: number): number =>
  setName(task, address, length | 0, (name) => {
    task.kernel.hostname = name;
  });

const setdomainname = (task: Task, address: number, length: number): number =>
  setName(task, address, length | 0, (name) => {
    task.kernel.domainname = name;
  });

/** struct sysinfo, 112 bytes: uptime, loads[3], totalram, freeram, sharedram, bufferram, totalswap, freeswap, procs (u16), totalhigh, freehigh, mem_unit (u32). */
function sysinfo(task: Task, address: number): number {
  const { host, memory, processes } = task.kernel;
  const bytes = new Uint8Array(112);
  const view = new DataView(bytes.buffer);
  putI64(view, 0, Math.floor(host.monotonic() / NANOSECONDS));
  putI64(view, 32, memory.limitFrames * 4096);
  putI64(view, 40, memory.freeFrames * 4096);
  view.setUint16(80, processes.taskCount, true);
  view.setUint32(104, 1, true);
  return task.mm!.write(address, bytes);
}

// Limits.

const encodeLimit = (view: DataView, offset: number, value: number): void => {
  if (value === Number.POSITIVE_INFINITY) {
    view.setUint32(offset, RLIM_INFINITY_HI, true);
    view.setUint32(offset + 4, RLIM_INFINITY_HI, true);
  } else {
    putI64(view, offset, value);
  }
};

function decodeLimit(view: DataView, offset: number): number {
  const hi = view.getUint32(offset + 4, true);
  if (hi === RLIM_INFINITY_HI) return Number.POSITIVE_INFINITY;
  return hi * 2 ** 32 + view.getUint32(offset, true);
}

function changeLimit(task: Task, target: Process, resource: number, newAddress: number, oldAddress: number): number {
  if (resource < 0 || resource >= target.limits.length) return fail(EINVAL);
  const limit = target.limits[resource];
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  const { soft, hard } = limit;
  if (newAddress !== 0) {
    if (task.mm!.read(newAddress, bytes) !== 0) return fail(EFAULT);
    const next = { soft: decodeLimit(view, 0), hard: decodeLimit(view, 8) };
    if (next.soft > next.hard) return fail(EINVAL);
    if (next.hard > limit.hard && !capable(task.cred, CAP_SYS_RESOURCE)) return fail(EPERM);
    if (resource === 7 && next.hard > 1 << 20) return fail(EPERM);
    target.limits[resource] = next;
    if (resource === RLIMIT_CPU) watchCpuTime(target);
  }
  if (oldAddress === 0) return 0;
  encodeLimit(view, 0, soft);
  encodeLimit(view, 8, hard);
  return task.mm!.write(oldAddress, bytes);
}

const getrlimit = (task: Task, resource: number, address: number): number =>
  changeLimit(task, task.process, resource | 0, 0, address);

const setrlimit = (task: Task, resource: number, address: number): number =>
  address === 0 ? fail(EFAULT) : changeLimit(task, task.process, resource | 0, address, 0);

/** @source Linux check_prlimit_permission */
function mayLimit({ cred }: Task, target: Credentials): boolean {
  const { uid, gid } = cred;
  const sameUser = uid === target.euid && uid === target.suid && uid === target.uid;
  const sameGroup = gid === target.egid && gid === target.sgid && gid === target.gid;
  return (sameUser && sameGroup) || capableIn(cred, target.userNamespace, CAP_SYS_RESOURCE);
}

function prlimit(task: Task, pid: number, resource: number, newAddress: number, oldAddress: number): number {
  const target = (pid | 0) === 0 ? task.process : task.kernel.processes.get(pid | 0);
  if (target === null) return fail(ESRCH);
  if (target !== task.process && !mayLimit(task, target.leader.cred)) return fail(EPERM);
  return changeLimit(task, target, resource | 0, newAddress, oldAddress);
}

// Threads and processor state.

function archPrctl(task: Task, operation: number, address: number): number {
  const { cpu } = task.kernel;
  switch (operation | 0) {
    case ARCH_SET_FS:
    case ARCH_SET_GS:
      if (address < 0 || address >= USER_LIMIT) return fail(EPERM);
      if ((operation | 0) === ARCH_SET_FS) cpu.fsBase = address;
      else cpu.gsBase = address;
      return 0;
    case ARCH_GET_FS:
    case ARCH_GET_GS: {
      const bytes = new Uint8Array(8);
      putI64(new DataView(bytes.buffer), 0, (operation | 0) === ARCH_GET_FS ? cpu.fsBase : cpu.gsBase);
      return task.mm!.write(address, bytes);
    }
    default:
      return fail(EINVAL);
  }
}

/** PR_SET_NAME. Longer ones are cut. */
function setTaskName(task: Task, address: number): number {
  const name = task.mm!.readCString(address, COMM_LENGTH);
  if (!isErr(name)) task.comm = name;
  else if (name !== fail(ENAMETOOLONG)) return name;
  else {
    const bytes = new Uint8Array(COMM_LENGTH);
    task.mm!.read(address, bytes);
    task.comm = String.fromCharCode(...bytes);
  }
  return 0;
}

function prctl(task: Task, option: number, a: number, b: number, c: number, d: number): number {
  const mm = task.mm!;
  const { process } = task;
  switch (option | 0) {
    case PR_SET_PDEATHSIG:
      if (a < 0 || a > LAST_SIGNAL) return fail(EINVAL);
      task.parentDeathSignal = a;
      return 0;
    case PR_GET_PDEATHSIG:
      return mm.writeU32(a, task.parentDeathSignal);
    case PR_GET_DUMPABLE:
      return process.dumpable;
    case PR_SET_DUMPABLE:
      if (a !== 0 && a !== 1) return fail(EINVAL);
      process.dumpable = a;
      return 0;
    case PR_SET_NAME:
      return setTaskName(task, a);
    case PR_GET_NAME: {
      const bytes = new Uint8Array(16);
      bytes.set(latin1Bytes(task.comm).subarray(0, COMM_LENGTH));
      return mm.write(a, bytes);
    }
    case PR_GET_KEEPCAPS:
      return task.cred.capabilities.keeps ? 1 : 0;
    case PR_SET_KEEPCAPS:
      return keepCapabilities(task, a);
    case PR_SET_NO_NEW_PRIVS:
      if (a !== 1 || b !== 0 || c !== 0 || d !== 0) return fail(EINVAL);
      task.noNewPrivs = true;
      return 0;
    case PR_GET_NO_NEW_PRIVS:
      return a === 0 && b === 0 && c === 0 && d === 0 ? (task.noNewPrivs ? 1 : 0) : fail(EINVAL);
    case PR_SET_CHILD_SUBREAPER:
      process.subreaper = a !== 0;
      return 0;
    case PR_GET_CHILD_SUBREAPER:
      return mm.writeU32(a, process.subreaper ? 1 : 0);
    case PR_CAPBSET_READ:
      return isInBoundingSet(task, a);
    case PR_CAPBSET_DROP:
      return dropFromBoundingSet(task, a);
    case PR_GET_TIMERSLACK:
      return 50_000;
    default:
      return fail(EINVAL);
  }
}

const GRND_KNOWN = 7;

function getrandom(task: Task, address: number, length: number, flags: number): number {
  if ((flags & ~GRND_KNOWN) !== 0 || (flags & 6) === 6) return fail(EINVAL);
  const chunk = new Uint8Array(256);
  const total = Math.min(Math.max(length, 0), 0x7ffff000);
  for (let done = 0; done < total; done += chunk.length) {
    const part = chunk.subarray(0, Math.min(chunk.length, total - done));
    task.kernel.host.random(part);
    if (task.mm!.write(address + done, part) !== 0) return done > 0 ? done : fail(EFAULT);
  }
  return total;
}

function getcpu(task: Task, cpu: number, node: number): number {
  if (cpu !== 0 && task.mm!.writeU32(cpu, 0) !== 0) return fail(EFAULT);
  return node !== 0 && task.mm!.writeU32(node, 0) !== 0 ? fail(EFAULT) : 0;
}

/** PER_LINUX and PER_LINUX32, which shows in uname(2) only. ADDR_NO_RANDOMIZE is how things are. */
function personality(task: Task, persona: number): number {
  const wanted = persona >>> 0;
  const old = task.personality;
  if (wanted === ASK) return old;
  if ((wanted & ~(PER_LINUX32 | ADDR_NO_RANDOMIZE)) !== 0) return fail(EINVAL);
  task.personality = wanted;
  return old;
}

export const systemSyscalls: SyscallRows = {
  63: { name: 'uname', fn: uname, support: 'full', args: ['utsnameOut'] },
  97: { name: 'getrlimit', fn: getrlimit, support: 'full', args: ['rlimitResource', 'rlimitOut'] },
  99: { name: 'sysinfo', fn: sysinfo, support: 'full', args: ['sysinfoOut'] },
  135: {
    name: 'personality',
    fn: personality,
    support: 'partial',
    note: 'PER_LINUX, PER_LINUX32, ADDR_NO_RANDOMIZE',
    args: ['hex'],
    result: 'personality',
  },
  157: {
    name: 'prctl',
    fn: prctl,
    support: 'partial',
    note: 'names, death signal, dumpable, no_new_privs, subreaper, kept capabilities, bounding set',
    args: ['prctlOption', 'hex', 'hex', 'hex', 'hex'],
  },
  158: {
    name: 'arch_prctl',
    fn: archPrctl,
    support: 'partial',
    note: 'segment bases only',
    args: ['archPrctlOption', 'address'],
  },
  160: { name: 'setrlimit', fn: setrlimit, support: 'full', args: ['rlimitResource', 'rlimitIn'] },
  170: { name: 'sethostname', fn: sethostname, support: 'full', args: ['bufIn', 'size'] },
  171: { name: 'setdomainname', fn: setdomainname, support: 'full', args: ['bufIn', 'size'] },
  302: { name: 'prlimit64', fn: prlimit, support: 'full', args: ['pid', 'rlimitResource', 'rlimitIn', 'rlimitOut'] },
  309: { name: 'getcpu', fn: getcpu, support: 'full', args: ['address', 'address', 'address'] },
  318: { name: 'getrandom', fn: getrandom, support: 'full', args: ['randomOut', 'size', 'getrandomFlags'] },
};
