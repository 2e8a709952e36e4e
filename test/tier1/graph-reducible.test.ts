/** cpu/tier1/graph/make-reducible.ts: the result is reducible and is walked like the original. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FlowGraph } from '../../cpu/tier1/graph/flow-graph.js';
import { isDispatch, makeReducible, type ReducibleGraph } from '../../cpu/tier1/graph/make-reducible.js';
import { anyGraph, type Successors } from './graph-random.js';

/** Which original block an edge to `block` ends up at, through route and dispatch blocks. */
function resolve(result: ReducibleGraph, block: number): number {
  let at = block;
  for (let steps = 0; result.origin[at]! < 0; steps++) {
    assert.ok(steps < result.successors.length, 'routes end somewhere');
    assert.not(isDispatch(result, at), 'a dispatch block is entered through a route');
    const [dispatch, ...others] = result.successors[at]!;
    assert.equal(others, []);
    assert.ok(isDispatch(result, dispatch!));
    at = result.successors[dispatch!]![result.route[at]!]!;
  }
  return result.origin[at]!;
}

/** Reducible, and along every edge the originals agree: the same walks, block for block. */
function check(successors: Successors, limit: number, size?: (block: number) => number): ReducibleGraph {
  const result = makeReducible(new FlowGraph(successors), limit, size);
  assert.ok(new FlowGraph(result.successors).reducible, JSON.stringify(successors));
  result.origin.forEach((origin, block) => {
    if (block < successors.length) assert.is(origin, block);
    if (origin < 0) return;
    assert.equal(
      result.successors[block]!.map((to) => resolve(result, to)),
      successors[origin],
    );
  });
  const copies = result.origin.filter((origin, block) => origin >= 0 && block >= successors.length);
  assert.ok(copies.reduce((sum, origin) => sum + (size?.(origin) ?? 1), 0) <= limit, 'the limit holds');
  return result;
}

for (const [name, limit] of [
  ['by copying', 20000],
  ['by a few copies and dispatch', 3],
  ['by dispatch', 0],
] as const) {
  test(`random graphs become reducible ${name}, with the same walks`, () => {
    let changed = 0;
    fc.assert(
      fc.property(anyGraph(18), (successors) => {
        const { origin } = check(successors, limit);
        if (origin.length > successors.length) changed++;
        if (limit === 0) assert.ok(origin.length <= successors.length * 4, 'dispatch grows linearly');
        if (limit > 1000) assert.ok(origin.every((block) => block >= 0));
      }),
      { numRuns: 700 },
    );
    assert.ok(changed > 50, `${changed} graphs had to be changed`);
  });
}

test('a reducible graph is left alone', () => {
  const successors = [[1], [2, 3], [1, 2], []];
  const route = [-1, -1, -1, -1];
  assert.equal(makeReducible(new FlowGraph(successors), 100), { successors, origin: [0, 1, 2, 3], route });
});

test('a cycle with two entries: the cheaper part is copied', () => {
  // 0 enters the cycle 1 ⇄ 2 at both ends; block 2 is large.
  const result = check([[1, 2], [2, 3], [1], []], 10, (block) => (block === 2 ? 10 : 1));
  assert.equal(result.origin, [0, 1, 2, 3, 1]);
  assert.equal(result.successors, [[4, 2], [2, 3], [1], [], [2, 3]]);
});

test('a cycle with two entries beyond the limit: dispatch', () => {
  const result = check([[1, 2], [2, 3], [1], []], 9, () => 10);
  // 4 dispatches; 5 and 7 enter from inside, 6 and 8 from outside.
  assert.equal(result.successors, [[6, 8], [7, 3], [5], [], [1, 2], [4], [4], [4], [4]]);
  assert.equal(result.route, [-1, -1, -1, -1, -1, 0, 0, 1, 1]);
});

test('an unrolled loop entered at a computed place: one copy of the ring serves all entries', () => {
  const ring = [[1, 2, 3, 4], [2], [3], [4], [1, 5], []];
  assert.equal(check(ring, 8).origin, [0, 1, 2, 3, 4, 5, 2, 3, 4]);
});

test('everybody leads to everybody: copying would explode, dispatch does not', () => {
  const n = 100;
  const others = Array.from({ length: n }, (_, i) => i + 1);
  const all = [others, ...others.map((block) => others.filter((to) => to !== block))];
  // Each of the blocks has a route from inside and one from outside.
  assert.is(check(all, 500).origin.length, n + 1 + 1 + 2 * n);
});

test('threaded code: every handler jumps to every handler', () => {
  const handlers = [1, 2, 3, 4, 5];
  const result = check([handlers, handlers, handlers, [3, 4], handlers, []], 4);
  assert.is(new FlowGraph(result.successors).order.length, result.successors.length, 'nothing unreachable is added');
});

test.run();
