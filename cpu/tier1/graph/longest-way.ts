/** The longest way through a region that meets no check of the slice: a way without back edges. */
import type { FlowGraph } from './flow-graph.js';

/**
 * @param graph reducible
 * @param size instructions of a block
 * @returns the most instructions that any way along forward edges executes
 */
export function longestWay(graph: FlowGraph, size: (block: number) => number): number {
  const longest = new Int32Array(graph.count);
  let most = 0;
  // Forward edges lead on in the order; whatever is found for a block is found before its successors are looked at.
  for (const block of graph.order) {
    const length = longest[block]! + size(block);
    if (length > most) most = length;
    for (const to of graph.successors[block]!) {
      if (!graph.isBackEdge(block, to) && length > longest[to]!) longest[to] = length;
    }
  }
  return most;
}
