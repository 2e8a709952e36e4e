/**
 * Emits one region as a WebAssembly function `(room i32) → i64`: the address that guest control went to, or UNWIND with
 * the reason in memory (layout.ts). Registers and flags are in memory whenever it returns.
 *
 * Shape: prologue (room for the slice and the call depth, registers into locals); the region's blocks as structured control
 * flow; then, behind the blocks that enclose it all, the ways out: one for each set of registers to write back, and a
 * common end.
 *
 * Time: `rest` counts what is left of the slice, 32 for an instruction as tier 0 does. It is brought up to date where
 * paths meet; in between the instructions executed are known. A region goes on over a back edge only while what is left is
 * more than any way to the next check can use up: the end of a slice, which falls on an exact instruction, is tier 0's.
 */

import { RECORD_SIZE } from '../record.js';
import { Code } from '../wasm/code.js';
import type { AccessPolicy } from './access.js';
import { type CallEnvironment, Calls } from './calls.js';
import { emitDispatch } from './dispatch.js';
import { BlockEnds } from './ends.js';
import { emitEntry } from './entry.js';
import type { FlagState } from './flags.js';
import type { FlowGraph } from './graph/flow-graph.js';
import { type Edge, type StructureEmitter, structure } from './graph/structure.js';
import { Lowering } from './lowering.js';
import { Nodes } from './nodes.js';
import { NEED_WORDS, type Plan } from './plan.js';
import { endsInSync, hasSync, type PlannedBlock } from './planned-block.js';
import { edgesOf } from './region.js';
import { Registers } from './registers.js';
import { Temps } from './temps.js';
import type { Version } from './versions.js';
import type { SourceMark } from './watch.js';
import { WaysOut, type WaysOutEnvironment } from './ways-out.js';

/** Functions and facts from outside that a region's code needs. */
export interface RegionEnvironment extends AccessPolicy, CallEnvironment, WaysOutEnvironment {}

/** What is known at the start of a block that has one way in. */
interface Arrival {
  flags: FlagState;
  held: ReadonlySet<number>;
  count: number;
}

/**
 * Emits a region, some instructions at a time: how many they are is what it yields.
 * @returns undefined when the region's control flow cannot be laid out
 */
export function* emitRegion(
  plan: Plan,
  env: RegionEnvironment,
  marks?: SourceMark[],
): Generator<number, Code | undefined> {
  const emitter = new RegionEmitter(plan, env, marks);
  return (yield* emitter.emit()) ? emitter.code : undefined;
}

class RegionEmitter implements StructureEmitter {
  readonly code = new Code(1, 1 << 14);
  #plan: Plan;
  #graph: FlowGraph;
  #marks: SourceMark[] | undefined;
  #registers: Registers;
  #temps: Temps;
  #lowering: Lowering;
  #out: WaysOut;
  #calls: Calls;
  #nodes: Nodes;
  #ends: BlockEnds;
  #dirty = 0;
  #arrivals = new Map<number, Arrival>();
  #selectorLocal = -1;
  /** Of loops in two versions: local of what `rest` may come down to, and of which one a gate has chosen. */
  #limit = -1;
  #chosen = -1;
  /** Of each open block, loop and if. */
  readonly #isLoop: boolean[] = [];
  /** Least `rest` to go on with at a check. */
  #least: number;

  constructor(plan: Plan, env: RegionEnvironment, marks: SourceMark[] | undefined) {
    const { code } = this;
    this.#plan = plan;
    this.#graph = plan.graph;
    this.#marks = marks;
    this.#least = plan.longest * RECORD_SIZE;
    const rest = code.local('i32', 'rest');
    this.#registers = new Registers(code, plan.used, plan.pairs);
    this.#out = new WaysOut(code, rest, this.#registers, env, () => this.#lowering);
    this.#temps = new Temps(code);
    this.#lowering = new Lowering(code, this.#registers, this.#temps, this.#out, env);
    this.#calls = new Calls(plan, env, this.#lowering, this.#out, this.#least);
    this.#nodes = new Nodes(plan);
    this.#ends = new BlockEnds({
      code,
      plan,
      nodes: this.#nodes,
      registers: this.#registers,
      lowering: this.#lowering,
      out: this.#out,
      calls: this.#calls,
      region: (root) => env.region(root),
    });
  }

  *emit(): Generator<number, boolean> {
    yield 0;
    this.#ends.viaDoor = emitEntry(this.code, this.#plan, this.#registers, this.#out, this.#least);
    this.#out.open(this.#nodes.dirtySets());
    yield 0;
    const blocks = structure(this.#graph, this, (node) => this.#nodes.isMultiway(node));
    for (;;) {
      const { done, value } = blocks.next();
      if (done) {
        if (value) this.#out.close();
        return value;
      }
      yield this.#nodes.planned(value)?.steps.length ?? 0;
    }
  }

  // Structure

  openBlock(): number {
    this.#isLoop.push(false);
    return this.code.block();
  }

  openLoop(header: number): number {
    this.#isLoop.push(true);
    const { roles } = this.#plan;
    const role = roles.get(header);
    if (role?.kind === 'gate') this.#lowering.openLoop([]);
    else {
      const blocks = this.#graph.members(header).flatMap((node) => {
        const planned = this.#nodes.planned(node);
        const of = roles.get(node);
        const isFirst = of === undefined || (of.kind === 'fast' && of.turn === 0);
        return planned === undefined || !isFirst ? [] : [{ planned, depth: this.#graph.loopDepth[node]! }];
      });
      const isKept = blocks.some(({ planned }) => hasSync(planned));
      this.#lowering.openLoop(isKept ? [] : blocks, role?.version);
    }
    return this.code.loop();
  }

  openIf(block: number, negated: boolean): void {
    this.#isLoop.push(false);
    this.#pushCondition(block, negated);
    this.#lowering.endBlock();
    this.code.if();
  }

  #pushCondition(node: number, negated: boolean): void {
    const { code } = this;
    if (!this.#nodes.isGlue(node)) {
      this.#lowering.pushCondition(negated);
      return;
    }
    if (this.#plan.roles.get(node)!.kind === 'gate') code.get(this.#chosen);
    else {
      code.get(this.#out.rest);
      code.get(this.#limit);
      code.op('i32.gt_s');
    }
    if (negated) code.op('i32.eqz');
  }

  close(): void {
    this.code.end();
    if (this.#isLoop.pop()) this.#lowering.closeLoop();
  }

  body(block: number): void {
    this.#arrive(block);
    const planned = this.#nodes.planned(block);
    if (planned === undefined) {
      this.#glue(block);
      return;
    }
    const role = this.#plan.roles.get(block);
    if (role !== undefined && role.kind !== 'fast') {
      if (role.kind === 'gate') this.#gate(role.version);
      this.#prepareEdges(block);
      return;
    }
    this.#lowering.beginBlock(this.#plan.origin[block]!, planned.groups, planned.speculation, role);
    for (const step of planned.steps) {
      this.#out.step = step;
      this.#marks?.push({ offset: this.code.length, address: step.instruction.address });
      if (step.byInterpreter) this.#calls.byInterpreter(step);
      else if (step.string !== undefined) this.#calls.stringMove(step);
      else {
        this.#lowering.instruction(step);
        this.#out.executed++;
      }
    }
    this.#ends.end(planned, planned.dirtyOut);
    this.#dirty = endsInSync(planned.block) ? 0 : planned.dirtyOut;
    this.#prepareEdges(block);
  }

  #gate(version: Version): void {
    if (this.#limit < 0) {
      this.#limit = this.code.local('i32', 'limit');
      this.#chosen = this.code.local('i32', 'chosen');
    }
    this.#lowering.gate(version, this.#out.rest, this.#least, this.#chosen, this.#limit);
  }

  /** Nodes without instructions. */
  #glue(node: number): void {
    const { route, dispatch } = this.#plan;
    if (route[node]! >= 0) {
      this.code.i32(route[node]!);
      this.code.set(this.#selector());
    }
    if (this.#nodes.isDispatch(node)) this.#dirty = dispatch!.dirty;
    if (this.#graph.successors[node]!.length > 0) this.#prepareEdges(node);
  }

  #selector(): number {
    if (this.#selectorLocal < 0) this.#selectorLocal = this.code.local('i32', 'selector');
    return this.#selectorLocal;
  }

  branchIf(edge: Edge, negated: boolean): void {
    const { code } = this;
    this.#pushCondition(edge.from, negated);
    if (edge.inline) throw new Error('an inline edge is no branch');
    // A turn has just looked at what is left of the slice.
    if (!edge.back || this.#nodes.isGlue(edge.from)) {
      code.brIf(edge.label);
      return;
    }
    code.if();
    this.#backEdge(edge);
    code.br(edge.label);
    code.end();
  }

  jump(edge: Edge): void {
    this.#lowering.endBlock();
    if (edge.inline) return;
    if (edge.back) this.#backEdge(edge);
    this.code.br(edge.label);
  }

  multiway(node: number, edges: readonly Edge[]): void {
    const { code } = this;
    const take = (edge: Edge): void => {
      if (edge.back) this.#backEdge(edge);
      code.br(edge.label);
    };
    if (this.#nodes.isSelector(node)) {
      for (const edge of edges.slice(0, -1)) {
        code.get(this.#selector());
        code.i32(edge.index);
        code.op('i32.eq');
        code.if();
        take(edge);
        code.end();
      }
      take(edges.at(-1)!);
      return;
    }
    const end = this.#nodes.planned(node)?.block.end;
    const targets = this.#nodes.isDispatch(node) ? this.#plan.dispatch!.targets : end === undefined ? [] : edgesOf(end);
    const address = this.#temps.take('i64');
    if (this.#nodes.isDispatch(node) || end?.kind === 'enter') code.get(this.#out.rip);
    else this.#lowering.pushTarget();
    code.set(address);
    emitDispatch(
      code,
      address,
      targets.map((target) => target.address),
      (i) => take(edges[i]!),
    );
    const isJump = ({ block }: PlannedBlock): boolean => block.end.kind === 'indirect';
    this.#ends.noteMiss(
      this.#nodes.isDispatch(node) ? this.#plan.blocks.find(isJump) : this.#nodes.planned(node),
      address,
    );
    this.#out.leaveWords();
    code.get(address);
    code.set(this.#out.rip);
    this.#out.leave(this.#dirty);
    this.#lowering.endBlock();
  }

  exit(block: number): void {
    this.#ends.exit(block, this.#dirty);
  }

  // Blocks

  /**
   * A block that several edges lead to knows nothing of where control came from. One that follows a copy of itself must not:
   * they have the same values.
   */
  #isShared(block: number): boolean {
    const role = this.#plan.roles.get(block);
    if (role?.kind === 'fast' && role.isFirst) return true;
    return this.#graph.predecessors[block]!.length !== 1 || this.#graph.isLoopHeader(block);
  }

  #arrive(block: number): void {
    const lowering = this.#lowering;
    const arrival = this.#arrivals.get(block);
    if (arrival === undefined) {
      lowering.flags = 'inherited';
      this.#temps.restore(new Set());
      this.#out.executed = 0;
      return;
    }
    lowering.flags = copyFlags(arrival.flags);
    this.#temps.restore(arrival.held);
    this.#out.executed = arrival.count;
  }

  /**
   * Before the edges of a block: where one of them leads to a block with other ways in, `rest` is brought up to date and the
   * flags get into the form which that block expects.
   */
  #prepareEdges(block: number): void {
    const lowering = this.#lowering;
    let need = 0;
    let isShared = false;
    for (const to of this.#graph.successors[block]!) {
      if (!this.#isShared(to)) continue;
      isShared = true;
      need |= this.#flagsInto(to);
    }
    if (isShared) {
      if (this.#out.executed > 0) this.#out.updateRest();
      this.#out.settleFlags(need);
    }
    const state: Arrival = { flags: lowering.flags, held: new Set(lowering.heldLocals()), count: this.#out.executed };
    for (const to of this.#graph.successors[block]!) if (!this.#isShared(to)) this.#arrivals.set(to, state);
  }

  #flagsInto(node: number): number {
    const planned = this.#nodes.planned(node);
    if (planned !== undefined) return planned.flagsIn;
    return this.#nodes.isDispatch(node) ? this.#plan.dispatch!.flagsIn : NEED_WORDS;
  }

  #backEdge(edge: Edge): void {
    const { code } = this;
    code.get(this.#out.rest);
    code.i32(this.#least);
    code.op('i32.le_s');
    code.rarely();
    this.#out.leaveFlags();
    this.#leaveAtNode(edge);
    code.end();
  }

  /** Goes out to where a back edge leads. */
  #leaveAtNode({ from, to }: Edge): void {
    const node = this.#nodes.isSelector(to) ? this.#graph.successors[to]![this.#plan.route[from]!]! : to;
    const planned = this.#nodes.planned(node);
    const isGlue =
      (this.#nodes.planned(from) === undefined && !this.#nodes.isDispatch(from)) || this.#nodes.isGlue(from);
    if (this.#nodes.isDispatch(node)) this.#out.leave(isGlue ? this.#plan.dispatch!.dirty : this.#dirty);
    else this.#out.leaveTo(planned!.block.address, isGlue ? planned!.dirtyIn : this.#dirty);
  }
}

/** Flags at the end of a block, for the start of one behind it. */
function copyFlags(flags: FlagState): FlagState {
  if (typeof flags !== 'object') return flags;
  // Another path from there may have moved them since, or a copy of the block has been emitted.
  for (const { value, local } of flags.aliases) value.local = local;
  for (const [value, local] of flags.held) value.local = local;
  return { ...flags, aliases: [...flags.aliases], held: new Map(flags.held) };
}
