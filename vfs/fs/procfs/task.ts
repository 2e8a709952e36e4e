/** The tables of /proc/PID and /proc/PID/task/TID. */
import { CAP_SYS_RESOURCE } from '../../../abi/capability.js';
import { EINVAL, ENOENT, EPERM, ERANGE, ESRCH, fail } from '../../../abi/errno.js';
import { capable } from '../../capability.js';
import type { Path } from '../../dentry.js';
import type { Inode } from '../../inode.js';
import { pathString } from '../../path-string.js';
import { FD_ROW, FDINFO_ROW } from './descriptors.js';
import { hex } from './format.js';
import { mountinfo, mounts } from './mounts.js';
import { NET_ROW } from './net.js';
import { type DirectoryRow, directory, file, type LinkRow, type NumbersRow, type Reader, type Row } from './row.js';
import type { ProcTask } from './source.js';
import { auxv, cmdline, environ, MemoryFile, maps, smaps, smapsRollup } from './task-memory.js';
import { io, limits, stat, statm, status } from './task-status.js';
import { USER_MAP_ROWS } from './user-maps.js';

const COMM_LENGTH = 15;
const OOM_ADJUST_MAX = 1000;
const PRIVATE = { mode: 0o400, guarded: true };
const GUARDED = { guarded: true };

/** A link to a directory or file that the task holds. */
const held = (name: string, get: (task: ProcTask) => Path | null | undefined): LinkRow<ProcTask> => ({
  kind: 'link',
  name,
  mode: 0o777,
  guarded: true,
  readlink: (task, reader) => {
    const path = get(task);
    const root = reader.root ?? task.directories?.root;
    return path == null || root === undefined ? fail(ENOENT) : pathString({ root }, path);
  },
  goal: (task) => get(task) ?? fail(ENOENT),
});

/** A namespace of the task, by the inode that stands for it. */
const namespace = (name: string, get: (task: ProcTask) => Inode | undefined): LinkRow<ProcTask> => ({
  kind: 'link',
  name,
  mode: 0o777,
  guarded: true,
  readlink: (task) => get(task)?.anonymousName ?? fail(ENOENT),
  goal: (task) => get(task) ?? fail(ENOENT),
});

/** Namespaces: those that there are. @source namespaces(7) */
const NS_ROW: DirectoryRow<ProcTask> = directory(
  'ns',
  [namespace('net', ({ network }) => network?.inode), namespace('user', (task) => task.userNamespaceInode)],
  0o511,
);

/** What the memory killer would think of it: its share of memory, moved by the adjustment. @source Linux mm/oom_kill.c, fs/proc/base.c */
function oomScore(task: ProcTask, { source }: Reader): string {
  const adjustment = task.oomScoreAdjustment;
  if (adjustment <= -OOM_ADJUST_MAX || task.memory === null) return '0\n';
  const { total } = source.system.memory;
  const share = Math.trunc(((task.memory.rss + task.memory.pageTables) * 1000) / total) + adjustment;
  return `${Math.max(0, Math.trunc(((1000 + share) * 2) / 3))}\n`;
}

function setOomAdjustment(task: ProcTask, text: string, { caller }: Reader): number {
  const match = /^\s*(-?\d+)\s*$/.exec(text);
  if (match === null) return fail(EINVAL);
  const value = Number(match[1]);
  if (Math.abs(value) > OOM_ADJUST_MAX) return fail(EINVAL);
  if (value < task.oomScoreAdjustment && !capable(caller.cred, CAP_SYS_RESOURCE)) return fail(EPERM);
  task.oomScoreAdjustment = value;
  return 0;
}

/** Only a thread of the same process may rename a task. @source host: others get EINVAL */
function setComm(task: ProcTask, text: string, { caller }: Reader): number {
  if (caller.pid !== task.tgid) return fail(EINVAL);
  task.comm = text.split('\0', 1)[0].slice(0, COMM_LENGTH);
  return 0;
}

/** Bits of the filter of core files that Linux knows. */
const CORE_FILTER = 0x1ff;

function setCoreFilter(task: ProcTask, text: string): number {
  const digits = /^\+?(0x[\da-f]+|0[0-7]*|[1-9]\d*)\n?$/i.exec(text)?.[1];
  if (digits === undefined) return fail(EINVAL);
  const value = /^0\d/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  if (value >= 2 ** 32) return fail(ERANGE);
  if (task.coreFilter === null) return fail(ESRCH);
  task.coreFilter = value & CORE_FILTER;
  return 0;
}

function systemCall({ systemCall: call }: ProcTask): string {
  if (call === null) return 'running\n';
  const [number, ...rest] = call;
  return `${number} ${rest.map((value) => `0x${BigInt.asUintN(64, BigInt(value)).toString(16)}`).join(' ')}\n`;
}

const CORE_FILTER_ROW: Row<ProcTask> = file(
  'coredump_filter',
  ({ coreFilter }) => (coreFilter === null ? '' : `${hex(coreFilter, 8)}\n`),
  { mode: 0o644, write: setCoreFilter },
);

/** What both kinds of directory have, in the order in which Linux lists it. */
const common = (whole: boolean): Row<ProcTask>[] => [
  file('environ', environ, PRIVATE),
  file('auxv', auxv, PRIVATE),
  file('status', status),
  file('personality', (task) => `${hex(task.personality, 8)}\n`, PRIVATE),
  file('limits', limits),
  file('comm', (task) => `${task.comm}\n`, { mode: 0o644, write: setComm }),
  file('syscall', systemCall, PRIVATE),
  file('cmdline', cmdline),
  file('stat', (task, reader) => stat(task, reader, whole)),
  file('statm', statm),
  file('maps', maps, GUARDED),
  { kind: 'special', name: 'mem', mode: 0o600, guarded: true, open: MemoryFile.open },
  held('cwd', (task) => task.directories?.cwd),
  held('root', (task) => task.directories?.root),
  held('exe', (task) => task.executable),
  file('mounts', (task) => (task.directories === null ? fail(EINVAL) : mounts(task))),
  file('mountinfo', (task) => (task.directories === null ? fail(EINVAL) : mountinfo(task))),
  file('smaps', smaps, GUARDED),
  file('smaps_rollup', (task) => (task.memory === null ? fail(ESRCH) : smapsRollup(task)), GUARDED),
  file('wchan', (task) => task.waitChannel || '0', GUARDED),
  file('oom_score', oomScore),
  file('oom_score_adj', (task) => `${task.oomScoreAdjustment}\n`, { mode: 0o644, write: setOomAdjustment }),
  ...(whole ? [CORE_FILTER_ROW] : []),
  file('io', io, PRIVATE),
  ...USER_MAP_ROWS,
];

export const THREAD_ROW: DirectoryRow<ProcTask> = directory('thread', [
  FD_ROW,
  FDINFO_ROW,
  NS_ROW,
  NET_ROW,
  ...common(false),
]);

const TASK_ROW: NumbersRow<ProcTask> = {
  kind: 'numbers',
  name: 'task',
  mode: 0o555,
  numbers: function* (task) {
    for (const { tid } of task.threads()) yield tid;
  },
  entry: (task, tid) => {
    for (const thread of task.threads()) if (thread.tid === tid) return { subject: thread, row: THREAD_ROW };
    return null;
  },
};

export const PROCESS_ROW: DirectoryRow<ProcTask> = directory('process', [
  TASK_ROW,
  FD_ROW,
  FDINFO_ROW,
  NS_ROW,
  NET_ROW,
  ...common(true),
]);
