/**
 * Lowers the intermediate form of one instruction to WebAssembly for the interpreter, in one of two modes.
 *
 * Function mode: `(pc) → next pc, or 0 when the run loop must be left`. Accesses call the translation function, which
 * handles misses, page crossings and faults.
 *
 * Hot mode: inline in the main loop, without any call: whatever is not the fast case (TLB miss, unknown jump target,
 * trap) branches to `leave` before a side effect has happened; the run loop then executes the record in function mode.
 */
import { type Helper, systemCall } from '../helpers.js';
import type { Statement, Value } from '../ir/ir.js';
import { R_A, R_B, R_BASE, R_DISP, R_IMM, R_INDEX, R_OFF, R_SCALE, R_SEGMENT, RECORD_SIZE } from '../record.js';
import { PAGE_MASK, RSP, SPLIT_WRITE, TLB_WRITE } from '../state.js';
import type { Code } from '../wasm/code.js';
import {
  type EaMode,
  HELPERS_PER_HANDLER,
  type HotFrame,
  type LocalPool,
  PC,
  PROBE_ALIGNED,
  PROBE_STACK,
  PROBE_WRITE,
  type RuntimeIndices,
  tlbEntry,
} from './frame.js';
import { JumpLowering } from './lower-jumps.js';

const FIELDS: Record<string, number> = { a: R_A, b: R_B, off: R_OFF };
export class Lowering {
  readonly code: Code;
  #pool: LocalPool;
  #runtime: RuntimeIndices;
  #hot: HotFrame | undefined;
  #mode: EaMode;
  /** Bytes of records that this handler stands for. */
  #span: number;
  readonly #jumps: JumpLowering;
  #writes: number[] = [];
  #helperId = 0;

  constructor(code: Code, pool: LocalPool, runtime: RuntimeIndices, hot?: HotFrame, mode: EaMode = 'bd', records = 1) {
    this.code = code;
    this.#pool = pool;
    this.#runtime = runtime;
    this.#hot = hot;
    this.#mode = mode;
    this.#span = records * RECORD_SIZE;
    const around = {
      value: (v: Value) => this.#value(v),
      inLocal: (v: Value) => this.#inLocal(v),
      commit: () => this.#commit(),
    };
    this.#jumps = new JumpLowering(code, pool, runtime, hot, this.#span, around);
  }

  /**
   * The whole instruction, with its end: on to the next record unless it jumped.
   * @param op handler number; its helpers are numbered op × HELPERS_PER_HANDLER and up
   */
  instruction(statements: readonly Statement[], op: number): void {
    this.#helperId = op * HELPERS_PER_HANDLER;
    this.#list(statements);
    const { code } = this;
    if (this.#hot !== undefined) {
      code.get(PC);
      code.i32(this.#span);
      code.op('i32.add');
      code.set(PC);
      code.br(this.#hot.next);
      return;
    }
    this.#commit();
    this.#nextRecord();
  }

  /** Hot mode: an instruction of a sequence; the code of the next one follows. */
  begin(statements: readonly Statement[]): void {
    this.#list(statements);
    const { code } = this;
    code.get(PC);
    code.i32(RECORD_SIZE);
    code.op('i32.add');
    code.set(PC);
  }

  #nextHelper(): number {
    const id = this.#helperId++;
    if (this.#helperId % HELPERS_PER_HANDLER === 0) throw new Error('too many helpers in one handler');
    return id;
  }

  /** Pushes what a helper answers. System calls have an import of their own: nothing has to be looked up for them. */
  #helper(helper: Helper, pa: Value | undefined): void {
    const { code } = this;
    const id = this.#nextHelper();
    if (helper === systemCall) {
      code.get(PC);
      code.call(this.#runtime.syscall);
      return;
    }
    code.i32(id);
    code.get(PC);
    if (pa === undefined) code.i32(0);
    else this.#value(pa);
    code.call(this.#runtime.helper);
  }

  #nextRecord(): void {
    this.code.get(PC);
    this.code.i32(RECORD_SIZE);
    this.code.op('i32.add');
  }

  #list(statements: readonly Statement[]): void {
    for (const statement of statements) this.#statement(statement);
  }

  #statement(statement: Statement): void {
    const { code } = this;
    switch (statement.s) {
      case 'value':
        this.#define(statement.value);
        return;
      case 'set':
      case 'store':
        this.#value(statement.address);
        this.#value(statement.value);
        code.memory(statement.name, statement.offset);
        return;
      case 'if':
        this.#value(statement.cond);
        code.if();
        this.#list(statement.body);
        if (statement.otherwise.length > 0) {
          code.else();
          this.#list(statement.otherwise);
        }
        code.end();
        return;
      case 'trap':
        this.#trap(statement.cond, statement.vector);
        return;
      case 'helper':
        if (this.#hot !== undefined) {
          code.br(this.#hot.leave);
          return;
        }
        this.#helper(statement.helper, statement.pa);
        code.op('i32.eqz');
        this.#returnZeroIf();
        return;
      case 'target':
        this.#jumps.target(statement.to, statement.cond);
        return;
      case 'jump':
        this.#jumps.jump(statement.cond);
        return;
      case 'done':
        this.#value(statement.cond);
        code.if();
        this.#commit();
        this.#nextRecord();
        code.return();
        code.end();
        return;
      case 'again':
        this.#value(statement.cond);
        code.if();
        this.#commit();
        code.get(PC);
        code.get(PC);
        code.call(this.#runtime.taken);
        code.return();
        code.end();
        return;
      case 'flags':
        throw new Error('flags must be expanded before lowering');
    }
  }

  /** Gives a value its local, unless it is better computed where it is used. */
  #define(v: Value): void {
    if (v.op === 'probe') {
      this.#probe(v);
      return;
    }
    if (v.uses === 0 || v.op === 'const' || v.op === 'copy') return;
    if (!v.pinned && v.uses === 1) return;
    this.#emit(v);
    v.local = this.#pool.take(v.type);
    this.code.set(v.local);
  }

  #value(v: Value): void {
    if (v.local >= 0) this.code.get(v.local);
    else this.#emit(v);
  }

  #emit(v: Value): void {
    const { code } = this;
    switch (v.op) {
      case 'const':
        code.constant(v.type, v.imm);
        return;
      case 'field':
        code.get(PC);
        code.memory('i32.load16_u', FIELDS[v.name]!);
        return;
      case 'imm':
        code.get(PC);
        code.memory(`${v.type}.load`, R_IMM);
        return;
      case 'address32':
        code.get(PC);
        code.memory('i32.load8_u', R_SCALE);
        code.i32(7);
        code.op('i32.shr_u');
        return;
      case 'stackBase':
        code.get(PC);
        code.memory('i32.load16_u', R_BASE);
        code.i32(RSP);
        code.op('i32.eq');
        return;
      case 'segment':
        code.get(PC);
        code.memory('i32.load16_u', R_SEGMENT);
        code.memory('i64.load', 0);
        return;
      case 'ea':
        this.#effectiveAddress();
        return;
      case 'get':
      case 'load':
        this.#value(v.args[0]!);
        code.memory(v.name, v.imm as number);
        return;
      case 'select':
        for (const arg of v.args) this.#value(arg);
        code.select();
        return;
      case 'copy':
        this.#value(v.args[0]!);
        return;
      case 'call': {
        const func = this.#runtime.named.get(v.name);
        if (func === undefined || this.#hot !== undefined) throw new Error(`call of ${v.name}`);
        for (const arg of v.args) this.#value(arg);
        code.call(func);
        return;
      }
      default:
        for (const arg of v.args) this.#value(arg);
        code.op(v.op, v.imm === 0 && !v.op.includes('lane') ? undefined : (v.imm as number | readonly number[]));
    }
  }

  #effectiveAddress(): void {
    const { code } = this;
    if (this.#hot === undefined) {
      code.get(PC);
      code.call(this.#runtime.ea);
      return;
    }
    code.get(PC);
    code.memory('i32.load16_u', R_BASE);
    code.memory('i64.load', 0);
    code.get(PC);
    code.memory('i64.load32_s', R_DISP);
    code.op('i64.add');
    if (this.#mode === 'bd') return;
    code.get(PC);
    code.memory('i32.load16_u', R_INDEX);
    code.memory('i64.load', 0);
    code.get(PC);
    code.memory('i64.load8_u', R_SCALE);
    code.op('i64.shl');
    code.op('i64.add');
  }

  #probe(v: Value): void {
    const { code } = this;
    const { size, write, aligned, stack } = v.probe!;
    v.local = this.#pool.take('i32');
    const address = this.#inLocal(v.args[0]!);
    if (this.#hot === undefined) {
      code.get(address);
      code.i32(size | (write ? PROBE_WRITE : 0) | (aligned ? PROBE_ALIGNED : 0) | (stack ? PROBE_STACK : 0));
      code.get(PC);
      code.call(this.#runtime.probe);
      code.tee(v.local);
      code.op('i32.eqz');
      this.#returnZeroIf();
      if (write) this.#writes.push(v.local);
      return;
    }
    if (aligned) {
      code.get(address);
      code.op('i32.wrap_i64');
      code.i32(size - 1);
      code.op('i32.and');
      code.brIf(this.#hot.leave);
    }
    tlbEntry(code, this.#hot!, address, v.local);
    const part = write ? TLB_WRITE : 0;
    code.get(v.local);
    code.memory('i64.load', part);
    code.get(address);
    if (size > 1 && !aligned) {
      code.i64(size - 1);
      code.op('i64.add');
    }
    code.i64(PAGE_MASK);
    code.op('i64.and');
    code.op('i64.ne');
    code.brIf(this.#hot.leave);
    code.get(address);
    code.op('i32.wrap_i64');
    code.get(v.local);
    code.memory('i32.load', part + 8);
    code.op('i32.add');
    code.set(v.local);
  }

  #inLocal(v: Value): number {
    if (v.local >= 0) return v.local;
    this.#emit(v);
    const local = this.#pool.take(v.type);
    this.code.set(local);
    if (v.op !== 'copy' && v.op !== 'const') v.local = local;
    return local;
  }

  #trap(cond: Value | undefined, vector: number): void {
    const { code } = this;
    if (this.#hot !== undefined) {
      if (cond === undefined) code.br(this.#hot.leave);
      else {
        this.#value(cond);
        code.brIf(this.#hot.leave);
      }
      return;
    }
    if (cond !== undefined) {
      this.#value(cond);
      code.if();
    }
    code.i32(vector);
    code.get(PC);
    code.call(this.#runtime.trap);
    code.i32(0);
    code.return();
    if (cond !== undefined) code.end();
  }

  /** Function mode: writes back a store that went to the split buffer. */
  #commit(): void {
    const { code } = this;
    for (const local of this.#writes) {
      code.get(local);
      code.i32(SPLIT_WRITE);
      code.op('i32.eq');
      code.if();
      code.call(this.#runtime.commit);
      code.end();
    }
  }

  #returnZeroIf(): void {
    const { code } = this;
    code.if();
    code.i32(0);
    code.return();
    code.end();
  }
}
