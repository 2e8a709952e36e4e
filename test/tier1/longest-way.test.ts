/** cpu/tier1/graph/longest-way.ts against all ways through small graphs. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FlowGraph } from '../../cpu/tier1/graph/flow-graph.js';
import { longestWay } from '../../cpu/tier1/graph/longest-way.js';
import { reducibleGraph } from './graph-random.js';

test('a loop counts once, of two arms the longer one', () => {
  const sizes = [1, 2, 30, 4, 100];
  // 0 → 1 ⇄ 2, 1 → 3; block 4 cannot be reached.
  assert.is(
    longestWay(new FlowGraph([[1], [2, 3], [1], [], [3]]), (block) => sizes[block]!),
    33,
  );
  assert.is(
    longestWay(new FlowGraph([[1, 2], [3], [3], []]), (block) => sizes[block]!),
    35,
  );
});

test('no way without back edges is longer, and one is as long', () => {
  fc.assert(
    fc.property(
      reducibleGraph(30),
      fc.array(fc.nat({ max: 9 }), { minLength: 40, maxLength: 40 }),
      (successors, sizes) => {
        const graph = new FlowGraph(successors);
        const size = (block: number): number => sizes[block % sizes.length]!;
        const known = new Map<number, number>();
        const from = (block: number): number => {
          let length = known.get(block);
          if (length !== undefined) return length;
          const ways = successors[block]!.filter((to) => !graph.isBackEdge(block, to)).map(from);
          length = size(block) + Math.max(0, ...ways);
          known.set(block, length);
          return length;
        };
        assert.is(longestWay(graph, size), from(0));
      },
    ),
  );
});

test.run();
