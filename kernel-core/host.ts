/**
 * The one door to the host. Clock, random numbers, timers and host files reach the kernel only through the `Host`
 * it was booted with; nothing else in the kernel reads a clock, a random number or the environment. With the
 * deterministic host two runs of the same thing make the same trace.
 */
import type { Timespec } from '../vfs/caller.js';
import type { HostFiles } from '../vfs/fs/hostfs.js';

const SECOND = 1_000_000_000;

/** `epoch` + `monotonic` nanoseconds. */
export function wallClock(epoch: Readonly<Timespec>, monotonic: number, out: Timespec): void {
  const nanoseconds = epoch.nsec + monotonic;
  const seconds = Math.floor(nanoseconds / SECOND);
  out.sec = epoch.sec + seconds;
  out.nsec = nanoseconds - seconds * SECOND;
}

export interface HostTimer {
  cancel(): void;
}

export interface Host {
  /** Nanoseconds on a clock that never goes back; its zero is the moment the host object was made. */
  monotonic(): number;
  /** Wall-clock time when the monotonic clock was 0: programs tell the one from the other by it (vDSO). */
  readonly epoch: Readonly<Timespec>;
  /** Wall-clock time since 1970: `epoch` and what the monotonic clock shows. */
  realtime(out: Timespec): void;
  /**
   * As `realtime`, cheaply: what it was at some moment since the event loop had its last turn. For times of files, which
   * Linux takes from its tick too. Never goes back. @source Linux fs/inode.c current_time, ktime_get_coarse_real_ts64
   */
  coarseRealtime(out: Timespec): void;
  /** Fills `target` with random bytes. */
  random(target: Uint8Array): void;
  /** Calls back once, at or after the monotonic time `deadline` (nanoseconds), from the event loop. */
  timer(deadline: number, callback: () => void): HostTimer;
  /** Calls back after the event loop had a turn. */
  defer(callback: () => void): void;
  /** The kernel executed that many guest instructions or did work worth as much; moves a virtual clock. */
  elapsed(instructions: number): void;
  /** SHA-256 of some bytes. */
  digest(bytes: Uint8Array): Uint8Array;
  /** Tells people something that programs do not notice. */
  warn(message: string): void;
  /** Files of the host, for hostfs and root file systems. */
  readonly files: HostFiles;
}
