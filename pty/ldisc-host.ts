/** What a line discipline needs of the terminal around it. It does nothing by itself but call these. */
import type { PollMask } from '../vfs/inode.js';
import type { LineDiscipline } from './ldisc.js';
import type { Termios } from './termios.js';

export interface LdiscHost {
  /** As ps shows it, without /dev/. */
  readonly name: string;
  /** Device number, as st_rdev. */
  readonly rdev: number;
  readonly termios: Readonly<Termios>;
  /** Output is stopped, by the STOP character or TCOOFF. */
  readonly stopped: boolean;
  /** Output is stopped by TCOOFF, which START does not undo. */
  readonly stoppedByCall: boolean;
  /** Bytes that `output` is sure to take. */
  writeRoom(): number;
  /** Hands processed bytes to the device. @returns bytes taken */
  output(bytes: Uint8Array, start: number, end: number): number;
  /** Drops output that the device has not passed on. */
  flushOutput(): void;
  startOutput(): void;
  stopOutput(): void;
  /** Sends `signal` to the foreground process group. */
  signal(signal: number): void;
  /** Input that nobody had read was dropped. */
  inputFlushed(): void;
  /** Readers may find something now. */
  readable(): void;
  /** Whoever polls or waits is to look again. */
  wake(mask: PollMask): void;
  /** What poll(2) reports whatever the discipline has: room for output, the state of the other end. */
  pollStatus(): PollMask;
  /** Unread input became less: what waits behind it moves on. */
  inputTaken(): void;
  /** Output so far reaches the other end now, not when the work on the terminal is done. */
  settle(): void;
  /** Between the two nobody is notified, and nothing reaches the other end. */
  begin(): void;
  end(): void;
  /** This discipline cannot go on: N_TTY takes its place, and it is not asked again. */
  giveUp(discipline: LineDiscipline): void;
}

/** The character that switches a control character off (_POSIX_VDISABLE). */
export const DISABLED = 0;

/** Bytes in each buffer of a line discipline; a power of two. */
export const LDISC_BUFFER = 4096;
export const LDISC_MASK = LDISC_BUFFER - 1;
