/**
 * Chooses what to translate, and when. The profile is looked at often; translating takes place in rounds, at the earliest
 * when tier 0 has executed as much since the last one as that one was worth: a program that keeps showing new code is
 * translated in few big rounds, and translating never takes more than a bounded share of the time.
 *
 * Roots of regions are functions that are called, loops that turn, and places where control comes out of regions. When
 * a region often leaves to code that could be part of it, or to another region that it does not know, it is made anew.
 */
import type { RegionFormer } from './form.js';
import type { Profile } from './profile.js';
import { some } from './some.js';

export interface ChooserOptions {
  /** Instructions in tier 0 before the first round. */
  firstRound: number;
  /** Calls that were seen before a function is worth a region, and jumps back before a loop is. */
  hotCalls: number;
  hotLoops: number;
  /** Times that tier 0 has executed each instruction of a root, on the mean, before the root is worth a region. */
  worth: number;
}

/** A region as the chooser sees it. */
export interface ChosenRegion {
  readonly root: number;
  /** Whether an instruction at this address is part of it. */
  includes(address: number): boolean;
  /** Addresses that it leaves to without knowing a region there. */
  readonly unlinked: ReadonlySet<number>;
}

/** What has been translated, in the active address space. */
export interface ChosenRegions {
  isRoot(address: number): boolean;
  /** Of a door: the region that it leads into. */
  byNumber(region: number): ChosenRegion | undefined;
  /** Roots of the regions that have an instruction at an address. */
  around(address: number): readonly number[];
}

/** A loop inside of a region gets one of its own if it runs so much more often than the region is entered. */
const LONG_LOOP = 64;
/** A loop is left to the region around it so often before it gets one of its own after all. */
const MAX_SKIPS = 2;
/** A region is made anew so often. */
const MAX_VERSIONS = 5;
/** An instruction of code that is worth a region is executed so many times as often as the root, on the mean, at most. */
const INNER_LOOPS = 16;
/** Times that control must have been seen to go from a region to a place before that counts; and for a root there. */
const HOT_LINKS = 4;
const HOT_EXITS = 16;
/** Instructions in tier 0 that translating one instruction is thought to cost. */
const COST = 8000;
const LONGEST_PAUSE = 10_000_000;

export class Chooser {
  #profile: Profile;
  #former: RegionFormer;
  #regions: ChosenRegions;
  #options: ChooserOptions;
  /** Region number → address that control went to → how often. */
  #links = new Map<number, Map<number, number>>();
  #redo = new Set<number>();
  #deferred = new Set<number>();
  #versions = new Map<number, number>();
  #left: number;

  constructor(profile: Profile, former: RegionFormer, regions: ChosenRegions, options: ChooserOptions) {
    this.#profile = profile;
    this.#former = former;
    this.#regions = regions;
    this.#options = options;
    this.#left = options.firstRound;
  }

  /** Control was seen to go from a region to an address. */
  noteLink(region: number, to: number): void {
    let links = this.#links.get(region);
    if (links === undefined) this.#links.set(region, (links = new Map()));
    links.set(to, (links.get(to) ?? 0) + 1);
  }

  /** The region at a root shall be made anew: the profile knows better. */
  remake(root: number): void {
    if ((this.#versions.get(root) ?? 0) < MAX_VERSIONS) this.#redo.add(root);
  }

  /** Whether translating the code of a root takes less than it may be expected to save: as much as it has cost by now. */
  isWorthy(root: number): boolean {
    return this.#mayBeWorthy(root) && this.#former.heat(root) >= this.#options.worth;
  }

  /** Saves a look at all the code of a root that is seldom come to: a loop in it is a root of its own. */
  #mayBeWorthy(root: number): boolean {
    return (this.#profile.sites.get(root)?.heat ?? 0) * INNER_LOOPS >= this.#options.worth;
  }

  /** How often the region at a root was made anew. */
  version(root: number): number {
    return this.#versions.get(root) ?? 0;
  }

  /** A region comes from another run, where it was made anew so often. */
  inherit(root: number, version: number): void {
    if (version > this.version(root)) this.#versions.set(root, version);
  }

  /** Tells how many instructions tier 0 has executed. @returns whether it is time for a round */
  isDue(instructions: number): boolean {
    this.#left -= instructions;
    return this.#left <= 0 && this.#profile.fresh.size + this.#redo.size + this.#links.size + this.#deferred.size > 0;
  }

  /** Programs come and go: what was noted of code that ran long ago must not pile up. */
  clear(): void {
    this.#links.clear();
    this.#redo.clear();
    this.#versions.clear();
    this.#deferred.clear();
  }

  /** A root did not go into the batch: it comes with the next. */
  defer(root: number): void {
    this.#deferred.add(root);
  }

  /** @param size instructions that the round has translated */
  endRound(size: number): void {
    this.#profile.endRound();
    this.#left = Math.min(LONGEST_PAUSE, Math.max(this.#options.firstRound, size * COST));
  }

  /** A root is a door of a region that is on its way. */
  served(root: number): void {
    this.#deferred.delete(root);
  }

  /** Roots whose code `choose` will look at, as far as that can be told before it does. */
  candidates(): number[] {
    const found = [...this.#redo, ...this.#deferred];
    for (const address of this.#profile.fresh) if (this.#mayBeWorthy(address)) found.push(address);
    for (const [number, links] of this.#links) {
      const from = this.#regions.byNumber(number);
      if (from !== undefined && some(links.values(), (times) => times >= HOT_LINKS)) found.push(from.root);
    }
    return found;
  }

  /**
   * Roots to translate now. Those that have a region get a new one. Yields how much it looked at, in instructions: what is noted
   * in between may count, or wait for the next time.
   * @returns with places where these regions shall have doors
   */
  *choose(): Generator<number, { roots: Set<number>; doors: Set<number> }> {
    const chosen = new Set<number>();
    yield* this.#chooseByProfile(chosen);
    for (const root of chosen) {
      if (!this.isWorthy(root)) chosen.delete(root);
      yield this.#former.takeEffort();
    }
    yield* this.#chooseByLinks(chosen);
    const doors = new Set<number>();
    for (const roots of [chosen, this.#deferred]) yield* this.#chooseDoors(roots, doors);
    for (const root of this.#redo) chosen.add(root);
    for (const root of chosen)
      if (this.#regions.isRoot(root)) this.#versions.set(root, (this.#versions.get(root) ?? 0) + 1);
    this.#redo.clear();
    for (const root of this.#deferred) chosen.add(root);
    this.#deferred.clear();
    return { roots: chosen, doors };
  }

  /** Roots that are part of a region get a door there instead of a region of their own. */
  *#chooseDoors(roots: Set<number>, doors: Set<number>): Generator<number, void> {
    for (const root of roots) {
      yield this.#former.takeEffort();
      if (this.#regions.isRoot(root)) continue;
      const canHaveDoor = (around: number): boolean =>
        this.version(around) < MAX_VERSIONS && this.#former.covers(around, root);
      const [around] = this.#regions
        .around(root)
        .filter(canHaveDoor)
        .sort((a, b) => this.#former.size(b) - this.#former.size(a));
      if (around === undefined) continue;
      roots.delete(root);
      doors.add(root);
      this.#redo.add(around);
    }
  }

  *#chooseByProfile(chosen: Set<number>): Generator<number, void> {
    const { sites, fresh } = this.#profile;
    const loops: number[] = [];
    for (const address of fresh) {
      yield this.#former.takeEffort();
      const site = sites.get(address);
      if (site === undefined || this.#regions.isRoot(address)) fresh.delete(address);
      else if (!this.#mayBeWorthy(address)) continue;
      else if (site.entries >= this.#options.hotCalls) chosen.add(address);
      else if (site.loops >= this.#options.hotLoops) loops.push(address);
    }
    // The outer loops come first: they turn less often.
    loops.sort((a, b) => sites.get(a)!.loops - sites.get(b)!.loops || a - b);
    for (const address of loops) {
      yield this.#former.takeEffort();
      const site = sites.get(address)!;
      const isEnough = (root: number): boolean => {
        const around = sites.get(root);
        return around !== undefined && site.loops < LONG_LOOP * (around.entries + around.loops);
      };
      const isSkipped = site.skips < MAX_SKIPS && this.#regions.around(address).some(isEnough);
      if (isSkipped || some(chosen, (root) => isEnough(root) && this.#former.covers(root, address))) {
        // The region around it should serve. If tier 0 still sees it after that, it is entered in other ways.
        site.skips++;
        site.loops = 0;
        fresh.delete(address);
      } else chosen.add(address);
    }
    for (const address of chosen) fresh.delete(address);
  }

  *#chooseByLinks(chosen: Set<number>): Generator<number, void> {
    for (const [number, links] of this.#links) {
      const from = this.#regions.byNumber(number);
      for (const [to, times] of links) {
        if (from === undefined || times < HOT_LINKS) continue;
        const isKnown = this.#regions.isRoot(to) || chosen.has(to);
        const isPart = !from.includes(to) && this.#former.covers(from.root, to);
        if (isPart || (isKnown && from.unlinked.has(to))) {
          this.remake(from.root);
        } else if (!isKnown) {
          if (times < HOT_EXITS) continue;
          chosen.add(to);
        }
        links.delete(to);
      }
      if (from === undefined || links.size === 0) this.#links.delete(number);
      yield this.#former.takeEffort();
    }
  }
}
