/** Arguments about signals and children: sets, actions, siginfo, wait status; and the text of a delivered signal. */

import * as signal from '../../abi/signal.js';
import type { UserNamespace } from '../../vfs/user-namespace.js';
import { encodeSignalInfo, SIGINFO_SIZE } from '../signals/siginfo.js';
import type { SignalInfo } from '../signals/state.js';
import { getI64 } from '../syscalls/layouts.js';
import { type ArgumentFormat, early, failed, filled, interruptedCalls, late, peekView, pointed } from './call.js';
import { sigactionFlagText } from './kinds-flags.js';
import { flagText, hex, namesOf, pointer, signalText, sigsetText } from './text.js';

const sigsetAt = (view: DataView, offset: number): string =>
  sigsetText(view.getUint32(offset, true), view.getUint32(offset + 4, true));

function handlerText(handler: number): string {
  if (handler === 0) return 'SIG_DFL';
  return handler === 1 ? 'SIG_IGN' : hex(handler);
}

/** struct sigaction of the kernel: handler, flags, restorer, mask. */
function sigactionText(view: DataView): string {
  const flags = view.getUint32(8, true);
  const restorer = (flags & signal.SA_RESTORER) !== 0 ? `, sa_restorer=${pointer(getI64(view, 16))}` : '';
  const handler = handlerText(getI64(view, 0));
  return `{sa_handler=${handler}, sa_mask=${sigsetAt(view, 24)}, sa_flags=${sigactionFlagText(flags, view.getUint32(12, true))}${restorer}}`;
}

const STACK_FLAGS = namesOf(signal, 'SS_ONSTACK SS_DISABLE SS_AUTODISARM');

/** stack_t: sp, flags (i32), size. */
function stackText(view: DataView): string {
  const flags = flagText(view.getInt32(8, true), STACK_FLAGS, 'SS_???');
  return `{ss_sp=${pointer(getI64(view, 0))}, ss_flags=${flags}, ss_size=${getI64(view, 16)}}`;
}

const GENERAL_CODES = new Map([
  [signal.SI_USER, 'SI_USER'],
  [signal.SI_KERNEL, 'SI_KERNEL'],
  [signal.SI_QUEUE, 'SI_QUEUE'],
  [signal.SI_TIMER, 'SI_TIMER'],
  [signal.SI_MESGQ, 'SI_MESGQ'],
  [signal.SI_ASYNCIO, 'SI_ASYNCIO'],
  [signal.SI_SIGIO, 'SI_SIGIO'],
  [signal.SI_TKILL, 'SI_TKILL'],
]);

/** Codes above 0 by signal, from 1 on. @source sigaction(2) */
const SPECIFIC_CODES = new Map([
  [signal.SIGCHLD, ['EXITED', 'KILLED', 'DUMPED', 'TRAPPED', 'STOPPED', 'CONTINUED'].map((name) => `CLD_${name}`)],
  [signal.SIGSEGV, ['MAPERR', 'ACCERR', 'BNDERR', 'PKUERR'].map((name) => `SEGV_${name}`)],
  [signal.SIGBUS, ['ADRALN', 'ADRERR', 'OBJERR', 'MCEERR_AR', 'MCEERR_AO'].map((name) => `BUS_${name}`)],
  [
    signal.SIGFPE,
    ['INTDIV', 'INTOVF', 'FLTDIV', 'FLTOVF', 'FLTUND', 'FLTRES', 'FLTINV', 'FLTSUB'].map((name) => `FPE_${name}`),
  ],
  [
    signal.SIGILL,
    ['ILLOPC', 'ILLOPN', 'ILLADR', 'ILLTRP', 'PRVOPC', 'PRVREG', 'COPROC', 'BADSTK'].map((name) => `ILL_${name}`),
  ],
  [signal.SIGTRAP, ['BRKPT', 'TRACE', 'BRANCH', 'HWBKPT', 'UNK', 'PERF'].map((name) => `TRAP_${name}`)],
  [signal.SIGIO, ['IN', 'OUT', 'MSG', 'ERR', 'PRI', 'HUP'].map((name) => `POLL_${name}`)],
]);
const FAULTS = [signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP];

function codeText(signo: number, code: number): string {
  return SPECIFIC_CODES.get(signo)?.[code - 1] ?? GENERAL_CODES.get(code) ?? hex(code >>> 0);
}

/** siginfo_t as it lies in memory. */
export function siginfoText(view: DataView): string {
  const signo = view.getInt32(0, true);
  if (signo === 0) return '{}';
  const errno = view.getInt32(4, true);
  const code = view.getInt32(8, true);
  const parts = [`si_signo=${signalText(signo)}`, `si_code=${codeText(signo, code)}`];
  if (errno !== 0) parts.push(`si_errno=${errno}`);
  const sender = [`si_pid=${view.getInt32(16, true)}`, `si_uid=${view.getUint32(20, true)}`];
  const value = [`si_int=${view.getInt32(24, true)}`, `si_ptr=${pointer(getI64(view, 24))}`];
  if (code > 0 && signo === signal.SIGCHLD) {
    const status = view.getInt32(24, true);
    parts.push(...sender, `si_status=${code === signal.CLD_EXITED ? status : signalText(status)}`);
    parts.push(`si_utime=${getI64(view, 32)}`, `si_stime=${getI64(view, 40)}`);
  } else if (code > 0 && code !== signal.SI_KERNEL && FAULTS.includes(signo)) {
    parts.push(`si_addr=${pointer(getI64(view, 16))}`);
  } else if (code === signal.SI_TIMER) {
    parts.push(`si_timerid=${hex(view.getInt32(16, true))}`, `si_overrun=${view.getInt32(20, true)}`, ...value);
  } else if (code === signal.SI_KERNEL) {
    // Nothing more is known.
  } else if (code === signal.SI_USER || code === signal.SI_TKILL) {
    parts.push(...sender);
  } else {
    parts.push(...sender, ...value);
  }
  return `{${parts.join(', ')}}`;
}

const NOTIFICATIONS = new Map([
  [signal.SIGEV_SIGNAL, 'SIGEV_SIGNAL'],
  [signal.SIGEV_NONE, 'SIGEV_NONE'],
  [signal.SIGEV_THREAD, 'SIGEV_THREAD'],
  [signal.SIGEV_THREAD_ID, 'SIGEV_THREAD_ID'],
]);

/** struct sigevent: value, signal, how it is told, thread or function and its attributes. */
function sigeventText(view: DataView): string {
  const how = view.getInt32(12, true);
  const name = NOTIFICATIONS.get(how) ?? `${hex(how >>> 0)} /* SIGEV_??? */`;
  const signo = view.getInt32(8, true);
  const sends = NOTIFICATIONS.has(how) && how !== signal.SIGEV_NONE;
  const parts = [
    `sigev_value={sival_int=${view.getInt32(0, true)}, sival_ptr=${pointer(getI64(view, 0))}}`,
    `sigev_signo=${sends ? signalText(signo) : signo}`,
    `sigev_notify=${name}`,
  ];
  if (how === signal.SIGEV_THREAD_ID) parts.push(`sigev_notify_thread_id=${view.getInt32(16, true)}`);
  if (how === signal.SIGEV_THREAD) {
    parts.push(`sigev_notify_function=${pointer(getI64(view, 16))}`);
    parts.push(`sigev_notify_attributes=${pointer(getI64(view, 24))}`);
  }
  return `{${parts.join(', ')}}`;
}

/** A signal on its way to a task. */
export function deliveredText(info: SignalInfo, reader: UserNamespace): string {
  const infoView = new DataView(new ArrayBuffer(SIGINFO_SIZE));
  encodeSignalInfo(info, infoView, 0, reader);
  return siginfoText(infoView);
}

/** A wait(2) status word. */
export function waitStatusText(status: number): string {
  const signo = status & 0x7f;
  if (status === 0xffff) return '{WIFCONTINUED(s)}';
  if ((status & 0xff) === 0x7f) return `{WIFSTOPPED(s) && WSTOPSIG(s) == ${signalText((status >> 8) & 0xff)}}`;
  if (signo === 0) return `{WIFEXITED(s) && WEXITSTATUS(s) == ${(status >> 8) & 0xff}}`;
  return `{WIFSIGNALED(s) && WTERMSIG(s) == ${signalText(signo)}${status & 0x80 ? ' && WCOREDUMP(s)' : ''}}`;
}

const RSP = 4;
/** Offset of uc_sigmask in the ucontext that rsp points to at rt_sigreturn. */
const UC_SIGMASK = 296;

export const SIGNAL_KINDS = {
  sigsetIn: pointed(8, (view) => sigsetAt(view, 0)),
  sigsetOut: filled(8, (view) => sigsetAt(view, 0)),
  signalOut: filled(4, (view) => `[${signalText(view.getInt32(0, true))}]`),
  sigactionIn: pointed(32, sigactionText),
  sigactionOut: filled(32, sigactionText),
  stackIn: pointed(24, stackText),
  stackOut: filled(24, stackText),
  sigevent: pointed(64, sigeventText),
  siginfoIn: pointed(SIGINFO_SIZE, siginfoText),
  siginfoOut: filled(SIGINFO_SIZE, siginfoText),
  waitStatusOut: late((call, value) => {
    const nobody = failed(call) || call.result === 0 || value === 0;
    const view = nobody ? null : peekView(call, value, 4);
    return view === null ? pointer(value) : `[${waitStatusText(view.getInt32(0, true))}]`;
  }),
  /** The argument of pselect6: address and size of a mask. */
  sigmaskPair: pointed(16, (view, call) => {
    const address = getI64(view, 0);
    const mask = address === 0 ? null : peekView(call, address, 8);
    const text = mask === null ? pointer(address) : sigsetAt(mask, 0);
    return `{sigmask=${text}, sigsetsize=${getI64(view, 8)}}`;
  }),
  /** restart_syscall has no arguments; shown is what it goes on with. */
  restartedCall: early((call) => `<... resuming interrupted ${interruptedCalls.get(call.task) ?? 'system call'} ...>`),
  /** rt_sigreturn has no arguments; shown is the mask that it goes back to. */
  sigreturnMask: early((call) => {
    const view = peekView(call, call.task.kernel.cpu.reg(RSP) + UC_SIGMASK, 8);
    return view === null ? '' : `{mask=${sigsetAt(view, 0)}}`;
  }),
} satisfies Record<string, ArgumentFormat>;
