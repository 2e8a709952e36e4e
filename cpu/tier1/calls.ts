/**
 * Emits what leaves a region for a while: calls of functions, and single instructions that tier 0 executes. Everything is in
 * memory before, and comes back into locals after. A call is one of WebAssembly; whatever happens inside of it, the code
 * behind it goes on only when control has come back to the address behind the guest's call.
 */
import { CONTROL_BITS, CONTROL_DEFAULT } from '../ir/builder.js';
import { RECORD_SIZE } from '../record.js';
import { FUEL, GPR, MXCSR, PAGE_SIZE, PAGE_VA, RESYNC } from '../state.js';
import type { Code } from '../wasm/code.js';
import { FRAME_BYTES, KIND_RECORD, KIND_STEP, NEXT_RECORD, REST, STOP_KIND, UNWIND } from './layout.js';
import type { Lowering } from './lowering.js';
import type { Plan } from './plan.js';
import type { Edge as RegionEdge } from './region.js';
import type { Registers } from './registers.js';
import type { Relocation } from './relocation.js';
import type { Step } from './step.js';
import type { Temps } from './temps.js';
import type { WaysOut } from './ways-out.js';

/** Functions and records that calls need. */
export interface CallEnvironment {
  /** Function index of the region at a root, if it is in the same module. */
  region(root: number): number | undefined;
  /** (record, handler) → next record: executes one instruction in tier 0. */
  stepFunction: number;
  /** (address, back, room) → address: see tier0/regions.ts. */
  onwardFunction: number;
  /** Record of an instruction in tier 0, and its function-mode handler; record 0 when it has none. */
  record(address: number): number;
  handler(step: Step): number;
}

/** Parameter of a region's function: bytes of the host's stack that calls may still take. */
export const ROOM = 0;
const RSP_NUMBER = 4;
const RSP_BIT = 1 << RSP_NUMBER;
/** Bytes that a call pushes. */
const RETURN_ADDRESS = 8;
/** The baseline compiler keeps every local on the stack. */
const LOCAL_BYTES = 8;

export class Calls {
  readonly #code: Code;
  readonly #plan: Plan;
  readonly #env: CallEnvironment;
  readonly #registers: Registers;
  readonly #temps: Temps;
  readonly #lowering: Lowering;
  readonly #out: WaysOut;
  /** Least `rest` to go on with behind an instruction in tier 0. */
  readonly #least: number;
  /** Bytes of the host's stack that a call takes: guessed before all locals are known. */
  readonly #frame: number;

  constructor(plan: Plan, env: CallEnvironment, lowering: Lowering, out: WaysOut, least: number) {
    this.#plan = plan;
    this.#env = env;
    this.#lowering = lowering;
    this.#code = lowering.code;
    this.#registers = lowering.registers;
    this.#temps = lowering.temps;
    this.#out = out;
    this.#least = least;
    this.#frame = FRAME_BYTES + LOCAL_BYTES * 2 * (16 + popcount(plan.used));
  }

  /** A call of a function, up to where it has come back. Registers are as in memory then. */
  call(callee: number, back: RegionEdge, dirty: number): void {
    const func = this.#env.region(callee);
    this.#wordsForSync();
    this.#sync(dirty);
    this.#storeRest();
    if (func === undefined) {
      this.#code.i64(callee);
      this.#code.set(this.#out.rip);
    } else this.#callRegion(func);
    this.#untilBack(back.address);
    this.#reload(back);
  }

  indirectCall(targets: readonly number[], back: RegionEdge, dirty: number): void {
    const code = this.#code;
    this.#lowering.pushTarget();
    code.set(this.#out.rip);
    this.#wordsForSync();
    this.#sync(dirty);
    this.#storeRest();
    const done = code.block();
    for (const target of targets) {
      const func = this.#env.region(target);
      if (func === undefined) continue;
      code.get(this.#out.rip);
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

  /** Goes on in another region instead of leaving to the run loop. */
  chain(func: number, dirty: number): void {
    this.#wordsForSync();
    this.#sync(dirty);
    this.#storeRest();
    this.#code.get(ROOM);
    this.#code.returnCall(func);
  }

  /** One instruction in tier 0, from inside of the region. */
  byInterpreter(step: Step): void {
    const code = this.#code;
    const { address, length } = step.instruction;
    const record = this.#env.record(address);
    const isCall = step.instruction.flow === 'syscall';
    const next = isCall ? this.#env.record(address + length) : record + RECORD_SIZE;
    this.#wordsForSync();
    if (record === 0 || next === 0) {
      this.#out.leaveFlags();
      this.#out.setKind(KIND_STEP);
      this.#out.leaveTo(address, step.dirty);
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
    code.get(this.#out.rest);
    this.#out.constant(record, here);
    code.op('i32.add');
    code.memory('i32.store', FUEL);
    const after = this.#temps.take('i32');
    this.#out.constant(record, here);
    code.i32(this.#env.handler(step));
    code.call(this.#env.stepFunction);
    code.tee(after);
    this.#out.constant(next, behind);
    code.op('i32.ne');
    code.i32(0);
    code.memory('i32.load', RESYNC);
    code.op('i32.or');
    code.rarely();
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
    this.#out.constant(next, behind);
    code.op('i32.sub');
    code.tee(this.#out.rest);
    code.i32(this.#least);
    code.op('i32.le_s');
    this.#orOtherControl();
    code.rarely();
    // The rest of the slice is tier 0's.
    this.#out.leaveClean(address + length);
    code.end();
    this.#registers.load(step.live);
    this.#lowering.flags = 'words';
    this.#lowering.endBlock();
  }

  /** A repeated string instruction: in place, or one step of it in tier 0. */
  stringMove(step: Step): void {
    // Both ways count for themselves.
    this.#out.updateRest();
    this.#lowering.stringMove(step, {
      inTier0: () => this.byInterpreter(step),
      count: () => {
        this.#out.executed++;
        this.#out.updateRest();
      },
    });
  }

  /** rip = where a region has led. */
  #callRegion(func: number): void {
    this.#pushRoom();
    this.#code.call(func);
    this.#code.set(this.#out.rip);
  }

  /** Goes on from `rip` until control is back here; leaves when it does not come. */
  #untilBack(back: number): void {
    const code = this.#code;
    code.get(this.#out.rip);
    code.i64(back);
    code.op('i64.ne');
    code.rarely();
    code.get(this.#out.rip);
    code.i64(back);
    this.#pushRoom();
    code.call(this.#env.onwardFunction);
    code.tee(this.#out.rip);
    code.i64(back);
    code.op('i64.ne');
    code.rarely();
    // Whatever happened has been written to memory: hand on what was said.
    code.get(this.#out.rip);
    code.return();
    code.end();
    code.end();
  }

  /** Everything to memory, as a callee or tier 0 wants it. */
  #sync(dirty: number): void {
    this.#lowering.materialize();
    if (this.#lowering.flags === 'inherited') throw new Error('flags are not in memory');
    this.#registers.store(dirty);
    this.#out.updateRest();
  }

  /** Inherited flags are in memory already where the plan asked for it. */
  #wordsForSync(): void {
    if (this.#lowering.flags === 'inherited') this.#lowering.flags = 'words';
  }

  #storeRest(): void {
    this.#code.i32(0);
    this.#code.get(this.#out.rest);
    this.#code.memory('i32.store', REST);
  }

  #reload({ block, address }: RegionEdge): void {
    const code = this.#code;
    code.i32(0);
    code.memory('i32.load', REST);
    code.tee(this.#out.rest);
    code.i32(this.#least);
    code.op('i32.le_s');
    this.#orOtherControl();
    code.rarely();
    // The callee may have used the slice up: its end is tier 0's.
    this.#out.leaveClean(address);
    code.end();
    this.#restoreStackPointer(address);
    this.#registers.load(block < 0 ? 0 : this.#plan.blocks[block]!.liveIn & ~RSP_BIT);
    this.#lowering.flags = 'words';
  }

  /**
   * rsp as it was before the call, which it is behind nearly all of them: what is computed from it then waits for no load, and
   * what was found out about the stack stays right. Leaves when it is not so.
   */
  #restoreStackPointer(address: number): void {
    const code = this.#code;
    const rsp = this.#registers.general(RSP_NUMBER);
    code.i32(0);
    code.memory('i64.load', GPR + RSP_NUMBER * 8);
    code.get(rsp);
    code.i64(RETURN_ADDRESS);
    code.op('i64.add');
    code.tee(rsp);
    code.op('i64.ne');
    code.rarely();
    this.#out.leaveClean(address);
    code.end();
  }

  #pushRoom(): void {
    this.#code.get(ROOM);
    this.#code.i32(this.#frame);
    this.#code.op('i32.sub');
  }

  /** Pushes, with what is on the stack: rounding or masks have changed, which this region's code does not follow. */
  #orOtherControl(): void {
    if (!this.#plan.defaultSse) return;
    const code = this.#code;
    code.i32(0);
    code.memory('i32.load', MXCSR);
    code.i32(CONTROL_BITS);
    code.op('i32.and');
    code.i32(CONTROL_DEFAULT);
    code.op('i32.ne');
    code.op('i32.or');
  }

  #unreachable(): void {
    this.#code.u8(0x00);
  }
}

function popcount(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++;
  return count;
}
