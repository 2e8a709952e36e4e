/**
 * Emits the checks of floating-point results: whether they are finite, whether operands of comparisons are no NaNs; at
 * once, or at the end of a window (speculation.ts).
 *
 * A window is emitted as two nested blocks: branches to `fail` lead to code behind it which gives the registers that it
 * has written their old values, kept in locals, and leaves at its first instruction. Ways out of instructions inside of
 * it check first what has not been checked, and go there if need be.
 */
import type { Value } from '../ir/ir.js';
import type { Code } from '../wasm/code.js';
import type { ValueType } from '../wasm/opcodes.js';
import type { FlagState } from './flags.js';
import type { Registers } from './registers.js';
import type { Result, Speculation, Window } from './speculation.js';
import type { Step } from './step.js';
import type { Temps } from './temps.js';

interface OpenWindow {
  readonly window: Window;
  readonly done: number;
  readonly fail: number;
  /** Instructions executed before it, as the emitter counts. */
  readonly count: number;
  /** Flags before it. */
  readonly flags: FlagState;
  /** Locals with the contents that registers had before it, by the local of the register. */
  readonly old: ReadonlyMap<number, number>;
  /** Results so far. */
  readonly made: Value[];
}

/** What checks need of the code around them. */
export interface Surroundings {
  flags: FlagState;
  /** Emits the way out at an earlier instruction, before which `count` instructions had been executed. */
  leaveAt(step: Step, count: number): void;
  count(): number;
}

const NOTHING: Speculation = { windows: new Map(), doubtful: new Map() };
const TYPES: Record<string, ValueType> = { f32: 'f32', f64: 'f64', f32x4: 'v128', f64x2: 'v128' };

export class WindowChecks {
  readonly #code: Code;
  readonly #registers: Registers;
  readonly #temps: Temps;
  readonly #around: Surroundings;
  #speculation = NOTHING;
  #open: OpenWindow | undefined;
  #step!: Step;

  constructor(code: Code, registers: Registers, temps: Temps, around: Surroundings) {
    this.#code = code;
    this.#registers = registers;
    this.#temps = temps;
    this.#around = around;
  }

  beginBlock(speculation: Speculation): void {
    this.#speculation = speculation;
  }

  /** Adds the locals that an open window needs. */
  hold(kept: Set<number>): void {
    const open = this.#open;
    if (open === undefined) return;
    if (typeof open.flags === 'object') for (const local of open.flags.held.values()) if (local >= 0) kept.add(local);
    for (const local of open.old.values()) kept.add(local);
    for (const { local } of open.made) kept.add(local);
  }

  before(step: Step): void {
    this.#step = step;
    const window = this.#speculation.windows.get(step);
    if (window !== undefined) this.#open ??= this.#begin(window);
  }

  after(step: Step): void {
    const open = this.#open;
    if (open?.window.last !== step) return;
    const code = this.#code;
    this.#checkMade(open);
    code.br(open.done);
    code.end();
    this.#fail(open);
    code.end();
    this.#open = undefined;
  }

  /**
   * Before the way out at the current instruction.
   * @param again tier 0 may just as well begin earlier
   * @returns false when there is nothing more to emit
   */
  beforeStop(again: boolean): boolean {
    const open = this.#open;
    if (open === undefined || open.made.length === 0) return true;
    if (again) {
      this.#code.br(open.fail);
      return false;
    }
    this.#checkMade(open);
    return true;
  }

  /**
   * Checks a condition that decides between the fast way and tier 0.
   * @param local puts a value into a local and returns that
   * @param stop emits the way out
   */
  condition(cond: Value, local: (v: Value) => number, stop: () => void): void {
    const code = this.#code;
    if (cond.op === 'finite') {
      const value = cond.args[0]!;
      local(value);
      const open = this.#open;
      if (open !== undefined) {
        open.made.push(value);
        return;
      }
      this.#pushNotFinite([value], cond.name);
      code.rarely();
      stop();
      code.end();
      return;
    }
    const doubtful = this.#speculation.doubtful.get(this.#step);
    const locals = cond.args.filter((_, i) => doubtful?.includes(i) !== false).map(local);
    if (locals.length === 0) return;
    if (cond.name.includes('x') || locals.length === 1) {
      this.#pushUnordered(locals, cond.name);
      code.rarely();
      stop();
      code.end();
      return;
    }
    const ordered = code.block();
    const unordered = code.block();
    this.#pushUnordered(locals.slice(0, 1), cond.name);
    code.brIf(unordered);
    this.#pushUnordered(locals.slice(1), cond.name);
    code.op('i32.eqz');
    code.brIf(ordered);
    code.end();
    stop();
    code.end();
  }

  #begin(window: Window): OpenWindow {
    const { flags } = this.#around;
    // Registers that a way out there writes back, or needs for the flags.
    let needed = window.first.dirty;
    if (typeof flags === 'object') for (const { register } of flags.aliases) needed |= 1 << register;
    const done = this.#code.block();
    const fail = this.#code.block();
    return {
      window,
      done,
      fail,
      count: this.#around.count(),
      flags: typeof flags === 'object' ? { ...flags, aliases: [...flags.aliases], held: new Map(flags.held) } : flags,
      // At once: a way out of its first instructions gives all of them back.
      old: this.#keep(window.writes & needed),
      made: [],
    };
  }

  /** Keeps the contents of registers that will be written. */
  #keep(set: number): Map<number, number> {
    const registers = this.#registers;
    const code = this.#code;
    const kept = new Map<number, number>();
    for (let r = 0; r < 32; r++) {
      if ((set & (1 << r)) === 0) continue;
      const isPair = registers.isPair(r);
      const type = r < 16 ? 'i64' : isPair ? 'f64' : 'v128';
      for (const local of isPair ? [registers.local(r), registers.highLocal(r)] : [registers.local(r)]) {
        const old = this.#temps.take(type);
        code.get(local);
        code.set(old);
        kept.set(local, old);
      }
    }
    return kept;
  }

  /** Branches to `fail` unless all results so far are finite that no other one of them shows. */
  #checkMade(open: OpenWindow): void {
    const made = open.window.results.slice(0, open.made.length);
    const isShown = ({ shownBy }: Result): boolean => shownBy !== undefined && made.some((r) => r.step === shownBy);
    const hidden = made.map((result, i) => ({ result, value: open.made[i]! })).filter(({ result }) => !isShown(result));
    for (const shape of new Set(hidden.map(({ result }) => result.shape))) {
      this.#pushNotFinite(
        hidden.filter(({ result }) => result.shape === shape).map(({ value }) => value),
        shape,
      );
      this.#code.brIf(open.fail);
    }
  }

  /** Behind `fail`: as it was before the window, and out. */
  #fail(open: OpenWindow): void {
    const code = this.#code;
    const around = this.#around;
    for (const [local, old] of open.old) {
      code.get(old);
      code.set(local);
    }
    const { flags } = around;
    const aliases = typeof open.flags === 'object' ? open.flags.aliases : [];
    const now = aliases.map(({ value }) => value.local);
    for (const { value, local } of aliases) value.local = local;
    around.flags = open.flags;
    around.leaveAt(open.window.first, open.count);
    around.flags = flags;
    for (const [i, { value }] of aliases.entries()) value.local = now[i]!;
  }

  /**
   * Pushes an i32 that is not 0 if any lane of any value is not finite: then their sum s is not, and s − s is a NaN. A sum
   * of finite values that is too large only makes tier 0 do what it would not have to.
   */
  #pushNotFinite(values: readonly Value[], shape: string): void {
    const code = this.#code;
    let sum = values[0]!.local;
    if (values.length > 1) {
      for (const [i, { local }] of values.entries()) {
        code.get(local);
        if (i > 0) code.op(`${shape}.add`);
      }
      sum = this.#temps.take(TYPES[shape]!);
      code.set(sum);
    }
    const difference = this.#temps.take(TYPES[shape]!);
    code.get(sum);
    code.get(sum);
    code.op(`${shape}.sub`);
    code.set(difference);
    this.#pushUnordered([difference], shape);
  }

  /** Pushes an i32 that is not 0 if any lane of any local (of scalars: one) is a NaN. */
  #pushUnordered(locals: readonly number[], shape: string): void {
    const code = this.#code;
    if (!shape.includes('x')) {
      // ≥ is one branch, equality two.
      code.get(locals[0]!);
      code.get(locals[0]!);
      code.op(`${shape}.ge`);
      code.op('i32.eqz');
      return;
    }
    for (const [i, local] of locals.entries()) {
      code.get(local);
      code.get(local);
      code.op(`${shape}.ne`);
      if (i > 0) code.op('v128.or');
    }
    code.op(shape === 'f32x4' ? 'i32x4.bitmask' : 'i64x2.bitmask');
  }
}
