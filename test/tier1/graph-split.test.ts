/** cpu/tier1/graph/split-nodes.ts: the split graph is reducible and is walked like the original. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FlowGraph } from '../../cpu/tier1/graph/flow-graph.js';
import { splitNodes } from '../../cpu/tier1/graph/split-nodes.js';
import { anyGraph } from './graph-random.js';

test('random graphs become reducible; each copy leads where its original leads', () => {
  let split = 0;
  fc.assert(
    fc.property(anyGraph(16), (successors) => {
      const graph = new FlowGraph(successors);
      const result = splitNodes(graph, 20000);
      if (result === undefined) return;
      if (!graph.reducible) split++;
      assert.is(result.origin[0], 0);
      assert.ok(new FlowGraph(result.successors).reducible);
      // The original's numbers stay, and along every edge the origins agree: the same walks, block for block.
      result.origin.forEach((origin, block) => {
        if (block < successors.length) assert.is(origin, block);
        assert.equal(
          result.successors[block]!.map((to) => result.origin[to]),
          successors[origin],
        );
      });
    }),
    { numRuns: 1000 },
  );
  assert.ok(split > 50, `${split} graphs had to be split`);
});

test('a reducible graph is left alone', () => {
  const successors = [[1], [2, 3], [1, 2], []];
  assert.equal(splitNodes(new FlowGraph(successors), 0), { successors, origin: [0, 1, 2, 3] });
});

test('a cycle with two entries: the cheaper part is copied', () => {
  // 0 enters the cycle 1 ⇄ 2 at both ends; block 2 is large.
  const graph = new FlowGraph([[1, 2], [2, 3], [1], []]);
  const result = splitNodes(graph, 10, (block) => (block === 2 ? 10 : 1))!;
  assert.equal(result.origin, [0, 1, 2, 3, 1]);
  assert.equal(result.successors, [[4, 2], [2, 3], [1], [], [2, 3]]);
});

test('beyond the limit nothing is promised', () => {
  const graph = new FlowGraph([[1, 2], [2, 3], [1], []]);
  assert.is(splitNodes(graph, 0), undefined);
  assert.is(
    splitNodes(graph, 9, () => 10),
    undefined,
  );
  // Everybody leads to everybody: splitting would grow without end.
  const n = 60;
  const all = Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, k) => k).filter((k) => k !== i));
  assert.is(splitNodes(new FlowGraph([...all.map((list) => list), []]), 500), undefined);
});

test('a jump into the middle of a loop', () => {
  // An unrolled copy loop entered at a computed place (Duff): 0 selects, 1..4 in a ring.
  const result = splitNodes(new FlowGraph([[1, 2, 3, 4], [2], [3], [4], [1, 5], []]), 8)!;
  assert.ok(new FlowGraph(result.successors).reducible);
  assert.is(result.origin.length, 9, 'three entries share one copy of what leads to the header');
});

test.run();
