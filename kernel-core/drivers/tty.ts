/**
 * Terminal lines of drivers (drivers/include/banos/tty.h): the device behind a terminal of pty/. Registration is in
 * tty-lines.ts.
 *
 * Input goes through a buffer that a timer empties: what a driver inserts in the middle of an operation is not processed
 * inside of it, so that a line that leads back to itself, with echo, comes round once per turn and not for ever.
 */
import { EIO, ENODEV, ENOTTY, type Err, fail } from '../../abi/errno.js';
import type { Termios } from '../../pty/termios.js';
import type { Tty, TtyDevice } from '../../pty/tty.js';
import type { Caller } from '../../vfs/caller.js';
import { Timer } from '../timers.js';
import type { DriverFunction } from './calls.js';
import type { Drivers } from './drivers.js';
import { asError } from './fs-layout.js';
import type { Owner } from './owner.js';
import { CHUNK, TerminalBlock } from './terminal-block.js';

/** Operations of struct banos_tty_ops in their order, behind size and flags. */
export const TTY_OPERATIONS = [
  'open',
  'close',
  'write',
  'write_room',
  'chars_in_buffer',
  'flush_buffer',
  'set_termios',
  'throttle',
  'unthrottle',
  'stop',
  'start',
  'hangup',
  'break_ctl',
  'tiocmget',
  'tiocmset',
  'ioctl',
] as const;
type TtyOperation = (typeof TTY_OPERATIONS)[number];
/** null: the driver leaves it out. */
export type TtyOperations = Readonly<Record<TtyOperation, DriverFunction | null>>;

/** struct banos_tty. */
const TTY_SIZE = 16;
/** Input that waits for its turn. */
const INPUT_SIZE = 4096;
/** Bytes that a driver can promise to take. */
const MAX_ROOM = 2 ** 20;

export class DriverLine implements TtyDevice {
  readonly drivers: Drivers;
  readonly owner: Owner;
  /** Of its struct banos_tty; 0: the driver is gone. */
  address: number;
  tty!: Tty;
  readonly #block: TerminalBlock;
  readonly #operations: TtyOperations;
  readonly #input = new Uint8Array(INPUT_SIZE);
  #start = 0;
  #end = 0;
  #isThrottled = false;
  #files = 0;
  /** How often input was dropped. */
  #flushes = 0;
  readonly #turn = new Timer(() => this.#deliver());

  /** @returns null when there is no memory */
  static create(drivers: Drivers, owner: Owner, line: number, operations: TtyOperations): DriverLine | null {
    const block = TerminalBlock.create(drivers, owner, TTY_SIZE);
    if (block === null) return null;
    drivers.space.writeU32(block.address + 4, line);
    return new DriverLine(drivers, owner, block, operations);
  }

  private constructor(drivers: Drivers, owner: Owner, block: TerminalBlock, operations: TtyOperations) {
    this.drivers = drivers;
    this.owner = owner;
    this.address = block.address;
    this.#block = block;
    this.#operations = operations;
  }

  // What the terminal asks.

  write(bytes: Uint8Array, start: number, end: number): number {
    // A driver need not look whether there is room.
    const limit = Math.min(end, start + this.writeRoom());
    let at = start;
    while (at < limit && this.address !== 0) {
      const count = Math.min(limit - at, CHUNK);
      const taken = this.#call('write', this.#block.putBytes(bytes.subarray(at, at + count)), count);
      if (taken <= 0 || taken > count) break;
      at += taken;
      if (taken < count) break;
    }
    return at - start;
  }

  writeRoom(): number {
    const room = this.#call('write_room');
    return room > 0 ? Math.min(room, MAX_ROOM) : 0;
  }

  unsent(): number {
    const count = this.#has('chars_in_buffer') ? this.#call('chars_in_buffer') : 0;
    return count > 0 ? Math.min(count, MAX_ROOM) : 0;
  }

  flush(): void {
    this.#tell('flush_buffer');
  }

  opened(): number | Err {
    if (this.address === 0 || this.owner.isClosing) return fail(ENODEV);
    if (this.#files === 0 && this.#has('open')) {
      const result = this.#call('open');
      if (result !== 0) return asError(result);
    }
    this.#files++;
    this.owner.holds++;
    if (this.#files === 1) this.#setTermios(null);
    return 0;
  }

  closed(): void {
    if (this.#files === 0) return;
    this.#files--;
    if (this.address === 0) return;
    this.owner.holds--;
    if (this.#files > 0) return;
    this.#tell('close');
    this.inputFlushed();
  }

  flowChanged(stopped: boolean): void {
    this.#tell(stopped ? 'stop' : 'start');
  }

  inputFlushed(): void {
    this.#dropInput();
    this.inputReady();
  }

  inputReady(): void {
    if (this.#end > this.#start) this.#deliverSoon();
    else if (this.#isThrottled) {
      this.#isThrottled = false;
      this.#tell('unthrottle');
    }
  }

  termiosChanged(old: Readonly<Termios>): void {
    this.#setTermios(old);
  }

  hungUp(): void {
    this.#dropInput();
    this.#isThrottled = false;
    this.#tell('hangup');
  }

  modemBits(): number | Err {
    if (!this.#has('tiocmget')) return fail(ENOTTY);
    const bits = this.#call('tiocmget');
    return bits < 0 ? asError(bits) : bits & 0xffff;
  }

  setModemBits(set: number, clear: number): number | Err {
    if (!this.#has('tiocmset')) return fail(ENOTTY);
    const result = this.#call('tiocmset', set, clear);
    return result === 0 ? 0 : asError(result);
  }

  sendBreak(duration: number): number | Err {
    if (!this.#has('break_ctl')) return 0;
    const result = this.#call('break_ctl', duration);
    return result === 0 ? 0 : asError(result);
  }

  ioctl(request: number, argument: number, _caller: Caller): number | Err {
    if (!this.#has('ioctl')) return fail(ENOTTY);
    return this.#call('ioctl', request, argument) as Err;
  }

  // What the driver asks.

  /** Bytes have come in. @param address of `count` of them @returns how many were taken; null: they are not there */
  insert(address: number, count: number): number | null {
    const length = Math.min(count, INPUT_SIZE - (this.#end - this.#start));
    if (this.#end + length > INPUT_SIZE) {
      this.#input.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    const target = this.#input.subarray(this.#end, this.#end + length);
    if (this.drivers.space.read(address, target) !== 0) return null;
    // Nobody listens: it is as if nothing was connected.
    if (this.#files === 0) return count;
    this.#end += length;
    if (length < count) this.#throttle();
    if (length > 0) this.#deliverSoon();
    return length;
  }

  /** The driver goes: whoever has the line open has lost it. */
  end(): void {
    const { kernel, heap } = this.drivers;
    const { address } = this;
    kernel.timers.cancel(this.#turn);
    this.address = 0;
    this.tty.hangUp(true);
    // Damaged or not, it goes with its owner.
    heap.free(address);
  }

  #deliverSoon(): void {
    const { timers, scheduler, host } = this.drivers.kernel;
    if (this.#turn.armed) return;
    timers.arm(this.#turn, host.monotonic());
    scheduler.timersChanged();
  }

  #deliver(): void {
    const waiting = this.#end - this.#start;
    const flushes = this.#flushes;
    // While it is processed, more may come in behind, or instead of what a character of it has dropped.
    const bytes = this.#input.slice(this.#start, this.#end);
    const taken = this.tty.receive(bytes);
    if (this.#flushes === flushes) this.#start += taken;
    if (taken < waiting) this.#throttle();
    else this.inputReady();
  }

  #dropInput(): void {
    this.#start = 0;
    this.#end = 0;
    this.#flushes++;
  }

  #throttle(): void {
    if (this.#isThrottled) return;
    this.#isThrottled = true;
    this.#tell('throttle');
  }

  #setTermios(old: Readonly<Termios> | null): void {
    if (!this.#has('set_termios')) return;
    this.#call('set_termios', ...this.#block.putSettings(this.tty.termios, old));
  }

  #has(operation: TtyOperation): boolean {
    return this.address !== 0 && this.#operations[operation] !== null;
  }

  #tell(operation: TtyOperation): void {
    if (this.#has(operation)) this.#call(operation);
  }

  #call(operation: TtyOperation, a = 0, b = 0): number {
    const fn = this.#operations[operation];
    if (fn === null || this.address === 0) return fail(EIO);
    const { runner, kernel } = this.drivers;
    return runner.invokeAtomic(this.owner, kernel.caller, fn, this.address, a, b);
  }
}
