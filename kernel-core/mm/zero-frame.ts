/**
 * One frame of zeros per physical memory, mapped read-only wherever anonymous memory is read before it is written.
 * It exists while an address space does.
 */
import type { PhysicalMemory } from '../../cpu/index.js';

interface ZeroFrame {
  readonly frame: number;
  users: number;
}

const zeroFrames = new WeakMap<PhysicalMemory, ZeroFrame>();

/** @returns the frame number, or 0 when memory is exhausted */
export function acquireZeroFrame(memory: PhysicalMemory): number {
  const known = zeroFrames.get(memory);
  if (known !== undefined) {
    known.users++;
    return known.frame;
  }
  const frame = memory.allocFrame();
  if (frame !== 0) zeroFrames.set(memory, { frame, users: 1 });
  return frame;
}

export function releaseZeroFrame(memory: PhysicalMemory): void {
  const known = zeroFrames.get(memory)!;
  if (--known.users !== 0) return;
  zeroFrames.delete(memory);
  memory.unref(known.frame);
}
