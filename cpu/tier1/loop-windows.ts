/**
 * Windows of accesses in loops, in locals: what a check compares with is loaded once before the loop. A window that changes
 * meanwhile does no harm: one that is closed makes the region leave (RESYNC), one that grows is only used later. Loops with
 * calls or instructions in tier 0 don't have this, since all locals go through memory there.
 */
import type { Statement, Value } from '../ir/ir.js';
import type { Code } from '../wasm/code.js';
import { W_DELTA, W_LOW, WINDOW_SIZE } from './layout.js';
import type { PlannedBlock } from './plan.js';
import { type Relocation, WIDTH, windowField } from './relocation.js';

/** Windows of one loop: locals are registers, of which there are few. */
const MAX_WINDOWS = 4;
/** How much more often an inner loop is thought to run than what is around it. */
const LOOP_WEIGHT = 8;

/** What the check of an access reads. */
export interface WindowUse {
  readonly slot: number;
  /** W_READ or one of its like. */
  readonly limit: number;
}

export class LoopWindows {
  readonly #code: Code;
  /** Local by slot and field, as a number. */
  readonly #locals = new Map<number, number>();
  /** Keys that each open loop has added. */
  readonly #loops: number[][] = [];
  readonly #free: Record<'i32' | 'i64', number[]> = { i32: [], i64: [] };

  constructor(code: Code) {
    this.#code = code;
  }

  /**
   * Before a loop.
   * @param blocks its blocks, and how deep in loops each is
   * @param useOf what the check of an access reads, undefined without
   */
  open(
    blocks: readonly { planned: PlannedBlock; depth: number }[],
    useOf: (v: Value, planned: PlannedBlock, step: PlannedBlock['steps'][number]) => WindowUse | undefined,
  ): void {
    const added: number[] = [];
    this.#loops.push(added);
    const weights = new Map<number, number>();
    const limits = new Map<number, Set<number>>();
    for (const { planned, depth } of blocks) {
      for (const step of planned.steps) {
        for (const v of probesOf(step.statements)) {
          const use = useOf(v, planned, step);
          if (use === undefined) continue;
          const { slot, limit } = use;
          weights.set(slot, (weights.get(slot) ?? 0) + LOOP_WEIGHT ** depth);
          limits.set(slot, (limits.get(slot) ?? new Set()).add(limit));
        }
      }
    }
    const sorted = [...weights].sort((x, y) => y[1] - x[1] || x[0] - y[0]).map(([slot]) => slot);
    for (const slot of sorted.slice(0, MAX_WINDOWS)) {
      for (const field of [W_LOW, W_DELTA, ...limits.get(slot)!]) this.#load(slot, field, added);
    }
  }

  /** Behind the loop that was opened last. */
  close(): void {
    for (const key of this.#loops.pop()!) {
      this.#free[typeOf(key % FIELDS)].push(this.#locals.get(key)!);
      this.#locals.delete(key);
    }
  }

  /** Pushes a field of a window: low and limits as i64, delta as i32. @param offset 0 or SECOND_WINDOW */
  push(slot: number, field: number, offset: number): void {
    const local = offset === 0 ? this.#locals.get(slot * FIELDS + field) : undefined;
    if (local === undefined) this.#read(slot, field, offset);
    else this.#code.get(local);
  }

  #load(slot: number, field: number, added: number[]): void {
    const key = slot * FIELDS + field;
    if (this.#locals.has(key)) return;
    const type = typeOf(field);
    const local = this.#free[type].pop() ?? this.#code.local(type);
    this.#read(slot, field, 0);
    this.#code.set(local);
    this.#locals.set(key, local);
    added.push(key);
  }

  #read(slot: number, field: number, offset: number): void {
    const name = field === W_LOW ? 'i64.load' : field === W_DELTA ? 'i32.load' : 'i64.load32_u';
    const relocation: Relocation = { kind: 'window', slot, field: field + offset };
    this.#code.i32(0);
    this.#code.memoryAt(name, windowField(slot, field + offset), WIDTH.window, relocation);
  }
}

/** More than any field of a window. */
const FIELDS = WINDOW_SIZE;

function typeOf(field: number): 'i32' | 'i64' {
  return field === W_DELTA ? 'i32' : 'i64';
}

function* probesOf(statements: readonly Statement[]): Generator<Value> {
  for (const s of statements) {
    if (s.s === 'value' && s.value.op === 'probe') yield s.value;
    else if (s.s === 'if') {
      yield* probesOf(s.body);
      yield* probesOf(s.otherwise);
    }
  }
}
