/**
 * Makes an irreducible flow graph reducible, so that every region can be laid out as structured control flow. A cycle
 * with several entries is given a single one, in one of two ways:
 *  - Copying, for as long as a limit allows: one entry stays the header, and whoever enters elsewhere gets a copy of what
 *    lies between there and the header. The walk is the same block for block; only the copies differ in number.
 *  - Dispatch: a new block becomes the header; it selects the entry by a number (one local of the function is enough for
 *    all dispatch blocks). Edges into the entries lead through new route blocks that set the number. Costs a `br_table` on
 *    each way into an entry, but the growth is linear: afterwards an entry is in no cycle without the dispatch block.
 */
import type { FlowGraph } from './flow-graph.js';

export interface ReducibleGraph {
  /** Of the blocks there were, under their numbers, and behind them of copies, route and dispatch blocks. */
  successors: number[][];
  /** The block itself; of a copy what it is a copy of; −1 for route and dispatch blocks. */
  origin: number[];
  /** Of a route block (its only successor is a dispatch block) the index that the dispatch shall select; else −1. */
  route: number[];
}

/** The block selects one of its successors by the number that the route block before it has set. */
export function isDispatch(graph: ReducibleGraph, block: number): boolean {
  return graph.origin[block]! < 0 && graph.route[block]! < 0;
}

/**
 * @param limit how much may be copied, measured by `size`; 0: dispatch only
 * @param size what copying a block costs, 1 if not given
 */
export function makeReducible(
  graph: FlowGraph,
  limit: number,
  size: (block: number) => number = () => 1,
): ReducibleGraph {
  const { successors, origin, route } = new Reducer(graph, limit, size);
  return { successors, origin, route };
}

/** A cycle with more entries is threaded code or alike, where a copy would only be the next such cycle: dispatch. */
const MOST_ENTRIES_TO_COPY = 8;

class Reducer implements ReducibleGraph {
  readonly successors: number[][];
  readonly origin: number[];
  readonly route: number[];
  #predecessors: number[][];
  #size: (block: number) => number;
  #left: number;
  /** Number of the set a block is in; 0: in no cycle any more, or unreachable. */
  #set: number[];
  #sets = 0;
  /** Sets, disjoint, whose inner cycles have not been looked at. */
  #pending: (readonly number[])[] = [];

  constructor(graph: FlowGraph, limit: number, size: (block: number) => number) {
    this.successors = graph.successors.map((targets) => [...targets]);
    this.origin = graph.successors.map((_, block) => block);
    this.route = graph.successors.map(() => -1);
    this.#predecessors = graph.predecessors.map((sources) => [...sources]);
    this.#size = size;
    this.#left = limit;
    this.#set = graph.successors.map(() => 0);
    if (graph.reducible) return;
    this.#later([...graph.order]);
    while (this.#pending.length > 0) for (const cycle of this.#cycles(this.#pending.pop()!)) this.#settle(cycle);
  }

  /** Gives a strongly connected set one entry, its header, and leaves the cycles inside without that for later. */
  #settle(cycle: readonly number[]): void {
    const set = this.#newSet(cycle);
    // The graph's entry is never one of several: all that leads into its cycle is reached from it, hence in the cycle.
    const entries = cycle.filter((b) => b === 0 || this.#predecessors[b]!.some((from) => this.#set[from] !== set));
    let header = entries[0]!;
    if (entries.length > 1) {
      const [candidate, copied, cost] = this.#cheapestHeader(entries, set);
      if (cost <= this.#left) {
        this.#left -= cost;
        this.#copy(copied, set);
        header = candidate;
      } else header = this.#dispatch(entries, set);
    }
    this.#set[header] = 0;
    this.#later(cycle.filter((block) => block !== header));
  }

  #cheapestHeader(entries: readonly number[], set: number): [header: number, copied: number[], cost: number] {
    let best: [number, number[], number] = [-1, [], Number.POSITIVE_INFINITY];
    if (entries.length > MOST_ENTRIES_TO_COPY) return best;
    for (const header of entries) {
      const copied = this.#between(entries, header, set);
      let cost = 0;
      for (const block of copied) cost += this.#size(this.origin[block]!);
      if (cost < best[2]) best = [header, copied, cost];
    }
    return best;
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
    for (const block of blocks) copyOf.set(block, this.#add(this.origin[block]!, -1));
    for (const [block, copy] of copyOf) this.#redirect(block, copy, (from) => this.#set[from] !== set);
    for (const [block, copy] of copyOf) {
      for (const to of this.successors[block]!) this.#connect(copy, copyOf.get(to) ?? to);
    }
    this.#later([...copyOf.values()]);
  }

  /**
   * Puts a dispatch block in front of the entries and returns it. Routes from inside the set and from outside are apart:
   * a shared one would be an entry of the cycle itself.
   */
  #dispatch(entries: readonly number[], set: number): number {
    const dispatch = this.#add(-1, -1);
    entries.forEach((entry, index) => {
      for (const inside of [true, false]) {
        const chosen = (from: number): boolean => (this.#set[from] === set) === inside;
        if (!this.#predecessors[entry]!.some(chosen)) continue;
        const route = this.#add(-1, index);
        this.#redirect(entry, route, chosen);
        this.#connect(route, dispatch);
      }
    });
    for (const entry of entries) this.#connect(dispatch, entry);
    return dispatch;
  }

  /** A new block without edges, in no set. */
  #add(origin: number, route: number): number {
    this.origin.push(origin);
    this.route.push(route);
    this.#predecessors.push([]);
    this.#set.push(0);
    return this.successors.push([]) - 1;
  }

  #connect(from: number, to: number): void {
    this.successors[from]!.push(to);
    this.#predecessors[to]!.push(from);
  }

  /** Leads the edges into `old` from the chosen blocks to `now`. */
  #redirect(old: number, now: number, chosen: (from: number) => boolean): void {
    const kept: number[] = [];
    for (const from of this.#predecessors[old]!) {
      if (!chosen(from)) {
        kept.push(from);
        continue;
      }
      const targets = this.successors[from]!;
      for (let i = 0; i < targets.length; i++) if (targets[i] === old) targets[i] = now;
      this.#predecessors[now]!.push(from);
    }
    this.#predecessors[old] = kept;
  }

  #later(blocks: readonly number[]): void {
    this.#newSet(blocks);
    this.#pending.push(blocks);
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
