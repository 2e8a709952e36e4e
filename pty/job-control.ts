/**
 * Job control, seen from the terminal: what it must know of the calling task, what it asks of the kernel, and the rule
 * that stops background processes. kernel-core's tasks implement `TtyCaller`, its process table `SessionControl`.
 * @source Linux drivers/tty/tty_jobctrl.c (behaviour); POSIX.1 chapter 11
 */
import { EIO, ERESTARTSYS, type Err, fail } from '../abi/errno.js';
import { SIGTTIN } from '../abi/signal.js';
import type { Caller } from '../vfs/caller.js';
import type { LineDisciplines } from './disciplines.js';

/** A terminal as sessions know it. `Tty` is the one implementation. */
export interface ControllingTerminal {
  /** Session that it controls, 0 when none. */
  readonly sid: number;
  /** Device number, as st_rdev. */
  readonly rdev: number;
  /** Foreground process group, 0 when none. */
  readonly pgid: number;
  /** The leader of session `sid`, which this terminal controls, has ended. */
  sessionLeaderExited(sid: number): void;
}

export interface TtyCaller extends Caller {
  readonly sid: number;
  readonly pgid: number;
  readonly isSessionLeader: boolean;
  controllingTty(): ControllingTerminal | null;
  /** Called by session leaders for their session; `null` from another process detaches that process only (TIOCNOTTY). */
  setControllingTty(tty: ControllingTerminal | null): void;
  /** Whether the calling thread blocks `signal` or its process ignores it. */
  ignoresOrBlocks(signal: number): boolean;
  inOrphanedGroup(): boolean;
}

/** What the kernel does for terminals, and the line disciplines that it has for them. Signals are the kernel's own (SI_KERNEL); none of these calls runs guest code. */
export interface SessionControl {
  readonly disciplines: LineDisciplines;
  signalGroup(pgid: number, signal: number): void;
  /**
   * The terminal of session `sid` hung up: the session loses its controlling terminal, its leader gets SIGHUP and
   * SIGCONT. `foreground` (0: none) gets both when the leader ends, because the terminal no longer knows it.
   */
  hangupSession(sid: number, foreground: number): void;
  /** The session loses its controlling terminal without a signal: the leader gave it up, or another session stole it. */
  detachSession(sid: number): void;
  /** Whether the process group `pgid`, or failing that the process with this id, belongs to session `sid`. */
  groupInSession(pgid: number, sid: number): boolean;
  /** Whether a process group or a process has this id. */
  idExists(id: number): boolean;
}

export const isTtyCaller = (caller: Caller): caller is TtyCaller => 'controllingTty' in caller;

/**
 * May the caller read from (SIGTTIN) or change (SIGTTOU) the terminal now?
 * @returns 0; -ERESTARTSYS after the caller's group was signalled; -EIO when stopping it would stop it for ever
 */
export function checkForeground(
  tty: ControllingTerminal,
  caller: Caller,
  signal: number,
  control: SessionControl,
): number | Err {
  if (!isTtyCaller(caller) || caller.controllingTty() !== tty) return 0;
  if (tty.pgid === 0 || caller.pgid === tty.pgid) return 0;
  if (caller.ignoresOrBlocks(signal)) return signal === SIGTTIN ? fail(EIO) : 0;
  if (caller.inOrphanedGroup()) return fail(EIO);
  control.signalGroup(caller.pgid, signal);
  return fail(ERESTARTSYS);
}
