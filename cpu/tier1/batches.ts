/**
 * What is being translated: roots become regions, regions a batch (batch.ts), which makes progress a part at a time while
 * the program goes on, and its module is put in place in the end. There is one batch at a time; roots that it has no room
 * for come later, and so do all of them when something that it builds on has changed.
 */
import type { PhysicalMemory } from '../physical-memory.js';
import { Batch, type Translated } from './batch.js';
import type { Chooser } from './chooser.js';
import type { CodeReader } from './code-reader.js';
import type { FlagSource } from './flags.js';
import type { RegionFormer } from './form.js';
import type { InstalledRegions } from './installed.js';
import type { KeptCode } from './kept-code.js';
import type { Linker } from './linker.js';
import type { Region } from './region.js';
import type { SiteWindows } from './site-windows.js';
import { some } from './some.js';
import type { StaleFlags } from './stale-flags.js';
import type { Step } from './step.js';
import { type RegionBody, RegionModule, type Translation } from './translation.js';
import type { RegionWatcher } from './watch.js';

/** Guest instructions translated at one time. */
const MAX_BATCH = 2000;
/** Slices of other programs in a row after which a batch is given up. */
const MAX_WAITS = 1000;
/** Bytes of WebAssembly that an instruction becomes, more or less. */
const BYTES_PER_INSTRUCTION = 64;

/** In place of a frame: it was written to, or another one is there now. */
const CHANGED = -1;

export interface BatchesParts {
  memory: PhysicalMemory;
  reader: CodeReader;
  former: RegionFormer;
  chooser: Chooser;
  installed: InstalledRegions;
  windows: SiteWindows;
  stale: StaleFlags;
  linker: Linker;
  kept: KeptCode | undefined;
  watcher: () => RegionWatcher | undefined;
  /** Nanoseconds; a clock that stands lets every step do all that it may. */
  clock: () => number;
  /** Regions in one batch, at most. */
  maxRegions: number;
  /** A region is about to be made anew. */
  remember: (body: RegionBody) => void;
}

export class Batches {
  /** Instructions in one batch, and worked on in one part of it, at most so far. */
  largestBatch = 0;
  largestStep = 0;
  readonly #parts: BatchesParts;
  /** Regions on their way. */
  #batch: Batch | undefined;
  /** Of regions that are being formed: page number → frame that its code was read from. Undefined when none are. */
  #read: Map<number, number> | undefined;

  constructor(parts: BatchesParts) {
    this.#parts = parts;
  }

  get isIdle(): boolean {
    return this.#batch === undefined;
  }

  /** The contents of a frame change. */
  written(frame: number): void {
    for (const [page, read] of this.#read ?? []) if (read === frame) this.#read!.set(page, CHANGED);
    if (this.#batch !== undefined && some(this.#batch.frames.values(), (one) => one === frame)) this.abandon(true);
  }

  /**
   * Forms regions for roots and what they call. Yields how much was looked at, in instructions.
   * @param wanted places where regions that are made anew are to be entered, too
   * @returns instructions that are on their way
   */
  *begin(roots: ReadonlySet<number>, wanted: Iterable<number>): Generator<number, number> {
    const read = new Map<number, number>();
    this.#read = read;
    const entries = new Set([...roots, ...wanted]);
    for (const root of roots) {
      const old = this.#parts.installed.find(root);
      if (old === undefined) continue;
      for (const door of old.body.doors) entries.add(door);
      if (old.body.sites.length > 0) this.#parts.remember(old.body);
    }
    const accepted = yield* this.#acceptable(roots);
    if (accepted.size === 0) return 0;
    const { installed, memory, reader, stale, watcher, windows } = this.#parts;
    installed.makeRoom(MAX_BATCH * BYTES_PER_INSTRUCTION, accepted.size);
    const regions = yield* this.#formBatch(accepted, entries);
    if (regions.length === 0) return 0;
    const env = {
      isInstalled: (root: number) => installed.find(root) !== undefined,
      record: (address: number) => installed.recordAt(address),
      flagSource: (source: FlagSource) => stale.number(source),
      path: (step: Step, write: boolean, stack: boolean) => windows.path(step, write, stack),
      isAlone: (step: Step) => windows.isAlone(step),
    };
    const isWatched = watcher() !== undefined;
    this.#batch = new Batch(regions, (page) => reader.frame(page), env, stale, isWatched);
    // Its instructions are copies: a change has to be noticed, from now on and since they were read.
    for (const frame of this.#batch.frames.values()) memory.markCode(frame);
    this.#read = undefined;
    if (some(read, ([page, frame]) => reader.frame(page) !== frame)) {
      this.abandon(true);
      return 0;
    }
    return regions.reduce((sum, { size }) => sum + size, 0);
  }

  /** What was being formed is given up. */
  formNoMore(): void {
    this.#read = undefined;
  }

  /** The next part of the batch. */
  goOn(): void {
    const batch = this.#batch;
    if (batch === undefined) return;
    if (!batch.isHere((page) => this.#parts.reader.frame(page))) {
      // Another program runs. Should the one of the batch never do so again, nothing is lost.
      if (++batch.waits > MAX_WAITS) this.abandon(false);
      return;
    }
    batch.waits = 0;
    if (!batch.isComplete) {
      this.abandon(true);
      return;
    }
    const goesOn = batch.step(this.#parts.clock);
    this.largestStep = Math.max(this.largestStep, Math.ceil(batch.worked));
    if (goesOn) return;
    this.#batch = undefined;
    const translated = batch.finish();
    if (translated !== undefined) this.#put(batch.regions, translated);
    batch.release();
  }

  /** Gives the batch up. @param again its roots are still wanted */
  abandon(again: boolean): void {
    const batch = this.#batch;
    if (batch === undefined) return;
    this.#batch = undefined;
    batch.release();
    if (again) for (const { root } of batch.regions) this.#parts.chooser.defer(root);
  }

  /** Regions for roots, as many as make one batch; the other roots are taken out and come later. */
  *#formBatch(roots: Set<number>, entries: ReadonlySet<number>): Generator<number, Region[]> {
    for (;;) {
      const regions = yield* this.#form(roots, entries);
      let size = 0;
      const rest = regions.findIndex((region, i) => (size += region.size) > MAX_BATCH && i > 0);
      if (rest < 0) {
        this.largestBatch = Math.max(this.largestBatch, size);
        return regions;
      }
      // What is inlined counts. Without the others, some calls of theirs become ways out: all are formed again.
      for (const { root } of regions.slice(rest)) {
        roots.delete(root);
        this.#parts.chooser.defer(root);
      }
    }
  }

  /** What is a door of one region needs none of its own. */
  *#form(roots: Set<number>, entries: ReadonlySet<number>): Generator<number, Region[]> {
    const isRoot = (address: number): boolean =>
      roots.has(address) || this.#parts.installed.find(address) !== undefined;
    const regions: Region[] = [];
    for (const root of roots) {
      // Its code may have gone since it was found.
      const region = this.#parts.former.form(root, isRoot, entries);
      if (region === undefined) roots.delete(root);
      else regions.push(region);
      for (const page of region?.pages ?? []) {
        const frame = this.#parts.reader.frame(page);
        this.#read?.set(page, (this.#read.get(page) ?? frame) === frame ? frame : CHANGED);
      }
      yield this.#parts.former.takeEffort();
    }
    const largestFirst = [...regions].sort((a, b) => b.size - a.size);
    for (const { root, doors } of largestFirst) {
      if (!roots.has(root)) continue;
      for (const door of doors) {
        roots.delete(door);
        this.#parts.chooser.served(door);
      }
    }
    return regions.filter(({ root }) => roots.has(root));
  }

  /**
   * Those of the roots that have code, with what they call: as many as go into one batch and as there is room for. Others
   * come later.
   */
  *#acceptable(roots: ReadonlySet<number>): Generator<number, Set<number>> {
    const accepted = new Set<number>();
    const queue = new Set(roots);
    let room = this.#parts.maxRegions;
    let size = 0;
    for (const root of queue) {
      yield this.#parts.former.takeEffort();
      const own = this.#parts.former.size(root);
      if (own === 0) continue;
      if (size > MAX_BATCH || room === 0) {
        this.#parts.chooser.defer(root);
        continue;
      }
      accepted.add(root);
      size += own;
      room--;
      for (const callee of this.#parts.former.calls(root)) {
        const isWorthy = this.#parts.chooser.isWorthy(callee);
        if (isWorthy && this.#parts.installed.find(callee) === undefined) queue.add(callee);
      }
    }
    return accepted;
  }

  #put(regions: readonly Region[], { emitted, compiled, bodies }: Translated): void {
    const { bytes, imports, flagSources, watched } = emitted;
    const outside = new Map<number, Translation>();
    for (const root of imports) {
      const translation = this.#parts.installed.find(root);
      if (translation === undefined) {
        // It has gone in the meantime: once more without it.
        for (const { root } of regions) this.#parts.chooser.defer(root);
        return;
      }
      outside.set(root, translation);
    }
    for (const region of watched) this.#parts.watcher()?.(region);
    const module = new RegionModule(bytes.length, flagSources);
    this.#parts.linker.link(module, compiled, bodies, bodies.keys(), outside);
    // Of regions that are not in place nobody knows whether their pages stay as they are.
    const isLive = ({ root }: Region): boolean => some(module.live, ({ body }) => body.root === root);
    if (!regions.every(isLive)) return;
    this.#parts.kept?.keep(module, bodies, emitted);
  }
}
