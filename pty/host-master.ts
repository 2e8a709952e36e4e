/**
 * A master without a task: the embedder's end of a pseudo-terminal. It types, sees the output, sets the window size
 * and hangs up. kernel-core gives it the shape of node-pty's IPty.
 */
import { EAGAIN } from '../abi/errno.js';
import { O_RDWR } from '../abi/fcntl.js';
import type { Caller } from '../vfs/caller.js';
import { BytesIter } from '../vfs/iter.js';
import type { PtyPair } from './pty.js';
import type { Tty, TtyDescription } from './tty.js';

/** Bytes that one call of `onData` gets at most. */
const READ_SIZE = 8192;

export class HostMaster implements TtyDescription {
  readonly master: Tty;
  /** The terminal that programs use: `slave.name` is pts/N. */
  readonly slave: Tty;
  hungUp = false;
  readonly viaConsole = false;
  readonly readable = true;
  /**
   * Gets output of the programs, each piece its own array. Called while the program that writes is in its system
   * call, so it must not run guests; it may call `write`, `resize`, `pause` and `hangUp`.
   */
  onData: ((bytes: Uint8Array) => void) | null = null;
  /** The last file on the slave was closed and all output has been delivered. May come again if the slave is opened again. */
  onSlaveClosed: (() => void) | null = null;
  #isPaused = false;
  #isPumping = false;
  #isClosed = false;
  #slaveWasOpen = false;
  /** Input that the terminal had no room for, oldest first. */
  #waiting: Uint8Array[] = [];
  readonly #buffer = new Uint8Array(READ_SIZE);

  /** Made by `Devpts.openHostMaster`. */
  constructor(pair: PtyPair, caller: Caller) {
    this.master = pair.master;
    this.slave = pair.slave;
    this.master.slaveLocked = false;
    this.master.open(this, O_RDWR, caller);
    this.master.hook.on('notify', this.#pump, this);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Bytes of input that wait for the programs to read. */
  get queued(): number {
    return this.#waiting.reduce((sum, bytes) => sum + bytes.length, 0);
  }

  /** Types. What there is no room for waits here, and goes in when programs have read. The bytes are copied if need be. */
  write(bytes: Uint8Array): void {
    if (this.#isClosed || bytes.length === 0) return;
    this.#waiting.push(bytes.slice());
    this.#pump();
  }

  /** Sets the window size, in characters. */
  resize(cols: number, rows: number): void {
    if (this.#isClosed) return;
    this.slave.resize({ cols, rows, xpixel: this.slave.windowSize.xpixel, ypixel: this.slave.windowSize.ypixel });
  }

  /** Stops calling `onData`; programs that go on writing wait when the terminal is full. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#pump();
  }

  /** Closes the master: the session gets SIGHUP, programs read end of file. Undelivered output is lost. */
  hangUp(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#waiting = [];
    this.master.hook.off('notify', this.#pump, this);
    this.master.close(this);
  }

  /** Moves bytes both ways as far as they go. */
  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    let moved = true;
    while (moved && !this.#isClosed) {
      moved = this.#deliver();
      if (this.#feed()) moved = true;
    }
    this.#isPumping = false;
    this.#reportClosing();
  }

  /** @returns whether there was output */
  #deliver(): boolean {
    const { master, onData } = this;
    if (this.#isPaused || onData === null || master.ldisc === null) return false;
    const iter = new BytesIter(this.#buffer);
    master.gate.enter();
    const count = master.ldisc.read(iter, true);
    if (count !== -EAGAIN) master.inputTaken();
    master.gate.leave();
    if (count <= 0) return false;
    onData(this.#buffer.slice(0, count));
    return true;
  }

  /** @returns whether the terminal took input */
  #feed(): boolean {
    let took = false;
    const { master } = this;
    while (this.#waiting.length > 0 && !this.#isClosed) {
      const bytes = this.#waiting[0];
      master.gate.enter();
      const count = master.output(bytes, 0, bytes.length);
      master.gate.leave();
      if (count === 0) break;
      took = true;
      if (count === bytes.length) this.#waiting.shift();
      else this.#waiting[0] = bytes.subarray(count);
    }
    return took;
  }

  #reportClosing(): void {
    const { master } = this;
    if (!master.otherClosed) {
      this.#slaveWasOpen = this.slave.files.size > 0;
    } else if (this.#slaveWasOpen && !this.#isClosed && !(master.ldisc?.isReadable ?? false)) {
      this.#slaveWasOpen = false;
      this.onSlaveClosed?.();
    }
  }
}
