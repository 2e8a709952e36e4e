/**
 * The accesses of a region's instructions to guest memory, as the translator knows them between planning and emitting: what
 * is needed to find out which are checked together (groups.ts), walk through memory (strides.ts) or have their window in
 * locals (loop-windows.ts). The statements that an access comes from are not kept.
 */
import type { Probe, Value } from '../ir/ir.js';

export interface Access extends Probe {
  /** Made on every way through its instruction. */
  readonly isCertain: boolean;
  /** What its address is the sum of, by what registers hold (register-values.ts); undefined when it is no sum. */
  readonly sum: Sum | undefined;
  readonly base: AddressBase;
  /** Undefined: it is checked for itself alone. */
  membership: Membership | undefined;
}

/** A sum of numbered values, each times a power of two, and a distance. */
export interface Sum {
  /** Numbers and factors, in turn; no number twice. */
  readonly terms: readonly number[];
  readonly distance: number;
}

/** What is added up in an address before a loop, as far as it does not change in the loop. */
export interface AddressBase {
  /** General registers, each times four, plus by how much it is shifted. */
  readonly registers: readonly number[];
  readonly constant: number;
}

/** Accesses that are checked together. */
export interface Group {
  /** The member that is checked for all of them. */
  readonly leader: Access;
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

/** The access that a value is the physical address of; of values made by `statementsOf` only. */
export function accessOf({ probe }: Value): Access | undefined {
  return probe as Access | undefined;
}
