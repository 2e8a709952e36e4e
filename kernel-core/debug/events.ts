/** What a debugger is told of, and how it says that tasks go on. */
import type { Task } from '../task.js';

/** Why a task stopped, besides a signal. */
export type StopReason =
  | { kind: 'signal' | 'step' | 'break' | 'vforkdone' }
  /** It accessed what is watched. */
  | { kind: 'watch'; address: number; reads: boolean }
  /** It has executed a program. */
  | { kind: 'exec'; path: string }
  | { kind: 'fork' | 'vfork'; child: Task };

export type DebugEvent =
  | { type: 'stopped'; task: Task; signal: number; reason: StopReason }
  /** `status` as wait(2) has it. */
  | { type: 'ended'; pid: number; status: number }
  /** All tasks that may run have ended; others are left that may not. */
  | { type: 'nothing runs' };

/** How a task goes on. */
export interface Going {
  /** Executes until rip leaves [start, end), one instruction at least. Null: until something happens. */
  readonly range: readonly [start: number, end: number] | null;
  /** Signal that it gets first; 0: none. */
  readonly signal: number;
}
