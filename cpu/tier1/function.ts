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

import { CONTROL_BITS, CONTROL_DEFAULT } from '../ir/builder.js';
import { RECORD_SIZE } from '../record.js';
import { FUEL, MXCSR, PAGE_SIZE, PAGE_VA, RESYNC, RIP, SLOW_EA } from '../state.js';
import { Code } from '../wasm/code.js';
import type { AccessPolicy } from './access.js';
import { type FlagSource, type FlagState, registersOf } from './flags.js';
import type { FlowGraph } from './graph/flow-graph.js';
import { type Edge, type StructureEmitter, structure } from './graph/structure.js';
import { FRAME_BYTES, KIND_RECORD, KIND_STEP, NEXT_RECORD, REST, STALE_FLAGS, STOP_KIND, UNWIND } from './layout.js';
import { Lowering } from './lowering.js';
import { NEED_EXIT, NEED_WORDS, NEED_WRITTEN_SHIFT, type Plan, type PlannedBlock } from './plan.js';
import type { Edge as RegionEdge } from './region.js';
import { Registers } from './registers.js';
import { type Relocation, WIDTH } from './relocation.js';
import type { Step } from './step.js';
import { Temps } from './temps.js';
import type { SourceMark } from './watch.js';

/** Functions and facts from outside that a region's code needs. */
export interface RegionEnvironment extends AccessPolicy {
  /** Function index of the region at a root, if it is in the same module. */
  region(root: number): number | undefined;
  /** (record, handler) → next record: executes one instruction in tier 0. */
  stepFunction: number;
  /** () : brings stale flag words up to date. */
  flagsFunction: number;
  /** (address, back, room) → address: see tier0/regions.ts. */
  onwardFunction: number;
  /** Record of an instruction in tier 0, and its function-mode handler; record 0 when it has none. */
  record(address: number): number;
  handler(step: Step): number;
  /** Number of a flag source, for TypeScript. */
  flagSource(source: FlagSource): number;
}

/** Parameter: bytes of the host's stack that calls may still take. */
const ROOM = 0;
/** The baseline compiler keeps every local on the stack. */
const LOCAL_BYTES = 8;

/** What is known at the start of a block that has one way in. */
interface Arrival {
  flags: FlagState;
  held: ReadonlySet<number>;
  count: number;
}

/** @returns undefined when the region's control flow cannot be laid out */
export function emitRegion(plan: Plan, env: RegionEnvironment, marks?: SourceMark[]): Code | undefined {
  const emitter = new RegionEmitter(plan, env, marks);
  return emitter.emit() ? emitter.code : undefined;
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
  #rest: number;
  /** i64 where to go, i32 executed since `rest` was right (× 32), i32 KIND_*, i32 flag source, i64 address accessed. */
  #rip: number;
  #used: number;
  #kind: number;
  #stale: number;
  #access: number;
  /** Labels of the ways out by the registers that they write back. */
  #ways = new Map<number, number>();
  /** Instructions executed since `rest` was right. */
  #count = 0;
  #step: Step | undefined;
  #dirty = 0;
  #arrivals = new Map<number, Arrival>();
  #selectorLocal = -1;
  /** Least `rest` to go on with at a check. */
  #least: number;
  /** Bytes of the host's stack that a call takes: guessed before all locals are known. */
  #frame: number;

  constructor(plan: Plan, env: RegionEnvironment, marks: SourceMark[] | undefined) {
    const { code } = this;
    this.#plan = plan;
    this.#graph = plan.graph;
    this.#env = env;
    this.#marks = marks;
    this.#least = plan.region.size * RECORD_SIZE;
    this.#frame = FRAME_BYTES + LOCAL_BYTES * 2 * (16 + popcount(plan.used));
    this.#rest = code.local('i32', 'rest');
    this.#registers = new Registers(code, plan.used, plan.pairs);
    this.#rip = code.local('i64', 'rip');
    this.#used = code.local('i32', 'used');
    this.#kind = code.local('i32', 'kind');
    this.#stale = code.local('i32', 'stale');
    this.#access = code.local('i64', 'access');
    this.#temps = new Temps(code);
    this.#lowering = new Lowering(code, this.#registers, this.#temps, this, env);
  }

  emit(): boolean {
    const { code } = this;
    this.#prologue();
    const end = code.block();
    const sets = [...this.#dirtySets()];
    for (const set of sets) this.#ways.set(set, code.block());
    if (!structure(this.#graph, this, (node) => this.#isMultiway(node))) return false;
    for (const set of sets.reverse()) {
      code.end();
      this.#registers.store(set);
      code.br(end);
    }
    code.end();
    this.#epilogue();
    return true;
  }

  #planned(node: number): PlannedBlock | undefined {
    return this.#plan.blocks[this.#plan.origin[node]!];
  }

  /** The node where indirect jumps meet. */
  #isDispatch(node: number): boolean {
    return this.#plan.dispatch !== undefined && this.#plan.origin[node] === this.#plan.dispatch.node;
  }

  /** A node that chooses where to go by the number in `#selector`. */
  #isSelector(node: number): boolean {
    return this.#plan.origin[node]! < 0 && this.#plan.route[node]! < 0;
  }

  #isMultiway(node: number): boolean {
    if (this.#isDispatch(node) || this.#isSelector(node)) return true;
    return this.#planned(node)?.block.end.kind === 'indirect' && this.#plan.dispatch === undefined;
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
    code.i32(0);
    code.memory('i32.load', REST);
    code.tee(this.#rest);
    code.i32(this.#least);
    code.op('i32.le_s');
    code.get(ROOM);
    code.i32(0);
    code.op('i32.lt_s');
    code.op('i32.or');
    code.if();
    code.i64(region.root);
    code.return();
    code.end();
    this.#registers.load(blocks[0]!.liveIn);
  }

  /** Registers are in memory: the slice, the flags, the reason. */
  #epilogue(): void {
    const { code } = this;
    code.i32(0);
    code.get(this.#rest);
    code.get(this.#used);
    code.op('i32.sub');
    code.memory('i32.store', REST);
    code.get(this.#stale);
    code.if();
    code.i32(0);
    code.get(this.#stale);
    code.memory('i32.store', STALE_FLAGS);
    code.call(this.#env.flagsFunction);
    code.end();
    code.get(this.#kind);
    code.if();
    code.i32(0);
    code.get(this.#kind);
    code.memory('i32.store', STOP_KIND);
    code.i32(0);
    code.get(this.#rip);
    code.memory('i64.store', RIP);
    code.i32(0);
    code.get(this.#access);
    code.memory('i64.store', SLOW_EA);
    code.i64(UNWIND);
    code.return();
    code.end();
    code.get(this.#rip);
  }

  // Ways out

  stop(kind: number, address: number, relocation?: Relocation): void {
    const { code } = this;
    const step = this.#step!;
    if (address >= 0) {
      code.get(address);
      code.set(this.#access);
    }
    this.#constant(kind, relocation);
    code.set(this.#kind);
    this.#leaveFlags();
    this.#leaveTo(step.instruction.address, step.dirty);
  }

  leaveAt(step: Step, count: number): void {
    const [now, executed] = [this.#step, this.#count];
    this.#step = step;
    this.#count = count;
    this.stop(KIND_STEP, -1);
    this.#step = now;
    this.#count = executed;
  }

  count(): number {
    return this.#count;
  }

  /** Pushes an i32 that may be another one in another run. */
  #constant(value: number, relocation: Relocation | undefined): void {
    if (relocation === undefined) this.code.i32(value);
    else this.code.i32At(value, WIDTH[relocation.kind], relocation);
  }

  #pushFlagSource(source: FlagSource): void {
    this.#constant(this.#env.flagSource(source), { kind: 'flags', source });
  }

  /** Goes out to a constant address with these registers dirty. */
  #leaveTo(address: number, dirty: number): void {
    this.code.i64(address);
    this.code.set(this.#rip);
    this.#leave(dirty);
  }

  /** Goes out to the address in `rip`. */
  #leave(dirty: number): void {
    const { code } = this;
    code.i32(this.#count * RECORD_SIZE);
    code.set(this.#used);
    code.br(this.#ways.get(dirty)!);
  }

  /** On a way out that is taken often: the flag words, computed here. */
  #leaveWords(): void {
    const { flags } = this.#lowering;
    if (flags === 'inherited') return;
    if (typeof flags === 'object') this.#lowering.emitWords(flags);
    this.code.i32(0);
    this.code.set(this.#stale);
  }

  /** On a rare way out: the flag words, or the number of what they come from. */
  #leaveFlags(): void {
    const { code } = this;
    const { flags } = this.#lowering;
    if (flags === 'inherited') return;
    if (typeof flags === 'object' && flags.source !== undefined) {
      this.#pushFlagSource(flags.source);
      code.set(this.#stale);
      return;
    }
    if (typeof flags === 'object') this.#lowering.emitWords(flags);
    code.i32(0);
    code.set(this.#stale);
  }

  // Structure

  openBlock(): number {
    return this.code.block();
  }

  openLoop(): number {
    return this.code.loop();
  }

  openIf(_block: number, negated: boolean): void {
    this.#lowering.pushCondition(negated);
    this.#lowering.endBlock();
    this.code.if();
  }

  close(): void {
    this.code.end();
  }

  body(block: number): void {
    this.#arrive(block);
    const planned = this.#planned(block);
    if (planned === undefined) {
      this.#glue(block);
      return;
    }
    this.#lowering.beginBlock(planned.groups, planned.speculation);
    for (const step of planned.steps) {
      this.#step = step;
      this.#marks?.push({ offset: this.code.length, address: step.instruction.address });
      if (step.byInterpreter) this.#byInterpreter(step);
      else {
        this.#lowering.instruction(step);
        this.#count++;
      }
    }
    this.#dirty = planned.dirtyOut;
    this.#end(planned);
    this.#prepareEdges(block);
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
    this.#lowering.pushCondition(negated);
    if (edge.inline) throw new Error('an inline edge is no branch');
    if (!edge.back) {
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
    const targets = this.#isDispatch(node) ? this.#plan.dispatch!.targets : end?.kind === 'indirect' ? end.targets : [];
    const address = this.#temps.take('i64');
    if (this.#isDispatch(node)) code.get(this.#rip);
    else this.#lowering.pushTarget();
    code.set(address);
    this.#dispatch(
      address,
      targets.map((target) => target.address),
      (i) => take(edges[i]!),
    );
    this.#leaveWords();
    code.get(address);
    code.set(this.#rip);
    this.#leave(this.#dirty);
    this.#lowering.endBlock();
  }

  exit(block: number): void {
    const planned = this.#planned(block);
    if (planned === undefined) {
      const { from, address } = this.#plan.leaving[this.#plan.origin[block]! - this.#plan.blocks.length]!;
      const { dirtyOut } = this.#plan.blocks[from]!;
      const func = this.#env.region(address);
      if (func === undefined) {
        this.#leaveWords();
        this.#leaveTo(address, dirtyOut);
      } else this.#chain(func, dirtyOut);
      return;
    }
    const { end } = planned.block;
    switch (end.kind) {
      case 'return':
      case 'indirect':
        this.#leaveWords();
        this.#lowering.pushTarget();
        this.code.set(this.#rip);
        this.#leave(this.#dirty);
        break;
      case 'stop':
        // The last instruction has left already, if it is one that stops.
        this.#leaveFlags();
        this.code.i32(KIND_STEP);
        this.code.set(this.#kind);
        this.#leaveTo(planned.steps.at(-1)?.instruction.address ?? planned.block.address, this.#dirty);
        break;
      case 'inlineReturn':
        this.#leaveWords();
        this.#leaveTo(end.to.address, this.#dirty);
        break;
      case 'call':
      case 'indirectCall':
        this.#leaveWords();
        this.#leaveTo(end.next.address, 0);
        break;
      default:
        throw new Error(`no way on from ${end.kind}`);
    }
    this.#lowering.endBlock();
  }

  /** Goes on in another region instead of leaving to the run loop. */
  #chain(func: number, dirty: number): void {
    this.#wordsForSync();
    this.#sync(dirty);
    this.#storeRest();
    this.code.get(ROOM);
    this.code.returnCall(func);
  }

  // Blocks

  /** A block that several edges lead to knows nothing of where control came from. */
  #isShared(block: number): boolean {
    return this.#graph.predecessors[block]!.length !== 1 || this.#graph.isLoopHeader(block);
  }

  #arrive(block: number): void {
    const lowering = this.#lowering;
    const arrival = this.#arrivals.get(block);
    if (arrival === undefined) {
      lowering.flags = 'inherited';
      this.#temps.restore(new Set());
      this.#count = 0;
      return;
    }
    lowering.flags = copyFlags(arrival.flags);
    this.#temps.restore(arrival.held);
    this.#count = arrival.count;
  }

  /**
   * Before the edges of a block: where one of them leads to a block with other ways in, `rest` is brought up to date and the
   * flags get into the form which that block expects.
   */
  #prepareEdges(block: number): void {
    const { code } = this;
    const lowering = this.#lowering;
    let need = 0;
    let isShared = false;
    for (const to of this.#graph.successors[block]!) {
      if (!this.#isShared(to)) continue;
      isShared = true;
      need |= this.#flagsInto(to);
    }
    if (isShared) {
      if (this.#count > 0) {
        code.get(this.#rest);
        code.i32(this.#count * RECORD_SIZE);
        code.op('i32.sub');
        code.set(this.#rest);
        this.#count = 0;
      }
      this.#settleFlags(need);
    }
    const state: Arrival = { flags: lowering.flags, held: new Set(lowering.heldLocals()), count: this.#count };
    for (const to of this.#graph.successors[block]!) if (!this.#isShared(to)) this.#arrivals.set(to, state);
  }

  #flagsInto(node: number): number {
    const planned = this.#planned(node);
    if (planned !== undefined) return planned.flagsIn;
    return this.#isDispatch(node) ? this.#plan.dispatch!.flagsIn : NEED_WORDS;
  }

  #settleFlags(need: number): void {
    const { code } = this;
    const lowering = this.#lowering;
    const { flags } = lowering;
    if (flags === 'inherited' || (need & (NEED_EXIT | NEED_WORDS)) === 0) return;
    if (
      typeof flags === 'object' &&
      (need & NEED_WORDS) === 0 &&
      flags.source !== undefined &&
      (registersOf(flags.source) & (need >>> NEED_WRITTEN_SHIFT)) === 0
    ) {
      this.#pushFlagSource(flags.source);
      code.set(this.#stale);
      return;
    }
    // The condition of the block's end still comes from the pending operation.
    if (typeof flags === 'object') lowering.emitWords(flags);
    code.i32(0);
    code.set(this.#stale);
  }

  #backEdge(edge: Edge): void {
    const { code } = this;
    code.get(this.#rest);
    code.i32(this.#least);
    code.op('i32.le_s');
    code.if();
    this.#leaveFlags();
    this.#leaveAtNode(edge);
    code.end();
  }

  /** Goes out to where a back edge leads. */
  #leaveAtNode({ from, to }: Edge): void {
    const node = this.#isSelector(to) ? this.#graph.successors[to]![this.#plan.route[from]!]! : to;
    const planned = this.#planned(node);
    const isGlue = this.#planned(from) === undefined && !this.#isDispatch(from);
    if (this.#isDispatch(node)) this.#leave(isGlue ? this.#plan.dispatch!.dirty : this.#dirty);
    else this.#leaveTo(planned!.block.address, isGlue ? planned!.dirtyIn : this.#dirty);
  }

  // Ends of blocks

  #end(planned: PlannedBlock): void {
    const { end } = planned.block;
    const { code } = this;
    switch (end.kind) {
      case 'inlineReturn':
        this.#lowering.pushTarget();
        code.i64(end.to.address);
        code.op('i64.ne');
        code.if();
        this.#leaveWords();
        this.#lowering.pushTarget();
        code.set(this.#rip);
        this.#leave(this.#dirty);
        code.end();
        this.#lowering.endBlock();
        return;
      case 'call':
        this.#call(end.callee, end.next);
        return;
      case 'indirectCall':
        this.#indirectCall(end.targets, end.next);
        return;
      case 'indirect':
        if (this.#plan.dispatch === undefined || end.targets.length === 0) return;
        this.#lowering.pushTarget();
        code.set(this.#rip);
        this.#lowering.endBlock();
        return;
      default:
    }
  }

  /** Everything to memory, as a callee or tier 0 wants it. */
  #sync(dirty: number): void {
    const { code } = this;
    this.#lowering.materialize();
    if (this.#lowering.flags === 'inherited') throw new Error('flags are not in memory');
    this.#registers.store(dirty);
    code.get(this.#rest);
    code.i32(this.#count * RECORD_SIZE);
    code.op('i32.sub');
    code.set(this.#rest);
    this.#count = 0;
  }

  #storeRest(): void {
    this.code.i32(0);
    this.code.get(this.#rest);
    this.code.memory('i32.store', REST);
  }

  #call(callee: number, back: RegionEdge): void {
    const func = this.#env.region(callee);
    this.#wordsForSync();
    this.#sync(this.#dirty);
    this.#storeRest();
    if (func === undefined) {
      this.code.i64(callee);
      this.code.set(this.#rip);
    } else this.#callRegion(func);
    this.#untilBack(back.address);
    this.#reload(back);
  }

  #pushRoom(): void {
    this.code.get(ROOM);
    this.code.i32(this.#frame);
    this.code.op('i32.sub');
  }

  /** rip = where a region has led. */
  #callRegion(func: number): void {
    this.#pushRoom();
    this.code.call(func);
    this.code.set(this.#rip);
  }

  /** Goes on from `rip` until control is back here; leaves when it does not come. */
  #untilBack(back: number): void {
    const { code } = this;
    code.get(this.#rip);
    code.i64(back);
    code.op('i64.ne');
    code.if();
    code.get(this.#rip);
    code.i64(back);
    this.#pushRoom();
    code.call(this.#env.onwardFunction);
    code.tee(this.#rip);
    code.i64(back);
    code.op('i64.ne');
    code.if();
    // Whatever happened has been written to memory: hand on what was said.
    code.get(this.#rip);
    code.return();
    code.end();
    code.end();
  }

  #indirectCall(targets: readonly number[], back: RegionEdge): void {
    const { code } = this;
    this.#lowering.pushTarget();
    code.set(this.#rip);
    this.#wordsForSync();
    this.#sync(this.#dirty);
    this.#storeRest();
    const done = code.block();
    for (const target of targets) {
      const func = this.#env.region(target);
      if (func === undefined) continue;
      code.get(this.#rip);
      code.i64(target);
      code.op('i64.eq');
      code.if();
      this.#callRegion(func);
      code.br(done);
      code.end();
    }
    code.end();
    this.#untilBack(back.address);
    this.#lowering.endBlock();
    this.#reload(back);
  }

  #unreachable(): void {
    this.code.u8(0x00);
  }

  /** Inherited flags are in memory already where the plan asked for it. */
  #wordsForSync(): void {
    if (this.#lowering.flags === 'inherited') this.#lowering.flags = 'words';
  }

  #reload({ block, address }: RegionEdge): void {
    const { code } = this;
    code.i32(0);
    code.memory('i32.load', REST);
    code.set(this.#rest);
    if (this.#plan.defaultSse) {
      code.i32(0);
      this.#orOtherControl();
      code.if();
      this.#leaveClean(address);
      code.end();
    }
    this.#registers.load(block < 0 ? 0 : this.#plan.blocks[block]!.liveIn);
    this.#lowering.flags = 'words';
    this.#dirty = 0;
  }

  /** One instruction in tier 0, from inside of the region. */
  #byInterpreter(step: Step): void {
    const { code } = this;
    const { address, length } = step.instruction;
    const record = this.#env.record(address);
    const isCall = step.instruction.flow === 'syscall';
    const next = isCall ? this.#env.record(address + length) : record + RECORD_SIZE;
    this.#wordsForSync();
    if (record === 0 || next === 0) {
      this.#leaveFlags();
      code.i32(KIND_STEP);
      code.set(this.#kind);
      this.#leaveTo(address, step.dirty);
      this.#unreachable();
      return;
    }
    this.#sync(step.dirty);
    code.i32(0);
    code.i64(Math.floor(address / PAGE_SIZE) * PAGE_SIZE);
    code.memory('i64.store', PAGE_VA);
    const here: Relocation = { kind: 'record', address, distance: 0 };
    const behind: Relocation = isCall
      ? { kind: 'record', address: address + length, distance: 0 }
      : { kind: 'record', address, distance: RECORD_SIZE };
    code.i32(0);
    code.get(this.#rest);
    this.#constant(record, here);
    code.op('i32.add');
    code.memory('i32.store', FUEL);
    const after = this.#temps.take('i32');
    this.#constant(record, here);
    code.i32(this.#env.handler(step));
    code.call(this.#env.stepFunction);
    code.tee(after);
    this.#constant(next, behind);
    code.op('i32.ne');
    code.i32(0);
    code.memory('i32.load', RESYNC);
    code.op('i32.or');
    code.if();
    code.i32(0);
    code.get(after);
    code.memory('i32.store', NEXT_RECORD);
    code.i32(0);
    code.i32(KIND_RECORD);
    code.memory('i32.store', STOP_KIND);
    code.i64(UNWIND);
    code.return();
    code.end();
    code.i32(0);
    code.memory('i32.load', FUEL);
    this.#constant(next, behind);
    code.op('i32.sub');
    code.tee(this.#rest);
    code.i32(this.#least);
    code.op('i32.le_s');
    this.#orOtherControl();
    code.if();
    // The rest of the slice is tier 0's.
    this.#leaveClean(address + length);
    code.end();
    this.#registers.load(step.live);
    this.#lowering.flags = 'words';
    this.#lowering.endBlock();
  }

  /** Pushes, with what is on the stack: rounding or masks have changed, which this region's code does not follow. */
  #orOtherControl(): void {
    if (!this.#plan.defaultSse) return;
    const { code } = this;
    code.i32(0);
    code.memory('i32.load', MXCSR);
    code.i32(CONTROL_BITS);
    code.op('i32.and');
    code.i32(CONTROL_DEFAULT);
    code.op('i32.ne');
    code.op('i32.or');
  }

  /** Goes out to an address when everything is in memory. */
  #leaveClean(address: number): void {
    const { code } = this;
    code.i32(0);
    code.set(this.#used);
    code.i32(0);
    code.set(this.#stale);
    code.i64(address);
    code.set(this.#rip);
    code.br(this.#ways.get(0)!);
  }

  /** Branches on an address: `take(i)` emits the way to target i; falls through when it is none of them. */
  #dispatch(address: number, targets: readonly number[], take: (i: number) => void): void {
    const { code } = this;
    const hash = targets.length <= 3 ? undefined : perfectHash(targets);
    if (hash === undefined) {
      for (const [i, target] of targets.entries()) {
        code.get(address);
        code.i64(target);
        code.op('i64.eq');
        code.if();
        take(i);
        code.end();
      }
      return;
    }
    const { factor, shift, slots } = hash;
    const otherwise = code.block();
    const labels = targets.map(() => code.block()).reverse();
    code.get(address);
    code.op('i32.wrap_i64');
    code.i32(factor);
    code.op('i32.mul');
    code.i32(shift);
    code.op('i32.shr_u');
    code.brTable(
      slots.map((i) => (i < 0 ? otherwise : labels[i]!)),
      otherwise,
    );
    for (let i = 0; i < targets.length; i++) {
      code.end();
      code.get(address);
      code.i64(targets[i]!);
      code.op('i64.ne');
      code.brIf(otherwise);
      take(i);
    }
    code.end();
  }
}

/** Flags at the end of a block, for the start of one behind it. */
function copyFlags(flags: FlagState): FlagState {
  if (typeof flags !== 'object') return flags;
  // Another path from there may have moved them since.
  for (const { value, local } of flags.aliases) value.local = local;
  return { ...flags, aliases: [...flags.aliases], held: new Set(flags.held) };
}

function popcount(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++;
  return count;
}

interface PerfectHash {
  factor: number;
  shift: number;
  /** Slot → target number, −1 for none. */
  slots: number[];
}

/** Tables of at most 2^10 slots. */
const MAX_HASH_BITS = 10;
const HASH_TRIES = 200;

/** A multiplier and a shift under which the low halves of all targets differ; undefined when none was found. */
function perfectHash(targets: readonly number[]): PerfectHash | undefined {
  let factor = 0x9e3779b1 | 0;
  for (let bits = Math.ceil(Math.log2(targets.length)) + 1; bits <= MAX_HASH_BITS; bits++) {
    for (let tries = 0; tries < HASH_TRIES; tries++) {
      factor = (Math.imul(factor, 0x2545f491) + 0x1234567) | 1;
      const slots = new Array<number>(1 << bits).fill(-1);
      const hasCollision = targets.some((target, i) => {
        const slot = Math.imul(target | 0, factor) >>> (32 - bits);
        if (slots[slot]! >= 0) return true;
        slots[slot] = i;
        return false;
      });
      if (!hasCollision) return { factor, shift: 32 - bits, slots };
    }
  }
  return undefined;
}
