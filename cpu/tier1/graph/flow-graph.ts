/**
 * The control-flow graph of a region as numbers: blocks 0..n−1, block 0 the entry. It knows the order in which to visit
 * blocks, who dominates whom, and the natural loops; what a block contains is its owner's business. Everything is
 * computed once, in the constructor; the lists handed in must not change afterwards.
 *
 * Terms. Retreating edge: goes against reverse postorder. Back edge: its target dominates its source. Reducible: all
 * retreating edges are back edges, so that every cycle is entered through one block, the loop's header.
 */

export class FlowGraph {
  /** Blocks, reachable or not. */
  readonly count: number;
  /** Targets of each block in the order of its terminator; the same target may stand there twice. */
  readonly successors: readonly (readonly number[])[];
  /** Sources of the edges into each block, one entry per edge; edges from unreachable blocks are left out. */
  readonly predecessors: number[][];
  /** Reachable blocks in reverse postorder: a block stands before all its successors but those of retreating edges. */
  readonly order: number[];
  /** Position of a block in `order`, −1 when it is unreachable. */
  readonly position: Int32Array;
  /** Immediate dominator; −1 for the entry and for unreachable blocks. */
  readonly idom: Int32Array;
  /** Blocks that a block dominates, itself included; 0 for unreachable blocks. */
  readonly dominated: Int32Array;
  readonly reducible: boolean;
  /** Header of the innermost natural loop around a block (a header is in its own loop), −1 outside of loops. */
  readonly loop: Int32Array;
  /** For a header: the header of the loop around its loop; −1 for outermost loops and for all other blocks. */
  readonly outerLoop: Int32Array;
  /** Number of natural loops around a block; a header counts its own. */
  readonly loopDepth: Int32Array;
  /** Place of a block in a preorder walk of the dominator tree, −1 when unreachable. */
  #preorder: Int32Array;

  constructor(successors: readonly (readonly number[])[]) {
    const n = successors.length;
    this.count = n;
    this.successors = successors;
    this.position = new Int32Array(n).fill(-1);
    this.order = reversePostorder(successors, this.position);
    this.predecessors = predecessorsOf(successors, this.order);
    this.idom = immediateDominators(this.order, this.position, this.predecessors);
    this.dominated = new Int32Array(n);
    this.#preorder = new Int32Array(n).fill(-1);
    this.#numberDominatorTree();
    this.reducible = this.#isReducible();
    this.loop = new Int32Array(n).fill(-1);
    this.outerLoop = new Int32Array(n).fill(-1);
    this.loopDepth = new Int32Array(n);
    this.#findLoops();
  }

  isReachable(block: number): boolean {
    return this.position[block]! >= 0;
  }

  /** Every path from the entry to `block` leads through `by` (which may be `block` itself). Unreachable blocks: false. */
  dominates(by: number, block: number): boolean {
    return (this.#preorder[block]! - this.#preorder[by]!) >>> 0 < this.dominated[by]!;
  }

  /** Of an edge that exists: it closes a natural loop whose header is `to`. */
  isBackEdge(from: number, to: number): boolean {
    return this.dominates(to, from);
  }

  isLoopHeader(block: number): boolean {
    return this.loop[block] === block;
  }

  /** The loop with this header holds the block. */
  inLoop(header: number, block: number): boolean {
    let at = this.loop[block]!;
    while (at >= 0 && at !== header) at = this.outerLoop[at]!;
    return at === header && at >= 0;
  }

  /** Blocks of the natural loop, inner loops included, in reverse postorder: the header comes first. */
  members(header: number): number[] {
    const members: number[] = [];
    for (let i = this.position[header]!; i >= 0 && i < this.order.length; i++) {
      const block = this.order[i]!;
      if (this.inLoop(header, block)) members.push(block);
    }
    return members;
  }

  #numberDominatorTree(): void {
    const { order, idom, dominated } = this;
    const preorder = this.#preorder;
    for (let i = order.length - 1; i >= 0; i--) {
      const block = order[i]!;
      dominated[block]!++;
      if (i > 0) dominated[idom[block]!]! += dominated[block]!;
    }
    const next = new Int32Array(this.count);
    for (let i = 0; i < order.length; i++) {
      const block = order[i]!;
      const parent = idom[block]!;
      preorder[block] = parent < 0 ? 0 : next[parent]!;
      if (parent >= 0) next[parent]! += dominated[block]!;
      next[block] = preorder[block]! + 1;
    }
  }

  #isReducible(): boolean {
    for (const from of this.order) {
      for (const to of this.successors[from]!) {
        if (this.position[to]! <= this.position[from]! && !this.dominates(to, from)) return false;
      }
    }
    return true;
  }

  /**
   * Natural loops, inner ones first (headers in postorder): walks backwards from the sources of a header's back edges.
   * A loop that is already known is one node of that walk, represented by its header, so that each edge is looked at a
   * constant number of times. The walk never passes the header, which dominates all it can meet.
   */
  #findLoops(): void {
    const { order, predecessors, loop, outerLoop, loopDepth } = this;
    const representative = new Int32Array(this.count);
    for (let i = 0; i < this.count; i++) representative[i] = i;
    const pending: number[] = [];
    for (let i = order.length - 1; i >= 0; i--) {
      const header = order[i]!;
      for (const from of predecessors[header]!) {
        if (!this.dominates(header, from)) continue;
        loop[header] = header;
        pending.push(from);
      }
      while (pending.length > 0) {
        const node = find(representative, pending.pop()!);
        if (node === header) continue;
        representative[node] = header;
        if (loop[node] === node) outerLoop[node] = header;
        else loop[node] = header;
        for (const from of predecessors[node]!) pending.push(from);
      }
    }
    for (const block of order) {
      const header = loop[block]!;
      if (header === block) loopDepth[block] = 1 + (outerLoop[block]! < 0 ? 0 : loopDepth[outerLoop[block]!]!);
      else if (header >= 0) loopDepth[block] = loopDepth[header]!;
    }
  }
}

/** Fills `position` and returns the reachable blocks. */
function reversePostorder(successors: readonly (readonly number[])[], position: Int32Array): number[] {
  if (successors.length === 0) return [];
  const reversed: number[] = [];
  const path = [0];
  const next = new Int32Array(successors.length);
  position[0] = 0;
  while (path.length > 0) {
    const block = path[path.length - 1]!;
    const targets = successors[block]!;
    if (next[block]! < targets.length) {
      const to = targets[next[block]!++]!;
      if (position[to]! < 0) {
        position[to] = 0;
        path.push(to);
      }
    } else {
      reversed.push(block);
      path.pop();
    }
  }
  const order = reversed.reverse();
  for (let i = 0; i < order.length; i++) position[order[i]!] = i;
  return order;
}

function predecessorsOf(successors: readonly (readonly number[])[], order: readonly number[]): number[][] {
  const predecessors: number[][] = [];
  for (let i = 0; i < successors.length; i++) predecessors.push([]);
  for (const from of order) for (const to of successors[from]!) predecessors[to]!.push(from);
  return predecessors;
}

/** @source Cooper, Harvey, Kennedy, "A Simple, Fast Dominance Algorithm": nodes are positions in reverse postorder. */
function immediateDominators(
  order: readonly number[],
  position: Int32Array,
  predecessors: readonly (readonly number[])[],
): Int32Array {
  const above = new Int32Array(order.length).fill(-1);
  if (order.length > 0) above[0] = 0;
  for (let changed = true; changed; ) {
    changed = false;
    for (let i = 1; i < order.length; i++) {
      let best = -1;
      for (const from of predecessors[order[i]!]!) {
        let other = position[from]!;
        if (above[other]! < 0) continue;
        if (best < 0) {
          best = other;
          continue;
        }
        while (best !== other) {
          while (best > other) best = above[best]!;
          while (other > best) other = above[other]!;
        }
      }
      if (above[i] !== best) {
        above[i] = best;
        changed = true;
      }
    }
  }
  const idom = new Int32Array(position.length).fill(-1);
  for (let i = 1; i < order.length; i++) idom[order[i]!] = order[above[i]!]!;
  return idom;
}

/** Representative of a node's set; shortens the chain on its way. */
function find(representative: Int32Array, node: number): number {
  let at = node;
  while (representative[at] !== at) {
    representative[at] = representative[representative[at]!]!;
    at = representative[at]!;
  }
  return at;
}
