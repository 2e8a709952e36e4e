/**
 * Emits the ways out of a region. Code anywhere in it branches to the label for the set of registers that it has to write
 * back; behind that, a common end writes the rest: what is left of the slice, the flags, the reason, and where to go on.
 *
 * A way out that is taken often computes the flag words at once. A rare one, such as that of an access which may fault, only
 * names what they come from (stale-flags.ts).
 */
import type { Value } from '../ir/ir.js';
import { RECORD_SIZE } from '../record.js';
import { RIP, SLOW_EA } from '../state.js';
import type { Code } from '../wasm/code.js';
import type { Exits } from './exits.js';
import { type FlagSource, type FlagState, type Pending, registersOf, savedSource } from './flags.js';
import { KIND_STEP, REST, SAVED_FLAGS, STALE_FLAGS, STOP_KIND, UNWIND } from './layout.js';
import { NEED_EXIT, NEED_WORDS, NEED_WRITTEN_SHIFT } from './plan.js';
import type { Registers } from './registers.js';
import { type Relocation, WIDTH } from './relocation.js';
import type { Step } from './step.js';

/** What the ways out need from outside. */
export interface WaysOutEnvironment {
  /** () : brings stale flag words up to date. */
  flagsFunction: number;
  /** Number of a flag source, for TypeScript. */
  flagSource(source: FlagSource): number;
}

/** The flags where code is being emitted, as the lowering knows them. */
export interface CurrentFlags {
  readonly flags: FlagState;
  emitWords(pending: Pending): void;
  /** Pushes a value of the current instruction or of what is pending. */
  pushValue(v: Value): void;
}

export class WaysOut implements Exits {
  /** Local of the i64 address to go to. */
  readonly rip: number;
  /** Local of what is left of the slice, as it was when `executed` was 0. */
  readonly rest: number;
  /** Instructions executed since `rest` was right. */
  executed = 0;
  /** The current instruction. */
  step: Step | undefined;
  readonly #code: Code;
  readonly #registers: Registers;
  readonly #env: WaysOutEnvironment;
  readonly #around: () => CurrentFlags;
  /** i32 executed since `rest` was right (× 32), i32 KIND_*, i32 flag source, i64 address accessed. */
  readonly #used: number;
  readonly #kind: number;
  readonly #stale: number;
  readonly #access: number;
  /** Labels by the registers that are written back. */
  readonly #labels = new Map<number, number>();
  #end = -1;
  /** Locals of values that flag sources name, −1 before there is one. */
  readonly #saved = [-1, -1];

  constructor(code: Code, rest: number, registers: Registers, env: WaysOutEnvironment, around: () => CurrentFlags) {
    this.#code = code;
    this.#registers = registers;
    this.#env = env;
    this.#around = around;
    this.rest = rest;
    this.rip = code.local('i64', 'rip');
    this.#used = code.local('i32', 'used');
    this.#kind = code.local('i32', 'kind');
    this.#stale = code.local('i32', 'stale');
    this.#access = code.local('i64', 'access');
  }

  /** Opens the blocks that enclose all code with ways out. @param sets of registers that one of them writes back */
  open(sets: Iterable<number>): void {
    this.#end = this.#code.block();
    for (const set of sets) this.#labels.set(set, this.#code.block());
  }

  /** Closes these blocks; leaves the function's result on the stack. */
  close(): void {
    const code = this.#code;
    for (const set of [...this.#labels.keys()].reverse()) {
      code.end();
      this.#registers.store(set);
      code.br(this.#end);
    }
    code.end();
    this.#epilogue();
  }

  /** Brings `rest` up to date. */
  updateRest(): void {
    const code = this.#code;
    code.get(this.rest);
    code.i32(this.executed * RECORD_SIZE);
    code.op('i32.sub');
    code.set(this.rest);
    this.executed = 0;
  }

  stop(kind: number, address: number, relocation?: Relocation): void {
    const code = this.#code;
    const step = this.step!;
    if (address >= 0) {
      code.get(address);
      code.set(this.#access);
    }
    this.setKind(kind, relocation);
    this.leaveFlags();
    this.leaveTo(step.instruction.address, step.dirty);
  }

  leaveAt(step: Step, count: number): void {
    const [now, executed] = [this.step, this.executed];
    this.step = step;
    this.executed = count;
    this.stop(KIND_STEP, -1);
    this.step = now;
    this.executed = executed;
  }

  count(): number {
    return this.executed;
  }

  /** Pushes an i32 that may be another one in another run. */
  constant(value: number, relocation?: Relocation): void {
    if (relocation === undefined) this.#code.i32(value);
    else this.#code.i32At(value, WIDTH[relocation.kind], relocation);
  }

  #pushFlagSource(source: FlagSource): void {
    this.constant(this.#env.flagSource(source), { kind: 'flags', source });
  }

  /** Sets the reason to go out for. @param kind KIND_* */
  setKind(kind: number, relocation?: Relocation): void {
    this.constant(kind, relocation);
    this.#code.set(this.#kind);
  }

  /** Goes out to a constant address with these registers dirty. */
  leaveTo(address: number, dirty: number): void {
    this.#code.i64(address);
    this.#code.set(this.rip);
    this.leave(dirty);
  }

  /** Goes out to the address in `rip`. */
  leave(dirty: number): void {
    const code = this.#code;
    code.i32(this.executed * RECORD_SIZE);
    code.set(this.#used);
    code.br(this.#labels.get(dirty)!);
  }

  /** On a way out that is taken often: the flag words, computed here. */
  leaveWords(): void {
    const { flags } = this.#around();
    if (flags === 'inherited') return;
    if (typeof flags === 'object') this.#around().emitWords(flags);
    this.#code.i32(0);
    this.#code.set(this.#stale);
  }

  /** On a rare way out: the flag words, or the number of what they come from. */
  leaveFlags(): void {
    const code = this.#code;
    const { flags } = this.#around();
    if (flags === 'inherited') return;
    if (typeof flags === 'object' && flags.source !== undefined) {
      this.#pushFlagSource(flags.source);
      code.set(this.#stale);
      return;
    }
    if (typeof flags === 'object') this.#around().emitWords(flags);
    code.i32(0);
    code.set(this.#stale);
  }

  /**
   * Before an edge to code that other paths lead to as well: gets the flags into the form that it expects.
   * @param need NEED_*
   */
  settleFlags(need: number): void {
    const code = this.#code;
    const around = this.#around();
    const { flags } = around;
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
    if (typeof flags === 'object' && (need & NEED_WORDS) === 0) {
      const source = savedSource(flags.statement, (v, index) => this.#save(v, index));
      if (source !== undefined) {
        this.#pushFlagSource(source);
        code.set(this.#stale);
        return;
      }
    }
    // The condition of the block's end still comes from the pending operation.
    if (typeof flags === 'object') around.emitWords(flags);
    code.i32(0);
    code.set(this.#stale);
  }

  /** Keeps a value that the flags may be computed from. */
  #save(v: Value, index: 0 | 1): void {
    const code = this.#code;
    if (this.#saved[index]! < 0) this.#saved[index] = code.local('i64', `flags.${index}`);
    this.#around().pushValue(v);
    if (v.type === 'i32') code.op('i64.extend_i32_u');
    code.set(this.#saved[index]!);
  }

  /** Goes out to an address when everything is in memory. */
  leaveClean(address: number): void {
    const code = this.#code;
    code.i32(0);
    code.set(this.#used);
    code.i32(0);
    code.set(this.#stale);
    code.i64(address);
    code.set(this.rip);
    code.br(this.#labels.get(0)!);
  }

  /** The common end. Registers are in memory: now the slice, the flags, the reason. */
  #epilogue(): void {
    const code = this.#code;
    code.i32(0);
    code.get(this.rest);
    code.get(this.#used);
    code.op('i32.sub');
    code.memory('i32.store', REST);
    code.get(this.#stale);
    code.if();
    code.i32(0);
    code.get(this.#stale);
    code.memory('i32.store', STALE_FLAGS);
    for (const [index, local] of this.#saved.entries()) {
      if (local < 0) continue;
      code.i32(0);
      code.get(local);
      code.memory('i64.store', SAVED_FLAGS + 8 * index);
    }
    code.call(this.#env.flagsFunction);
    code.end();
    code.get(this.#kind);
    code.if();
    code.i32(0);
    code.get(this.#kind);
    code.memory('i32.store', STOP_KIND);
    code.i32(0);
    code.get(this.rip);
    code.memory('i64.store', RIP);
    code.i32(0);
    code.get(this.#access);
    code.memory('i64.store', SLOW_EA);
    code.i64(UNWIND);
    code.return();
    code.end();
    code.get(this.rip);
  }
}
