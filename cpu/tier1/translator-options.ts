/** What can be set about the translator, and what it tells about itself. */
import type { ChooserOptions } from './chooser.js';
import { MAX_REGIONS } from './layout.js';

/** When and what to translate. */
export interface TranslatorOptions extends ChooserOptions {
  /** Instructions in tier 0 between looks at the running program: at first and as long as something is found, and at most. */
  interval: number;
  maxInterval: number;
  /** Instructions that one look executes and notes. */
  burst: number;
  /** Bytes of WebAssembly, and regions, that may be in place at a time. */
  budget: number;
  maxRegions: number;
}

export const DEFAULT_TRANSLATOR: TranslatorOptions = {
  interval: 50_000,
  maxInterval: 400_000,
  burst: 256,
  firstRound: 100_000,
  hotCalls: 3,
  hotLoops: 4,
  worth: 4000,
  budget: 24 * 2 ** 20,
  maxRegions: MAX_REGIONS,
};

/** Counted since the processor was made, but for what is `live`. */
export interface TranslatorStats {
  regions: number;
  modules: number;
  translatedInstructions: number;
  moduleBytes: number;
  /** Regions that are not in place any more; modules dropped because there were too many. */
  dropped: number;
  evicted: number;
  liveRegions: number;
  liveModules: number;
  liveBytes: number;
  /** Instructions translated at one time, at most. */
  largestBatch: number;
  /** Of these, planned or emitted without a turn of the event loop in between. */
  largestStep: number;
  /** Nanoseconds spent on looks and translation, in all and at one time at most; 0 without a clock that moves. */
  time: number;
  longest: number;
  windowMisses: number;
  conflicts: number;
  /** Places besides their roots at which regions can be entered. */
  doors: number;
  returns: RegionReturns;
  /** Undefined: no code is kept between runs. */
  cache: CacheStats | undefined;
}

/** How often regions came back to the interpreter's run loop. */
export interface RegionReturns {
  /** Control went to code that has no region, or the slice is at its end. */
  left: number;
  /** An instruction had to be executed by the interpreter: it faults, or has no translation. */
  step: number;
  /** The interpreter executed an instruction for a region, and control went elsewhere. */
  interpreted: number;
  /** An access was in no window; in no extent either. */
  window: number;
  extent: number;
  /** It was not entered: other page, too little left of the slice, other rounding, code not there. */
  refused: number;
}

/** In modules. */
export interface CacheStats {
  /** Taken from the cache, and translated because they were not there. */
  hits: number;
  misses: number;
  /** Written to it. */
  stores: number;
}
