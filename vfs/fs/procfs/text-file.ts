/**
 * Descriptions of procfs' texts. A text is made when it is read from the start and kept until the next such read, so
 * that a reader who takes it in pieces gets one consistent picture. @source Linux fs/seq_file.c
 */
import { EINVAL, EIO, type Err, ESRCH, fail, isErr } from '../../../abi/errno.js';
import { SEEK_END } from '../../../abi/fcntl.js';
import type { Caller } from '../../caller.js';
import { OpenFile } from '../../file.js';
import type { IoIter } from '../../iter.js';
import { seekTo } from '../../seek.js';
import { latin1 } from '../shown-text.js';
import type { ProcFile } from './nodes.js';
import type { FileRow } from './row.js';

/** Bytes of one write that are looked at: more than any setting has. */
const WRITE_LIMIT = 4096;

export class ProcText<S> extends OpenFile {
  declare readonly inode: ProcFile<S>;
  readonly #row: FileRow<S>;
  #bytes: Uint8Array | null = null;

  constructor(inode: ProcFile<S>, row: FileRow<S>, flags: number) {
    super(inode, flags);
    this.#row = row;
  }

  override get waitsByItself(): boolean {
    return this.#row.sleeps === true;
  }

  override get seekable(): boolean {
    return true;
  }

  override seek(offset: number, whence: number): number | Err {
    const position = whence === SEEK_END ? fail(EINVAL) : seekTo(offset, whence, 0, this.offset);
    if (!isErr(position)) this.offset = position;
    return position;
  }

  override read(to: IoIter, position: number, caller: Caller): number | Err {
    if (position === 0 || this.#bytes === null) {
      const made = this.#make(caller);
      if (isErr(made)) return made;
      this.#bytes = made;
    }
    const bytes = this.#bytes;
    return position >= bytes.length ? 0 : to.put(bytes, position, bytes.length);
  }

  override write(from: IoIter, position: number, caller: Caller): number | Err {
    const { inode } = this;
    if (this.#row.write === undefined) return fail(EIO);
    if (!inode.isAlive && !this.waitsByItself) return fail(ESRCH);
    const buffer = new Uint8Array(Math.min(from.remaining, WRITE_LIMIT));
    const whole = from.remaining;
    const taken = from.take(buffer, 0, buffer.length);
    if (isErr(taken)) return taken;
    const text = String.fromCharCode(...buffer.subarray(0, taken));
    const result = this.#row.write(inode.subject.value, text, inode.fs.reader(caller), position);
    if (!isErr(result)) return whole;
    from.rewind(taken);
    return result;
  }

  #make(caller: Caller): Uint8Array | Err {
    const { inode } = this;
    if (!inode.isAlive && !this.waitsByItself) return fail(ESRCH);
    if (this.#row.read === undefined) return fail(EIO);
    const content = this.#row.read(inode.subject.value, inode.fs.reader(caller));
    return typeof content === 'string' ? latin1(content) : content;
  }
}
