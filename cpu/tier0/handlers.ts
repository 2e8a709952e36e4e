/**
 * Numbers the interpreter's handlers: every row at every operand size and form has a function; some forms are also in the
 * main loop, with a second variant for dead flags, or fused with the conditional jump that follows. The numbers depend on
 * the table alone, so that the emitted module and the decoder agree.
 */

import type { Helper } from '../helpers.js';
import { Builder } from '../ir/builder.js';
import { CC_NAMES, type Form, helpersOf, type IntSize, type Statement } from '../ir/ir.js';
import { type FlagUse, flagUse, fusibleConditions } from '../ir/lazy-flags.js';
import { operandsAt, type Row } from '../table/row.js';
import { SEQUENCES } from '../table/sequences.js';
import { HELPERS_PER_HANDLER } from './lower.js';

/** Operand forms of hot handlers: registers; memory at base+displacement; with index and scale; direct branches. */
export type HotMode = 'r' | 'bd' | 'bis' | 'near' | 'far';

/** Pseudo-records of the main loop: go on at another record; in another page, at PAGE_VA + displacement; see `Span`. */
export const OP_GOTO = 0;
export const OP_CROSS_PAGE = 1;
export const OP_SPAN = 2;
const HOT_PSEUDO = 3;

const FIRST_CHARACTER = 48;
const FLAG_USES: readonly FlagUse[] = [...Array(8).keys()].map((bits) => ({
  reads: (bits & 1) !== 0,
  kills: (bits & 2) !== 0,
  faults: (bits & 4) !== 0,
}));

/** Several hot handlers in one, without going through the dispatch in between. */
export interface HotSequence {
  op: number;
  parts: readonly HotHandler[];
}

export interface HotHandler {
  op: number;
  variant: Variant;
  mode: HotMode;
  /** Without flag writes. */
  dead: boolean;
  /** Condition code of the fused jump, or −1. */
  fused: number;
}

/** A row at one operand size and form. */
export class Variant {
  readonly row: Row;
  readonly size: IntSize;
  readonly form: Form;
  /** Handler number of the function form. */
  op = 0;
  /** Hot handler numbers by `hotKey`. */
  readonly hot = new Map<number, number>();
  #use: FlagUse | undefined;

  constructor(row: Row, size: IntSize, form: Form) {
    this.row = row;
    this.size = size;
    this.form = form;
  }

  /** The intermediate form of this variant, anew (values carry lowering state). */
  build(): Statement[] {
    const builder = new Builder(operandsAt(this.row, this.size), this.size, this.form);
    this.row.semantics(builder);
    return builder.statements;
  }

  set flagUse(use: FlagUse) {
    this.#use = use;
  }
  get flagUse(): FlagUse {
    this.#use ??= flagUse(this.build(), this.row.options.readsFlags === true);
    return this.#use;
  }
}

const MODES: readonly HotMode[] = ['r', 'bd', 'bis', 'near', 'far'];

export function hotKey(mode: HotMode, dead: boolean, fused = -1): number {
  return (MODES.indexOf(mode) * 2 + (dead ? 1 : 0)) * 32 + fused + 1;
}

const MAX_OPS = 1 << 12;

export class HandlerSet {
  readonly variants: Variant[] = [];
  readonly hot: HotHandler[] = [];
  readonly sequences: HotSequence[] = [];
  /** Number of the first sequence. */
  readonly firstSequence: number;
  /** Handler numbers below are in the main loop. */
  readonly hotLimit: number;
  /** The run was cut here: decode on. */
  readonly opMore: number;
  readonly opUndefined: number;
  readonly opTooLong: number;
  readonly opCount: number;
  /** Dense, because every system call looks here. */
  #helpers: (Helper | undefined)[];
  #byRow = new Map<Row, Variant[]>();
  #extensions = new Map<number, number>();

  /** @param flagUses as from `flagUses` of an earlier set over the same table; saves building the semantics to know */
  constructor(rows: readonly Row[], flagUses?: string) {
    let next = HOT_PSEUDO;
    const sameCode = new Map<string, HotHandler>();
    const named = new Map<string, HotHandler>();
    const semantics = new Map<unknown, number>();
    /** Encodings with the same semantics and the same kinds of operands share their main-loop code. */
    const shapeOf = ({ row, size }: Variant): string => {
      let id = semantics.get(row.semantics);
      if (id === undefined) semantics.set(row.semantics, (id = semantics.size));
      return `${id} ${size} ${JSON.stringify(operandsAt(row, size))}`;
    };
    for (const row of rows) {
      const own: Variant[] = [];
      for (const size of row.sizes) for (const form of row.forms) own.push(new Variant(row, size, form));
      this.#byRow.set(row, own);
      this.variants.push(...own);
      for (const word of (row.options.hot ?? '').split(' ')) {
        const match = /^(\d+)(r|bd|bis|near|far)([fd]?)$/.exec(word);
        if (match === null) continue;
        const mode = match[2] as HotMode;
        const form = mode === 'bd' || mode === 'bis' ? 'm' : mode;
        const variant = own.find((v) => v.size === Number(match[1]) && v.form === form);
        if (variant === undefined) throw new Error(`${row.name}: no form for hot ${word}`);
        const shape = `${shapeOf(variant)} ${mode}`;
        const add = (dead: boolean, fused: number): void => {
          const key = hotKey(mode, dead, fused);
          let handler = sameCode.get(`${shape} ${key}`);
          if (handler === undefined) {
            handler = { op: next++, variant, mode, dead, fused };
            sameCode.set(`${shape} ${key}`, handler);
            this.hot.push(handler);
          }
          variant.hot.set(key, handler.op);
          const jump = fused < 0 ? '' : ` j${CC_NAMES[fused]}`;
          named.set(`${row.encoding} ${variant.size}${mode}${dead ? 'd' : ''}${jump}`, handler);
        };
        if (match[3] !== 'd') add(false, -1);
        if (row.options.setsFlags) add(true, -1);
        if (match[3] === 'f') {
          for (const code of fusibleConditions(row.options.setsFlags!)) {
            add(false, code);
            if (mode === 'r') add(true, code);
          }
        }
      }
    }
    this.firstSequence = next;
    for (const names of SEQUENCES) {
      const parts = names.map((name): HotHandler => {
        const handler = named.get(name);
        if (handler === undefined) throw new Error(`no hot handler ${name}`);
        return handler;
      });
      let begun: number | undefined = parts[0]!.op;
      for (const { op } of parts.slice(1, -1)) begun = begun && this.extend(begun, op);
      if (begun === undefined) throw new Error(`no sequence for the beginning of ${names.join(', ')}`);
      this.sequences.push({ op: next, parts });
      this.#extensions.set(begun * MAX_OPS + parts.at(-1)!.op, next++);
    }
    this.hotLimit = next;
    for (const variant of this.variants) variant.op = next++;
    this.opMore = next++;
    this.opUndefined = next++;
    this.opTooLong = next++;
    this.opCount = next;
    this.#helpers = new Array<Helper | undefined>(next * HELPERS_PER_HANDLER).fill(undefined);
    if (flagUses === undefined) return;
    for (const [i, variant] of this.variants.entries()) {
      variant.flagUse = FLAG_USES[flagUses.charCodeAt(i) - FIRST_CHARACTER]!;
    }
  }

  /** What every variant does with the flags, one character each. */
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

  /** The hot handler of an emitted number. */
  hotAt(op: number): HotHandler | undefined {
    return this.hot[op - HOT_PSEUDO];
  }

  variant(row: Row, size: IntSize, form: Form): Variant | undefined {
    for (const variant of this.#byRow.get(row)!) if (variant.size === size && variant.form === form) return variant;
    return undefined;
  }
}
