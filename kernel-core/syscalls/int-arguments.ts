/**
 * Which arguments of a system call are ints. Of their registers the lower half counts alone: what the upper one holds is
 * up to the compiler. @source System V ABI of x86-64, section 3.2.3; Linux SYSCALL_DEFINE, which casts
 */
import type { ArgumentKind } from '../trace/kinds.js';

const INTS: ReadonlySet<ArgumentKind> = new Set<ArgumentKind>([
  ...([
    'fd',
    'dirfd',
    'pid',
    'uid',
    'id',
    'int',
    'uint',
    'signal',
    'mode',
    'nodeMode',
    'openMode',
    'accessMode',
  ] as const),
  ...(['addressFamily', 'socketType', 'socketProtocol', 'socketLevel', 'socketOption'] as const),
  ...(['msgFlags', 'socketFlags', 'shutdownHow', 'clockId', 'itimerWhich', 'prioWhich', 'rlimitResource'] as const),
  ...(['rusageWho', 'sigHow', 'waitIdType', 'waitOptions', 'whence', 'prctlOption', 'archPrctlOption'] as const),
  ...(['futexOp', 'epollOp', 'flockOperation', 'fcntlCommand', 'ioctlRequest', 'syslogAction', 'madvise'] as const),
  ...(['fadvise', 'fallocateMode', 'statxMask', 'inotifyMask', 'namespaceKinds', 'openFlags', 'atFlags'] as const),
  ...(['accessFlags', 'closeRangeFlags', 'dup3Flags', 'epollFlags', 'eventfdFlags', 'getrandomFlags'] as const),
  ...(['inotifyFlags', 'linkFlags', 'mclFlags', 'memfdFlags', 'mlockFlags', 'msyncFlags', 'pidfdFlags'] as const),
  ...([
    'pidfdSignalFlags',
    'pipeFlags',
    'renameFlags',
    'rwFlags',
    'signalfdFlags',
    'spliceFlags',
    'statFlags',
  ] as const),
  ...([
    'statxFlags',
    'syncRangeFlags',
    'timerFlags',
    'timerfdFlags',
    'umountFlags',
    'unlinkFlags',
    'xattrFlags',
  ] as const),
  'device',
  'mmapFlags',
]);

/** @returns bit n: argument n is one */
export const intsAmong = (args: readonly ArgumentKind[]): number =>
  args.reduce((mask, kind, i) => (INTS.has(kind) ? mask | (1 << i) : mask), 0);
