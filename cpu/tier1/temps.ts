/** Pooled locals for intermediate values. V8's optimising tier gets slow with the number of locals: few, used again. */
import type { Code } from '../wasm/code.js';
import type { ValueType } from '../wasm/opcodes.js';

const TYPES: readonly ValueType[] = ['i32', 'i64', 'f32', 'f64', 'v128'];

export class Temps {
  #code: Code;
  #free: Record<ValueType, number[]> = { i32: [], i64: [], f32: [], f64: [], v128: [] };
  #typeOf = new Map<number, ValueType>();
  /** Taken since the last `releaseAll`. */
  #taken: number[] = [];

  constructor(code: Code) {
    this.#code = code;
  }

  take(type: ValueType): number {
    let local = this.#free[type].pop();
    if (local === undefined) {
      local = this.#code.local(type);
      this.#typeOf.set(local, type);
    }
    this.#taken.push(local);
    return local;
  }

  /** Gives back everything taken but what is in `kept`. */
  releaseAll(kept: ReadonlySet<number>): void {
    let left = 0;
    for (const local of this.#taken) {
      if (kept.has(local)) this.#taken[left++] = local;
      else this.#free[this.#typeOf.get(local)!].push(local);
    }
    this.#taken.length = left;
  }

  /** Takes back what a part of the program that was emitted earlier left in use for this one, and that alone. */
  restore(kept: ReadonlySet<number>): void {
    this.#taken.length = 0;
    for (const type of TYPES) this.#free[type] = [];
    for (const [local, type] of this.#typeOf) {
      if (kept.has(local)) this.#taken.push(local);
      else this.#free[type].push(local);
    }
  }
}
