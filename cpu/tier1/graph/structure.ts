/**
 * Lays a reducible flow graph out as the structured control flow of WebAssembly: nested blocks and loops, branches to
 * their labels, and code that simply follows. Works down the dominator tree. @source Ramsey, "Beyond Relooper" (2022)
 *
 * A block with several forward edges into it (a merge) stands behind a WebAssembly block that encloses all that jumps
 * there; one with a single forward edge is inlined where its predecessor ends. Two things differ from the paper:
 *  - What a loop leaves to stands behind the WebAssembly loop, not inside of it, even when it is dominated by a block
 *    deep in the loop. A loop construct thus holds its natural loop and nothing else, and loops that follow one another
 *    in the program are not nested in each other; engines compute a loop's assigned locals from its extent.
 *  - No code path falls out of the end of what is emitted (each ends in a branch or an exit), so an `if` needs no
 *    `else`: what follows its end is the other arm. The arm with fewer blocks goes into the `if`, which keeps the
 *    nesting of ifs logarithmic.
 *
 * No recursion: the depth of the graph does not matter.
 */
import type { FlowGraph } from './flow-graph.js';

export interface Edge {
  readonly from: number;
  readonly to: number;
  /** Which successor of `from`: 0 is a conditional's taken arm. */
  readonly index: number;
  /** The target's code follows right behind; otherwise branch to `label`. */
  readonly inline: boolean;
  /** What `openBlock` or `openLoop` returned for the target; −1 when inline. */
  readonly label: number;
  /** Leads back to the header of a loop around it; never inline. */
  readonly back: boolean;
}

/** Receives the program in order of its text. Code after an unconditional branch is unreachable and closed at once. */
export interface StructureEmitter {
  /** Opens a block whose end is the start of `target`; returns the label that edges to it shall carry. */
  openBlock(target: number): number;
  /** Opens a loop whose start is `header`; returns the label that back edges shall carry. */
  openLoop(header: number): number;
  /** Opens an `if` on the condition of this conditional block, or on its negation. */
  openIf(block: number, negated: boolean): void;
  /** Ends the innermost open block, loop or if. Control never reaches that end from above, nor the end of the whole. */
  close(): void;
  /** The block without its terminator. */
  body(block: number): void;
  /** Takes the branch edge if the block's condition holds, or, negated, if not; otherwise goes on behind. */
  branchIf(edge: Edge, negated: boolean): void;
  /** Takes the edge: a branch to its label, or nothing (but what belongs to the edge) when it is inline. */
  jump(edge: Edge): void;
  /** Takes one of the edges, which are all branches, in the order of the block's successors. */
  multiway(block: number, edges: readonly Edge[]): void;
  /** The end of a block without successors. */
  exit(block: number): void;
}

/** On the work stack: a block number (emit it and what it dominates), an edge (take it), or this. */
const CLOSE = -1;

/**
 * A part at a time: yields each block when it has been emitted.
 * @param isMultiway blocks whose terminator selects by index; those with more than two successors do in any case
 * @returns false, with nothing emitted, if the graph is not reducible
 */
export function* structure(
  graph: FlowGraph,
  emitter: StructureEmitter,
  isMultiway: (block: number) => boolean = () => false,
): Generator<number, boolean> {
  if (!graph.reducible) return false;
  if (graph.count > 0) yield* new Layout(graph, emitter, isMultiway).run();
  return true;
}

class Layout {
  #graph: FlowGraph;
  #emitter: StructureEmitter;
  #isMultiway: (block: number) => boolean;
  /** The block is reached by forward branches, so it stands behind a WebAssembly block. */
  #follows: Uint8Array;
  /** The blocks that follow a block's own code: first by reverse postorder, and the next one in the same list; −1 ends. */
  #firstFollower: Int32Array;
  #nextFollower: Int32Array;
  #blockLabel: Int32Array;
  #loopLabel: Int32Array;
  #work: (number | Edge)[] = [];
  #scratch: number[] = [];

  constructor(graph: FlowGraph, emitter: StructureEmitter, isMultiway: (block: number) => boolean) {
    const n = graph.count;
    this.#graph = graph;
    this.#emitter = emitter;
    this.#isMultiway = (block) => graph.successors[block]!.length > 2 || isMultiway(block);
    this.#follows = new Uint8Array(n);
    this.#firstFollower = new Int32Array(n).fill(-1);
    this.#nextFollower = new Int32Array(n).fill(-1);
    this.#blockLabel = new Int32Array(n).fill(-1);
    this.#loopLabel = new Int32Array(n).fill(-1);
    this.#place();
  }

  *run(): Generator<number, void> {
    const work = this.#work;
    work.push(0);
    while (work.length > 0) {
      const item = work.pop()!;
      if (item === CLOSE) this.#emitter.close();
      else if (typeof item === 'number') {
        this.#subtree(item);
        yield item;
      } else this.#jump(item);
    }
  }

  /** Decides which blocks are reached by branches, and behind whose code they stand. */
  #place(): void {
    const { order, successors } = this.#graph;
    const forwardEdges = new Int32Array(this.#graph.count);
    for (const from of order) {
      const targets = successors[from]!;
      const multiway = this.#isMultiway(from);
      for (let i = 0; i < targets.length; i++) {
        const to = targets[i]!;
        if (this.#graph.isBackEdge(from, to)) continue;
        if (multiway) this.#follows[to] = 1;
        else if (i === 0 || to !== targets[0]) forwardEdges[to]!++;
      }
    }
    for (let i = order.length - 1; i > 0; i--) {
      const block = order[i]!;
      const left = this.#outermostLoopLeft(block);
      if (left < 0 && this.#follows[block] === 0 && forwardEdges[block]! < 2) continue;
      this.#follows[block] = 1;
      const behind = left < 0 ? this.#graph.idom[block]! : left;
      this.#nextFollower[block] = this.#firstFollower[behind]!;
      this.#firstFollower[behind] = block;
    }
  }

  /**
   * Header of the outermost loop that holds the block's immediate dominator but not the block, −1 when there is none.
   * Standing behind that loop the block is still behind everything that jumps to it: a predecessor is in every loop
   * around the block (its own, if it is a header, aside), hence not further out.
   */
  #outermostLoopLeft(block: number): number {
    const { idom, loop, outerLoop, loopDepth } = this.#graph;
    const depth = loopDepth[block]! - (loop[block] === block ? 1 : 0);
    let left = -1;
    for (let at = loop[idom[block]!]!; at >= 0 && loopDepth[at]! > depth; at = outerLoop[at]!) left = at;
    return left;
  }

  /** Opens what encloses the block's code, emits that, and leaves on the stack what comes behind it. */
  #subtree(block: number): void {
    const emitter = this.#emitter;
    const isLoop = this.#graph.isLoopHeader(block);
    // Blocks open in the opposite order of what stands behind them: first those of followers outside of the loop.
    if (isLoop) {
      this.#openFollowers(block, false);
      this.#loopLabel[block] = emitter.openLoop(block);
      this.#work.push(CLOSE);
    }
    this.#openFollowers(block, true);
    emitter.body(block);
    this.#terminator(block);
  }

  /** Of a header only the followers inside (or outside) of its loop; of another block all are "inside". */
  #openFollowers(block: number, inside: boolean): void {
    const graph = this.#graph;
    const isLoop = graph.isLoopHeader(block);
    const chosen = this.#scratch;
    chosen.length = 0;
    for (let at = this.#firstFollower[block]!; at >= 0; at = this.#nextFollower[at]!) {
      if (!isLoop || graph.inLoop(block, at) === inside) chosen.push(at);
    }
    for (let i = chosen.length - 1; i >= 0; i--) {
      const follower = chosen[i]!;
      this.#blockLabel[follower] = this.#emitter.openBlock(follower);
      this.#work.push(follower, CLOSE);
    }
  }

  #terminator(block: number): void {
    const emitter = this.#emitter;
    const targets = this.#graph.successors[block]!;
    if (targets.length === 0) {
      emitter.exit(block);
      return;
    }
    if (this.#isMultiway(block)) {
      emitter.multiway(
        block,
        targets.map((_, index) => this.#edge(block, index)),
      );
      return;
    }
    const taken = this.#edge(block, 0);
    if (targets.length === 1 || targets[0] === targets[1]) {
      this.#jump(taken);
      return;
    }
    const fallThrough = this.#edge(block, 1);
    if (taken.inline && fallThrough.inline) {
      const { dominated } = this.#graph;
      const negated = dominated[fallThrough.to]! < dominated[taken.to]!;
      emitter.openIf(block, negated);
      this.#work.push(negated ? taken : fallThrough, CLOSE);
      this.#jump(negated ? fallThrough : taken);
      return;
    }
    // A back edge may carry code of its own (the time slice): better as the unconditional one of two branches.
    const negated = taken.inline || (taken.back && !fallThrough.inline && !fallThrough.back);
    emitter.branchIf(negated ? fallThrough : taken, negated);
    this.#jump(negated ? taken : fallThrough);
  }

  #jump(edge: Edge): void {
    this.#emitter.jump(edge);
    if (edge.inline) this.#work.push(edge.to);
  }

  #edge(from: number, index: number): Edge {
    const to = this.#graph.successors[from]![index]!;
    const back = this.#graph.isBackEdge(from, to);
    const inline = !back && this.#follows[to] === 0;
    const label = inline ? -1 : back ? this.#loopLabel[to]! : this.#blockLabel[to]!;
    return { from, to, index, inline, label, back };
  }
}
