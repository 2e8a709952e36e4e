/**
 * The translator of one processor: learns what is hot, forms regions, has them emitted (emit-module.ts) and put in place of
 * the records where they begin (installed.ts).
 */
import type { CodeCache } from '../code-cache.js';
import { Decoder } from '../decoder.js';
import type { PageTable } from '../page-table.js';
import type { PhysicalMemory } from '../physical-memory.js';
import { PAGE_SIZE, RIP, RSP, SLOW_EA } from '../state.js';
import { table } from '../table/index.js';
import type { HandlerSet } from '../tier0/handlers.js';
import { OPENED, type OpenResult, TAKEN } from '../windows.js';
import { Batch } from './batch.js';
import { type CodeStore, TranslationCache } from './cache.js';
import { relocate, type StoredModule } from './cache-format.js';
import { Chooser, type ChooserOptions, WORTHY_SHARE } from './chooser.js';
import { CodeReader } from './code-reader.js';
import { destinations, type EmittedModule, instantiate, type RegionImports } from './emit-module.js';
import type { FlagSource } from './flags.js';
import { RegionFormer } from './form.js';
import {
  InstalledRegions,
  includes,
  type RegionBody,
  RegionModule,
  type SiteFacts,
  type Translation,
} from './installed.js';
import { GROUP_ACCESS, KIND_MISS, MAX_REGIONS, SITE_SLOTS, STOP_KIND, WRITE_ACCESS } from './layout.js';
import type { Plan } from './plan.js';
import { Profile, Site } from './profile.js';
import { Profiler } from './profiler.js';
import type { Region } from './region.js';
import { Slots } from './slots.js';
import { StaleFlags } from './stale-flags.js';
import type { Step } from './step.js';
import type { RegionWatcher } from './watch.js';

const TWO_32 = 2 ** 32;
/** Instructions that the profile may have notes of. */
const MAX_SITES = 100_000;
/** Guest instructions translated at one time. */
const MAX_BATCH = 2000;
/** A site that missed so often because its window held another extent goes through the TLB. */
const MAX_CONFLICTS = 64;
/** Checks of a group that failed so often are made one by one. */
const MAX_GROUP_MISSES = 32;
/** Slices of other programs in a row after which a batch is given up. */
const MAX_WAITS = 1000;
/** Bytes of WebAssembly that an instruction becomes, more or less. */
const BYTES_PER_INSTRUCTION = 64;

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
  budget: 24 * 2 ** 20,
  maxRegions: MAX_REGIONS,
};

export interface TranslatorParts {
  memory: PhysicalMemory;
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
  /** Undefined: no code is kept between runs. */
  cache: CacheStats | undefined;
}

/** In modules. */
export interface CacheStats {
  /** Taken from the cache, and translated because they were not there. */
  hits: number;
  misses: number;
  /** Written to it. */
  stores: number;
}

export class Translator {
  /** Instructions that tier 0 should execute between looks. */
  interval: number;
  #options: TranslatorOptions;
  #parts: TranslatorParts;
  #memory: PhysicalMemory;
  #pageTable: PageTable | undefined;
  #reader: CodeReader;
  #profile = new Profile();
  #profiler: Profiler;
  #former: RegionFormer;
  #slots = new Slots();
  #stale: StaleFlags;
  #installed: InstalledRegions;
  #imports: RegionImports;
  #chooser: Chooser;
  #cache: TranslationCache | undefined;
  /** Regions on their way. */
  #batch: Batch | undefined;
  #counts = {
    regions: 0,
    modules: 0,
    translatedInstructions: 0,
    moduleBytes: 0,
    largestBatch: 0,
    largestStep: 0,
    time: 0,
    longest: 0,
    windowMisses: 0,
    conflicts: 0,
  };

  constructor(parts: TranslatorParts, options: TranslatorOptions) {
    this.#options = options;
    this.interval = options.interval;
    const { memory, handlers, step } = parts;
    this.#parts = parts;
    this.#memory = memory;
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
      { memory, code, handlers, table: parts.table, reader: this.#reader, stale: this.#stale },
      limits,
    );
    const chosen = {
      isRoot: (address: number) => this.#installed.find(address) !== undefined,
      byNumber: (number: number) => {
        const translation = this.#installed.at(number);
        if (translation === undefined) return undefined;
        const { body, unlinked } = translation;
        return { root: body.root, unlinked, includes: (address: number) => includes(body, address) };
      },
      roots: () => this.#installed.roots(),
    };
    this.#chooser = new Chooser(this.#profile, this.#former, chosen, options);
    this.#imports = {
      memory: memory.memory,
      step: parts.repeat,
      flags: () => this.#stale.resolve(),
      onward: parts.onward,
    };
    memory.onCodeWrite((frame) => {
      if (this.#batch !== undefined && has(this.#batch.frames.values(), frame)) this.#abandon(true);
    });
    this.#cache = parts.store && new TranslationCache(memory, parts.store);
  }

  get stats(): TranslatorStats {
    const { dropped, evicted, liveRegions, liveModules, liveBytes } = this.#installed;
    const { hits, misses, stores } = this.#cache ?? { hits: 0, misses: 0, stores: 0 };
    const cache = this.#cache && { hits, misses, stores };
    return { ...this.#counts, dropped, evicted, liveRegions, liveModules, liveBytes, cache };
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

  setPageTable(pageTable: PageTable): void {
    this.#pageTable = pageTable;
    this.#installed.setPageTable(pageTable);
  }

  /**
   * Executes some instructions from a record on while noting what they do, then translates what has become hot.
   * @returns the record to go on at, 0 when the run loop must be left
   */
  look(record: number): number {
    if (!this.#installed.isUsable) return record;
    const start = this.#parts.clock();
    this.#reader.begin(this.#pageTable!);
    this.#installed.age();
    this.#forgetOld();
    const next = this.#profiler.run(record, this.#options.burst);
    // A batch on its way comes first.
    const isFruitful = this.#batch === undefined && this.#chooser.isDue(this.interval) && this.#round();
    this.interval = isFruitful ? this.#options.interval : Math.min(this.#options.maxInterval, this.interval * 2);
    this.#account(start);
    return next;
  }

  #account(start: number): void {
    const time = this.#parts.clock() - start;
    this.#counts.time += time;
    if (time > this.#counts.longest) this.#counts.longest = time;
  }

  /** Nanoseconds spent so far. */
  get time(): number {
    return this.#counts.time;
  }

  /**
   * Does a bounded part of the work that there is: takes code from the cache, or goes on with a batch. Between slices, when
   * no record is executing.
   */
  work(): void {
    if (this.#batch === undefined && this.#cache?.isWaiting !== true) return;
    if (!this.#installed.isUsable) return;
    const start = this.#parts.clock();
    this.#reader.begin(this.#pageTable!);
    if (!this.#fromCache()) this.#goOn();
    this.#account(start);
  }

  /** Programs come and go: what was noted of code that ran long ago must not pile up. */
  #forgetOld(): void {
    if (this.#profile.sites.size <= MAX_SITES) return;
    this.#profile.clear();
    this.#chooser.clear();
  }

  // Called by emitted code

  /** Whether the active address space has the code of a region. */
  validate(number: number): boolean {
    this.#reader.begin(this.#pageTable!);
    return this.#installed.validate(number);
  }

  /** A region stopped: its window is opened where the access was, if it can be. */
  stopped(): void {
    const { u32, i32 } = this.#memory;
    const kind = u32[STOP_KIND >> 2]!;
    if ((kind & 0xff) !== KIND_MISS) return;
    this.#counts.windowMisses++;
    const slot = (kind >> 8) & 0xff;
    const write = (kind & WRITE_ACCESS) !== 0;
    const vpn = i32[(SLOW_EA >> 2) + 1]! * 2 ** 20 + (u32[SLOW_EA >> 2]! >>> 12);
    const { windows } = this.#pageTable!;
    const second = slot + SITE_SLOTS;
    const isHeld = windows.holds(slot, vpn, write) || windows.holds(second, vpn, write);
    let opened: OpenResult = isHeld ? OPENED : windows.open(slot, vpn, write);
    // Another extent is in the way: the second window is for whatever comes.
    if (opened === TAKEN) opened = windows.open(second, vpn, write, true);
    if (opened === TAKEN) this.#counts.conflicts++;
    const address = i32[(RIP >> 2) + 1]! * TWO_32 + u32[RIP >> 2]!;
    const site = this.#profile.sites.get(address);
    if (site === undefined) return;
    // The extent ends between the accesses of the group.
    if (isHeld && kind & GROUP_ACCESS && ++site.groupMisses === MAX_GROUP_MISSES) this.#redoAt(site, address);
    if (opened === TAKEN && ++site.conflicts === MAX_CONFLICTS) this.#redoAt(site, address);
  }

  #redoAt(site: Site, address: number): void {
    for (const { body } of this.#installed.usersOf(site.frame)) {
      if (includes(body, address)) this.#chooser.remake(body.root);
    }
  }

  // Choosing

  /** @returns whether anything was translated */
  #round(): boolean {
    this.#former.begin();
    const roots = this.#chooser.choose();
    const size = roots.size === 0 ? 0 : this.#translate(roots);
    this.#chooser.endRound(size);
    return size > 0;
  }

  // Translating

  /** @returns instructions that were translated */
  #translate(roots: ReadonlySet<number>): number {
    for (const root of roots) {
      const old = this.#installed.find(root);
      if (old !== undefined && old.body.sites.length > 0) this.#remember(old.body);
    }
    const accepted = this.#acceptable(roots);
    if (accepted.size === 0) return 0;
    const installed = this.#installed;
    installed.makeRoom(MAX_BATCH * BYTES_PER_INSTRUCTION, accepted.size);
    const regions = this.#formBatch(accepted);
    const env = {
      isInstalled: (root: number) => installed.find(root) !== undefined,
      record: (address: number) => installed.recordAt(address),
      flagSource: (source: FlagSource) => this.#stale.number(source),
      path: (step: Step, write: boolean, stack: boolean) => this.#path(step, write, stack),
      isAlone: (step: Step) =>
        (this.#profile.sites.get(step.instruction.address)?.groupMisses ?? 0) >= MAX_GROUP_MISSES,
    };
    const isWatched = this.#parts.watcher() !== undefined;
    this.#batch = new Batch(regions, (page) => this.#reader.frame(page), env, this.#stale, isWatched);
    // Its instructions are copies: from now on a change has to be noticed.
    for (const frame of this.#batch.frames.values()) this.#memory.markCode(frame);
    return regions.reduce((sum, { size }) => sum + size, 0);
  }

  /** The next part of the batch. */
  #goOn(): void {
    const batch = this.#batch;
    if (batch === undefined) return;
    if (!batch.isHere((page) => this.#reader.frame(page))) {
      // Another program runs. Should the one of the batch never do so again, nothing is lost.
      if (++batch.waits > MAX_WAITS) this.#abandon(false);
      return;
    }
    batch.waits = 0;
    if (!batch.isComplete) {
      this.#abandon(true);
      return;
    }
    const size = batch.step();
    if (size > this.#counts.largestStep) this.#counts.largestStep = size;
    if (size > 0) return;
    this.#batch = undefined;
    const emitted = batch.finish();
    if (emitted !== undefined) this.#put(batch.plans, emitted);
    batch.release();
  }

  /** Gives the batch up. @param again its roots are still wanted */
  #abandon(again: boolean): void {
    const batch = this.#batch;
    if (batch === undefined) return;
    this.#batch = undefined;
    batch.release();
    if (again) for (const { root } of batch.regions) this.#chooser.defer(root);
  }

  /** Regions for roots, as many as make one batch; the other roots are taken out and come later. */
  #formBatch(roots: Set<number>): Region[] {
    const isRoot = (address: number): boolean => roots.has(address) || this.#installed.find(address) !== undefined;
    for (;;) {
      const regions = [...roots].map((root) => this.#former.form(root, isRoot)!);
      let size = 0;
      const rest = regions.findIndex((region, i) => (size += region.size) > MAX_BATCH && i > 0);
      if (rest < 0) {
        this.#counts.largestBatch = Math.max(this.#counts.largestBatch, size);
        return regions;
      }
      // What is inlined counts. Without the others, some calls of theirs become ways out: all are formed again.
      for (const { root } of regions.slice(rest)) {
        roots.delete(root);
        this.#chooser.defer(root);
      }
    }
  }

  /**
   * Those of the roots that have code, with what they call: as many as go into one batch and as there is room for. Others
   * come later.
   */
  #acceptable(roots: ReadonlySet<number>): Set<number> {
    const accepted = new Set<number>();
    const queue = new Set(roots);
    let room = this.#options.maxRegions;
    let size = 0;
    for (const root of queue) {
      const own = this.#former.size(root);
      if (own === 0) continue;
      if (size > MAX_BATCH || room === 0) {
        this.#chooser.defer(root);
        continue;
      }
      accepted.add(root);
      size += own;
      room--;
      for (const callee of this.#former.calls(root)) {
        const isWorthy = this.#former.share(callee) >= WORTHY_SHARE / 2;
        if (isWorthy && this.#installed.find(callee) === undefined) queue.add(callee);
      }
    }
    return accepted;
  }

  #put(plans: readonly Plan[], emitted: EmittedModule): void {
    const { bytes, imports, flagSources, watched } = emitted;
    const outside = new Map<number, Translation>();
    for (const root of imports) {
      const translation = this.#installed.find(root);
      if (translation === undefined) {
        // It has gone in the meantime: once more without it.
        for (const { region } of plans) this.#chooser.defer(region.root);
        return;
      }
      outside.set(root, translation);
    }
    for (const region of watched) this.#parts.watcher()?.(region);
    const module = new RegionModule(bytes.length, flagSources);
    const bodies = plans.map((plan) => bodyOf(plan));
    this.#link(module, bytes, bodies, bodies.keys(), outside);
    // Of regions that are not in place nobody knows whether their pages stay as they are.
    if (module.live.size < bodies.length) return;
    this.#cache?.keep(module, (pages) => {
      const regions = bodies.map((body, index) => this.#describe(body, index));
      return { regions, pages, imports, slots: [...emitted.slots], places: emitted.places, bytes };
    });
  }

  /**
   * Makes a module's functions and installs its regions.
   * @param indices which function each is
   * @param outside regions of other modules that it imports, by root
   */
  #link(
    module: RegionModule,
    bytes: Uint8Array,
    bodies: readonly RegionBody[],
    indices: Iterable<number>,
    outside: ReadonlyMap<number, Translation>,
  ): void {
    const installed = this.#installed;
    const imported = new Map([...outside].map(([root, { func }]) => [root, func]));
    const functions = instantiate(bytes, this.#imports, imported, indices);
    this.#counts.modules++;
    this.#counts.moduleBytes += bytes.length;
    installed.open(module);
    const made = new Map<number, Translation>();
    for (const [i, body] of bodies.entries()) {
      const translation = installed.install(body, module, functions[i]!);
      if (translation === undefined) continue;
      made.set(body.root, translation);
      this.#counts.regions++;
      this.#counts.translatedInstructions += body.size;
    }
    for (const translation of made.values()) {
      for (const address of translation.body.destinations) {
        const target = outside.get(address) ?? made.get(address);
        if (target === undefined) translation.unlinked.add(address);
        else installed.link(translation, target);
      }
    }
    installed.close(module);
  }

  // Code of other runs

  #fromCache(): boolean {
    // Who looks wants to see how code comes about.
    if (this.#cache === undefined || this.#parts.watcher() !== undefined) return false;
    return this.#cache.install(
      (page) => this.#reader.frame(page),
      (stored) => this.#installStored(stored),
    );
  }

  /** @returns undefined: not now; null: never */
  #installStored(stored: StoredModule): RegionModule | undefined | null {
    const installed = this.#installed;
    const regions = stored.regions.filter(({ root }) => installed.find(root) === undefined);
    if (regions.length === 0) return null;
    installed.makeRoom(stored.bytes.length, regions.length);
    const outside = new Map<number, Translation>();
    for (const root of stored.imports) {
      const translation = installed.find(root);
      if (translation === undefined) return undefined;
      outside.set(root, translation);
    }
    const slots = this.#slots.assign(this.#pageTable!, stored.slots);
    if (slots === undefined) return undefined;
    const flagSources = new Set<number>();
    const bytes = relocate(stored, {
      record: (address) => installed.recordAt(address),
      flagSource: (source) => {
        const number = this.#stale.number(source);
        flagSources.add(number);
        return number;
      },
      slots,
    });
    if (bytes === undefined) return undefined;
    const module = new RegionModule(bytes.length, [...flagSources]);
    const bodies = regions.map(bodyOfStored);
    try {
      this.#link(
        module,
        bytes,
        bodies,
        regions.map(({ index }) => index),
        outside,
      );
    } catch {
      // Whole by its digest, but not ours.
      return null;
    }
    for (const { root, version } of regions) this.#chooser.inherit(root, version);
    return module;
  }

  #describe(body: RegionBody, index: number): StoredModule['regions'][number] {
    const { root, size, defaultSse, pages, destinations, addresses } = body;
    const sites: SiteFacts[] = [];
    for (const address of addresses) {
      const site = this.#profile.sites.get(address);
      if (site === undefined || (Number.isNaN(site.lastAddress) && site.targets === undefined)) continue;
      sites.push([address, Number.isNaN(site.lastAddress) ? null : site.lastAddress, ...(site.targets?.keys() ?? [])]);
    }
    return {
      index,
      root,
      size,
      defaultSse,
      pages: [...pages],
      destinations: [...destinations],
      addresses: [...addresses],
      sites,
      version: this.#chooser.version(root),
    };
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

  #path(step: Step, write: boolean, stack: boolean): { slot: number; address: number } {
    const { i32, u32 } = this.#memory;
    const site = this.#profile.sites.get(step.instruction.address);
    if (site !== undefined && site.conflicts >= MAX_CONFLICTS) return { slot: -1, address: 0 };
    const { ripRelative, address, length, displacement, base, index } = step.instruction;
    let at = site?.lastAddress ?? Number.NaN;
    if (stack) at = i32[(RSP >> 2) + 1]! * TWO_32 + u32[RSP >> 2]!;
    else if (ripRelative) at = address + length + displacement;
    else if (Number.isNaN(at) && base === RSP && index === 0x400) at = i32[(RSP >> 2) + 1]! * TWO_32 + u32[RSP >> 2]!;
    const slot = Number.isNaN(at) ? -1 : this.#slots.find(this.#pageTable!, at, write);
    return { slot, address: at };
  }

  /** All decoded code is gone. */
  dropAll(): void {
    this.#abandon(false);
    this.#installed.dropAll();
  }
}

function has<T>(items: Iterable<T>, wanted: T): boolean {
  for (const item of items) if (item === wanted) return true;
  return false;
}

function bodyOf(plan: Plan): RegionBody {
  const { root, size, blocks, pages } = plan.region;
  const addresses = new Set<number>();
  for (const { instructions } of blocks) for (const { address } of instructions) addresses.add(address);
  return {
    root,
    size,
    pages,
    destinations: destinations(plan),
    addresses: Float64Array.from(addresses).sort(),
    defaultSse: plan.defaultSse,
    sites: [],
  };
}

function bodyOfStored(stored: StoredModule['regions'][number]): RegionBody {
  const { root, size, defaultSse, pages, destinations, addresses, sites } = stored;
  return {
    root,
    size,
    defaultSse,
    pages: new Set(pages),
    destinations: new Set(destinations),
    addresses: Float64Array.from(addresses),
    sites,
  };
}
