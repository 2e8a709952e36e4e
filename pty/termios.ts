/**
 * Terminal settings and their three layouts in guest memory: termio (18 bytes), termios (36), termios2 (44); the window size.
 * @source uapi/asm-generic/termbits.h, termios.h; Linux drivers/tty/tty_baudrate.c, tty_ioctl.c (behaviour)
 */
import {
  B0,
  B38400,
  BOTHER,
  CBAUD,
  CBAUDEX,
  CREAD,
  CS8,
  ECHO,
  ECHOCTL,
  ECHOE,
  ECHOK,
  ECHOKE,
  HUPCL,
  IBSHIFT,
  ICANON,
  ICRNL,
  IEXTEN,
  ISIG,
  IXON,
  NCCS,
  ONLCR,
  OPOST,
} from '../abi/termios.js';

/** Bytes of the layouts. */
export const TERMIO_SIZE = 18;
export const TERMIOS_SIZE = 36;
export const TERMIOS2_SIZE = 44;
/** c_cc entries that struct termio has. */
const TERMIO_NCC = 8;

/** Control characters of a new terminal, by V* index: ^C ^\ DEL ^U ^D, TIME 0, MIN 1, –, ^Q ^S ^Z, –, ^R ^O ^W ^V, –. */
const INITIAL_CC = [3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0];

/** Bits per second by B* index; CBAUDEX speeds follow the fifteen of the first POSIX. */
const BAUD_TABLE = [
  0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800,
  500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000,
];

export interface Termios {
  iflag: number;
  oflag: number;
  cflag: number;
  lflag: number;
  line: number;
  /** NCCS control characters. */
  readonly cc: Uint8Array;
  /** Bits per second. */
  ispeed: number;
  ospeed: number;
}

function makeTermios(iflag: number, oflag: number, cflag: number, lflag: number): Termios {
  return { iflag, oflag, cflag, lflag, line: 0, cc: Uint8Array.from(INITIAL_CC), ispeed: 38400, ospeed: 38400 };
}

/** What a person's terminal starts with: cooked mode. */
const COOKED_LFLAG = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;

/** Settings of a new pseudo-terminal slave. */
export const slaveTermios = (): Termios => makeTermios(ICRNL | IXON, OPOST | ONLCR, B38400 | CS8 | CREAD, COOKED_LFLAG);
/** Settings of a master: every byte passes unchanged. They cannot be changed. */
export const masterTermios = (): Termios => makeTermios(0, 0, B38400 | CS8 | CREAD, 0);
/** Settings of a terminal that is not a pseudo-terminal, such as the console. */
export const consoleTermios = (): Termios =>
  makeTermios(ICRNL | IXON, OPOST | ONLCR, B38400 | CS8 | CREAD | HUPCL, COOKED_LFLAG);
/** No setting locked (TIOCSLCKTRMIOS). */
export function unlockedTermios(): Termios {
  const none = makeTermios(0, 0, 0, 0);
  none.cc.fill(0);
  return none;
}

export function copyTermios(to: Termios, from: Readonly<Termios>): void {
  to.iflag = from.iflag;
  to.oflag = from.oflag;
  to.cflag = from.cflag;
  to.lflag = from.lflag;
  to.line = from.line;
  to.cc.set(from.cc);
  to.ispeed = from.ispeed;
  to.ospeed = from.ospeed;
}

export const cloneTermios = (from: Readonly<Termios>): Termios => ({ ...from, cc: from.cc.slice() });

function speedOf(bits: number, other: number): number {
  if (bits === BOTHER) return other;
  const index = (bits & CBAUDEX) === 0 ? bits : (bits & ~CBAUDEX) + 15;
  return BAUD_TABLE[index] ?? 0;
}

/** Fills in `ispeed` and `ospeed` from the speed bits of `cflag`; BOTHER leaves the number that is there. */
export function resolveSpeeds(termios: Termios): void {
  const output = speedOf(termios.cflag & CBAUD, termios.ospeed);
  const inputBits = (termios.cflag >>> IBSHIFT) & CBAUD;
  termios.ispeed = inputBits === B0 ? output : speedOf(inputBits, termios.ispeed);
  termios.ospeed = output;
}

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Encodes as struct termios, or as struct termios2 when `size` is TERMIOS2_SIZE. */
export function encodeTermios(termios: Readonly<Termios>, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  const v = view(bytes);
  v.setUint32(0, termios.iflag, true);
  v.setUint32(4, termios.oflag, true);
  v.setUint32(8, termios.cflag, true);
  v.setUint32(12, termios.lflag, true);
  bytes[16] = termios.line;
  bytes.set(termios.cc, 17);
  if (size === TERMIOS2_SIZE) {
    v.setUint32(36, termios.ispeed, true);
    v.setUint32(40, termios.ospeed, true);
  }
  return bytes;
}

/** Reads struct termios or termios2, by the length of `bytes`, into `into`; what the layout lacks stays. */
export function decodeTermios(bytes: Uint8Array, into: Termios): void {
  const v = view(bytes);
  into.iflag = v.getUint32(0, true);
  into.oflag = v.getUint32(4, true);
  into.cflag = v.getUint32(8, true);
  into.lflag = v.getUint32(12, true);
  into.line = bytes[16];
  into.cc.set(bytes.subarray(17, 17 + NCCS));
  if (bytes.length >= TERMIOS2_SIZE) {
    into.ispeed = v.getUint32(36, true);
    into.ospeed = v.getUint32(40, true);
  }
}

/** Encodes as struct termio: 16-bit flags and eight control characters. */
export function encodeTermio(termios: Readonly<Termios>): Uint8Array {
  const bytes = new Uint8Array(TERMIO_SIZE);
  const v = view(bytes);
  v.setUint16(0, termios.iflag, true);
  v.setUint16(2, termios.oflag, true);
  v.setUint16(4, termios.cflag, true);
  v.setUint16(6, termios.lflag, true);
  bytes[8] = termios.line;
  bytes.set(termios.cc.subarray(0, TERMIO_NCC), 9);
  return bytes;
}

const replaceLow16 = (old: number, low: number): number => ((old & 0xffff0000) | low) >>> 0;

/** Reads struct termio into `into`; upper flag halves and further control characters stay. */
export function decodeTermio(bytes: Uint8Array, into: Termios): void {
  const v = view(bytes);
  into.iflag = replaceLow16(into.iflag, v.getUint16(0, true));
  into.oflag = replaceLow16(into.oflag, v.getUint16(2, true));
  into.cflag = replaceLow16(into.cflag, v.getUint16(4, true));
  into.lflag = replaceLow16(into.lflag, v.getUint16(6, true));
  into.line = bytes[8];
  into.cc.set(bytes.subarray(9, 9 + TERMIO_NCC));
}

const keep = (next: number, old: number, locked: number): number => ((next & ~locked) | (old & locked)) >>> 0;

/** Undoes in `next` what the set bits of `locked` forbid to change. */
export function keepLocked(next: Termios, old: Readonly<Termios>, locked: Readonly<Termios>): void {
  next.iflag = keep(next.iflag, old.iflag, locked.iflag);
  next.oflag = keep(next.oflag, old.oflag, locked.oflag);
  next.cflag = keep(next.cflag, old.cflag, locked.cflag);
  next.lflag = keep(next.lflag, old.lflag, locked.lflag);
  if (locked.line !== 0) next.line = old.line;
  for (let i = 0; i < NCCS; i++) {
    if (locked.cc[i] !== 0) next.cc[i] = old.cc[i];
  }
}

/** struct winsize. Rows and columns in characters, the rest in pixels; 16 bits each. */
export interface WindowSize {
  rows: number;
  cols: number;
  xpixel: number;
  ypixel: number;
}

export const WINSIZE_SIZE = 8;

export function encodeWindowSize(size: Readonly<WindowSize>): Uint8Array {
  const bytes = new Uint8Array(WINSIZE_SIZE);
  const v = view(bytes);
  v.setUint16(0, size.rows, true);
  v.setUint16(2, size.cols, true);
  v.setUint16(4, size.xpixel, true);
  v.setUint16(6, size.ypixel, true);
  return bytes;
}

export function decodeWindowSize(bytes: Uint8Array): WindowSize {
  const v = view(bytes);
  return {
    rows: v.getUint16(0, true),
    cols: v.getUint16(2, true),
    xpixel: v.getUint16(4, true),
    ypixel: v.getUint16(6, true),
  };
}
