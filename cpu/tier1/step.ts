/** One instruction of a region with what the translator has found out about it. */
import type { Statement } from '../ir/ir.js';
import { GPR, XMM } from '../state.js';
import type { Instruction } from './region.js';
import type { StringMove } from './strings.js';

export interface Step {
  readonly instruction: Instruction;
  readonly statements: readonly Statement[];
  /** Tier 0 executes it, on registers in memory. */
  readonly byInterpreter: boolean;
  /** It is done in place or, where that cannot be, by tier 0. It has no statements then. */
  readonly string: StringMove | undefined;
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

/** Number of the register at a state address: r for general ones, 16 + n for xmm n, −1 for anything else. */
export function registerOf(address: number): number {
  if (address >= GPR && address < GPR + 128) return (address - GPR) >> 3;
  if (address >= XMM && address < XMM + 256) return 16 + ((address - XMM) >> 4);
  return -1;
}
