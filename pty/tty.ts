/**
 * A terminal: a line discipline between a device and the files that programs have open on it, with what all
 * terminals share: settings, window size, the session it controls, flow control, hang-up.
 *
 * Devices are the two ends of a pseudo-terminal (pty.ts) and whatever the embedder connects (the console). Work on a
 * terminal goes on between `gate.enter()` and `gate.leave()`; nothing waits, so there are no locks.
 * @source Linux drivers/tty/tty_io.c, tty_jobctrl.c (behaviour)
 */

import { Mutex } from 'async-mutex';
import { EventEmitter } from 'eventemitter3';
import { CAP_SYS_ADMIN } from '../abi/capability.js';
import { EBUSY, EINVAL, EIO, type Err, fail, isErr } from '../abi/errno.js';
import { O_NOCTTY } from '../abi/fcntl.js';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDNORM, POLLWRNORM } from '../abi/poll.js';
import { SIGHUP, SIGWINCH } from '../abi/signal.js';
import type { Caller } from '../vfs/caller.js';
import { capable } from '../vfs/capability.js';
import type { InodeEvents, PollMask } from '../vfs/inode.js';
import { type ControllingTerminal, isTtyCaller, type SessionControl, type TtyCaller } from './job-control.js';
import type { LineDiscipline } from './ldisc.js';
import type { LdiscHost } from './ldisc-host.js';
import { NTty } from './n-tty.js';
import { type Notified, NotifyGate } from './notify-gate.js';
import { TtyPort } from './port.js';
import { cloneTermios, copyTermios, keepLocked, type Termios, unlockedTermios, type WindowSize } from './termios.js';

/** Where output goes, and who hears what happens to the terminal. Room for more output is told by `Tty.outputReady`. */
export interface TtyDevice {
  /** Takes output. @returns bytes taken, maybe more than `writeRoom` said */
  write(bytes: Uint8Array, start: number, end: number): number;
  /** Bytes that `write` is sure to take. */
  writeRoom(): number;
  /** Bytes taken that have not left yet (TIOCOUTQ, tcdrain). */
  unsent(): number;
  /** Drops what has not left yet. */
  flush(): void;
  /** A file was opened. @returns 0, or the error that open(2) gets */
  opened?(): number | Err;
  /** A file was closed; `remaining` are left. */
  closed?(remaining: number): void;
  /** Output was stopped or goes on. */
  flowChanged?(stopped: boolean): void;
  /** Unread input was dropped. */
  inputFlushed?(): void;
  /** There is room for input again. */
  inputReady?(): void;
  /** May correct `tty.termios`. */
  termiosChanged?(old: Readonly<Termios>): void;
  /** The terminal was taken away from all that had it open. */
  hungUp?(): void;
  /** TIOCM_* bits; absent: it has none (-ENOTTY). */
  modemBits?(): number | Err;
  setModemBits?(set: number, clear: number): number | Err;
  /** A break begins (-1), ends (0) or lasts so many milliseconds; absent: nobody would see it. */
  sendBreak?(duration: number): number | Err;
  /** Requests that no terminal knows. @returns -ENOTTY for those that it does not know either */
  ioctl?(request: number, argument: number, caller: Caller): number | Err;
}

/** An open file as its terminal sees it. */
export interface TtyDescription {
  /** The terminal was hung up under it: reads see the end, all else fails. */
  hungUp: boolean;
  /** Opened as /dev/console: no job control, survives a hang-up. */
  readonly viaConsole: boolean;
  readonly readable: boolean;
}

export interface TtyOptions {
  /** As ps shows it, without /dev/: pts/0, console. */
  name: string;
  /** Device number, as st_rdev. */
  rdev: number;
  /** An end of a pseudo-terminal, or any other device. Only a device is hung up when its session leader ends. */
  kind: 'master' | 'slave' | 'device';
  control: SessionControl;
  termios: Termios;
  gate?: NotifyGate;
}

/** Bytes of unread input from which on the other end hears that there is room. @source Linux drivers/tty/n_tty.c */
const UNTHROTTLE_THRESHOLD = 128;
/** poll(2) of a file whose terminal is gone. */
export const HUNG_UP_POLL = POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDNORM | POLLWRNORM;
const READABLE = POLLIN | POLLRDNORM;
const WRITABLE = POLLOUT | POLLWRNORM;
/** Bytes unsent from which a terminal is not writable. */
const WRITABLE_BELOW = 256;

export class Tty implements ControllingTerminal, LdiscHost, Notified {
  readonly name: string;
  readonly rdev: number;
  readonly kind: TtyOptions['kind'];
  readonly control: SessionControl;
  /** Where waiters hang. */
  readonly hook = new EventEmitter<InodeEvents>();
  pending = 0;
  readonly gate: NotifyGate;
  readonly termios: Termios;
  readonly locked = unlockedTermios();
  readonly #initial: Termios;
  windowSize: WindowSize = { rows: 0, cols: 0, xpixel: 0, ypixel: 0 };
  sid = 0;
  pgid = 0;
  stopped = false;
  stoppedByCall = false;
  /** TIOCEXCL: only the superuser may open it. */
  exclusive = false;
  /** Nothing can be read or written: no slave file is open, or the master is closed. */
  ioError = false;
  /** The last file at the other end was closed. */
  otherClosed = false;
  /** Number of the pair (pseudo-terminals). */
  index = 0;
  /** TIOCSPTLCK: the slave cannot be opened (masters). */
  slaveLocked = false;
  /** TIOCPKT is on (masters). */
  packet = false;
  /** TIOCPKT_* bits that the other end has not read yet. */
  packetStatus = 0;
  /** The other end. */
  link: Tty | null = null;
  device!: TtyDevice;
  /** Files that are open on it. */
  readonly files = new Set<TtyDescription>();
  readonly port: TtyPort;
  /** See `OpenFile.writeLock`. */
  readonly writeLock = new Mutex();
  /** null between a hang-up and the next open. */
  ldisc: LineDiscipline | null;
  /** How often one took the place of another under files that are open. */
  disciplineChanges = 0;
  #isHangingUp = false;

  constructor(options: TtyOptions) {
    this.name = options.name;
    this.rdev = options.rdev;
    this.kind = options.kind;
    this.control = options.control;
    this.termios = options.termios;
    this.#initial = cloneTermios(options.termios);
    this.gate = options.gate ?? new NotifyGate();
    this.ldisc = new NTty(this);
    this.port = new TtyPort({
      receive: (bytes, start, end) => this.ldisc?.receive(bytes, start, end) ?? 0,
      lookAhead: (bytes, start, end) => this.ldisc?.lookAhead(bytes, start, end),
    });
  }

  // Files.

  /** A file opens it. @param flags O_* of open(2) @returns 0; -EBUSY (exclusive), or what the device says */
  open(file: TtyDescription, flags: number, caller: Caller): number | Err {
    if (this.exclusive && !capable(caller.cred, CAP_SYS_ADMIN)) return fail(EBUSY);
    this.ldisc ??= new NTty(this);
    const result = this.device.opened?.() ?? 0;
    if (isErr(result)) return result;
    this.files.add(file);
    if ((flags & O_NOCTTY) === 0 && !file.viaConsole && this.kind !== 'master' && file.readable) this.#adopt(caller);
    return 0;
  }

  /** A session leader without a terminal that opens one gets it. */
  #adopt(caller: Caller): void {
    if (!isTtyCaller(caller) || !caller.isSessionLeader) return;
    if (caller.controllingTty() === null && this.sid === 0) this.controlSessionOf(caller);
  }

  close(file: TtyDescription): void {
    if (!this.files.delete(file)) return;
    this.gate.enter();
    this.device.closed?.(this.files.size);
    if (this.files.size === 0 && this.kind === 'device' && !(this.ldisc instanceof NTty)) this.endDiscipline();
    this.gate.leave();
  }

  poll(file: TtyDescription | null): PollMask {
    return file?.hungUp || this.ldisc === null ? HUNG_UP_POLL : this.ldisc.poll();
  }

  wake(mask: PollMask): void {
    this.gate.notify(this, mask);
  }

  // Sessions.

  /** Becomes the controlling terminal of the caller's session, with the caller's group in the foreground. */
  controlSessionOf(caller: TtyCaller): void {
    this.sid = caller.sid;
    this.pgid = caller.pgid;
    caller.setControllingTty(this);
  }

  /** Forgets the session without a word to it. */
  releaseSession(): void {
    this.sid = 0;
    this.pgid = 0;
  }

  /** The leader of session `sid`, which this terminal controls, has ended. */
  sessionLeaderExited(sid: number): void {
    if (this.sid !== sid) return;
    if (this.kind === 'device') {
      this.hangUp(true);
      return;
    }
    const { pgid } = this;
    this.releaseSession();
    if (pgid !== 0) this.control.signalGroup(pgid, SIGHUP);
    this.control.detachSession(sid);
  }

  /**
   * Takes the terminal away from every file that has it open, as vhangup(2) does.
   * @param tellForeground whether the foreground group gets SIGHUP besides the session leader
   */
  hangUp(tellForeground: boolean): void {
    // What a device or a discipline does when it hears of it may lead here again.
    if (this.ldisc === null || this.#isHangingUp) return;
    this.#isHangingUp = true;
    this.gate.enter();
    const { sid, pgid } = this;
    this.releaseSession();
    let console = false;
    for (const file of this.files) {
      if (file.viaConsole) console = true;
      else file.hungUp = true;
    }
    this.ldisc.flushInput();
    this.device.flush();
    this.ldisc.hangUp();
    this.device.hungUp?.();
    copyTermios(this.termios, this.#initial);
    this.endDiscipline();
    this.packetStatus = 0;
    if (console) this.ldisc = new NTty(this);
    if (sid !== 0) {
      this.control.hangupSession(sid, pgid);
      if (tellForeground && pgid !== 0) this.control.signalGroup(pgid, SIGHUP);
    }
    this.wake(HUNG_UP_POLL);
    this.#isHangingUp = false;
    this.gate.leave();
  }

  // The line discipline.

  /**
   * TIOCSETD, when output has gone out. Input that the old discipline has is lost, what it has not seen gets the new one.
   * @returns 0; -EINVAL when there is no such discipline; what its `open` answers, and then the old one is there again
   */
  setDiscipline(number: number): number | Err {
    const old = this.ldisc;
    const { disciplines } = this.control;
    const type = disciplines.get(number);
    if (type === undefined) return fail(EINVAL);
    if (old === null) return fail(EIO);
    if (old.number === number) return 0;
    const next = type.make(this);
    if (isErr(next)) return next;
    old.close();
    let result = this.#install(next);
    if (isErr(result)) {
      const former = disciplines.get(old.number)?.make(this) ?? fail(EINVAL);
      if (isErr(former) || isErr(this.#install(former))) this.#install(new NTty(this));
    } else result = 0;
    this.#disciplineChanged();
    return result;
  }

  #install(ldisc: LineDiscipline): number | Err {
    this.ldisc = ldisc;
    this.termios.line = ldisc.number;
    return ldisc.open();
  }

  /** Those who wait do so for something that is no longer there. */
  #disciplineChanged(): void {
    this.disciplineChanges++;
    this.wake(READABLE | WRITABLE);
    this.inputTaken();
  }

  /** Nobody has the terminal any more; whoever opens it next gets N_TTY. */
  endDiscipline(): void {
    const { ldisc } = this;
    this.ldisc = null;
    this.termios.line = 0;
    ldisc?.close();
  }

  giveUp(discipline: LineDiscipline): void {
    if (this.ldisc !== discipline) return;
    this.gate.enter();
    this.#install(new NTty(this));
    this.#disciplineChanged();
    this.gate.leave();
  }

  // Settings.

  /** Takes over new settings, but for locked ones. */
  setTermios(next: Termios): void {
    const old = cloneTermios(this.termios);
    keepLocked(next, old, this.locked);
    copyTermios(this.termios, next);
    this.device.termiosChanged?.(old);
    this.ldisc?.termiosChanged(old);
    this.wake(READABLE | WRITABLE);
  }

  /** Sets the window size; the foreground group hears of a change by SIGWINCH. */
  resize(size: WindowSize): void {
    const old = this.windowSize;
    const isSame =
      old.rows === size.rows && old.cols === size.cols && old.xpixel === size.xpixel && old.ypixel === size.ypixel;
    if (isSame) return;
    this.windowSize = { ...size };
    this.signal(SIGWINCH);
  }

  // Input.

  /** Hands over input from the device. @returns bytes taken; the device's `inputReady` tells when to offer the rest */
  receive(bytes: Uint8Array, start = 0, end = bytes.length): number {
    this.gate.enter();
    const taken = this.port.insert(bytes, start, end);
    this.port.flush();
    this.gate.leave();
    return taken;
  }

  /** Unread input became less: moves on what waits, and tells the device. */
  inputTaken(): void {
    const isDrained = this.ldisc === null || this.ldisc.unread <= UNTHROTTLE_THRESHOLD;
    this.port.flush();
    if (isDrained) this.device.inputReady?.();
  }

  /** The device has room for output again. */
  outputReady(): void {
    this.ldisc?.writeWakeup();
    this.wake(WRITABLE);
  }

  // What the line discipline asks.

  pollStatus(): PollMask {
    let mask = this.device.unsent() < WRITABLE_BELOW && this.writeRoom() > 0 ? WRITABLE : 0;
    if (this.packet && this.link !== null && this.link.packetStatus !== 0) mask |= POLLPRI | READABLE;
    if (this.otherClosed) mask |= POLLHUP;
    return mask;
  }

  begin(): void {
    this.gate.enter();
  }

  end(): void {
    this.gate.leave();
  }

  settle(): void {
    this.gate.settle();
  }

  writeRoom(): number {
    return this.stopped ? 0 : this.device.writeRoom();
  }

  output(bytes: Uint8Array, start: number, end: number): number {
    return this.stopped ? 0 : this.device.write(bytes, start, end);
  }

  flushOutput(): void {
    this.device.flush();
  }

  stopOutput(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.device.flowChanged?.(true);
  }

  startOutput(): void {
    if (!this.stopped || this.stoppedByCall) return;
    this.stopped = false;
    this.device.flowChanged?.(false);
    this.outputReady();
  }

  signal(signal: number): void {
    if (this.pgid !== 0) this.control.signalGroup(this.pgid, signal);
  }

  inputFlushed(): void {
    this.device.inputFlushed?.();
  }

  readable(): void {
    this.wake(READABLE);
  }
}
