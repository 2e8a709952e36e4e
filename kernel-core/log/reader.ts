/**
 * The reader that syslog(2) and /proc/kmsg share: what one of them has read the other does not see again.
 * A record may be read in pieces. @source Linux kernel/printk/printk.c syslog_print, syslog_print_all
 */
import { EAGAIN, type Err, fail, isErr } from '../../abi/errno.js';
import { POLLIN, POLLRDNORM } from '../../abi/poll.js';
import type { Caller } from '../../vfs/caller.js';
import { OpenFile } from '../../vfs/file.js';
import type { SpecialRow } from '../../vfs/fs/procfs/row.js';
import type { ProcSource } from '../../vfs/fs/procfs/source.js';
import type { IoIter } from '../../vfs/iter.js';
import { seekTo } from '../../vfs/seek.js';
import { latin1Bytes } from '../text.js';
import type { KernelLog } from './log.js';
import { syslogText } from './text.js';

export class SyslogReader {
  readonly #log: KernelLog;
  /** Next record, and how many bytes of it have been read. */
  #sequence = 0;
  #partial = 0;

  constructor(log: KernelLog) {
    this.#log = log;
  }

  get hasUnread(): boolean {
    return this.#log.from(this.#sequence) !== undefined;
  }

  /** Bytes that are to be read. */
  get unread(): number {
    this.#skipGone();
    let bytes = -this.#partial;
    for (const text of this.#texts(this.#sequence)) bytes += text.length;
    return Math.max(0, bytes);
  }

  /**
   * Reads whole records, or a piece of the first one if not even that fits.
   * @returns bytes, 0 if there is nothing
   */
  read(to: IoIter): number | Err {
    let done = 0;
    while (to.remaining > 0) {
      this.#skipGone();
      const record = this.#log.from(this.#sequence);
      if (record === undefined) break;
      const bytes = latin1Bytes(syslogText(record));
      const rest = bytes.length - this.#partial;
      if (rest > to.remaining && done > 0) break;
      const count = to.put(bytes, this.#partial, bytes.length);
      if (isErr(count)) return done > 0 ? done : count;
      done += count;
      this.#partial += count;
      if (this.#partial < bytes.length) break;
      this.#sequence++;
      this.#partial = 0;
    }
    return done;
  }

  /** The newest records since the log was cleared, as many as have room in `size` bytes, the oldest first. */
  newest(size: number): string {
    const texts = [...this.#texts(this.#log.cleared)];
    let bytes = 0;
    let at = texts.length;
    while (at > 0 && bytes + texts[at - 1].length <= size) bytes += texts[--at].length;
    return texts.slice(at).join('');
  }

  #skipGone(): void {
    if (this.#sequence >= this.#log.first) return;
    this.#sequence = this.#log.first;
    this.#partial = 0;
  }

  *#texts(from: number): Iterable<string> {
    for (let n = Math.max(from, this.#log.first); n < this.#log.next; n++) yield syslogText(this.#log.from(n)!);
  }
}

/** /proc/kmsg. */
class ProcKmsgFile extends OpenFile {
  readonly #reader: SyslogReader;

  constructor(log: KernelLog, flags: number) {
    super(log.inode, flags);
    this.#reader = log.reader;
  }

  override get seekable(): boolean {
    return true;
  }

  override seek(offset: number, whence: number): number | Err {
    const position = seekTo(offset, whence, 0, this.offset);
    if (!isErr(position)) this.offset = position;
    return position;
  }

  override poll(): number {
    return this.#reader.hasUnread ? POLLIN | POLLRDNORM : 0;
  }

  override read(to: IoIter, _position: number, _caller: Caller): number | Err {
    return this.#reader.hasUnread ? this.#reader.read(to) : fail(EAGAIN);
  }
}

/** The row of /proc/kmsg: only the superuser may open it. */
export const procKmsg = (log: KernelLog): SpecialRow<ProcSource> => ({
  kind: 'special',
  name: 'kmsg',
  mode: 0o400,
  open: (_inode, _source, flags) => new ProcKmsgFile(log, flags),
});
