/**
 * Accesses of a block that go to one object: the same registers, different distances (fields of a structure, a stack
 * frame, steps of an unrolled loop). They are checked once, at the first of them, for the whole extent. All of them are
 * executed anyway unless the block is left, so that a check which fails too early only costs time.
 *
 * Addresses are compared as linear forms: a sum of values that registers held at some point of the block, each times a
 * power of two, and a distance.
 */
import type { Statement, Value } from '../ir/ir.js';
import { registerOf, type Step } from './step.js';

/** Bytes that one check may cover. */
export const MAX_SPAN = 512;

export interface Group {
  /** Distances from the form's base: of the first byte, and behind the last. */
  low: number;
  high: number;
  write: boolean;
  members: number;
  /** While a block is emitted: local of the physical address of `low`, −1 before the check. */
  local: number;
  /** Distances modulo 16 that are known to be aligned. */
  aligned: Set<number>;
  /** Members still to come. */
  left: number;
}

export interface Membership {
  readonly group: Group;
  readonly distance: number;
}

interface Form {
  /** Sorted terms `value*scale`. */
  readonly key: string;
  readonly distance: number;
}

interface Sum {
  terms: Map<number, number>;
  distance: number;
}

/** The groups of a block's probes; probes that stand alone are not in it. */
export function groupAccesses(steps: readonly Step[]): Map<Value, Membership> {
  const finder = new GroupFinder();
  for (const step of steps) finder.step(step);
  return finder.result();
}

class GroupFinder {
  /** What a register holds: number of a value, and a distance from it. */
  #values = new Int32Array(16);
  #distances = new Float64Array(16);
  #next = 16;
  #open = new Map<string, Group>();
  #found = new Map<Value, Membership>();
  /** Forms of values of the current instruction. */
  #known = new Map<Value, Sum | undefined>();

  constructor() {
    for (let r = 0; r < 16; r++) this.#values[r] = r;
  }

  step(step: Step): void {
    if (step.byInterpreter) {
      // Mappings may change, registers have new values.
      this.#open.clear();
      for (let r = 0; r < 16; r++) this.#renew(r);
      return;
    }
    this.#known.clear();
    this.#list(step.statements, true);
  }

  result(): Map<Value, Membership> {
    for (const [value, { group }] of this.#found) if (group.members < 2) this.#found.delete(value);
    return this.#found;
  }

  #renew(register: number): void {
    this.#values[register] = this.#next++;
    this.#distances[register] = 0;
  }

  #list(statements: readonly Statement[], certain: boolean): void {
    for (const s of statements) {
      if (s.s === 'value') {
        if (s.value.op === 'probe') this.#probe(s.value);
        // What is read now may be written before it is used.
        else if (s.value.op === 'get') this.#form(s.value);
      } else if (s.s === 'set') this.#set((s.address.imm as number) + s.offset, s.name, s.value, certain);
      else if (s.s === 'if') {
        const isFast = s.otherwise.length === 1 && s.otherwise[0]!.s === 'helper';
        this.#list(s.body, isFast && certain);
        this.#list(s.otherwise, false);
      }
    }
  }

  #set(address: number, name: string, v: Value, certain: boolean): void {
    const register = registerOf(address);
    if (register < 0 || register >= 16) return;
    const sum = certain && name === 'i64.store' ? this.#form(v) : undefined;
    const [only] = sum?.terms ?? [];
    if (sum === undefined || sum.terms.size !== 1 || only![1] !== 1) {
      this.#renew(register);
      return;
    }
    this.#values[register] = only![0];
    this.#distances[register] = sum.distance;
  }

  #probe(v: Value): void {
    const { size, write } = v.probe!;
    const form = this.#formOf(v.args[0]!);
    if (form === undefined) return;
    const { key, distance } = form;
    let group = this.#open.get(key);
    if (group !== undefined) {
      const low = Math.min(group.low, distance);
      const high = Math.max(group.high, distance + size);
      if (high - low <= MAX_SPAN) {
        group.low = low;
        group.high = high;
        group.write ||= write;
      } else group = undefined;
    }
    if (group === undefined) {
      group = { low: distance, high: distance + size, write, members: 0, local: -1, aligned: new Set(), left: 0 };
      this.#open.set(key, group);
    }
    group.members++;
    this.#found.set(v, { group, distance });
  }

  #formOf(v: Value): Form | undefined {
    const sum = this.#form(v);
    if (sum === undefined) return undefined;
    const terms = [...sum.terms].filter(([, scale]) => scale !== 0).sort((a, b) => a[0] - b[0]);
    return { key: terms.map(([value, scale]) => `${value}*${scale}`).join('+'), distance: sum.distance };
  }

  #form(v: Value): Sum | undefined {
    if (!this.#known.has(v)) this.#known.set(v, this.#compute(v));
    return this.#known.get(v);
  }

  #compute(v: Value): Sum | undefined {
    switch (v.op) {
      case 'const':
        return v.type === 'i64' && typeof v.imm === 'number' ? { terms: new Map(), distance: v.imm } : undefined;
      case 'copy':
        return this.#form(v.args[0]!);
      case 'get': {
        const register = registerOf((v.args[0]!.imm as number) + (v.imm as number));
        if (register < 0 || register >= 16 || v.name !== 'i64.load') return undefined;
        return { terms: new Map([[this.#values[register]!, 1]]), distance: this.#distances[register]! };
      }
      case 'i64.add':
      case 'i64.sub': {
        const [x, y] = [this.#form(v.args[0]!), this.#form(v.args[1]!)];
        if (x === undefined || y === undefined || (v.op === 'i64.sub' && y.terms.size > 0)) return undefined;
        const terms = new Map(x.terms);
        for (const [value, scale] of y.terms) terms.set(value, (terms.get(value) ?? 0) + scale);
        return { terms, distance: v.op === 'i64.add' ? x.distance + y.distance : x.distance - y.distance };
      }
      case 'i64.shl': {
        const [x, y] = v.args;
        const sum = this.#form(x!);
        if (sum === undefined || y!.op !== 'const' || (y!.imm as number) > 3) return undefined;
        const factor = 2 ** (y!.imm as number);
        const terms = new Map([...sum.terms].map(([value, scale]) => [value, scale * factor]));
        return { terms, distance: sum.distance * factor };
      }
      default:
        return undefined;
    }
  }
}
