/**
 * Emits vectors of two doubles, one after the other, into an xmm register that is kept as a pair of locals: zero, moves,
 * sign masks and shuffles of whole doubles need no vector then.
 */
import type { Value } from '../ir/ir.js';
import type { Code } from '../wasm/code.js';
import { isSameRegister, movesHalves } from './concrete.js';
import type { Registers } from './registers.js';
import { registerOf } from './step.js';

/** How the lowering pushes values that have to be whole. */
export interface ValueSource {
  push(v: Value): void;
  /** Pushes the address of a load, whose `offsetOf` goes into the instruction. */
  pushAddress(v: Value): void;
  offsetOf(address: Value): number;
}

export class Halves {
  readonly #code: Code;
  readonly #registers: Registers;
  readonly #around: ValueSource;

  constructor(code: Code, registers: Registers, around: ValueSource) {
    this.#code = code;
    this.#registers = registers;
    this.#around = around;
  }

  /** What needs no vector: zero, moves of doubles, sign masks. @returns false when nothing has been emitted */
  set(register: number, v: Value): boolean {
    if (!this.#hasHalves(v)) return false;
    this.#registers.setPair(
      register,
      () => this.#pushHalf(v, 0),
      () => this.#pushHalf(v, 1),
    );
    return true;
  }

  /** Whether the doubles of a vector that goes to a pair are better come by one by one. */
  #hasHalves(v: Value): boolean {
    if (v.op === 'v128.xor' && isSameRegister(v)) return true;
    if (v.local >= 0) return false;
    switch (v.op) {
      case 'get':
        return (
          v.name === 'v128.load' && this.#registers.isPair(registerOf((v.args[0]!.imm as number) + (v.imm as number)))
        );
      case 'load':
        return v.name === 'v128.load' || v.name === 'v128.load64_zero';
      case 'v128.and':
      case 'v128.or':
      case 'v128.xor':
      case 'v128.andnot':
        return v.args.every((arg) => this.#hasHalves(arg));
      case 'i8x16.shuffle':
        return movesHalves(v) && v.args.some((arg) => this.#hasHalves(arg));
      default:
        return false;
    }
  }

  /** Pushes one double of a vector. */
  #pushHalf(v: Value, half: 0 | 1): void {
    const code = this.#code;
    if (v.op === 'v128.xor' && isSameRegister(v)) {
      code.f64(0);
      return;
    }
    if (v.local < 0) {
      switch (v.op) {
        case 'get': {
          const from = registerOf((v.args[0]!.imm as number) + (v.imm as number));
          if (!this.#registers.isPair(from)) break;
          this.#registers.pushHalf(from, half);
          return;
        }
        case 'load':
          if (half === 1 && v.name === 'v128.load64_zero') code.f64(0);
          else this.#loadHalf(v, half, 'f64.load');
          return;
        case 'i8x16.shuffle': {
          const lane = (v.imm as readonly number[])[8 * half]! >> 3;
          this.#pushHalf(v.args[lane >> 1]!, (lane & 1) as 0 | 1);
          return;
        }
        case 'v128.and':
        case 'v128.or':
        case 'v128.xor':
        case 'v128.andnot':
          // In lane 0 of vectors: there is no such operator on doubles.
          for (const arg of v.args) this.#pushHalfVector(arg, half);
          code.op(v.op);
          code.op('f64x2.extract_lane', 0);
          return;
        default:
      }
    }
    this.#around.push(v);
    code.op('f64x2.extract_lane', half);
  }

  /** Pushes a vector with one double of another in lane 0. */
  #pushHalfVector(v: Value, half: 0 | 1): void {
    if (v.local < 0 && v.op === 'load' && v.name === 'v128.load') this.#loadHalf(v, half, 'v128.load64_zero');
    else {
      this.#pushHalf(v, half);
      this.#code.op('f64x2.splat');
    }
  }

  #loadHalf(v: Value, half: 0 | 1, name: string): void {
    const pa = v.args[0]!;
    this.#around.pushAddress(pa);
    this.#code.memory(name, (v.imm as number) + 8 * half + this.#around.offsetOf(pa));
  }
}
