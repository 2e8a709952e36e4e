/**
 * The shape of a system call row. One row is dispatch, trace format, support documentation and test enumeration.
 */
import type { Task } from '../task.js';
import type { ArgumentKind } from '../trace/kinds.js';

/**
 * A handler gets the calling task and the six argument registers as signed numbers: exact between -2^53 and 2^53,
 * beyond that only their size and sign hold (no valid address, length or offset is that large). What is an int by its kind
 * (int-arguments.ts) is one of 32 bits, with a sign or without: where that matters the handler says which (`fd | 0`,
 * `flags >>> 0`).
 * @returns what rax gets; PENDING or CONTEXT_REPLACED from wait.ts
 */
export type SyscallHandler = (task: Task, a: number, b: number, c: number, d: number, e: number, f: number) => number;

export interface SyscallRow {
  name: string;
  fn: SyscallHandler;
  /** full: as Linux; partial: `note` says what is missing; none: answers -ENOSYS. */
  support: 'full' | 'partial' | 'none';
  note?: string | undefined;
  /** How each argument is traced. Kinds that end in `Out` are read from user memory after the call. */
  args: readonly ArgumentKind[];
  /** Bit n: argument n is an int. The table says it of rows that do not, by the kinds of their arguments. */
  ints?: number;
  /** How the result is traced: decimal unless said otherwise. */
  result?: string | undefined;
}

/**
 * A row as it is called. All have the same properties in the same order, however short the row was written: V8 then reads
 * them in one way, whatever a program calls.
 */
export interface SyscallEntry extends SyscallRow {
  /** Of its arguments. */
  readonly count: number;
  readonly ints: number;
  readonly note: string | undefined;
  readonly result: string | undefined;
}

export function entryOf({ name, fn, support, note, args, result }: SyscallRow, ints: number): SyscallEntry {
  return { name, fn, support, note, args, result, count: args.length, ints };
}

export type SyscallRows = Readonly<Record<number, SyscallRow>>;
