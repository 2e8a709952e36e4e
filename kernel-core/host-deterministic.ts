/**
 * A host whose every answer follows from a seed: a virtual clock that instructions move and that jumps to the next
 * timer when the kernel has nothing to run, and seeded random numbers. Host files are the real ones.
 */
import type { Timespec } from '../vfs/caller.js';
import type { HostFiles } from '../vfs/fs/hostfs.js';
import { type Host, type HostTimer, wallClock } from './host.js';
import { sha256 } from './host-digest.js';
import { NodeFiles } from './host-files.js';

/** 2024-01-01T00:00:00Z: the wall clock at virtual time 0, in seconds. */
const EPOCH = 1_704_067_200;

export class DeterministicHost implements Host {
  readonly files: HostFiles = new NodeFiles();
  readonly epoch: Readonly<Timespec> = { sec: EPOCH, nsec: 0 };
  #now = 0;
  #state: number;

  /** @param seed any integer; the same one gives the same run */
  constructor(seed: number) {
    this.#state = Math.trunc(seed) | 0;
  }

  monotonic(): number {
    return this.#now;
  }

  realtime(out: Timespec): void {
    wallClock(this.epoch, this.#now, out);
  }

  /** The virtual clock is cheap, and its answers are part of the trace. */
  coarseRealtime(out: Timespec): void {
    this.realtime(out);
  }

  random(target: Uint8Array): void {
    for (let i = 0; i < target.length; i++) target[i] = this.#next() >>> 24;
  }

  /** Called by an idle kernel: nothing happens before `deadline`, so the clock goes there. */
  timer(deadline: number, callback: () => void): HostTimer {
    const immediate = setImmediate(() => {
      this.#now = Math.max(this.#now, Math.ceil(deadline));
      callback();
    });
    return { cancel: () => clearImmediate(immediate) };
  }

  defer(callback: () => void): void {
    setImmediate(callback);
  }

  /** One instruction is one nanosecond. */
  elapsed(instructions: number): void {
    this.#now += instructions;
  }

  digest(bytes: Uint8Array): Uint8Array {
    return sha256(bytes);
  }

  warn(message: string): void {
    process.emitWarning(message);
  }

  /** splitmix32: a counter through a mixing function; every seed gives a full period. */
  #next(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  }
}
