/**
 * Backward and forward dataflow problems over a flow graph: sets of facts as bits, union where paths meet, and the
 * transfer `gen | (set & ~kill)` of a block. Liveness is the backward one, "may be dirty" the forward one.
 *
 * A table of sets has one row of `words` 32-bit words per block: word w of block b is `bits[b * words + w]`. Up to 32
 * facts take one word, 64 take two; a word is solved at a time, since facts do not influence each other.
 */
import type { FlowGraph } from './flow-graph.js';

export type BitTable = Int32Array;

/** Empty sets for all blocks. */
export function bitTable(graph: FlowGraph, words: number): BitTable {
  return new Int32Array(graph.count * words);
}

export interface Flow {
  /** Words per row. */
  words: number;
  /** Facts a block makes true, and those it ends; a fact in both is made (gen wins). */
  gen: BitTable;
  kill: BitTable;
  /**
   * Facts that hold at the far end of a block besides what its neighbours in the graph bring. Backward: at its end (what
   * is live where the region is left from there); forward: at its start (what holds on entering the region).
   */
  boundary?: BitTable | undefined;
}

/** Solution at the start and at the end of each block; rows of unreachable blocks are empty. */
export interface Solution {
  atStart: BitTable;
  atEnd: BitTable;
}

/** atEnd = boundary ∪ atStart of the successors; atStart = gen ∪ (atEnd ∖ kill). The least solution. */
export function solveBackward(graph: FlowGraph, flow: Flow): Solution {
  const atStart = bitTable(graph, flow.words);
  const atEnd = bitTable(graph, flow.words);
  const { order, successors, predecessors } = graph;
  solve(order, -1, graph.position, successors, predecessors, flow, atEnd, atStart);
  return { atStart, atEnd };
}

/** atStart = boundary ∪ atEnd of the predecessors; atEnd = gen ∪ (atStart ∖ kill). The least solution. */
export function solveForward(graph: FlowGraph, flow: Flow): Solution {
  const atStart = bitTable(graph, flow.words);
  const atEnd = bitTable(graph, flow.words);
  const { order, successors, predecessors } = graph;
  solve(order, 1, graph.position, predecessors, successors, flow, atStart, atEnd);
  return { atStart, atEnd };
}

/**
 * `near` is the side of a block that gathers from its sources, `far` the one its dependents read. Sweeps over the blocks
 * in flow order, looking only at those whose sources changed: loop nesting depth + 2 sweeps are usual.
 * @param step 1: `order` from its front; −1: from its end
 */
function solve(
  order: readonly number[],
  step: 1 | -1,
  position: Int32Array,
  sources: readonly (readonly number[])[],
  dependents: readonly (readonly number[])[],
  { words, gen, kill, boundary }: Flow,
  near: BitTable,
  far: BitTable,
): void {
  const stale = new Uint8Array(position.length);
  const first = step > 0 ? 0 : order.length - 1;
  for (let word = 0; word < words; word++) {
    for (const block of order) stale[block] = 1;
    for (let pending = order.length; pending > 0; ) {
      for (let i = first; i >= 0 && i < order.length; i += step) {
        const block = order[i]!;
        if (stale[block] === 0) continue;
        stale[block] = 0;
        pending--;
        const at = block * words + word;
        let set = boundary === undefined ? 0 : boundary[at]!;
        const from = sources[block]!;
        for (let k = 0; k < from.length; k++) set |= far[from[k]! * words + word]!;
        near[at] = set;
        set = gen[at]! | (set & ~kill[at]!);
        if (set === far[at]) continue;
        far[at] = set;
        const to = dependents[block]!;
        for (let k = 0; k < to.length; k++) {
          const other = to[k]!;
          if (stale[other] !== 0 || position[other]! < 0) continue;
          stale[other] = 1;
          pending++;
        }
      }
    }
  }
}
