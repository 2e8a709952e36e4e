/**
 * Signal numbers of the protocol, which are gdb's own for all systems, and Linux's.
 * @source gdb/signals.def; GDB manual, "Stop Reply Packets"
 */

/** By Linux's number. */
const GDB_BY_LINUX = [
  ...[0, 1, 2, 3, 4, 5, 6, 10, 8, 9, 30, 11, 31, 13, 14, 15],
  // SIGSTKFLT has none of its own.
  ...[143, 20, 19, 17, 18, 21, 22, 16, 24, 25, 26, 27, 28, 23, 32, 12],
];
/** Real-time signals: 32 is behind 64, from 33 on they follow each other. */
const GDB_REALTIME_33 = 45;
const GDB_REALTIME_32 = 77;
const GDB_REALTIME_64 = 78;

export function toGdb(signal: number): number {
  if (signal < GDB_BY_LINUX.length) return GDB_BY_LINUX[signal]!;
  if (signal === 32) return GDB_REALTIME_32;
  return signal === 64 ? GDB_REALTIME_64 : GDB_REALTIME_33 + signal - 33;
}

/** @returns above 64 when Linux has no such signal */
export function toLinux(signal: number): number {
  for (let linux = 0; linux <= 64; linux++) if (toGdb(linux) === signal) return linux;
  return Number.POSITIVE_INFINITY;
}
