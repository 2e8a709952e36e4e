/**
 * Regions on their way to become a module: planned and emitted one after the other, a bounded amount at a time, so that
 * the event loop gets its turns in between. What a batch builds on may change while it waits: its pages (whoever owns the
 * batch drops it when one of their frames is written), and the regions that it calls, which are looked for again at the end.
 */
import { type EmittedModule, ModuleEmitter, type ModuleEnvironment } from './emit-module.js';
import type { FlagSource } from './flags.js';
import { type Plan, planRegion } from './plan.js';
import type { Region } from './region.js';
import type { StaleFlags } from './stale-flags.js';

/** Instructions planned or emitted in one step; one block more than that when it is larger. */
const STEP = 100;
/** Nanoseconds after which a step is over, however little it has done: V8 may not have compiled the translator yet. */
const STEP_TIME = 3_000_000;

export class Batch {
  readonly regions: readonly Region[];
  /** Of all regions; complete when `step` has said so. */
  readonly plans: Plan[] = [];
  /** Page number → frame. */
  readonly frames: ReadonlyMap<number, number>;
  /** Instructions worked on in the last step. */
  worked = 0;
  /** Times that another address space was active when there was something to do. */
  waits = 0;
  #env: ModuleEnvironment;
  #stale: StaleFlags;
  #isWatched: boolean;
  readonly #work = this.#translate();
  #emitted: EmittedModule | undefined;
  /** Numbers that the code so far has: nobody else may get them. */
  #flagSources = new Set<number>();

  constructor(
    regions: readonly Region[],
    frameOf: (page: number) => number,
    env: ModuleEnvironment,
    stale: StaleFlags,
    isWatched: boolean,
  ) {
    this.regions = regions;
    const pages = new Set<number>();
    for (const region of regions) for (const page of region.pages) pages.add(page);
    this.frames = new Map([...pages].map((page) => [page, frameOf(page)]));
    this.#stale = stale;
    this.#isWatched = isWatched;
    this.#env = { ...env, flagSource: (source) => this.#flagSource(env, source) };
  }

  /** Whether an address space has the code that the batch was formed from. */
  isHere(frameOf: (page: number) => number): boolean {
    for (const [page, frame] of this.frames) if (frameOf(page) !== frame) return false;
    return true;
  }

  /** Does a part of the work. @param clock nanoseconds @returns whether there is more to do */
  step(clock: () => number): boolean {
    const latest = clock() + STEP_TIME;
    this.worked = 0;
    while (this.worked < STEP) {
      const { done, value } = this.#work.next();
      if (done) return false;
      this.worked += value;
      if (clock() > latest) break;
    }
    return true;
  }

  /** @returns undefined when the control flow of a region could not be laid out */
  finish(): EmittedModule | undefined {
    return this.#emitted;
  }

  *#translate(): Generator<number, void> {
    for (const region of this.regions) this.plans.push(yield* planRegion(region));
    const emitter = new ModuleEmitter(this.plans, this.#env, this.#isWatched);
    for (const i of this.plans.keys()) if (!(yield* emitter.emit(i))) return;
    this.#emitted = emitter.finish();
    // The module is made in a step of its own.
    yield 0;
  }

  /** Has to be called in the end, after the module was put in place. */
  release(): void {
    this.#stale.release([...this.#flagSources]);
    this.#flagSources.clear();
  }

  /** Whether all that the regions call for certain is there, as it was when they were formed. */
  get isComplete(): boolean {
    const own = new Set(this.regions.flatMap(({ root, doors }) => [root, ...doors]));
    return this.regions.every(({ callees }) => {
      for (const callee of callees) if (!own.has(callee) && !this.#env.isInstalled(callee)) return false;
      return true;
    });
  }

  #flagSource(env: ModuleEnvironment, source: FlagSource): number {
    const number = env.flagSource(source);
    if (!this.#flagSources.has(number)) {
      this.#flagSources.add(number);
      this.#stale.retain([number]);
    }
    return number;
  }
}
