/**
 * Addresses in loops: what of them does not change from round to round, and can be added up before the loop (loop-windows.ts,
 * walks.ts).
 */
import type { Value } from '../ir/ir.js';
import type { AddressBase } from './memory-access.js';
import { registerOf } from './step.js';

/** Constants beyond would not be exact. */
const MAX_CONSTANT = 2 ** 48;

/** What an address is the sum of. */
export interface Invariant extends AddressBase {
  /** What is to be added in each round. */
  readonly rest: readonly Value[];
}

/** @param written registers that change */
export function invariantOf(address: Value, distance: number, written: number): Invariant {
  const found = { registers: [], constant: distance, rest: [] };
  collect(address, written, found);
  return found;
}

/** The same of an address that is given without its statements, but for what changes. */
export function unchanging({ registers, constant }: AddressBase, distance: number, written: number): AddressBase {
  const isKept = (one: number): boolean => (written & (1 << shiftOf(one)[0])) === 0;
  return { registers: registers.filter(isKept), constant: constant + distance };
}

/** What is to be kept of an address for `unchanging`. */
export function addressBase(address: Value): AddressBase {
  const { registers, constant } = invariantOf(address, 0, 0);
  return { registers, constant };
}

/** One register of a base: its number, and how far it is shifted. */
export function shiftOf(one: number): [register: number, shift: number] {
  return [one >> 2, one & 3];
}

/** What two sums that are the same have in common. */
export function keyOf(slot: number, { registers, constant }: AddressBase): string {
  return `${slot} ${constant} ${[...registers].sort((x, y) => x - y).join(' ')}`;
}

function collect(v: Value, written: number, found: { registers: number[]; constant: number; rest: Value[] }): void {
  const [x, y] = v.args;
  if (v.op === 'const' && v.type === 'i64' && Math.abs(Number(v.imm)) < MAX_CONSTANT) found.constant += Number(v.imm);
  else if (v.op === 'i64.add') {
    collect(x!, written, found);
    collect(y!, written, found);
  } else if (invariantRegister(v, written) >= 0) found.registers.push(invariantRegister(v, written) * 4);
  else if (v.op === 'i64.shl' && y!.op === 'const' && (y!.imm as number) <= 3 && invariantRegister(x!, written) >= 0) {
    found.registers.push(invariantRegister(x!, written) * 4 + (y!.imm as number));
  } else found.rest.push(v);
}

/** The general register that a value is all of, if that is not written; −1 otherwise. */
function invariantRegister(v: Value, written: number): number {
  if (v.op !== 'get' || v.name !== 'i64.load') return -1;
  const address = (v.args[0]!.imm as number) + (v.imm as number);
  const register = registerOf(address);
  return register < 16 && (address & 7) === 0 && (written & (1 << register)) === 0 ? register : -1;
}
