/** Random flow graphs for the tests of cpu/tier1/graph, and slow, obvious definitions to compare with. */
import fc from 'fast-check';

export type Successors = number[][];

/** Up to `size` blocks with mostly 0 to 2 successors, now and then many; any shape, unreachable blocks included. */
export function anyGraph(size: number): fc.Arbitrary<Successors> {
  return fc.integer({ min: 1, max: size }).chain((n) => {
    const target = fc.nat({ max: n - 1 });
    const near = fc.integer({ min: -3, max: 4 });
    const list = fc.oneof(
      { weight: 1, arbitrary: fc.constant<number[]>([]) },
      { weight: 4, arbitrary: fc.array(target, { minLength: 1, maxLength: 1 }) },
      { weight: 6, arbitrary: fc.array(target, { minLength: 2, maxLength: 2 }) },
      { weight: 1, arbitrary: fc.array(target, { minLength: 3, maxLength: 6 }) },
    );
    // Programs jump near mostly: that makes deep dominator trees and many loops.
    const local = fc.tuple(near, near);
    return fc
      .tuple(
        fc.boolean(),
        fc.array(list, { minLength: n, maxLength: n }),
        fc.array(local, { minLength: n, maxLength: n }),
      )
      .map(([nearOnly, lists, nears]) =>
        nearOnly
          ? nears.map(([a, b], i) => [clamp(i + a, n), clamp(i + b, n)]).map((l, i) => (i === n - 1 ? [] : l))
          : lists,
      );
  });
}

function clamp(block: number, n: number): number {
  return Math.min(n - 1, Math.max(0, block));
}

/** Drops retreating edges into blocks that do not dominate their source until none is left. */
export function reducibleGraph(size: number): fc.Arbitrary<Successors> {
  return anyGraph(size).map((graph) => {
    let successors = graph;
    for (;;) {
      const number = naiveOrder(successors);
      const dominators = naiveDominators(successors);
      let dropped = false;
      const next = successors.map((targets, from) =>
        targets.filter((to) => {
          const bad = number.has(from) && number.get(to)! <= number.get(from)! && !dominators[from]!.has(to);
          if (bad) dropped = true;
          return !bad;
        }),
      );
      if (!dropped) return successors;
      successors = next;
    }
  });
}

/** Blocks reachable from `start` without entering `without`. */
export function reach(successors: Successors, start: number, without = -1): Set<number> {
  const seen = new Set<number>();
  const pending = start === without ? [] : [start];
  while (pending.length > 0) {
    const block = pending.pop()!;
    if (seen.has(block)) continue;
    seen.add(block);
    for (const to of successors[block]!) if (to !== without) pending.push(to);
  }
  return seen;
}

/** a dominates b: without a, b is no longer reachable. Unreachable blocks have no dominators. */
export function naiveDominators(successors: Successors): Set<number>[] {
  const reachable = reach(successors, 0);
  const result = successors.map(() => new Set<number>());
  for (const a of reachable) {
    const rest = reach(successors, 0, a);
    for (const b of reachable) if (!rest.has(b)) result[b]!.add(a);
  }
  return result;
}

function naiveOrder(successors: Successors): Map<number, number> {
  const post: number[] = [];
  const seen = new Set<number>();
  const visit = (block: number) => {
    seen.add(block);
    for (const to of successors[block]!) if (!seen.has(to)) visit(to);
    post.push(block);
  };
  visit(0);
  return new Map(post.reverse().map((block, i) => [block, i]));
}

/** Reducible: without the edges whose target dominates their source no cycle is left. */
export function naiveReducible(successors: Successors): boolean {
  const dominators = naiveDominators(successors);
  const forward = successors.map((targets, from) => targets.filter((to) => !dominators[from]!.has(to)));
  for (const block of reach(successors, 0)) {
    for (const to of forward[block]!) if (reach(forward, to).has(block)) return false;
  }
  return true;
}

/** The header and all that reaches a source of its back edges without passing the header; empty: no header. */
export function naiveLoop(successors: Successors, header: number): Set<number> {
  const dominators = naiveDominators(successors);
  const members = new Set<number>();
  const pending = [...reach(successors, 0)].filter(
    (from) => successors[from]!.includes(header) && dominators[from]!.has(header),
  );
  if (pending.length > 0) members.add(header);
  while (pending.length > 0) {
    const block = pending.pop()!;
    if (members.has(block)) continue;
    members.add(block);
    for (const from of reach(successors, 0)) if (successors[from]!.includes(block)) pending.push(from);
  }
  return members;
}
