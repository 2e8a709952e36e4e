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
import { registerOf, type Step } from './step.js';

/** Results in one window: more would keep too many old registers. */
const MAX_RESULTS = 24;
/** Instructions in one window. */
const MAX_STEPS = 48;

export interface Result {
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
  /** Registers that some instruction of it may write, as bits. */
  readonly writes: number;
  /** In order of execution. */
  readonly results: readonly Result[];
}

export interface Speculation {
  /** Windows by all of their steps. */
  readonly windows: ReadonlyMap<Step, Window>;
  /** Of steps with a condition `ordered`: which of its operands may be NaNs. */
  readonly doubtful: ReadonlyMap<Step, readonly number[]>;
}

/** 32 bits of a finite result: which of its four; undefined: any bits at all. */
type Cell = { readonly result: Result; readonly part: number } | undefined;

/** 32-bit cells of a register. */
const CELLS = 4;
const UNKNOWN: readonly Cell[] = [undefined, undefined, undefined, undefined];
/** Operators that give something not finite for what is not finite; of `div` in the first operand. */
const SHOWING = /^f(32|64)(x[24])?\.(add|sub|mul|sqrt)$/;
const QUOTIENT = /^f(32|64)(x[24])?\.div$/;
/** Every integer is a finite number. */
const CONVERSION = /^f(32|64)\.convert_i(32|64)_s$/;

/** Cells of one number. */
const WIDTH: Record<string, number> = { f32: 1, f64: 2, f32x4: 1, f64x2: 2 };
const NUMBERS: Record<string, readonly number[]> = { f32: [0], f64: [0], f32x4: [0, 1, 2, 3], f64x2: [0, 2] };
/** First cells of a shape's numbers. */
const numbersOf = (shape: string): readonly number[] => NUMBERS[shape]!;

/** The cell from which on there is one whole number of a result of this width; undefined where there is none. */
function wholeNumber(cells: readonly Cell[], at: number, width: number): Cell {
  const cell = cells[at];
  if (cell === undefined || WIDTH[cell.result.shape] !== width) return undefined;
  if (width === 1) return cell;
  const next = cells[at + 1];
  return cell.part % 2 === 0 && next?.result === cell.result && next.part === cell.part + 1 ? cell : undefined;
}

function cellsOfResult(result: Result): readonly Cell[] {
  const count = numbersOf(result.shape).length * WIDTH[result.shape]!;
  return UNKNOWN.map((_, part) => (part < count ? { result, part } : undefined));
}

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

const NOTHING: Speculation = { windows: new Map(), doubtful: new Map() };

/** Looks at the instructions of a block, one after the other. */
export class Speculator {
  #windows = new Map<Step, Window>();
  #doubtful = new Map<Step, readonly number[]>();
  /** Of each xmm register its cells. */
  #cells: Cell[] = new Array<Cell>(16 * CELLS).fill(undefined);
  /** Cells of the current instruction's values. */
  #known = new Map<Value, readonly Cell[]>();
  #results: Result[] = [];
  /** Steps since the first result of the window. */
  #steps: Step[] = [];
  #step!: Step;

  step(step: Step, statements: readonly Statement[]): void {
    if (step.byInterpreter || step.string !== undefined) {
      this.#endWindow();
      this.#cells.fill(undefined);
      return;
    }
    const isLast = lasts(step, statements);
    if (this.#results.length >= MAX_RESULTS || this.#steps.length >= MAX_STEPS || isLast) this.#endWindow();
    this.#step = step;
    if (this.#known.size > 0) this.#known.clear();
    const isInside = this.#results.length > 0;
    if (isInside) this.#steps.push(step);
    this.#list(statements, true);
    if (!isInside && this.#results.length > 0) this.#steps.push(step);
    // It has an effect itself: a check put off would come too late.
    if (isLast) this.#endWindow();
  }

  /** The block is over: what was found in it. The next one begins. */
  end(): Speculation {
    this.#endWindow();
    this.#cells.fill(undefined);
    this.#known.clear();
    if (this.#windows.size + this.#doubtful.size === 0) return NOTHING;
    const found = { windows: this.#windows, doubtful: this.#doubtful };
    this.#windows = new Map();
    this.#doubtful = new Map();
    return found;
  }

  /** One check alone is made at once. */
  #endWindow(): void {
    const results = this.#results;
    const last = results.at(-1)?.step;
    if (last !== undefined && results[0]!.step !== last) {
      const steps = this.#steps.slice(0, this.#steps.indexOf(last) + 1);
      const writes = steps.reduce((set, step) => set | step.writes, 0);
      const window = { first: results[0]!.step, last, writes, results };
      for (const step of steps) this.#windows.set(step, window);
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
          this.#set(s.address, s.offset, s.name, certain ? this.#cellsOf(s.value) : UNKNOWN);
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
      const isNumber = (v: Value): boolean => {
        const cells = this.#cellsOf(v);
        return numbersOf(cond.name).every((i) => wholeNumber(cells, i, WIDTH[cond.name]!) !== undefined);
      };
      const doubtful = cond.args.flatMap((v, i) => (isNumber(v) || cond.args.indexOf(v) < i ? [] : [i]));
      // Of several conditions nothing is said.
      this.#doubtful.set(this.#step, this.#doubtful.has(this.#step) ? [...cond.args.keys()] : doubtful);
    }
  }

  #result(value: Value, shape: string): void {
    const { op, args } = value;
    const open = (1 << numbersOf(shape).length) - 1;
    const result: Result = { shape, step: this.#step, open, shownBy: undefined };
    if (op === 'f32.demote_f64') this.#show(args[0]!, 'f64');
    else if (op === 'f64.promote_f32') this.#show(args[0]!, 'f32');
    else if (QUOTIENT.test(op)) this.#show(args[0]!, shape);
    else if (SHOWING.test(op)) for (const operand of args) this.#show(operand, shape);
    this.#results.push(result);
    this.#known.set(value, cellsOfResult(result));
  }

  /** The numbers of an operand show in the result of the current step. */
  #show(operand: Value, shape: string): void {
    const width = WIDTH[shape]!;
    const cells = this.#cellsOf(operand);
    for (const i of numbersOf(shape)) {
      const cell = wholeNumber(cells, i, width);
      if (cell === undefined || cell.result.open === 0 || !this.#results.includes(cell.result)) continue;
      const { result, part } = cell;
      result.open &= ~(1 << (part / width));
      if (result.open === 0) result.shownBy = this.#step;
    }
  }

  #cellsOf(v: Value): readonly Cell[] {
    const known = this.#known.get(v);
    if (known !== undefined) return known;
    const cells = this.#compute(v);
    this.#known.set(v, cells);
    return cells;
  }

  #compute(v: Value): readonly Cell[] {
    if (v.op === 'copy' || v.op === 'f64.reinterpret_i64' || v.op === 'i64.reinterpret_f64') {
      return this.#cellsOf(v.args[0]!);
    }
    if (CONVERSION.test(v.op)) {
      return cellsOfResult({ shape: v.type, step: this.#step, open: 0, shownBy: undefined });
    }
    if (v.op !== 'i8x16.shuffle') return UNKNOWN;
    const both = [...this.#cellsOf(v.args[0]!), ...this.#cellsOf(v.args[1]!)];
    const bytes = v.imm as readonly number[];
    return UNKNOWN.map((_, i) => {
      const from = bytes[4 * i]!;
      const isWhole = from % 4 === 0 && [1, 2, 3].every((k) => bytes[4 * i + k] === from + k);
      return isWhole ? both[from / 4] : undefined;
    });
  }

  #read(v: Value): readonly Cell[] {
    const at = (v.args[0]!.imm as number) + (v.imm as number);
    const register = registerOf(at);
    const bytes = BYTES[v.name];
    if (register < 16 || bytes === undefined || at % 4 !== 0) return UNKNOWN;
    const from = (register - 16) * CELLS + ((at & 15) >> 2);
    return UNKNOWN.map((_, i) => (4 * i < bytes ? this.#cells[from + i] : undefined));
  }

  #set(address: Value, offset: number, name: string, cells: readonly Cell[]): void {
    const at = (address.imm as number) + offset;
    const register = registerOf(at);
    if (register < 16) return;
    const bytes = BYTES[name];
    const from = (register - 16) * CELLS + ((at & 15) >> 2);
    if (bytes === undefined || at % 4 !== 0) this.#cells[from] = undefined;
    else for (let i = 0; i < bytes / 4; i++) this.#cells[from + i] = cells[i];
  }
}

/** Whether what an instruction does cannot be undone by giving registers their old values. */
function lasts({ byInterpreter, instruction }: Step, statements: readonly Statement[]): boolean {
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
