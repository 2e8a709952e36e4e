/** Emits the ends of blocks: calls, guessed and indirect jumps, returns, and the ways out to constant addresses. */
import { RECORD_SIZE } from '../record.js';
import type { Code } from '../wasm/code.js';
import type { Calls } from './calls.js';
import { KIND_STEP, MISSED_AT, MISSED_TO, REST } from './layout.js';
import type { Lowering } from './lowering.js';
import type { Nodes } from './nodes.js';
import type { Plan } from './plan.js';
import type { PlannedBlock } from './planned-block.js';
import type { Registers } from './registers.js';
import type { WaysOut } from './ways-out.js';

/** What a function is emitted with. */
interface Parts {
  readonly code: Code;
  readonly plan: Plan;
  readonly nodes: Nodes;
  readonly registers: Registers;
  readonly lowering: Lowering;
  readonly out: WaysOut;
  readonly calls: Calls;
  /** Function index of the region at a root, if it is in the same module. */
  readonly region: (root: number) => number | undefined;
}

export class BlockEnds {
  /** Local that is not 0 when the region was entered at a door; −1 when it has none. */
  viaDoor = -1;
  readonly #code: Code;
  readonly #plan: Plan;
  readonly #nodes: Nodes;
  readonly #registers: Registers;
  readonly #lowering: Lowering;
  readonly #out: WaysOut;
  readonly #calls: Calls;
  readonly #region: Parts['region'];

  constructor({ code, plan, nodes, registers, lowering, out, calls, region }: Parts) {
    this.#code = code;
    this.#plan = plan;
    this.#nodes = nodes;
    this.#registers = registers;
    this.#lowering = lowering;
    this.#out = out;
    this.#calls = calls;
    this.#region = region;
  }

  /** For the profile, an indirect jump to a place that the region does not have. Where jumps meet, any of them will do. */
  noteMiss(jump: PlannedBlock | undefined, target: number): void {
    const code = this.#code;
    const at = jump?.steps.at(-1)?.instruction.address;
    if (at === undefined) return;
    code.i32(0);
    code.i64(at);
    code.memory('i64.store', MISSED_AT);
    code.i32(0);
    code.get(target);
    code.memory('i64.store', MISSED_TO);
  }

  /** The end of a node without successors. @param dirty registers that differ from memory */
  exit(block: number, dirty: number): void {
    const planned = this.#nodes.planned(block);
    if (planned === undefined) {
      const { from, address } = this.#plan.leaving[this.#plan.origin[block]! - this.#plan.blocks.length]!;
      const { dirtyOut } = this.#plan.blocks[from]!;
      const func = this.#region(address);
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
          this.#return(dirty);
          break;
        }
        this.#leaveToTarget(dirty);
        break;
      case 'indirect':
        this.#leaveToTarget(dirty);
        break;
      case 'stop':
        // The last instruction has left already, if it is one that stops.
        this.#out.leaveFlags();
        this.#out.setKind(KIND_STEP);
        this.#out.leaveTo(planned.steps.at(-1)?.instruction.address ?? planned.block.address, dirty);
        break;
      case 'guessed':
        this.#out.leaveWords();
        this.#out.leaveTo(end.to.address, dirty);
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
  #returnToCaller(dirty: number): void {
    const code = this.#code;
    code.get(this.viaDoor);
    code.op('i32.eqz');
    code.if();
    this.#leaveToTarget(dirty);
    code.end();
  }

  #leaveToTarget(dirty: number): void {
    this.#out.leaveWords();
    this.#lowering.pushTarget();
    this.#code.set(this.#out.rip);
    this.#out.leave(dirty);
  }

  /** The return of a function, which is no rare way out: it has no reason to tell, and its flags are in the words. */
  #return(dirty: number): void {
    const code = this.#code;
    this.#out.leaveWords();
    this.#registers.store(dirty);
    code.i32(0);
    code.get(this.#out.rest);
    code.i32(this.#out.executed * RECORD_SIZE);
    code.op('i32.sub');
    code.memory('i32.store', REST);
    this.#lowering.pushTarget();
    code.return();
  }

  /** What the end of a block does before its edges are taken. @param dirty as `exit` */
  end(planned: PlannedBlock, dirty: number): void {
    const { end } = planned.block;
    const code = this.#code;
    switch (end.kind) {
      case 'guessed':
        this.#lowering.pushTarget();
        code.i64(end.to.address);
        code.op('i64.ne');
        code.rarely();
        this.#out.leaveWords();
        this.#lowering.pushTarget();
        code.set(this.#out.rip);
        if (planned.steps.at(-1)?.instruction.flow !== 'return') this.noteMiss(planned, this.#out.rip);
        this.#out.leave(dirty);
        code.end();
        this.#lowering.endBlock();
        return;
      case 'call':
        this.#calls.call(end.callee, end.next, dirty);
        return;
      case 'indirectCall':
        this.#calls.indirectCall(end.targets, end.next, dirty);
        return;
      case 'indirect':
        if (this.#plan.dispatch === undefined || end.targets.length === 0) return;
        if (this.viaDoor >= 0 && planned.steps.at(-1)?.instruction.flow === 'return') this.#returnToCaller(dirty);
        this.#lowering.pushTarget();
        code.set(this.#out.rip);
        this.#lowering.endBlock();
        return;
      default:
    }
  }
}
