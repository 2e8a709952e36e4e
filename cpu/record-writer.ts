/**
 * Writes the records of decoded instructions: their fields, and the handler that each gets. A handler may leave out flags
 * that are dead, take in the conditional jump behind the instruction, or a sequence of records.
 */
import type { CodePage } from './code-cache.js';
import { type Decoded, type Decoder, NEED_MORE, TOO_LONG } from './decoder.js';
import type { PhysicalMemory } from './physical-memory.js';
import {
  ADDRESS32,
  R_A,
  R_B,
  R_BASE,
  R_DISP,
  R_IMM,
  R_INDEX,
  R_LEN,
  R_OFF,
  R_OP,
  R_SCALE,
  R_SEGMENT,
  R_TARGET,
  RECORD_SIZE,
} from './record.js';
import { PAGE_SIZE, ZERO } from './state.js';
import { type HandlerSet, type HotMode, hotKey, OP_SPAN, type Variant } from './tier0/handlers.js';

/** How far a jump target is looked at to see whether it needs the flags. */
const PEEK = 3;

/** One record of the run being decoded, for the flag pass. */
export interface RunEntry {
  record: number;
  variant: Variant;
  mode: HotMode | undefined;
}

export class RecordWriter {
  readonly #memory: PhysicalMemory;
  readonly #handlers: HandlerSet;
  readonly #decoder: Decoder;

  constructor(memory: PhysicalMemory, handlers: HandlerSet, decoder: Decoder) {
    this.#memory = memory;
    this.#handlers = handlers;
    this.#decoder = decoder;
  }

  /** The record of what the decoder did not take. @param result what it returned */
  failed(record: number, offset: number, result: number): void {
    const { opTooLong, opUndefined } = this.#handlers;
    this.pseudo(record, result === NEED_MORE ? OP_SPAN : result === TOO_LONG ? opTooLong : opUndefined, offset, 0);
  }

  /** A record that is no instruction. */
  pseudo(record: number, op: number, offset: number, target: number): void {
    const { view } = this.#memory;
    view.setUint16(record + R_OP, op, true);
    view.setUint16(record + R_OFF, offset, true);
    view.setInt32(record + R_DISP, offset, true);
    view.setUint32(record + R_TARGET, target, true);
  }

  /** The record of an instruction in its plain form. @param spans it ends in the next page */
  write(record: number, offset: number, out: Decoded, spans: boolean): RunEntry {
    const { view } = this.#memory;
    const next = offset + out.length;
    const displacement = out.ripRelative || out.branch ? out.displacement + next : out.displacement;
    if (out.branch) out.form = !spans && displacement >= 0 && displacement < PAGE_SIZE ? 'near' : 'far';
    let { index, segment } = out;
    if (out.row.options.noSegment) segment = ZERO;
    if (out.form === 'm' && index === ZERO && !out.address32) {
      index = segment;
      segment = ZERO;
    }
    const variant = this.#handlers.variant(out.row, out.size, out.form)!;
    view.setUint16(record + R_OP, variant.op, true);
    view.setUint16(record + R_OFF, offset, true);
    view.setUint16(record + R_A, out.a, true);
    view.setUint16(record + R_B, out.b, true);
    view.setUint16(record + R_BASE, out.base, true);
    view.setUint16(record + R_INDEX, index, true);
    view.setUint8(record + R_SCALE, out.scale | (out.address32 ? ADDRESS32 : 0));
    view.setUint8(record + R_LEN, out.length);
    view.setUint16(record + R_SEGMENT, segment, true);
    view.setInt32(record + R_DISP, displacement | 0, true);
    view.setUint32(record + R_TARGET, 0, true);
    view.setInt32(record + R_IMM, out.hasImmediate ? out.immediateLow : next, true);
    view.setInt32(record + R_IMM + 4, out.hasImmediate ? out.immediateHigh : 0, true);
    let mode: HotMode | undefined = out.form === 'm' ? (index === ZERO ? 'bd' : 'bis') : out.form;
    if (segment !== ZERO || out.address32) mode = undefined;
    return { record, variant, mode };
  }

  /**
   * Picks main-loop forms for the records of a run: without flag writes where the flags are dead, fused with the
   * conditional jump that follows. Flags count as dead only when the instructions up to the one that overwrites them
   * cannot fault, so that a fault shows exact flags.
   */
  chooseHot(page: CodePage, run: readonly RunEntry[]): void {
    const { u16 } = this.#memory;
    let live = true;
    for (let i = run.length - 1; i >= 0; i--) {
      const { record, variant, mode } = run[i]!;
      const { row } = variant;
      const { reads, kills, faults } = variant.flagUse;
      const code = row.options.jumpCondition;
      if (mode !== undefined) {
        const op = variant.hot?.get(hotKey(mode, !live)) ?? variant.hot?.get(hotKey(mode, false));
        if (op !== undefined) u16[(record + R_OP) >> 1] = op;
      }
      if (code !== undefined && i > 0 && variant.form === 'near') {
        const previous = run[i - 1]!;
        if (previous.mode !== undefined && previous.record + RECORD_SIZE === record) {
          const dead = !live && this.#deadAt(page, this.#memory.view.getInt32(record + R_DISP, true));
          const fused = previous.variant.hot?.get(hotKey(previous.mode, dead, code));
          if (fused !== undefined) {
            u16[(previous.record + R_OP) >> 1] = fused;
            const first = previous.variant.flagUse;
            live = first.faults || first.reads || !first.kills;
            i--;
            continue;
          }
        }
      }
      if (reads || faults || row.shape.immediate?.letter === 'J') live = true;
      else if (kills) live = false;
    }
  }

  /** A record that has a handler together with its successors gets that one. Theirs stay, for jumps to them. */
  chooseSequences(run: readonly RunEntry[]): void {
    const { u16 } = this.#memory;
    for (let i = 0; i + 1 < run.length; i++) {
      const at = (run[i]!.record + R_OP) >> 1;
      let op = u16[at]!;
      while (i + 1 < run.length && run[i + 1]!.record === run[i]!.record + RECORD_SIZE) {
        const longer = this.#handlers.extend(op, u16[(run[i + 1]!.record + R_OP) >> 1]!);
        if (longer === undefined) break;
        op = longer;
        i++;
      }
      u16[at] = op;
    }
  }

  /** Whether the code at an offset overwrites all flags before it could show them. */
  #deadAt(page: CodePage, offset: number): boolean {
    const base = page.frame * PAGE_SIZE;
    let at = offset;
    for (let i = 0; i < PEEK && at < PAGE_SIZE; i++) {
      // A debugger sees the flags there.
      if (page.breaks?.has(at) === true) return false;
      if (this.#decoder.decode(this.#memory.u8, base + at, base + PAGE_SIZE) !== 0) return false;
      const { out } = this.#decoder;
      const variant = this.#handlers.variant(out.row, out.size, out.form);
      if (variant === undefined || out.row.options.ends) return false;
      const { reads, kills, faults } = variant.flagUse;
      if (reads || faults) return false;
      if (kills) return true;
      at += out.length;
    }
    return false;
  }
}
