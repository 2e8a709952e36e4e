/**
 * What is kept of an instruction's statements: what it does to general registers, and which accesses it makes, with their
 * addresses as sums over what registers hold when it begins.
 */
import type { Statement, Value } from '../ir/ir.js';
import { addressBase } from './loop-addresses.js';
import type { Access, Sum } from './memory-access.js';
import { addTerm, COUNT } from './register-values.js';
import { type Moves, registerOf } from './step.js';

export interface Summary {
  readonly accesses: readonly Access[];
  readonly moves: Moves;
}

const NO_MOVES: Moves = { changes: [], fresh: 0 };
const NO_ACCESSES: readonly Access[] = [];

/** Of an instruction that may do anything to some general registers, as bits, and whose accesses are nobody's business. */
export function opaque(registers: number): Summary {
  const changes: number[] = [];
  for (let r = 0; r < COUNT; r++) if ((registers & (1 << r)) !== 0) changes.push(r, COUNT + changes.length / 3, 0);
  return { accesses: NO_ACCESSES, moves: changes.length === 0 ? NO_MOVES : { changes, fresh: changes.length / 3 } };
}

/** Of an instruction that tier 0 executes. */
export const INTERPRETED: Summary = opaque((1 << COUNT) - 1);

/** Sums up one instruction after the other. */
export class Summarizer {
  /** By register: number of a value and a distance from it, as RegisterValues has them; at first its own number. */
  readonly #values = new Int32Array(COUNT);
  readonly #distances = new Float64Array(COUNT);
  #fresh = 0;
  /** Registers that have been written, as bits. */
  #written = 0;
  #accesses: Access[] = [];
  readonly #known = new Map<Value, Sum | undefined>();

  summarize(statements: readonly Statement[]): Summary {
    for (let r = 0; r < COUNT; r++) this.#values[r] = r;
    this.#distances.fill(0);
    this.#fresh = 0;
    this.#written = 0;
    this.#list(statements, true);
    const accesses = this.#accesses.length === 0 ? NO_ACCESSES : this.#accesses;
    if (accesses !== NO_ACCESSES) this.#accesses = [];
    // Each time it makes a new table.
    if (this.#known.size > 0) this.#known.clear();
    if (this.#written === 0) return { accesses, moves: NO_MOVES };
    const changes: number[] = [];
    for (let r = 0; r < COUNT; r++) {
      if ((this.#written & (1 << r)) !== 0) changes.push(r, this.#values[r]!, this.#distances[r]!);
    }
    return { accesses, moves: { changes, fresh: this.#fresh } };
  }

  #list(statements: readonly Statement[], isCertain: boolean): void {
    for (const s of statements) {
      if (s.s === 'value') {
        if (s.value.op === 'probe') this.#probe(s.value, isCertain);
        // What is read now may be written before it is used.
        else if (s.value.op === 'get') this.#sum(s.value);
      } else if (s.s === 'set') this.#set((s.address.imm as number) + s.offset, s.name, s.value, isCertain);
      else if (s.s === 'if') {
        const isFast = s.otherwise.length === 1 && s.otherwise[0]!.s === 'helper';
        this.#list(s.body, isFast && isCertain);
        this.#list(s.otherwise, false);
      }
    }
  }

  #probe(v: Value, isCertain: boolean): void {
    const { size, write, aligned, stack = false } = v.probe!;
    const [address] = v.args as [Value];
    const [sum, base] = [this.#sum(address), addressBase(address)];
    this.#accesses.push({ size, write, aligned, stack, isCertain, sum, base, membership: undefined });
  }

  #set(address: number, name: string, v: Value, isCertain: boolean): void {
    const register = registerOf(address);
    if (register < 0 || register >= COUNT) return;
    this.#written |= 1 << register;
    const sum = isCertain && name === 'i64.store' ? this.#sum(v) : undefined;
    if (sum?.terms.length === 2 && sum.terms[1] === 1) {
      this.#values[register] = sum.terms[0]!;
      this.#distances[register] = sum.distance;
    } else {
      this.#values[register] = COUNT + this.#fresh++;
      this.#distances[register] = 0;
    }
  }

  #sum(v: Value): Sum | undefined {
    if (!this.#known.has(v)) this.#known.set(v, this.#compute(v));
    return this.#known.get(v);
  }

  #compute(v: Value): Sum | undefined {
    switch (v.op) {
      case 'const':
        return v.type === 'i64' && typeof v.imm === 'number' ? { terms: [], distance: v.imm } : undefined;
      case 'copy':
        return this.#sum(v.args[0]!);
      case 'get': {
        const register = registerOf((v.args[0]!.imm as number) + (v.imm as number));
        if (register < 0 || register >= COUNT || v.name !== 'i64.load') return undefined;
        return { terms: [this.#values[register]!, 1], distance: this.#distances[register]! };
      }
      case 'i64.add':
      case 'i64.sub': {
        const [x, y] = [this.#sum(v.args[0]!), this.#sum(v.args[1]!)];
        if (x === undefined || y === undefined || (v.op === 'i64.sub' && y.terms.length > 0)) return undefined;
        const distance = v.op === 'i64.add' ? x.distance + y.distance : x.distance - y.distance;
        return { terms: added(x.terms, y.terms), distance };
      }
      case 'i64.shl': {
        const [x, y] = v.args;
        const sum = this.#sum(x!);
        if (sum === undefined || y!.op !== 'const' || (y!.imm as number) > 3) return undefined;
        const factor = 2 ** (y!.imm as number);
        return { terms: sum.terms.map((n, i) => (i % 2 === 0 ? n : n * factor)), distance: sum.distance * factor };
      }
      default:
        return undefined;
    }
  }
}

/** Terms of the sum of two sums. */
function added(one: readonly number[], other: readonly number[]): readonly number[] {
  if (other.length === 0) return one;
  const terms = [...one];
  for (let i = 0; i < other.length; i += 2) addTerm(terms, other[i]!, other[i + 1]!);
  return terms;
}
