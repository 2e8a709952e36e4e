/**
 * Forms regions: from a root (a function that is called, a loop that runs) over the code that the profile has seen, with
 * small hot callees put in place. Code that never ran stays outside, unless the whole is small. Where control comes in at other
 * places than the root, the region has doors (docs/decisions/012-doors.md).
 */
import { PAGE_SIZE } from '../state.js';
import { AddressSet } from './address-set.js';
import type { CodeReader } from './code-reader.js';
import type { Profile } from './profile.js';
import type { Block, Edge, End, Instruction, Region } from './region.js';

/** Guest instructions of one region. Beyond, V8's optimising tier takes too long. */
const MAX_REGION = 1000;
/** Of one with doors: an interpreter's loop in parts would be many regions that each have most of it. */
const MAX_WITH_DOORS = 2000;
/** A region with all code that can be reached is taken whole up to this size. */
const WHOLE_LIMIT = 40;
/**
 * What is put in place of calls: callees up to `size` instructions, `depth` deep, calls of functions in themselves up to
 * `recursion` times and as long as the region is smaller than `recursionBudget`, others as long as it is smaller than
 * `budget`. Code that a program spends its time in gets more than code of programs that do many things.
 */
interface Inlining {
  readonly size: number;
  readonly depth: number;
  readonly budget: number;
  readonly recursion: number;
  readonly recursionBudget: number;
}
const HOT: Inlining = { size: 150, depth: 3, budget: 500, recursion: 2, recursionBudget: 250 };
const WARM: Inlining = { size: 20, depth: 2, budget: 150, recursion: 1, recursionBudget: 60 };
/** Share of what tier 0 executes from which on code is hot. */
const HOT_SHARE = 0.1;
/** Roots that are remembered as hot. */
const MAX_HOT = 10_000;
const MAX_TARGETS = 64;
/** A region whose indirect jumps have so many targets is thought to be an interpreter's loop. */
const LEAST_FOR_DOORS = 6;
/** Times that control was seen to come from a region to a place behind a call that then gets a door. */
const HOT_ARRIVALS = 8;
/** Of an indirect call so many targets are called directly. */
const MAX_CALL_TARGETS = 3;

/** Code that belongs together. */
interface Body {
  readonly addresses: AddressSet;
  /** By number of their addresses: in the order in which they were found. */
  readonly instructions: readonly Instruction[];
  /** Where blocks begin. */
  readonly leaders: AddressSet;
}

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

function mostFrequent(targets: ReadonlyMap<number, number>): number[] {
  return [...targets]
    .sort((a, b) => b[1] - a[1] || a[0] - b[0])
    .slice(0, MAX_TARGETS)
    .map(([target]) => target);
}

/** The one target that an indirect jump or call has had, if there is only one. */
function onlyTarget(targets: ReadonlyMap<number, number> | undefined): number | undefined {
  return targets?.size === 1 ? [...targets.keys()][0] : undefined;
}

/** Where an inlined copy of a function returns to. */
interface Frame {
  back: Edge;
  depth: number;
  /** Functions that are being inlined, the outermost first. */
  chain: readonly number[];
}

class RegionBuilder {
  #bodyOf: (address: number) => Body | undefined;
  #profile: Profile;
  #isRoot: (address: number) => boolean;
  #blocks: Block[] = [];
  #size = 0;
  #root = 0;
  /** Doors behind calls of the root's function in itself. */
  readonly #behind = new Set<number>();
  #inlining: Inlining;
  #budget: number;
  #callees = new Set<number>();
  #pages = new Set<number>();

  constructor(
    bodyOf: (address: number) => Body | undefined,
    profile: Profile,
    isRoot: (address: number) => boolean,
    inlining: Inlining,
  ) {
    this.#inlining = inlining;
    this.#budget = inlining.budget;
    this.#bodyOf = bodyOf;
    this.#profile = profile;
    this.#isRoot = isRoot;
  }

  build(root: number, body: Body, doors: readonly number[]): Region {
    this.#root = root;
    for (const { flow, target, address, length } of body.instructions) {
      if (flow === 'call' && target === root && doors.includes(address + length)) this.#behind.add(address + length);
    }
    this.#budget -= body.instructions.length;
    const entry: Block = { address: root, instructions: [], end: { kind: 'stop' }, heat: 0 };
    if (doors.length > 0) this.#blocks.push(entry);
    const numbers = this.#copy(root, body, { back: { block: -1, address: 0 }, depth: 0, chain: [root] });
    const targets = [root, ...doors].map((address) => ({ block: numbers.get(address)!, address }));
    entry.end = { kind: 'enter', targets };
    return { root, doors, blocks: this.#blocks, size: this.#size, callees: this.#callees, pages: this.#pages };
  }

  /** Adds the blocks of a body. @returns their numbers, by address */
  #copy(root: number, body: Body, frame: Frame): ReadonlyMap<number, number> {
    const numbers = new Map<number, number>();
    const mine: [number, Block][] = [];
    for (const address of [root, ...body.leaders]) {
      if (numbers.has(address) || !body.addresses.has(address)) continue;
      const heat = this.#profile.sites.get(address)?.heat ?? 0;
      const block: Block = { address, instructions: [], end: { kind: 'stop' }, heat };
      numbers.set(address, this.#blocks.length);
      mine.push([address, block]);
      this.#blocks.push(block);
    }
    const edge = (address: number): Edge => ({ block: numbers.get(address) ?? -1, address });
    for (const [address, block] of mine) this.#fill(block, address, body, edge, frame);
    return numbers;
  }

  #fill(block: Block, start: number, body: Body, edge: (address: number) => Edge, frame: Frame): void {
    let address = start;
    for (;;) {
      const instruction = body.instructions[body.addresses.indexOf(address)];
      if (instruction === undefined || (address !== start && body.leaders.has(address))) {
        block.end = { kind: 'jump', to: edge(address) };
        return;
      }
      block.instructions.push(instruction);
      this.#size++;
      const next = address + instruction.length;
      this.#pages.add(Math.floor(address / PAGE_SIZE));
      this.#pages.add(Math.floor((next - 1) / PAGE_SIZE));
      if (instruction.flow !== 'next' && instruction.flow !== 'syscall') {
        block.end = this.#end(instruction, next, edge, frame);
        return;
      }
      address = next;
    }
  }

  #end(instruction: Instruction, next: number, edge: (address: number) => Edge, frame: Frame): End {
    switch (instruction.flow) {
      case 'branch':
        return { kind: 'branch', taken: edge(instruction.target), next: edge(next) };
      case 'jump':
        return { kind: 'jump', to: edge(instruction.target) };
      case 'call':
        return this.#call(instruction.target, edge(next), frame);
      case 'indirectCall': {
        const targets = this.#profile.sites.get(instruction.address)?.targets;
        const only = onlyTarget(targets);
        const inlined = only === undefined ? undefined : this.#inline(only, edge(next), frame);
        if (inlined !== undefined) return { kind: 'guessed', to: inlined };
        const roots =
          targets === undefined ? [] : mostFrequent(targets).slice(0, MAX_CALL_TARGETS).filter(this.#isRoot);
        for (const target of roots) this.#callees.add(target);
        return { kind: 'indirectCall', targets: roots, next: edge(next) };
      }
      case 'return':
        return frame.depth === 0 ? this.#return(instruction, edge) : { kind: 'guessed', to: frame.back };
      case 'indirectJump': {
        const targets = this.#profile.sites.get(instruction.address)?.targets;
        const only = onlyTarget(targets);
        const to = only === undefined ? undefined : edge(only);
        if (to !== undefined && to.block >= 0) return { kind: 'guessed', to };
        const edges =
          targets === undefined
            ? []
            : mostFrequent(targets)
                .map(edge)
                .filter(({ block }) => block >= 0);
        return { kind: 'indirect', targets: edges };
      }
      default:
        return { kind: 'stop' };
    }
  }

  /**
   * A region that is entered where a function returns to, because whoever called that function has been unwound: what it
   * returns to may be that place again, once for each of many calls of a function in itself.
   */
  #return({ address }: Instruction, edge: (address: number) => Edge): End {
    const targets = new Set(this.#behind);
    const seen = this.#profile.sites.get(address)?.targets;
    if (seen?.has(this.#root)) for (const target of mostFrequent(seen)) targets.add(target);
    const edges = [...targets].map(edge).filter(({ block }) => block >= 0);
    return edges.length > 0 ? { kind: 'indirect', targets: edges } : { kind: 'return' };
  }

  #call(callee: number, back: Edge, frame: Frame): End {
    const inlined = this.#inline(callee, back, frame);
    if (inlined !== undefined) return { kind: 'jump', to: inlined };
    if (this.#isRoot(callee)) this.#callees.add(callee);
    return { kind: 'call', callee, next: back };
  }

  /** Puts a copy of a function in place of its call. @returns the edge to its beginning, undefined when it stays outside */
  #inline(callee: number, back: Edge, { depth, chain }: Frame): Edge | undefined {
    const limits = this.#inlining;
    const recursion = chain.filter((one) => one === callee).length;
    const body = depth < limits.depth && recursion <= limits.recursion ? this.#bodyOf(callee) : undefined;
    const size = body?.instructions.length ?? 0;
    const room = this.#budget - (recursion > 0 ? limits.budget - limits.recursionBudget : 0);
    if (body === undefined || size > limits.size || size > room || !this.#profile.sites.has(callee)) return undefined;
    this.#budget -= size;
    const numbers = this.#copy(callee, body, { back, depth: depth + 1, chain: [...chain, callee] });
    return { block: numbers.get(callee)!, address: callee };
  }
}
