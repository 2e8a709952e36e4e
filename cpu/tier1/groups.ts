/**
 * Accesses of a region that go to one object: the same values, different distances (fields of a structure, a stack frame,
 * steps of an unrolled loop). They are checked once, at the first of them, for the whole extent. The others are in the same
 * block or in blocks that only the first one's block leads to.
 *
 * Members in the same block are executed anyway unless the block is left; for those in other blocks, a check that is made too
 * early, or for too much, only costs time: the region is left at the first member, and such a group is given up when that
 * has happened often.
 *
 * Addresses are compared as linear forms: a sum of numbered values (register-values.ts), each times a power of two, and a
 * distance.
 */
import type { Value } from '../ir/ir.js';
import type { FlowGraph } from './graph/flow-graph.js';
import type { Block } from './region.js';
import { RegisterValues, ValueNumbers } from './register-values.js';
import type { Step } from './step.js';

/** Bytes that one check may cover. */
export const MAX_SPAN = 512;
/** The same for members in several blocks that are not on the stack: what lies further away may be another object. */
const SHARED_SPAN = 128;
/** Groups of a region with members in several blocks: each keeps a local. */
const MAX_SHARED = 24;

export interface Group {
  /** The member that is checked for all of them. */
  readonly leader: Value;
  /** Block of the leader. */
  readonly home: number;
  /** Distances from the form's base: of the first byte, and behind the last. */
  low: number;
  high: number;
  write: boolean;
  members: number;
  /** Has members in other blocks. */
  shared: boolean;
  /** While a region is emitted: local of the physical address of `low`, −1 before the check. */
  local: number;
  /** Of a shared group: the local that it has for itself, −1 before it has one. */
  own: number;
  /** The leader was emitted with a check of its own: so are all others. */
  isApart: boolean;
  /** Distances modulo 16 that are known to be aligned. */
  aligned: Set<number>;
  /** Members still to come in the block. */
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
  readonly isStack: boolean;
}

/** By block, the groups of its probes; probes that stand alone are not in it. Yields how much was looked at, in instructions planned. */
export function* groupAccesses(
  graph: FlowGraph,
  blocks: readonly { block: Block; steps: readonly Step[] }[],
): Generator<number, Map<Value, Membership>[]> {
  const finder = new GroupFinder(graph, blocks);
  yield* finder.find();
  return finder.result();
}

class GroupFinder {
  readonly #graph: FlowGraph;
  readonly #blocks: readonly { block: Block; steps: readonly Step[] }[];
  readonly #numbers: ValueNumbers;
  readonly #registers = new RegisterValues((v, certain) => this.#probe(v, certain));
  #block = 0;
  #shared = 0;
  /** By form: the latest groups, of any block. */
  readonly #open = new Map<string, Group[]>();
  readonly #found: Map<Value, Membership>[];

  constructor(graph: FlowGraph, blocks: readonly { block: Block; steps: readonly Step[] }[]) {
    this.#graph = graph;
    this.#blocks = blocks;
    this.#numbers = new ValueNumbers(graph);
    this.#found = blocks.map(() => new Map());
  }

  *find(): Generator<number, void> {
    yield* this.#numbers.number(this.#blocks);
    for (const b of this.#graph.order) {
      const steps = this.#blocks[b]?.steps;
      const entry = this.#numbers.entries[b];
      if (steps === undefined || entry === undefined) continue;
      this.#block = b;
      this.#registers.values.set(entry.values);
      this.#registers.distances.set(entry.distances);
      this.#registers.next = entry.first;
      for (const step of steps) this.#registers.step(step);
      yield steps.length / 8;
    }
  }

  result(): Map<Value, Membership>[] {
    for (const found of this.#found) {
      for (const [value, { group }] of found) if (group.members < 2) found.delete(value);
    }
    return this.#found;
  }

  #probe(v: Value, certain: boolean): void {
    const { size, write } = v.probe!;
    const form = this.#formOf(v.args[0]!);
    if (form === undefined) return;
    const { key, distance } = form;
    let groups = this.#open.get(key);
    if (groups === undefined) {
      groups = [];
      this.#open.set(key, groups);
    }
    // The last one that is always reached before.
    let group = groups.findLast(({ home }) => this.#graph.dominates(home, this.#block));
    if (group !== undefined && !this.#join(group, distance, size, write, form.isStack)) group = undefined;
    if (group === undefined) {
      if (!certain) return;
      group = this.#begin(v, distance, size, write);
      groups.push(group);
    }
    group.members++;
    this.#found[this.#block]!.set(v, { group, distance });
  }

  #begin(leader: Value, distance: number, size: number, write: boolean): Group {
    return {
      leader,
      home: this.#block,
      low: distance,
      high: distance + size,
      write,
      members: 0,
      shared: false,
      local: -1,
      own: -1,
      isApart: false,
      aligned: new Set(),
      left: 0,
    };
  }

  /** @returns whether an access can be a member of a group, which it is then */
  #join(group: Group, distance: number, size: number, write: boolean, isStack: boolean): boolean {
    const low = Math.min(group.low, distance);
    const high = Math.max(group.high, distance + size);
    const isOther = group.home !== this.#block;
    if (high - low > (isOther && !isStack ? SHARED_SPAN : MAX_SPAN)) return false;
    if (isOther) {
      // What is only read on this path may be read-only.
      if (write && !group.write && !isStack) return false;
      if (!group.shared && this.#shared >= MAX_SHARED) return false;
      if (!group.shared) this.#shared++;
      group.shared = true;
    }
    group.low = low;
    group.high = high;
    group.write ||= write;
    return true;
  }

  #formOf(v: Value): Form | undefined {
    const sum = this.#registers.sum(v);
    if (sum === undefined) return undefined;
    const terms = [...sum.terms].filter(([, scale]) => scale !== 0).sort((a, b) => a[0] - b[0]);
    const isStack = terms.length === 1 && this.#numbers.stack.has(terms[0]![0]);
    return { key: terms.map(([value, scale]) => `${value}*${scale}`).join('+'), distance: sum.distance, isStack };
  }
}
