/**
 * Line disciplines: what stands between a terminal's device and its programs. Each terminal has one at a time, chosen by
 * TIOCSETD; N_TTY (n-tty.ts) is the one that makes it a terminal as people know them. Others, N_NULL (n-null.ts) and those of
 * drivers (kernel-core/drivers/ldisc.ts), may make of the bytes what they like.
 *
 * Nothing here waits: what would have to answers -EAGAIN, and the kernel waits on the terminal's hook. A discipline is made for
 * one terminal, `open`ed once, and after `close` nobody asks it any more.
 * @source Linux Documentation/driver-api/tty/tty_ldisc.rst, drivers/tty/tty_ldisc.c (behaviour)
 */
import type { Err } from '../abi/errno.js';
import type { PollMask } from '../vfs/inode.js';
import type { IoIter } from '../vfs/iter.js';
import type { IoctlCall } from './ioctl-call.js';
import type { LdiscHost } from './ldisc-host.js';
import type { Termios } from './termios.js';

export interface LineDiscipline {
  /** N_*, as TIOCGETD answers. */
  readonly number: number;
  /** Its programs see a terminal: job control, packet mode of masters. */
  readonly isTerminal: boolean;
  /** Bytes of input that it holds and nobody has read. */
  readonly unread: number;
  /** How long a read that waits may go on waiting, in nanoseconds; Infinity without a limit. */
  readonly readTimeout: number;
  /** It is the terminal's now. @returns 0, or why it cannot be: TIOCSETD answers that, and what was before comes back */
  open(): number | Err;
  /** The terminal has another one, or goes. */
  close(): void;
  /** Drops unread input. */
  flushInput(): void;
  /**
   * Takes input for a program.
   * @param isLast there is no waiting any more (O_NONBLOCK, VTIME ran out)
   * @param reserve bytes that the caller has put already (packet mode)
   * @returns bytes, 0 at an end of file, -EAGAIN to wait, -EFAULT …
   */
  read(to: IoIter, isLast: boolean, reserve: number): number | Err;
  /** Takes output of a program. @returns bytes, maybe fewer than there are; -EAGAIN when it is none, -EFAULT … */
  write(from: IoIter): number | Err;
  /** Requests that neither every terminal nor the device answers. @returns -ENOTTY for those that it does not know either */
  ioctl(call: IoctlCall, request: number): number | Err;
  /** What poll(2) reports, for a file that is not hung up. */
  poll(): PollMask;
  /** Input from the device. @returns bytes taken; the rest is offered again after `LdiscHost.inputTaken` */
  receive(bytes: Uint8Array, start: number, end: number): number;
  /** Sees input that there was no room for, once. */
  lookAhead(bytes: Uint8Array, start: number, end: number): void;
  /** The device has room for output again. */
  writeWakeup(): void;
  /** The terminal is taken away from its programs; `close` follows. */
  hangUp(): void;
  /** Settings of `LdiscHost.termios` changed. */
  termiosChanged(old: Readonly<Termios>): void;
}

export interface DisciplineType {
  readonly number: number;
  /** As /proc/tty/ldiscs shows it. */
  readonly name: string;
  /** @returns a discipline for this terminal; nothing has happened to either yet */
  make(host: LdiscHost): LineDiscipline | Err;
}
