/** Attributes of sysfs, and descriptions of them. @source Linux fs/kernfs/file.c, fs/sysfs/file.c */
import { ENODEV, type Err, fail, isErr } from '../../../abi/errno.js';
import { O_ACCMODE, O_RDONLY, O_WRONLY } from '../../../abi/fcntl.js';
import { POLLERR, POLLPRI } from '../../../abi/poll.js';
import type { Caller } from '../../caller.js';
import { OpenFile } from '../../file.js';
import type { IoIter } from '../../iter.js';
import { seekTo } from '../../seek.js';
import { ALWAYS_READY } from '../memory-file.js';
import { latin1, type ShownText } from '../shown-text.js';
import type { SysFile } from './index.js';

export interface Attribute {
  /** Permission bits. */
  readonly mode: number;
  /** `show` and `store` may answer SUSPENDED, and are asked again; and say themselves when there is nothing any more. */
  readonly sleeps?: boolean;
  /** What it shows, latin1 or bytes, asked for when it is read from the start; absent: it cannot be read. */
  show?(caller: Caller): ShownText;
  /** Takes what one write(2) brought, 4096 bytes at most; absent: it cannot be written. @returns 0 or an error */
  store?(text: string, caller: Caller): number | Err;
  /** st_size in bytes, of those that are no text. */
  size?(): number;
}

const STORE_MAX = 4096;
const ANY_READ = 0o444;
const ANY_WRITE = 0o222;

/** Not even the superuser reads what has no bit for reading, or nothing to show. */
export function accessRefused({ attribute, mode }: SysFile, flags: number): boolean {
  const access = flags & O_ACCMODE;
  const reads = access !== O_WRONLY;
  const writes = access !== O_RDONLY;
  return (
    (reads && ((mode & ANY_READ) === 0 || attribute.show === undefined)) ||
    (writes && ((mode & ANY_WRITE) === 0 || attribute.store === undefined))
  );
}

export class AttributeFile extends OpenFile {
  declare readonly inode: SysFile;
  #bytes: Uint8Array | null = null;
  /** What `changes` was when it was last read. */
  #seen = 0;

  override get waitsByItself(): boolean {
    return this.inode.attribute.sleeps === true;
  }

  override get seekable(): boolean {
    return true;
  }

  override get pollable(): boolean {
    return true;
  }

  override poll(): number {
    return this.#seen === this.inode.changes ? ALWAYS_READY : ALWAYS_READY | POLLERR | POLLPRI;
  }

  override seek(offset: number, whence: number): number | Err {
    const position = seekTo(offset, whence, this.inode.size, this.offset);
    if (!isErr(position)) this.offset = position;
    return position;
  }

  override read(to: IoIter, position: number, caller: Caller): number | Err {
    const { inode } = this;
    const isAsked = position === 0 || this.#bytes === null;
    if (!inode.isAlive && !(isAsked && this.waitsByItself)) return fail(ENODEV);
    if (isAsked) {
      this.#seen = inode.changes;
      const shown = inode.attribute.show!(caller);
      if (isErr(shown)) return shown;
      this.#bytes = typeof shown === 'string' ? latin1(shown) : shown;
    }
    const bytes = this.#bytes!;
    return position >= bytes.length ? 0 : to.put(bytes, position, bytes.length);
  }

  override write(from: IoIter, _position: number, caller: Caller): number | Err {
    if (!this.inode.isAlive && !this.waitsByItself) return fail(ENODEV);
    const buffer = new Uint8Array(Math.min(from.remaining, STORE_MAX));
    if (buffer.length === 0) return 0;
    const taken = from.take(buffer, 0, buffer.length);
    if (isErr(taken)) return taken;
    const stored = this.inode.attribute.store!(String.fromCharCode(...buffer.subarray(0, taken)), caller);
    if (!isErr(stored)) return taken;
    from.rewind(taken);
    return stored;
  }

  override fsync(): number | Err {
    return 0;
  }
}
