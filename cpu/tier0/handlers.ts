/**
 * The handlers as the decoder and the run loop know them: every row at every operand size and form has a number, and
 * some also have numbers in the main loop (numbering.ts says which and why).
 */

import type { Helper } from '../helpers.js';
import { Builder } from '../ir/builder.js';
import { type Form, helpersOf, type IntSize, type Statement } from '../ir/ir.js';
import { type FlagUse, flagUse } from '../ir/lazy-flags.js';
import { operandsAt, type Row } from '../table/row.js';
import { HELPERS_PER_HANDLER } from './frame.js';

/** Operand forms of hot handlers: registers; memory at base+displacement; with index and scale; direct branches. */
export type HotMode = 'r' | 'bd' | 'bis' | 'near' | 'far';

/** Pseudo-records of the main loop: go on at another record; in another page, at PAGE_VA + displacement; see `Span`. */
export const OP_GOTO = 0;
export const OP_CROSS_PAGE = 1;
export const OP_SPAN = 2;
export const HOT_PSEUDO = 3;

const FIRST_CHARACTER = 48;
const FLAG_USES: readonly FlagUse[] = [...Array(8).keys()].map((bits) => ({
  reads: (bits & 1) !== 0,
  kills: (bits & 2) !== 0,
  faults: (bits & 4) !== 0,
}));

/** Which handlers are in the main loop. Plain data, so that the build can write it down. */
export interface Numbering {
  /** Triples: index of the variant, `hotKey`, handler number. */
  hot: readonly number[];
  /** Triples: handler (hot or sequence), handler that may follow, the one that does both. */
  extensions: readonly number[];
  /** Handler numbers below are in the main loop. */
  hotLimit: number;
  /** What every variant does with the flags, one character each; without, it is found out when asked for. */
  flagUses?: string;
}

/** A row at one operand size and form. */
export class Variant {
  readonly row: Row;
  readonly size: IntSize;
  readonly form: Form;
  /** Handler number of the function form. */
  readonly op: number;
  /** Hot handler numbers by `hotKey`. */
  hot: Map<number, number> | undefined = undefined;
  flags: FlagUse | undefined;

  constructor(row: Row, size: IntSize, form: Form, op: number, flags?: FlagUse) {
    this.row = row;
    this.size = size;
    this.form = form;
    this.op = op;
    this.flags = flags;
  }

  /** The intermediate form of this variant, anew (values carry lowering state). */
  build(): Statement[] {
    const builder = new Builder(operandsAt(this.row, this.size), this.size, this.form);
    this.row.semantics(builder);
    return builder.statements;
  }

  get flagUse(): FlagUse {
    this.flags ??= flagUse(this.build(), this.row.options.readsFlags === true);
    return this.flags;
  }
}

const MODES: readonly HotMode[] = ['r', 'bd', 'bis', 'near', 'far'];

export function hotKey(mode: HotMode, dead: boolean, fused = -1): number {
  return (MODES.indexOf(mode) * 2 + (dead ? 1 : 0)) * 32 + fused + 1;
}

const MAX_OPS = 1 << 12;

export class HandlerSet {
  readonly variants: Variant[] = [];
  /** Handler numbers below are in the main loop. */
  readonly hotLimit: number;
  /** The run was cut here: decode on. */
  readonly opMore: number;
  readonly opUndefined: number;
  readonly opTooLong: number;
  readonly opCount: number;
  /** Handler numbers from here on stand for regions (tier1/layout.ts). */
  readonly firstRegion: number;
  /** Dense, because every system call looks here. */
  #helpers: (Helper | undefined)[];
  #byRow = new Map<Row, Variant[]>();
  #extensions = new Map<number, number>();

  constructor(rows: readonly Row[], { hot, extensions, hotLimit, flagUses }: Numbering) {
    this.hotLimit = hotLimit;
    let next = hotLimit;
    for (const row of rows) {
      const own: Variant[] = [];
      for (const size of row.sizes) {
        for (const form of row.forms) {
          const flags = flagUses && FLAG_USES[flagUses.charCodeAt(next - hotLimit) - FIRST_CHARACTER];
          own.push(new Variant(row, size, form, next++, flags || undefined));
        }
      }
      this.#byRow.set(row, own);
      this.variants.push(...own);
    }
    this.opMore = next++;
    this.opUndefined = next++;
    this.opTooLong = next++;
    this.opCount = next;
    this.firstRegion = next;
    for (let i = 0; i < hot.length; i += 3) {
      const variant = this.variants[hot[i]!]!;
      variant.hot ??= new Map();
      variant.hot.set(hot[i + 1]!, hot[i + 2]!);
    }
    for (let i = 0; i < extensions.length; i += 3) {
      this.#extensions.set(extensions[i]! * MAX_OPS + extensions[i + 1]!, extensions[i + 2]!);
    }
    this.#helpers = new Array<Helper | undefined>(next * HELPERS_PER_HANDLER).fill(undefined);
  }

  /** As `Numbering` wants it. */
  get flagUses(): string {
    const characters = this.variants.map(({ flagUse: { reads, kills, faults } }) =>
      String.fromCharCode(FIRST_CHARACTER + (reads ? 1 : 0) + (kills ? 2 : 0) + (faults ? 4 : 0)),
    );
    return characters.join('');
  }

  /** The helper that emitted code calls by this number. */
  helper(id: number): Helper {
    let helper = this.#helpers[id];
    if (helper === undefined) {
      const op = Math.floor(id / HELPERS_PER_HANDLER);
      helper = helpersOf(this.variants[op - this.hotLimit]!.build())[id % HELPERS_PER_HANDLER]!;
      this.#helpers[id] = helper;
    }
    return helper;
  }

  /** The handler that does what `begun` (one hot handler or a sequence) does and then `op`, or undefined. */
  extend(begun: number, op: number): number | undefined {
    return this.#extensions.get(begun * MAX_OPS + op);
  }

  /** Records that are no instructions, but ways to other records. */
  isPseudo(op: number): boolean {
    return op < HOT_PSEUDO || op === this.opMore;
  }

  variant(row: Row, size: IntSize, form: Form): Variant | undefined {
    for (const variant of this.#byRow.get(row)!) if (variant.size === size && variant.form === form) return variant;
    return undefined;
  }
}
