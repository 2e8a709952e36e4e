/** A program as the embedder sees it: its streams or its terminal, and the promise of its end. */
import type { Readable, Writable } from 'node:stream';
import { SI_USER } from '../abi/signal.js';
import type { Pty } from './host-pty.js';
import type { Process } from './process.js';
import { SIGNAL_NUMBERS, signalName } from './signal-names.js';
import { sendToProcess } from './signals/send.js';
import { makeSignalInfo } from './signals/state.js';

export interface ExitStatus {
  /** Exit status, 0 to 255; null when a signal ended the program. */
  code: number | null;
  /** Name of the signal that ended it, 'SIGKILL' say; null when it exited. */
  signal: string | null;
}

export interface GuestStreams {
  stdin: Writable | null;
  stdout: Readable | null;
  stderr: Readable | null;
  pty: Pty | null;
}

export class GuestProcess implements GuestStreams {
  /** Process id inside. */
  readonly pid: number;
  /** Null with a terminal. */
  readonly stdin: Writable | null;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  /** Null without a terminal. */
  readonly pty: Pty | null;
  /** Resolves when the program ended; never rejects. */
  readonly exit: Promise<ExitStatus>;
  /**
   * Resolves when the program ended and all of its output was read. As with Node's child processes, output of an ended
   * program that nobody asked for is thrown away.
   */
  readonly closed: Promise<void>;
  readonly #process: Process;

  constructor(process: Process, streams: GuestStreams, exit: Promise<ExitStatus>) {
    this.#process = process;
    this.pid = process.pid;
    this.stdin = streams.stdin;
    this.stdout = streams.stdout;
    this.stderr = streams.stderr;
    this.pty = streams.pty;
    this.exit = exit;
    void exit.then(() => {
      for (const stream of [this.stdout, this.stderr]) if (stream?.readableFlowing === null) stream.resume();
    });
    this.closed = Promise.all([exit, ended(this.stdout), ended(this.stderr), this.pty?.closed]).then(() => undefined);
  }

  /**
   * Sends a signal, as kill(2) from the superuser would.
   * @param signal name or number
   * @returns false when the process is gone already
   * @throws TypeError for a signal that does not exist
   */
  kill(signal: string | number = 'SIGTERM'): boolean {
    const number = typeof signal === 'number' ? signal : SIGNAL_NUMBERS.get(signal);
    if (number === undefined || number < 0 || number > 64) throw new TypeError(`unknown signal: ${signal}`);
    if (this.#process.isZombie) return false;
    if (number !== 0) sendToProcess(this.#process, makeSignalInfo(number, SI_USER));
    return true;
  }
}

const ended = (stream: Readable | null): Promise<void> =>
  new Promise((resolve) => {
    if (stream === null || stream.closed) resolve();
    else stream.once('close', () => resolve());
  });

/** @param status wait(2) status word */
export function decodeExit(status: number): ExitStatus {
  const signal = status & 0x7f;
  return signal === 0 ? { code: (status >> 8) & 0xff, signal: null } : { code: null, signal: signalName(signal) };
}
