/**
 * Guest registers as locals of a region's function: general ones as i64, xmm registers as one v128 or, where scalar
 * doubles prevail, as two f64. Reads and writes come by state address, as the intermediate form has them; whatever is
 * not a register here is in memory.
 */
import { gprName } from '../ir/text.js';
import { GPR, XMM } from '../state.js';
import type { Code } from '../wasm/code.js';
import { registerOf } from './step.js';

const LANES: Record<string, [shape: string, bytes: number]> = {
  'i64.load': ['i64x2', 8],
  'f64.load': ['f64x2', 8],
  'i32.load': ['i32x4', 4],
  'f32.load': ['f32x4', 4],
  'i64.store': ['i64x2', 8],
  'f64.store': ['f64x2', 8],
  'i32.store': ['i32x4', 4],
  'f32.store': ['f32x4', 4],
  'i32.load8_u': ['i8x16', 1],
  'i32.load16_u': ['i16x8', 2],
  'i32.store8': ['i8x16', 1],
  'i32.store16': ['i16x8', 2],
};
const ZEROS: readonly number[] = new Array<number>(16).fill(0);

export class Registers {
  #code: Code;
  /** Locals by register number; of pairs the low double. */
  #locals = new Int32Array(32).fill(-1);
  #high = new Int32Array(16).fill(-1);

  constructor(code: Code, used: number, pairs: number) {
    this.#code = code;
    for (let r = 0; r < 32; r++) {
      if ((used & (1 << r)) === 0) continue;
      const pair = r >= 16 && (pairs & (1 << r)) !== 0;
      const name = r < 16 ? gprName(r, 64) : `xmm${r - 16}`;
      this.#locals[r] = code.local(r < 16 ? 'i64' : pair ? 'f64' : 'v128', name);
      if (pair) this.#high[r - 16] = code.local('f64', `${name}.high`);
    }
  }

  /** Local of a general register. */
  general(register: number): number {
    return this.#locals[register]!;
  }

  /** Local of any register; of a pair the low double. */
  local(register: number): number {
    return this.#locals[register]!;
  }

  highLocal(register: number): number {
    return this.#high[register - 16]!;
  }

  /** Register that a local belongs to, −1 for a temporary. */
  owner(local: number): number {
    const register = this.#locals.indexOf(local);
    if (register >= 0) return register;
    const pair = this.#high.indexOf(local);
    return pair < 0 ? -1 : 16 + pair;
  }

  /** The local that holds exactly what is read, −1 if none does. */
  holding(register: number, address: number, name: string): number {
    if (register < 16) return name === 'i64.load' && (address & 7) === 0 ? this.general(register) : -1;
    if (!this.isPair(register)) return name === 'v128.load' ? this.local(register) : -1;
    if (name !== 'f64.load') return -1;
    return address & 8 ? this.highLocal(register) : this.local(register);
  }

  isPair(register: number): boolean {
    return register >= 16 && this.#high[register - 16]! >= 0;
  }

  /** Fills locals from memory. */
  load(set: number): void {
    const code = this.#code;
    for (let r = 0; r < 32; r++) {
      if ((set & (1 << r)) === 0) continue;
      code.i32(0);
      if (r < 16) code.memory('i64.load', GPR + r * 8);
      else code.memory(this.isPair(r) ? 'f64.load' : 'v128.load', XMM + (r - 16) * 16);
      code.set(this.#locals[r]!);
      if (!this.isPair(r)) continue;
      code.i32(0);
      code.memory('f64.load', XMM + (r - 16) * 16 + 8);
      code.set(this.#high[r - 16]!);
    }
  }

  /** Writes locals back to memory. */
  store(set: number): void {
    const code = this.#code;
    for (let r = 0; r < 32; r++) {
      if ((set & (1 << r)) === 0) continue;
      code.i32(0);
      code.get(this.#locals[r]!);
      if (r < 16) code.memory('i64.store', GPR + r * 8);
      else code.memory(this.isPair(r) ? 'f64.store' : 'v128.store', XMM + (r - 16) * 16);
      if (!this.isPair(r)) continue;
      code.i32(0);
      code.get(this.#high[r - 16]!);
      code.memory('f64.store', XMM + (r - 16) * 16 + 8);
    }
  }

  /** Pushes what a load operator reads at a state address. */
  read(address: number, name: string): void {
    const register = registerOf(address);
    if (register < 0 || this.#locals[register]! < 0) {
      this.#code.i32(0);
      this.#code.memory(name, address);
    } else if (register < 16) this.#readGeneral(register, address & 7, name);
    else if (this.isPair(register)) this.#readPair(register, address & 15, name);
    else this.#readVector(register, address & 15, name);
  }

  /** Stores with a store operator at a state address; `push` emits the value. */
  write(address: number, name: string, push: () => void): void {
    const register = registerOf(address);
    if (register < 0 || this.#locals[register]! < 0) {
      this.#code.i32(0);
      push();
      this.#code.memory(name, address);
    } else if (register < 16) this.#writeGeneral(register, address & 7, name, push);
    else if (this.isPair(register)) this.#writePair(register, address & 15, name, push);
    else this.#writeVector(register, address & 15, name, push);
  }

  #readGeneral(register: number, byte: number, name: string): void {
    const code = this.#code;
    code.get(this.#locals[register]!);
    if (name === 'i64.load') return;
    if (name.startsWith('i64')) {
      switch (name) {
        case 'i64.load32_s':
          code.op('i64.extend32_s');
          return;
        case 'i64.load32_u':
          code.i64(0xffffffff);
          code.op('i64.and');
          return;
        default:
          throw new Error(`${name} of a general register`);
      }
    }
    if (name === 'f32.load' || name === 'f64.load') {
      if (name === 'f32.load') code.op('i32.wrap_i64');
      code.op(name === 'f32.load' ? 'f32.reinterpret_i32' : 'f64.reinterpret_i64');
      return;
    }
    code.op('i32.wrap_i64');
    if (byte > 0) {
      code.i32(byte * 8);
      code.op('i32.shr_u');
    }
    switch (name) {
      case 'i32.load':
        return;
      case 'i32.load8_u':
        code.i32(0xff);
        code.op('i32.and');
        return;
      case 'i32.load16_u':
        code.i32(0xffff);
        code.op('i32.and');
        return;
      case 'i32.load8_s':
        code.op('i32.extend8_s');
        return;
      case 'i32.load16_s':
        code.op('i32.extend16_s');
        return;
      default:
        throw new Error(`${name} of a general register`);
    }
  }

  #writeGeneral(register: number, byte: number, name: string, push: () => void): void {
    const code = this.#code;
    const local = this.#locals[register]!;
    if (name === 'i64.store') {
      push();
      code.set(local);
      return;
    }
    const bits = name === 'i32.store8' ? 8 : name === 'i32.store16' ? 16 : 32;
    const mask = ((1n << BigInt(bits)) - 1n) << BigInt(byte * 8);
    code.get(local);
    code.i64(~mask);
    code.op('i64.and');
    push();
    code.op('i64.extend_i32_u');
    if (byte > 0) {
      code.i64(byte * 8);
      code.op('i64.shl');
    }
    if (bits < 32) {
      code.i64(mask);
      code.op('i64.and');
    }
    code.op('i64.or');
    code.set(local);
  }

  #readVector(register: number, byte: number, name: string): void {
    const code = this.#code;
    code.get(this.#locals[register]!);
    if (name === 'v128.load') return;
    if (name === 'v128.load64_zero') {
      code.i64(0);
      code.op('i64x2.replace_lane', 1);
      return;
    }
    if (name === 'v128.load32_zero') {
      code.v128(ZEROS);
      code.op('i8x16.shuffle', [0, 1, 2, 3, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16]);
      return;
    }
    const [shape, bytes] = LANES[name]!;
    code.op(`${shape}.extract_lane${bytes < 4 ? '_u' : ''}`, byte / bytes);
  }

  #writeVector(register: number, byte: number, name: string, push: () => void): void {
    const code = this.#code;
    const local = this.#locals[register]!;
    if (name === 'v128.store') {
      push();
      code.set(local);
      return;
    }
    const [shape, bytes] = LANES[name]!;
    code.get(local);
    push();
    code.op(`${shape}.replace_lane`, byte / bytes);
    code.set(local);
  }

  #pushPair(register: number): void {
    const code = this.#code;
    code.get(this.#locals[register]!);
    code.op('f64x2.splat');
    code.get(this.#high[register - 16]!);
    code.op('f64x2.replace_lane', 1);
  }

  #half(register: number, byte: number): number {
    return byte < 8 ? this.#locals[register]! : this.#high[register - 16]!;
  }

  #readPair(register: number, byte: number, name: string): void {
    const code = this.#code;
    switch (name) {
      case 'f64.load':
        code.get(this.#half(register, byte));
        return;
      case 'i64.load':
        code.get(this.#half(register, byte));
        code.op('i64.reinterpret_f64');
        return;
      case 'i32.load':
        code.get(this.#half(register, byte));
        code.op('i64.reinterpret_f64');
        if (byte & 4) {
          code.i64(32);
          code.op('i64.shr_u');
        }
        code.op('i32.wrap_i64');
        return;
      case 'v128.load':
        this.#pushPair(register);
        return;
      case 'v128.load64_zero':
        code.get(this.#locals[register]!);
        code.op('f64x2.splat');
        code.i64(0);
        code.op('i64x2.replace_lane', 1);
        return;
      default:
        this.#pushPair(register);
        if (name === 'v128.load32_zero') {
          code.v128(ZEROS);
          code.op('i8x16.shuffle', [0, 1, 2, 3, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16]);
        } else {
          const [shape, bytes] = LANES[name]!;
          code.op(`${shape}.extract_lane${bytes < 4 ? '_u' : ''}`, byte / bytes);
        }
    }
  }

  #writePair(register: number, byte: number, name: string, push: () => void): void {
    const code = this.#code;
    if (name === 'f64.store' || name === 'i64.store') {
      push();
      if (name === 'i64.store') code.op('f64.reinterpret_i64');
      code.set(this.#half(register, byte));
      return;
    }
    const whole = this.#scratch();
    if (name === 'v128.store') push();
    else {
      const [shape, bytes] = LANES[name]!;
      this.#pushPair(register);
      push();
      code.op(`${shape}.replace_lane`, byte / bytes);
    }
    code.set(whole);
    for (const lane of [0, 1]) {
      code.get(whole);
      code.op('f64x2.extract_lane', lane);
      code.set(this.#half(register, lane * 8));
    }
  }

  #scratchLocal = -1;

  #scratch(): number {
    if (this.#scratchLocal < 0) this.#scratchLocal = this.#code.local('v128');
    return this.#scratchLocal;
  }

  /** Fills a pair from a value that is its low half, or from another pair, without a vector in between. */
  setPair(register: number, pushLow: () => void, pushHigh: () => void): void {
    pushLow();
    pushHigh();
    this.#code.set(this.#high[register - 16]!);
    this.#code.set(this.#locals[register]!);
  }

  pushHalf(register: number, half: 0 | 1): void {
    this.#code.get(half === 0 ? this.#locals[register]! : this.#high[register - 16]!);
  }
}
