/** The host as Node gives it: real clocks, the system's random numbers, timers of the event loop. */
import { randomFillSync } from 'node:crypto';
// Not the global of that name, which is a getter and costs as much as the clock itself.
import { performance } from 'node:perf_hooks';
import type { Timespec } from '../vfs/caller.js';
import type { HostFiles } from '../vfs/fs/hostfs.js';
import { type Host, type HostTimer, wallClock } from './host.js';
import { sha256 } from './host-digest.js';
import { NodeFiles } from './host-files.js';

const MILLISECOND = 1_000_000;
/** setTimeout takes 31 bits of milliseconds; a longer wait is made of several. */
const LONGEST_TIMEOUT = 2 ** 31 - 1;

/** Random bytes that are fetched at once: every program gets 16 at its start, and a call for them costs microseconds. */
const RANDOM_POOL = 1024;

export class NodeHost implements Host {
  readonly files: HostFiles = new NodeFiles();
  readonly epoch: Readonly<Timespec>;
  readonly #start = performance.now();
  readonly #randomPool = new Uint8Array(RANDOM_POOL);
  /** Bytes of the pool that were not given out, from its start. */
  #randomLeft = 0;
  readonly #tick: Timespec = { sec: 0, nsec: 0 };
  /** `#tick` holds until the event loop goes on. */
  #isTickFresh = false;

  constructor() {
    const milliseconds = performance.timeOrigin + this.#start;
    const sec = Math.floor(milliseconds / 1000);
    this.epoch = { sec, nsec: Math.floor((milliseconds - sec * 1000) * MILLISECOND) };
  }

  monotonic(): number {
    return Math.round((performance.now() - this.#start) * MILLISECOND);
  }

  realtime(out: Timespec): void {
    wallClock(this.epoch, this.monotonic(), out);
  }

  coarseRealtime(out: Timespec): void {
    if (!this.#isTickFresh) {
      this.realtime(this.#tick);
      this.#isTickFresh = true;
      queueMicrotask(this.#endTick);
    }
    out.sec = this.#tick.sec;
    out.nsec = this.#tick.nsec;
  }

  readonly #endTick = (): void => {
    this.#isTickFresh = false;
  };

  random(target: Uint8Array): void {
    if (target.length > RANDOM_POOL / 4) {
      randomFillSync(target);
      return;
    }
    if (this.#randomLeft < target.length) {
      randomFillSync(this.#randomPool);
      this.#randomLeft = RANDOM_POOL;
    }
    const end = this.#randomLeft;
    this.#randomLeft -= target.length;
    target.set(this.#randomPool.subarray(this.#randomLeft, end));
    // What was given out is nobody else's to see.
    this.#randomPool.fill(0, this.#randomLeft, end);
  }

  timer(deadline: number, callback: () => void): HostTimer {
    let timeout: NodeJS.Timeout;
    const arm = (): void => {
      const delay = Math.ceil((deadline - this.monotonic()) / MILLISECOND);
      timeout = setTimeout(expire, Math.min(Math.max(delay, 0), LONGEST_TIMEOUT));
    };
    // Node counts whole milliseconds from the turn of its loop, so that a time-out can come some part of one too early.
    const expire = (): void => {
      if (this.monotonic() >= deadline) callback();
      else arm();
    };
    arm();
    return { cancel: () => clearTimeout(timeout) };
  }

  defer(callback: () => void): void {
    setImmediate(callback);
  }

  elapsed(): void {}

  digest(bytes: Uint8Array): Uint8Array {
    return sha256(bytes);
  }

  warn(message: string): void {
    process.emitWarning(message);
  }
}
