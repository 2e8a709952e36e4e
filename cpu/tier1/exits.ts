/** What the code of a region's instructions needs to leave it: the contract of ways-out.ts with lowering.ts. */
import type { Relocation } from './relocation.js';
import type { Step } from './step.js';

/** The ways out of a function, as the emitter of its structure offers them. */
export interface Exits {
  /**
   * Emits the way out at the current instruction, inside an open `if`: nothing of the instruction has happened.
   * @param kind KIND_* with its details
   * @param address local of the i64 address that was accessed, −1 without
   * @param relocation what the kind is made of, if it depends on this run
   */
  stop(kind: number, address: number, relocation?: Relocation): void;
  /** Emits the way out at an earlier instruction of the block, before which `count` instructions had been executed. */
  leaveAt(step: Step, count: number): void;
  /** Instructions executed before the current one, since some point. */
  count(): number;
}
