/** Signal numbers by name and back. @source signal(7), x86-64 column */
import { SIGRTMIN } from '../abi/signal.js';

const NAMES = [
  ...['HUP', 'INT', 'QUIT', 'ILL', 'TRAP', 'ABRT', 'BUS', 'FPE', 'KILL', 'USR1', 'SEGV', 'USR2', 'PIPE', 'ALRM'],
  ...['TERM', 'STKFLT', 'CHLD', 'CONT', 'STOP', 'TSTP', 'TTIN', 'TTOU', 'URG', 'XCPU', 'XFSZ', 'VTALRM', 'PROF'],
  ...['WINCH', 'IO', 'PWR', 'SYS'],
];

export const SIGNAL_NUMBERS: ReadonlyMap<string, number> = new Map(NAMES.map((name, i) => [`SIG${name}`, i + 1]));

/** 'SIGTERM', 'SIGRT_1'; numbers outside of 1 to 64 as they are. */
export function signalName(signal: number): string {
  if (signal >= 1 && signal <= NAMES.length) return `SIG${NAMES[signal - 1]}`;
  return signal >= SIGRTMIN && signal <= 64 ? `SIGRT_${signal - SIGRTMIN}` : String(signal);
}
