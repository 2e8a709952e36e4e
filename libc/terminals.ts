/** Terminals: their attributes, their place in job control, and making new ones. */
import { EINVAL, ENOTTY, ERANGE } from '../abi/errno.js';
import { AT_FDCWD, O_NOCTTY, O_RDWR } from '../abi/fcntl.js';
import {
  TCFLSH,
  TCGETS,
  TCSBRK,
  TCSETS,
  TCSETSF,
  TCSETSW,
  TCXONC,
  TIOCGPGRP,
  TIOCGPTN,
  TIOCGPTPEER,
  TIOCGSID,
  TIOCGWINSZ,
  TIOCSCTTY,
  TIOCSPGRP,
  TIOCSPTLCK,
  TIOCSWINSZ,
} from '../abi/ioctl.js';
import { S_IFCHR, S_IFMT } from '../abi/stat.js';
import {
  BRKINT,
  CBAUD,
  CS8,
  CSIZE,
  ECHO,
  ECHONL,
  ICANON,
  ICRNL,
  IEXTEN,
  IGNBRK,
  IGNCR,
  INLCR,
  ISIG,
  ISTRIP,
  IXON,
  NCCS,
  OPOST,
  PARENB,
  PARMRK,
  VMIN,
  VTIME,
} from '../abi/termios.js';
import { errnoError } from '../kernel-core/index.js';
import { InOut, memoryOf, out, wholeNumber, zeroTerminated } from './calls.js';
import type { Target } from './files.js';
import { Polling } from './polling.js';
import type { ChildMain } from './processes.js';

/** struct termios. The speeds are in c_cflag: cfgetospeed and its relatives know them. */
export interface Termios {
  c_iflag: number;
  c_oflag: number;
  c_cflag: number;
  c_lflag: number;
  c_line: number;
  /** Control characters by VINTR, VEOF … */
  c_cc: Uint8Array;
}

export interface WindowSize {
  ws_row: number;
  ws_col: number;
  ws_xpixel?: number;
  ws_ypixel?: number;
}

export interface PtyPair {
  master: number;
  slave: number;
  /** Name of the slave. */
  name: string;
}

const TERMIOS_SIZE = 17 + NCCS;
const WINSIZE = 8;
/** What tcsetattr's second argument becomes: TCSANOW, TCSADRAIN, TCSAFLUSH. */
const SET_REQUESTS = [TCSETS, TCSETSW, TCSETSF];
/** c_cflag holds the speed of input above that of output; 0 there: the same. */
const INPUT_SHIFT = 16;

export abstract class Terminals extends Polling {
  isatty(fd: number): boolean {
    return this.raw('ioctl', [fd, TCGETS, out(TERMIOS_SIZE)]) === 0;
  }

  /** @throws ErrnoError: ENOTTY; ENODEV when it has no name here */
  ttyname(fd: number): string {
    if (!this.isatty(fd)) throw errnoError(-ENOTTY, 'ttyname');
    const name = this.readlink(`/proc/self/fd/${fd}`);
    const { st_mode, st_rdev } = this.stat(name);
    if ((st_mode & S_IFMT) !== S_IFCHR || st_rdev !== this.fstat(fd).st_rdev)
      throw errnoError(-ENOTTY, 'ttyname', name);
    return name;
  }

  tcgetattr(fd: number): Termios {
    const bytes = out(TERMIOS_SIZE);
    this.now('ioctl', [fd, TCGETS, bytes]);
    const { view } = bytes;
    const [c_iflag, c_oflag, c_cflag, c_lflag] = [0, 4, 8, 12].map((at) => view.getUint32(at, true));
    return { c_iflag, c_oflag, c_cflag, c_lflag, c_line: bytes.bytes[16], c_cc: bytes.bytes.slice(17) };
  }

  /** @param when TCSANOW; TCSADRAIN waits until output has gone; TCSAFLUSH throws input away, too */
  async tcsetattr(fd: number, when: number, termios: Termios): Promise<void> {
    const request = SET_REQUESTS[when];
    if (request === undefined) throw errnoError(-EINVAL, 'tcsetattr');
    await this.blocking('ioctl', [fd, request, encodeTermios(termios)]);
  }

  /** Waits until output has gone. */
  async tcdrain(fd: number): Promise<void> {
    await this.blocking('ioctl', [fd, TCSBRK, 1]);
  }

  /** @param action TCOOFF, TCOON, TCIOFF, TCION */
  async tcflow(fd: number, action: number): Promise<void> {
    await this.blocking('ioctl', [fd, TCXONC, action]);
  }

  /** @param queue TCIFLUSH, TCOFLUSH, TCIOFLUSH */
  async tcflush(fd: number, queue: number): Promise<void> {
    await this.blocking('ioctl', [fd, TCFLSH, queue]);
  }

  /** @param duration 0; what other values mean is the system's business, and here the same */
  async tcsendbreak(fd: number, duration = 0): Promise<void> {
    wholeNumber(duration, 'duration');
    await this.blocking('ioctl', [fd, TCSBRK, 0]);
  }

  tcgetpgrp(fd: number): number {
    return this.#getInt(fd, TIOCGPGRP);
  }

  async tcsetpgrp(fd: number, pgid: number): Promise<void> {
    await this.blocking('ioctl', [fd, TIOCSPGRP, int(pgid)]);
  }

  tcgetsid(fd: number): number {
    return this.#getInt(fd, TIOCGSID);
  }

  tcgetwinsize(fd: number): Required<WindowSize> {
    const size = out(WINSIZE);
    this.now('ioctl', [fd, TIOCGWINSZ, size]);
    const [ws_row, ws_col, ws_xpixel, ws_ypixel] = new Uint16Array(size.bytes.buffer);
    return { ws_row, ws_col, ws_xpixel, ws_ypixel };
  }

  tcsetwinsize(fd: number, { ws_row, ws_col, ws_xpixel = 0, ws_ypixel = 0 }: WindowSize): void {
    const words = Uint16Array.of(...[ws_row, ws_col, ws_xpixel, ws_ypixel].map((n) => wholeNumber(n, 'size')));
    this.now('ioctl', [fd, TIOCSWINSZ, new Uint8Array(words.buffer)]);
  }

  /**
   * Makes a terminal; its slave can be opened at once: what grantpt and unlockpt are there for has been done.
   * @param flags O_RDWR, with O_NOCTTY, O_CLOEXEC @returns the master
   */
  posix_openpt(flags: number): number {
    const master = this.now('openat', [AT_FDCWD, zeroTerminated('/dev/ptmx', 'path'), flags, 0], '/dev/ptmx');
    this.now('ioctl', [master, TIOCSPTLCK, int(0)]);
    return master;
  }

  /** Nothing is left to do after posix_openpt. @throws ErrnoError when `fd` is no master */
  grantpt(fd: number): void {
    this.ptsname(fd);
  }

  /** As grantpt. */
  unlockpt(fd: number): void {
    this.ptsname(fd);
  }

  /** Name of the slave of a master. @throws ErrnoError: ENOTTY, EBADF */
  ptsname(fd: number): string {
    return `/dev/pts/${this.#getInt(fd, TIOCGPTN)}`;
  }

  /** Writes the name and a zero byte to `buffer`. @returns bytes of the name @throws ErrnoError: ERANGE when it does not fit */
  ptsname_r(fd: number, buffer: Target): number {
    const name = zeroTerminated(this.ptsname(fd), 'name');
    const bytes = memoryOf(buffer, 'buffer');
    if (bytes.length < name.length) throw errnoError(-ERANGE, 'ptsname_r');
    bytes.set(name);
    return name.length - 1;
  }

  /** Makes a terminal and opens both ends. */
  openpty(termios: Termios | null = null, size: WindowSize | null = null): PtyPair {
    const master = this.posix_openpt(O_RDWR | O_NOCTTY);
    try {
      const slave = this.now('ioctl', [master, TIOCGPTPEER, O_RDWR | O_NOCTTY]);
      const pair = { master, slave, name: this.ptsname(master) };
      if (termios !== null) this.now('ioctl', [slave, TCSETS, encodeTermios(termios)]);
      if (size !== null) this.tcsetwinsize(slave, size);
      return pair;
    } catch (error) {
      this.close(master);
      throw error;
    }
  }

  /** Makes `fd` the controlling terminal and the standard streams of a new session. */
  login_tty(fd: number): void {
    this.setsid();
    this.now('ioctl', [fd, TIOCSCTTY, 0]);
    for (const stream of [0, 1, 2]) if (stream !== fd) this.dup2(fd, stream);
    if (fd > 2) this.close(fd);
  }

  /** Makes a terminal and a child with it as its controlling terminal, which runs `main`: see `fork`. */
  async forkpty(
    main: ChildMain<this>,
    termios: Termios | null = null,
    size: WindowSize | null = null,
  ): Promise<{ pid: number; master: number; name: string }> {
    const { master, slave, name } = this.openpty(termios, size);
    try {
      const pid = await this.fork((child) => {
        child.close(master);
        child.login_tty(slave);
        return main(child);
      });
      return { pid, master, name };
    } catch (error) {
      this.close(master);
      throw error;
    } finally {
      this.close(slave);
    }
  }

  #getInt(fd: number, request: number): number {
    const value = out(4);
    this.now('ioctl', [fd, request, value]);
    return value.view.getInt32(0, true);
  }
}

const int = (value: number): InOut => new InOut(new Uint8Array(Int32Array.of(wholeNumber(value, 'value')).buffer));

function encodeTermios({ c_iflag, c_oflag, c_cflag, c_lflag, c_line, c_cc }: Termios): Uint8Array {
  const bytes = new Uint8Array(TERMIOS_SIZE);
  const view = new DataView(bytes.buffer);
  [c_iflag, c_oflag, c_cflag, c_lflag].forEach((flags, i) => {
    view.setUint32(4 * i, wholeNumber(flags, 'flags') >>> 0, true);
  });
  bytes[16] = c_line;
  bytes.set(memoryOf(c_cc, 'c_cc').subarray(0, NCCS), 17);
  return bytes;
}

/** @returns B9600 and the like */
export const cfgetospeed = (termios: Termios): number => termios.c_cflag & CBAUD;

export function cfgetispeed(termios: Termios): number {
  const input = (termios.c_cflag >>> INPUT_SHIFT) & CBAUD;
  return input === 0 ? cfgetospeed(termios) : input;
}

export function cfsetospeed(termios: Termios, speed: number): void {
  checkSpeed(speed, 'cfsetospeed');
  termios.c_cflag = ((termios.c_cflag & ~CBAUD) | speed) >>> 0;
}

/** B0: the same as output. */
export function cfsetispeed(termios: Termios, speed: number): void {
  checkSpeed(speed, 'cfsetispeed');
  termios.c_cflag = ((termios.c_cflag & ~(CBAUD << INPUT_SHIFT)) | (speed << INPUT_SHIFT)) >>> 0;
}

export function cfsetspeed(termios: Termios, speed: number): void {
  cfsetospeed(termios, speed);
  cfsetispeed(termios, speed);
}

/** Bytes as they are: no lines, no echo, no signals, no translation. */
export function cfmakeraw(termios: Termios): void {
  termios.c_iflag &= ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
  termios.c_oflag &= ~OPOST;
  termios.c_lflag &= ~(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
  termios.c_cflag = ((termios.c_cflag & ~(CSIZE | PARENB)) | CS8) >>> 0;
  termios.c_cc[VMIN] = 1;
  termios.c_cc[VTIME] = 0;
}

function checkSpeed(speed: number, name: string): void {
  if ((wholeNumber(speed, 'speed') & ~CBAUD) !== 0) throw errnoError(-EINVAL, name);
}
