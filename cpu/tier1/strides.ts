/**
 * Which accesses of a loop walk: their addresses change by a constant from round to round, or not at all. Where such a loop
 * begins, it can be told for how many rounds these accesses stay inside of their windows (versions.ts).
 */
import type { Value } from '../ir/ir.js';
import type { Membership } from './groups.js';
import type { Sum, ValueNumbers } from './register-values.js';
import type { Step } from './step.js';

const COUNT = 16;
/** Bytes that a walk may go in a round: a number that fits into the offset of a load. */
const MAX_STRIDE = 2 ** 16;
/** Bytes that an address may be away from its registers: beyond, sums would not be exact. */
const MAX_DISTANCE = 2 ** 48;

export interface Walk {
  readonly step: Step;
  /** What the access is a member of, if it is checked together with others. */
  readonly membership: Membership | undefined;
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

/** Places of a loop, by block. */
export interface LoopBlocks {
  readonly header: number;
  readonly latches: readonly number[];
  /** General registers that are in locals at the header. */
  readonly live: number;
}

/** What registers hold from round to round of one loop. */
export class Strides {
  /** By number of a value that is in a register at the loop's header: the register, and how far it is from the value. */
  readonly #places = new Map<number, { register: number; distance: number }>();
  /** By number of a value: how it grows in a round; without those that do not change. */
  readonly #strides = new Map<number, number>();

  constructor(numbers: ValueNumbers, { header, latches, live }: LoopBlocks) {
    const entry = numbers.entries[header]!;
    for (let r = 0; r < COUNT; r++) {
      const value = entry.values[r]!;
      if ((live & (1 << r)) === 0 || this.#places.has(value)) continue;
      if (value === numbers.own(header, r)) {
        const ends = latches.map((latch) => numbers.atEnd(latch, r));
        const stride = ends[0]!.distance;
        if (!ends.every((end) => end.value === value && end.distance === stride)) continue;
        this.#strides.set(value, stride);
      }
      this.#places.set(value, { register: r, distance: entry.distances[r]! });
    }
  }

  /** @returns undefined when the address is another in every round, and nobody can tell which */
  walk({ terms, distance }: Sum): Pick<Walk, 'terms' | 'constant' | 'stride'> | undefined {
    const found: { register: number; scale: number }[] = [];
    let constant = distance;
    let stride = 0;
    for (const [value, scale] of terms) {
      if (scale === 0) continue;
      const place = this.#places.get(value);
      if (place === undefined) return undefined;
      found.push({ register: place.register, scale });
      constant -= scale * place.distance;
      stride += scale * (this.#strides.get(value) ?? 0);
    }
    if (Math.abs(stride) > MAX_STRIDE || Math.abs(constant) > MAX_DISTANCE) return undefined;
    return { terms: found, constant, stride };
  }
}

/** Whether a walk that is aligned once stays so. */
export function staysAligned(stride: number, aligned: Walk['aligned']): boolean {
  return aligned.every(({ size }) => stride % size === 0);
}

/** The alignment that a probe wants, as a member of what begins at a distance from its own address. */
export function alignmentOf(v: Value, distance: number): Walk['aligned'] {
  const { aligned, size } = v.probe!;
  return aligned ? [{ distance, size }] : [];
}
