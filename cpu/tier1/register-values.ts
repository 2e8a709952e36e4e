/**
 * What general registers hold, by name: each register at each place of a region holds a numbered value plus a constant
 * distance. Two registers, or one register at two places, with the same number and distance hold the same contents. Numbers
 * of values that differ from path to path are given where the paths meet.
 *
 * Besides the registers there is the *epoch*: it has a new value behind everything after which a check of an access does not
 * hold any more (calls, instructions in tier 0). So "the same address, still checked" is "the same values".
 */
import type { FlowGraph } from './graph/flow-graph.js';
import type { Access, Sum } from './memory-access.js';
import type { Block } from './region.js';
import type { Step } from './step.js';

/** General registers. */
export const COUNT = 16;
const RSP = 4;
/** Bytes that a call pushes and its return pops. */
const RETURN_ADDRESS = 8;

/** What it takes to number an instruction, or to look at a node, in instructions planned. */
const NUMBERING = 1 / 8;
/** No path to there has been looked at. */
const UNKNOWN = -1;

/** Follows what registers hold through the instructions of a block. */
export class RegisterValues {
  /** By register: number of a value, and a distance from it. */
  readonly values = new Int32Array(COUNT);
  readonly distances = new Float64Array(COUNT);
  /** Number of the next new value. */
  next = 0;
  readonly #access: ((access: Access) => void) | undefined;
  readonly #newValues = new Int32Array(COUNT);
  readonly #newDistances = new Float64Array(COUNT);

  /** @param access is told of each access, before what its instruction does to registers */
  constructor(access?: (access: Access) => void) {
    this.#access = access;
  }

  step({ accesses, moves: { changes, fresh } }: Step): void {
    if (this.#access !== undefined) for (const access of accesses) this.#access(access);
    // All at once: an instruction may exchange registers.
    for (let i = 0; i < changes.length; i += 3) {
      const value = changes[i + 1]!;
      this.#newValues[i / 3] = this.#here(value);
      this.#newDistances[i / 3] = changes[i + 2]! + (value < COUNT ? this.distances[value]! : 0);
    }
    for (let i = 0; i < changes.length; i += 3) {
      this.values[changes[i]!] = this.#newValues[i / 3]!;
      this.distances[changes[i]!] = this.#newDistances[i / 3]!;
    }
    this.next += fresh;
  }

  /** The number that a value of the current instruction has in the block. */
  #here(value: number): number {
    return value < COUNT ? this.values[value]! : this.next + value - COUNT;
  }

  /** A function was called and has come back: the region goes on only if rsp is as it was before (calls.ts). */
  afterCall(): void {
    for (let r = 0; r < COUNT; r++) {
      if (r === RSP) continue;
      this.values[r] = this.next++;
      this.distances[r] = 0;
    }
    this.distances[RSP] = this.distances[RSP]! + RETURN_ADDRESS;
  }

  /** The address of an access of the current instruction; undefined when it is no sum. */
  sum({ sum }: Access): Sum | undefined {
    if (sum === undefined) return undefined;
    let { distance } = sum;
    const terms: number[] = [];
    for (let i = 0; i < sum.terms.length; i += 2) {
      const [value, scale] = [sum.terms[i]!, sum.terms[i + 1]!];
      addTerm(terms, this.#here(value), scale);
      if (value < COUNT) distance += scale * this.distances[value]!;
    }
    return { terms, distance };
  }
}

/** Adds a value, times a factor, to the terms of a sum. */
export function addTerm(terms: number[], value: number, scale: number): void {
  for (let i = 0; i < terms.length; i += 2) {
    if (terms[i] !== value) continue;
    terms[i + 1]! += scale;
    return;
  }
  terms.push(value, scale);
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
