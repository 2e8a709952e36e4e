/**
 * Emits what the fast version of a loop (versions.ts) has in place of checks: its gate, which finds out for how many rounds the
 * walking accesses stay inside of their windows, and their physical addresses. A window does not change while the loop runs:
 * whatever could change one leaves the region first.
 */
import type { Value } from '../ir/ir.js';
import { RECORD_SIZE } from '../record.js';
import type { Code } from '../wasm/code.js';
import { W_DELTA, W_LOW } from './layout.js';
import { invariantOf, keyOf, shiftOf, unchanging } from './loop-addresses.js';
import { readWindow, type WindowUse } from './loop-windows.js';
import { type Access, accessOf } from './memory-access.js';
import type { Registers } from './registers.js';
import type { Walk } from './strides.js';
import type { Temps } from './temps.js';
import type { Version } from './versions.js';

/** Rounds of a walk that stays where it is: more than any slice has. */
const FOREVER = 2 ** 31;
/** Rounds that are made with checks before the gate is asked again. */
const RETRY = 64;
/** Sums of one loop: locals are registers, of which there are few. */
const MAX_SUMS = 8;

/** An access that the gate has checked. */
export interface Passed extends WindowUse {
  readonly walk: Walk;
  /** It is checked for its group. */
  readonly forGroup: boolean;
}

export class Walks {
  readonly #code: Code;
  readonly #registers: Registers;
  readonly #temps: Temps;
  /** Of versions whose gates have been emitted. */
  readonly #passed = new Map<Version, Map<Access, Passed>>();
  /** Local by what it is the sum of, for the loop that is open. */
  readonly #sums = new Map<string, number>();
  readonly #used: number[] = [];
  readonly #free: number[] = [];
  /** Physical address of an access in the first of several rounds. */
  readonly #bases = new Map<Access, number>();

  constructor(code: Code, registers: Registers, temps: Temps) {
    this.#code = code;
    this.#registers = registers;
    this.#temps = temps;
  }

  /**
   * Sets `chosen` to whether the fast version can be entered, and `limit` to what may be left of the slice before the gate is
   * asked again.
   * @param passed the accesses that have windows
   * @param rest local of what is left of the slice
   * @param least `rest` has to stay above it
   */
  gate(
    version: Version,
    passed: Map<Access, Passed>,
    rest: number,
    least: number,
    chosen: number,
    limit: number,
  ): void {
    this.#passed.set(version, passed);
    const { turns, shortest, size } = version;
    const code = this.#code;
    const rounds = this.#temps.take('i64');
    const more = this.#temps.take('i64');
    code.i64(FOREVER);
    code.set(rounds);
    const checked = new Set<string>();
    for (const one of passed.values()) {
      const { walk, slot, limit, distance } = one;
      const key = JSON.stringify([slot, limit, distance, walk.terms, walk.constant, walk.stride, walk.aligned]);
      if (checked.has(key)) continue;
      checked.add(key);
      this.#roundsBehind(one);
      code.tee(more);
      code.get(rounds);
      code.get(more);
      code.get(rounds);
      code.op('i64.lt_s');
      code.select();
      code.set(rounds);
    }
    code.get(rounds);
    code.i64(turns - 1);
    code.op('i64.ge_s');
    code.set(chosen);
    // The round that is begun last has all its turns before the windows end.
    code.get(rest);
    code.op('i64.extend_i32_s');
    code.get(rounds);
    code.i64(turns - 2);
    code.op('i64.sub');
    code.i64(shortest * RECORD_SIZE);
    code.op('i64.mul');
    code.i64(RETRY * size * RECORD_SIZE);
    code.get(chosen);
    code.select();
    code.op('i64.sub');
    code.tee(more);
    code.i64(least);
    code.get(more);
    code.i64(least);
    code.op('i64.gt_s');
    code.select();
    code.op('i32.wrap_i64');
    code.set(limit);
  }

  /** Pushes i64: how many rounds can follow the next one; −1 when not even that is inside of the window. */
  #roundsBehind({ slot, limit, distance, walk }: Passed): void {
    const { terms, constant, stride, aligned } = walk;
    const code = this.#code;
    const inside = this.#temps.take('i64');
    code.i64(constant + distance);
    for (const { register, scale } of terms) {
      code.get(this.#registers.general(register));
      if (scale !== 1) {
        code.i64(scale);
        code.op('i64.mul');
      }
      code.op('i64.add');
    }
    const address = aligned.length > 0 ? this.#temps.take('i64') : -1;
    if (address >= 0) code.tee(address);
    readWindow(code, slot, W_LOW);
    code.op('i64.sub');
    code.set(inside);
    if (stride === 0) code.i64(FOREVER);
    else {
      if (stride > 0) {
        readWindow(code, slot, limit);
        code.get(inside);
        code.op('i64.sub');
        code.i64(1);
        code.op('i64.sub');
      } else code.get(inside);
      code.op('i32.wrap_i64');
      code.i32(Math.abs(stride));
      code.op('i32.div_u');
      code.op('i64.extend_i32_u');
    }
    code.i64(-1);
    code.get(inside);
    readWindow(code, slot, limit);
    code.op('i64.lt_u');
    for (const one of aligned) {
      code.get(address);
      code.i64(one.distance - distance);
      code.op('i64.add');
      code.i64(one.size - 1);
      code.op('i64.and');
      code.op('i64.eqz');
      code.op('i32.and');
    }
    code.select();
  }

  /** Before the fast version of a loop: adds up what does not change in it. */
  open(version: Version): void {
    const code = this.#code;
    for (const { slot, base, distance } of this.#passed.get(version)!.values()) {
      if (this.#sums.size >= MAX_SUMS) break;
      const { registers, constant } = unchanging(base, distance, version.written);
      const key = keyOf(slot, { registers, constant });
      if (this.#sums.has(key)) continue;
      readWindow(code, slot, W_DELTA);
      if (constant !== 0) {
        code.i64(constant);
        code.op('i32.wrap_i64');
        code.op('i32.add');
      }
      for (const one of registers) {
        const [register, shift] = shiftOf(one);
        code.get(this.#registers.general(register));
        code.op('i32.wrap_i64');
        if (shift > 0) {
          code.i32(shift);
          code.op('i32.shl');
        }
        code.op('i32.add');
      }
      const local = this.#take();
      code.set(local);
      this.#sums.set(key, local);
    }
  }

  /** Behind it. */
  close(): void {
    this.#sums.clear();
    this.#bases.clear();
    this.#free.push(...this.#used);
    this.#used.length = 0;
  }

  #take(): number {
    const local = this.#free.pop() ?? this.#code.local('i32');
    this.#used.push(local);
    return local;
  }

  passed(version: Version, access: Access): Passed | undefined {
    return this.#passed.get(version)?.get(access);
  }

  /**
   * The physical address of an access in one of several rounds in a row: the first one computes it for all, if it is made in
   * each.
   * @param push pushes an i64 value
   * @returns local of the address, less `offset`
   */
  address(
    version: Version,
    turn: number,
    probe: Value,
    push: (v: Value) => void,
  ): { local: number; offset: number } | undefined {
    const access = accessOf(probe)!;
    const { walk } = this.passed(version, access)!;
    if (!walk.isCertain || version.turns === 1) return undefined;
    const { stride } = walk;
    // Offsets are not negative.
    const first = stride < 0 ? (version.turns - 1) * stride : 0;
    let local = this.#bases.get(access);
    if (local === undefined) {
      local = this.#take();
      this.#bases.set(access, local);
      this.compute(version, probe, first, push);
      this.#code.set(local);
    }
    return { local, offset: turn * stride - first };
  }

  /** Pushes the physical address of an access, at a distance from that. */
  compute(version: Version, probe: Value, further: number, push: (v: Value) => void): void {
    const code = this.#code;
    const { slot, distance } = this.passed(version, accessOf(probe)!)!;
    const [address] = probe.args as [Value];
    const invariant = invariantOf(address, distance, version.written);
    const sum = this.#sums.get(keyOf(slot, invariant));
    if (sum !== undefined) {
      code.get(sum);
      for (const v of invariant.rest) {
        push(v);
        code.op('i32.wrap_i64');
        code.op('i32.add');
      }
    } else {
      readWindow(code, slot, W_DELTA);
      push(address);
      code.op('i32.wrap_i64');
      code.op('i32.add');
      further += distance;
    }
    if (further === 0) return;
    code.i32(further);
    code.op('i32.add');
  }
}
