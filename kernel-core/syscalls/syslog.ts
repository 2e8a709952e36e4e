/** syslog(2): the kernel log as one text, and which of its records go to the console. */
import { CAP_SYSLOG } from '../../abi/capability.js';
import { EAGAIN, EFAULT, EINVAL, EPERM, fail, isErr } from '../../abi/errno.js';
import * as klog from '../../abi/klog.js';
import { capable } from '../../vfs/capability.js';
import type { KernelLog } from '../log/log.js';
import { LOG_BYTES } from '../log/log.js';
import type { Task } from '../task.js';
import { latin1Bytes } from '../text.js';
import type { SyscallRows } from './row.js';

const LEVEL_MAX = 8;

/** Anybody may look at all of it and ask for its size, unless /proc/sys/kernel/dmesg_restrict forbids that too. */
const isFree = (action: number, log: KernelLog): boolean =>
  log.settings.restricted === 0 &&
  (action === klog.SYSLOG_ACTION_READ_ALL || action === klog.SYSLOG_ACTION_SIZE_BUFFER);

function syslog(task: Task, type: number, address: number, length: number): number {
  const { log } = task.kernel;
  const action = type | 0;
  const size = length | 0;
  if (!isFree(action, log) && !capable(task.cred, CAP_SYSLOG)) return fail(EPERM);
  switch (action) {
    case klog.SYSLOG_ACTION_CLOSE:
    case klog.SYSLOG_ACTION_OPEN:
      return 0;
    case klog.SYSLOG_ACTION_READ:
      return read(task, address, size);
    case klog.SYSLOG_ACTION_READ_ALL:
    case klog.SYSLOG_ACTION_READ_CLEAR:
      return readAll(task, address, size, action === klog.SYSLOG_ACTION_READ_CLEAR);
    case klog.SYSLOG_ACTION_CLEAR:
      log.cleared = log.next;
      return 0;
    case klog.SYSLOG_ACTION_CONSOLE_OFF:
      log.silence();
      return 0;
    case klog.SYSLOG_ACTION_CONSOLE_ON:
      log.unsilence();
      return 0;
    case klog.SYSLOG_ACTION_CONSOLE_LEVEL:
      if (size < 1 || size > LEVEL_MAX) return fail(EINVAL);
      log.setConsoleLevel(size);
      return 0;
    case klog.SYSLOG_ACTION_SIZE_UNREAD:
      return log.reader.unread;
    case klog.SYSLOG_ACTION_SIZE_BUFFER:
      return LOG_BYTES;
    default:
      return fail(EINVAL);
  }
}

function read(task: Task, address: number, size: number): number {
  const { log } = task.kernel;
  if (address === 0 || size < 0) return fail(EINVAL);
  if (size === 0) return 0;
  const to = task.mm!.iter(address, size);
  if (isErr(to)) return to;
  return task.wait.block({
    hooks: [log.inode.hook],
    attempt: () => (log.reader.hasUnread ? log.reader.read(to) : fail(EAGAIN)),
    what: 'syslog_print',
  });
}

function readAll(task: Task, address: number, size: number, clear: boolean): number {
  const { log } = task.kernel;
  if (address === 0 || size < 0) return fail(EINVAL);
  if (size === 0) return 0;
  if (isErr(task.mm!.iter(address, size))) return fail(EFAULT);
  const bytes = latin1Bytes(log.reader.newest(size));
  const end = log.next;
  if (bytes.length > 0 && task.mm!.write(address, bytes) !== 0) return fail(EFAULT);
  if (clear) log.cleared = end;
  return bytes.length;
}

export const syslogSyscalls: SyscallRows = {
  103: { name: 'syslog', fn: syslog, support: 'full', args: ['syslogAction', 'syslogArgument', 'int'] },
};
