/**
 * What goes before a round: the code of all roots that it may choose among is looked at, a bounded time at a time, so that the
 * round itself finds it done. What was found holds as long as the address space executes the same code; should that have
 * changed by then, the round looks at it again.
 */
import type { PageTable } from '../page-table.js';
import type { RegionFormer } from './form.js';

/** Nanoseconds of one step. */
const STEP_TIME = 3_000_000;
/** Instructions of one step, for clocks that stand. */
const STEP = 2000;
/** Slices of other programs in a row after which the survey is given up. */
const MAX_WAITS = 1000;

export class Survey {
  /** The address space that is surveyed. */
  readonly space: PageTable;
  readonly #former: RegionFormer;
  readonly #isWorthy: (root: number) => boolean;
  /** Grows while it is gone through. */
  readonly #roots: Set<number>;
  readonly #rest: Iterator<number>;
  readonly #changes: number;
  #waits = 0;
  #isWritten = false;

  /** @param isWorthy whether a root is worth a region: what it calls is looked at, too */
  constructor(space: PageTable, former: RegionFormer, roots: Iterable<number>, isWorthy: (root: number) => boolean) {
    this.space = space;
    this.#former = former;
    this.#isWorthy = isWorthy;
    this.#roots = new Set(roots);
    this.#rest = this.#roots.values();
    this.#changes = space.codeChanges;
    former.begin();
  }

  /** Some code was written. */
  written(): void {
    this.#isWritten = true;
  }

  /** Whether what was found still holds. */
  get holds(): boolean {
    return !this.#isWritten && this.space.codeChanges === this.#changes;
  }

  /** Another address space was active when there was something to do. @returns whether to go on waiting */
  wait(): boolean {
    return this.space.isLive && ++this.#waits <= MAX_WAITS;
  }

  /** Looks at some of the code. @param clock nanoseconds @returns false when there was nothing left to look at */
  step(clock: () => number): boolean {
    const latest = clock() + STEP_TIME;
    this.#waits = 0;
    let size = 0;
    // What changes all the time is left to the round.
    while (this.holds && size < STEP && clock() <= latest) {
      const { done, value: root } = this.#rest.next();
      if (done === true) break;
      size += this.#former.size(root) + 1;
      if (this.#isWorthy(root)) for (const callee of this.#former.calls(root)) this.#roots.add(callee);
      else this.#former.forget(root);
    }
    return size > 0;
  }
}
