/**
 * Emits the values of a region's instructions: into temporaries, or straight where they are used (demand.ts). Registers are
 * locals; flag words of a pending operation are computed where something reads them.
 */
import type { Statement, Value } from '../ir/ir.js';
import type { Code } from '../wasm/code.js';
import type { Accesses } from './access.js';
import { isSameRegister } from './concrete.js';
import { conditionValue, type FlagState, isFlagWord, pendingWord } from './flags.js';
import { emitHighProduct } from './high-product.js';
import type { Registers } from './registers.js';
import { registerOf, type Step } from './step.js';
import type { Temps } from './temps.js';

/** What values need of the instruction around them. */
export interface ValueSurroundings {
  readonly step: Step;
  /** By register: the place in the statements where it is first written. */
  readonly firstSet: Int32Array;
  flags: FlagState;
  /** Emits statements that belong to a condition. */
  run(statements: readonly Statement[]): void;
}

export class Values {
  /** Where probes lead to. */
  accesses!: Accesses;
  readonly #code: Code;
  readonly #registers: Registers;
  readonly #temps: Temps;
  readonly #around: ValueSurroundings;

  constructor(code: Code, registers: Registers, temps: Temps, around: ValueSurroundings) {
    this.#code = code;
    this.#registers = registers;
    this.#temps = temps;
    this.#around = around;
  }

  /** Where a value is computed: gives it a local, unless it is better emitted where it is used. */
  define(v: Value): void {
    if (v.op === 'probe') {
      this.accesses.probe(v, this.#around.step);
      return;
    }
    // Checks are made where they decide.
    if (v.op === 'finite' || v.op === 'ordered') return;
    if (v.op === 'cond') {
      this.#defineCondition(v);
      return;
    }
    if (v.uses === 0 && !(v.pinned && v.flagged)) return;
    if (v.op === 'const') return;
    if (v.op === 'get') {
      this.#defineRead(v);
      return;
    }
    if (!v.pinned && v.uses === 1) return;
    // A load into a pair of doubles happens where it is written.
    if (v.op === 'load' && v.type === 'v128' && v.uses === 1 && this.#goesToPair) return;
    this.#emit(v);
    v.local = this.#temps.take(v.type);
    this.#code.set(v.local);
  }

  get #goesToPair(): boolean {
    const { writes } = this.#around.step;
    const register = 31 - Math.clz32(writes);
    return writes !== 0 && (writes & (writes - 1)) === 0 && this.#registers.isPair(register);
  }

  #defineRead(v: Value): void {
    const address = (v.args[0]!.imm as number) + (v.imm as number);
    const register = registerOf(address);
    const local = register < 0 ? -1 : this.#registers.holding(register, address, v.name);
    const overwritten = register >= 0 && (this.#around.step.writes & (1 << register)) !== 0;
    const isStable = !(overwritten && (v.flagged || v.last > this.#around.firstSet[register]!));
    if (local >= 0 && isStable) {
      v.local = local;
      return;
    }
    // Read once, before it is written: better there.
    if (register >= 0 && v.uses === 1 && !v.flagged && isStable) return;
    this.#readState(address, v.name);
    v.local = this.#temps.take(v.type);
    this.#code.set(v.local);
  }

  /** Pushes a register or another part of the CPU state, flag words of a pending operation included. */
  #readState(address: number, name: string): void {
    const { flags } = this.#around;
    if (!isFlagWord(address) || typeof flags !== 'object') {
      this.#registers.read(address, name);
      return;
    }
    const word = pendingWord(flags, address);
    this.#around.flags = flags.base;
    if (word === undefined) this.#readState(address, name);
    else this.push(word);
    this.#around.flags = flags;
  }

  #defineCondition(v: Value): void {
    const { statements, value } = conditionValue(
      typeof this.#around.flags === 'object' ? this.#around.flags : undefined,
      v.imm as number,
    );
    if (v.uses === 0) return;
    this.#around.run(statements);
    // Values inside have been counted without their use here.
    this.push(value);
    v.local = this.#temps.take('i32');
    this.#code.set(v.local);
  }

  /** Pushes a value; of a probe the physical address. */
  push(v: Value): void {
    if (v.local < 0) this.#emit(v);
    else if (v.op === 'probe') this.accesses.pushSum(v.local, this.accesses.offsetOf(v));
    else this.#code.get(v.local);
  }

  /** Pushes the address of a load or store, whose `#offsetOf` goes into the instruction. */
  pushAddress(v: Value): void {
    if (v.op === 'probe') this.#code.get(v.local);
    else this.push(v);
  }

  #emit(v: Value): void {
    const code = this.#code;
    switch (v.op) {
      case 'const':
        code.constant(v.type, v.imm);
        return;
      case 'get':
        this.#readState((v.args[0]!.imm as number) + (v.imm as number), v.name);
        return;
      case 'load':
        this.pushAddress(v.args[0]!);
        code.memory(v.name, (v.imm as number) + this.accesses.offsetOf(v.args[0]!));
        return;
      case 'select':
        for (const arg of v.args) this.push(arg);
        code.select();
        return;
      case 'copy':
        this.push(v.args[0]!);
        return;
      case 'call':
        emitHighProduct(
          code,
          this.#temps,
          () => this.push(v.args[0]!),
          () => this.push(v.args[1]!),
        );
        return;
      case 'v128.xor':
        if (isSameRegister(v)) {
          code.v128(ZEROS);
          return;
        }
        break;
      default:
    }
    for (const arg of v.args) this.push(arg);
    code.op(v.op, v.imm === 0 && !v.op.includes('lane') ? undefined : (v.imm as number | readonly number[]));
  }

  /** A local with a value, for a side path: on the main path it is not there. */
  copy(v: Value): number {
    if (v.local >= 0) return v.local;
    this.#emit(v);
    const local = this.#temps.take(v.type);
    this.#code.set(local);
    return local;
  }

  /** A local with a value. */
  inLocal(v: Value): number {
    if (v.local >= 0) return v.local;
    this.#emit(v);
    const local = this.#temps.take(v.type);
    this.#code.set(local);
    if (v.op !== 'const') v.local = local;
    return local;
  }
}

const ZEROS: readonly number[] = new Array<number>(16).fill(0);
