/**
 * /dev/kmsg: the log record by record. Every description reads for itself, from the oldest record; what programs write
 * becomes a record of theirs. @source Linux kernel/printk/printk.c devkmsg_*; Documentation/ABI/testing/dev-kmsg
 */
import { CAP_SYSLOG } from '../../abi/capability.js';
import { EAGAIN, EFAULT, EINVAL, EPERM, EPIPE, type Err, ESPIPE, fail, isErr } from '../../abi/errno.js';
import { O_ACCMODE, O_WRONLY, SEEK_DATA, SEEK_END, SEEK_SET } from '../../abi/fcntl.js';
import { KERN_WARNING, LOG_KERN, LOG_USER } from '../../abi/klog.js';
import { POLLERR, POLLIN, POLLPRI, POLLRDNORM } from '../../abi/poll.js';
import type { Caller } from '../../vfs/caller.js';
import { capable } from '../../vfs/capability.js';
import type { DeviceTable } from '../../vfs/devices.js';
import { OpenFile } from '../../vfs/file.js';
import type { Devfs } from '../../vfs/fs/devfs.js';
import { MEM_MAJOR } from '../../vfs/fs/memory-devices.js';
import type { Inode } from '../../vfs/inode.js';
import type { IoIter } from '../../vfs/iter.js';
import { latin1Bytes } from '../text.js';
import { type KernelLog, RECORD_MAX } from './log.js';
import { kmsgText, parsePrefix } from './text.js';

export const KMSG_MINOR = 11;
export const KMSG_MODE = 0o644;
/** Of each description, unless the superuser allows more: so many records in so many nanoseconds. */
const BURST = 10;
const INTERVAL = 5_000_000_000;

class KmsgFile extends OpenFile {
  readonly #log: KernelLog;
  readonly #now: () => number;
  readonly #who: () => string;
  /** Number of the record to read next. */
  #sequence: number;
  /** When the present interval began, what was written and suppressed in it. */
  #since = Number.NEGATIVE_INFINITY;
  #written = 0;
  #missed = 0;

  constructor(log: KernelLog, flags: number, now: () => number, who: () => string) {
    super(log.inode as Inode, flags);
    this.#log = log;
    this.#now = now;
    this.#who = who;
    this.#sequence = log.first;
  }

  /** pread(2) does not look at its offset. */
  override get seekable(): boolean {
    return true;
  }

  override poll(): number {
    const record = this.readable ? this.#log.from(this.#sequence) : undefined;
    if (record === undefined) return 0;
    const overrun = record.sequence === this.#sequence ? 0 : POLLERR | POLLPRI;
    return POLLIN | POLLRDNORM | overrun;
  }

  override read(to: IoIter, _position: number, _caller: Caller): number | Err {
    const record = this.#log.from(this.#sequence);
    if (record === undefined) return fail(EAGAIN);
    if (record.sequence !== this.#sequence) {
      this.#sequence = record.sequence;
      return fail(EPIPE);
    }
    // Read or not, it is not there again: a buffer that is too small must not stop the reader for ever.
    this.#sequence++;
    const bytes = latin1Bytes(kmsgText(record));
    if (bytes.length > to.remaining) return fail(EINVAL);
    const count = to.put(bytes, 0, bytes.length);
    return isErr(count) || count < bytes.length ? fail(EFAULT) : count;
  }

  override write(from: IoIter, _position: number, _caller: Caller): number | Err {
    const length = from.remaining;
    if (length > RECORD_MAX + 1) return fail(EINVAL);
    const { programs } = this.#log.settings;
    if (programs === 'off' || (programs === 'ratelimit' && !this.#mayWrite())) return length;
    const bytes = new Uint8Array(length);
    const count = from.take(bytes, 0, length);
    if (isErr(count) || count < length) return fail(EFAULT);
    const said = String.fromCharCode(...bytes).replace(/\0.*$/s, '');
    const { level, facility, text } = parsePrefix(said, this.#log.settings.defaultLevel, LOG_USER);
    this.#log.writeOpen(level, facility, text);
    return length;
  }

  /** Only whole records can be gone to: the oldest, what came after the log was cleared, what is to come. */
  override seek(offset: number, whence: number): number | Err {
    if (offset !== 0) return fail(ESPIPE);
    switch (whence) {
      case SEEK_SET:
        this.#sequence = this.#log.first;
        return 0;
      case SEEK_DATA:
        this.#sequence = Math.max(this.#log.cleared, this.#log.first);
        return 0;
      case SEEK_END:
        this.#sequence = this.#log.next;
        return 0;
      default:
        return fail(EINVAL);
    }
  }

  #mayWrite(): boolean {
    const now = this.#now();
    if (now - this.#since > INTERVAL) {
      this.#since = now;
      this.#written = 0;
    }
    if (this.#written < BURST) {
      this.#written++;
      return true;
    }
    this.#missed++;
    return false;
  }

  protected override release(): void {
    if (this.#missed > 0) {
      this.#log.write(
        KERN_WARNING,
        LOG_KERN,
        `printk: ${this.#who()}: ${this.#missed} output lines suppressed due to ratelimiting`,
      );
    }
    super.release();
  }
}

/**
 * Registers the device and makes its node.
 * @param now monotonic clock in nanoseconds
 * @param who name of the running program
 */
export function installKmsg(
  log: KernelLog,
  devices: DeviceTable,
  devfs: Devfs,
  now: () => number,
  who: () => string,
): void {
  const open = (_node: Inode, flags: number, caller: Caller): OpenFile | Err => {
    const reads = (flags & O_ACCMODE) !== O_WRONLY;
    if (reads && log.settings.restricted !== 0 && !capable(caller.cred, CAP_SYSLOG)) return fail(EPERM);
    return new KmsgFile(log, flags, now, who);
  };
  devices.registerCharDevice(MEM_MAJOR, KMSG_MINOR, open, 'mem');
  devfs.addDevice('kmsg', MEM_MAJOR, KMSG_MINOR, KMSG_MODE);
}
