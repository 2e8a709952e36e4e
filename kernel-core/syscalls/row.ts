/**
 * The shape of a system call row. One row is dispatch, trace format, support documentation and test enumeration.
 */
import type { Task } from '../task.js';
import type { ArgumentKind } from '../trace/kinds.js';

/**
 * A handler gets the calling task and the six argument registers as signed numbers: exact between -2^53 and 2^53,
 * beyond that only their size and sign hold (no valid address, length or offset is that large). Where the ABI has an
 * `int` or `unsigned`, the handler narrows it (`fd | 0`, `flags >>> 0`).
 * @returns what rax gets; PENDING or CONTEXT_REPLACED from wait.ts
 */
export type SyscallHandler = (task: Task, a: number, b: number, c: number, d: number, e: number, f: number) => number;

export interface SyscallRow {
  name: string;
  fn: SyscallHandler;
  /** full: as Linux; partial: `note` says what is missing; none: answers -ENOSYS. */
  support: 'full' | 'partial' | 'none';
  note?: string;
  /** How each argument is traced. Kinds that end in `Out` are read from user memory after the call. */
  args: readonly ArgumentKind[];
  /** How the result is traced: decimal unless said otherwise. */
  result?: string;
}

export type SyscallRows = Readonly<Record<number, SyscallRow>>;
