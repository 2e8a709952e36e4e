/** What sendfile, copy_file_range and splice are asked for: from where to where, and how much. They are in files-transfer.ts. */
import { EFAULT, EINVAL, type Err, fail } from '../../abi/errno.js';
import type { OpenFile } from '../../vfs/file.js';
import type { Task } from '../task.js';
import { AT_OFFSET } from './io.js';
import { getI64, putI64 } from './layouts.js';

const word = new Uint8Array(8);
const wordView = new DataView(word.buffer);

/** An offset argument: a pointer to a position that the call moves, or 0 for the file's own offset. */
export class OffsetArgument {
  readonly #task: Task;
  readonly #address: number;
  position = AT_OFFSET;

  constructor(task: Task, address: number) {
    this.#task = task;
    this.#address = address;
  }

  get given(): boolean {
    return this.#address !== 0;
  }

  /** Reads the position. @returns 0 or -EFAULT; it may be negative */
  read(): number | Err {
    if (!this.given) return 0;
    if (this.#task.mm!.read(this.#address, word) !== 0) return fail(EFAULT);
    this.position = getI64(wordView, 0);
    return 0;
  }

  /** @returns 0, or -EINVAL for a negative position */
  check(): number | Err {
    return this.given && this.position < 0 ? fail(EINVAL) : 0;
  }

  /** @returns 0 or -EFAULT */
  store(): number | Err {
    if (!this.given) return 0;
    putI64(wordView, 0, this.position);
    return this.#task.mm!.write(this.#address, word);
  }
}

export interface Transfer {
  from: OpenFile;
  to: OpenFile;
  fromAt: OffsetArgument;
  toAt: OffsetArgument;
  count: number;
  /** Go on until all of `count` or the end (sendfile), or return with what could be had at once (splice). */
  all: boolean;
  nonBlocking: boolean;
}
