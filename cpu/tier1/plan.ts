/**
 * The plan of a region: for every instruction what it reads and writes, and from that, by
 * dataflow over the blocks, which registers have to be in locals, which may differ from the CPU state in memory, and
 * which blocks need to know the flags that hold on entering them.
 *
 * Registers are facts of one 32-bit word: bit r is general register r, bit 16 + n is xmm n.
 */

import type { Statement } from '../ir/ir.js';
import { type BitTable, bitTable, solveBackward, solveForward } from './graph/dataflow.js';
import { FlowGraph } from './graph/flow-graph.js';
import { longestWay } from './graph/longest-way.js';
import { makeReducible } from './graph/make-reducible.js';
import { groupAccesses } from './groups.js';
import { endsInSync, isSync, type PlannedBlock } from './planned-block.js';
import { Planner } from './planner.js';
import { type Block, type Edge, edgesOf, type Region } from './region.js';
import { Speculator } from './speculation.js';
import type { Step } from './step.js';
import { addVersions, type Role } from './versions.js';

/**
 * What a block needs of the flags at its start: nothing, or that a fault shows them, or that they are in memory. Bit
 * 16 + r: general register r is written before that, so that the flags cannot be computed from it any more.
 */
export const NEED_EXIT = 1;
export const NEED_WORDS = 2;
export const NEED_WRITTEN_SHIFT = 16;

/** Instructions of a block that are planned in one go. */
const PAUSE = 16;

/** Instructions that may be copied to make the control flow of a region reducible. */
const COPY_LIMIT = 80;

export interface Dispatch {
  readonly node: number;
  readonly targets: readonly Edge[];
  dirty: number;
  flagsIn: number;
}

export interface Plan {
  readonly region: Region;
  readonly blocks: PlannedBlock[];
  /** The blocks, then a node for every edge that leaves the region, then `dispatch`. Reducible: some may be copies. */
  readonly graph: FlowGraph;
  /** Of each node of the graph: the node that it is or is a copy of, or −1 (see make-reducible.ts). */
  readonly origin: readonly number[];
  readonly route: readonly number[];
  /** Of nodes of loops in two versions. */
  readonly roles: ReadonlyMap<number, Role>;
  /** Address that a leaving node goes to; index node − blocks.length. */
  readonly leaving: { from: number; address: number }[];
  /** Where several indirect jumps meet, to choose among the targets of all of them: one loop instead of a knot. */
  readonly dispatch: Dispatch | undefined;
  /** Registers that occur at all. */
  readonly used: number;
  /** Xmm registers (bits 16…31) that are best kept as two doubles. */
  readonly pairs: number;
  /** Some instruction assumes default control bits in MXCSR. */
  readonly defaultSse: boolean;
  /** The most instructions that are executed between two looks at what is left of the slice. */
  readonly longest: number;
}

/** Whether control can leave the region at the end of the block, with registers in locals. */
function leavesAtEnd(block: Block): boolean {
  const { end } = block;
  return end.kind !== 'jump' && end.kind !== 'branch' ? true : edgesOf(end).some((edge) => edge.block < 0);
}

/** Plans a region, some instructions at a time: how many they are is what it yields. */
export function* planRegion(region: Region): Generator<number, Plan> {
  const planner = new Planner();
  const speculator = new Speculator();
  const look = (step: Step, statements: readonly Statement[]): void => speculator.step(step, statements);
  const blocks: PlannedBlock[] = [];
  for (const block of region.blocks) {
    const steps: Step[] = [];
    for (const instruction of block.instructions) {
      steps.push(planner.step(instruction, look));
      if (steps.length % PAUSE === 0) yield PAUSE;
    }
    yield steps.length % PAUSE;
    const speculation = speculator.end();
    blocks.push({ block, steps, groups: [], speculation, dirtyIn: 0, dirtyOut: 0, liveIn: 0, flagsIn: 0 });
  }
  const { graph, leaving, dispatch } = graphOf(region);
  for (const [b, groups] of (yield* groupAccesses(graph, blocks)).entries()) blocks[b]!.groups = groups;
  // Each of these goes over all blocks, some times.
  const dirtyIn = solveDirty(graph, blocks);
  yield blocks.length / 4;
  solveLive(graph, blocks, dirtyIn);
  yield blocks.length / 4;
  const flagsIn = solveFlags(graph, blocks, dispatch);
  yield blocks.length / 4;
  if (dispatch !== undefined) {
    dispatch.dirty = dirtyIn[dispatch.node]!;
    dispatch.flagsIn = flagsIn[dispatch.node]!;
  }
  const size = (node: number): number => blocks[node]?.steps.length ?? 1;
  const reduced = makeReducible(graph, COPY_LIMIT, size);
  const reducible = graph.reducible ? graph : new FlowGraph(reduced.successors);
  yield blocks.length / 4;
  const versioned = addVersions({ ...reduced, graph: reducible }, blocks);
  const { origin, route, roles } = versioned;
  yield blocks.length / 4;
  let used = 0;
  for (const { steps } of blocks) for (const { reads, writes } of steps) used |= reads | writes;
  let pairs = 0;
  for (let n = 0; n < 16; n++) if (planner.votes[n]! > 0) pairs |= 1 << (16 + n);
  const { defaultSse } = planner;
  pairs &= used;
  const hasCode = (node: number): boolean => (roles.get(node)?.kind ?? 'fast') === 'fast';
  const sizeOf = (node: number): number => (hasCode(node) ? (blocks[origin[node]!]?.steps.length ?? 0) : 0);
  const longest = longestWay(versioned.graph, sizeOf);
  const { graph: last } = versioned;
  return { region, blocks, graph: last, origin, route, roles, leaving, dispatch, used, pairs, defaultSse, longest };
}

function graphOf(region: Region): Pick<Plan, 'graph' | 'leaving' | 'dispatch'> {
  const { blocks } = region;
  const leaving: Plan['leaving'] = [];
  const jumps = blocks.filter(({ end }) => end.kind === 'indirect' && end.targets.length > 0);
  const [{ end: first }] = blocks as [Block];
  // Where the jumps' targets are places to enter at, the way in is one more of the jumps.
  const entries = new Set(first.kind === 'enter' ? first.targets.map(({ address }) => address) : []);
  const isEntered = jumps.some(({ end }) => edgesOf(end).some(({ address }) => entries.has(address)));
  const isShared = jumps.length > 1 || isEntered;
  const isJump = (block: Block): boolean => jumps.includes(block) || (isEntered && block.end.kind === 'enter');
  const targets = new Map<number, Edge>();
  const toDispatch: number[][] = [];
  const successors = blocks.map((block, from) => {
    const { end } = block;
    if (isShared && isJump(block)) {
      for (const edge of edgesOf(end)) if (!targets.has(edge.address)) targets.set(edge.address, edge);
      const list: number[] = [];
      toDispatch.push(list);
      return list;
    }
    if (end.kind === 'call' || end.kind === 'indirectCall' || end.kind === 'guessed') {
      return edgesOf(end).flatMap(({ block }) => (block < 0 ? [] : [block]));
    }
    return edgesOf(end).map(({ block, address }) => {
      if (block >= 0) return block;
      leaving.push({ from, address });
      return blocks.length + leaving.length - 1;
    });
  });
  for (let i = 0; i < leaving.length; i++) successors.push([]);
  if (!isShared) return { graph: new FlowGraph(successors), leaving, dispatch: undefined };
  const node = successors.length;
  for (const list of toDispatch) list.push(node);
  const dispatch = { node, targets: [...targets.values()], dirty: 0, flagsIn: 0 };
  successors.push(dispatch.targets.map((edge) => edge.block));
  return { graph: new FlowGraph(successors), leaving, dispatch };
}

function solveDirty(graph: FlowGraph, blocks: readonly PlannedBlock[]): BitTable {
  const gen = bitTable(graph, 1);
  const kill = bitTable(graph, 1);
  for (const [b, { block, steps }] of blocks.entries()) {
    for (const step of steps) {
      if (isSync(step)) {
        gen[b] = 0;
        kill[b] = -1;
      } else gen[b]! |= step.writes;
    }
    if (endsInSync(block)) {
      gen[b] = 0;
      kill[b] = -1;
    }
  }
  const { atStart } = solveForward(graph, { words: 1, gen, kill });
  for (const [b, planned] of blocks.entries()) {
    let dirty = atStart[b]!;
    planned.dirtyIn = dirty;
    for (const step of planned.steps) {
      step.dirty = dirty;
      dirty = isSync(step) ? 0 : dirty | step.writes;
    }
    planned.dirtyOut = dirty;
  }
  return atStart;
}

function solveLive(graph: FlowGraph, blocks: readonly PlannedBlock[], dirtyIn: BitTable): void {
  const gen = bitTable(graph, 1);
  const kill = bitTable(graph, 1);
  const boundary = bitTable(graph, 1);
  // A node that leaves writes back what its block left dirty.
  for (let n = blocks.length; n < graph.count; n++) gen[n] = dirtyIn[n]!;
  const back = (planned: PlannedBlock, atEnd: number, note: boolean): [gen: number, kill: number] => {
    let g = atEnd;
    let k = 0;
    if (endsInSync(planned.block)) {
      g = planned.dirtyOut;
      k = -1;
    } else if (leavesAtEnd(planned.block)) g |= planned.dirtyOut;
    for (let i = planned.steps.length - 1; i >= 0; i--) {
      const step = planned.steps[i]!;
      if (note) step.live = g;
      if (isSync(step)) {
        g = step.dirty;
        k = -1;
      } else {
        g = (g & ~step.kills) | step.reads;
        k = (k | step.kills) & ~step.reads;
        if (step.exits) g |= step.dirty;
      }
    }
    // A slice that ends on a back edge into this block writes back too.
    return [g, k];
  };
  for (const [b, planned] of blocks.entries()) {
    const [g, k] = back(planned, 0, false);
    gen[b] = g | (graph.isLoopHeader(b) || !graph.reducible ? dirtyIn[b]! : 0);
    kill[b] = k;
  }
  const { atStart, atEnd } = solveBackward(graph, { words: 1, gen, kill, boundary });
  for (const [b, planned] of blocks.entries()) {
    planned.liveIn = atStart[b]!;
    back(planned, endsInSync(planned.block) ? 0 : atEnd[b]!, true);
  }
}

/** What the end of a block itself needs of the flags: a wrong guess leaves, calls and returns have them in memory. */
function needAtEnd(kind: Block['end']['kind']): number {
  if (kind === 'jump' || kind === 'branch') return 0;
  return kind === 'guessed' ? NEED_EXIT : NEED_WORDS;
}

function solveFlags(graph: FlowGraph, blocks: readonly PlannedBlock[], dispatch: Dispatch | undefined): BitTable {
  const gen = bitTable(graph, 1);
  const kill = bitTable(graph, 1);
  for (let n = blocks.length; n < graph.count; n++) gen[n] = n === dispatch?.node ? NEED_EXIT : NEED_WORDS;
  for (const [b, { block, steps }] of blocks.entries()) {
    let written = 0;
    for (const { exits, readsFlags, mixesFlags, killsFlags, writes } of steps) {
      if (exits) gen[b]! |= NEED_EXIT | written;
      if (readsFlags || mixesFlags) gen[b]! |= NEED_WORDS;
      if (killsFlags) {
        kill[b] = -1;
        break;
      }
      written |= writes << NEED_WRITTEN_SHIFT;
    }
    if (kill[b] === 0) gen[b]! |= written;
    const { kind } = block.end;
    if (kill[b] === 0) gen[b]! |= needAtEnd(kind);
    if (kill[b] === 0 && kind !== 'jump' && kind !== 'branch' && kind !== 'guessed') kill[b] = -1;
    if (graph.isLoopHeader(b) || !graph.reducible) gen[b]! |= NEED_EXIT;
  }
  const { atStart } = solveBackward(graph, { words: 1, gen, kill });
  for (const [b, planned] of blocks.entries()) {
    planned.flagsIn = atStart[b]!;
    const { kind } = planned.block.end;
    let need = needAtEnd(kind);
    for (const to of graph.successors[b]!) need |= atStart[to]!;
    for (let i = planned.steps.length - 1; i >= 0; i--) {
      const step = planned.steps[i]!;
      step.flagsDead = (need & (NEED_EXIT | NEED_WORDS)) === 0;
      if (step.killsFlags) need = 0;
      if (step.readsFlags || (step.mixesFlags && !step.flagsDead)) need |= NEED_WORDS;
      if (step.exits) need |= NEED_EXIT;
    }
  }
  return atStart;
}
