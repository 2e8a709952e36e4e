/**
 * Forms regions: from a root (a function that is called, a loop that runs) over the code that the profile has seen, with
 * small hot callees put in place. Code that never ran stays outside, unless the whole is small. Where control comes in at other
 * places than the root, the region has doors (docs/decisions/012-doors.md).
 */
import { AddressSet } from './address-set.js';
import type { CodeReader } from './code-reader.js';
import type { Profile } from './profile.js';
import type { Instruction, Region } from './region.js';
import { type Body, type Inlining, MAX_CALL_TARGETS, mostFrequent, RegionBuilder } from './region-builder.js';

/** Guest instructions of one region. Beyond, V8's optimising tier takes too long. */
const MAX_REGION = 1000;
/** Of one with doors: an interpreter's loop in parts would be many regions that each have most of it. */
const MAX_WITH_DOORS = 2000;
/** Instructions of one block: it is emitted in one go. */
const MAX_BLOCK = 100;
/** A region with all code that can be reached is taken whole up to this size. */
const WHOLE_LIMIT = 40;
const HOT: Inlining = { size: 150, depth: 3, budget: 500, recursion: 2, recursionBudget: 250 };
const WARM: Inlining = { size: 20, depth: 2, budget: 150, recursion: 1, recursionBudget: 60 };
/** Share of what tier 0 executes from which on code is hot. */
const HOT_SHARE = 0.1;
/** Roots that are remembered as hot. */
const MAX_HOT = 10_000;
/** A region whose indirect jumps have so many targets is thought to be an interpreter's loop. */
const LEAST_FOR_DOORS = 6;
/** Times that control was seen to come from a region to a place behind a call that then gets a door. */
const HOT_ARRIVALS = 8;

export class RegionFormer {
  #reader: CodeReader;
  #profile: Profile;
  #bodies = new Map<number, Body | undefined>();
  #effort = 1;
  readonly #heats = new Map<number, number>();
  /** While a body is found out. */
  readonly #addresses = new AddressSet();
  readonly #instructions: Instruction[] = [];
  readonly #leaders = new AddressSet();
  /** Roots that were hot once: what is translated is not counted any more. */
  #hot = new Set<number>();

  constructor(reader: CodeReader, profile: Profile) {
    this.#reader = reader;
    this.#profile = profile;
  }

  /** Instructions looked at since it was asked last, and one more: what it took to answer the questions in between. */
  takeEffort(): number {
    const effort = this.#effort;
    this.#effort = 1;
    return effort;
  }

  /** Forgets what it found out: the profile or the code has changed. */
  begin(): void {
    this.#bodies.clear();
    this.#heats.clear();
    if (this.#hot.size > MAX_HOT) this.#hot.clear();
  }

  /**
   * @param isRoot whether an address is, or is about to be, the root of a region that can be called
   * @param wanted places where regions are to be entered: as doors, if the region has such
   * @returns undefined when there is no code at the root
   */
  form(root: number, isRoot: (address: number) => boolean, wanted: Iterable<number>): Region | undefined {
    const body = this.#body(root);
    if (body === undefined) return undefined;
    // A caller is as hot as what it calls.
    if ([root, ...this.calls(root)].some((one) => this.share(one) >= HOT_SHARE)) this.#hot.add(root);
    const inlining = this.#hot.has(root) ? HOT : WARM;
    const builder = new RegionBuilder((address) => this.#body(address), this.#profile, isRoot, inlining);
    const region = builder.build(root, body, this.#doors(root, body, wanted));
    this.#effort += region.size;
    return region;
  }

  /**
   * Places besides the root at which a region can be entered: a region of its own for each of them would have most of the
   * same code. Those that are wanted, those where control came from other regions (behind calls that did not come back by
   * themselves), and in the loop of an interpreter, where jumps meet at one place anyway, all that there might be.
   */
  #doors(root: number, body: Body, wanted: Iterable<number>): number[] {
    const { addresses, instructions, leaders } = body;
    const targets = this.#jumpTargets(body);
    const isInterpreter = targets.size >= LEAST_FOR_DOORS;
    const doors = isInterpreter ? targets : new Set<number>();
    for (const { flow, address, length } of instructions) {
      if (flow !== 'call' && flow !== 'indirectCall') continue;
      const back = address + length;
      const arrivals = this.#profile.sites.get(back)?.arrivals ?? 0;
      if ((isInterpreter || arrivals >= HOT_ARRIVALS) && addresses.has(back)) doors.add(back);
    }
    for (const address of wanted) if (addresses.has(address)) doors.add(address);
    doors.delete(root);
    doors.delete(0);
    for (const address of doors) leaders.add(address);
    return [...doors];
  }

  /** Instructions that a region would have without what it inlines; 0: there is no code. */
  size(root: number): number {
    return this.#body(root)?.instructions.length ?? 0;
  }

  /** Share of what was executed lately that the code of a root had, 0…1. */
  share(root: number): number {
    const { sites, total } = this.#profile;
    let weight = 0;
    for (const { address } of this.#body(root)?.instructions ?? []) {
      const site = sites.get(address);
      if (site !== undefined) weight += this.#profile.weight(site);
    }
    return weight / Math.max(total, 1);
  }

  /** How often tier 0 has executed an instruction of a root's code, on the mean of all of them. */
  heat(root: number): number {
    let heat = this.#heats.get(root);
    if (heat === undefined) {
      heat = this.#heatOf(this.#body(root));
      this.#heats.set(root, heat);
    }
    return heat;
  }

  #heatOf(body: Body | undefined): number {
    if (body === undefined) return 0;
    this.#effort += body.instructions.length;
    let sum = 0;
    for (const { address } of body.instructions) sum += this.#profile.sites.get(address)?.heat ?? 0;
    return sum / body.instructions.length;
  }

  /** The code of a root will hardly be asked for again: most code that is looked at is not hot enough. */
  forget(root: number): void {
    this.#bodies.delete(root);
  }

  /** Functions that the code of a root calls, as far as the profile has seen them. */
  calls(root: number): number[] {
    const { sites } = this.#profile;
    const called: number[] = [];
    for (const { address, flow, target } of this.#body(root)?.instructions ?? []) {
      if (flow === 'call') called.push(target);
      const targets = flow === 'indirectCall' ? sites.get(address)?.targets : undefined;
      if (targets !== undefined) called.push(...mostFrequent(targets).slice(0, MAX_CALL_TARGETS));
    }
    return called.filter((address) => sites.has(address));
  }

  /** Whether the region of a root covers an address. */
  covers(root: number, address: number): boolean {
    return this.#body(root)?.addresses.has(address) === true;
  }

  #body(root: number): Body | undefined {
    if (!this.#bodies.has(root)) {
      this.#bodies.set(root, this.#reach(root, true, WHOLE_LIMIT) ?? this.#reachHot(root));
    }
    return this.#bodies.get(root);
  }

  #reachHot(root: number): Body | undefined {
    const body = this.#reach(root, false, MAX_REGION);
    if (body === undefined || body.instructions.length < MAX_REGION) return body;
    return this.#jumpTargets(body).size < LEAST_FOR_DOORS ? body : this.#reach(root, false, MAX_WITH_DOORS);
  }

  /** Where indirect jumps in a body lead inside of it. */
  #jumpTargets({ addresses, instructions }: Body): Set<number> {
    const targets = new Set<number>();
    for (const { address, flow } of instructions) {
      if (flow !== 'indirectJump') continue;
      for (const target of this.#targets(address)) if (addresses.has(target)) targets.add(target);
    }
    return targets;
  }

  /** What was executed most comes first. @returns undefined when there is nothing, or, with `whole`, more than the limit */
  #reach(root: number, whole: boolean, limit: number): Body | undefined {
    const { sites } = this.#profile;
    const instructions = this.#instructions;
    const addresses = this.#addresses;
    const leaders = this.#leaders;
    instructions.length = 0;
    addresses.clear();
    leaders.clear();
    leaders.add(root);
    const open = [root];
    const go = (address: number): void => {
      leaders.add(address);
      if (!addresses.has(address) && (whole || sites.has(address))) open.push(address);
    };
    while (open.length > 0) {
      let address = this.#takeHottest(open);
      let length = 0;
      while (!addresses.has(address)) {
        const instruction = this.#reader.at(address);
        if (instruction === undefined) break;
        if (instructions.length >= limit) {
          if (whole) return undefined;
          break;
        }
        addresses.add(address);
        instructions.push(instruction);
        const next = address + instruction.length;
        const { flow } = instruction;
        if (flow === 'jump' || flow === 'branch') go(instruction.target);
        if (flow === 'indirectJump') for (const target of this.#targets(address)) go(target);
        if (flow === 'branch' || flow === 'call' || flow === 'indirectCall') {
          // The profile knows whether the code behind was reached.
          go(next);
          break;
        }
        if (flow !== 'next' && flow !== 'syscall') break;
        address = next;
        if (++length % MAX_BLOCK === 0) leaders.add(address);
      }
      // Ran into known code: a block begins there.
      if (addresses.has(address)) leaders.add(address);
    }
    this.#effort += instructions.length;
    if (instructions.length === 0) return undefined;
    return { addresses: addresses.copy(), instructions: instructions.slice(), leaders: leaders.copy() };
  }

  #takeHottest(open: number[]): number {
    const { sites } = this.#profile;
    let best = open.length - 1;
    let most = -1;
    for (let i = open.length - 1; i >= 0; i--) {
      const heat = sites.get(open[i]!)?.heat ?? 0;
      if (heat <= most) continue;
      most = heat;
      best = i;
    }
    const [address] = open.splice(best, 1);
    return address!;
  }

  #targets(address: number): number[] {
    const targets = this.#profile.sites.get(address)?.targets;
    return targets === undefined ? [] : mostFrequent(targets);
  }
}
