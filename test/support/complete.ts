/** Runs what works a part at a time to its end. @returns what it returns */
export function complete<T>(work: Generator<unknown, T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}
