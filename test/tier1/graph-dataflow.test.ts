/** cpu/tier1/graph/dataflow.ts: against paths followed one by one. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type BitTable, bitTable, type Flow, solveBackward, solveForward } from '../../cpu/tier1/graph/dataflow.js';
import { FlowGraph } from '../../cpu/tier1/graph/flow-graph.js';
import { anyGraph, reach, type Successors } from './graph-random.js';

const has = (table: BitTable, words: number, block: number, fact: number) =>
  ((table[block * words + (fact >> 5)]! >>> (fact & 31)) & 1) === 1;

/** Sparse tables, so that facts travel. */
const problem = (words: number) =>
  anyGraph(14).chain((successors) => {
    const n = successors.length * words;
    const word = fc.tuple(fc.integer(), fc.integer(), fc.integer()).map(([a, b, c]) => a & b & c);
    const table = fc.array(word, { minLength: n, maxLength: n }).map((list) => Int32Array.from(list));
    const flow: fc.Arbitrary<Flow> = fc.record({
      words: fc.constant(words),
      gen: table,
      kill: table,
      boundary: fc.option(table, { nil: undefined }),
    });
    return fc.tuple(fc.constant(successors), flow);
  });

/** Blocks at whose near side the fact holds: from all that give it, through blocks that neither make nor end it. */
function spread(
  edges: Successors,
  blocks: ReadonlySet<number>,
  { words, gen, kill, boundary }: Flow,
  fact: number,
): Set<number> {
  const holds = new Set<number>();
  const arrive = (block: number) => {
    if (!blocks.has(block) || holds.has(block)) return;
    holds.add(block);
    if (!has(kill, words, block, fact)) leave(block);
  };
  const leave = (block: number) => {
    for (const to of edges[block]!) arrive(to);
  };
  for (const block of blocks) {
    if (boundary !== undefined && has(boundary, words, block, fact)) arrive(block);
    if (has(gen, words, block, fact)) leave(block);
  }
  return holds;
}

function reversed(successors: Successors): Successors {
  const result: Successors = successors.map(() => []);
  successors.forEach((targets, from) => {
    for (const to of targets) result[to]!.push(from);
  });
  return result;
}

for (const words of [1, 2, 3]) {
  test(`a fact holds where a path brings it, ${words * 32} facts`, () => {
    fc.assert(
      fc.property(problem(words), ([successors, flow]) => {
        const graph = new FlowGraph(successors);
        const blocks = reach(successors, 0);
        const forward = solveForward(graph, flow);
        const backward = solveBackward(graph, flow);
        for (let fact = 0; fact < words * 32; fact++) {
          const after = (near: boolean, block: number) =>
            blocks.has(block) && (has(flow.gen, words, block, fact) || (near && !has(flow.kill, words, block, fact)));
          const start = spread(successors, blocks, flow, fact);
          const end = spread(reversed(successors), blocks, flow, fact);
          for (let block = 0; block < successors.length; block++) {
            assert.is(has(forward.atStart, words, block, fact), start.has(block));
            assert.is(has(forward.atEnd, words, block, fact), after(start.has(block), block));
            assert.is(has(backward.atEnd, words, block, fact), end.has(block));
            assert.is(has(backward.atStart, words, block, fact), after(end.has(block), block));
          }
        }
      }),
      { numRuns: 150 },
    );
  });
}

test('liveness of a counting loop', () => {
  // 0: i = 0, n given. 1: leave if i = n. 2: s += i, i += 1. 3: uses s, which is live where the region is left.
  const graph = new FlowGraph([[1], [3, 2], [1], []]);
  const [i, n, s] = [1, 2, 4];
  const gen = Int32Array.of(0, i | n, i | s, 0);
  const kill = Int32Array.of(i, 0, i | s, 0);
  const boundary = bitTable(graph, 1);
  boundary[3] = s;
  const { atStart, atEnd } = solveBackward(graph, { words: 1, gen, kill, boundary });
  assert.equal([...atStart], [n | s, i | n | s, i | n | s, s]);
  assert.equal([...atEnd], [i | n | s, i | n | s, i | n | s, s]);
});

test.run();
