/** One block of a region with what the plan (plan.ts) says about it. Registers are facts of one 32-bit word, as there. */
import type { Group } from './memory-access.js';
import type { Block } from './region.js';
import type { Speculation } from './speculation.js';
import type { Step } from './step.js';

export interface PlannedBlock {
  readonly block: Block;
  readonly steps: Step[];
  /** Groups of accesses that begin here. */
  groups: readonly Group[];
  /** Floating-point results that are checked together. */
  readonly speculation: Speculation;
  /** Registers that differ from memory at the start, and at the end. */
  dirtyIn: number;
  dirtyOut: number;
  /** Registers in locals at the start. */
  liveIn: number;
  /** NEED_*, of the flags at the start. */
  flagsIn: number;
}

/** Whether everything has to be in memory after this step. */
export function isSync(step: Step): boolean {
  return step.byInterpreter;
}

/** Whether somewhere in a block everything goes to memory and comes back. */
export function hasSync({ block, steps }: PlannedBlock): boolean {
  return endsInSync(block) || steps.some(isSync);
}

/** Whether all that is in locals has to be in memory at the end of a block. */
export function endsInSync(block: Block): boolean {
  return block.end.kind === 'call' || block.end.kind === 'indirectCall';
}
