/**
 * Decides what is in the main loop: the hot forms of the rows, with a second variant for dead flags, fused with the
 * conditional jump that follows, and the sequences of several. The numbers depend on the table alone, so that the emitted
 * module and the decoder agree. Only emitting needs this; a build leaves its outcome in image.ts.
 */

import { CC_NAMES, type Form, type IntSize } from '../ir/ir.js';
import { fusibleConditions } from '../ir/lazy-flags.js';
import { operandsAt, type Row } from '../table/row.js';
import { SEQUENCES } from '../table/sequences.js';
import { HOT_PSEUDO, type HotMode, hotKey, type Numbering } from './handlers.js';

export interface HotHandler {
  op: number;
  /** Index of the variant in `HandlerSet.variants`. */
  variant: number;
  mode: HotMode;
  /** Without flag writes. */
  dead: boolean;
  /** Condition code of the fused jump, or −1. */
  fused: number;
}

/** Several hot handlers in one, without going through the dispatch in between. */
export interface HotSequence {
  op: number;
  parts: readonly HotHandler[];
}

export class HotNumbers {
  readonly hot: HotHandler[] = [];
  readonly sequences: HotSequence[] = [];
  #next = HOT_PSEUDO;
  #named = new Map<string, HotHandler>();
  #sameCode = new Map<string, HotHandler>();
  #semantics = new Map<unknown, number>();
  #triples: number[] = [];
  #extensions: number[] = [];

  constructor(rows: readonly Row[]) {
    let first = 0;
    for (const row of rows) {
      for (const word of (row.options.hot ?? '').split(' ')) if (word !== '') this.#hotForm(row, first, word);
      first += row.sizes.length * row.forms.length;
    }
    for (const names of SEQUENCES) this.#sequence(names);
  }

  get numbering(): Numbering {
    return { hot: this.#triples, extensions: this.#extensions, hotLimit: this.#next };
  }

  /** @param first index of the row's first variant */
  #hotForm(row: Row, first: number, word: string): void {
    const match = /^(\d+)(r|bd|bis|near|far)([fd]?)$/.exec(word);
    if (match === null) throw new Error(`${row.name}: ${word} is no hot form`);
    const mode = match[2] as HotMode;
    const size = Number(match[1]) as IntSize;
    const form: Form = mode === 'bd' || mode === 'bis' ? 'm' : mode;
    const [sizeAt, formAt] = [row.sizes.indexOf(size), row.forms.indexOf(form)];
    if (sizeAt < 0 || formAt < 0) throw new Error(`${row.name}: no form for hot ${word}`);
    const variant = first + sizeAt * row.forms.length + formAt;
    const add = (dead: boolean, fused: number): void => this.#add(row, size, { op: 0, variant, mode, dead, fused });
    if (match[3] !== 'd') add(false, -1);
    if (row.options.setsFlags) add(true, -1);
    if (match[3] !== 'f') return;
    for (const code of fusibleConditions(row.options.setsFlags!)) {
      add(false, code);
      if (mode === 'r') add(true, code);
    }
  }

  /** Encodings with the same semantics and the same kinds of operands share their code. */
  #add(row: Row, size: IntSize, wanted: HotHandler): void {
    const { variant, mode, dead, fused } = wanted;
    let id = this.#semantics.get(row.semantics);
    if (id === undefined) this.#semantics.set(row.semantics, (id = this.#semantics.size));
    const key = hotKey(mode, dead, fused);
    const shape = `${id} ${size} ${JSON.stringify(operandsAt(row, size))} ${key}`;
    let handler = this.#sameCode.get(shape);
    if (handler === undefined) {
      handler = { ...wanted, op: this.#next++ };
      this.#sameCode.set(shape, handler);
      this.hot.push(handler);
    }
    this.#triples.push(variant, key, handler.op);
    const jump = fused < 0 ? '' : ` j${CC_NAMES[fused]}`;
    this.#named.set(`${row.encoding} ${size}${mode}${dead ? 'd' : ''}${jump}`, handler);
  }

  #sequence(names: readonly string[]): void {
    const parts = names.map((name): HotHandler => {
      const handler = this.#named.get(name);
      if (handler === undefined) throw new Error(`no hot handler ${name}`);
      return handler;
    });
    let begun = parts[0]!.op;
    for (let length = 2; length < parts.length; length++) {
      const beginning = this.sequences.find(
        (s) => s.parts.length === length && s.parts.every((p, i) => p === parts[i]),
      );
      if (beginning === undefined) throw new Error(`no sequence for the beginning of ${names.join(', ')}`);
      begun = beginning.op;
    }
    this.#extensions.push(begun, parts.at(-1)!.op, this.#next);
    this.sequences.push({ op: this.#next++, parts });
  }
}
