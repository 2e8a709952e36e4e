/**
 * What general registers hold, by name: each register at each place of a region holds a numbered value plus a constant
 * distance. Two registers, or one register at two places, with the same number and distance hold the same contents. Numbers
 * of values that differ from path to path are given where the paths meet.
 *
 * Besides the registers there is the *epoch*: it has a new value behind everything after which a check of an access does not
 * hold any more (calls, instructions in tier 0). So "the same address, still checked" is "the same values".
 */
import type { Statement, Value } from '../ir/ir.js';
import type { FlowGraph } from './graph/flow-graph.js';
import type { Block } from './region.js';
import { registerOf, type Step } from './step.js';

const COUNT = 16;
const RSP = 4;
/** Bytes that a call pushes and its return pops. */
const RETURN_ADDRESS = 8;

/** What it takes to number an instruction, or to look at a node, in instructions planned. */
const NUMBERING = 1 / 8;
/** No path to there has been looked at. */
const UNKNOWN = -1;

/** A sum of values, each times a power of two, and a distance. */
export interface Sum {
  terms: Map<number, number>;
  distance: number;
}

/** Follows what registers hold through the instructions of a block. */
export class RegisterValues {
  /** By register: number of a value, and a distance from it. */
  readonly values = new Int32Array(COUNT);
  readonly distances = new Float64Array(COUNT);
  /** Number of the next new value. */
  next = 0;
  /** Sums of values of the current instruction. */
  #known = new Map<Value, Sum | undefined>();
  readonly #probe: ((v: Value, certain: boolean) => void) | undefined;

  /** @param probe is told of each access where it is made, and whether it is made on every path through its instruction */
  constructor(probe?: (v: Value, certain: boolean) => void) {
    this.#probe = probe;
  }

  step(step: Step): void {
    if (step.byInterpreter) {
      this.renewAll();
      return;
    }
    this.#known.clear();
    if (step.string !== undefined) {
      for (let r = 0; r < COUNT; r++) if ((step.writes & (1 << r)) !== 0) this.#renew(r);
      return;
    }
    this.#list(step.statements, true);
  }

  /** Anything may have happened to the registers. */
  renewAll(): void {
    for (let r = 0; r < COUNT; r++) this.#renew(r);
  }

  /** A function was called and has come back: the region goes on only if rsp is as it was before (calls.ts). */
  afterCall(): void {
    for (let r = 0; r < COUNT; r++) if (r !== RSP) this.#renew(r);
    this.distances[RSP] = this.distances[RSP]! + RETURN_ADDRESS;
  }

  /** The sum that a value of the current instruction is; undefined when it is none. */
  sum(v: Value): Sum | undefined {
    if (!this.#known.has(v)) this.#known.set(v, this.#compute(v));
    return this.#known.get(v);
  }

  #renew(register: number): void {
    this.values[register] = this.next++;
    this.distances[register] = 0;
  }

  #list(statements: readonly Statement[], certain: boolean): void {
    for (const s of statements) {
      if (s.s === 'value') {
        if (s.value.op === 'probe') this.#probe?.(s.value, certain);
        // What is read now may be written before it is used.
        else if (s.value.op === 'get') this.sum(s.value);
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
    const sum = certain && name === 'i64.store' ? this.sum(v) : undefined;
    const [only] = sum?.terms ?? [];
    if (sum === undefined || sum.terms.size !== 1 || only![1] !== 1) {
      this.#renew(register);
      return;
    }
    this.values[register] = only![0];
    this.distances[register] = sum.distance;
  }

  #compute(v: Value): Sum | undefined {
    switch (v.op) {
      case 'const':
        return v.type === 'i64' && typeof v.imm === 'number' ? { terms: new Map(), distance: v.imm } : undefined;
      case 'copy':
        return this.sum(v.args[0]!);
      case 'get': {
        const register = registerOf((v.args[0]!.imm as number) + (v.imm as number));
        if (register < 0 || register >= 16 || v.name !== 'i64.load') return undefined;
        return { terms: new Map([[this.values[register]!, 1]]), distance: this.distances[register]! };
      }
      case 'i64.add':
      case 'i64.sub': {
        const [x, y] = [this.sum(v.args[0]!), this.sum(v.args[1]!)];
        if (x === undefined || y === undefined || (v.op === 'i64.sub' && y.terms.size > 0)) return undefined;
        const terms = new Map(x.terms);
        for (const [value, scale] of y.terms) terms.set(value, (terms.get(value) ?? 0) + scale);
        return { terms, distance: v.op === 'i64.add' ? x.distance + y.distance : x.distance - y.distance };
      }
      case 'i64.shl': {
        const [x, y] = v.args;
        const sum = this.sum(x!);
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

/** What registers hold at the start of one block. */
export interface Entry {
  readonly values: Int32Array;
  readonly distances: Float64Array;
  /** Number of the first new value inside of the block. */
  first: number;
}

/** What registers hold at the start of every block of a region. */
export class ValueNumbers {
  /** By node of the graph; undefined for nodes that cannot be reached. */
  readonly entries: (Entry | undefined)[];
  /** Values that rsp has at the start of a block: addresses on the stack. */
  readonly stack = new Set<number>();
  readonly #graph: FlowGraph;
  /** What registers hold at the end of a block, in terms of what they hold at its start: numbers below COUNT. */
  readonly #ends: (Entry | undefined)[] = [];
  /** Number that a register gets at the start of a node when paths that meet there differ. */
  #meeting = 0;
  /** What `#atEnd` has found. */
  #distance = 0;

  constructor(graph: FlowGraph) {
    this.#graph = graph;
    this.entries = new Array<Entry | undefined>(graph.count).fill(undefined);
  }

  /** Numbers everything, a part at a time: yields how much that was, in instructions planned. */
  *number(blocks: readonly { block: Block; steps: readonly Step[] }[]): Generator<number, void> {
    const walker = new RegisterValues();
    walker.next = COUNT;
    const firsts: number[] = [];
    for (const [b, { block, steps }] of blocks.entries()) {
      const first = walker.next;
      firsts.push(first);
      for (let r = 0; r < COUNT; r++) walker.values[r] = r;
      walker.distances.fill(0);
      for (const step of steps) walker.step(step);
      const { kind } = block.end;
      if (kind === 'call' || kind === 'indirectCall') walker.afterCall();
      this.#ends[b] = { values: walker.values.slice(), distances: walker.distances.slice(), first };
      yield steps.length * NUMBERING;
    }
    this.#meeting = walker.next;
    yield* this.#solve();
    for (const [b, first] of firsts.entries()) {
      const entry = this.entries[b];
      if (entry === undefined) continue;
      entry.first = first;
      this.stack.add(entry.values[RSP]!);
    }
  }

  /** Optimistic: what is not known yet agrees with everything. */
  *#solve(): Generator<number, void> {
    const { order, count, successors } = this.#graph;
    const stale = new Uint8Array(count).fill(1);
    for (let pending = true; pending; ) {
      pending = false;
      for (const node of order) {
        if (stale[node] === 0) continue;
        stale[node] = 0;
        this.entries[node] ??= {
          values: new Int32Array(COUNT).fill(UNKNOWN),
          distances: new Float64Array(COUNT),
          first: 0,
        };
        let changed = false;
        for (let r = 0; r < COUNT; r++) changed = this.#meet(node, r, this.#meeting + r * count + node) || changed;
        if (changed) {
          pending = true;
          for (const to of successors[node]!) stale[to] = 1;
        }
        yield NUMBERING;
      }
    }
  }

  /** @returns whether what register r holds at the start of a node has changed */
  #meet(node: number, r: number, own: number): boolean {
    const { values, distances } = this.entries[node]!;
    if (values[r] === own) return false;
    let value = UNKNOWN;
    let distance = 0;
    for (const from of this.#graph.predecessors[node]!) {
      const there = this.#atEnd(from, r);
      if (there === UNKNOWN) continue;
      if (value === UNKNOWN) {
        value = there;
        distance = this.#distance;
      } else if (value !== there || distance !== this.#distance) value = own;
    }
    // The region is entered at block 0.
    if (node === 0) value = own;
    if (value === own) distance = 0;
    if (values[r] === value && distances[r] === distance) return false;
    values[r] = value;
    distances[r] = distance;
    return true;
  }

  /** @returns the value that register r holds at the end of a node, with `#distance`, or UNKNOWN */
  #atEnd(node: number, r: number): number {
    const entry = this.entries[node];
    if (entry === undefined) return UNKNOWN;
    const end = this.#ends[node];
    // Nodes without instructions hand on what they get.
    const value = end === undefined ? r : end.values[r]!;
    const distance = end === undefined ? 0 : end.distances[r]!;
    this.#distance = value < COUNT ? entry.distances[value]! + distance : distance;
    return value < COUNT ? entry.values[value]! : value;
  }
}
