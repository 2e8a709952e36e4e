/**
 * The translator of one processor: learns what is hot (profiler.ts), chooses what to translate (chooser.ts), has it
 * translated (batches.ts) or taken from what other runs have kept (kept-code.ts), and put in place of the records where it
 * begins (installed.ts).
 */
import type { CodeCache } from '../code-cache.js';
import { Decoder } from '../decoder.js';
import type { PageTable } from '../page-table.js';
import type { PhysicalMemory } from '../physical-memory.js';
import type { ActiveSpace } from '../run-state.js';
import { PAGE_SIZE } from '../state.js';
import { table } from '../table/index.js';
import type { HandlerSet } from '../tier0/handlers.js';
import { Batches } from './batches.js';
import { type CodeStore, TranslationCache } from './cache.js';
import { Chooser } from './chooser.js';
import { CodeReader } from './code-reader.js';
import { RegionFormer } from './form.js';
import { InstalledRegions } from './installed.js';
import { KeptCode } from './kept-code.js';
import { KIND_EXTENT_MISS, KIND_MISS, KIND_RECORD, KIND_STEP, REFUSALS, RETURNS } from './layout.js';
import { Linker } from './linker.js';
import { Profile, Site } from './profile.js';
import { Profiler } from './profiler.js';
import { SiteWindows } from './site-windows.js';
import { StaleFlags } from './stale-flags.js';
import { Survey } from './survey.js';
import { includes, type RegionBody } from './translation.js';
import type { RegionReturns, TranslatorOptions, TranslatorStats } from './translator-options.js';
import type { RegionWatcher } from './watch.js';

const TWO_32 = 2 ** 32;
/** Instructions that the profile may have notes of. */
const MAX_SITES = 100_000;
/** Steps that a survey may take as one. */
const MAX_HURRY = 2;

export interface TranslatorParts {
  memory: PhysicalMemory;
  space: ActiveSpace;
  code: CodeCache;
  handlers: HandlerSet;
  table: WebAssembly.Table;
  /** Functions of the interpreter's module: one record; one instruction with its repetitions. */
  step: (record: number) => number;
  repeat: (record: number, handler: number) => number;
  onward: unknown;
  /** Who wants to see what is emitted. */
  watcher: () => RegionWatcher | undefined;
  /** Nanoseconds; for statistics only. */
  clock: () => number;
  /** Where translated code is kept between runs. */
  store: CodeStore | undefined;
}

export class Translator {
  /** Instructions that tier 0 should execute between looks. */
  interval: number;
  #options: TranslatorOptions;
  #parts: TranslatorParts;
  #reader: CodeReader;
  #profile = new Profile();
  #profiler: Profiler;
  #former: RegionFormer;
  #windows: SiteWindows;
  #stale: StaleFlags;
  #installed: InstalledRegions;
  #linker: Linker;
  #chooser: Chooser;
  #cache: TranslationCache | undefined;
  #kept: KeptCode | undefined;
  #batches: Batches;
  /** On its way, and a round after it. */
  #survey: Survey | undefined;
  /** Grows with programs that end before their survey does: should all be so short, they would never get a round. */
  #hurry = 1;
  /** The address space that the last batch was begun in. */
  #place: PageTable | undefined;
  /** Nanoseconds spent so far. */
  #time = 0;
  #longest = 0;

  constructor(parts: TranslatorParts, options: TranslatorOptions) {
    this.#options = options;
    this.interval = options.interval;
    const { memory, handlers, step } = parts;
    this.#parts = parts;
    this.#stale = new StaleFlags(memory);
    this.#reader = new CodeReader(memory, new Decoder(table), handlers);
    this.#profiler = new Profiler(memory, handlers, this.#reader, this.#profile, step, (region, to) =>
      this.#chooser.noteLink(region, to),
    );
    this.#former = new RegionFormer(this.#reader, this.#profile);
    const { budget, maxRegions } = options;
    const limits = { budget, maxRegions };
    const { code } = parts;
    this.#installed = new InstalledRegions(
      { memory, code, handlers, table: parts.table, reader: this.#reader, stale: this.#stale, space: parts.space },
      limits,
    );
    const chosen = {
      isRoot: (address: number) => this.#installed.find(address) !== undefined,
      byNumber: (number: number) => {
        const translation = this.#installed.main(number);
        if (translation === undefined) return undefined;
        const { body, unlinked } = translation;
        return { root: body.root, unlinked, includes: (address: number) => includes(body, address) };
      },
      around: (address: number) => this.#installed.around(address),
    };
    this.#chooser = new Chooser(this.#profile, this.#former, chosen, options);
    const imports = {
      memory: memory.memory,
      step: parts.repeat,
      flags: () => this.#stale.resolve(),
      onward: parts.onward,
    };
    this.#linker = new Linker(imports, this.#installed);
    this.#windows = new SiteWindows(memory, parts.space, this.#profile, (site, address) => this.#redoAt(site, address));
    const shared = {
      memory,
      reader: this.#reader,
      profile: this.#profile,
      former: this.#former,
      chooser: this.#chooser,
      installed: this.#installed,
      windows: this.#windows,
      stale: this.#stale,
      linker: this.#linker,
    };
    memory.onCodeWrite((frame) => {
      this.#batches.written(frame);
      this.#survey?.written();
    });
    this.#cache = parts.store && new TranslationCache(memory, parts.store);
    this.#kept = this.#cache && new KeptCode({ ...shared, cache: this.#cache });
    this.#batches = new Batches({
      ...shared,
      kept: this.#kept,
      watcher: parts.watcher,
      clock: parts.clock,
      maxRegions,
      remember: (body) => this.#remember(body),
    });
  }

  get stats(): TranslatorStats {
    const { dropped, evicted, liveRegions, liveModules, liveBytes } = this.#installed;
    const { hits, misses, stores } = this.#cache ?? { hits: 0, misses: 0, stores: 0 };
    const cache = this.#cache && { hits, misses, stores };
    const { regions, doors, modules, moduleBytes, instructions: translatedInstructions } = this.#linker;
    const { largestBatch, largestStep } = this.#batches;
    const { misses: windowMisses, conflicts } = this.#windows;
    return {
      regions,
      modules,
      translatedInstructions,
      moduleBytes,
      dropped,
      evicted,
      liveRegions,
      liveModules,
      liveBytes,
      largestBatch,
      largestStep,
      time: this.#time,
      longest: this.#longest,
      windowMisses,
      conflicts,
      doors,
      returns: this.#returns(),
      cache,
    };
  }

  #returns(): RegionReturns {
    const { u32 } = this.#parts.memory;
    const count = (address: number): number => u32[(address >> 2) + 1]! * TWO_32 + u32[address >> 2]!;
    return {
      left: count(RETURNS),
      step: count(RETURNS + 8 * KIND_STEP),
      interpreted: count(RETURNS + 8 * KIND_RECORD),
      window: count(RETURNS + 8 * KIND_MISS),
      extent: count(RETURNS + 8 * KIND_EXTENT_MISS),
      refused: count(REFUSALS),
    };
  }

  /** Tier 0 begins to execute a page. */
  touched(page: number, frame: number): void {
    this.#cache?.touched(page, frame);
  }

  /** Whether there is something to be kept for other runs. */
  get hasKept(): boolean {
    return this.#cache?.hasKept === true;
  }

  /** Writes what is to be kept for other runs. */
  flush(): void {
    this.#cache?.flush();
  }

  /**
   * Executes some instructions from a record on while noting what they do, then translates what has become hot.
   * @returns the record to go on at, 0 when the run loop must be left
   */
  look(record: number): number {
    if (!this.#installed.isUsable) return record;
    const start = this.#parts.clock();
    this.#reader.begin(this.#parts.space.pageTable!);
    this.#installed.age();
    this.#forgetOld();
    this.#profile.scale = this.interval / this.#options.burst;
    const next = this.#profiler.run(record, this.#options.burst);
    // What was executed may have run code of another address space.
    this.#reader.begin(this.#parts.space.pageTable!);
    // What is on its way comes first.
    this.interval = Math.min(this.#options.maxInterval, this.interval * 2);
    if (this.#isIdle && this.#chooser.isDue(this.interval)) this.#beginRound();
    this.#account(start);
    return next;
  }

  #account(start: number): void {
    const time = this.#parts.clock() - start;
    this.#time += time;
    if (time > this.#longest) this.#longest = time;
  }

  /** Nanoseconds spent so far. */
  get time(): number {
    return this.#time;
  }

  /** Whether there is work to do soon. */
  get isBusy(): boolean {
    return !this.#isIdle || this.#cache?.isDue === true;
  }

  /** Whether programs end before anything is translated for them. */
  get isHurried(): boolean {
    return this.#hurry > 1;
  }

  /** Whether what is on its way was begun in the active address space. */
  get worksHere(): boolean {
    return !this.#isIdle && this.#place === this.#parts.space.pageTable;
  }

  get #isIdle(): boolean {
    return this.#survey === undefined && this.#batches.isIdle;
  }

  /**
   * Does a bounded part of the work that there is: takes code from the cache, or goes on with a survey or a batch. Between
   * slices, when no record is executing.
   */
  work(): void {
    if (this.#isIdle && this.#cache?.isWaiting !== true) return;
    if (!this.#installed.isUsable) return;
    const start = this.#parts.clock();
    this.#reader.begin(this.#parts.space.pageTable!);
    // Who looks wants to see how code comes about.
    const isWatched = this.#parts.watcher() !== undefined;
    if (isWatched || this.#kept?.install() !== true) {
      if (this.#survey === undefined) this.#batches.goOn();
      else this.#goOnWith(this.#survey);
    }
    this.#account(start);
  }

  /** Programs come and go: what was noted of code that ran long ago must not pile up. */
  #forgetOld(): void {
    if (this.#profile.sites.size <= MAX_SITES) return;
    this.#endSurvey();
    this.#profile.clear();
    this.#chooser.clear();
  }

  /** What the interpreter has for the record that a region's handler number stands in; undefined: it is none. */
  handlerOf(op: number): number | undefined {
    const { firstRegion } = this.#parts.handlers;
    return op < firstRegion ? undefined : this.#installed.handlerOf(op - firstRegion);
  }

  // Called by emitted code

  /** Whether the active address space has the code of a region. */
  validate(number: number): boolean {
    this.#reader.begin(this.#parts.space.pageTable!);
    return this.#installed.validate(number);
  }

  /** A region stopped: its window is opened where the access was, if it can be. */
  stopped(): void {
    this.#windows.stopped();
  }

  #redoAt(site: Site, address: number): void {
    for (const { body } of this.#installed.usersOf(site.frame)) {
      if (includes(body, address)) this.#chooser.remake(body.root);
    }
  }

  // Choosing

  #beginRound(): void {
    const space = this.#parts.space.pageTable!;
    this.#place = space;
    this.#survey = new Survey({
      space,
      former: this.#former,
      roots: this.#chooser.candidates(),
      isWorthy: (root) => this.#chooser.isWorthy(root),
      choose: () => this.#round(),
      hurry: this.#hurry,
    });
  }

  #goOnWith(survey: Survey): void {
    if (survey.space !== this.#parts.space.pageTable) {
      if (survey.wait()) return;
      this.#endSurvey();
      this.#hurry = Math.min(MAX_HURRY, this.#hurry + 1);
      return;
    }
    if (survey.step(this.#parts.clock)) return;
    this.#survey = undefined;
    this.#hurry = 1;
  }

  #endSurvey(): void {
    this.#survey = undefined;
    this.#batches.formNoMore();
  }

  *#round(): Generator<number, void> {
    const { roots, doors } = yield* this.#chooser.choose();
    const size = roots.size === 0 ? 0 : yield* this.#batches.begin(roots, doors);
    this.#chooser.endRound(size);
    if (size > 0) this.interval = this.#options.interval;
  }

  /** A region is made anew: what was known when it was made is so again. */
  #remember({ addresses, sites }: RegionBody): void {
    const known = this.#profile.sites;
    for (const address of addresses) {
      if (known.has(address)) continue;
      const instruction = this.#reader.at(address);
      if (instruction === undefined) continue;
      known.set(address, new Site(instruction, this.#reader.frame(Math.floor(address / PAGE_SIZE))));
    }
    for (const [address, lastAddress, ...targets] of sites) {
      const site = known.get(address);
      if (site === undefined || site.count > 0) continue;
      if (lastAddress !== null) site.lastAddress = lastAddress;
      for (const target of targets) site.reached(target);
    }
  }

  /** All decoded code is gone. */
  dropAll(): void {
    this.#endSurvey();
    this.#batches.abandon(false);
    this.#installed.dropAll();
  }
}
