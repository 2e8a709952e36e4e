/**
 * The line discipline N_TTY: a state machine over termios between a terminal's device and its programs.
 *
 * Input from the device goes through `receive`: signals, flow control, line editing and echo, then into the read
 * buffer. Programs `read` from there; what they `write` goes through output processing to the device. It waits for
 * nothing, keeps no time and calls nobody but its `LdiscHost`.
 * @source termios(3); Linux drivers/tty/n_tty.c (behaviour, verified against the host's own terminals)
 */
import { EAGAIN, EFAULT, type Err, fail } from '../abi/errno.js';
import { TIOCINQ } from '../abi/ioctl.js';
import { POLLIN, POLLRDNORM } from '../abi/poll.js';
import { SIGINT, SIGQUIT, SIGTSTP } from '../abi/signal.js';
import {
  ECHO,
  EXTPROC,
  ICANON,
  ICRNL,
  IEXTEN,
  IGNCR,
  INLCR,
  ISIG,
  ISTRIP,
  IUCLC,
  IXANY,
  IXON,
  NOFLSH,
  PARMRK,
  VEOF,
  VINTR,
  VMIN,
  VQUIT,
  VSTART,
  VSTOP,
  VSUSP,
  VTIME,
} from '../abi/termios.js';
import type { PollMask } from '../vfs/inode.js';
import type { IoIter } from '../vfs/iter.js';
import { toLower } from './char-class.js';
import { EchoQueue } from './echo.js';
import { echoTyped, edit } from './edit.js';
import { type EditState, finishErasing } from './erase.js';
import { type IoctlCall, putInt } from './ioctl-call.js';
import type { DisciplineType, LineDiscipline } from './ldisc.js';
import { LDISC_BUFFER, type LdiscHost } from './ldisc-host.js';
import { OutputProcessor } from './output.js';
import { ReadBuffer } from './read-buffer.js';
import { settingsIoctl } from './settings-ioctl.js';
import { markSpecial } from './special-characters.js';
import type { Termios } from './termios.js';

const LF = 10;
const CR = 13;

/** Bytes that one pass of a raw read handles; VMIN above it is satisfied by that many. */
const READ_CHUNK = 64;
/** Nanoseconds in VTIME's unit, a tenth of a second. */
const VTIME_UNIT = 1e8;

const READABLE = POLLIN | POLLRDNORM;

/** Input flags that make every character pass through `#character`. */
const COOKED_IFLAG = ISTRIP | IUCLC | IGNCR | ICRNL | INLCR | IXON | PARMRK;
const COOKED_LFLAG = ICANON | ISIG | ECHO;

/** Bytes of a write that are taken over at once. */
const WRITE_CHUNK = 2048;
const scratch = new Uint8Array(WRITE_CHUNK);

const N_TTY = 0;

export class NTty implements LineDiscipline, EditState {
  readonly host: LdiscHost;
  readonly number = N_TTY;
  readonly isTerminal = true;
  readonly buffer = new ReadBuffer();
  readonly output: OutputProcessor;
  readonly echo: EchoQueue;
  erasing = false;
  isNextLiteral = false;
  /** Characters whose flow control has been acted on before there was room for them. */
  #lookedAhead = 0;
  #cooked = true;
  /** Characters with a meaning under the present settings. */
  readonly #special = new Uint8Array(256);

  constructor(host: LdiscHost) {
    this.host = host;
    this.output = new OutputProcessor(host);
    this.echo = new EchoQueue(host, this.output);
    this.termiosChanged(null);
  }

  open(): number {
    return 0;
  }

  /** What nobody has read is lost. */
  close(): void {
    this.host.inputFlushed();
  }

  hangUp(): void {}

  /** Settings of `host.termios` changed; to be called at once. @param old what they were, null at the start */
  termiosChanged(old: Readonly<Termios> | null): void {
    const { iflag, lflag } = this.host.termios;
    if (old === null || ((old.lflag ^ lflag) & (ICANON | EXTPROC)) !== 0) {
      this.buffer.modeChanged((lflag & ICANON) !== 0);
      this.erasing = false;
      this.isNextLiteral = false;
    }
    this.#cooked = (iflag & COOKED_IFLAG) !== 0 || (lflag & COOKED_LFLAG) !== 0;
    markSpecial(this.host.termios, this.#special);
    // Nobody could start the output again with a key.
    if ((iflag & IXON) === 0 && old !== null && (old.iflag & IXON) !== 0 && !this.host.stoppedByCall) this.#start();
  }

  /** Lines are being edited and read as lines. */
  get #readsLines(): boolean {
    return (this.host.termios.lflag & (ICANON | EXTPROC)) === ICANON;
  }

  // Input from the device.

  /** Room for further bytes. A full line without an end takes one more, which is lost when it does not end the line. */
  get #room(): number {
    const { buffer } = this;
    const free = LDISC_BUFFER - buffer.length;
    return ((this.host.termios.iflag & PARMRK) !== 0 ? Math.ceil(free / 3) : free) - 1;
  }

  /** Processes input from the device. @returns bytes taken; the rest is to be offered again after a read */
  receive(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    for (;;) {
      const { buffer } = this;
      let room = this.#room;
      if (room <= 0) {
        const isOverflow = (this.host.termios.lflag & ICANON) !== 0 && buffer.canonHead === buffer.tail;
        if (!isOverflow) break;
        if (room < 0) buffer.head--;
        room = 1;
      }
      // Not before: what is over is lost with the last byte, not with the next ones.
      if (at >= end) break;
      const next = Math.min(end, at + room);
      this.#receiveFitting(bytes, at, next);
      at = next;
    }
    return at - start;
  }

  #receiveFitting(bytes: Uint8Array, start: number, end: number): void {
    const { iflag, lflag } = this.host.termios;
    const { buffer } = this;
    const translates = (iflag & ISTRIP) !== 0 || ((iflag & IUCLC) !== 0 && (lflag & IEXTEN) !== 0);
    const lookedAhead = Math.min(this.#lookedAhead, end - start);
    if (!this.#cooked || ((lflag & EXTPROC) !== 0 && !translates)) {
      buffer.putAll(bytes, start, end);
    } else {
      for (let at = start; at < end; at++) this.#byte(bytes[at], at - start < lookedAhead);
      this.echo.flush();
    }
    this.#lookedAhead = Math.max(0, this.#lookedAhead - lookedAhead);
    if (this.#readsLines) return;
    buffer.commitHead = buffer.head;
    if (buffer.length > 0) this.host.readable();
  }

  /** Acts on flow control characters among input that there is no room for. */
  lookAhead(bytes: Uint8Array, start: number, end: number): void {
    if ((this.host.termios.iflag & IXON) === 0) return;
    this.#lookedAhead += end - start;
    for (let at = start; at < end; at++) this.#flowControl(bytes[at], false);
  }

  #byte(byte: number, lookedAhead: boolean): void {
    const { iflag, lflag } = this.host.termios;
    let c = byte;
    if ((iflag & ISTRIP) !== 0) c &= 0x7f;
    if ((iflag & IUCLC) !== 0 && (lflag & IEXTEN) !== 0) c = toLower(c);
    if (this.isNextLiteral) {
      this.isNextLiteral = false;
      this.#character(c);
    } else if ((lflag & EXTPROC) !== 0) {
      this.buffer.put(c);
    } else if (this.#special[c] !== 0) {
      this.#specialCharacter(c, lookedAhead);
    } else {
      this.#character(c);
    }
  }

  #store(c: number): void {
    // A real 0xff is doubled, to tell it from the mark of PARMRK.
    if (c === 0xff && (this.host.termios.iflag & PARMRK) !== 0) this.buffer.put(c);
    this.buffer.put(c);
  }

  #character(c: number): void {
    this.#restartOnAnyCharacter();
    if ((this.host.termios.lflag & ECHO) !== 0) {
      finishErasing(this);
      echoTyped(this, c);
      this.echo.commit();
    }
    this.#store(c);
  }

  #start(): void {
    this.host.startOutput();
    this.echo.process();
  }

  #restartOnAnyCharacter(): void {
    const { host } = this;
    if (host.stopped && !host.stoppedByCall && (host.termios.iflag & (IXON | IXANY)) === (IXON | IXANY)) this.#start();
  }

  /** @returns whether `c` was START or STOP */
  #flowControl(c: number, isDone: boolean): boolean {
    const { cc } = this.host.termios;
    const isStart = c === cc[VSTART];
    if (!isStart && c !== cc[VSTOP]) return false;
    if (isDone) return true;
    if (isStart) this.#start();
    else this.host.stopOutput();
    return true;
  }

  #specialCharacter(char: number, lookedAhead: boolean): void {
    const { iflag, lflag, cc } = this.host.termios;
    let c = char;
    if ((iflag & IXON) !== 0 && this.#flowControl(c, lookedAhead)) return;
    if ((lflag & ISIG) !== 0) {
      const signal = c === cc[VINTR] ? SIGINT : c === cc[VQUIT] ? SIGQUIT : c === cc[VSUSP] ? SIGTSTP : 0;
      if (signal !== 0) {
        this.#signal(signal, c);
        return;
      }
    }
    this.#restartOnAnyCharacter();
    if (c === CR) {
      if ((iflag & IGNCR) !== 0) return;
      if ((iflag & ICRNL) !== 0) c = LF;
    } else if (c === LF && (iflag & INLCR) !== 0) {
      c = CR;
    }
    if ((lflag & ICANON) !== 0 && edit(this, c)) return;
    if ((lflag & ECHO) !== 0) {
      finishErasing(this);
      if (c === LF) this.echo.raw(LF);
      else echoTyped(this, c);
      this.echo.commit();
    }
    this.#store(c);
  }

  #signal(signal: number, c: number): void {
    const { host } = this;
    const { iflag, lflag } = host.termios;
    host.signal(signal);
    if ((lflag & NOFLSH) === 0) {
      this.echo.clear();
      host.flushOutput();
      this.#dropInput();
      host.inputFlushed();
    }
    if ((iflag & IXON) !== 0) host.startOutput();
    if ((lflag & ECHO) !== 0) {
      this.echo.char(c);
      this.echo.commit();
    } else {
      this.echo.process();
    }
  }

  #dropInput(): void {
    this.buffer.clear();
    this.erasing = false;
    this.#lookedAhead = 0;
  }

  // Programs.

  /** Bytes that FIONREAD reports. */
  get unread(): number {
    return this.#readsLines ? this.buffer.canonLength : this.buffer.length;
  }

  poll(): PollMask {
    return this.isReadable ? READABLE | this.host.pollStatus() : this.host.pollStatus();
  }

  /** Whether there is input to read. */
  get isReadable(): boolean {
    const { buffer } = this;
    if (this.#readsLines) return buffer.canonHead !== buffer.tail;
    const { cc } = this.host.termios;
    return buffer.commitHead - buffer.tail >= (cc[VTIME] === 0 && cc[VMIN] !== 0 ? cc[VMIN] : 1);
  }

  /** In raw mode VMIN and VTIME decide: what is `reserve`d counts, and for the last time less than VMIN will do. */
  read(to: IoIter, isLast: boolean, reserve: number): number | Err {
    const { buffer } = this;
    if (to.remaining === 0) return 0;
    if (this.#readsLines) return buffer.canonHead === buffer.tail ? fail(EAGAIN) : buffer.takeLine(to);
    const available = buffer.commitHead - buffer.tail;
    const { cc, lflag } = this.host.termios;
    const isCanonical = (lflag & ICANON) !== 0;
    if (available === 0) return !isCanonical && cc[VMIN] === 0 && cc[VTIME] === 0 ? 0 : fail(EAGAIN);
    if (isCanonical && available === 1 && buffer.at(buffer.tail) === cc[VEOF]) {
      buffer.tail++;
      return 0;
    }
    const minimum = isCanonical ? 0 : Math.max(1, cc[VMIN]);
    const room = to.remaining + reserve;
    if (!isLast && available + reserve < Math.min(minimum, room, READ_CHUNK)) return fail(EAGAIN);
    return buffer.takeRaw(to, minimum > READ_CHUNK ? Math.min(to.remaining, READ_CHUNK) : to.remaining);
  }

  get readTimeout(): number {
    const { cc, lflag } = this.host.termios;
    if ((lflag & ICANON) !== 0 || cc[VTIME] === 0) return Number.POSITIVE_INFINITY;
    if (cc[VMIN] !== 0 && this.buffer.commitHead === this.buffer.tail) return Number.POSITIVE_INFINITY;
    return cc[VTIME] * VTIME_UNIT;
  }

  /** Waiting echo goes first. */
  write(from: IoIter): number | Err {
    let written = 0;
    do {
      const size = Math.min(from.remaining, WRITE_CHUNK);
      const count = size === 0 ? 0 : from.take(scratch, 0, size);
      if (count !== size) {
        if (count > 0) from.rewind(count);
        return written > 0 ? written : fail(EFAULT);
      }
      this.echo.process();
      const taken = this.output.write(scratch, 0, size);
      this.host.settle();
      written += taken;
      if (taken < size) {
        from.rewind(size - taken);
        return written > 0 ? written : fail(EAGAIN);
      }
    } while (from.remaining > 0);
    return written;
  }

  writeWakeup(): void {}

  ioctl(call: IoctlCall, request: number): number | Err {
    return request === TIOCINQ ? putInt(call, this.unread) : settingsIoctl(call, request);
  }

  /** Drops unread input (TCIFLUSH, TCSETSF). */
  flushInput(): void {
    this.#dropInput();
    this.host.inputFlushed();
  }
}

export const TTY_DISCIPLINE: DisciplineType = { number: N_TTY, name: 'n_tty', make: (host) => new NTty(host) };
