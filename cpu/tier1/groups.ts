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
import type { FlowGraph } from './graph/flow-graph.js';
import type { Access, Group } from './memory-access.js';
import type { Block } from './region.js';
import { RegisterValues, ValueNumbers } from './register-values.js';
import type { Step } from './step.js';

/** Bytes that one check may cover. */
export const MAX_SPAN = 512;
/** The same for members in several blocks that are not on the stack: what lies further away may be another object. */
const SHARED_SPAN = 128;
/** Groups of a region with members in several blocks: each keeps a local. */
const MAX_SHARED = 24;

interface Form {
  /** Sorted terms `value*scale`. */
  readonly key: string;
  readonly distance: number;
  readonly isStack: boolean;
}

/**
 * Says of each access which group it is a member of. Yields how much was looked at, in instructions planned.
 * @returns by block, the groups that begin in it
 */
export function* groupAccesses(
  graph: FlowGraph,
  blocks: readonly { block: Block; steps: readonly Step[] }[],
): Generator<number, Group[][]> {
  const finder = new GroupFinder(graph, blocks);
  yield* finder.find();
  return finder.result();
}

class GroupFinder {
  readonly #graph: FlowGraph;
  readonly #blocks: readonly { block: Block; steps: readonly Step[] }[];
  readonly #numbers: ValueNumbers;
  readonly #registers = new RegisterValues((access) => this.#access(access));
  #block = 0;
  #shared = 0;
  /** By form: the latest groups, of any block. */
  readonly #open = new Map<string, Group[]>();
  /** By block, those that begin in it. */
  readonly #found: Group[][];

  constructor(graph: FlowGraph, blocks: readonly { block: Block; steps: readonly Step[] }[]) {
    this.#graph = graph;
    this.#blocks = blocks;
    this.#numbers = new ValueNumbers(graph);
    this.#found = blocks.map(() => []);
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

  result(): Group[][] {
    for (const { steps } of this.#blocks) {
      for (const { accesses } of steps) {
        for (const access of accesses) if ((access.membership?.group.members ?? 0) < 2) access.membership = undefined;
      }
    }
    return this.#found.map((groups) => groups.filter(({ members }) => members > 1));
  }

  #access(access: Access): void {
    const { size, write } = access;
    const form = this.#formOf(access);
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
      if (!access.isCertain) return;
      group = this.#begin(access, distance, size, write);
      groups.push(group);
      this.#found[this.#block]!.push(group);
    }
    group.members++;
    access.membership = { group, distance };
  }

  #begin(leader: Access, distance: number, size: number, write: boolean): Group {
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

  #formOf(access: Access): Form | undefined {
    const sum = this.#registers.sum(access);
    if (sum === undefined) return undefined;
    const terms: [value: number, scale: number][] = [];
    for (let i = 0; i < sum.terms.length; i += 2) {
      if (sum.terms[i + 1] !== 0) terms.push([sum.terms[i]!, sum.terms[i + 1]!]);
    }
    terms.sort((a, b) => a[0] - b[0]);
    const isStack = terms.length === 1 && this.#numbers.stack.has(terms[0]![0]);
    return { key: terms.map(([value, scale]) => `${value}*${scale}`).join('+'), distance: sum.distance, isStack };
  }
}
