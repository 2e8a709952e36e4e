/**
 * cpu/tier1/graph/structure.ts: layouts of random reducible graphs are run, by a small interpreter of the program text
 * and as WebAssembly modules, and must visit the blocks that a walk over the graph visits.
 */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FlowGraph } from '../../cpu/tier1/graph/flow-graph.js';
import { isDispatch, makeReducible } from '../../cpu/tier1/graph/make-reducible.js';
import { type Edge, type StructureEmitter, structure } from '../../cpu/tier1/graph/structure.js';
import { complete } from '../support/complete.js';
import { anyGraph, reducibleGraph, type Successors } from './graph-random.js';
import { DECISIONS_AT, instantiate, LIMIT, RoutedEmitter, TRACE_AT, WasmEmitter, walk } from './graph-wasm.js';

type Item =
  | { op: 'block' | 'loop'; target: number }
  | { op: 'if' | 'body' | 'exit'; block: number; negated?: boolean }
  | { op: 'branchIf' | 'jump'; edge: Edge; negated?: boolean }
  | { op: 'multiway'; block: number; edges: readonly Edge[] }
  | { op: 'close' };

/** The program as text, labels numbered in order of opening; checks what can be seen while it is written. */
class Recorder implements StructureEmitter {
  items: Item[] = [];
  deepest = 0;
  /** Labels of what is open, −1 for an if. */
  #open: number[] = [];
  #constructs: Item[] = [];
  #labels = 0;
  #reachable = true;

  openBlock(target: number): number {
    return this.#opened({ op: 'block', target }, this.#labels++);
  }
  openLoop(target: number): number {
    return this.#opened({ op: 'loop', target }, this.#labels++);
  }
  openIf(block: number, negated: boolean): void {
    this.#opened({ op: 'if', block, negated }, -1);
  }
  close(): void {
    assert.not(this.#reachable, 'nothing falls out of a construct');
    const { op } = this.#constructs.pop()!;
    this.#reachable = op !== 'loop';
    this.#open.pop();
    this.items.push({ op: 'close' });
  }
  body(block: number): void {
    this.#add({ op: 'body', block });
  }
  branchIf(edge: Edge, negated: boolean): void {
    assert.not(edge.inline);
    this.#inScope(edge);
    this.#add({ op: 'branchIf', edge, negated });
  }
  jump(edge: Edge): void {
    this.#inScope(edge);
    this.#add({ op: 'jump', edge });
    this.#reachable = edge.inline;
  }
  multiway(block: number, edges: readonly Edge[]): void {
    for (const edge of edges) {
      assert.not(edge.inline);
      this.#inScope(edge);
    }
    this.#add({ op: 'multiway', block, edges });
    this.#reachable = false;
  }
  exit(block: number): void {
    this.#add({ op: 'exit', block });
    this.#reachable = false;
  }
  end(): void {
    assert.equal(this.#open, []);
    assert.not(this.#reachable);
  }

  #opened(item: Item, label: number): number {
    this.#add(item);
    this.#open.push(label);
    this.#constructs.push(item);
    this.deepest = Math.max(this.deepest, this.#open.length);
    return label;
  }
  #add(item: Item): void {
    assert.ok(this.#reachable);
    this.items.push(item);
  }
  #inScope(edge: Edge): void {
    assert.is(edge.label >= 0, !edge.inline);
    if (!edge.inline) assert.ok(this.#open.includes(edge.label), 'the label is open');
  }
}

function record(successors: Successors, multiway?: (block: number) => boolean): Recorder {
  const recorder = new Recorder();
  assert.ok(complete(structure(new FlowGraph(successors), recorder, multiway)));
  recorder.end();
  return recorder;
}

/** Runs the recorded text. */
function interpret(items: readonly Item[], decisions: Uint8Array): number[] {
  const close = new Map<number, number>();
  const labels: number[] = [];
  const open: number[] = [];
  items.forEach((item, i) => {
    if (item.op === 'block' || item.op === 'loop' || item.op === 'if') open.push(i);
    if (item.op === 'block' || item.op === 'loop') labels.push(i);
    if (item.op === 'close') close.set(open.pop()!, i);
  });
  const visited: number[] = [];
  let decision = 0;
  let at = 0;
  const follow = (edge: Edge): number => {
    if (edge.inline) return at + 1;
    const construct = labels[edge.label]!;
    const item = items[construct]!;
    assert.is(item.op, edge.back ? 'loop' : 'block');
    return item.op === 'loop' ? construct + 1 : close.get(construct)! + 1;
  };
  while (visited.length < LIMIT) {
    const item = items[at]!;
    if (item.op === 'body') visited.push(item.block);
    if (item.op === 'exit') break;
    if (item.op === 'if') {
      const holds = (decisions[decision++]! & 1) === 1;
      at = holds !== item.negated ? at + 1 : close.get(at)! + 1;
    } else if (item.op === 'branchIf') {
      const holds = (decisions[decision++]! & 1) === 1;
      at = holds !== item.negated ? follow(item.edge) : at + 1;
    } else if (item.op === 'jump') at = follow(item.edge);
    else if (item.op === 'multiway') at = follow(item.edges[decisions[decision++]! % item.edges.length]!);
    else at++;
  }
  return visited;
}

const decisionsOf = () => fc.uint8Array({ minLength: LIMIT, maxLength: LIMIT });

/** Conditional blocks with an odd number select by index instead. */
const oddMultiway = (successors: Successors) => (block: number) =>
  successors[block]!.length > 2 || (successors[block]!.length === 2 && block % 2 === 1);
const plain = (successors: Successors) => (block: number) => successors[block]!.length > 2;

for (const [name, shape] of [
  ['conditionals', plain],
  ['multi-way terminators', oddMultiway],
] as const) {
  test(`the text of random graphs visits what the graph visits: ${name}`, () => {
    fc.assert(
      fc.property(reducibleGraph(30), fc.array(decisionsOf(), { minLength: 3, maxLength: 3 }), (successors, runs) => {
        const multiway = shape(successors);
        const { items } = record(successors, multiway);
        for (const run of runs) assert.equal(interpret(items, run), walk(successors, run, multiway));
      }),
      { numRuns: 600 },
    );
  });

  test(`the WebAssembly of random graphs visits what the graph visits: ${name}`, () => {
    const graphs = fc.sample(reducibleGraph(40), 150);
    const emitters = graphs.map((successors) => {
      const emitter = new WasmEmitter();
      assert.ok(complete(structure(new FlowGraph(successors), emitter, shape(successors))));
      return emitter;
    });
    const { memory, run } = instantiate(emitters);
    graphs.forEach((successors, i) => {
      for (const decisions of fc.sample(decisionsOf(), 5)) {
        new Uint8Array(memory.buffer).set(decisions, DECISIONS_AT);
        const traced = run[i]!() / 4;
        const trace = [...new Int32Array(memory.buffer, TRACE_AT, traced)];
        assert.equal(trace, walk(successors, decisions, shape(successors)), JSON.stringify(successors));
      }
    });
  });
}

for (const limit of [0, 2, 40]) {
  test(`irreducible graphs run as WebAssembly, up to ${limit} blocks copied`, () => {
    const graphs = fc.sample(anyGraph(24), 150);
    const emitters = graphs.map((successors) => {
      const graph = makeReducible(new FlowGraph(successors), limit);
      const emitter = new RoutedEmitter(graph);
      const multiway = (block: number) =>
        isDispatch(graph, block) || (graph.origin[block]! >= 0 && oddMultiway(successors)(graph.origin[block]!));
      assert.ok(complete(structure(new FlowGraph(graph.successors), emitter, multiway)));
      return emitter;
    });
    assert.ok(graphs.filter((successors) => !new FlowGraph(successors).reducible).length > 10);
    const { memory, run } = instantiate(emitters);
    graphs.forEach((successors, i) => {
      for (const decisions of fc.sample(decisionsOf(), 5)) {
        new Uint8Array(memory.buffer).set(decisions, DECISIONS_AT);
        const trace = [...new Int32Array(memory.buffer, TRACE_AT, run[i]!() / 4)];
        assert.equal(trace, walk(successors, decisions, oddMultiway(successors)), JSON.stringify(successors));
      }
    });
  });
}

test('every reachable block is emitted once, and a loop construct holds its natural loop only', () => {
  fc.assert(
    fc.property(reducibleGraph(30), (successors) => {
      const graph = new FlowGraph(successors);
      const { items } = record(successors);
      const bodies = items.flatMap((item) => (item.op === 'body' ? [item.block] : []));
      assert.equal(
        [...bodies].sort((a, b) => a - b),
        [...graph.order].sort((a, b) => a - b),
      );
      const open: Item[] = [];
      for (const item of items) {
        if (item.op === 'block' || item.op === 'loop' || item.op === 'if') open.push(item);
        else if (item.op === 'close') open.pop();
        else if (item.op === 'body') {
          const around = open.flatMap((each) => (each.op === 'loop' ? [each.target] : []));
          const natural = graph.order.filter((header) => graph.inLoop(header, item.block));
          assert.equal(around, natural);
        }
      }
    }),
    { numRuns: 400 },
  );
});

/** The text in one line: b block, l loop, i if (! negated), numbers bodies, > jump, ? branchIf, # multiway, . exit, ) close. */
function shorthand(successors: Successors, multiway?: (block: number) => boolean): string {
  return record(successors, multiway)
    .items.map((item) => {
      if (item.op === 'block') return `b${item.target}(`;
      if (item.op === 'loop') return `l${item.target}(`;
      if (item.op === 'if') return item.negated ? 'i!(' : 'i(';
      if (item.op === 'body') return `${item.block}`;
      if (item.op === 'jump') return item.edge.inline ? '' : `>${item.edge.to}`;
      if (item.op === 'branchIf') return `${item.negated ? '?!' : '?'}${item.edge.to}`;
      if (item.op === 'multiway') return `#${item.edges.map((edge) => edge.to).join()}`;
      return item.op === 'exit' ? '.' : ')';
    })
    .filter((word) => word !== '')
    .join(' ');
}

test('shapes: sequence, if, if-else, loops, switch', () => {
  assert.is(shorthand([[1], [2], []]), '0 1 2 .');
  assert.is(shorthand([[2, 1], [2], []]), 'b2( 0 ?2 1 >2 ) 2 .', 'if: one br_if');
  assert.is(shorthand([[1, 2], [3], [3], []]), 'b3( 0 i( 1 >3 ) 2 >3 ) 3 .', 'if-else');
  assert.is(shorthand([[1, 2], [], []]), '0 i( 1 . ) 2 .');
  assert.is(shorthand([[0]]), 'l0( 0 >0 )');
  assert.is(shorthand([[1], [1, 2], []]), '0 b2( l1( 1 ?!2 >1 ) ) 2 .', 'do-while: the exit behind the loop');
  assert.is(shorthand([[1], [3, 2], [1], []]), '0 b3( l1( 1 ?3 2 >1 ) ) 3 .', 'while');
  assert.is(shorthand([[1, 2, 1, 3], [3], [3], []]), 'b3( b1( b2( 0 #1,2,1,3 ) 2 >3 ) 1 >3 ) 3 .');
  assert.is(shorthand([[1, 1], []]), '0 1 .', 'both arms the same: no condition');
  assert.is(
    shorthand([[1, 1], []], () => true),
    'b1( 0 #1,1 ) 1 .',
  );
});

test('an exit out of two loops stands behind the outer one', () => {
  const text = shorthand([[1], [2], [3, 4], [1, 2], []]);
  assert.is(text, '0 b4( l1( 1 l2( 2 ?!4 3 ?1 >2 ) ) ) 4 .');
});

test('loops that follow one another are not nested', () => {
  const successors = Array.from({ length: 100 }, (_, i) => (i < 99 ? [i, i + 1] : []));
  assert.is(record(successors).deepest, 2);
});

test('deep graphs: nesting stays small where it can, the stack is never an issue', () => {
  const n = 20000;
  const nested = (list: Successors) => record(list).deepest;
  assert.is(nested(Array.from({ length: n }, (_, i) => (i < n - 1 ? [i + 1] : []))), 0);
  const sideExits = Array.from({ length: n }, (_, i) => (i % 2 === 0 && i < n - 2 ? [i + 1, i + 2] : []));
  assert.is(nested(sideExits), 1, 'a chain with exits');
  const longArmTaken = sideExits.map((targets) => [...targets].reverse());
  assert.is(nested(longArmTaken), 1, 'the same with the long arm taken');
  const diamonds = Array.from({ length: n }, (_, i) => {
    if (i >= n - 4) return [];
    return i % 3 === 0 ? [i + 1, i + 2] : [i % 3 === 1 ? i + 2 : i + 1];
  });
  assert.ok(nested(diamonds) <= 2, 'a chain of if-else');
  const loops = Array.from({ length: 4000 }, (_, i) => (i < 2000 ? [i + 1] : i < 3999 ? [3999 - i, i + 1] : []));
  assert.ok(nested(loops) < 6000, '2000 loops in each other');
});

test('an irreducible graph is refused, nothing is emitted', () => {
  const recorder = new Recorder();
  assert.not(complete(structure(new FlowGraph([[1, 2], [2], [1]]), recorder)));
  assert.equal(recorder.items, []);
});

test.run();
