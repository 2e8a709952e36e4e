/**
 * Signal state: what is pending on a task or a process, and how a process disposes of each signal.
 * @source signal(7), sigaction(2)
 */
import { EventEmitter } from 'eventemitter3';
import {
  SIG_DFL,
  SIG_IGN,
  SIGCHLD,
  SIGCONT,
  SIGKILL,
  SIGSTOP,
  SIGTSTP,
  SIGTTIN,
  SIGTTOU,
  SIGURG,
  SIGWINCH,
} from '../../abi/signal.js';
import type { Hook } from '../wait.js';
import { SigSet } from './sigset.js';

/** Who sent a signal and wants to know what becomes of it: a POSIX timer. */
export interface SignalSource {
  /** It is being taken; may complete `info`. */
  taken(info: SignalInfo): void;
  /** It is taken out of the queue and goes to nobody. */
  dropped(): void;
}

/** What siginfo_t carries; fields that a code does not use stay 0. */
export interface SignalInfo {
  signo: number;
  /** SI_USER, SI_KERNEL, CLD_EXITED, SEGV_MAPERR … */
  code: number;
  errno: number;
  pid: number;
  uid: number;
  /** SIGCHLD: exit status or signal. sigqueue, timers: sigval as [lo, hi]. */
  status: number;
  valueLo: number;
  valueHi: number;
  /** Fault address. */
  address: number;
  utime: number;
  stime: number;
  /** Timer id and overrun of SI_TIMER. */
  timerId: number;
  overrun: number;
  source: SignalSource | null;
  /** Where it waits to be taken. */
  queue: PendingSignals | null;
  /** A debugger has been told of it, and wants it to be delivered. */
  wasTold?: boolean;
}

export function makeSignalInfo(signo: number, code: number, more?: Partial<SignalInfo>): SignalInfo {
  const info: SignalInfo = {
    signo,
    code,
    errno: 0,
    pid: 0,
    uid: 0,
    status: 0,
    valueLo: 0,
    valueHi: 0,
    address: 0,
    utime: 0,
    stime: 0,
    timerId: 0,
    overrun: 0,
    source: null,
    queue: null,
  };
  return more === undefined ? info : Object.assign(info, more);
}

/** Real-time signals queue; a standard signal that is pending already is dropped. */
export const FIRST_REALTIME = 32;
export const LAST_SIGNAL = 64;

function takenFrom(info: SignalInfo): SignalInfo {
  info.queue = null;
  info.source?.taken(info);
  return info;
}

export class PendingSignals {
  readonly set = new SigSet();
  #queue: SignalInfo[] = [];

  get queued(): number {
    return this.#queue.length;
  }

  /** @returns false when it was pending already, and is neither a real-time signal nor a timer's */
  add(info: SignalInfo): boolean {
    if (info.signo < FIRST_REALTIME && info.source === null && this.set.has(info.signo)) return false;
    this.set.add(info.signo);
    info.queue = this;
    this.#queue.push(info);
    return true;
  }

  /** Takes the oldest entry of `signal`. */
  take(signal: number): SignalInfo | null {
    if (this.#queue.length === 1 && this.#queue[0]!.signo === signal) {
      this.set.delete(signal);
      return takenFrom(this.#queue.pop()!);
    }
    const info = this.#queue.find((other) => other.signo === signal);
    if (info === undefined) return null;
    this.withdraw(info);
    return takenFrom(info);
  }

  /** Whoever sent an entry that waits here does not mean it any more. */
  withdraw(info: SignalInfo): void {
    this.#queue.splice(this.#queue.indexOf(info), 1);
    if (!this.#queue.some(({ signo }) => signo === info.signo)) this.set.delete(info.signo);
    info.queue = null;
  }

  discard(signal: number): void {
    if (!this.set.has(signal)) return;
    this.set.delete(signal);
    const dropped = this.#queue.filter((info) => info.signo === signal);
    this.#queue = this.#queue.filter((info) => info.signo !== signal);
    for (const info of dropped) {
      info.queue = null;
      info.source?.dropped();
    }
  }

  clear(): void {
    this.set.set(0, 0);
    this.#queue.length = 0;
  }
}

export { SIG_DFL, SIG_IGN };

/** How one signal is disposed of. Never changed, only replaced: tables share them. */
export interface SignalAction {
  /** SIG_DFL, SIG_IGN or an address. */
  readonly handler: number;
  /** SA_* flags, unsigned. */
  readonly flags: number;
  readonly restorer: number;
  readonly mask: SigSet;
}

const DEFAULT: SignalAction = { handler: SIG_DFL, flags: 0, restorer: 0, mask: new SigSet() };
const IGNORE: SignalAction = { ...DEFAULT, handler: SIG_IGN };

/** Dispositions; shared by the threads of a process and by CLONE_SIGHAND. */
export class SignalHandlers {
  /** By signal number. */
  readonly actions: SignalAction[];
  refs = 1;
  /** Told of every signal that is queued for one of the tasks; made by the first signalfd that somebody waits on. */
  #arrivals: Hook | null = null;

  constructor(actions?: readonly SignalAction[]) {
    this.actions = actions?.slice() ?? new Array<SignalAction>(LAST_SIGNAL + 1).fill(DEFAULT);
  }

  get arrivals(): Hook {
    this.#arrivals ??= new EventEmitter();
    return this.#arrivals;
  }

  arrived(): void {
    this.#arrivals?.emit('notify', 0);
  }

  clone(): SignalHandlers {
    return new SignalHandlers(this.actions);
  }

  /** Takes the handler away; flags and mask stay. */
  setToDefault(signal: number): void {
    this.actions[signal] = { ...this.actions[signal]!, handler: SIG_DFL };
  }

  /** execve, CLONE_CLEAR_SIGHAND: what was caught goes back to the default, what was ignored stays so. */
  reset(): void {
    for (let signal = 0; signal <= LAST_SIGNAL; signal++) {
      this.actions[signal] = this.actions[signal]!.handler === SIG_IGN ? IGNORE : DEFAULT;
    }
  }
}

type DefaultAction = 'terminate' | 'core' | 'ignore' | 'stop' | 'continue';

const IGNORED = [SIGCHLD, SIGURG, SIGWINCH];
const STOPPING = [SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU];
/** SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS. */
const DUMPING = [3, 4, 5, 6, 7, 8, 11, 24, 25, 31];

export const isStopSignal = (signal: number): boolean => STOPPING.includes(signal);

/** @source signal(7), table of standard signals */
export function defaultAction(signal: number): DefaultAction {
  if (signal === SIGCONT) return 'continue';
  if (IGNORED.includes(signal)) return 'ignore';
  if (STOPPING.includes(signal)) return 'stop';
  return DUMPING.includes(signal) ? 'core' : 'terminate';
}

/** Would the process take no notice of `signal`? */
export function isIgnored(action: SignalAction, signal: number): boolean {
  if (signal === SIGKILL || signal === SIGSTOP) return false;
  return action.handler === SIG_IGN || (action.handler === SIG_DFL && defaultAction(signal) === 'ignore');
}
