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
import { RIP } from '../state.js';
import { Code } from '../wasm/code.js';
import type { AccessPolicy } from './access.js';
import { type CallEnvironment, Calls, ROOM } from './calls.js';
import { emitDispatch } from './dispatch.js';
import type { FlagState } from './flags.js';
import type { FlowGraph } from './graph/flow-graph.js';
import { type Edge, type StructureEmitter, structure } from './graph/structure.js';
import { DOOR, KIND_ROOM, KIND_STEP, MISSED_AT, MISSED_TO, REST, STOP_KIND, UNWIND } from './layout.js';
import { Lowering } from './lowering.js';
import { NEED_WORDS, type Plan } from './plan.js';
import { hasSync, type PlannedBlock } from './planned-block.js';
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
  #env: RegionEnvironment;
  #marks: SourceMark[] | undefined;
  #registers: Registers;
  #temps: Temps;
  #lowering: Lowering;
  #out: WaysOut;
  #calls: Calls;
  #dirty = 0;
  #arrivals = new Map<number, Arrival>();
  #selectorLocal = -1;
  /** Local that is not 0 when the region was entered at a door; −1 when it has none. */
  #viaDoor = -1;
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
    this.#env = env;
    this.#marks = marks;
    this.#least = plan.longest * RECORD_SIZE;
    const rest = code.local('i32', 'rest');
    this.#registers = new Registers(code, plan.used, plan.pairs);
    this.#out = new WaysOut(code, rest, this.#registers, env, () => this.#lowering);
    this.#temps = new Temps(code);
    this.#lowering = new Lowering(code, this.#registers, this.#temps, this.#out, env);
    this.#calls = new Calls(plan, env, this.#lowering, this.#out, this.#least);
  }

  *emit(): Generator<number, boolean> {
    this.#prologue();
    this.#out.open(this.#dirtySets());
    const blocks = structure(this.#graph, this, (node) => this.#isMultiway(node));
    for (;;) {
      const { done, value } = blocks.next();
      if (done) {
        if (value) this.#out.close();
        return value;
      }
      yield this.#planned(value)?.steps.length ?? 0;
    }
  }

  #planned(node: number): PlannedBlock | undefined {
    return this.#plan.blocks[this.#plan.origin[node]!];
  }

  /** The node where indirect jumps meet. */
  #isDispatch(node: number): boolean {
    return this.#plan.dispatch !== undefined && this.#plan.origin[node] === this.#plan.dispatch.node;
  }

  /** A node that versions have brought, without code of the guest. */
  #isGlue(node: number): boolean {
    return (this.#plan.roles.get(node)?.kind ?? 'fast') !== 'fast';
  }

  /** A node that chooses where to go by the number in `#selector`. */
  #isSelector(node: number): boolean {
    return this.#plan.origin[node]! < 0 && this.#plan.route[node]! < 0;
  }

  #isMultiway(node: number): boolean {
    if (this.#isDispatch(node) || this.#isSelector(node)) return true;
    if (this.#isGlue(node)) return false;
    const kind = this.#planned(node)?.block.end.kind;
    if (kind === 'enter') return this.#graph.successors[node]!.length > 1;
    return kind === 'indirect' && this.#plan.dispatch === undefined;
  }

  /** All sets of registers that some way out writes back. */
  #dirtySets(): Set<number> {
    const sets = new Set<number>([0]);
    for (const { steps, dirtyIn, dirtyOut } of this.#plan.blocks) {
      for (const { dirty } of steps) sets.add(dirty);
      sets.add(dirtyIn);
      sets.add(dirtyOut);
    }
    if (this.#plan.dispatch !== undefined) sets.add(this.#plan.dispatch.dirty);
    return sets;
  }

  #prologue(): void {
    const { code } = this;
    const { region, blocks } = this.#plan;
    const hasDoors = region.doors.length > 0;
    if (hasDoors) this.#whichDoor();
    code.i32(0);
    code.memory('i32.load', REST);
    code.tee(this.#out.rest);
    code.i32(this.#least);
    code.op('i32.le_s');
    code.rarely();
    if (hasDoors) code.get(this.#out.rip);
    else code.i64(region.root);
    code.return();
    code.end();
    code.get(ROOM);
    code.i32(0);
    code.op('i32.lt_s');
    code.rarely();
    // Were it only refused, each caller would go on from there with what room it has left: one call at a time.
    code.i32(0);
    code.i32(KIND_ROOM);
    code.memory('i32.store', STOP_KIND);
    code.i32(0);
    if (hasDoors) code.get(this.#out.rip);
    else code.i64(region.root);
    code.memory('i64.store', RIP);
    code.i64(UNWIND);
    code.return();
    code.end();
    this.#registers.load(blocks[0]!.liveIn);
  }

  /** rip = where the region is entered. */
  #whichDoor(): void {
    const { code } = this;
    this.#viaDoor = code.local('i32');
    code.i32(0);
    code.memory('i64.load', DOOR);
    code.tee(this.#out.rip);
    code.op('i64.eqz');
    code.if();
    code.i64(this.#plan.region.root);
    code.set(this.#out.rip);
    code.else();
    code.i32(1);
    code.set(this.#viaDoor);
    code.i32(0);
    code.i64(0);
    code.memory('i64.store', DOOR);
    code.end();
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
        const planned = this.#planned(node);
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
    if (!this.#isGlue(node)) {
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
    const planned = this.#planned(block);
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
    this.#dirty = planned.dirtyOut;
    this.#end(planned);
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
    if (this.#isDispatch(node)) this.#dirty = dispatch!.dirty;
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
    if (!edge.back || this.#isGlue(edge.from)) {
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
    if (this.#isSelector(node)) {
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
    const end = this.#planned(node)?.block.end;
    const targets = this.#isDispatch(node) ? this.#plan.dispatch!.targets : end === undefined ? [] : edgesOf(end);
    const address = this.#temps.take('i64');
    if (this.#isDispatch(node) || end?.kind === 'enter') code.get(this.#out.rip);
    else this.#lowering.pushTarget();
    code.set(address);
    emitDispatch(
      code,
      address,
      targets.map((target) => target.address),
      (i) => take(edges[i]!),
    );
    const isJump = ({ block }: PlannedBlock): boolean => block.end.kind === 'indirect';
    this.#noteMiss(this.#isDispatch(node) ? this.#plan.blocks.find(isJump) : this.#planned(node), address);
    this.#out.leaveWords();
    code.get(address);
    code.set(this.#out.rip);
    this.#out.leave(this.#dirty);
    this.#lowering.endBlock();
  }

  /** For the profile, an indirect jump to a place that the region does not have. Where jumps meet, any of them will do. */
  #noteMiss(jump: PlannedBlock | undefined, target: number): void {
    const { code } = this;
    const at = jump?.steps.at(-1)?.instruction.address;
    if (at === undefined) return;
    code.i32(0);
    code.i64(at);
    code.memory('i64.store', MISSED_AT);
    code.i32(0);
    code.get(target);
    code.memory('i64.store', MISSED_TO);
  }

  exit(block: number): void {
    const planned = this.#planned(block);
    if (planned === undefined) {
      const { from, address } = this.#plan.leaving[this.#plan.origin[block]! - this.#plan.blocks.length]!;
      const { dirtyOut } = this.#plan.blocks[from]!;
      const func = this.#env.region(address);
      if (func === undefined) {
        this.#out.leaveWords();
        this.#out.leaveTo(address, dirtyOut);
      } else this.#calls.chain(func, dirtyOut);
      return;
    }
    const { end } = planned.block;
    switch (end.kind) {
      case 'return':
        if (this.#lowering.flags !== 'inherited') {
          this.#return();
          break;
        }
        this.#leaveToTarget();
        break;
      case 'indirect':
        this.#leaveToTarget();
        break;
      case 'stop':
        // The last instruction has left already, if it is one that stops.
        this.#out.leaveFlags();
        this.#out.setKind(KIND_STEP);
        this.#out.leaveTo(planned.steps.at(-1)?.instruction.address ?? planned.block.address, this.#dirty);
        break;
      case 'guessed':
        this.#out.leaveWords();
        this.#out.leaveTo(end.to.address, this.#dirty);
        break;
      case 'call':
      case 'indirectCall':
        this.#out.leaveWords();
        this.#out.leaveTo(end.next.address, 0);
        break;
      default:
        throw new Error(`no way on from ${end.kind}`);
    }
    this.#lowering.endBlock();
  }

  /** A return goes round inside of the region only if there is no caller that waits for it: behind a door. */
  #returnToCaller(): void {
    const { code } = this;
    code.get(this.#viaDoor);
    code.op('i32.eqz');
    code.if();
    this.#leaveToTarget();
    code.end();
  }

  #leaveToTarget(): void {
    this.#out.leaveWords();
    this.#lowering.pushTarget();
    this.code.set(this.#out.rip);
    this.#out.leave(this.#dirty);
  }

  /** The return of a function, which is no rare way out: it has no reason to tell, and its flags are in the words. */
  #return(): void {
    const { code } = this;
    this.#out.leaveWords();
    this.#registers.store(this.#dirty);
    code.i32(0);
    code.get(this.#out.rest);
    code.i32(this.#out.executed * RECORD_SIZE);
    code.op('i32.sub');
    code.memory('i32.store', REST);
    this.#lowering.pushTarget();
    code.return();
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
    const planned = this.#planned(node);
    if (planned !== undefined) return planned.flagsIn;
    return this.#isDispatch(node) ? this.#plan.dispatch!.flagsIn : NEED_WORDS;
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
    const node = this.#isSelector(to) ? this.#graph.successors[to]![this.#plan.route[from]!]! : to;
    const planned = this.#planned(node);
    const isGlue = (this.#planned(from) === undefined && !this.#isDispatch(from)) || this.#isGlue(from);
    if (this.#isDispatch(node)) this.#out.leave(isGlue ? this.#plan.dispatch!.dirty : this.#dirty);
    else this.#out.leaveTo(planned!.block.address, isGlue ? planned!.dirtyIn : this.#dirty);
  }

  // Ends of blocks

  #end(planned: PlannedBlock): void {
    const { end } = planned.block;
    const { code } = this;
    switch (end.kind) {
      case 'guessed':
        this.#lowering.pushTarget();
        code.i64(end.to.address);
        code.op('i64.ne');
        code.rarely();
        this.#out.leaveWords();
        this.#lowering.pushTarget();
        code.set(this.#out.rip);
        if (planned.steps.at(-1)?.instruction.flow !== 'return') this.#noteMiss(planned, this.#out.rip);
        this.#out.leave(this.#dirty);
        code.end();
        this.#lowering.endBlock();
        return;
      case 'call':
        this.#calls.call(end.callee, end.next, this.#dirty);
        this.#dirty = 0;
        return;
      case 'indirectCall':
        this.#calls.indirectCall(end.targets, end.next, this.#dirty);
        this.#dirty = 0;
        return;
      case 'indirect':
        if (this.#plan.dispatch === undefined || end.targets.length === 0) return;
        if (this.#viaDoor >= 0 && planned.steps.at(-1)?.instruction.flow === 'return') this.#returnToCaller();
        this.#lowering.pushTarget();
        code.set(this.#out.rip);
        this.#lowering.endBlock();
        return;
      default:
    }
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
