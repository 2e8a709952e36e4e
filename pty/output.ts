/**
 * Output processing (OPOST) and the column it keeps, which echo and tab erasing use as well.
 * @source termios(3) c_oflag; Linux drivers/tty/n_tty.c (behaviour)
 */
import { IUTF8, OCRNL, OLCUC, ONLCR, ONLRET, ONOCR, OPOST, TABDLY, XTABS } from '../abi/termios.js';
import { isControl, toUpper } from './char-class.js';
import type { LdiscHost } from './ldisc-host.js';

const BS = 8;
const TAB = 9;
const LF = 10;
const CR = 13;

const CRLF = Uint8Array.of(CR, LF);
const SPACES = new Uint8Array(8).fill(0x20);

/** Answer of `character`: not enough room. */
export const NO_ROOM = -1;

export class OutputProcessor {
  /** Where the cursor is, counted from 0; tabs stop at every eighth column. */
  column = 0;
  /** Column where the line that is being edited began. */
  canonColumn = 0;
  readonly #host: LdiscHost;
  readonly #single = new Uint8Array(1);

  constructor(host: LdiscHost) {
    this.#host = host;
  }

  /** Whether `c` continues a UTF-8 character and so moves no cursor. */
  isContinuation(c: number): boolean {
    return (this.#host.termios.iflag & IUTF8) !== 0 && (c & 0xc0) === 0x80;
  }

  /** Passes one byte on unprocessed. */
  put(c: number): void {
    this.#single[0] = c;
    this.#host.output(this.#single, 0, 1);
  }

  backColumn(): void {
    if (this.column > 0) this.column--;
  }

  /** Writes bytes as OPOST and its relatives ask. @returns bytes taken from `bytes`, fewer than there are when room ran out */
  write(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    if ((this.#host.termios.oflag & OPOST) === 0) {
      while (at < end) {
        const taken = this.#host.output(bytes, at, end);
        if (taken === 0) break;
        at += taken;
      }
      return at - start;
    }
    while (at < end) {
      const room = this.#host.writeRoom();
      if (room === 0) break;
      at += this.#block(bytes, at, Math.min(end, at + room));
      if (at === end || this.character(bytes[at], this.#host.writeRoom()) === NO_ROOM) break;
      at++;
    }
    return at - start;
  }

  /** Passes on the longest start that needs no change. @returns its length */
  #block(bytes: Uint8Array, start: number, end: number): number {
    const { oflag } = this.#host.termios;
    let at = start;
    scan: for (; at < end; at++) {
      const c = bytes[at];
      switch (c) {
        case LF:
          if ((oflag & ONLRET) !== 0) this.column = 0;
          if ((oflag & ONLCR) !== 0) break scan;
          this.canonColumn = this.column;
          break;
        case CR:
          if ((oflag & ONOCR) !== 0 && this.column === 0) break scan;
          if ((oflag & OCRNL) !== 0) break scan;
          this.canonColumn = this.column = 0;
          break;
        case TAB:
          break scan;
        case BS:
          this.backColumn();
          break;
        default:
          if (isControl(c)) break;
          if ((oflag & OLCUC) !== 0) break scan;
          if (!this.isContinuation(c)) this.column++;
      }
    }
    return at === start ? 0 : this.#host.output(bytes, start, at);
  }

  /** Processes one character. @param room bytes of output it may take @returns bytes of output it took, or NO_ROOM */
  character(char: number, room: number): number {
    const { oflag } = this.#host.termios;
    let c = char;
    if (room === 0) return NO_ROOM;
    switch (c) {
      case LF:
        if ((oflag & ONLRET) !== 0) this.column = 0;
        if ((oflag & ONLCR) !== 0) {
          if (room < 2) return NO_ROOM;
          this.canonColumn = this.column = 0;
          this.#host.output(CRLF, 0, 2);
          return 2;
        }
        this.canonColumn = this.column;
        break;
      case CR:
        if ((oflag & ONOCR) !== 0 && this.column === 0) return 0;
        if ((oflag & OCRNL) !== 0) {
          c = LF;
          if ((oflag & ONLRET) === 0) break;
        }
        this.canonColumn = this.column = 0;
        break;
      case TAB: {
        const spaces = 8 - (this.column & 7);
        if ((oflag & TABDLY) === XTABS) {
          if (room < spaces) return NO_ROOM;
          this.column += spaces;
          this.#host.output(SPACES, 0, spaces);
          return spaces;
        }
        this.column += spaces;
        break;
      }
      case BS:
        this.backColumn();
        break;
      default:
        if (isControl(c)) break;
        if ((oflag & OLCUC) !== 0) c = toUpper(c);
        if (!this.isContinuation(c)) this.column++;
    }
    this.put(c);
    return 1;
  }
}
