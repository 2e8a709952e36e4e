/**
 * Regions on their way to become a module: planned and emitted one after the other, a bounded amount at a time, so that
 * the event loop gets its turns in between. What a batch builds on may change while it waits: its pages (whoever owns the
 * batch drops it when one of their frames is written), and the regions that it calls, which are looked for again at the end.
 */
import { type EmittedModule, ModuleEmitter, type ModuleEnvironment } from './emit-module.js';
import type { FlagSource } from './flags.js';
import { type Plan, planRegion } from './plan.js';
import { destinations, type Region } from './region.js';
import type { StaleFlags } from './stale-flags.js';
import type { RegionBody } from './translation.js';

/** Instructions planned or emitted in one step; one block more than that when it is larger. */
const STEP = 100;
/** What a batch yields before something that takes time in one go: the step ends unless it has only begun. */
const LONG = -1;
/** Nanoseconds after which that is so. */
const BEGUN = 1_000_000;
/** Nanoseconds after which a step is over, however little it has done: V8 may not have compiled the translator yet. */
const STEP_TIME = 3_000_000;

/** Regions that have become a module. */
export interface Translated {
  readonly emitted: EmittedModule;
  readonly compiled: WebAssembly.Module;
  /** Of the regions, in order, then of the doors. */
  readonly bodies: readonly RegionBody[];
}

export class Batch {
  readonly regions: readonly Region[];
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
  #translated: Translated | undefined;
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
    const start = clock();
    this.worked = 0;
    while (this.worked < STEP) {
      const { done, value } = this.#work.next();
      if (done) return false;
      if (value !== LONG) this.worked += value;
      if (clock() - start > (value === LONG ? BEGUN : STEP_TIME)) break;
    }
    return true;
  }

  /** @returns undefined when the control flow of a region could not be laid out */
  finish(): Translated | undefined {
    return this.#translated;
  }

  /** Regions are planned and emitted one after the other: there is never more than one plan. */
  *#translate(): Generator<number, void> {
    const { regions } = this;
    const emitter = new ModuleEmitter(regions, this.#env, this.#isWatched);
    const bodies: RegionBody[] = [];
    for (const [i, region] of regions.entries()) {
      const plan = yield* planRegion(region);
      if (!(yield* emitter.emit(i, plan))) return;
      bodies.push(bodyOf(plan));
    }
    yield LONG;
    const emitted = emitter.finish();
    yield LONG;
    const compiled = new WebAssembly.Module(emitted.bytes);
    for (const { address, region } of emitted.doors) {
      const body = bodies.find(({ root }) => root === region)!;
      const inside = new Set([region]);
      bodies.push({ ...body, root: address, doorOf: region, doors: [], destinations: inside, addresses: NO_ADDRESSES });
    }
    this.#translated = { emitted, compiled, bodies };
    // It is put in place in a step of its own.
    yield LONG;
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

const NO_ADDRESSES = new Float64Array();

function bodyOf({ region, longest, defaultSse }: Plan): RegionBody {
  const { root, doors, size, blocks, pages } = region;
  const addresses = new Set<number>();
  for (const { instructions } of blocks) for (const { address } of instructions) addresses.add(address);
  return {
    root,
    doorOf: undefined,
    doors,
    size,
    longest,
    pages,
    destinations: destinations(region),
    addresses: Float64Array.from(addresses).sort(),
    defaultSse,
    sites: [],
  };
}
