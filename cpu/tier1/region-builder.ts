/**
 * Builds the graph of a region from bodies of code that form.ts has found: blocks, what they end with, and copies of small hot
 * callees in place of their calls.
 */
import { PAGE_SIZE } from '../state.js';
import type { AddressSet } from './address-set.js';
import type { Profile } from './profile.js';
import type { Block, Edge, End, Instruction, Region } from './region.js';

const MAX_TARGETS = 64;
/** Of an indirect call so many targets are called directly. */
export const MAX_CALL_TARGETS = 3;

/** Code that belongs together. */
export interface Body {
  readonly addresses: AddressSet;
  /** By number of their addresses: in the order in which they were found. */
  readonly instructions: readonly Instruction[];
  /** Where blocks begin. */
  readonly leaders: AddressSet;
}

/**
 * What is put in place of calls: callees up to `size` instructions, `depth` deep, calls of functions in themselves up to
 * `recursion` times and as long as the region is smaller than `recursionBudget`, others as long as it is smaller than
 * `budget`. Code that a program spends its time in gets more than code of programs that do many things.
 */
export interface Inlining {
  readonly size: number;
  readonly depth: number;
  readonly budget: number;
  readonly recursion: number;
  readonly recursionBudget: number;
}

/** Places where an indirect jump or call has led, the most frequent first. */
export function mostFrequent(targets: ReadonlyMap<number, number>): number[] {
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

export class RegionBuilder {
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
