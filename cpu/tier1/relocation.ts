/**
 * What emitted code contains that only this run of Banos knows: addresses of records, numbers of flag sources, numbers of
 * windows. Each place is noted with what it stands for, in a field of fixed width, so that a module which was kept
 * (cache.ts) can be used in another run with the numbers of that one.
 */
import type { FlagSource } from './flags.js';
import { KIND_MISS, WINDOW_SIZE, WINDOWS } from './layout.js';

export type Relocation =
  /** Physical address of the record of an instruction, plus a distance in bytes. */
  | { readonly kind: 'record'; readonly address: number; readonly distance: number }
  /** Number of a flag source. */
  | { readonly kind: 'flags'; readonly source: FlagSource }
  /** Address of a field of a window. */
  | { readonly kind: 'window'; readonly slot: number; readonly field: number }
  /** KIND_MISS with a window and flags. */
  | { readonly kind: 'miss'; readonly slot: number; readonly flags: number };

/** Bytes of the field. Addresses of windows take as many as LEB128 gives them anyway. */
export const WIDTH: Record<Relocation['kind'], number> = { record: 5, flags: 5, window: 2, miss: 3 };

export function windowField(slot: number, field: number): number {
  return WINDOWS + slot * WINDOW_SIZE + field;
}

export function missKind(slot: number, flags: number): number {
  return KIND_MISS | (slot << 8) | flags;
}
