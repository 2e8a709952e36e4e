/** Load averages: exponentially damped means of the number of runnable tasks over 1, 5 and 15 minutes. @source getloadavg(3), Linux LOAD_FREQ */

const SECOND = 1_000_000_000;
/** Sampling interval, nanoseconds. */
const INTERVAL = 5 * SECOND;
const PERIODS = [60, 300, 900];

export class LoadAverage {
  readonly averages: [number, number, number] = [0, 0, 0];
  #last = 0;

  /** Takes the samples that are due. @param now monotonic nanoseconds @param runnable tasks that run or want to */
  update(now: number, runnable: number): void {
    const steps = Math.floor((now - this.#last) / INTERVAL);
    if (steps <= 0) return;
    this.#last += steps * INTERVAL;
    for (const [i, period] of PERIODS.entries()) {
      const decay = Math.exp((-5 * steps) / period);
      this.averages[i] = this.averages[i] * decay + runnable * (1 - decay);
    }
  }
}
