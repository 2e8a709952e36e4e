/**
 * Which accesses of a loop walk: their addresses change by a constant from round to round, or not at all. Where such a loop
 * begins, it can be told for how many rounds these accesses stay inside of their windows (versions.ts).
 */
import type { Access, Sum } from './memory-access.js';
import { COUNT, RegisterValues } from './register-values.js';
import type { Step } from './step.js';

/** Bytes that a walk may go in a round: a number that fits into the offset of a load. */
const MAX_STRIDE = 2 ** 16;
/** Bytes that an address may be away from its registers: beyond, sums would not be exact. */
const MAX_DISTANCE = 2 ** 48;

export interface Walk {
  readonly step: Step;
  /** Its address at the beginning of a round: the sum of general registers, each times a factor, and a constant. */
  readonly terms: readonly { readonly register: number; readonly scale: number }[];
  readonly constant: number;
  /** Bytes that the address grows by in a round. */
  readonly stride: number;
  /** Made in every round. */
  readonly isCertain: boolean;
  /** What must be a multiple of what: accesses with alignment that are checked with this one, by distance from its address. */
  readonly aligned: readonly { readonly distance: number; readonly size: number }[];
}

/** What registers hold from round to round of one loop, in terms of what they hold at the beginning of a round. */
export class Strides {
  /** Of the accesses that are made whenever their instruction is executed. Terms below COUNT: the register of that number. */
  readonly #sums = new Map<Access, Sum>();
  /** By register: how it grows in a round; undefined: that is not known. */
  readonly #strides: (number | undefined)[];
  readonly #live: number;

  /**
   * @param members of the loop, the header first, each behind those that lead to it
   * @param predecessors of each node
   * @param live registers that are in locals at the header
   */
  constructor(
    members: readonly { node: number; steps: readonly Step[] }[],
    predecessors: readonly (readonly number[])[],
    latches: readonly number[],
    live: number,
  ) {
    const walker: RegisterValues = new RegisterValues((access) => {
      const sum = access.isCertain ? walker.sum(access) : undefined;
      if (sum !== undefined) this.#sums.set(access, sum);
    });
    walker.next = COUNT;
    const ends = new Map<number, { values: Int32Array; distances: Float64Array }>();
    for (const [i, { node, steps }] of members.entries()) {
      const before = i === 0 ? [] : predecessors[node]!.map((from) => ends.get(from)!);
      for (let r = 0; r < COUNT; r++) {
        const [first] = before;
        const isOne = before.every((end) => {
          return end.values[r] === first!.values[r] && end.distances[r] === first!.distances[r];
        });
        walker.values[r] = first === undefined ? r : isOne ? first.values[r]! : walker.next++;
        walker.distances[r] = first !== undefined && isOne ? first.distances[r]! : 0;
      }
      for (const step of steps) walker.step(step);
      ends.set(node, { values: walker.values.slice(), distances: walker.distances.slice() });
    }
    const last = latches.map((latch) => ends.get(latch)!);
    this.#strides = Array.from({ length: COUNT }, (_, r) => {
      const stride = last[0]!.distances[r]!;
      return last.every((end) => end.values[r] === r && end.distances[r] === stride) ? stride : undefined;
    });
    this.#live = live;
  }

  /** @returns undefined when the address is another in every round, and nobody can tell which */
  walk(access: Access): Pick<Walk, 'terms' | 'constant' | 'stride'> | undefined {
    const sum = this.#sums.get(access);
    if (sum === undefined) return undefined;
    const terms: { register: number; scale: number }[] = [];
    let stride = 0;
    for (let i = 0; i < sum.terms.length; i += 2) {
      const [register, scale] = [sum.terms[i]!, sum.terms[i + 1]!];
      if (scale === 0) continue;
      const grows = register < COUNT ? this.#strides[register] : undefined;
      if (grows === undefined || (this.#live & (1 << register)) === 0) return undefined;
      terms.push({ register, scale });
      stride += scale * grows;
    }
    if (Math.abs(stride) > MAX_STRIDE || Math.abs(sum.distance) > MAX_DISTANCE) return undefined;
    return { terms, constant: sum.distance, stride };
  }
}

/** Whether a walk that is aligned once stays so. */
export function staysAligned(stride: number, aligned: Walk['aligned']): boolean {
  return aligned.every(({ size }) => stride % size === 0);
}

/** The alignment that an access wants, as a member of what begins at a distance from its own address. */
export function alignmentOf({ aligned, size }: Access, distance: number): Walk['aligned'] {
  return aligned ? [{ distance, size }] : [];
}
