/**
 * The queue between a device and the line discipline: what has come in and found no room yet.
 *
 * Storage is a list of pieces whose sizes and limit are those of Linux, so that a writer who is not read from can
 * write as much before it must wait as on Linux.
 * @source Linux drivers/tty/tty_buffer.c (behaviour)
 */

/** Accounted bytes from which no further piece is made. */
const LIMIT = 8192;
/** A piece is accounted in multiples of this, and holds twice what it is accounted for. */
const PIECE_UNIT = 256;
/** Most bytes that are put in at once. */
const PUSH_LIMIT = 1792;

interface Piece {
  readonly bytes: Uint8Array;
  readonly accounted: number;
  used: number;
  read: number;
  next: Piece | null;
}

/** Where queued input goes. */
export interface PortSink {
  /** @returns bytes taken */
  receive(bytes: Uint8Array, start: number, end: number): number;
  /** Sees what had to stay behind, once. */
  lookAhead(bytes: Uint8Array, start: number, end: number): void;
}

const NOTHING = new Uint8Array(0);

export class TtyPort {
  readonly #sink: PortSink;
  #head: Piece = { bytes: NOTHING, accounted: 0, used: 0, read: 0, next: null };
  #tail = this.#head;
  #accounted = 0;
  /** Unread bytes behind the head's read position that the sink has looked at. */
  #lookedAt = 0;
  #length = 0;
  #isFlushing = false;

  constructor(sink: PortSink) {
    this.#sink = sink;
  }

  /** Bytes that output processing may count on; plain writes may get somewhat more in. */
  get room(): number {
    return Math.max(0, LIMIT - this.#accounted);
  }

  /** Queues bytes; `flush` passes them on. @returns bytes taken */
  insert(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end) {
      const goal = Math.min(end - at, PUSH_LIMIT);
      const space = this.#request(goal);
      if (space === 0) break;
      const piece = this.#tail;
      // Echo comes byte by byte: a view would cost more than the copy.
      if (space === 1) piece.bytes[piece.used] = bytes[at];
      else piece.bytes.set(bytes.subarray(at, at + space), piece.used);
      piece.used += space;
      this.#length += space;
      at += space;
      if (space < goal) break;
    }
    return at - start;
  }

  /** Makes the tail piece have room for `size` bytes. @returns the room, less than `size` when memory is used up */
  #request(size: number): number {
    const left = this.#tail.bytes.length - this.#tail.used;
    if (left >= size) return size;
    if (this.#accounted > LIMIT) return left;
    const accounted = Math.ceil(size / PIECE_UNIT) * PIECE_UNIT;
    const piece = { bytes: new Uint8Array(accounted * 2), accounted, used: 0, read: 0, next: null };
    this.#accounted += accounted;
    this.#tail.next = piece;
    this.#tail = piece;
    return size;
  }

  #dropHead(next: Piece): void {
    this.#accounted -= this.#head.accounted;
    this.#head = next;
  }

  /** Passes on what there is room for; called when there may be more room than before. */
  flush(): void {
    // What the sink does may lead here again; the loop below goes on anyhow.
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    for (;;) {
      const piece = this.#head;
      if (piece.read === piece.used) {
        if (piece.next === null) break;
        this.#dropHead(piece.next);
        continue;
      }
      const { read } = piece;
      const waiting = piece.used - read;
      const taken = this.#sink.receive(piece.bytes, read, piece.used);
      // What it has taken may have dropped the rest.
      if (piece !== this.#head || piece.read !== read) continue;
      piece.read += taken;
      this.#length -= taken;
      this.#lookedAt = Math.max(0, this.#lookedAt - taken);
      if (taken < waiting) {
        this.#lookAhead();
        if (taken === 0) break;
      }
    }
    this.#isFlushing = false;
  }

  #lookAhead(): void {
    let skip = this.#lookedAt;
    for (let piece: Piece | null = this.#head; piece !== null; piece = piece.next) {
      const start = piece.read + skip;
      if (start < piece.used) this.#sink.lookAhead(piece.bytes, start, piece.used);
      skip = Math.max(0, start - piece.used);
    }
    this.#lookedAt = this.#length;
  }

  /** Drops everything queued. */
  clear(): void {
    for (let next = this.#head.next; next !== null; next = this.#head.next) this.#dropHead(next);
    this.#head.read = this.#head.used;
    this.#length = 0;
    this.#lookedAt = 0;
  }
}
