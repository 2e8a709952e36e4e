/** One instruction of a region with what the translator has found out about it. */

import type { Statement } from '../ir/ir.js';
import { GPR, XMM } from '../state.js';
import { ConcreteBuilder } from './concrete.js';
import type { Access } from './memory-access.js';
import type { Instruction } from './region.js';
import type { StringMove } from './strings.js';

export interface Step {
  readonly instruction: Instruction;
  /** Tier 0 executes it, on registers in memory. */
  readonly byInterpreter: boolean;
  /** It is done in place or, where that cannot be, by tier 0. It has no statements then. */
  readonly string: StringMove | undefined;
  /** In the order in which they are made; none when tier 0 makes them. */
  readonly accesses: readonly Access[];
  /** What it does to general registers, as register-values.ts has it. */
  readonly moves: Moves;
  readonly reads: number;
  /** May be written. */
  readonly writes: number;
  /** Certainly written as a whole. */
  readonly kills: number;
  /** Can leave the region before it has done anything. */
  readonly exits: boolean;
  readonly readsFlags: boolean;
  /** Sets some flags, or all on a condition: what was there before matters only if what is there after does. */
  readonly mixesFlags: boolean;
  readonly killsFlags: boolean;
  /** Nobody sees the flags that hold after it. */
  flagsDead: boolean;
  /** Registers that differ from memory when it begins. */
  dirty: number;
  /** Registers whose locals are needed when it has ended. */
  live: number;
}

/** What an instruction does to general registers. */
export interface Moves {
  /**
   * For each that changes: its number, that of the value that it holds then, and a distance from that. Values below 16 are what
   * the register of that number held before the instruction, others are new.
   */
  readonly changes: readonly number[];
  /** Values that are new. */
  readonly fresh: number;
}

/**
 * The statements of an instruction. They take a hundred times as much memory as the instruction itself, so they are made when they are
 * planned, made again when they are emitted, and kept by nobody in between: what is alive in the middle of a region is what
 * collections of garbage have to move.
 */
export function statementsOf({ instruction, accesses }: Step): readonly Statement[] {
  const builder = new ConcreteBuilder(instruction, accesses);
  instruction.row.semantics(builder);
  return builder.statements;
}

/** Number of the register at a state address: r for general ones, 16 + n for xmm n, −1 for anything else. */
export function registerOf(address: number): number {
  if (address >= GPR && address < GPR + 128) return (address - GPR) >> 3;
  if (address >= XMM && address < XMM + 256) return 16 + ((address - XMM) >> 4);
  return -1;
}
