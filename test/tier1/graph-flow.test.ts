/** cpu/tier1/graph/flow-graph.ts: against definitions by brute force on random graphs. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FlowGraph } from '../../cpu/tier1/graph/flow-graph.js';
import { anyGraph, naiveDominators, naiveLoop, naiveReducible, reach } from './graph-random.js';

test('dominators, dominator tree and reachability agree with their definitions', () => {
  fc.assert(
    fc.property(anyGraph(24), (successors) => {
      const graph = new FlowGraph(successors);
      const dominators = naiveDominators(successors);
      for (let b = 0; b < successors.length; b++) {
        assert.is(graph.isReachable(b), dominators[b]!.size > 0);
        for (let a = 0; a < successors.length; a++)
          assert.is(graph.dominates(a, b), dominators[b]!.has(a), `${a} ${b}`);
        const strict = [...dominators[b]!].filter((a) => a !== b);
        const nearest = strict.find((a) => strict.every((other) => dominators[a]!.has(other)));
        assert.is(graph.idom[b], nearest ?? -1);
        assert.is(graph.dominated[b], dominators.filter((set) => set.has(b)).length);
      }
    }),
    { numRuns: 400 },
  );
});

test('the order is a reverse postorder: only edges on cycles go against it', () => {
  fc.assert(
    fc.property(anyGraph(30), (successors) => {
      const graph = new FlowGraph(successors);
      assert.is(graph.order[0], 0);
      assert.equal(new Set(graph.order), reach(successors, 0));
      graph.order.forEach((block, i) => void assert.is(graph.position[block], i));
      for (const from of graph.order) {
        for (const to of successors[from]!) {
          if (graph.position[to]! <= graph.position[from]!) assert.ok(reach(successors, to).has(from));
        }
      }
    }),
  );
});

test('predecessors: one per edge from reachable blocks', () => {
  const graph = new FlowGraph([[1, 1], [2], [], [2]]);
  assert.equal(graph.predecessors, [[], [0, 0], [1], []]);
  assert.equal(graph.order, [0, 1, 2]);
});

test('reducibility agrees with its definition', () => {
  let irreducible = 0;
  fc.assert(
    fc.property(anyGraph(12), (successors) => {
      const graph = new FlowGraph(successors);
      assert.is(graph.reducible, naiveReducible(successors));
      if (!graph.reducible) irreducible++;
    }),
    { numRuns: 500 },
  );
  assert.ok(irreducible > 20, 'the generator reaches irreducible graphs');
});

test('natural loops, their nesting and members agree with their definition, in irreducible graphs too', () => {
  fc.assert(
    fc.property(anyGraph(16), (successors) => {
      const graph = new FlowGraph(successors);
      const loops = successors.map((_, header) => naiveLoop(successors, header));
      loops.forEach((members, header) => {
        assert.is(graph.isLoopHeader(header), members.size > 0);
        assert.equal(new Set(members.size > 0 ? graph.members(header) : []), members);
        if (members.size > 0) assert.is(graph.members(header)[0], header);
      });
      for (let b = 0; b < successors.length; b++) {
        assert.is(graph.loopDepth[b], loops.filter((members) => members.has(b)).length);
        loops.forEach((members, header) => void assert.is(graph.inLoop(header, b), members.has(b)));
      }
    }),
    { numRuns: 400 },
  );
});

test('a chain of 20000 blocks and a loop nest of 2000 need no stack', () => {
  const chain = Array.from({ length: 20000 }, (_, i) => (i === 19999 ? [] : [i + 1]));
  assert.is(new FlowGraph(chain).order.length, 20000);
  const nest = Array.from({ length: 4000 }, (_, i) => (i < 2000 ? [i + 1] : i < 3999 ? [3999 - i, i + 1] : []));
  const graph = new FlowGraph(nest);
  assert.ok(graph.reducible);
  assert.is(graph.loopDepth[1999], 1999);
});

test.run();
