/** Open files on terminals: read, write, poll, ioctl with job control. @source Linux drivers/tty/tty_io.c (behaviour) */
import type { Mutex } from 'async-mutex';
import { EAGAIN, EIO, ENOTTY, type Err, fail, isErr } from '../abi/errno.js';
import { O_NONBLOCK } from '../abi/fcntl.js';
import { TIOCSPGRP } from '../abi/ioctl.js';
import { POLLIN, POLLOUT } from '../abi/poll.js';
import { SIGTTIN, SIGTTOU } from '../abi/signal.js';
import { TOSTOP } from '../abi/termios.js';
import type { Caller, Timespec } from '../vfs/caller.js';
import { OpenFile, type UserMemory } from '../vfs/file.js';
import type { PollMask } from '../vfs/inode.js';
import type { IoIter } from '../vfs/iter.js';
import { checkForeground } from './job-control.js';
import type { LineDiscipline } from './ldisc.js';
import type { Tty, TtyDescription } from './tty.js';
import type { TtyInode } from './tty-inode.js';
import { ttyIoctl } from './tty-ioctl.js';

/** What a read in packet mode begins with when data follow (TIOCPKT_DATA). */
const PACKET_DATA = Uint8Array.of(0);

const now: Timespec = { sec: 0, nsec: 0 };

/** Times change in steps of eight seconds, so that they do not tell how fast somebody types. @source Linux tty_update_time */
function updateTime(time: Timespec, inode: TtyInode): void {
  inode.fs.env.now(now);
  if (((now.sec ^ time.sec) & ~7) === 0) return;
  time.sec = now.sec;
  time.nsec = 0;
}

export class TtyFile extends OpenFile implements TtyDescription {
  declare readonly inode: TtyInode;
  readonly tty: Tty;
  readonly viaConsole: boolean;
  hungUp = false;

  /** Only makes the description; `Tty.open` must follow. */
  constructor(inode: TtyInode, flags: number, viaConsole = false) {
    super(inode, flags);
    this.tty = inode.tty;
    this.viaConsole = viaConsole;
  }

  /** @returns an open file on the terminal of `inode`, or what `Tty.open` answers */
  static open(inode: TtyInode, flags: number, caller: Caller, viaConsole = false): TtyFile | Err {
    const file = new TtyFile(inode, flags, viaConsole);
    const result = inode.tty.open(file, flags, caller);
    return isErr(result) ? result : file;
  }

  override poll(): PollMask {
    return this.tty.poll(this);
  }

  override read(to: IoIter, _position: number, caller: Caller): number | Err {
    return this.#read(to, caller, (this.flags & O_NONBLOCK) !== 0);
  }

  /** A read that begins after the other end has gone is at the end; one that waits meanwhile fails. @source Linux n_tty_read */
  override get waitError(): number | Err {
    return this.hungUp && this.tty.otherClosed ? fail(EIO) : 0;
  }

  override get waitEpoch(): number {
    return this.tty.disciplineChanges;
  }

  override get writeLock(): Mutex {
    return this.tty.writeLock;
  }

  override readTimeout(): number {
    return this.tty.ldisc?.readTimeout ?? Number.POSITIVE_INFINITY;
  }

  override readTimedOut(to: IoIter, caller: Caller): number | Err {
    const result = this.#read(to, caller, true);
    return result === -EAGAIN ? 0 : result;
  }

  #read(to: IoIter, caller: Caller, isLast: boolean): number | Err {
    const { tty } = this;
    const { ldisc } = tty;
    if (this.hungUp || ldisc === null) return 0;
    if (tty.ioError) return fail(EIO);
    if (ldisc.isTerminal) {
      if (!this.viaConsole) {
        const allowed = checkForeground(tty, caller, SIGTTIN, tty.control);
        if (allowed !== 0) return allowed;
      }
      if (to.remaining === 0) return 0;
    }
    tty.gate.enter();
    // A read of packet mode that takes only the status takes no input.
    const takesInput = !tty.packet || tty.link === null || tty.link.packetStatus === 0;
    const result = this.#take(ldisc, to, isLast);
    if (result !== -EAGAIN && takesInput) tty.inputTaken();
    tty.gate.leave();
    if (result > 0) updateTime(this.inode.atime, this.inode);
    return result;
  }

  #take(ldisc: LineDiscipline, to: IoIter, isLast: boolean): number | Err {
    const { tty } = this;
    const { link } = tty;
    if (tty.packet && link !== null && ldisc.isTerminal) {
      if (link.packetStatus !== 0) {
        const status = Uint8Array.of(link.packetStatus);
        link.packetStatus = 0;
        return to.put(status, 0, 1);
      }
      if ((ldisc.poll() & POLLIN) !== 0) {
        const put = to.put(PACKET_DATA, 0, 1);
        if (isErr(put)) return put;
        const result = ldisc.read(to, isLast, 1);
        return isErr(result) ? result : result + 1;
      }
    }
    const result = ldisc.read(to, isLast, 0);
    return result === -EAGAIN && tty.otherClosed ? fail(EIO) : result;
  }

  override write(from: IoIter, _position: number, caller: Caller): number | Err {
    const { tty } = this;
    const { ldisc } = tty;
    if (this.hungUp || tty.ioError || ldisc === null) return fail(EIO);
    if ((tty.termios.lflag & TOSTOP) !== 0 && !this.viaConsole && ldisc.isTerminal) {
      const allowed = checkForeground(tty, caller, SIGTTOU, tty.control);
      if (allowed !== 0) return allowed;
    }
    tty.gate.enter();
    const result = ldisc.write(from);
    tty.gate.leave();
    if (result > 0) updateTime(this.inode.mtime, this.inode);
    // Every write that is over says that the next one may begin, room or not.
    if (result !== -EAGAIN) tty.wake(POLLOUT);
    return result;
  }

  override ioctl(request: number, argument: number, user: UserMemory, caller: Caller): number | Err {
    const { tty } = this;
    if (this.hungUp || tty.ldisc === null) return fail(request === TIOCSPGRP ? ENOTTY : EIO);
    tty.gate.enter();
    const result = ttyIoctl({ file: this, tty, user, caller, argument }, request);
    tty.gate.leave();
    return result;
  }

  protected override release(): void {
    this.tty.close(this);
    super.release();
  }
}
