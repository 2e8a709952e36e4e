/**
 * A round on its way, a bounded time at a time: the code of all roots that it may choose among is looked at, then it chooses and
 * forms regions. What has been found out about code holds as long as the address space executes the same; should that have changed
 * between two steps, it is found out again for what is still to come.
 */
import type { PageTable } from '../page-table.js';
import type { RegionFormer } from './form.js';

/** Nanoseconds of one step. */
const STEP_TIME = 3_000_000;
/** Instructions of one step, for clocks that stand. */
const STEP = 2000;
/** Slices of other programs in a row after which the round is given up. */
const MAX_WAITS = 1000;

export interface Surveyed {
  /** The address space that is surveyed. */
  readonly space: PageTable;
  readonly former: RegionFormer;
  /** Where to begin. */
  readonly roots: Iterable<number>;
  /** Whether a root is worth a region: what it calls is looked at, too. */
  isWorthy(root: number): boolean;
  /** What to do when all has been looked at: yields how much it has done, in instructions. */
  choose(): Generator<number, void>;
  /** How much longer than usual a step may take: programs that end before the survey does get no round. */
  readonly hurry: number;
}

export class Survey {
  readonly space: PageTable;
  readonly #surveyed: Surveyed;
  readonly #work: Generator<number, void>;
  #changes: number;
  #waits = 0;
  #isWritten = false;
  /** What changes all the time is looked at only when it is needed. */
  #hasChanged = false;

  constructor(surveyed: Surveyed) {
    this.space = surveyed.space;
    this.#surveyed = surveyed;
    this.#changes = surveyed.space.codeChanges;
    this.#work = this.#run();
    surveyed.former.begin();
  }

  /** Some code was written. */
  written(): void {
    this.#isWritten = true;
  }

  /** Another address space was active when there was something to do. @returns whether to go on waiting */
  wait(): boolean {
    return this.space.isLive && ++this.#waits <= MAX_WAITS;
  }

  /** Does a part of the work. @param clock nanoseconds @returns whether there is more to do */
  step(clock: () => number): boolean {
    const { hurry, former } = this.#surveyed;
    const latest = clock() + STEP_TIME * hurry;
    this.#waits = 0;
    if (this.#isWritten || this.space.codeChanges !== this.#changes) {
      this.#isWritten = false;
      this.#changes = this.space.codeChanges;
      this.#hasChanged = true;
      former.begin();
    }
    for (let size = 0; size < STEP * hurry && clock() <= latest; ) {
      const { done, value } = this.#work.next();
      if (done) return false;
      size += value;
    }
    return true;
  }

  *#run(): Generator<number, void> {
    const { former, roots, isWorthy, choose } = this.#surveyed;
    // Grows while it is gone through.
    const all = new Set(roots);
    for (const root of all) {
      if (this.#hasChanged) break;
      const size = former.size(root);
      if (isWorthy(root)) for (const callee of former.calls(root)) all.add(callee);
      else former.forget(root);
      yield size + 1;
    }
    yield* choose();
  }
}
