/** Random numbers for tests: the same in every run. */

/** @returns a source of numbers from 0 up to 1 */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
