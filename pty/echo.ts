/**
 * The echo queue. Echo is not written at once: what the typist did is queued as bytes and small operations, and
 * turned into output when the input batch ends or enough has gathered. So echo waits while output is stopped, and
 * columns are counted in the order in which things reach the screen.
 *
 * An operation is OP followed by its code; OP OP stands for the byte itself, OP and a control character for its ^X form.
 * @source Linux drivers/tty/n_tty.c (behaviour)
 */
import { ECHO, ECHOCTL, ECHONL, OPOST } from '../abi/termios.js';
import { isControl } from './char-class.js';
import { LDISC_BUFFER, LDISC_MASK, type LdiscHost } from './ldisc-host.js';
import { NO_ROOM, type OutputProcessor } from './output.js';

const OP = 0xff;
const MOVE_BACK_COLUMN = 0x80;
const SET_CANON_COLUMN = 0x81;
/** Followed by the columns used since the last tab (modulo 8), with bit 7 set if there was such a tab. */
const ERASE_TAB = 0x82;

const BS = 8;
const TAB = 9;
const CARET = 0x5e;

/** Bytes: echo goes out when this much has gathered, and again with each further block. */
const BLOCK = 256;
/** Bytes: above this, waiting echo is dropped from the front, so that the queue never overruns. */
const DISCARD_LIMIT = LDISC_BUFFER - (BLOCK + 32);

export class EchoQueue {
  readonly #bytes = new Uint8Array(LDISC_BUFFER);
  readonly #host: LdiscHost;
  readonly #out: OutputProcessor;
  // Counters that only grow; their low bits index #bytes. tail <= commit <= head.
  #head = 0;
  /** Up to here a batch of input was complete. */
  #mark = 0;
  /** Up to here echo may go out. */
  #commit = 0;
  #tail = 0;

  constructor(host: LdiscHost, out: OutputProcessor) {
    this.#host = host;
    this.#out = out;
  }

  #add(c: number): void {
    this.#bytes[this.#head & LDISC_MASK] = c;
    this.#head++;
  }

  moveBackColumn(): void {
    this.#add(OP);
    this.#add(MOVE_BACK_COLUMN);
  }

  /** Remembers, when it gets there, the column at which the line begins. */
  setCanonColumn(): void {
    this.#add(OP);
    this.#add(SET_CANON_COLUMN);
  }

  /** @param columns used since the tab before the erased one, or since the line began if there was none */
  eraseTab(columns: number, afterTab: boolean): void {
    this.#add(OP);
    this.#add(ERASE_TAB);
    this.#add((columns & 7) | (afterTab ? 0x80 : 0));
  }

  /** A byte as it is. */
  raw(c: number): void {
    this.#add(c);
    if (c === OP) this.#add(OP);
  }

  /** A typed character: control characters in ^X form if ECHOCTL is set. */
  char(c: number): void {
    if (c === OP) this.#add(OP);
    else if (c !== TAB && (this.#host.termios.lflag & ECHOCTL) !== 0 && isControl(c)) this.#add(OP);
    this.#add(c);
  }

  clear(): void {
    this.#head = this.#mark = this.#commit = this.#tail = 0;
  }

  /** The echo of one character is complete; it goes out when a block has gathered. */
  commit(): void {
    const waiting = this.#commit - this.#tail;
    const all = this.#head - this.#tail;
    this.#mark = this.#head;
    if (all < BLOCK || all % BLOCK > waiting % BLOCK) return;
    this.#commit = this.#head;
    this.#process();
  }

  /** Sends what is complete. */
  process(): void {
    if (this.#mark === this.#tail) return;
    this.#commit = this.#mark;
    this.#process();
  }

  /** The input batch is over: sends everything, if echo is on. */
  flush(): void {
    if ((this.#host.termios.lflag & (ECHO | ECHONL)) === 0 || this.#commit === this.#head) return;
    this.#commit = this.#head;
    this.#process();
  }

  #process(): void {
    let room = this.#host.writeRoom();
    let tail = this.#tail;
    while (tail < this.#commit) {
      const c = this.#bytes[tail & LDISC_MASK];
      const used = c === OP ? this.#operation(tail, room) : this.#plain(c, room);
      if (used === NO_ROOM) break;
      room -= used;
      tail += this.#lengthAt(tail);
    }
    while (this.#commit - tail >= DISCARD_LIMIT) tail += this.#lengthAt(tail);
    this.#tail = tail;
  }

  #lengthAt(position: number): number {
    if (this.#bytes[position & LDISC_MASK] !== OP) return 1;
    return this.#bytes[(position + 1) & LDISC_MASK] === ERASE_TAB ? 3 : 2;
  }

  #plain(c: number, room: number): number {
    if ((this.#host.termios.oflag & OPOST) !== 0) return this.#out.character(c, room);
    if (room === 0) return NO_ROOM;
    this.#out.put(c);
    return 1;
  }

  /** @returns bytes of output used, or NO_ROOM */
  #operation(position: number, room: number): number {
    const out = this.#out;
    const op = this.#bytes[(position + 1) & LDISC_MASK];
    switch (op) {
      case ERASE_TAB: {
        let columns = this.#bytes[(position + 2) & LDISC_MASK];
        // Without a tab before it, the columns count from where the line began.
        if ((columns & 0x80) === 0) columns += out.canonColumn;
        const back = 8 - (columns & 7);
        if (back > room) return NO_ROOM;
        for (let i = 0; i < back; i++) {
          out.put(BS);
          out.backColumn();
        }
        return back;
      }
      case SET_CANON_COLUMN:
        out.canonColumn = out.column;
        return 0;
      case MOVE_BACK_COLUMN:
        out.backColumn();
        return 0;
      case OP:
        if (room === 0) return NO_ROOM;
        out.put(OP);
        out.column++;
        return 1;
      default:
        if (room < 2) return NO_ROOM;
        out.put(CARET);
        out.put(op ^ 0x40);
        out.column += 2;
        return 2;
    }
  }
}
