/**
 * Timers of drivers: known by the address of the driver's object. Their functions run in nobody's name and may not sleep.
 */
import { Timer } from '../timers.js';
import type { DriverFunction } from './calls.js';
import type { Drivers } from './drivers.js';
import type { Owned, Owner } from './owner.js';

export class DriverTimer implements Owned {
  readonly owner: Owner;
  readonly address: number;
  fn: DriverFunction = { address: 0, isInt: true };
  argument = 0;
  readonly #drivers: Drivers;
  readonly #timer: Timer;

  constructor(drivers: Drivers, owner: Owner, address: number) {
    this.#drivers = drivers;
    this.owner = owner;
    this.address = address;
    this.#timer = new Timer(() => drivers.runner.invokeAtomic(owner, null, this.fn, this.argument));
  }

  /** @param deadline monotonic nanoseconds */
  start(deadline: number): void {
    const { timers, scheduler } = this.#drivers.kernel;
    timers.arm(this.#timer, deadline);
    scheduler.timersChanged();
  }

  /** @returns whether it was armed */
  stop(): boolean {
    const { armed } = this.#timer;
    this.#drivers.kernel.timers.cancel(this.#timer);
    return armed;
  }

  release(): void {
    this.stop();
    this.#drivers.timers.delete(this.address);
  }
}
