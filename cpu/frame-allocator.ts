/**
 * Which frame next: the placement half of `PhysicalMemory`. Frames are kept track of in chunks of 64.
 *
 * An owner that wants its frames side by side makes a reservation, a run of whole chunks. It is a preference, not a
 * claim: single frames come from chunks that nobody has reserved as long as there are any, then from reserved chunks that
 * hold nothing yet, then from wherever one is free. A chunk that was taken from its owner like that stays lost to it.
 *
 * A chunk is FREE (no owner, nothing taken), PARTIAL (no owner, some taken), IDLE (owned, nothing taken), OWNED (owned,
 * some taken) or FULL. PARTIAL and OWNED chunks hang in two lists, so that taking and giving a frame are O(1); a
 * reservation looks for a run of FREE chunks from below. Nothing here allocates but `reserve`. No locks.
 */

export const CHUNK_FRAMES = 64;

const FREE = 0;
const PARTIAL = 1;
const IDLE = 2;
const OWNED = 3;
const FULL = 4;

const NONE = -1;
/** Owner of the last chunk when it is shorter than the others: frames are taken from there when all else is taken. */
const TAIL = 0xffffffff;

/** Frames `first` … `first + frames − 1`, kept as far as possible for whoever holds this. */
export class Reservation {
  readonly first: number;
  readonly frames: number;
  readonly id: number;

  constructor(first: number, frames: number, id: number) {
    this.first = first;
    this.frames = frames;
    this.id = id;
  }
}

export class FrameAllocator {
  readonly #limit: number;
  /** A bit per frame, two words per chunk: set when taken. */
  readonly #taken: Uint32Array;
  /** Frames taken of each chunk. */
  readonly #used: Uint8Array;
  /** Reservation that each chunk belongs to; 0: none. */
  readonly #owner: Uint32Array;
  readonly #state: Uint8Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  /** First chunk of the lists PARTIAL and OWNED. */
  readonly #heads = new Int32Array(FULL).fill(NONE);
  #freeChunks = 0;
  #idleChunks = 0;
  /** No chunk below is FREE. */
  #firstFree = 0;
  #lastId = 0;
  #reservedChunks = 0;

  /** @param limit frames there are @param low frames at the bottom that are never given out, less than a chunk */
  constructor(limit: number, low: number) {
    const chunks = Math.ceil(limit / CHUNK_FRAMES);
    this.#limit = limit;
    this.#taken = new Uint32Array(chunks * 2);
    this.#used = new Uint8Array(chunks);
    this.#owner = new Uint32Array(chunks);
    this.#state = new Uint8Array(chunks);
    this.#next = new Int32Array(chunks);
    this.#previous = new Int32Array(chunks);
    this.#freeChunks = chunks;
    if (limit % CHUNK_FRAMES !== 0) {
      this.#owner[chunks - 1] = TAIL;
      for (let frame = limit; frame < chunks * CHUNK_FRAMES; frame++) this.#take(frame);
      this.#settle(chunks - 1);
    }
    for (let frame = 0; frame < low; frame++) this.#take(frame);
  }

  /** Chunks that belong to reservations. */
  get reservedChunks(): number {
    return this.#reservedChunks;
  }

  /** @returns a free frame, or 0 when all are taken */
  take(): number {
    let chunk = this.#heads[PARTIAL]!;
    if (chunk === NONE) chunk = this.#lowestFree();
    if (chunk === NONE) chunk = this.#revoke();
    if (chunk === NONE) return 0;
    const low = ~this.#taken[chunk * 2]!;
    const frame = chunk * CHUNK_FRAMES + (low !== 0 ? lowestBit(low) : 32 + lowestBit(~this.#taken[chunk * 2 + 1]!));
    this.#take(frame);
    return frame;
  }

  /** Takes that very frame for the owner of a reservation. @returns false when it is taken, or somebody else's */
  takeAt(frame: number, id: number): boolean {
    if (frame >= this.#limit) return false;
    const owner = this.#owner[frame >>> 6]!;
    if ((owner !== id && owner !== 0) || this.isTaken(frame)) return false;
    this.#take(frame);
    return true;
  }

  /** @returns the first of `count` free frames side by side, all taken now; 0 when there are none. Slow when fragmented */
  takeRun(count: number): number {
    let first = count < CHUNK_FRAMES ? this.#runInPartial(count) : 0;
    if (first === 0) {
      const chunk = this.#freeRun(Math.ceil(count / CHUNK_FRAMES));
      first = chunk === NONE ? this.#runAnywhere(count) : chunk * CHUNK_FRAMES;
    }
    if (first !== 0) for (let i = 0; i < count; i++) this.#take(first + i);
    return first;
  }

  give(frame: number): void {
    const chunk = frame >>> 6;
    this.#taken[frame >>> 5]! &= ~(1 << (frame & 31));
    const used = --this.#used[chunk]!;
    if (used === 0 || used === CHUNK_FRAMES - 1) this.#settle(chunk);
  }

  isTaken(frame: number): boolean {
    return ((this.#taken[frame >>> 5]! >>> (frame & 31)) & 1) !== 0;
  }

  /**
   * Room for so many frames side by side, rounded up to chunks.
   * @returns null when there is no such run, or it would be more than half of what is left for others
   */
  reserve(frames: number): Reservation | null {
    const chunks = Math.ceil(frames / CHUNK_FRAMES);
    if (chunks > Math.max(1, this.#freeChunks >> 1)) return null;
    const first = this.#freeRun(chunks);
    if (first === NONE) return null;
    if (++this.#lastId === TAIL) this.#lastId = 1;
    for (let i = 0; i < chunks; i++) {
      this.#owner[first + i] = this.#lastId;
      this.#settle(first + i);
    }
    this.#reservedChunks += chunks;
    return new Reservation(first * CHUNK_FRAMES, chunks * CHUNK_FRAMES, this.#lastId);
  }

  /** The owner wants no more frames there. Those that it took stay taken. */
  release({ first, frames, id }: Reservation): void {
    for (let chunk = first / CHUNK_FRAMES; chunk < (first + frames) / CHUNK_FRAMES; chunk++) {
      if (this.#owner[chunk] === id) this.#disown(chunk);
    }
  }

  /** Nothing from `frame` on can be had, because the host has no more memory. */
  cut(frame: number): void {
    for (let i = frame; i < this.#limit; i++) if (!this.isTaken(i)) this.#take(i);
  }

  #take(frame: number): void {
    const chunk = frame >>> 6;
    this.#taken[frame >>> 5]! |= 1 << (frame & 31);
    const used = ++this.#used[chunk]!;
    if (used === 1 || used === CHUNK_FRAMES) this.#settle(chunk);
  }

  #disown(chunk: number): void {
    if (this.#owner[chunk] !== TAIL) this.#reservedChunks--;
    this.#owner[chunk] = 0;
    this.#settle(chunk);
  }

  /** Brings the state of a chunk in line with what it holds and whose it is. */
  #settle(chunk: number): void {
    const used = this.#used[chunk]!;
    const isOwned = this.#owner[chunk] !== 0;
    const old = this.#state[chunk]!;
    const state = used === CHUNK_FRAMES ? FULL : used === 0 ? (isOwned ? IDLE : FREE) : isOwned ? OWNED : PARTIAL;
    if (state === old) return;
    this.#state[chunk] = state;
    if (old === FREE) this.#freeChunks--;
    else if (old === IDLE) this.#idleChunks--;
    else if (old !== FULL) this.#unlink(chunk, old);
    if (state === FREE) {
      this.#freeChunks++;
      if (chunk < this.#firstFree) this.#firstFree = chunk;
    } else if (state === IDLE) this.#idleChunks++;
    else if (state !== FULL) this.#link(chunk, state);
  }

  #link(chunk: number, list: number): void {
    const head = this.#heads[list]!;
    this.#next[chunk] = head;
    this.#previous[chunk] = NONE;
    if (head !== NONE) this.#previous[head] = chunk;
    this.#heads[list] = chunk;
  }

  #unlink(chunk: number, list: number): void {
    const next = this.#next[chunk]!;
    const previous = this.#previous[chunk]!;
    if (previous === NONE) this.#heads[list] = next;
    else this.#next[previous] = next;
    if (next !== NONE) this.#previous[next] = previous;
  }

  #lowestFree(): number {
    if (this.#freeChunks === 0) return NONE;
    this.#firstFree = this.#state.indexOf(FREE, this.#firstFree);
    return this.#firstFree;
  }

  /** Takes a chunk that has room away from its owner, from above: there lies room that is kept for growth. */
  #revoke(): number {
    const chunk = this.#idleChunks > 0 ? this.#state.lastIndexOf(IDLE) : this.#heads[OWNED]!;
    if (chunk !== NONE) this.#disown(chunk);
    return chunk;
  }

  /** First fit. @returns the first of so many FREE chunks, or NONE */
  #freeRun(chunks: number): number {
    if (chunks > this.#freeChunks) return NONE;
    const state = this.#state;
    for (let from = this.#lowestFree(); from !== NONE; from = state.indexOf(FREE, from)) {
      let end = from + 1;
      while (end < from + chunks && state[end] === FREE) end++;
      if (end === from + chunks) return from;
      from = end;
    }
    return NONE;
  }

  /** Looks into some chunks that are in use anyway. @returns the first frame, or 0 */
  #runInPartial(count: number): number {
    const ENOUGH = 8;
    let chunk = this.#heads[PARTIAL]!;
    for (let i = 0; i < ENOUGH && chunk !== NONE; i++) {
      const first = chunk * CHUNK_FRAMES;
      if (CHUNK_FRAMES - this.#used[chunk]! >= count) {
        const found = this.#runWithin(first, first + CHUNK_FRAMES, count);
        if (found !== 0) return found;
      }
      chunk = this.#next[chunk]!;
    }
    return 0;
  }

  /** The last resort: first fit over everything, reserved or not. */
  #runAnywhere(count: number): number {
    return this.#runWithin(0, this.#limit, count);
  }

  #runWithin(start: number, end: number, count: number): number {
    let length = 0;
    for (let frame = start; frame < end; frame++) {
      length = this.isTaken(frame) ? 0 : length + 1;
      if (length === count) return frame - count + 1;
    }
    return 0;
  }
}

/** Position of the lowest set bit of a word that is not 0. */
function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}
