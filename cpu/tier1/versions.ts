/**
 * Loops in two versions. An innermost loop whose accesses walk (strides.ts) is there twice: with checks as everywhere, and a
 * *fast* one without those that a gate before it makes for many rounds at once; small ones have several rounds of it in a row.
 *
 *            ┌──────────────────────────────┐
 *            ▼                              │ `rest` is down to `limit`
 *   ──────► gate ─ enough rounds ─► fast ─► turn
 *            │  ▲                    ▲───────┘ else
 *            │  └──────────────────────────┐
 *            └─ else ─► header, … ─────► turn
 *                         ▲────────────────┘
 *
 * The gate computes for how many rounds all walking accesses stay inside of their windows, and from that a `limit`: down to there
 * what is left of the slice may go before the gate has to be asked again. Rounds take time, at least so much each, so
 * that one comparison is both the check of the slice and that of the windows. The version with checks comes back to the gate,
 * too, after a while.
 *
 * The graph gets copies of blocks as it does from make-reducible.ts: what dataflow has found out about them holds for the copies.
 */
import { FlowGraph } from './graph/flow-graph.js';
import type { Access, Membership } from './memory-access.js';
import { hasSync, type PlannedBlock } from './planned-block.js';
import { alignmentOf, Strides, staysAligned, type Walk } from './strides.js';

/** Instructions of a loop that is made in two versions, and of all of these of a region. */
const MAX_LOOP = 100;
const MAX_ADDED = 400;
/** Rounds in a row by the instructions of one: up to so many. */
const TURNS: readonly (readonly [size: number, turns: number])[] = [
  [8, 4],
  [16, 2],
];
/** How often a loop turns, at least, when it is entered: the gate costs as much as some rounds. */
const LEAST_ROUNDS = 8;

export interface Version {
  /** Number of the block that the loop begins with. */
  readonly header: number;
  /** Nodes of the loop, in reverse postorder. */
  readonly members: readonly number[];
  /** By the access that is checked for all of its group. */
  readonly walks: ReadonlyMap<Access, Walk>;
  /** Rounds in a row. */
  readonly turns: number;
  /** Instructions of the shortest way round, and of all blocks. */
  readonly shortest: number;
  readonly size: number;
  /** Registers that are written in it. */
  readonly written: number;
}

/** What a node is that versions have brought. */
export type Role =
  | { readonly kind: 'gate' | 'turn'; readonly version: Version }
  /** On an edge out of the loop: what its target expects is done here, not in the loop. */
  | { readonly kind: 'exit'; readonly version: Version }
  /** A copy of a block in the round `turn`; `isFirst`: that round begins with it. */
  | { readonly kind: 'fast'; readonly version: Version; readonly turn: number; readonly isFirst: boolean };

/** A graph with the blocks that its nodes are or are copies of, as `Plan` has it. */
export interface VersionedGraph {
  graph: FlowGraph;
  origin: number[];
  route: number[];
  roles: ReadonlyMap<number, Role>;
}

/** Gives loops a fast version. @param reduced reducible, as make-reducible.ts leaves it */
export function addVersions(reduced: Omit<VersionedGraph, 'roles'>, blocks: readonly PlannedBlock[]): VersionedGraph {
  const { graph, origin, route } = reduced;
  const maker = new VersionMaker(graph, origin, route, blocks);
  let added = 0;
  for (const header of graph.reducible ? graph.order : []) {
    if (!graph.isLoopHeader(header)) continue;
    const version = maker.versionOf(header);
    if (version === undefined || added + version.size * version.turns > MAX_ADDED) continue;
    added += version.size * version.turns;
    maker.add(header, version);
  }
  return added === 0 ? { ...reduced, roles: maker.roles } : maker.result();
}

class VersionMaker {
  readonly roles = new Map<number, Role>();
  readonly #graph: FlowGraph;
  readonly #successors: number[][];
  readonly #origin: number[];
  readonly #route: number[];
  readonly #blocks: readonly PlannedBlock[];

  constructor(graph: FlowGraph, origin: readonly number[], route: readonly number[], blocks: readonly PlannedBlock[]) {
    this.#graph = graph;
    this.#successors = graph.successors.map((list) => [...list]);
    this.#origin = [...origin];
    this.#route = [...route];
    this.#blocks = blocks;
  }

  result(): VersionedGraph {
    const { roles } = this;
    return { graph: new FlowGraph(this.#successors), origin: this.#origin, route: this.#route, roles };
  }

  /** What the fast version of a loop is about; undefined when it is not to have one. */
  versionOf(header: number): Version | undefined {
    const members = this.#members(header);
    const planned = members.map((node) => this.#blocks[this.#origin[node]!]);
    if (!planned.every((block) => block !== undefined && mayBeCopied(block))) return undefined;
    const all = planned as PlannedBlock[];
    if (new Set(all).size < all.length || members.some((node) => this.#graph.loop[node] !== header)) return undefined;
    const size = all.reduce((sum, { steps }) => sum + steps.length, 0);
    if (size > MAX_LOOP || !this.#turnsOften(header, members)) return undefined;
    const walks = this.#walks(header, members);
    const checks = this.#checksLeft(all, walks);
    if (walks.size <= checks) return undefined;
    let written = 0;
    for (const { steps } of all) for (const { writes } of steps) written |= writes;
    // What is live at a way out is kept in memory by V8, in each round again: several of these are worth nothing then.
    const turns = checks > 0 ? 1 : (TURNS.find(([most]) => size <= most)?.[1] ?? 1);
    return {
      header: this.#origin[header]!,
      members,
      walks,
      turns,
      shortest: this.#shortest(header, members),
      size,
      written,
    };
  }

  /** Accesses that are checked in the fast version, too. */
  #checksLeft(blocks: readonly PlannedBlock[], walks: ReadonlyMap<Access, Walk>): number {
    const left = new Set<Access>();
    for (const { steps } of blocks) {
      for (const { accesses } of steps) {
        for (const access of accesses) {
          const leader = access.membership?.group.leader ?? access;
          if (!walks.has(leader)) left.add(leader);
        }
      }
    }
    return left.size;
  }

  #heat(node: number): number {
    return this.#blocks[this.#origin[node]!]?.block.heat ?? 0;
  }

  /** As far as the profile tells. */
  #turnsOften(header: number, members: readonly number[]): boolean {
    let entered = 0;
    for (const from of this.#graph.predecessors[header]!) if (!members.includes(from)) entered += this.#heat(from);
    return this.#heat(header) >= entered * LEAST_ROUNDS;
  }

  /**
   * Nodes of the loop, in reverse postorder. Two loops, one in the other, may begin with the same block: then those of the
   * inner one, which is what leads to the hottest way back, if that is so much hotter than the others.
   */
  #members(header: number): readonly number[] {
    const all = this.#graph.members(header);
    const latches = this.#latches(header, all);
    const hottest = latches.reduce((one, other) => (this.#heat(other) > this.#heat(one) ? other : one));
    const inner = new Set([header, hottest]);
    for (const node of inner) {
      if (node !== header) for (const from of this.#graph.predecessors[node]!) inner.add(from);
    }
    const others = latches.reduce((sum, latch) => (inner.has(latch) ? sum : sum + this.#heat(latch)), 0);
    const isInner = this.#heat(hottest) > 0 && others * LEAST_ROUNDS <= this.#heat(hottest);
    return isInner ? all.filter((node) => inner.has(node)) : all;
  }

  #latches(header: number, members: readonly number[]): number[] {
    return this.#graph.predecessors[header]!.filter((from) => members.includes(from));
  }

  #planned(node: number): PlannedBlock {
    return this.#blocks[this.#origin[node]!]!;
  }

  #walks(header: number, members: readonly number[]): Map<Access, Walk> {
    const latches = this.#latches(header, members);
    const places = members.map((node) => ({ node, steps: this.#planned(node).steps }));
    const strides = new Strides(places, this.#graph.predecessors, latches, this.#planned(header).liveIn);
    const walks = new Map<Access, Walk>();
    for (const { node, steps } of places) {
      const isCertain = latches.every((latch) => this.#graph.dominates(node, latch));
      for (const step of steps) {
        for (const access of step.accesses) {
          const { membership } = access;
          if (membership !== undefined && membership.group.leader !== access) continue;
          const walk = strides.walk(access);
          if (walk === undefined) continue;
          const aligned = membership === undefined ? alignmentOf(access, 0) : this.#alignments(members, membership);
          if (staysAligned(walk.stride, aligned)) walks.set(access, { ...walk, step, isCertain, aligned });
        }
      }
    }
    return walks;
  }

  /** Of the members of a group that are in the loop, by distance from the address of its leader. */
  #alignments(members: readonly number[], { group, distance }: Membership): Walk['aligned'] {
    const accesses = members.flatMap((node) => this.#planned(node).steps.flatMap((step) => step.accesses));
    return accesses.flatMap((access) => {
      const { membership } = access;
      return membership?.group === group ? alignmentOf(access, membership.distance - distance) : [];
    });
  }

  /** Instructions of the shortest way from the header back to it. */
  #shortest(header: number, members: readonly number[]): number {
    const least = new Map<number, number>([[header, 0]]);
    let found = Number.POSITIVE_INFINITY;
    for (const node of members) {
      const behind = least.get(node)! + this.#blocks[this.#origin[node]!]!.steps.length;
      for (const to of this.#graph.successors[node]!) {
        if (to === header) found = Math.min(found, behind);
        else least.set(to, Math.min(least.get(to) ?? Number.POSITIVE_INFINITY, behind));
      }
    }
    return Math.max(found, 1);
  }

  /** The gate takes the header's place in the graph, so that all ways into the loop lead there. */
  add(header: number, version: Version): void {
    const { members } = version;
    const block = version.header;
    const checked = this.#add(block);
    const [fastTurn, checkedTurn] = [this.#add(block), this.#add(block)];
    this.roles.set(header, { kind: 'gate', version });
    for (const turn of [fastTurn, checkedTurn]) this.roles.set(turn, { kind: 'turn', version });
    const copies = Array.from({ length: version.turns }, () => {
      return new Map(members.map((node) => [node, this.#add(this.#origin[node]!)]));
    });
    for (const [turn, copyOf] of copies.entries()) {
      const next = copies[turn + 1]?.get(header) ?? fastTurn;
      for (const [node, copy] of copyOf) {
        this.roles.set(copy, { kind: 'fast', version, turn, isFirst: node === header });
        this.#successors[copy] = this.#successors[node]!.map((to) => {
          return to === header ? next : (copyOf.get(to) ?? this.#exit(to, version));
        });
      }
    }
    const first = copies[0]!.get(header)!;
    const isMember = new Set(members);
    for (const node of members) {
      this.#successors[node === header ? checked : node] = this.#successors[node]!.map((to) => {
        return to === header ? checkedTurn : isMember.has(to) ? to : this.#exit(to, version);
      });
    }
    this.#successors[header] = [first, checked];
    this.#successors[fastTurn] = [first, header];
    this.#successors[checkedTurn] = [checked, header];
  }

  #exit(to: number, version: Version): number {
    const node = this.#add(version.header);
    this.roles.set(node, { kind: 'exit', version });
    this.#successors[node] = [to];
    return node;
  }

  #add(origin: number): number {
    this.#origin.push(origin);
    this.#route.push(-1);
    return this.#successors.push([]) - 1;
  }
}

/** Whether a block can be in the fast version of a loop. */
function mayBeCopied(planned: PlannedBlock): boolean {
  const { kind } = planned.block.end;
  return (
    (kind === 'jump' || kind === 'branch' || kind === 'guessed') &&
    !hasSync(planned) &&
    !planned.steps.some((step) => step.string !== undefined)
  );
}
