/**
 * The tracer behind --strace: one line per system call, signal and exit, as `strace -f` writes them. All it knows about
 * a call is its row: the kinds of the arguments and of the result.
 *
 * A line begins when a call is made, with the arguments up to the first that the call fills in, and ends when the call
 * returns. Another task's line in between breaks it into `<unfinished ...>` and `<... name resumed>`. Lines carry
 * `[pid N]` while more than one task is traced.
 */

import { AT_EXECFN } from '../../abi/elf.js';
import { ERESTART_RESTARTBLOCK } from '../../abi/errno.js';
import { readSigned64 } from '../mm/user-memory.js';
import type { SignalInfo } from '../signals/state.js';
import type { SyscallRow } from '../syscalls/row.js';
import type { Task } from '../task.js';
import { type ArgumentFormat, interruptedCalls, type TraceCall } from './call.js';
import { ARGUMENT_KINDS } from './kinds.js';
import { deliveredText } from './kinds-signals.js';
import { resultText } from './result.js';
import { hex, signalText } from './text.js';

/** Column of the equals sign. */
const RESULT_COLUMN = 40;
const RAX = 0;
const RSP = 4;
/** Bytes of a pointer. */
const WORD = 8;

/** A call under way. */
export interface HeldCall {
  row: SyscallRow;
  args: readonly number[];
  /** Kinds of the arguments; those behind a command argument are known only once that has been seen. */
  kinds: readonly string[];
  /** First argument not yet written. */
  next: number;
  /** An argument has been written: the next one needs a comma. */
  comma: boolean;
}

const FALLBACK: ArgumentFormat = ARGUMENT_KINDS['hex'];

export class Tracer {
  readonly #write: (line: string) => void;
  readonly #pending = new Map<Task, HeldCall>();
  readonly #tasks = new Set<Task>();
  readonly #ignored = new Map<Task, SignalInfo[]>();
  /** Children whose attachment has not been told yet. */
  readonly #attached: Task[] = [];
  /** Whose line is open, and its text so far. */
  #open: Task | null = null;
  #line = '';

  /** @param write gets whole lines, each with its newline */
  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  /**
   * The embedder started a machine-code program: shown as the execve that strace itself makes, with the strings where the
   * new program finds them. Its registers are on the CPU.
   */
  started(task: Task, execve: SyscallRow): void {
    const pointers = task.kernel.cpu.reg(RSP);
    const space = task.mm!;
    const argv = pointers + WORD;
    const envp = argv + (readSigned64(space, pointers) + 1) * WORD;
    let at = envp;
    while (readSigned64(space, at) > 0) at += WORD;
    // Behind the environment come pairs of what the kernel tells: which, and its value.
    for (at += WORD; readSigned64(space, at) > 0; at += 2 * WORD) {
      if (readSigned64(space, at) !== AT_EXECFN) continue;
      const args = [readSigned64(space, at + WORD), argv, envp];
      this.enter(task, execve, args);
      this.leave(task, execve, args, 0);
      return;
    }
  }

  /** A task makes a call. */
  enter(task: Task, row: SyscallRow, args: ArrayLike<number>): void {
    const pending: HeldCall = { row, args: Array.from(args), kinds: row.args, next: 0, comma: false };
    this.#begin(task);
    this.#line += `${nameOf(row, task)}(`;
    this.#pending.set(task, pending);
    const call: TraceCall = { task, row, args: pending.args, result: null };
    for (const [index, kind] of row.args.entries()) ARGUMENT_KINDS[kind]?.prepare?.(call, index);
    this.#arguments(task, pending, null);
  }

  /** The call returned `result` (what rax gets, or a restart code). */
  leave(task: Task, row: SyscallRow, _args: ArrayLike<number>, result: number): void {
    const pending = this.#resume(task);
    if (pending === null) return;
    // rt_sigreturn has no result of its own: shown is what it brings back.
    const shown = row.args[0] === 'sigreturnMask' ? task.kernel.cpu.reg(RAX) : result;
    this.#arguments(task, pending, shown);
    if (result === -ERESTART_RESTARTBLOCK && row.name !== 'restart_syscall') interruptedCalls.set(task, row.name);
    this.#finish(resultText({ task, row, args: pending.args, result: shown }));
    for (const info of this.#ignored.get(task)?.splice(0) ?? []) this.signal(task, info);
  }

  /** `task` makes another call while it is in one, and that one does not wait: the first is taken up again afterwards. */
  setAside(task: Task): HeldCall | undefined {
    const pending = this.#pending.get(task);
    if (pending === undefined) return undefined;
    this.#pending.delete(task);
    if (this.#open === task) this.flush();
    return pending;
  }

  takeUp(task: Task, held: HeldCall): void {
    this.#pending.set(task, held);
  }

  /** A signal is about to be acted on. */
  signal(task: Task, info: SignalInfo): void {
    this.#whole(task, `--- ${signalText(info.signo)} ${deliveredText(info, task.cred.userNamespace)} ---`);
  }

  /** A signal that the task ignores was sent to it. It is told when the call that the task is in returns. */
  ignored(task: Task, info: SignalInfo): void {
    if (!this.#pending.has(task)) {
      this.signal(task, info);
      return;
    }
    const waiting = this.#ignored.get(task);
    if (waiting === undefined) this.#ignored.set(task, [info]);
    else waiting.push(info);
  }

  /** The process stopped. */
  stopped(task: Task, signal: number): void {
    this.#whole(task, `--- stopped by ${signalText(signal)} ---`);
  }

  cloned(_parent: Task, child: Task): void {
    this.#attached.push(child);
  }

  /** The task is gone. @param status wait(2) status word */
  exit(task: Task, status: number): void {
    const pending = this.#resume(task);
    if (pending !== null) {
      if (pending.next < pending.kinds.length) this.#line += ' <unfinished ...>';
      this.#finish('?');
    }
    const signal = status & 0x7f;
    const how = signal === 0 ? `exited with ${(status >> 8) & 0xff}` : `killed by ${signalText(signal)}`;
    this.#whole(task, `+++ ${how}${status & 0x80 ? ' (core dumped)' : ''} +++`);
    this.#tasks.delete(task);
    this.#ignored.delete(task);
  }

  /** Writes an open line as far as it goes: for the end, and for people who watch a program that waits. */
  flush(): void {
    if (this.#open === null) return;
    this.#write(`${this.#line} <unfinished ...>\n`);
    this.#open = null;
    this.#line = '';
  }

  /** Starts a line of `task`, breaking the open one. */
  #begin(task: Task): void {
    this.flush();
    for (const child of this.#attached.splice(0)) {
      this.#tasks.add(child);
      this.#write(`strace: Process ${child.tid} attached\n`);
    }
    this.#tasks.add(task);
    this.#open = task;
    this.#line = this.#tasks.size > 1 ? `[pid ${String(task.tid).padStart(5)}] ` : '';
  }

  #whole(task: Task, text: string): void {
    this.#begin(task);
    this.#write(`${this.#line}${text}\n`);
    this.#open = null;
    this.#line = '';
  }

  /** Goes back to the line of the call that `task` is in. @returns null when it is in none */
  #resume(task: Task): HeldCall | null {
    const pending = this.#pending.get(task);
    if (pending === undefined) return null;
    this.#pending.delete(task);
    if (this.#open === task) return pending;
    this.#begin(task);
    this.#line += `<... ${nameOf(pending.row, task)} resumed>`;
    return pending;
  }

  /** Writes arguments: before the call (`result` null) up to the first late one, after it all that are left. */
  #arguments(task: Task, pending: HeldCall, result: number | null): void {
    const call: TraceCall = { task, row: pending.row, args: pending.args, result };
    while (pending.next < pending.kinds.length) {
      const index = pending.next;
      const format = ARGUMENT_KINDS[pending.kinds[index]] ?? FALLBACK;
      const value = pending.args[index] ?? 0;
      if (result === null && format.late) {
        // The comma belongs to what is written before the call.
        if (pending.comma) this.#line += ', ';
        pending.comma = false;
        return;
      }
      pending.next++;
      const text = format.text(call, value, index);
      if (text !== null) {
        this.#line += pending.comma ? `, ${text}` : text;
        pending.comma = true;
      }
      if (format.rest !== undefined) {
        pending.kinds = [...pending.kinds.slice(0, pending.next), ...format.rest(call, value)];
      }
    }
  }

  #finish(result: string): void {
    this.#write(`${`${this.#line}) `.padEnd(RESULT_COLUMN)}= ${result}\n`);
    this.#open = null;
    this.#line = '';
  }
}

/** A call that Linux does not know is named after its number. */
const nameOf = (row: SyscallRow, task: Task): string =>
  row.name === 'syscall' ? `syscall_${hex(task.syscall)}` : row.name;
