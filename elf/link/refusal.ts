/** Why an object was not linked, or a part of it not read. A value, never thrown. */
import { type Err, fail } from '../../abi/errno.js';

export class Refusal {
  /**
   * Negative, as a system call answers it. -EINVAL: the file is malformed or lacks a part; -EOPNOTSUPP: another machine's;
   * -ENOENT: a symbol that nobody defines; -ENOSYS: a relocation type that is not known; -ENOEXEC: well-formed, and
   * nevertheless impossible here (overflow, thread-local storage, two definitions); -ENOMEM: too large.
   */
  readonly errno: Err;
  /** A sentence without a full stop, for the kernel's log: names the section, symbol or offset. */
  readonly reason: string;

  /** @param errno positive */
  constructor(errno: number, reason: string) {
    this.errno = fail(errno);
    this.reason = reason;
  }

  toString(): string {
    return this.reason;
  }
}

/** A name out of a hostile file, for a log: what does not print is escaped, and what is long is cut. */
export function printable(name: string): string {
  const shown = name.length > 96 ? `${name.slice(0, 93)}...` : name;
  return shown.replace(/[^ -~]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
