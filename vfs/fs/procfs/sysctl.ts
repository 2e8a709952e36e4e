/** /proc/sys: what can be asked of, and a little that can be told to, the running kernel. Only what holds here is there. */
import { EINVAL, fail } from '../../../abi/errno.js';
import { directory, type FileRow, file, type NetworkRow, type Row } from './row.js';
import type { ProcBufferSettings, ProcEventLimits, ProcNetSettings } from './settings.js';
import type { ProcNetwork, ProcSource, ProcSystem } from './source.js';

/** @source linux/utsname.h __NEW_UTS_LEN */
const UTS_LENGTH = 64;
/** @source linux/limits.h NGROUPS_MAX */
const NGROUPS_MAX = 65536;
/** @source linux/capability.h CAP_CHECKPOINT_RESTORE */
const LAST_CAPABILITY = 40;
const OVERFLOW_ID = 65534;
/** RLIMIT_NOFILE can be raised up to it. */
const NR_OPEN = 1 << 20;
const PIPE_MAX_SIZE = 1 << 20;
const MOUNT_MAX = 100_000;
/** Bits that the random number generator is said to hold; it never blocks. */
const ENTROPY_BITS = 256;
const NAME_MODE = 0o644;
/** Least socket buffers. @source linux/net/sock.h SOCK_MIN_SNDBUF, SOCK_MIN_RCVBUF */
const MIN_SEND_BUFFER = 4608;
const MIN_RECEIVE_BUFFER = 2304;
/** What Linux shows where it has no limit. */
const UNLIMITED = '9223372036854775807';
const figure = (name: string, get: (system: ProcSystem) => string | number): FileRow<ProcSource> =>
  file(name, ({ system }) => `${get(system)}\n`);

/** A name of uname(2) that the superuser may set. Longer ones are cut, as sysctl does. */
const utsName = (name: 'hostname' | 'domainname'): FileRow<ProcSource> =>
  file(name, ({ system }) => `${system[name]}\n`, {
    mode: NAME_MODE,
    write: ({ system }, text) => {
      const end = text.search(/[\n\0]/);
      const value = (end < 0 ? text : text.slice(0, end)).slice(0, UTS_LENGTH);
      if (text.length === 0) return fail(EINVAL);
      system[name] = value;
      return 0;
    },
  });

/** What a setting of type int may be. */
const INT_MAX = 2 ** 31 - 1;

/** A whole number from `least` to `largest` that the superuser may set: a field of what `holder` gives of the subject. */
const number = <S, K extends string>(
  name: string,
  holder: (subject: S) => Record<K, number>,
  key: K,
  least: number,
  largest = INT_MAX,
): FileRow<S> =>
  file(name, (subject) => `${holder(subject)[key]}\n`, {
    mode: NAME_MODE,
    write: (subject, text) => {
      const digits = text.match(/^\s*(\d+)\s/)?.[1] ?? text.match(/^\s*(\d+)\0?$/)?.[1];
      const value = Number(digits ?? Number.NaN);
      if (!(value >= least && value <= largest)) return fail(EINVAL);
      holder(subject)[key] = value;
      return 0;
    },
  });

/** The levels of the log, one after the other; those that a write leaves out stay. */
const LEVELS = ['consoleLevel', 'defaultLevel', 'minimumLevel', 'defaultConsoleLevel'] as const;

const printk: FileRow<ProcSource> = file(
  'printk',
  ({ system: { log } }) => `${LEVELS.map((level) => log[level]).join('\t')}\n`,
  {
    mode: NAME_MODE,
    write: ({ system: { log } }, text) => {
      const words = text.split(/[\s\0]+/).filter((word) => word !== '');
      if (words.some((word) => !/^-?\d{1,10}$/.test(word) || Math.abs(Number(word)) > INT_MAX)) return fail(EINVAL);
      for (const [i, word] of words.slice(0, LEVELS.length).entries()) log[LEVELS[i]] = Number(word);
      return 0;
    },
  },
);

const printkDevkmsg: FileRow<ProcSource> = file('printk_devkmsg', ({ system: { log } }) => `${log.programs}\n`, {
  mode: NAME_MODE,
  write: ({ system: { log } }, text) => {
    const word = text.replace(/[\n\0].*$/s, '');
    if (word !== 'on' && word !== 'off' && word !== 'ratelimit') return fail(EINVAL);
    log.programs = word;
    return 0;
  },
});

/** Longest pattern. @source linux/binfmts.h CORENAME_MAX_SIZE */
const PATTERN_LENGTH = 127;

/** Programs that are given core files (a pattern that begins with a bar) are not built. */
const corePattern: FileRow<ProcSource> = file('core_pattern', ({ system: { core } }) => `${core.pattern}\n`, {
  mode: NAME_MODE,
  write: ({ system: { core } }, text) => {
    const pattern = text.replace(/[\n\0].*$/s, '').slice(0, PATTERN_LENGTH);
    if (pattern.startsWith('|')) return fail(EINVAL);
    core.pattern = pattern;
    return 0;
  },
});

/** Can be set to 1 and stays so. */
const modulesDisabled: FileRow<ProcSource> = file(
  'modules_disabled',
  ({ system: { security } }) => `${security.modulesDisabled ? 1 : 0}\n`,
  {
    mode: NAME_MODE,
    write: ({ system: { security } }, text) => {
      if (text.trim() !== '1') return fail(EINVAL);
      security.disableModules();
      return 0;
    },
  },
);

const secureLevel: FileRow<ProcSource> = file(
  'securelevel',
  ({ system: { security } }) => `${security.secureLevel}\n`,
  {
    mode: NAME_MODE,
    write: ({ system: { security } }, text, { caller }) =>
      /^-?\d\s*$/.test(text) ? security.setSecureLevel(Number(text), caller) : fail(EINVAL),
  },
);

/** A limit of epoll and inotify. */
const setting = (name: string, key: keyof ProcEventLimits, largest: number): FileRow<ProcSource> =>
  number(name, ({ system }: ProcSource) => system.eventLimits, key, 0, largest);

/** A limit of sockets. */
const limit = (name: string, key: keyof ProcNetSettings): FileRow<ProcNetwork> =>
  number(name, ({ settings }) => settings, key, 0);

/** A size of socket buffers: one for all namespaces, which only those of the first one can set, whoever they are. */
const bufferSize = (name: string, key: keyof ProcBufferSettings, least: number): FileRow<ProcNetwork> => ({
  ...number<ProcNetwork, typeof key>(name, ({ settings }) => settings.buffers, key, least),
  modeOf: ({ isFirst }) => (isFirst ? NAME_MODE : 0o444),
});

const network = (name: string, rows: readonly Row<ProcNetwork>[]): NetworkRow => {
  const row = directory(name, rows);
  return { kind: 'network', name, mode: row.mode, row };
};

const fileMax = ({ openFilesMax: max }: ProcSystem): string => (max >= Number.MAX_SAFE_INTEGER ? UNLIMITED : `${max}`);

const ROWS: readonly Row<ProcSource>[] = [
  directory('fs', [
    figure('dentry-state', (s) => `${s.dentries}\t${s.unusedDentries}\t45\t0\t0\t0`),
    directory('epoll', [setting('max_user_watches', 'epollWatches', Number.MAX_SAFE_INTEGER)]),
    figure('file-max', fileMax),
    figure('file-nr', (s) => `${s.openFiles}\t0\t${fileMax(s)}`),
    figure('inode-nr', (s) => `${s.inodes}\t${s.unusedInodes}`),
    figure('inode-state', (s) => `${s.inodes}\t${s.unusedInodes}\t0\t0\t0\t0\t0`),
    directory('inotify', [
      setting('max_queued_events', 'inotifyEvents', INT_MAX),
      setting('max_user_instances', 'inotifyInstances', INT_MAX),
      setting('max_user_watches', 'inotifyWatches', INT_MAX),
    ]),
    figure('mount-max', () => MOUNT_MAX),
    figure('nr_open', () => NR_OPEN),
    figure('overflowgid', () => OVERFLOW_ID),
    figure('overflowuid', () => OVERFLOW_ID),
    figure('pipe-max-size', () => PIPE_MAX_SIZE),
    figure('protected_hardlinks', () => 1),
    figure('protected_symlinks', () => 0),
    number('suid_dumpable', ({ system }: ProcSource) => system.core, 'setIdDumpable', 0, 2),
  ]),
  directory('kernel', [
    figure('arch', () => 'x86_64'),
    figure('cap_last_cap', () => LAST_CAPABILITY),
    corePattern,
    number('core_uses_pid', ({ system }: ProcSource) => system.core, 'usesPid', 0),
    number('dmesg_restrict', ({ system }: ProcSource) => system.log, 'restricted', 0, 1),
    utsName('domainname'),
    utsName('hostname'),
    number('kptr_restrict', ({ system }: ProcSource) => system.security, 'kptrRestrict', 0, 2),
    modulesDisabled,
    figure('ngroups_max', () => NGROUPS_MAX),
    figure('ns_last_pid', (s) => s.lastPid),
    figure('osrelease', (s) => s.release),
    figure('ostype', (s) => s.ostype),
    figure('overflowgid', () => OVERFLOW_ID),
    figure('overflowuid', () => OVERFLOW_ID),
    figure('pid_max', (s) => s.pidMax),
    printk,
    printkDevkmsg,
    directory('random', [
      figure('boot_id', (s) => s.bootId),
      figure('entropy_avail', () => ENTROPY_BITS),
      figure('poolsize', () => ENTROPY_BITS),
      figure('uuid', (s) => s.randomUuid()),
    ]),
    secureLevel,
    figure('tainted', (s) => s.taints),
    figure('threads-max', (s) => s.threadsMax),
    figure('version', (s) => s.buildVersion),
    number('watchdog_thresh', ({ system }: ProcSource) => system.watchdog, 'threshold', 0, 60),
  ]),
  {
    ...directory('net', [
      network('core', [
        limit('optmem_max', 'optmemMax'),
        bufferSize('rmem_default', 'receiveBufferDefault', MIN_RECEIVE_BUFFER),
        bufferSize('rmem_max', 'receiveBufferMax', MIN_RECEIVE_BUFFER),
        limit('somaxconn', 'somaxconn'),
        bufferSize('wmem_default', 'sendBufferDefault', MIN_SEND_BUFFER),
        bufferSize('wmem_max', 'sendBufferMax', MIN_SEND_BUFFER),
      ]),
      network('unix', [limit('max_dgram_qlen', 'maxDatagrams')]),
    ]),
    changes: true,
  },
  directory('vm', [figure('max_map_count', (s) => s.maxMapCount), figure('overcommit_memory', () => 0)]),
];

export const SETTINGS_ROW = directory('sys', ROWS);
