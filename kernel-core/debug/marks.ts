/**
 * Breakpoints and watchpoints that a debugger has set, on their way to the processor: it gets them when the machine goes
 * on, since debuggers take them all away at each stop and set them again.
 */
import { type Cpu, DebugMarks, type PageTable, type Watchpoint } from '../../cpu/index.js';
import type { Process } from '../process.js';
import type { Task } from '../task.js';

/** Breakpoints and watchpoints of an address space. */
export interface Marks {
  /** Addresses. */
  readonly breakpoints: Set<number>;
  readonly watchpoints: Map<string, Watchpoint>;
  /** The processor does not know of the last change yet. */
  isStale: boolean;
}

/** What the debugger has set in an attached process. */
export interface Attached extends Marks {
  /** It was there before the debugger was. */
  readonly wasThere: boolean;
}

export const makeMarks = (): Marks => ({ breakpoints: new Set(), watchpoints: new Map(), isStale: false });

/** Tells the processor. */
export function applyMarks(cpu: Cpu, pageTable: PageTable, marks: Marks): void {
  const { breakpoints, watchpoints } = marks;
  marks.isStale = false;
  const isEmpty = breakpoints.size === 0 && watchpoints.size === 0;
  if (isEmpty && pageTable.marks === null) return;
  cpu.mark(pageTable, isEmpty ? null : new DebugMarks(breakpoints, watchpoints.values()));
}

export function clearMarks(marks: Marks): void {
  marks.breakpoints.clear();
  marks.watchpoints.clear();
  marks.isStale = true;
}

export function watchpointAt({ watchpoints }: Marks, at: number): Watchpoint | undefined {
  for (const watchpoint of watchpoints.values()) {
    if (at >= watchpoint.address && at < watchpoint.address + watchpoint.length) return watchpoint;
  }
  return undefined;
}

/** A task of a process that runs machine code; the first one if it can be. */
export function machineTask(process: Process): Task | null {
  if (process.isZombie) return null;
  for (const task of [process.leader, ...process.threads]) {
    if (task.mm !== null && task.program === null && task.state !== 'dead') return task;
  }
  return null;
}
