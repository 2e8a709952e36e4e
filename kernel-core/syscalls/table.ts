/** The system call table of Linux x86-64: one row per number, families in the files beside. */
import { ENOSYS, fail } from '../../abi/errno.js';
import { SYSCALL_NAMES } from '../../abi/syscall-numbers.js';
import { capabilitySyscalls } from './capabilities.js';
import { credentialSyscalls } from './credentials.js';
import { directorySyscalls } from './directories.js';
import { epollSyscalls } from './epoll.js';
import { eventfdSyscalls } from './eventfd.js';
import { execSyscalls } from './exec.js';
import { fileSyscalls } from './files.js';
import { futexSyscalls } from './futex.js';
import { inotifySyscalls } from './inotify.js';
import { intsAmong } from './int-arguments.js';
import { itimerSyscalls } from './itimers.js';
import { memorySyscalls } from './memory.js';
import { metadataSyscalls } from './metadata.js';
import { moduleSyscalls } from './modules.js';
import { mountSyscalls } from './mounts.js';
import { namespaceSyscalls } from './namespaces.js';
import { pidfdSyscalls } from './pidfd.js';
import { pollSyscalls } from './poll.js';
import { posixTimerSyscalls } from './posix-timers.js';
import { processSyscalls } from './processes.js';
import { entryOf, type SyscallEntry, type SyscallRow, type SyscallRows } from './row.js';
import { schedulingSyscalls } from './scheduling.js';
import { signalfdSyscalls } from './signalfd.js';
import { signalSyscalls } from './signals.js';
import { socketSyscalls } from './socket.js';
import { socketMessageSyscalls } from './socket-messages.js';
import { socketMmsgSyscalls } from './socket-mmsg.js';
import { socketOptionSyscalls } from './socket-options.js';
import { syslogSyscalls } from './syslog.js';
import { systemSyscalls } from './system.js';
import { timeSyscalls } from './time.js';
import { timerfdSyscalls } from './timerfd.js';

const FAMILIES: readonly SyscallRows[] = [
  fileSyscalls,
  directorySyscalls,
  metadataSyscalls,
  mountSyscalls,
  pollSyscalls,
  epollSyscalls,
  eventfdSyscalls,
  itimerSyscalls,
  posixTimerSyscalls,
  timerfdSyscalls,
  signalfdSyscalls,
  pidfdSyscalls,
  inotifySyscalls,
  memorySyscalls,
  processSyscalls,
  namespaceSyscalls,
  execSyscalls,
  signalSyscalls,
  credentialSyscalls,
  capabilitySyscalls,
  timeSyscalls,
  schedulingSyscalls,
  systemSyscalls,
  syslogSyscalls,
  moduleSyscalls,
  futexSyscalls,
  socketSyscalls,
  socketMessageSyscalls,
  socketMmsgSyscalls,
  socketOptionSyscalls,
];

const unbuilt = (name: string): SyscallRow => ({
  name,
  fn: () => fail(ENOSYS),
  support: 'none',
  args: ['hex', 'hex', 'hex', 'hex', 'hex', 'hex'],
});

const complete = (row: SyscallRow): SyscallEntry => entryOf(row, row.ints ?? intsAmong(row.args));

function makeTable(): SyscallEntry[] {
  const table: SyscallEntry[] = [];
  for (const [number, name] of SYSCALL_NAMES) table[number] = complete(unbuilt(name));
  for (const family of FAMILIES) {
    for (const [number, row] of Object.entries(family)) table[Number(number)] = complete(row);
  }
  for (let number = 0; number < table.length; number++) table[number] ??= UNKNOWN_SYSCALL;
  return table;
}

/** For numbers that name no system call. */
export const UNKNOWN_SYSCALL: SyscallEntry = complete(unbuilt('syscall'));

export const SYSCALLS: readonly SyscallEntry[] = makeTable();
