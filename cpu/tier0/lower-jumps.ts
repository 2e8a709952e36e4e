/**
 * Lowers the jumps of an instruction for the interpreter (lower.ts): in the main loop by what records and the instruction TLB know of
 * the target, in function mode by the functions that look it up.
 */
import { TRAP_GP } from '../exits.js';
import type { Value } from '../ir/ir.js';
import { R_DISP, R_TARGET, RECORD_SIZE } from '../record.js';
import { PAGE_MASK, PAGE_VA, TLB_EXEC } from '../state.js';
import type { Code } from '../wasm/code.js';
import { type HotFrame, type LocalPool, PC, type RuntimeIndices, tlbEntry } from './frame.js';

interface Jump {
  to: 'near' | 'far' | Value;
  cond: Value | undefined;
}

/** What jumps need of the lowering around them. */
export interface JumpSurroundings {
  /** Pushes a value. */
  value(v: Value): void;
  inLocal(v: Value): number;
  /** Function mode: writes back a store that went to the split buffer. */
  commit(): void;
}

export class JumpLowering {
  readonly #code: Code;
  readonly #pool: LocalPool;
  readonly #runtime: RuntimeIndices;
  readonly #hot: HotFrame | undefined;
  /** Bytes of records that the handler stands for. */
  readonly #span: number;
  readonly #around: JumpSurroundings;
  #jump: Jump | undefined;
  /** Hot mode: locals of the target's record and page. */
  #record = -1;
  #page = -1;

  constructor(
    code: Code,
    pool: LocalPool,
    runtime: RuntimeIndices,
    hot: HotFrame | undefined,
    span: number,
    around: JumpSurroundings,
  ) {
    this.#code = code;
    this.#pool = pool;
    this.#runtime = runtime;
    this.#hot = hot;
    this.#span = span;
    this.#around = around;
  }

  /** Finds where a jump goes. */
  target(to: 'near' | 'far' | Value, cond: Value | undefined): void {
    this.#jump = { to, cond };
    if (typeof to !== 'string') {
      const address = this.#around.inLocal(to);
      if (this.#hot === undefined) this.#requireCanonical(address);
    }
    // A conditional jump looks its target up only when it is taken: nothing has happened before it.
    if (this.#hot !== undefined && cond === undefined) this.#resolve();
  }

  /** A jump to a non-canonical address faults at the jump. */
  #requireCanonical(address: number): void {
    const code = this.#code;
    code.get(address);
    code.i64(16);
    code.op('i64.shl');
    code.i64(16);
    code.op('i64.shr_s');
    code.get(address);
    code.op('i64.ne');
    code.if();
    code.i32(TRAP_GP);
    code.get(PC);
    code.call(this.#runtime.trap);
    code.i32(0);
    code.return();
    code.end();
  }

  /** Hot mode: puts the target record into a local, and its page if it may be another; leaves when not cached. */
  #resolve(): void {
    const code = this.#code;
    const { to } = this.#jump!;
    this.#record = this.#pool.take('i32');
    if (to === 'near') {
      code.get(PC);
      code.memory('i32.load', this.#span - RECORD_SIZE + R_TARGET);
      code.tee(this.#record);
      code.op('i32.eqz');
      code.brIf(this.#hot!.leave);
      return;
    }
    const address = to === 'far' ? this.#pool.take('i64') : this.#around.inLocal(to);
    if (to === 'far') {
      this.#farAddress();
      code.set(address);
    }
    const page = this.#pool.take('i64');
    this.#page = page;
    tlbEntry(code, this.#hot!, address, this.#record);
    code.get(this.#record);
    code.memory('i64.load', TLB_EXEC);
    code.get(address);
    code.i64(PAGE_MASK);
    code.op('i64.and');
    code.tee(page);
    code.op('i64.ne');
    code.brIf(this.#hot!.leave);
    code.get(this.#record);
    code.memory('i32.load', TLB_EXEC + 8);
    code.get(address);
    code.op('i32.wrap_i64');
    code.i32(0xfff);
    code.op('i32.and');
    code.i32(2);
    code.op('i32.shl');
    code.op('i32.add');
    code.memory('i32.load', 0);
    code.tee(this.#record);
    code.op('i32.eqz');
    code.brIf(this.#hot!.leave);
  }

  #farAddress(): void {
    const code = this.#code;
    code.i32(0);
    code.memory('i64.load', PAGE_VA);
    code.get(PC);
    code.memory('i64.load32_s', this.#span - RECORD_SIZE + R_DISP);
    code.op('i64.add');
  }

  /** Goes there, if the condition holds. */
  jump(cond: Value | undefined): void {
    const code = this.#code;
    if (this.#hot === undefined) this.#around.commit();
    if (cond !== undefined) {
      this.#around.value(cond);
      code.if();
    }
    if (this.#hot !== undefined) this.#hotJump();
    else this.#functionJump();
    if (cond !== undefined) code.end();
  }

  #hotJump(): void {
    const code = this.#code;
    const { fuel, next, exhausted } = this.#hot!;
    if (this.#jump!.cond !== undefined) this.#resolve();
    if (this.#jump!.to !== 'near') {
      code.i32(0);
      code.get(this.#page);
      code.memory('i64.store', PAGE_VA);
    }
    const rest = this.#pool.take('i32');
    code.get(fuel);
    code.get(PC);
    code.op('i32.sub');
    code.i32(this.#span);
    code.op('i32.sub');
    code.tee(rest);
    code.get(this.#record);
    code.tee(PC);
    code.op('i32.add');
    code.set(fuel);
    code.get(rest);
    code.i32(0);
    code.op('i32.le_s');
    code.brIf(exhausted);
    code.br(next);
  }

  #functionJump(): void {
    const code = this.#code;
    const { to } = this.#jump!;
    code.get(PC);
    if (to === 'near') code.call(this.#runtime.near);
    else {
      if (to === 'far') this.#farAddress();
      else this.#around.value(to);
      code.call(this.#runtime.go);
    }
    code.return();
  }
}
