/**
 * Windows of accesses in loops, in locals: what a check compares with is loaded once before the loop. A window that changes
 * meanwhile does no harm: one that is closed makes the region leave (RESYNC), one that grows is only used later. Loops with
 * calls or instructions in tier 0 don't have this, since all locals go through memory there.
 *
 * What of an address does not change in the loop is added up before it, less the window's beginning: `place` says what an
 * access adds to that to get its distance from there, which is what the check is about.
 */
import type { Value } from '../ir/ir.js';
import type { Code } from '../wasm/code.js';
import { SITE_SLOTS, W_DELTA, W_LOW, WINDOW_SIZE } from './layout.js';
import { invariantOf, keyOf, shiftOf, unchanging } from './loop-addresses.js';
import type { Access, AddressBase } from './memory-access.js';
import type { PlannedBlock } from './planned-block.js';
import type { Registers } from './registers.js';
import { type Relocation, WIDTH, windowField } from './relocation.js';
import type { Step } from './step.js';

/** Windows of one loop, and sums: locals are registers, of which there are few. */
const MAX_WINDOWS = 4;
const MAX_SUMS = 6;
/** How much more often an inner loop is thought to run than what is around it. */
const LOOP_WEIGHT = 8;
/** More than any field of a window. In the place of one of them: the physical address where the window begins. */
const FIELDS = WINDOW_SIZE;
const START = W_DELTA;

/** What the check of an access reads, and of which address, at a distance from it. */
export interface WindowUse {
  readonly slot: number;
  /** W_READ or one of its like. */
  readonly limit: number;
  readonly base: AddressBase;
  readonly distance: number;
}

/** The distance of an access from the beginning of its window is the sum of an i64 local and these values. */
export interface Place {
  readonly local: number;
  readonly rest: readonly Value[];
}

interface Loop {
  readonly fields: number[];
  readonly sums: string[];
  /** Registers that are written in it. */
  readonly written: number;
}

export class LoopWindows {
  readonly #code: Code;
  readonly #registers: Registers;
  /** Local by slot and field, as a number. */
  readonly #fields = new Map<number, number>();
  /** Local by what it is the sum of. */
  readonly #sums = new Map<string, number>();
  readonly #loops: Loop[] = [];
  readonly #free: Record<'i32' | 'i64', number[]> = { i32: [], i64: [] };

  constructor(code: Code, registers: Registers) {
    this.#code = code;
    this.#registers = registers;
  }

  /**
   * Before a loop.
   * @param blocks its blocks, and how deep in loops each is
   * @param useOf what the check of an access reads, undefined without
   */
  open(
    blocks: readonly { planned: PlannedBlock; depth: number }[],
    useOf: (access: Access, step: Step) => WindowUse | undefined,
  ): void {
    let written = 0;
    for (const { planned } of blocks) for (const step of planned.steps) written |= step.writes;
    const loop: Loop = { fields: [], sums: [], written };
    this.#loops.push(loop);
    const weights = new Map<number, number>();
    const uses: { use: WindowUse; weight: number }[] = [];
    for (const { planned, depth } of blocks) {
      for (const step of planned.steps) {
        for (const access of step.accesses) {
          const use = useOf(access, step);
          if (use === undefined) continue;
          const weight = LOOP_WEIGHT ** depth;
          weights.set(use.slot, (weights.get(use.slot) ?? 0) + weight);
          uses.push({ use, weight });
        }
      }
    }
    const sorted = [...weights].sort((x, y) => y[1] - x[1] || x[0] - y[0]).map(([slot]) => slot);
    const slots = new Set(sorted.slice(0, MAX_WINDOWS));
    const chosen = uses.filter(({ use }) => slots.has(use.slot));
    for (const { use } of chosen) for (const field of [W_LOW, START, use.limit]) this.#load(use.slot, field, loop);
    chosen.sort((x, y) => y.weight - x.weight);
    for (const { use } of chosen) if (loop.sums.length < MAX_SUMS) this.#add(use, loop);
  }

  /** Behind the loop that was opened last. */
  close(): void {
    const { fields, sums } = this.#loops.pop()!;
    for (const key of fields) {
      this.#free[typeOf(key % FIELDS)].push(this.#fields.get(key)!);
      this.#fields.delete(key);
    }
    for (const key of sums) {
      this.#free.i64.push(this.#sums.get(key)!);
      this.#sums.delete(key);
    }
  }

  /** Where the loops around have a window in locals. */
  has(slot: number): boolean {
    return this.#fields.has(slot * FIELDS + W_LOW);
  }

  /** What an access, at a distance from an address, is to add; undefined when nothing was added up for it. */
  place(slot: number, address: Value, distance: number): Place | undefined {
    for (const { written } of this.#loops) {
      const invariant = invariantOf(address, distance, written);
      const local = this.#sums.get(keyOf(slot, invariant));
      if (local !== undefined) return { local, rest: invariant.rest };
    }
    return undefined;
  }

  /** Pushes i64, of a window that the loops have: its beginning or a limit. */
  push(slot: number, field: number): void {
    this.#code.get(this.#fields.get(slot * FIELDS + field)!);
  }

  /** Whether the limit is in a local, too. */
  hasLimit(slot: number, field: number): boolean {
    return this.#fields.has(slot * FIELDS + field);
  }

  /** Pushes i32: the physical address where a window begins. */
  pushStart(slot: number): void {
    this.push(slot, START);
  }

  #load(slot: number, field: number, loop: Loop): void {
    const key = slot * FIELDS + field;
    if (this.#fields.has(key)) return;
    const code = this.#code;
    const type = typeOf(field);
    const local = this.#free[type].pop() ?? code.local(type);
    readWindow(code, slot, field);
    if (field === START) {
      code.get(this.#fields.get(slot * FIELDS + W_LOW)!);
      code.op('i32.wrap_i64');
      code.op('i32.add');
    }
    code.set(local);
    this.#fields.set(key, local);
    loop.fields.push(key);
  }

  #add({ slot, base, distance }: WindowUse, loop: Loop): void {
    const invariant = unchanging(base, distance, loop.written);
    const { registers, constant } = invariant;
    if (registers.length === 0 && constant === 0) return;
    const key = keyOf(slot, invariant);
    if (this.#sums.has(key)) return;
    const code = this.#code;
    code.i64(constant);
    for (const one of registers) {
      const [register, shift] = shiftOf(one);
      code.get(this.#registers.general(register));
      if (shift > 0) {
        code.i64(shift);
        code.op('i64.shl');
      }
      code.op('i64.add');
    }
    this.push(slot, W_LOW);
    code.op('i64.sub');
    const local = this.#free.i64.pop() ?? code.local('i64');
    code.set(local);
    this.#sums.set(key, local);
    loop.sums.push(key);
  }
}

/** Pushes a field of a window from memory: low and limits as i64, delta as i32. */
export function readWindow(code: Code, slot: number, field: number): void {
  const at = field % FIELDS;
  const name = at === W_LOW ? 'i64.load' : at === W_DELTA ? 'i32.load' : 'i64.load32_u';
  code.i32(0);
  accessWindow(code, name, slot, field);
}

/** Stores a v128, which is on the stack behind a zero, to 16 bytes of a window. */
export function storeWindow(code: Code, slot: number, field: number): void {
  accessWindow(code, 'v128.store', slot, field);
}

/** A slot behind those of sites is a second window of no site in particular, and the same in every run. */
function accessWindow(code: Code, name: string, slot: number, field: number): void {
  const at = windowField(slot, field);
  if (slot >= SITE_SLOTS) code.memory(name, at);
  else code.memoryAt(name, at, WIDTH.window, { kind: 'window', slot, field } satisfies Relocation);
}

function typeOf(field: number): 'i32' | 'i64' {
  return field === START ? 'i32' : 'i64';
}
