/** Arguments that point to structures of files and of the system. */
import * as mount from '../../abi/mount.js';
import * as sched from '../../abi/sched.js';
import * as stat from '../../abi/stat.js';
import { getI64 } from '../syscalls/layouts.js';
import { type ArgumentFormat, early, failed, filled, late, peekView, pointed, type TraceCall } from './call.js';
import { cloneFlagText, statxMaskText } from './kinds-flags.js';
import { deviceText, modeText } from './kinds-numbers.js';
import { timevalAt } from './kinds-time.js';
import { flagText, hex, type Names, namesOf, pointer, quote, signalText, unsigned64, valueText } from './text.js';

/** struct stat, abbreviated: mode, and size or device. */
function statText(view: DataView): string {
  const mode = view.getUint32(24, true);
  const type = mode & stat.S_IFMT;
  const isDevice = type === stat.S_IFCHR || type === stat.S_IFBLK;
  const second = isDevice ? `st_rdev=${deviceText(view.getUint32(40, true))}` : `st_size=${getI64(view, 48)}`;
  return `{st_mode=${modeText(mode)}, ${second}, ...}`;
}

const STATX_ATTRIBUTES = namesOf(
  stat,
  'STATX_ATTR_COMPRESSED STATX_ATTR_IMMUTABLE STATX_ATTR_APPEND STATX_ATTR_NODUMP STATX_ATTR_ENCRYPTED STATX_ATTR_AUTOMOUNT STATX_ATTR_MOUNT_ROOT STATX_ATTR_VERITY STATX_ATTR_DAX',
);

function statxText(view: DataView): string {
  const mask = statxMaskText(view.getUint32(0, true));
  const attributes = flagText(view.getUint32(8, true), STATX_ATTRIBUTES, 'STATX_ATTR_???');
  const mode = modeText(view.getUint16(28, true));
  return `{stx_mask=${mask}, stx_attributes=${attributes}, stx_mode=${mode}, stx_size=${getI64(view, 40)}, ...}`;
}

const MAGICS = namesOf(
  mount,
  'TMPFS_MAGIC PROC_SUPER_MAGIC DEVPTS_SUPER_MAGIC PIPEFS_MAGIC SOCKFS_MAGIC SYSFS_MAGIC OVERLAYFS_SUPER_MAGIC ANON_INODE_FS_MAGIC',
);
/** Flags of statfs(2), under strace's names. */
const STATFS_FLAGS: Names = [
  ['ST_VALID', 0x20],
  ['ST_RDONLY', 1],
  ['ST_NOSUID', 2],
  ['ST_NODEV', 4],
  ['ST_NOEXEC', 8],
  ['ST_SYNCHRONOUS', 0x10],
  ['ST_MANDLOCK', 0x40],
  ['ST_NOATIME', 0x400],
  ['ST_NODIRATIME', 0x800],
  ['ST_RELATIME', 0x1000],
];

function statfsText(view: DataView): string {
  const type = getI64(view, 0);
  const name = MAGICS.find(([, magic]) => magic === type)?.[0] ?? (type === 0xef53 ? 'EXT2_SUPER_MAGIC' : hex(type));
  const [bsize, blocks, bfree, bavail, files, ffree] = [8, 16, 24, 32, 40, 48].map((offset) => getI64(view, offset));
  const fsid = `{val=[${hex(view.getUint32(56, true))}, ${hex(view.getUint32(60, true))}]}`;
  return (
    `{f_type=${name}, f_bsize=${bsize}, f_blocks=${blocks}, f_bfree=${bfree}, f_bavail=${bavail}, f_files=${files}, ` +
    `f_ffree=${ffree}, f_fsid=${fsid}, f_namelen=${getI64(view, 64)}, f_frsize=${getI64(view, 72)}, ` +
    `f_flags=${flagText(getI64(view, 80), STATFS_FLAGS, 'ST_???')}}`
  );
}

const FLOCK_TYPES: Names = [
  ['F_RDLCK', 0],
  ['F_WRLCK', 1],
  ['F_UNLCK', 2],
];
const SEEK_TYPES: Names = [
  ['SEEK_SET', 0],
  ['SEEK_CUR', 1],
  ['SEEK_END', 2],
];

/** struct flock: type, whence (i16), start, length (i64), pid. */
const flockText =
  (withPid: boolean) =>
  (view: DataView): string => {
    const type = valueText(view.getInt16(0, true), FLOCK_TYPES, 'F_???');
    const whence = valueText(view.getInt16(2, true), SEEK_TYPES, 'SEEK_???');
    const pid = withPid ? `, l_pid=${view.getInt32(24, true)}` : '';
    return `{l_type=${type}, l_whence=${whence}, l_start=${getI64(view, 8)}, l_len=${getI64(view, 16)}${pid}}`;
  };

const OWNER_TYPES: Names = [
  ['F_OWNER_TID', 0],
  ['F_OWNER_PID', 1],
  ['F_OWNER_PGRP', 2],
];
const ownerText = (view: DataView): string =>
  `{type=${valueText(view.getInt32(0, true), OWNER_TYPES, 'F_OWNER_???')}, pid=${view.getInt32(4, true)}}`;

const RLIM_INFINITY = 2n ** 64n - 1n;

/** A limit: whole multiples of 1024 as such. */
function limitText(view: DataView, offset: number): string {
  const value = view.getBigUint64(offset, true);
  if (value === RLIM_INFINITY) return 'RLIM64_INFINITY';
  return value > 1024n && value % 1024n === 0n ? `${value / 1024n}*1024` : String(value);
}
const rlimitText = (view: DataView): string => `{rlim_cur=${limitText(view, 0)}, rlim_max=${limitText(view, 8)}}`;

const UTS_FIELD = 65;
function utsnameText(view: DataView): string {
  const field = (index: number): string => {
    const bytes = new Uint8Array(view.buffer, index * UTS_FIELD, UTS_FIELD);
    const end = bytes.indexOf(0);
    return quote(bytes.subarray(0, end < 0 ? UTS_FIELD : end), UTS_FIELD);
  };
  return `{sysname=${field(0)}, nodename=${field(1)}, ...}`;
}

function sysinfoText(view: DataView): string {
  const word = (index: number): string => unsigned64(getI64(view, 8 * index)).toString();
  return (
    `{uptime=${word(0)}, loads=[${word(1)}, ${word(2)}, ${word(3)}], totalram=${word(4)}, freeram=${word(5)}, ` +
    `sharedram=${word(6)}, bufferram=${word(7)}, totalswap=${word(8)}, freeswap=${word(9)}, ` +
    `procs=${view.getUint16(80, true)}, totalhigh=${word(11)}, freehigh=${word(12)}, mem_unit=${view.getUint32(104, true)}}`
  );
}

export const rusageText = (view: DataView): string =>
  `{ru_utime=${timevalAt(view, 0)}, ru_stime=${timevalAt(view, 16)}, ...}`;

const CAPABILITIES =
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE'.split(
    ' ',
  );

/** Two words of capability bits, 12 bytes apart. */
function capabilityText(view: DataView, offset: number): string {
  const names: string[] = [];
  for (let bit = 0; bit < 64; bit++) {
    const word = view.getUint32(offset + (bit >> 5) * 12, true);
    if ((word >>> (bit & 31)) & 1) names.push(bit < CAPABILITIES.length ? `1<<CAP_${CAPABILITIES[bit]}` : `1<<${bit}`);
  }
  return names.length === 0 ? '0' : names.join('|');
}
const capDataText = (view: DataView): string =>
  `{effective=${capabilityText(view, 0)}, permitted=${capabilityText(view, 4)}, inheritable=${capabilityText(view, 8)}}`;

const CAP_VERSIONS: Names = [
  ['_LINUX_CAPABILITY_VERSION_1', 0x19980330],
  ['_LINUX_CAPABILITY_VERSION_2', 0x20071026],
  ['_LINUX_CAPABILITY_VERSION_3', 0x20080522],
];

const PARENT_POINTER = sched.CLONE_PARENT_SETTID | sched.CLONE_PIDFD;
const CHILD_POINTER = sched.CLONE_CHILD_SETTID | sched.CLONE_CHILD_CLEARTID;

/** clone as strace has it: stack first, then flags. */
function cloneText([flags, stack]: readonly number[]): string {
  const signal = flags & 0xff;
  const bits = (flags & ~0xff) >>> 0;
  const names = bits === 0 ? [] : [cloneFlagText(bits)];
  if (signal !== 0) names.push(signalText(signal));
  return `child_stack=${pointer(stack)}, flags=${names.length === 0 ? '0' : names.join('|')}`;
}

/** The pointers that the flags of clone give a meaning, once the call has filled them in. */
function clonePointersText(call: TraceCall): string {
  const [flags, , parentTid, childTid, tls] = call.args;
  const parts: string[] = [];
  if (flags & PARENT_POINTER) {
    const view = failed(call) ? null : peekView(call, parentTid, 4);
    parts.push(`parent_tid=${view === null ? pointer(parentTid) : `[${view.getInt32(0, true)}]`}`);
  }
  if (flags & sched.CLONE_SETTLS) parts.push(`tls=${pointer(tls)}`);
  if (flags & CHILD_POINTER) parts.push(`child_tidptr=${pointer(childTid)}`);
  return parts.join(', ');
}

/** struct clone_args as far as its first version goes. */
function cloneArgsText(view: DataView): string {
  const [flags, pidfd, childTid, parentTid, signal, stack, stackSize, tls] = Array.from({ length: 8 }, (_, i) =>
    getI64(view, 8 * i),
  );
  const parts = [`flags=${cloneFlagText(flags)}`];
  const low = flags % 2 ** 32;
  if (low & sched.CLONE_PIDFD) parts.push(`pidfd=${pointer(pidfd)}`);
  if (low & CHILD_POINTER) parts.push(`child_tid=${pointer(childTid)}`);
  if (low & sched.CLONE_PARENT_SETTID) parts.push(`parent_tid=${pointer(parentTid)}`);
  parts.push(`exit_signal=${signalText(signal)}`, `stack=${pointer(stack)}`, `stack_size=${hex(stackSize)}`);
  if (low & sched.CLONE_SETTLS) parts.push(`tls=${pointer(tls)}`);
  return `{${parts.join(', ')}}`;
}

export const STRUCT_KINDS = {
  statOut: filled(144, statText),
  statxOut: filled(256, statxText),
  statfsOut: filled(120, statfsText),
  flockIn: pointed(32, flockText(false)),
  flockOut: filled(32, flockText(true)),
  ownerIn: pointed(8, ownerText),
  ownerOut: filled(8, ownerText),
  rlimitIn: pointed(16, rlimitText),
  rlimitOut: filled(16, rlimitText),
  utsnameOut: filled(6 * UTS_FIELD, utsnameText),
  sysinfoOut: filled(112, sysinfoText),
  rusageOut: filled(144, rusageText),
  capHeader: pointed(8, (view) => {
    const version = valueText(view.getUint32(0, true), CAP_VERSIONS, '_LINUX_CAPABILITY_VERSION_???');
    return `{version=${version}, pid=${view.getInt32(4, true)}}`;
  }),
  capDataOut: filled(24, capDataText),
  capDataIn: pointed(24, capDataText),
  cloneFlags: {
    ...early((call) => cloneText(call.args)),
    rest: (_call, flags) => (flags & (PARENT_POINTER | CHILD_POINTER | sched.CLONE_SETTLS) ? ['clonePointers'] : []),
  },
  clonePointers: late(clonePointersText),
  cloneArgs: pointed(64, cloneArgsText),
} satisfies Record<string, ArgumentFormat>;
