/**
 * A line discipline of a driver on one terminal (drivers/include/banos/ldisc.h). Registration is in ldiscs.ts.
 *
 * Operations are called atomically, wherever the terminal is at work. Three things wait for a turn of a timer, so that nothing
 * goes round inside of itself for ever: what `receive` sends, the news that there is room for output, and input that the
 * driver asks for.
 *
 * States: made → open → closed. `close` in the middle of an operation (a hang-up that the device's driver found out) waits
 * until that is over. A crash, and a forced unload, close it without a word to the driver; the terminal then has N_TTY.
 */
import { EFAULT, EINVAL, EIO, ENOTTY, type Err, fail } from '../../abi/errno.js';
import { TIOCINQ } from '../../abi/ioctl.js';
import { POLLERR, POLLHUP } from '../../abi/poll.js';
import type { IoctlCall } from '../../pty/ioctl-call.js';
import type { LineDiscipline } from '../../pty/ldisc.js';
import type { LdiscHost } from '../../pty/ldisc-host.js';
import { NTty } from '../../pty/n-tty.js';
import { settingsIoctl } from '../../pty/settings-ioctl.js';
import type { Termios } from '../../pty/termios.js';
import { majorOf, minorOf } from '../../vfs/devices.js';
import type { PollMask } from '../../vfs/inode.js';
import type { IoIter } from '../../vfs/iter.js';
import { Timer } from '../timers.js';
import { numberOf } from './device-number.js';
import { asError } from './fs-layout.js';
import type { DisciplineOperation, DriverDisciplineType } from './ldiscs.js';
import type { Owned } from './owner.js';
import { CHUNK, TerminalBlock } from './terminal-block.js';

/** struct banos_ldisc_tty. */
const TTY_SIZE = 48;
const T_DEVICE = 4;
const T_NAME = 16;
const NAME_SIZE = 32;
/** Bytes that `receive` may have sent and that wait for their turn. */
const QUEUE_SIZE = 4096;
/** Bytes that are taken from a driver at once, and that a device can promise to take. */
const MAX_ROOM = 65536;

const skipped = new Uint8Array(CHUNK);

/** What a driver says it has taken is gone, whether it has looked at it or not. @returns false: it cannot be read */
function skipTo(iter: IoIter, remaining: number): boolean {
  if (iter.remaining < remaining) iter.rewind(remaining - iter.remaining);
  while (iter.remaining > remaining) {
    if (iter.take(skipped, 0, Math.min(iter.remaining - remaining, CHUNK)) <= 0) return false;
  }
  return true;
}

export class DriverDiscipline implements LineDiscipline, Owned {
  readonly number: number;
  readonly isTerminal: boolean;
  /** Of its struct banos_ldisc_tty. */
  readonly address: number;
  readonly type: DriverDisciplineType;
  readonly #block: TerminalBlock;
  readonly #host: LdiscHost;
  /** What answers for operations that the driver leaves out; null: nobody. */
  readonly #base: NTty | null;
  #isOpen = false;
  /** Operations under way, one inside of another. */
  #depth = 0;
  #closesLater = false;
  /** It is being told of its end, once. */
  #isClosing = false;
  /** The driver's own references. */
  #holds = 0;
  #isReceiving = false;
  /** Output that waits for its turn, from 0 on. */
  readonly #queue = new Uint8Array(QUEUE_SIZE);
  #queued = 0;
  #hasRoom = false;
  #wantsInput = false;
  readonly #turn = new Timer(() => this.#takeTurn());

  /** @returns null when there is no memory */
  static create(type: DriverDisciplineType, host: LdiscHost): DriverDiscipline | null {
    const { space } = type.drivers;
    const block = TerminalBlock.create(type.drivers, type.owner, TTY_SIZE);
    if (block === null) return null;
    const { address } = block;
    space.writeU32(address + T_DEVICE, numberOf(majorOf(host.rdev), minorOf(host.rdev)));
    space.write(address + T_NAME, Buffer.from(host.name, 'latin1').subarray(0, NAME_SIZE - 1));
    return new DriverDiscipline(type, host, block);
  }

  private constructor(type: DriverDisciplineType, host: LdiscHost, block: TerminalBlock) {
    this.number = type.number;
    this.type = type;
    this.#host = host;
    this.#block = block;
    this.address = block.address;
    this.#base = type.inherits ? new NTty(host) : null;
    this.isTerminal = type.inherits && type.operations.read === 0;
  }

  // What the terminal asks.

  open(): number | Err {
    const { owner, disciplines } = this.type;
    owner.holds++;
    owner.add(this);
    disciplines.users.set(this.address, this);
    this.type.users.add(this);
    this.#isOpen = true;
    const { crashes } = owner;
    const result = this.#call('open', 0, 0, false);
    if (result < 0 || owner.crashes !== crashes) {
      this.#forget();
      return asError(result);
    }
    this.#setTermios(null);
    // It may have failed in that.
    return this.#isOpen ? 0 : fail(EIO);
  }

  close(): void {
    if (!this.#isOpen || this.#isClosing) return;
    this.#base?.close();
    if (this.#depth > 0) {
      this.#closesLater = true;
      this.#isOpen = false;
      return;
    }
    this.#close();
  }

  flushInput(): void {
    this.#base?.flushInput();
    this.#tell('flush_buffer');
  }

  get unread(): number {
    return this.#base?.unread ?? 0;
  }

  get readTimeout(): number {
    return this.isTerminal ? this.#base!.readTimeout : Number.POSITIVE_INFINITY;
  }

  read(to: IoIter, isLast: boolean, reserve: number): number | Err {
    if (this.#has('read')) return this.#move('read', to);
    return this.#base?.read(to, isLast, reserve) ?? fail(EIO);
  }

  write(from: IoIter): number | Err {
    if (this.#has('write')) return this.#move('write', from);
    return this.#base?.write(from) ?? fail(EIO);
  }

  ioctl(call: IoctlCall, request: number): number | Err {
    if (this.#has('ioctl')) {
      const result = this.#call('ioctl', request, call.argument);
      if (result !== -ENOTTY) return result >= 0 ? result : asError(result);
    }
    if (this.#base !== null) return this.#base.ioctl(call, request);
    return request === TIOCINQ ? fail(ENOTTY) : settingsIoctl(call, request);
  }

  poll(): PollMask {
    if (!this.#has('poll')) return this.isTerminal ? this.#base!.poll() : this.#host.pollStatus();
    const mask = this.#call('poll');
    return mask < 0 ? POLLERR | POLLHUP : (mask & 0xffff) | (this.#host.pollStatus() & POLLHUP);
  }

  receive(bytes: Uint8Array, start: number, end: number): number {
    if (!this.#has('receive')) return this.#base?.receive(bytes, start, end) ?? 0;
    const outer = this.#isReceiving;
    this.#isReceiving = true;
    let at = start;
    while (at < end && this.#isOpen) {
      const count = Math.min(end - at, CHUNK);
      const taken = this.#call('receive', this.#block.putBytes(bytes.subarray(at, at + count)), count);
      // What is no count takes all of it: the bytes have been seen.
      const isCount = taken >= 0 && taken < count;
      at += isCount ? taken : count;
      if (isCount) break;
    }
    this.#isReceiving = outer;
    return at - start;
  }

  lookAhead(bytes: Uint8Array, start: number, end: number): void {
    if (!this.#has('receive')) this.#base?.lookAhead(bytes, start, end);
  }

  writeWakeup(): void {
    if (this.#queued === 0 && !this.#has('write_wakeup')) return;
    this.#hasRoom = true;
    this.#turnSoon();
  }

  hangUp(): void {
    // In the middle of an operation it hears of it by `close`.
    if (this.#depth === 0) this.#tell('hangup');
  }

  termiosChanged(old: Readonly<Termios>): void {
    this.#base?.termiosChanged(old);
    this.#setTermios(old);
  }

  // What the driver asks.

  /** @param address of `count` bytes @returns bytes taken, -EIO; null: they are not there */
  send(address: number, count: number): number | null {
    const bytes = this.#bytesAt(address, count);
    if (bytes === null) return null;
    if (!this.#isOpen) return fail(EIO);
    if (!this.#mustQueue) {
      this.#host.begin();
      const taken = this.#host.output(bytes, 0, bytes.length);
      this.#host.end();
      return taken;
    }
    const taken = Math.min(bytes.length, QUEUE_SIZE - this.#queued);
    this.#queue.set(bytes.subarray(0, taken), this.#queued);
    this.#queued += taken;
    this.#turnSoon();
    return taken;
  }

  get room(): number {
    if (!this.#isOpen) return 0;
    return this.#mustQueue ? QUEUE_SIZE - this.#queued : Math.min(this.#host.writeRoom(), MAX_ROOM);
  }

  wake(mask: PollMask): number {
    if (this.#isOpen) this.#host.wake(mask);
    return 0;
  }

  wantInput(): number {
    if (!this.#isOpen) return 0;
    this.#wantsInput = true;
    this.#turnSoon();
    return 0;
  }

  /** @returns bytes taken, -EINVAL, -EIO; null: they are not there */
  deliver(address: number, count: number): number | null {
    const bytes = this.#bytesAt(address, count);
    if (bytes === null) return null;
    if (this.#base === null) return fail(EINVAL);
    if (!this.#isOpen) return fail(EIO);
    this.#host.begin();
    const taken = this.#base.receive(bytes, 0, bytes.length);
    this.#host.end();
    return taken;
  }

  hold(): number {
    this.#holds++;
    return 0;
  }

  /** @returns false: the driver has no reference */
  put(): boolean {
    if (this.#holds === 0) return false;
    this.#holds--;
    this.#freeUnused();
    return true;
  }

  /** Its module goes, by force if the terminal has it; its block goes with the heap. */
  release(): void {
    this.type.disciplines.users.delete(this.address);
    if (this.#isOpen) {
      this.#isOpen = false;
      this.#host.giveUp(this);
    }
    this.#stop();
  }

  get #mustQueue(): boolean {
    return this.#isReceiving || this.#queued > 0;
  }

  #bytesAt(address: number, count: number): Uint8Array | null {
    if (!(count >= 0)) return null;
    const bytes = new Uint8Array(Math.min(count, MAX_ROOM));
    return this.type.drivers.space.read(address, bytes) === 0 ? bytes : null;
  }

  #turnSoon(): void {
    const { timers, scheduler, host } = this.type.drivers.kernel;
    if (this.#turn.armed) return;
    timers.arm(this.#turn, host.monotonic());
    scheduler.timersChanged();
  }

  #takeTurn(): void {
    const host = this.#host;
    host.begin();
    if (this.#queued > 0) {
      const sent = host.output(this.#queue, 0, this.#queued);
      this.#queue.copyWithin(0, sent, this.#queued);
      this.#queued -= sent;
    }
    if (this.#hasRoom && this.#queued === 0) {
      this.#hasRoom = false;
      this.#tell('write_wakeup');
    }
    if (this.#wantsInput) {
      this.#wantsInput = false;
      if (this.#isOpen) host.inputTaken();
    }
    host.end();
  }

  #setTermios(old: Readonly<Termios> | null): void {
    if (!this.#has('set_termios')) return;
    this.#call('set_termios', ...this.#block.putSettings(this.#host.termios, old));
  }

  #has(operation: DisciplineOperation): boolean {
    return this.#isOpen && this.type.operations[operation] !== 0;
  }

  #tell(operation: DisciplineOperation): void {
    if (this.#has(operation)) this.#call(operation);
  }

  /** @param fallsBack a crash leaves the terminal with N_TTY @returns what the driver says, 0 when it has no such operation */
  #call(operation: DisciplineOperation, a = 0, b = 0, fallsBack = true): number {
    const { owner, operations, drivers } = this.type;
    const address = operations[operation];
    if (address === 0) return 0;
    const { crashes } = owner;
    this.#depth++;
    const result = drivers.callNow(owner, address, [this.address, a, b], false);
    this.#leave(owner.crashes !== crashes && fallsBack, operation);
    return result;
  }

  #move(operation: 'read' | 'write', iter: IoIter): number | Err {
    const { owner, operations, drivers } = this.type;
    const { crashes } = owner;
    const { runner, kernel } = drivers;
    const wanted = iter.remaining;
    this.#depth++;
    const result = runner.moveAtomic(owner, kernel.caller, operations[operation], this.address, iter, 0);
    this.#leave(owner.crashes !== crashes, operation);
    if (result < 0 || operation === 'read') {
      // Whoever asks again finds what it has seen once more.
      if (result < 0) iter.rewind(wanted - iter.remaining);
      return result >= 0 ? result : asError(result);
    }
    return skipTo(iter, wanted - result) ? result : fail(EFAULT);
  }

  /** An operation is over. */
  #leave(hasCrashed: boolean, operation: DisciplineOperation): void {
    this.#depth--;
    if (hasCrashed && (this.#isOpen || this.#closesLater)) {
      this.type.log(`${operation} failed: ${this.#host.name} is without it`);
      const wasOpen = this.#isOpen;
      this.#closesLater = false;
      this.#forget();
      if (wasOpen) this.#host.giveUp(this);
    } else if (this.#closesLater && this.#depth === 0) {
      this.#closesLater = false;
      this.#isOpen = true;
      this.#close();
    } else this.#freeUnused();
  }

  #close(): void {
    this.#isClosing = true;
    this.#tell('close');
    this.#forget();
  }

  /** The terminal has lost it. */
  #forget(): void {
    if (!this.type.users.has(this)) return;
    this.#isOpen = false;
    this.#stop();
    this.#freeUnused();
  }

  #stop(): void {
    const { owner, users, drivers } = this.type;
    drivers.kernel.timers.cancel(this.#turn);
    if (users.delete(this)) owner.holds--;
  }

  /** Once it is closed, nothing of it runs, and the driver has no reference, its block goes. */
  #freeUnused(): void {
    const { owner, disciplines, users, drivers } = this.type;
    if (users.has(this) || this.#depth > 0 || this.#holds > 0) return;
    if (!disciplines.users.delete(this.address)) return;
    owner.remove(this);
    drivers.heap.free(this.address);
  }
}
