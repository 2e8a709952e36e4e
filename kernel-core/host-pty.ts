/**
 * The master end of a terminal for the embedder: an object with the shape of node-pty's `IPty`. Text goes in and
 * comes out as UTF-8; a character that a read cuts in two is put together again.
 */
import { StringDecoder } from 'node:string_decoder';
import { EAGAIN, isErr } from '../abi/errno.js';
import { O_NOCTTY, O_RDWR } from '../abi/fcntl.js';
import { TIOCSWINSZ } from '../abi/ioctl.js';
import { SI_KERNEL, SIGHUP } from '../abi/signal.js';
import { IUTF8 } from '../abi/termios.js';
import { TtyFile } from '../pty/tty-file.js';
import { KERNEL_CALLER } from '../vfs/caller.js';
import type { OpenFile, UserMemory } from '../vfs/file.js';
import { BytesIter } from '../vfs/iter.js';
import { errnoError } from './errno-error.js';
import type { ExitStatus } from './host-guest.js';
import { Watch } from './host-streams.js';
import type { Kernel } from './kernel.js';
import { SIGNAL_NUMBERS } from './signal-names.js';
import { sendToProcess } from './signals/send.js';
import { makeSignalInfo } from './signals/state.js';
import { openSlave } from './terminals.js';

export interface PtySize {
  cols: number;
  rows: number;
}

export interface Disposable {
  dispose(): void;
}

type Listener<T> = (event: T) => void;

/** What `onExit` tells: `signal` is a number, as node-pty has it. */
export interface PtyExit {
  exitCode: number;
  signal?: number;
}

/** One that is called later must not be found out to be none then, when nobody is there to be told. */
function checkListener(listener: unknown): void {
  if (typeof listener !== 'function') throw new TypeError('a listener must be a function');
}

const CHUNK = 65536;
/** What is read is text at once: one room does for all. */
const chunk = Buffer.alloc(CHUNK);
const WOULD_BLOCK = -EAGAIN;

export class Pty {
  cols: number;
  rows: number;
  /** Process id of the program that was started on it. */
  pid = 0;
  /** Name of the program. */
  process = '';
  /** Flow control by XON and XOFF is the line discipline's business here. */
  handleFlowControl = false;
  /** Resolves when everything that programs wrote was handed to `onData`, and no program has the terminal open. */
  readonly closed: Promise<void>;
  readonly #kernel: Kernel;
  readonly #master: OpenFile;
  readonly #watch: Watch;
  readonly #decoder = new StringDecoder('utf8');
  readonly #dataListeners = new Set<Listener<string>>();
  readonly #exitListeners = new Set<Listener<PtyExit>>();
  /** What could not be put into the terminal yet. */
  readonly #input: BytesIter[] = [];
  #resolveClosed!: () => void;
  #paused = false;
  #open = true;

  /** @internal @param master one reference is taken over */
  constructor(kernel: Kernel, master: OpenFile, size: PtySize) {
    this.#kernel = kernel;
    this.#master = master;
    this.cols = size.cols;
    this.rows = size.rows;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.#watch = new Watch(master, () => this.#transfer());
    this.resize(size.cols, size.rows);
  }

  /** Output of the programs. Nothing is read, and programs wait, while there is no listener. */
  onData(listener: Listener<string>): Disposable {
    checkListener(listener);
    this.#dataListeners.add(listener);
    this.#watch.plan();
    return { dispose: () => this.#dataListeners.delete(listener) };
  }

  /** The program that was started on the terminal ended. */
  onExit(listener: Listener<PtyExit>): Disposable {
    checkListener(listener);
    this.#exitListeners.add(listener);
    return { dispose: () => this.#exitListeners.delete(listener) };
  }

  /** Types. What the terminal has no room for is kept and typed as programs read. */
  write(data: string | Uint8Array): void {
    if (typeof data !== 'string' && !(data instanceof Uint8Array)) {
      throw new TypeError('what is typed must be a string or a buffer');
    }
    if (!this.#open) return;
    // A copy: what waits must not change with the caller's buffer.
    this.#input.push(new BytesIter(Buffer.from(data as string)));
    this.#pumpInput();
  }

  /** Sets the window size in characters; the foreground group hears of a change by SIGWINCH. */
  resize(cols: number, rows: number): void {
    if (!isSize(cols) || !isSize(rows)) throw new RangeError('cols and rows must be whole numbers from 1 to 65535');
    if (!this.#open) return;
    this.cols = cols;
    this.rows = rows;
    const result = this.#master.ioctl(TIOCSWINSZ, 0, windowSize(cols, rows), KERNEL_CALLER);
    if (isErr(result)) throw errnoError(result, 'ioctl');
  }

  /** node-pty has it for a Windows console's sake; a terminal keeps no screen to clear. */
  clear(): void {}

  /** Signals the program. @throws TypeError for a signal that does not exist */
  kill(signal: string | number = SIGHUP): void {
    const number = typeof signal === 'number' ? signal : SIGNAL_NUMBERS.get(signal);
    if (number === undefined || !Number.isInteger(number) || number < 1 || number > 64) {
      throw new TypeError(`unknown signal: ${String(signal)}`);
    }
    const target = this.#kernel.processes.get(this.pid);
    if (target !== null) sendToProcess(target, makeSignalInfo(number, SI_KERNEL));
  }

  /** Stops reading; programs wait when the terminal's buffer is full. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#watch.plan();
  }

  /** Closes the master: programs get SIGHUP, then the end of file and EIO. */
  hangUp(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#input.length = 0;
    this.#watch.close();
    this.#resolveClosed();
  }

  /** @internal Hands over what programs have written, without waiting for the turn's end. */
  transferNow(): void {
    this.#transfer();
  }

  /** @internal */
  setProgram(pid: number, name: string): void {
    this.pid = pid;
    this.process = name;
  }

  /** @internal */
  programEnded({ code, signal }: ExitStatus): void {
    const event = signal === null ? { exitCode: code! } : { exitCode: 0, signal: SIGNAL_NUMBERS.get(signal) ?? 0 };
    queueMicrotask(() => {
      for (const listener of this.#exitListeners) listener(event);
    });
  }

  #transfer(): void {
    this.#pumpInput();
    while (this.#open && !this.#paused && this.#dataListeners.size > 0) {
      const count = this.#master.read(new BytesIter(chunk), 0, KERNEL_CALLER);
      if (count === WOULD_BLOCK) return;
      // -EIO: the last program that had the terminal open has closed it.
      if (count <= 0) {
        this.hangUp();
        return;
      }
      const text = this.#decoder.write(chunk.subarray(0, count));
      if (text !== '') for (const listener of this.#dataListeners) listener(text);
    }
  }

  #pumpInput(): void {
    while (this.#open && this.#input.length > 0) {
      const [next] = this.#input;
      const count = next.remaining === 0 ? 0 : this.#master.write(next, 0, KERNEL_CALLER);
      if (count === WOULD_BLOCK) return;
      if (count < 0 || next.remaining === 0) this.#input.shift();
    }
  }
}

export const isSize = (value: number): boolean => Number.isInteger(value) && value > 0 && value < 65536;

/** struct winsize as an ioctl argument: rows, columns, and pixels that nobody knows. */
function windowSize(cols: number, rows: number): UserMemory {
  const bytes = new Uint8Array(Uint16Array.of(rows, cols, 0, 0).buffer);
  return {
    read(_address, target) {
      target.set(bytes.subarray(0, target.length));
      return 0;
    },
    write: () => 0,
  };
}

/** Makes a terminal. @returns its master, and its slave open with one reference. @throws ErrnoError */
export function openPty(kernel: Kernel, size: PtySize): { pty: Pty; slave: OpenFile } {
  const { devpts, namespace } = kernel;
  const pair = devpts.openPair(0);
  if (isErr(pair)) throw errnoError(pair, 'openpty');
  const slave = openSlave(namespace, devpts, pair.master, O_RDWR | O_NOCTTY, KERNEL_CALLER);
  pair.slave.unref();
  // What goes through this object is UTF-8: erasing takes a whole character, as in a terminal window.
  if (slave instanceof TtyFile) slave.tty.setTermios({ ...slave.tty.termios, iflag: slave.tty.termios.iflag | IUTF8 });
  if (!isErr(slave)) return { pty: new Pty(kernel, pair.master, size), slave };
  pair.master.unref();
  throw errnoError(slave, 'openpty');
}
