/**
 * The kernel log: records in a ring, each with a sequence number, a level, a facility and the time. Whoever writes into
 * it is never kept waiting; the oldest records go. Readers remember the number that they want next: /dev/kmsg each for
 * itself (kmsg.ts), syslog(2) and /proc/kmsg one for both (reader.ts).
 *
 * A text from /dev/kmsg without a newline at its end is shown only when the next record comes, as Linux does.
 */
import { KERN_WARNING } from '../../abi/klog.js';
import { POLLIN, POLLRDNORM } from '../../abi/poll.js';
import type { VfsEnv } from '../../vfs/filesystem.js';
import { AnonymousInode } from '../../vfs/fs/anon-inode.js';
import type { ProcLogSettings } from '../../vfs/fs/procfs/settings.js';
import { SyslogReader } from './reader.js';

/** Bytes of text that are kept. @source CONFIG_LOG_BUF_SHIFT = 17 */
export const LOG_BYTES = 1 << 17;
/** Records that are kept, however short: a power of two. */
const LOG_RECORDS = LOG_BYTES >> 5;
/** Bytes of text in one record, which on Linux ends with a zero byte. @source kernel/printk/printk_ringbuffer.h PRINTKRB_RECORD_MAX */
export const RECORD_MAX = 1023;

export interface LogRecord {
  /** From 0, without gaps. */
  readonly sequence: number;
  /** KERN_*. */
  readonly level: number;
  /** LOG_*, 8 bits. */
  readonly facility: number;
  /** Monotonic, nanoseconds since boot. */
  readonly time: number;
  /** Latin1, without the last newline; others may be inside. */
  readonly text: string;
}

/** Where readers of the log hang. */
class LogInode extends AnonymousInode {
  override poll(): number {
    return POLLIN | POLLRDNORM;
  }
}

export class KernelLog {
  readonly inode: AnonymousInode;
  /** Of syslog(2) and /proc/kmsg. */
  readonly reader = new SyslogReader(this);
  readonly settings: ProcLogSettings = {
    consoleLevel: 7,
    defaultLevel: KERN_WARNING,
    minimumLevel: 1,
    defaultConsoleLevel: 7,
    restricted: 1,
    programs: 'ratelimit',
  };
  /** Records before it were cleared: syslog(2) does not show them again. */
  cleared = 0;
  /** Gets each record that is complete. Must not write into the log. */
  listener: ((record: LogRecord) => void) | null = null;
  readonly #now: () => number;
  readonly #ring: (LogRecord | undefined)[] = new Array(LOG_RECORDS);
  #first = 0;
  #next = 0;
  #bytes = 0;
  /** The record that waits for its successor. */
  #unfinished: LogRecord | null = null;
  /** The console's level before it was silenced. */
  #levelBefore: number | null = null;

  /** @param now monotonic clock in nanoseconds */
  constructor(env: VfsEnv, now: () => number) {
    this.inode = new LogInode(env, 'kmsg');
    this.#now = now;
  }

  /** Sequence number of the oldest record. */
  get first(): number {
    return this.#first;
  }

  /** Sequence number that the next record will get. */
  get next(): number {
    return this.#next;
  }

  /**
   * Adds a record, which everybody sees at once. Longer texts are cut.
   * @param text latin1; a newline at the end may be left out
   */
  write(level: number, facility: number, text: string): void {
    this.#finish();
    this.#append(this.#record(level, facility, text.endsWith('\n') ? text.slice(0, -1) : text));
  }

  /** As `write`, for what programs say: without its newline it waits for the next record. */
  writeOpen(level: number, facility: number, text: string): void {
    this.#finish();
    const record = this.#record(level, facility, text.endsWith('\n') ? text.slice(0, -1) : text);
    if (text.endsWith('\n')) this.#append(record);
    else this.#unfinished = record;
  }

  /** @returns the record with this number, or the oldest that is left if it is gone; undefined: not written yet */
  from(sequence: number): LogRecord | undefined {
    const wanted = Math.max(sequence, this.#first);
    return wanted < this.#next ? this.#ring[wanted % LOG_RECORDS] : undefined;
  }

  /** From now on only emergencies go to the console. */
  silence(): void {
    this.#levelBefore ??= this.settings.consoleLevel;
    this.settings.consoleLevel = this.settings.minimumLevel;
  }

  /** Undoes `silence`. */
  unsilence(): void {
    if (this.#levelBefore === null) return;
    this.settings.consoleLevel = this.#levelBefore;
    this.#levelBefore = null;
  }

  setConsoleLevel(level: number): void {
    this.settings.consoleLevel = Math.max(level, this.settings.minimumLevel);
    this.#levelBefore = null;
  }

  #record(level: number, facility: number, text: string): LogRecord {
    return {
      sequence: this.#next,
      level: level & 7,
      facility: facility & 0xff,
      time: this.#now(),
      text: text.slice(0, RECORD_MAX),
    };
  }

  #finish(): void {
    const record = this.#unfinished;
    if (record === null) return;
    this.#unfinished = null;
    this.#append(record);
  }

  #append(record: LogRecord): void {
    this.#bytes += record.text.length;
    while (this.#bytes > LOG_BYTES || this.#next - this.#first >= LOG_RECORDS) {
      this.#bytes -= this.#ring[this.#first % LOG_RECORDS]!.text.length;
      this.#ring[this.#first++ % LOG_RECORDS] = undefined;
    }
    this.#ring[this.#next++ % LOG_RECORDS] = record;
    this.listener?.(record);
    this.inode.notify(POLLIN | POLLRDNORM);
  }
}
