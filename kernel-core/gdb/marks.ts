/**
 * Breakpoints and watchpoints: the packets `Z` and `z`. Both kinds of breakpoints are the processor's business here, so that
 * memory stays as it is. Watchpoints for reads alone are refused, as x86 has none: gdb takes one for access instead.
 * @source GDB manual, "Packets"; Intel SDM vol. 3, 17.2.4
 */
import type { Debugger } from '../debug/debugger.js';
import type { Task } from '../task.js';
import { ERROR, parseAddress, parseCount, UNSUPPORTED } from './packet.js';

/** Breakpoints by the program and by the processor. */
const BREAK_KINDS: readonly string[] = ['0', '1'];
const WATCH_WRITE = '2';
const WATCH_ACCESS = '4';
/** More would make each access to their pages slow. */
const MAX_WATCHPOINTS = 64;
const LONGEST_WATCHPOINT = 4096;

/** @returns the answer */
export function breakpointPacket(task: Task | null, debug: Debugger, packet: string): string {
  const [, action, kind = '', at = '', length = ''] = /^([Zz])(.),([0-9a-f]+),([0-9a-f]+)/i.exec(packet) ?? [];
  const isBreakpoint = BREAK_KINDS.includes(kind);
  if (!isBreakpoint && kind !== WATCH_WRITE && kind !== WATCH_ACCESS) return UNSUPPORTED;
  const address = parseAddress(at);
  const bytes = parseCount(length);
  if (task === null || Number.isNaN(address) || Number.isNaN(bytes)) return ERROR;
  const marks = debug.marksAt(address, task.process);
  if (marks === undefined) return ERROR;
  const { breakpoints, watchpoints } = marks;
  const key = `${kind},${at},${length}`;
  marks.isStale = true;
  if (action === 'z') {
    if (isBreakpoint) breakpoints.delete(address);
    else watchpoints.delete(key);
  } else if (isBreakpoint) {
    breakpoints.add(address);
  } else {
    if (bytes === 0 || bytes > LONGEST_WATCHPOINT || watchpoints.size >= MAX_WATCHPOINTS) return ERROR;
    watchpoints.set(key, { address, length: bytes, reads: kind === WATCH_ACCESS });
  }
  return 'OK';
}
