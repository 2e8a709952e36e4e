/**
 * Which results of floating-point arithmetic are checked together. A result that is not finite needs the exact way of
 * tier 0 (NaN payloads, exception flags), so each would have to be checked before the next instruction. In a window, a
 * run of instructions without lasting effects, the checks are put off to its end: if one fails, control leaves at the
 * window's first instruction, with the registers as they were there (window-checks.ts). A result that goes into another
 * sum, product, root or as numerator into a quotient needs no check of its own: what is not finite stays so.
 *
 * Found here, on the intermediate form of a block: the windows, which results need a check at which point, and which
 * operands of comparisons are known to be no NaNs because they are results.
 */
import type { Statement, Value } from '../ir/ir.js';
import { isFlagWord, isPartial } from './flags.js';
import { registerOf, type Step } from './plan.js';

/** Results in one window: more would keep too many old registers. */
const MAX_RESULTS = 24;
/** Instructions in one window. */
const MAX_STEPS = 48;

export interface Result {
  readonly value: Value;
  /** f32, f64, f32x4 or f64x2. */
  readonly shape: string;
  readonly step: Step;
  /** Lanes that no later result shows yet, as bits. */
  open: number;
  /** The step whose result shows its last lane. */
  shownBy: Step | undefined;
}

export interface Window {
  readonly first: Step;
  readonly last: Step;
  /** In order of execution. */
  readonly results: readonly Result[];
}

export interface Speculation {
  /** Windows by all of their steps. */
  readonly windows: ReadonlyMap<Step, Window>;
  /** Conditions `ordered`: those of their operands that may be NaNs. */
  readonly doubtful: ReadonlyMap<Value, readonly Value[]>;
}

/** A lane of a result; undefined: any number at all. */
type Lane = { readonly result: Result | undefined; readonly lane: number } | undefined;

/** 32-bit lanes of a register. */
const CELLS = 4;
const UNKNOWN: readonly Lane[] = [undefined, undefined, undefined, undefined];
const FINITE: Lane = { result: undefined, lane: 0 };
/** Operators that give something not finite for what is not finite; of `div` in the first operand. */
const SHOWING = /^f(32|64)(x[24])?\.(add|sub|mul|sqrt)$|^f(32\.demote_f64|64\.promote_f32)$/;
const QUOTIENT = /^f(32|64)(x[24])?\.div$/;
/** Every integer is a finite number. */
const CONVERSION = /^f(32|64)\.convert_i(32|64)_s$/;

const LANE_BYTES: Record<string, number> = { f32: 4, f64: 8, f32x4: 4, f64x2: 8 };
const BYTES: Record<string, number> = {
  'v128.load': 16,
  'v128.store': 16,
  'f64.load': 8,
  'i64.load': 8,
  'f64.store': 8,
  'i64.store': 8,
  'f32.load': 4,
  'i32.load': 4,
  'f32.store': 4,
  'i32.store': 4,
};

export function speculate(steps: readonly Step[]): Speculation {
  const finder = new WindowFinder();
  for (const step of steps) finder.step(step);
  finder.endWindow();
  return finder;
}

class WindowFinder implements Speculation {
  readonly windows = new Map<Step, Window>();
  readonly doubtful = new Map<Value, readonly Value[]>();
  /** Of each xmm register its lanes. */
  #cells: Lane[] = new Array<Lane>(16 * CELLS).fill(undefined);
  /** Lanes of the current instruction's values. */
  #known = new Map<Value, readonly Lane[]>();
  #results: Result[] = [];
  /** Steps since the first result of the window. */
  #steps: Step[] = [];
  #step!: Step;

  step(step: Step): void {
    if (step.byInterpreter) {
      this.endWindow();
      this.#cells.fill(undefined);
      return;
    }
    if (this.#results.length >= MAX_RESULTS || this.#steps.length >= MAX_STEPS || lasts(step)) this.endWindow();
    this.#step = step;
    this.#known.clear();
    const isInside = this.#results.length > 0;
    if (isInside) this.#steps.push(step);
    this.#list(step.statements, true);
    if (!isInside && this.#results.length > 0) this.#steps.push(step);
    // It has an effect itself: a check put off would come too late.
    if (lasts(step)) this.endWindow();
  }

  /** One check alone is made at once. */
  endWindow(): void {
    const results = this.#results;
    const last = results.at(-1)?.step;
    if (last !== undefined && results[0]!.step !== last) {
      const window = { first: results[0]!.step, last, results };
      for (const step of this.#steps) {
        this.windows.set(step, window);
        if (step === last) break;
      }
    }
    this.#results = [];
    this.#steps = [];
  }

  #list(statements: readonly Statement[], certain: boolean): void {
    for (const s of statements) {
      switch (s.s) {
        case 'value':
          if (s.value.op === 'get') this.#known.set(s.value, this.#read(s.value));
          break;
        case 'set':
          this.#set(s.address, s.offset, s.name, certain ? this.#lanesOf(s.value) : UNKNOWN);
          break;
        case 'if':
          if (s.otherwise.length === 1 && s.otherwise[0]!.s === 'helper') {
            this.#condition(s.cond);
            this.#list(s.body, certain);
          } else {
            this.#list(s.body, false);
            this.#list(s.otherwise, false);
          }
          break;
        default:
      }
    }
  }

  #condition(cond: Value): void {
    const [x] = cond.args as [Value];
    if (cond.op === 'finite') this.#result(x, cond.name);
    else if (cond.op === 'ordered') {
      const count = cond.name.includes('x') ? CELLS : LANE_BYTES[cond.name]! / 4;
      const isNumber = (v: Value): boolean => this.#lanesOf(v).every((lane, i) => i >= count || lane !== undefined);
      const doubtful = cond.args.filter((v) => !isNumber(v));
      this.doubtful.set(cond, doubtful[0] === doubtful[1] ? doubtful.slice(0, 1) : doubtful);
    }
  }

  #result(value: Value, shape: string): void {
    const count = shape === 'f32x4' ? 4 : shape === 'f64x2' ? 2 : 1;
    const result: Result = { value, shape, step: this.#step, open: (1 << count) - 1, shownBy: undefined };
    const shown = SHOWING.test(value.op) ? value.args : QUOTIENT.test(value.op) ? [value.args[0]!] : [];
    for (const operand of shown) this.#show(operand, value.op, shape);
    this.#results.push(result);
    const cells = LANE_BYTES[shape]! / 4;
    this.#known.set(
      value,
      UNKNOWN.map((_, i) => (i < count * cells ? { result, lane: Math.floor(i / cells) } : undefined)),
    );
  }

  /** The lanes of an operand show in the result of the current step. */
  #show(operand: Value, op: string, shape: string): void {
    const bytes = op === 'f32.demote_f64' ? 8 : op === 'f64.promote_f32' ? 4 : LANE_BYTES[shape]!;
    const count = shape.includes('x') ? CELLS : bytes / 4;
    const lanes = this.#lanesOf(operand);
    for (let i = 0; i < count; i += bytes / 4) {
      const { result, lane } = lanes[i] ?? { result: undefined, lane: 0 };
      // All of a number: both halves of a double.
      if (result === undefined || LANE_BYTES[result.shape] !== bytes) continue;
      if (bytes === 8 && (lanes[i + 1]?.result !== result || lanes[i + 1]?.lane !== lane)) continue;
      if (result.open === 0 || !this.#results.includes(result)) continue;
      result.open &= ~(1 << lane);
      if (result.open === 0) result.shownBy = this.#step;
    }
  }

  #lanesOf(v: Value): readonly Lane[] {
    const known = this.#known.get(v);
    if (known !== undefined) return known;
    const lanes = this.#compute(v);
    this.#known.set(v, lanes);
    return lanes;
  }

  #compute(v: Value): readonly Lane[] {
    if (v.op === 'copy' || v.op === 'f64.reinterpret_i64' || v.op === 'i64.reinterpret_f64') {
      return this.#lanesOf(v.args[0]!);
    }
    if (CONVERSION.test(v.op)) return UNKNOWN.map((_, i) => (i < LANE_BYTES[v.type]! / 4 ? FINITE : undefined));
    if (v.op !== 'i8x16.shuffle') return UNKNOWN;
    const both = [...this.#lanesOf(v.args[0]!), ...this.#lanesOf(v.args[1]!)];
    const bytes = v.imm as readonly number[];
    return UNKNOWN.map((_, i) => {
      const from = bytes[4 * i]!;
      const isWhole = from % 4 === 0 && [1, 2, 3].every((k) => bytes[4 * i + k] === from + k);
      return isWhole ? both[from / 4] : undefined;
    });
  }

  #read(v: Value): readonly Lane[] {
    const at = (v.args[0]!.imm as number) + (v.imm as number);
    const register = registerOf(at);
    const bytes = BYTES[v.name];
    if (register < 16 || bytes === undefined || at % 4 !== 0) return UNKNOWN;
    const from = (register - 16) * CELLS + ((at & 15) >> 2);
    return UNKNOWN.map((_, i) => (4 * i < bytes ? this.#cells[from + i] : undefined));
  }

  #set(address: Value, offset: number, name: string, lanes: readonly Lane[]): void {
    const at = (address.imm as number) + offset;
    const register = registerOf(at);
    if (register < 16) return;
    const bytes = BYTES[name];
    const from = (register - 16) * CELLS + ((at & 15) >> 2);
    if (bytes === undefined || at % 4 !== 0) this.#cells[from] = undefined;
    else for (let i = 0; i < bytes / 4; i++) this.#cells[from + i] = lanes[i];
  }
}

/** Whether what an instruction does cannot be undone by giving registers their old values. */
function lasts({ byInterpreter, instruction, statements }: Step): boolean {
  return byInterpreter || instruction.flow !== 'next' || statements.some((s) => isLasting(s, false));
}

function isLasting(s: Statement, conditional: boolean): boolean {
  switch (s.s) {
    case 'value':
      return s.value.op === 'get' && isFlagWord(s.value.args[0]!.imm as number);
    case 'set':
      return registerOf((s.address.imm as number) + s.offset) < 0;
    case 'flags':
      // Those that leave some flags as they were may write the others to memory first.
      return conditional || isPartial(s.kind);
    case 'if': {
      const isFast = s.otherwise.length === 1 && s.otherwise[0]!.s === 'helper';
      if (isFast) return s.body.some((inner) => isLasting(inner, conditional));
      return [...s.body, ...s.otherwise].some((inner) => isLasting(inner, true));
    }
    case 'trap':
      return s.cond === undefined;
    default:
      return true;
  }
}
