/**
 * Where queued bytes lie: slots of guest memory, in four sizes. Small messages share a frame, so that a socket full of
 * single bytes does not take a page for each; bytes go from guest memory to guest memory without a detour.
 */
import type { FrameStore } from '../vfs/filesystem.js';

export const PAGE_SIZE = 4096;
/** Bytes of a slot, by class. */
const SIZES = [64, 256, 1024, PAGE_SIZE] as const;
/** Empty frames that a class keeps for its next slots. */
const SPARE_FRAMES = 4;

class SlotClass {
  readonly #frames: FrameStore;
  readonly #size: number;
  /** Free slots: byte offsets in guest memory. */
  readonly #free: number[] = [];
  readonly #owned: number[] = [];
  used = 0;

  constructor(frames: FrameStore, size: number) {
    this.#frames = frames;
    this.#size = size;
  }

  /** @returns byte offset of a slot, 0 when memory is exhausted */
  alloc(): number {
    if (this.#free.length === 0 && !this.#grow()) return 0;
    this.used++;
    return this.#free.pop()!;
  }

  release(at: number): void {
    this.#free.push(at);
    if (--this.used === 0 && this.#owned.length > SPARE_FRAMES) this.clear();
  }

  /** Nothing is in use: gives the frames back. */
  clear(): void {
    for (const frame of this.#owned) this.#frames.unref(frame);
    this.#owned.length = 0;
    this.#free.length = 0;
  }

  #grow(): boolean {
    const frame = this.#frames.allocFrame();
    if (frame === 0) return false;
    this.#owned.push(frame);
    for (let at = PAGE_SIZE - this.#size; at >= 0; at -= this.#size) this.#free.push(frame * PAGE_SIZE + at);
    return true;
  }
}

export class Slots {
  readonly frames: FrameStore;
  readonly #classes: readonly SlotClass[];

  constructor(frames: FrameStore) {
    this.frames = frames;
    this.#classes = SIZES.map((size) => new SlotClass(frames, size));
  }

  /** Slots in use, for leak checks. */
  get used(): number {
    let sum = 0;
    for (const { used } of this.#classes) sum += used;
    return sum;
  }

  /** @param size bytes, at most PAGE_SIZE @returns byte offset in guest memory, 0 when that is exhausted */
  alloc(size: number): number {
    return this.#classes[classOf(size)]!.alloc();
  }

  /** @param size as given to `alloc` */
  release(at: number, size: number): void {
    this.#classes[classOf(size)]!.release(at);
  }

  /** The kernel goes down. */
  dispose(): void {
    for (const one of this.#classes) one.clear();
  }
}

function classOf(size: number): number {
  if (size <= 64) return 0;
  if (size <= 256) return 1;
  return size <= 1024 ? 2 : 3;
}
