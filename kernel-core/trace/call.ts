/** What formatters get to see: the call, its arguments, its result once it has one, and the caller's memory. */
import type { SyscallRow } from '../syscalls/row.js';
import type { Task } from '../task.js';
import { pointer } from './text.js';

export interface TraceCall {
  readonly task: Task;
  readonly row: SyscallRow;
  readonly args: readonly number[];
  /** What rax gets; null before the call returned. */
  readonly result: number | null;
}

/** How one kind of argument is shown. */
export interface ArgumentFormat {
  /** Written by the call: shown when it returns. */
  late?: boolean;
  /** Called when the call is made: notes what it is going to overwrite. */
  prepare?: (call: TraceCall, index: number) => void;
  /** @returns the text, or null to leave the argument out */
  text: (call: TraceCall, value: number, index: number) => string | null;
  /** What the arguments behind this one are, where that depends on its value. */
  rest?: (call: TraceCall, value: number) => readonly string[];
}

const MAX_ERRNO = 4095;

export const failed = (call: TraceCall): boolean =>
  call.result !== null && call.result < 0 && call.result >= -MAX_ERRNO;

/** Copies `size` bytes of the caller's memory. @returns null when they cannot be read */
export function peek(call: TraceCall, address: number, size: number): Uint8Array | null {
  const { mm } = call.task;
  if (mm === null || size < 0) return null;
  const bytes = new Uint8Array(size);
  return mm.read(address, bytes) === 0 ? bytes : null;
}

export function peekView(call: TraceCall, address: number, size: number): DataView | null {
  const bytes = peek(call, address, size);
  return bytes === null ? null : new DataView(bytes.buffer);
}

/** Something of `size` bytes that an argument points to; a null or bad pointer is shown as itself. */
export const pointed = (size: number, format: (view: DataView, call: TraceCall) => string): ArgumentFormat => ({
  text: (call, value) => {
    const view = value === 0 ? null : peekView(call, value, size);
    return view === null ? pointer(value) : format(view, call);
  },
});

/** As `pointed`, for what the call fills in; after a failure only the address is known. */
export const filled = (size: number, format: (view: DataView, call: TraceCall) => string): ArgumentFormat => {
  const { text } = pointed(size, format);
  return { late: true, text: (call, value, index) => (failed(call) ? pointer(value) : text(call, value, index)) };
};

export const early = (text: ArgumentFormat['text']): ArgumentFormat => ({ text });
export const late = (text: ArgumentFormat['text']): ArgumentFormat => ({ late: true, text });

/** Names of the calls that restart_syscall goes on with, by task. */
export const interruptedCalls = new WeakMap<Task, string>();
