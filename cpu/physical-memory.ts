/**
 * Physical memory: the frames of the one WebAssembly memory, counted by references.
 *
 * A frame number is a physical address divided by 4096; 0 is never a valid frame. Frames below `RESERVED_FRAMES`
 * hold the CPU state. A frame that has been decoded is marked as code; whoever writes into it must say so
 * (`willWrite`), so that its decodings are dropped. Which frame is given out is the business of `FrameAllocator`; what is
 * known here is which frames are zero: those that were never given out, which cost the host nothing, and those that came back so. No locks.
 */
import { FrameAllocator, type Reservation } from './frame-allocator.js';
import { emptyTag, PAGE_SIZE, RESERVED_FRAMES, TLB_ENTRIES, TLB_WRITE } from './state.js';
import { evictFrame } from './windows.js';

const WASM_PAGE = 65536;
const FRAMES_PER_WASM_PAGE = WASM_PAGE / PAGE_SIZE;
const INITIAL_WASM_PAGES = 64;
/** The memory grows by a quarter of itself, but by no less and no more than so many WebAssembly pages (4 and 64 MiB). */
const MIN_GROWTH = 64;
const MAX_GROWTH = 1024;

/** Bits of `#flags`. */
const CODE = 1;
const WRITE_CACHED = 2;
/** The frame was given out once and not cleared since: it may hold anything. */
const DIRTY = 4;

export class PhysicalMemory {
  readonly memory: WebAssembly.Memory;
  /** Views over the whole memory. Replaced when it grows: never keep copies across an allocation. */
  u8!: Uint8Array;
  u16!: Uint16Array;
  u32!: Uint32Array;
  i32!: Int32Array;
  view!: DataView;
  readonly limitFrames: number;
  /** Addresses of the TLB blocks of all live address spaces, in no order (kept by PageTable). */
  readonly tlbBlocks: number[] = [];
  /** How often a frame became one with code. */
  codeMarks = 0;
  /** Slots of WINDOWS that may be open, as bits (kept by Windows). */
  activeWindows = 0;
  /** Leaves of all live page tables (kept by PageTable): memory of the host that the frames do not count. */
  tableLeaves = 0;
  #refs: Uint32Array;
  #flags: Uint8Array;
  #frames: FrameAllocator;
  #used = 0;
  #listeners: ((frame: number) => void)[] = [];

  /** @param limitBytes upper bound of the memory, at most 4 GiB; rounded down to 64 KiB */
  constructor(limitBytes: number) {
    const maximum = Math.max(1, Math.min(65536, Math.floor(limitBytes / WASM_PAGE)));
    this.memory = new WebAssembly.Memory({ initial: Math.min(INITIAL_WASM_PAGES, maximum), maximum });
    this.limitFrames = maximum * FRAMES_PER_WASM_PAGE;
    this.#refs = new Uint32Array(this.limitFrames);
    this.#flags = new Uint8Array(this.limitFrames);
    this.#frames = new FrameAllocator(this.limitFrames, RESERVED_FRAMES);
    this.#refreshViews();
  }

  get usedFrames(): number {
    return this.#used;
  }

  get freeFrames(): number {
    return this.limitFrames - RESERVED_FRAMES - this.#used;
  }

  /** Whether page tables may grow by so many leaves of 2 KiB: together they take at most a quarter of the memory. */
  isTableRoomLeft(leaves: number): boolean {
    return this.tableLeaves + leaves <= this.limitFrames / 2;
  }

  /** Chunks of frames that are kept for somebody. */
  get reservedChunks(): number {
    return this.#frames.reservedChunks;
  }

  /** @returns a zeroed frame with reference count 1, or 0 when the limit is reached */
  allocFrame(): number {
    return this.#any(true);
  }

  /** @returns the first of `count` contiguous zeroed frames, each with reference count 1; 0 when impossible */
  allocRun(count: number): number {
    if (count <= 0) return 0;
    if (count === 1) return this.allocFrame();
    if (count > this.freeFrames) return 0;
    const first = this.#frames.takeRun(count);
    if (first === 0) return 0;
    if (!this.#growTo(first + count)) {
      for (let i = 0; i < count; i++) this.#frames.give(first + i);
      return 0;
    }
    for (let i = 0; i < count; i++) this.#begin(first + i, true);
    return first;
  }

  /**
   * Room for frames side by side, from which `allocAt` takes them one by one. It costs nothing until then, and when
   * memory gets scarce others are given what is not used of it.
   * @returns at least so many frames (whole chunks), or null when no such run is left or it is more than half of what is
   */
  reserve(frames: number): Reservation | null {
    return this.#frames.reserve(frames);
  }

  /** The room is not needed any more; frames that were taken from it stay. */
  release(reservation: Reservation): void {
    this.#frames.release(reservation);
  }

  /**
   * A frame with reference count 1: number `index` of a reservation if that can still be had, any other if not.
   * @param zeroed false: it may hold anything, the caller overwrites all of it
   * @returns 0 when the limit is reached
   */
  allocAt(reservation: Reservation, index: number, zeroed = true): number {
    const frame = reservation.first + index;
    if (!this.#frames.takeAt(frame, reservation.id)) return this.#any(zeroed);
    if (!this.#growTo(frame + 1)) {
      this.#frames.give(frame);
      return this.#any(zeroed);
    }
    this.#begin(frame, zeroed);
    return frame;
  }

  ref(frame: number): void {
    this.#refs[frame]!++;
  }

  /** Drops one reference; at zero the frame is free and its decodings are dropped. @param isZero it holds nothing but zeros */
  unref(frame: number, isZero = false): void {
    if (--this.#refs[frame]! !== 0) return;
    if (this.#flags[frame]! & CODE) this.#announce(frame);
    this.#used--;
    this.#flags[frame] = isZero ? 0 : DIRTY;
    this.#frames.give(frame);
  }

  refs(frame: number): number {
    return this.#refs[frame]!;
  }

  /** Marks a frame as decoded and takes it out of every write TLB. */
  markCode(frame: number): void {
    const flags = this.#flags[frame]!;
    this.#flags[frame] = (flags | CODE) & ~WRITE_CACHED;
    if (flags & WRITE_CACHED) this.#evictWrites(frame);
  }

  isCode(frame: number): boolean {
    return (this.#flags[frame]! & CODE) !== 0;
  }

  /** The frame is about to enter a write TLB. */
  noteWriteCached(frame: number): void {
    this.#flags[frame]! |= WRITE_CACHED;
  }

  /**
   * Must be called before anything but guest code writes into a frame that could hold decoded code (read(2) into a
   * buffer, a file write into the page cache). Cheap when there are no decodings.
   */
  willWrite(frame: number): void {
    if (this.#flags[frame]! & CODE) this.#announce(frame);
  }

  /** The listener runs when decodings of a frame must go: it is written to, or free (`refs` is 0 then). */
  onCodeWrite(listener: (frame: number) => void): void {
    this.#listeners.push(listener);
  }

  #announce(frame: number): void {
    this.#flags[frame]! &= ~CODE;
    for (const listener of this.#listeners) listener(frame);
  }

  #any(zeroed: boolean): number {
    let frame = this.#frames.take();
    if (frame !== 0 && !this.#growTo(frame + 1)) {
      // The host has no more: the limit is where the memory ends now. Frames that others gave back are still to be had.
      this.#frames.give(frame);
      this.#frames.cut(this.u8.length / PAGE_SIZE);
      frame = this.#frames.take();
    }
    if (frame !== 0) this.#begin(frame, zeroed);
    return frame;
  }

  /** A frame that the allocator has taken goes out. */
  #begin(frame: number, zeroed: boolean): void {
    if (zeroed && (this.#flags[frame]! & DIRTY) !== 0) {
      this.u8.fill(0, frame * PAGE_SIZE, (frame + 1) * PAGE_SIZE);
    }
    this.#flags[frame] = DIRTY;
    this.#refs[frame] = 1;
    this.#used++;
  }

  #growTo(endFrame: number): boolean {
    if (endFrame * PAGE_SIZE <= this.u8.length) return true;
    const have = this.memory.buffer.byteLength / WASM_PAGE;
    const need = Math.ceil(endFrame / FRAMES_PER_WASM_PAGE);
    const limit = this.limitFrames / FRAMES_PER_WASM_PAGE;
    const wanted = Math.min(limit, Math.max(need, have + Math.min(MAX_GROWTH, Math.max(MIN_GROWTH, have >> 2))));
    if (!this.#tryGrow(wanted - have) && !this.#tryGrow(need - have)) return false;
    this.#refreshViews();
    return true;
  }

  #tryGrow(delta: number): boolean {
    try {
      this.memory.grow(delta);
      return true;
    } catch {
      return false; // the host has no more memory: the guest sees the limit reached
    }
  }

  #refreshViews(): void {
    const { buffer } = this.memory;
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.view = new DataView(buffer);
  }

  #evictWrites(frame: number): void {
    const { u32 } = this;
    this.codeMarks++;
    for (const block of this.tlbBlocks) {
      evictFrame(u32, block, frame);
      const first = (block + TLB_WRITE) >>> 2;
      for (let entry = 0; entry < TLB_ENTRIES; entry++) {
        const at = first + entry * 4;
        if (u32[at + 3] !== frame) continue;
        u32[at] = emptyTag(entry);
        u32[at + 1] = 0;
        u32[at + 3] = 0;
      }
    }
  }
}
