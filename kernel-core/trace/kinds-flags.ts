/** Arguments that are sets of flags or one of several named values. Names stand in the order in which strace prints them. */
import * as fcntl from '../../abi/fcntl.js';
import * as mman from '../../abi/mman.js';
import * as modules from '../../abi/modules.js';
import * as mountAbi from '../../abi/mount.js';
import * as resource from '../../abi/resource.js';
import * as sched from '../../abi/sched.js';
import * as signalAbi from '../../abi/signal.js';
import * as stat from '../../abi/stat.js';
import * as time from '../../abi/time.js';
import * as wait from '../../abi/wait.js';
import { type ArgumentFormat, early } from './call.js';
import { flagText, hex32, type Names, namesOf, valueText } from './text.js';

const flags = (names: Names, unknown: string): ArgumentFormat =>
  early((_call, value) => flagText(value, names, unknown));
const oneOf = (names: Names, unknown: string): ArgumentFormat =>
  early((_call, value) => valueText(value, names, unknown));

const ACCESS_MODES: Names = [
  ['O_RDONLY', 0],
  ['O_WRONLY', 1],
  ['O_RDWR', 2],
  ['O_ACCMODE', 3],
];
const OPEN = namesOf(
  fcntl,
  'O_CREAT O_EXCL O_NOCTTY O_TRUNC O_APPEND O_NONBLOCK O_SYNC O_DSYNC O_ASYNC O_DIRECT O_LARGEFILE O_NOFOLLOW O_NOATIME O_CLOEXEC O_PATH O_TMPFILE O_DIRECTORY',
);

/** open(2) flags: the access mode first. */
export function openFlagText(value: number): string {
  const mode = valueText(value & fcntl.O_ACCMODE, ACCESS_MODES, 'O_???');
  const rest = value & ~fcntl.O_ACCMODE;
  // What is left without a name comes without a remark, since the access mode always has one.
  return rest === 0 ? mode : `${mode}|${flagText(rest, OPEN, 'O_???').replace(/ \/\*.*/, '')}`;
}

const MAP_TYPES = namesOf(mman, 'MAP_SHARED MAP_PRIVATE MAP_SHARED_VALIDATE');
const MAP = namesOf(
  mman,
  'MAP_FIXED MAP_ANONYMOUS MAP_32BIT MAP_NORESERVE MAP_POPULATE MAP_NONBLOCK MAP_GROWSDOWN MAP_DENYWRITE MAP_EXECUTABLE MAP_LOCKED MAP_STACK MAP_SYNC MAP_FIXED_NOREPLACE MAP_HUGETLB',
);

function mmapFlagText(value: number): string {
  const type = valueText(value & mman.MAP_TYPE, MAP_TYPES, 'MAP_???');
  const rest = value & ~mman.MAP_TYPE;
  return rest === 0 ? type : `${type}|${flagText(rest, MAP, 'MAP_???')}`;
}

const PROT = namesOf(mman, 'PROT_NONE PROT_READ PROT_WRITE PROT_EXEC PROT_GROWSDOWN PROT_GROWSUP');
const AT = namesOf(fcntl, 'AT_SYMLINK_NOFOLLOW AT_REMOVEDIR AT_SYMLINK_FOLLOW AT_NO_AUTOMOUNT AT_EMPTY_PATH');
const AT_ACCESS: Names = [
  ['AT_SYMLINK_NOFOLLOW', fcntl.AT_SYMLINK_NOFOLLOW],
  ['AT_EACCESS', fcntl.AT_EACCESS],
  ['AT_EMPTY_PATH', fcntl.AT_EMPTY_PATH],
];
const STATX_SYNC: Names = [
  ['AT_STATX_SYNC_AS_STAT', 0],
  ['AT_STATX_FORCE_SYNC', fcntl.AT_STATX_FORCE_SYNC],
  ['AT_STATX_DONT_SYNC', fcntl.AT_STATX_DONT_SYNC],
];
const STATX = namesOf(
  stat,
  'STATX_ALL STATX_BASIC_STATS STATX_TYPE STATX_MODE STATX_NLINK STATX_UID STATX_GID STATX_ATIME STATX_MTIME STATX_CTIME STATX_INO STATX_SIZE STATX_BLOCKS STATX_BTIME STATX_MNT_ID STATX_DIOALIGN',
);
const ACCESS: Names = [
  ['R_OK', 4],
  ['W_OK', 2],
  ['X_OK', 1],
];

export const statxMaskText = (mask: number): string => flagText(mask, STATX, 'STATX_???');

const CLONE = namesOf(
  sched,
  'CLONE_VM CLONE_FS CLONE_FILES CLONE_SIGHAND CLONE_PIDFD CLONE_PTRACE CLONE_VFORK CLONE_PARENT CLONE_THREAD CLONE_NEWNS CLONE_SYSVSEM CLONE_SETTLS CLONE_PARENT_SETTID CLONE_CHILD_CLEARTID CLONE_DETACHED CLONE_UNTRACED CLONE_CHILD_SETTID CLONE_NEWCGROUP CLONE_NEWUTS CLONE_NEWIPC CLONE_NEWUSER CLONE_NEWPID CLONE_NEWNET CLONE_IO',
);

const UNSHARE = namesOf(
  sched,
  'CLONE_NEWTIME CLONE_VM CLONE_FS CLONE_FILES CLONE_SIGHAND CLONE_THREAD CLONE_NEWNS CLONE_SYSVSEM CLONE_NEWCGROUP CLONE_NEWUTS CLONE_NEWIPC CLONE_NEWUSER CLONE_NEWPID CLONE_NEWNET',
);
/** Kinds of namespaces. */
const NAMESPACES = namesOf(
  sched,
  'CLONE_NEWTIME CLONE_NEWNS CLONE_NEWCGROUP CLONE_NEWUTS CLONE_NEWIPC CLONE_NEWUSER CLONE_NEWPID CLONE_NEWNET',
);

/** clone(2) flags without the exit signal. Bits above 2^32 belong to clone3. */
export function cloneFlagText(value: number): string {
  const low = value % 2 ** 32;
  const high = Math.floor(value / 2 ** 32);
  const parts = low === 0 && high !== 0 ? [] : [flagText(low, CLONE, 'CLONE_???')];
  if (high & 1) parts.push('CLONE_CLEAR_SIGHAND');
  if (high & 2) parts.push('CLONE_INTO_CGROUP');
  return parts.join('|');
}

const SA = namesOf(
  signalAbi,
  'SA_RESTORER SA_ONSTACK SA_RESTART SA_NODEFER SA_RESETHAND SA_SIGINFO SA_NOCLDSTOP SA_NOCLDWAIT',
);

/** sa_flags, a 64-bit word: some C libraries extend the sign of their 32 bits. */
export function sigactionFlagText(low: number, high: number): string {
  const text = flagText(low, SA, 'SA_???');
  return high === 0 ? text : `${text}|${hex32(high)}00000000`;
}

const MOUNT = namesOf(
  mountAbi,
  'MS_RDONLY MS_NOSUID MS_NODEV MS_NOEXEC MS_SYNCHRONOUS MS_REMOUNT MS_MANDLOCK MS_DIRSYNC MS_NOSYMFOLLOW MS_NOATIME MS_NODIRATIME MS_BIND MS_MOVE MS_REC MS_SILENT MS_POSIXACL MS_UNBINDABLE MS_PRIVATE MS_SLAVE MS_SHARED MS_RELATIME MS_KERNMOUNT MS_I_VERSION MS_STRICTATIME MS_LAZYTIME',
);

function mountFlagText(value: number): string {
  const magic = (value & mountAbi.MS_MGC_MSK) >>> 0 === mountAbi.MS_MGC_VAL;
  if (!magic) return flagText(value, MOUNT, 'MS_???');
  const rest = value & ~mountAbi.MS_MGC_MSK;
  return rest === 0 ? 'MS_MGC_VAL' : `MS_MGC_VAL|${flagText(rest, MOUNT, 'MS_???')}`;
}

/** FUTEX_WAIT_BITSET|FUTEX_CLOCK_REALTIME, FUTEX_WAKE_PRIVATE. */
const FUTEX_OPERATIONS = [
  'FUTEX_WAIT',
  'FUTEX_WAKE',
  'FUTEX_FD',
  'FUTEX_REQUEUE',
  'FUTEX_CMP_REQUEUE',
  'FUTEX_WAKE_OP',
  'FUTEX_LOCK_PI',
  'FUTEX_UNLOCK_PI',
  'FUTEX_TRYLOCK_PI',
  'FUTEX_WAIT_BITSET',
  'FUTEX_WAKE_BITSET',
  'FUTEX_WAIT_REQUEUE_PI',
  'FUTEX_CMP_REQUEUE_PI',
  'FUTEX_LOCK_PI2',
];

function futexOperationText(value: number): string {
  const name = FUTEX_OPERATIONS[value & 0x7f];
  if (name === undefined) return `${hex32(value)} /* FUTEX_??? */`;
  const isPrivate = (value & sched.FUTEX_PRIVATE_FLAG) !== 0 ? '_PRIVATE' : '';
  const clock = (value & sched.FUTEX_CLOCK_REALTIME) !== 0 ? '|FUTEX_CLOCK_REALTIME' : '';
  return `${name}${isPrivate}${clock}`;
}

/** What follows the operation and its first value: by operation. @source futex(2) */
const FUTEX_REST: readonly (readonly string[])[] = [
  ['uint', 'timespecIn'],
  ['uint'],
  ['uint'],
  ['uint', 'uint', 'address'],
  ['uint', 'uint', 'address', 'uint'],
  ['uint', 'uint', 'address', 'hex'],
  ['timespecIn'],
  [],
  [],
  ['uint', 'timespecIn', 'skip', 'futexBitset'],
  ['uint', 'skip', 'skip', 'futexBitset'],
  ['uint', 'timespecIn', 'address'],
  ['uint', 'uint', 'address', 'uint'],
  ['timespecIn'],
];

const RLIMITS = namesOf(
  resource,
  'RLIMIT_CPU RLIMIT_FSIZE RLIMIT_DATA RLIMIT_STACK RLIMIT_CORE RLIMIT_RSS RLIMIT_NPROC RLIMIT_NOFILE RLIMIT_MEMLOCK RLIMIT_AS RLIMIT_LOCKS RLIMIT_SIGPENDING RLIMIT_MSGQUEUE RLIMIT_NICE RLIMIT_RTPRIO RLIMIT_RTTIME',
);
const CLOCKS = namesOf(
  time,
  'CLOCK_REALTIME CLOCK_MONOTONIC CLOCK_PROCESS_CPUTIME_ID CLOCK_THREAD_CPUTIME_ID CLOCK_MONOTONIC_RAW CLOCK_REALTIME_COARSE CLOCK_MONOTONIC_COARSE CLOCK_BOOTTIME CLOCK_REALTIME_ALARM CLOCK_BOOTTIME_ALARM CLOCK_TAI',
);
const GETRANDOM: Names = [
  ['GRND_NONBLOCK', 1],
  ['GRND_RANDOM', 2],
  ['GRND_INSECURE', 4],
];
const FADVICE = 'NORMAL RANDOM SEQUENTIAL WILLNEED DONTNEED NOREUSE'
  .split(' ')
  .map((name, value) => [`POSIX_FADV_${name}`, value] as const);
const RWF: Names = [
  ['RWF_HIPRI', 1],
  ['RWF_DSYNC', 2],
  ['RWF_SYNC', 4],
  ['RWF_NOWAIT', 8],
  ['RWF_APPEND', 16],
];

export const FLAG_KINDS = {
  openFlags: {
    text: (_call, value) => openFlagText(value),
    rest: (_call, value) => (value & fcntl.O_CREAT || (value & fcntl.O_TMPFILE) === fcntl.O_TMPFILE ? ['mode'] : []),
  },
  statusFlags: early((_call, value) => openFlagText(value)),
  pipeFlags: flags(OPEN, 'O_???'),
  dup3Flags: flags(OPEN, 'O_???'),
  fdFlags: flags(namesOf(fcntl, 'FD_CLOEXEC'), 'FD_???'),
  whence: oneOf(namesOf(fcntl, 'SEEK_SET SEEK_CUR SEEK_END SEEK_DATA SEEK_HOLE'), 'SEEK_???'),
  accessMode: early((_call, value) => (value === 0 ? 'F_OK' : flagText(value, ACCESS, '?_OK'))),
  accessFlags: flags(AT_ACCESS, 'AT_???'),
  atFlags: flags(AT, 'AT_???'),
  statFlags: flags(AT, 'AT_???'),
  linkFlags: flags(AT, 'AT_???'),
  unlinkFlags: flags(namesOf(fcntl, 'AT_REMOVEDIR'), 'AT_???'),
  statxFlags: early((_call, value) => {
    const sync = valueText(value & fcntl.AT_STATX_SYNC_TYPE, STATX_SYNC, 'AT_STATX_???');
    const rest = value & ~fcntl.AT_STATX_SYNC_TYPE;
    return rest === 0 ? sync : `${sync}|${flagText(rest, AT, 'AT_???')}`;
  }),
  statxMask: early((_call, value) => statxMaskText(value)),
  renameFlags: flags(namesOf(fcntl, 'RENAME_NOREPLACE RENAME_EXCHANGE RENAME_WHITEOUT'), 'RENAME_??'),
  fallocateMode: flags(
    namesOf(
      fcntl,
      'FALLOC_FL_KEEP_SIZE FALLOC_FL_PUNCH_HOLE FALLOC_FL_NO_HIDE_STALE FALLOC_FL_COLLAPSE_RANGE FALLOC_FL_ZERO_RANGE FALLOC_FL_INSERT_RANGE FALLOC_FL_UNSHARE_RANGE',
    ),
    'FALLOC_FL_???',
  ),
  flockOperation: flags(namesOf(fcntl, 'LOCK_SH LOCK_EX LOCK_UN LOCK_NB'), 'LOCK_???'),
  unshareFlags: flags(UNSHARE, 'CLONE_???'),
  namespaceKinds: flags(NAMESPACES, 'CLONE_NEW???'),
  spliceFlags: flags(namesOf(fcntl, 'SPLICE_F_MOVE SPLICE_F_NONBLOCK SPLICE_F_MORE SPLICE_F_GIFT'), 'SPLICE_F_???'),
  rwFlags: flags(RWF, 'RWF_???'),
  closeRangeFlags: flags(
    [
      ['CLOSE_RANGE_UNSHARE', 2],
      ['CLOSE_RANGE_CLOEXEC', 4],
    ],
    'CLOSE_RANGE_???',
  ),
  fadvise: oneOf(FADVICE, 'POSIX_FADV_???'),
  syncRangeFlags: flags(
    [
      ['SYNC_FILE_RANGE_WAIT_BEFORE', 1],
      ['SYNC_FILE_RANGE_WRITE', 2],
      ['SYNC_FILE_RANGE_WAIT_AFTER', 4],
    ],
    'SYNC_FILE_RANGE_???',
  ),
  xattrFlags: flags(
    [
      ['XATTR_CREATE', 1],
      ['XATTR_REPLACE', 2],
    ],
    'XATTR_???',
  ),
  memfdFlags: flags(namesOf(mman, 'MFD_CLOEXEC MFD_ALLOW_SEALING MFD_HUGETLB'), 'MFD_???'),
  moduleFlags: flags(namesOf(fcntl, 'O_NONBLOCK O_TRUNC'), 'O_???'),
  moduleInitFlags: flags(
    namesOf(modules, 'MODULE_INIT_IGNORE_MODVERSIONS MODULE_INIT_IGNORE_VERMAGIC MODULE_INIT_COMPRESSED_FILE'),
    'MODULE_INIT_???',
  ),
  mountFlags: early((_call, value) => mountFlagText(value)),
  umountFlags: flags(namesOf(mountAbi, 'MNT_FORCE MNT_DETACH MNT_EXPIRE UMOUNT_NOFOLLOW'), 'MNT_???'),
  prot: flags(PROT, 'PROT_???'),
  mmapFlags: early((_call, value) => mmapFlagText(value)),
  mremapFlags: {
    text: (_call, value) =>
      flagText(value, namesOf(mman, 'MREMAP_MAYMOVE MREMAP_FIXED MREMAP_DONTUNMAP'), 'MREMAP_???'),
    rest: (_call, value) => (value & (mman.MREMAP_FIXED | mman.MREMAP_DONTUNMAP) ? ['address'] : []),
  },
  mremapTarget: early(() => null),
  msyncFlags: flags(namesOf(mman, 'MS_ASYNC MS_INVALIDATE MS_SYNC'), 'MS_???'),
  madvise: oneOf(
    namesOf(
      mman,
      'MADV_NORMAL MADV_RANDOM MADV_SEQUENTIAL MADV_WILLNEED MADV_DONTNEED MADV_FREE MADV_REMOVE MADV_DONTFORK MADV_DOFORK MADV_MERGEABLE MADV_UNMERGEABLE MADV_HUGEPAGE MADV_NOHUGEPAGE MADV_DONTDUMP MADV_DODUMP MADV_WIPEONFORK MADV_KEEPONFORK MADV_COLD MADV_PAGEOUT MADV_POPULATE_READ MADV_POPULATE_WRITE MADV_DONTNEED_LOCKED MADV_HWPOISON',
    ),
    'MADV_???',
  ),
  mlockFlags: flags(namesOf(mman, 'MLOCK_ONFAULT'), 'MLOCK_???'),
  mclFlags: flags(namesOf(mman, 'MCL_CURRENT MCL_FUTURE MCL_ONFAULT'), 'MCL_???'),
  waitOptions: flags(namesOf(wait, 'WNOHANG WSTOPPED WEXITED WCONTINUED WNOWAIT __WCLONE __WALL __WNOTHREAD'), 'W???'),
  waitIdType: oneOf(namesOf(wait, 'P_ALL P_PID P_PGID P_PIDFD'), 'P_???'),
  sigHow: oneOf(namesOf(signalAbi, 'SIG_BLOCK SIG_UNBLOCK SIG_SETMASK'), 'SIG_???'),
  clockId: oneOf(CLOCKS, 'CLOCK_???'),
  timerFlags: flags(namesOf(time, 'TIMER_ABSTIME'), 'TIMER_???'),
  itimerWhich: oneOf(namesOf(time, 'ITIMER_REAL ITIMER_VIRTUAL ITIMER_PROF'), 'ITIMER_???'),
  rlimitResource: oneOf(RLIMITS, 'RLIMIT_???'),
  rusageWho: oneOf(namesOf(resource, 'RUSAGE_SELF RUSAGE_CHILDREN RUSAGE_BOTH RUSAGE_THREAD'), 'RUSAGE_???'),
  prioWhich: oneOf(namesOf(resource, 'PRIO_PROCESS PRIO_PGRP PRIO_USER'), 'PRIO_???'),
  getrandomFlags: flags(GETRANDOM, 'GRND_???'),
  futexOp: {
    text: (_call, value) => futexOperationText(value),
    rest: (_call, value) => FUTEX_REST[value & 0x7f] ?? ['uint', 'hex', 'address', 'hex'],
  },
  futexBitset: early((_call, value) => (value >>> 0 === 0xffffffff ? 'FUTEX_BITSET_MATCH_ANY' : hex32(value))),
} satisfies Record<string, ArgumentFormat>;
