/** What the nodes of a region's graph are, for the emitter of its code (function.ts). */
import type { Plan } from './plan.js';
import type { PlannedBlock } from './planned-block.js';

export class Nodes {
  readonly #plan: Plan;

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  /** The block that a node is or is a copy of; of a node that versions have brought the one that their loop begins with. */
  planned(node: number): PlannedBlock | undefined {
    return this.#plan.blocks[this.#plan.origin[node]!];
  }

  /** The node where indirect jumps meet. */
  isDispatch(node: number): boolean {
    return this.#plan.dispatch !== undefined && this.#plan.origin[node] === this.#plan.dispatch.node;
  }

  /** A node that versions have brought, without code of the guest. */
  isGlue(node: number): boolean {
    return (this.#plan.roles.get(node)?.kind ?? 'fast') !== 'fast';
  }

  /** A node that chooses where to go by a number in a local. */
  isSelector(node: number): boolean {
    return this.#plan.origin[node]! < 0 && this.#plan.route[node]! < 0;
  }

  /** Whether it selects one of its successors by index. */
  isMultiway(node: number): boolean {
    if (this.isDispatch(node) || this.isSelector(node)) return true;
    if (this.isGlue(node)) return false;
    const kind = this.planned(node)?.block.end.kind;
    if (kind === 'enter') return this.#plan.graph.successors[node]!.length > 1;
    return kind === 'indirect' && this.#plan.dispatch === undefined;
  }

  /** All sets of registers that some way out writes back. */
  dirtySets(): Set<number> {
    const sets = new Set<number>([0]);
    for (const { steps, dirtyIn, dirtyOut } of this.#plan.blocks) {
      for (const { dirty } of steps) sets.add(dirty);
      sets.add(dirtyIn);
      sets.add(dirtyOut);
    }
    if (this.#plan.dispatch !== undefined) sets.add(this.#plan.dispatch.dirty);
    return sets;
  }
}
