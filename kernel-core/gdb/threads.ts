/**
 * Names of threads in packets: `pPID.TID` with the multiprocess extension, `TID` without, hexadecimal; -1 is all, 0 any.
 * @source GDB manual, "Packets", thread-id syntax
 */
import type { Debugger } from '../debug/debugger.js';
import type { Process } from '../process.js';
import type { Task } from '../task.js';

export interface ThreadId {
  /** Process, ALL or ANY. */
  readonly pid: number;
  /** Task, ALL or ANY. */
  readonly tid: number;
}

export const ALL = -1;
export const ANY = 0;

function parseNumber(text: string): number {
  if (text === '-1') return ALL;
  return /^[0-9a-f]{1,7}$/i.test(text) ? Number.parseInt(text, 16) : Number.NaN;
}

/** @returns null when it is none */
export function parseThread(text: string): ThreadId | null {
  const [, pidText, ofProcess, alone] = /^(?:p(-1|[0-9a-f]+)(?:\.(-1|[0-9a-f]+))?|(-1|[0-9a-f]+))$/i.exec(text) ?? [];
  const tidText = ofProcess ?? alone;
  if (pidText === undefined && tidText === undefined) return null;
  const pid = pidText === undefined ? ANY : parseNumber(pidText);
  const tid = tidText === undefined ? ALL : parseNumber(tidText);
  return Number.isNaN(pid) || Number.isNaN(tid) ? null : { pid, tid };
}

export const formatThread = (task: Task, multiprocess: boolean): string =>
  multiprocess ? `p${task.pid.toString(16)}.${task.tid.toString(16)}` : task.tid.toString(16);

/** Does a name stand for a task? Without a process it stands for a task of any. */
export const isMeant = ({ pid, tid }: ThreadId, task: Task): boolean =>
  (pid === ALL || pid === ANY || pid === task.pid) && (tid === ALL || tid === ANY || tid === task.tid);

/** Tasks of a process with registers, the first one first. */
export function tasksOf(process: Process): Task[] {
  return [...process.threads].filter((task) => task.program === null && task.mm !== null);
}

export function attachedTasks(debug: Debugger): Task[] {
  return [...debug.processes].flatMap(tasksOf);
}
