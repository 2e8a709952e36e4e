/**
 * Makes an irreducible flow graph reducible by copying blocks: a cycle with several entries keeps one of them as its
 * header, and whoever enters elsewhere gets a copy of what lies between there and the header. The walk is the same block
 * for block, only the copies differ in number. Growth can be exponential in theory, hence the limit; compiled code needs
 * it rarely, and then a few blocks.
 */
import type { FlowGraph } from './flow-graph.js';

export interface SplitGraph {
  /** Of the blocks there were and of the copies, which have the numbers from the old count on. */
  successors: number[][];
  /** The original block of each block: the block itself, or what it is a copy of. */
  origin: number[];
}

/**
 * @param limit how much may be copied, measured by `size`
 * @param size what copying a block costs, 1 if not given
 * @returns undefined when the limit does not suffice: use a dispatch loop
 */
export function splitNodes(
  graph: FlowGraph,
  limit: number,
  size: (block: number) => number = () => 1,
): SplitGraph | undefined {
  const splitter = new Splitter(graph, limit, size);
  return splitter.run() ? { successors: splitter.successors, origin: splitter.origin } : undefined;
}

class Splitter implements SplitGraph {
  readonly successors: number[][];
  readonly origin: number[];
  #predecessors: number[][];
  #size: (block: number) => number;
  #left: number;
  /** Number of the set a block is in; 0: settled, or unreachable. */
  #set: number[];
  #sets = 0;
  /** Sets, disjoint, whose inner cycles have not been looked at. */
  #pending: (readonly number[])[] = [];

  constructor(graph: FlowGraph, limit: number, size: (block: number) => number) {
    this.successors = graph.successors.map((targets) => [...targets]);
    this.origin = graph.successors.map((_, block) => block);
    this.#predecessors = graph.predecessors.map((sources) => [...sources]);
    this.#size = size;
    this.#left = limit;
    this.#set = graph.successors.map(() => 0);
    this.#newSet(graph.order);
    this.#pending.push(graph.order);
  }

  /** False: the limit is reached. */
  run(): boolean {
    while (this.#pending.length > 0) {
      for (const cycle of this.#cycles(this.#pending.pop()!)) if (!this.#settle(cycle)) return false;
    }
    return true;
  }

  /** Gives a strongly connected set one entry, its header, and leaves the cycles inside without that for later. */
  #settle(cycle: readonly number[]): boolean {
    const set = this.#newSet(cycle);
    // The graph's entry is never one of several: all that leads into its cycle is reached from it, hence in the cycle.
    const entries = cycle.filter((b) => b === 0 || this.#predecessors[b]!.some((from) => this.#set[from] !== set));
    let header = entries[0]!;
    let copied: number[] = [];
    let least = entries.length > 1 ? Number.POSITIVE_INFINITY : 0;
    if (entries.length > 1) {
      for (const candidate of entries) {
        const between = this.#between(entries, candidate, set);
        const cost = between.reduce((sum, block) => sum + this.#size(this.origin[block]!), 0);
        if (cost >= least) continue;
        header = candidate;
        copied = between;
        least = cost;
      }
    }
    if (least > this.#left) return false;
    this.#left -= least;
    if (copied.length > 0) this.#copy(copied, set);
    this.#set[header] = 0;
    this.#pending.push(cycle.filter((block) => block !== header));
    return true;
  }

  /** What the other entries reach inside the set without passing the header, themselves included. */
  #between(entries: readonly number[], header: number, set: number): number[] {
    const found = entries.filter((block) => block !== header);
    const seen = new Set([header, ...found]);
    for (let i = 0; i < found.length; i++) {
      for (const to of this.successors[found[i]!]!) {
        if (this.#set[to] !== set || seen.has(to)) continue;
        seen.add(to);
        found.push(to);
      }
    }
    return found;
  }

  /**
   * Copies blocks of a set and leads all edges that enter them from outside of the set to the copies. Inside the set the
   * blocks lead nowhere but to each other and to the header, so no copy leads back to an original.
   */
  #copy(blocks: readonly number[], set: number): void {
    const copyOf = new Map<number, number>();
    for (const block of blocks) {
      copyOf.set(block, this.successors.length);
      this.successors.push([]);
      this.origin.push(this.origin[block]!);
      this.#predecessors.push([]);
      this.#set.push(0);
    }
    for (const [block, copy] of copyOf) {
      for (const from of this.#predecessors[block]!) {
        if (this.#set[from] === set) continue;
        const targets = this.successors[from]!;
        for (let i = 0; i < targets.length; i++) if (targets[i] === block) targets[i] = copy;
        this.#predecessors[copy]!.push(from);
      }
      this.#predecessors[block] = this.#predecessors[block]!.filter((from) => this.#set[from] === set);
    }
    for (const [block, copy] of copyOf) {
      for (const to of this.successors[block]!) {
        const target = copyOf.get(to) ?? to;
        this.successors[copy]!.push(target);
        this.#predecessors[target]!.push(copy);
      }
    }
    const copies = [...copyOf.values()];
    this.#newSet(copies);
    this.#pending.push(copies);
  }

  #newSet(blocks: readonly number[]): number {
    this.#sets++;
    for (const block of blocks) this.#set[block] = this.#sets;
    return this.#sets;
  }

  /** Strongly connected sets of two blocks and more among blocks that are one set. @source Tarjan (1972), no recursion */
  #cycles(blocks: readonly number[]): number[][] {
    const cycles: number[][] = [];
    const index = new Map<number, number>();
    /** Smallest index known to be reachable; infinite once the block's component is complete. */
    const low = new Map<number, number>();
    const next = new Map<number, number>();
    const open: number[] = [];
    const path: number[] = [];
    const enter = (block: number): void => {
      low.set(block, index.size);
      index.set(block, index.size);
      next.set(block, 0);
      open.push(block);
      path.push(block);
    };
    for (const root of blocks) {
      if (index.has(root)) continue;
      const set = this.#set[root];
      enter(root);
      while (path.length > 0) {
        const block = path[path.length - 1]!;
        const edge = next.get(block)!;
        const to = this.successors[block]![edge];
        if (to !== undefined) {
          next.set(block, edge + 1);
          if (this.#set[to] !== set) continue;
          if (!index.has(to)) enter(to);
          else low.set(block, Math.min(low.get(block)!, low.get(to)!));
          continue;
        }
        path.pop();
        const parent = path[path.length - 1];
        if (parent !== undefined) low.set(parent, Math.min(low.get(parent)!, low.get(block)!));
        if (low.get(block) !== index.get(block)) continue;
        const component = open.splice(open.lastIndexOf(block));
        for (const each of component) low.set(each, Number.POSITIVE_INFINITY);
        if (component.length > 1) cycles.push(component);
      }
    }
    return cycles;
  }
}
