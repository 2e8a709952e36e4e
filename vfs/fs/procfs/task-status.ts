/** /proc/PID/stat, statm, status, limits, io: figures of a task. @source Linux fs/proc/array.c, fs/proc/base.c */
import {
  RLIMIT_AS,
  RLIMIT_CORE,
  RLIMIT_CPU,
  RLIMIT_DATA,
  RLIMIT_FSIZE,
  RLIMIT_LOCKS,
  RLIMIT_MEMLOCK,
  RLIMIT_MSGQUEUE,
  RLIMIT_NICE,
  RLIMIT_NOFILE,
  RLIMIT_NPROC,
  RLIMIT_RSS,
  RLIMIT_RTPRIO,
  RLIMIT_RTTIME,
  RLIMIT_SIGPENDING,
  RLIMIT_STACK,
} from '../../../abi/resource.js';
import { NO_CAPABILITIES } from '../../capability.js';
import type { IdMap } from '../../user-namespace.js';
import { kib, maskHex, ticks } from './format.js';
import { mayInspect } from './nodes.js';
import type { Reader } from './row.js';
import type { ProcMemory, ProcTask, TaskStateLetter } from './source.js';

const PAGE_SIZE = 4096;
/** RLIM_INFINITY. */
const INFINITE = '18446744073709551615';
/** Signals of the first 31 bits, which is what the old columns of stat show. */
const OLD_SIGNALS = 0x7fffffff;
const MEMORY_NODES = 1024;

const STATE_NAMES: Readonly<Record<TaskStateLetter, string>> = {
  R: 'R (running)',
  S: 'S (sleeping)',
  D: 'D (disk sleep)',
  T: 'T (stopped)',
  t: 't (tracing stop)',
  X: 'X (dead)',
  Z: 'Z (zombie)',
  I: 'I (idle)',
};

const pages = (bytes: number): number => Math.floor(bytes / PAGE_SIZE);
const limitText = (limit: number, infinite: string): string =>
  limit === Number.POSITIVE_INFINITY ? infinite : `${limit}`;

/** @param whole of the process, and not of the thread alone */
export function stat(task: ProcTask, reader: Reader, whole: boolean): string {
  const permitted = mayInspect(reader.caller, task);
  const usage = whole ? task.processUsage : task.usage;
  const { memory, childUsage, realtimePriority } = task;
  // Without permission the addresses of code read as 1 and the rest as 0.
  const code = (address: number): number => (permitted ? address : 1);
  const m = permitted ? memory : null;
  const columns: (string | number)[] = [
    task.tgid === task.tid || !whole ? task.tid : task.tgid,
    `(${task.comm})`,
    task.state,
    task.ppid,
    task.pgrp,
    task.session,
    task.tty,
    task.ttyGroup,
    task.flags,
    usage.minorFaults,
    childUsage.minorFaults,
    usage.majorFaults,
    childUsage.majorFaults,
    ticks(usage.userTime),
    ticks(usage.systemTime),
    ticks(childUsage.userTime),
    ticks(childUsage.systemTime),
    realtimePriority > 0 ? -1 - realtimePriority : 20 + task.nice,
    task.nice,
    task.threadCount,
    0,
    ticks(task.startTime),
    memory?.size ?? 0,
    pages(memory?.rss ?? 0),
    limitText(task.limits[RLIMIT_RSS].soft, INFINITE),
    memory === null ? 0 : code(memory.startCode),
    memory === null ? 0 : code(memory.endCode),
    m?.startStack ?? 0,
    0,
    0,
    task.pending.lo & OLD_SIGNALS,
    task.blocked.lo & OLD_SIGNALS,
    task.ignored.lo & OLD_SIGNALS,
    task.caught.lo & OLD_SIGNALS,
    permitted && task.waitChannel !== '' ? 1 : 0,
    0,
    0,
    task.exitSignal,
    task.processor,
    realtimePriority,
    task.policy,
    0,
    0,
    0,
    m?.startData ?? 0,
    m?.endData ?? 0,
    m?.startBreak ?? 0,
    m?.argStart ?? 0,
    m?.argEnd ?? 0,
    m?.envStart ?? 0,
    m?.envEnd ?? 0,
    permitted ? task.exitStatus : 0,
  ];
  return `${columns.join(' ')}\n`;
}

export function statm({ memory: m }: ProcTask): string {
  if (m === null) return '0 0 0 0 0 0 0\n';
  const shared = pages(m.rssFile + m.rssShared);
  return `${pages(m.size)} ${pages(m.rss)} ${shared} ${pages(m.text)} 0 ${pages(m.data + m.stack)} 0\n`;
}

function memoryLines(m: ProcMemory): string {
  const rows: [string, number][] = [
    ['VmPeak', m.peakSize],
    ['VmSize', m.size],
    ['VmLck', m.locked],
    ['VmPin', 0],
    ['VmHWM', m.peakRss],
    ['VmRSS', m.rss],
    ['RssAnon', m.rssAnonymous],
    ['RssFile', m.rssFile],
    ['RssShmem', m.rssShared],
    ['VmData', m.data],
    ['VmStk', m.stack],
    ['VmExe', m.text],
    ['VmLib', m.library],
    ['VmPTE', m.pageTables],
    ['VmSwap', 0],
    ['HugetlbPages', 0],
  ];
  return rows.map(([name, bytes]) => `${name}:\t${`${kib(bytes)}`.padStart(8)} kB\n`).join('');
}

/** Newlines and backslashes of a name, which would spoil the table. */
const escapeName = (name: string): string => name.replace(/\\/g, '\\\\').replace(/\n/g, '\\n');

/** A set of processors or memory nodes of which only the first `count` exist, in words of 32 bits. */
function nodeMask(count: number, bits: number): string {
  const words: string[] = [];
  for (let low = 0; low < bits; low += 32) {
    const used = Math.min(32, Math.max(0, count - low));
    words.unshift((used === 0 ? 0 : 2 ** used - 1).toString(16).padStart(8, '0'));
  }
  return words.join(',');
}

const listOf = (count: number): string => (count === 1 ? '0' : `0-${count - 1}`);

/** Ids as who reads has them. */
const shown = (map: IdMap, ...ids: readonly number[]): number[] => ids.map((id) => map.shown(id));

export function status(task: ProcTask, { source, caller }: Reader): string {
  const { cred, memory, usage } = task;
  const cpus = source.system.cpuTimes.length;
  const { effective, permitted, inheritable, bounding } = cred.capabilities;
  const { users, groups } = caller.cred.userNamespace;
  const id = task.tgid;
  let text = `Name:\t${escapeName(task.comm)}\n`;
  if (task.directories !== null) text += `Umask:\t${task.directories.umask.toString(8).padStart(4, '0')}\n`;
  text += `State:\t${STATE_NAMES[task.state]}\nTgid:\t${id}\nNgid:\t0\nPid:\t${task.tid}\nPPid:\t${task.ppid}\n`;
  text += `TracerPid:\t0\nUid:\t${shown(users, cred.uid, cred.euid, cred.suid, cred.fsuid).join('\t')}\n`;
  text += `Gid:\t${shown(groups, cred.gid, cred.egid, cred.sgid, cred.fsgid).join('\t')}\n`;
  text += `FDSize:\t${task.descriptorSlots}\nGroups:\t${shown(groups, ...cred.groups).join(' ')} \n`;
  text += `NStgid:\t${id}\nNSpid:\t${task.tid}\nNSpgid:\t${task.pgrp}\nNSsid:\t${task.session}\nKthread:\t0\n`;
  if (memory !== null) {
    text += `${memoryLines(memory)}CoreDumping:\t0\nTHP_enabled:\t0\nuntag_mask:\t0xffffffffffffffff\n`;
  }
  const queueLimit = limitText(task.limits[RLIMIT_SIGPENDING].soft, INFINITE);
  text += `Threads:\t${task.threadCount}\nSigQ:\t${task.queuedSignals}/${queueLimit}\n`;
  text += `SigPnd:\t${maskHex(task.pending)}\nShdPnd:\t${maskHex(task.sharedPending)}\n`;
  text += `SigBlk:\t${maskHex(task.blocked)}\nSigIgn:\t${maskHex(task.ignored)}\nSigCgt:\t${maskHex(task.caught)}\n`;
  text += `CapInh:\t${maskHex(inheritable)}\nCapPrm:\t${maskHex(permitted)}\nCapEff:\t${maskHex(effective)}\n`;
  text += `CapBnd:\t${maskHex(bounding)}\nCapAmb:\t${maskHex(NO_CAPABILITIES)}\n`;
  text += `NoNewPrivs:\t${task.noNewPrivs ? 1 : 0}\nSeccomp:\t0\nSeccomp_filters:\t0\n`;
  text += 'Speculation_Store_Bypass:\tvulnerable\nSpeculationIndirectBranch:\talways enabled\n';
  text += `Cpus_allowed:\t${(2 ** cpus - 1).toString(16)}\nCpus_allowed_list:\t${listOf(cpus)}\n`;
  text += `Mems_allowed:\t${nodeMask(1, MEMORY_NODES)}\nMems_allowed_list:\t0\n`;
  text += `voluntary_ctxt_switches:\t${usage.voluntarySwitches}\n`;
  return `${text}nonvoluntary_ctxt_switches:\t${usage.involuntarySwitches}\n`;
}

const LIMITS: readonly (readonly [resource: number, name: string, unit: string])[] = [
  [RLIMIT_CPU, 'Max cpu time', 'seconds'],
  [RLIMIT_FSIZE, 'Max file size', 'bytes'],
  [RLIMIT_DATA, 'Max data size', 'bytes'],
  [RLIMIT_STACK, 'Max stack size', 'bytes'],
  [RLIMIT_CORE, 'Max core file size', 'bytes'],
  [RLIMIT_RSS, 'Max resident set', 'bytes'],
  [RLIMIT_NPROC, 'Max processes', 'processes'],
  [RLIMIT_NOFILE, 'Max open files', 'files'],
  [RLIMIT_MEMLOCK, 'Max locked memory', 'bytes'],
  [RLIMIT_AS, 'Max address space', 'bytes'],
  [RLIMIT_LOCKS, 'Max file locks', 'locks'],
  [RLIMIT_SIGPENDING, 'Max pending signals', 'signals'],
  [RLIMIT_MSGQUEUE, 'Max msgqueue size', 'bytes'],
  [RLIMIT_NICE, 'Max nice priority', ''],
  [RLIMIT_RTPRIO, 'Max realtime priority', ''],
  [RLIMIT_RTTIME, 'Max realtime timeout', 'us'],
];

export function limits(task: ProcTask): string {
  const line = (name: string, soft: string, hard: string, unit: string): string =>
    `${name.padEnd(25)} ${soft.padEnd(20)} ${hard.padEnd(20)} ${unit === '' ? '' : unit.padEnd(10)}\n`;
  let text = line('Limit', 'Soft Limit', 'Hard Limit', 'Units');
  for (const [resource, name, unit] of LIMITS) {
    const { soft, hard } = task.limits[resource];
    text += line(name, limitText(soft, 'unlimited'), limitText(hard, 'unlimited'), unit);
  }
  return text;
}

export function io({ io: i }: ProcTask): string {
  const { readChars, writtenChars, readCalls, writeCalls, readBytes, writtenBytes } = i;
  return (
    `rchar: ${readChars}\nwchar: ${writtenChars}\nsyscr: ${readCalls}\nsyscw: ${writeCalls}\n` +
    `read_bytes: ${readBytes}\nwrite_bytes: ${writtenBytes}\ncancelled_write_bytes: 0\n`
  );
}
