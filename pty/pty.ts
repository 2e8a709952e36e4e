/**
 * Pseudo-terminals: two terminals back to back. What one writes is the other's input; the slave has the line
 * discipline that programs see, the master passes every byte through.
 * @source pty(7); Linux drivers/tty/pty.c (behaviour)
 */
import { EIO, type Err, fail } from '../abi/errno.js';
import {
  TIOCPKT_DOSTOP,
  TIOCPKT_FLUSHREAD,
  TIOCPKT_FLUSHWRITE,
  TIOCPKT_IOCTL,
  TIOCPKT_NOSTOP,
  TIOCPKT_START,
  TIOCPKT_STOP,
} from '../abi/ioctl.js';
import { POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDNORM, POLLWRNORM } from '../abi/poll.js';
import { CREAD, CS8, CSIZE, EXTPROC, IXON, PARENB, VSTART, VSTOP } from '../abi/termios.js';
import { makeDevice } from '../vfs/devices.js';
import type { SessionControl } from './job-control.js';
import { NotifyGate } from './notify-gate.js';
import { masterTermios, slaveTermios, type Termios } from './termios.js';
import { Tty, type TtyDevice } from './tty.js';

/** Major device numbers: the first of the old master majors, and the slaves'. @source Documentation/admin-guide/devices.txt */
const MASTER_MAJOR = 128;
export const SLAVE_MAJOR = 136;

const CONTROL_S = 19;
const CONTROL_Q = 17;

const ALL_CHANGED = POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLHUP;

/** What both ends do alike: output goes into the other's queue. */
abstract class PtyEnd implements TtyDevice {
  protected readonly tty: Tty;
  protected readonly peer: Tty;

  constructor(tty: Tty, peer: Tty) {
    this.tty = tty;
    this.peer = peer;
  }

  write(bytes: Uint8Array, start: number, end: number): number {
    if (this.tty.stopped) return 0;
    this.tty.gate.filled(this.peer.port);
    return this.peer.port.insert(bytes, start, end);
  }

  writeRoom(): number {
    return this.peer.port.room;
  }

  unsent(): number {
    return 0;
  }

  flush(): void {
    this.peer.port.clear();
    if (this.peer.packet) this.report(TIOCPKT_FLUSHWRITE, 0);
  }

  inputReady(): void {
    if (this.peer.writeRoom() > 0) this.peer.outputReady();
  }

  /** Tells a master in packet mode what happened here. */
  protected report(set: number, clear: number): void {
    this.tty.packetStatus = (this.tty.packetStatus & ~clear) | set;
    this.peer.wake(POLLIN | POLLRDNORM | POLLPRI);
  }
}

class SlaveEnd extends PtyEnd {
  readonly #pair: PtyPair;

  constructor(pair: PtyPair) {
    super(pair.slave, pair.master);
    this.#pair = pair;
  }

  opened(): number | Err {
    const { tty, peer } = this;
    if (tty.otherClosed || peer.slaveLocked) {
      tty.ioError = true;
      return fail(EIO);
    }
    tty.ioError = false;
    peer.otherClosed = false;
    return 0;
  }

  closed(remaining: number): void {
    if (remaining > 0) return;
    const { tty, peer } = this;
    tty.ioError = true;
    tty.wake(ALL_CHANGED);
    peer.otherClosed = true;
    peer.wake(ALL_CHANGED);
    this.#pair.endClosed();
  }

  flowChanged(stopped: boolean): void {
    if (!this.peer.packet) return;
    if (stopped) this.report(TIOCPKT_STOP, TIOCPKT_START);
    else this.report(TIOCPKT_START, TIOCPKT_STOP);
  }

  inputFlushed(): void {
    if (this.peer.packet) this.report(TIOCPKT_FLUSHREAD, 0);
  }

  termiosChanged(old: Readonly<Termios>): void {
    const { termios } = this.tty;
    if (this.peer.packet) {
      const before = hasUsualFlowControl(old);
      const after = hasUsualFlowControl(termios);
      let bits = 0;
      if (before !== after) bits |= after ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP;
      if (((old.lflag | termios.lflag) & EXTPROC) !== 0) bits |= TIOCPKT_IOCTL;
      if (bits !== 0) this.report(bits, before === after ? 0 : TIOCPKT_DOSTOP | TIOCPKT_NOSTOP);
    }
    termios.cflag = ((termios.cflag & ~(CSIZE | PARENB)) | CS8 | CREAD) >>> 0;
  }
}

/** ^S and ^Q stop and start output, so that a master may do it on its side of a network. */
const hasUsualFlowControl = ({ iflag, cc }: Readonly<Termios>): boolean =>
  (iflag & IXON) !== 0 && cc[VSTOP] === CONTROL_S && cc[VSTART] === CONTROL_Q;

class MasterEnd extends PtyEnd {
  readonly #pair: PtyPair;

  constructor(pair: PtyPair) {
    super(pair.master, pair.slave);
    this.#pair = pair;
  }

  closed(remaining: number): void {
    if (remaining > 0) return;
    const { tty, peer } = this;
    tty.ioError = true;
    tty.otherClosed = true;
    tty.packet = false;
    peer.otherClosed = true;
    tty.wake(ALL_CHANGED);
    peer.wake(ALL_CHANGED);
    this.#pair.masterClosed();
    peer.hangUp(false);
    this.#pair.endClosed();
  }
}

export interface PtyPairEvents {
  /** The master is closed: the slave's name goes. */
  masterClosed(pair: PtyPair): void;
  /** Nobody has either end open any more: the number is free. */
  released(pair: PtyPair): void;
}

export class PtyPair {
  readonly index: number;
  readonly master: Tty;
  readonly slave: Tty;
  readonly #events: PtyPairEvents;
  #isMasterClosed = false;

  constructor(index: number, control: SessionControl, events: PtyPairEvents) {
    this.index = index;
    this.#events = events;
    const gate = new NotifyGate();
    this.master = new Tty({
      name: `ptm/${index}`,
      rdev: makeDevice(MASTER_MAJOR, index),
      kind: 'master',
      control,
      termios: masterTermios(),
      gate,
    });
    this.slave = new Tty({
      name: `pts/${index}`,
      rdev: makeDevice(SLAVE_MAJOR, index),
      kind: 'slave',
      control,
      termios: slaveTermios(),
      gate,
    });
    this.master.index = this.slave.index = index;
    this.master.slaveLocked = true;
    this.master.link = this.slave;
    this.slave.link = this.master;
    this.master.device = new MasterEnd(this);
    this.slave.device = new SlaveEnd(this);
  }

  masterClosed(): void {
    this.#isMasterClosed = true;
    this.#events.masterClosed(this);
  }

  endClosed(): void {
    if (!this.#isMasterClosed || this.slave.files.size > 0) return;
    this.master.endDiscipline();
    this.slave.endDiscipline();
    this.#events.released(this);
  }
}
