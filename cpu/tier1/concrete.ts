/**
 * The builder of the translator: the semantics of a row with the operands of one decoded instruction. Registers, immediates
 * and addresses are constants here, and operators over constants are computed at once, so that what depends on an immediate
 * (lanes of a shuffle, a shift by zero) is decided before anything is emitted.
 */
import { Builder } from '../ir/builder.js';
import { operator, type Probe, type Value } from '../ir/ir.js';
import { FS_BASE, GS_BASE, PAGE_VA, RSP, ZERO } from '../state.js';
import { operandsAt } from '../table/row.js';
import type { Instruction } from './region.js';

const MASK_64 = (1n << 64n) - 1n;

/** A constant as the smallest host type that holds it: numbers up to 2^53, else bigint. */
function normal(n: bigint): number | bigint {
  const signed = BigInt.asIntN(64, n);
  return signed >= Number.MIN_SAFE_INTEGER && signed <= Number.MAX_SAFE_INTEGER ? Number(signed) : signed;
}

type Fold = (x: bigint, y: bigint, bits: number) => bigint;
const unsigned = (x: bigint, bits: number): bigint => BigInt.asUintN(bits, x);
const bool = (condition: boolean): bigint => (condition ? 1n : 0n);

/** Operators that are worth computing: those that rows apply to immediates. */
const FOLDS: Record<string, Fold> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  and: (x, y) => x & y,
  or: (x, y) => x | y,
  xor: (x, y) => x ^ y,
  shl: (x, y, bits) => x << (y & BigInt(bits - 1)),
  shr_u: (x, y, bits) => unsigned(x, bits) >> (y & BigInt(bits - 1)),
  shr_s: (x, y, bits) => BigInt.asIntN(bits, x) >> (y & BigInt(bits - 1)),
  rem_u: (x, y, bits) => (y === 0n ? 0n : unsigned(x, bits) % unsigned(y, bits)),
  eq: (x, y, bits) => bool(unsigned(x, bits) === unsigned(y, bits)),
  ne: (x, y, bits) => bool(unsigned(x, bits) !== unsigned(y, bits)),
  lt_u: (x, y, bits) => bool(unsigned(x, bits) < unsigned(y, bits)),
  gt_u: (x, y, bits) => bool(unsigned(x, bits) > unsigned(y, bits)),
  ge_u: (x, y, bits) => bool(unsigned(x, bits) >= unsigned(y, bits)),
  le_u: (x, y, bits) => bool(unsigned(x, bits) <= unsigned(y, bits)),
};

const UNARY: Record<string, (x: bigint) => bigint> = {
  'i32.eqz': (x) => bool(BigInt.asUintN(32, x) === 0n),
  'i64.eqz': (x) => bool(BigInt.asUintN(64, x) === 0n),
  'i32.wrap_i64': (x) => x,
  'i64.extend_i32_u': (x) => BigInt.asUintN(32, x),
  'i64.extend_i32_s': (x) => BigInt.asIntN(32, x),
  'i32.extend8_s': (x) => BigInt.asIntN(8, x),
  'i32.extend16_s': (x) => BigInt.asIntN(16, x),
  'i64.extend8_s': (x) => BigInt.asIntN(8, x),
  'i64.extend16_s': (x) => BigInt.asIntN(16, x),
  'i64.extend32_s': (x) => BigInt.asIntN(32, x),
};

export function isConst(v: Value): boolean {
  return v.op === 'const' && v.type !== 'v128';
}

/** Whether a shuffle moves doubles as a whole. */
export function movesHalves({ imm }: Value): boolean {
  const bytes = imm as readonly number[];
  return bytes.every((byte, i) => byte % 8 === i % 8 && byte >> 3 === bytes[i & 8]! >> 3);
}

const big = (v: Value): bigint => BigInt(v.imm as number | bigint);

/** Whether an operator leaves its first operand as it is: x + 0, x & −1, x << 0. */
function isIdentity(name: string, second: Value): boolean {
  const n = big(second) & MASK_64;
  switch (name) {
    case 'add':
    case 'sub':
    case 'or':
    case 'xor':
      return n === 0n;
    case 'shl':
    case 'shr_u':
    case 'shr_s':
    case 'rotl':
    case 'rotr':
      return n === 0n;
    case 'and':
      return n === MASK_64 || (second.type === 'i32' && (n & 0xffffffffn) === 0xffffffffn);
    default:
      return false;
  }
}

export class ConcreteBuilder extends Builder {
  /** The semantics assumed that MXCSR's control bits are at their default. */
  defaultSse = false;
  readonly #at: Instruction;
  readonly #known: readonly Probe[];
  #probes = 0;

  /** @param known what is known of its probes, in order, if it has been built before */
  constructor(at: Instruction, known: readonly Probe[] = []) {
    super(operandsAt(at.row, at.size), at.size, at.form);
    this.#at = at;
    this.#known = known;
  }

  override probe(address: Value, probe: Probe): Value {
    return super.probe(address, this.#known[this.#probes++] ?? probe);
  }

  override get concrete(): boolean {
    return true;
  }

  override op(name: string, args: Value[], imm?: number | readonly number[]): Value {
    const [x, y] = args as [Value, Value | undefined];
    if (args.every(isConst)) {
      const folded = this.#fold(name, args);
      if (folded !== undefined) return folded;
    } else if (
      y !== undefined &&
      isConst(y) &&
      args.length === 2 &&
      imm === undefined &&
      (x.type === 'i32' || x.type === 'i64')
    ) {
      const dot = name.indexOf('.');
      if (name.startsWith(x.type) && isIdentity(name.slice(dot + 1), y)) return x;
    }
    return this.define(operator(name, args, imm));
  }

  override select(ifTrue: Value, ifFalse: Value, cond: Value): Value {
    if (isConst(cond)) return cond.imm ? ifTrue : ifFalse;
    return super.select(ifTrue, ifFalse, cond);
  }

  override if(cond: Value, then: () => void, otherwise?: () => void): void {
    if (!isConst(cond)) super.if(cond, then, otherwise);
    else if (cond.imm) then();
    else otherwise?.();
  }

  override trapIf(cond: Value, vector: number): void {
    if (!isConst(cond)) super.trapIf(cond, vector);
    else if (cond.imm) this.trap(vector);
  }

  override defaultControl(): Value {
    this.defaultSse = true;
    return this.i32(1);
  }

  override address32(): Value {
    return this.i32(this.#at.address32 ? 1 : 0);
  }

  override stackBase(): Value {
    return this.i32(this.#at.base === RSP ? 1 : 0);
  }

  override segmentBase(): Value {
    const { segment, index } = this.#at;
    const base = segment !== ZERO ? segment : index === FS_BASE || index === GS_BASE ? index : ZERO;
    return base === ZERO ? this.i64(0) : this.get(base, 'i64.load');
  }

  override instructionAddress(): Value {
    return this.i64(this.#at.address);
  }

  override returnAddress(): Value {
    return this.i64(this.#at.address + this.#at.length);
  }

  protected override registerAddress(field: 'a' | 'b'): Value {
    return this.i32(this.#at[field]);
  }

  protected override rawImmediate(type: 'i32' | 'i64'): Value {
    const { immediateLow, immediateHigh } = this.#at;
    if (type === 'i32') return this.i32(immediateLow);
    return this.i64(normal((BigInt(immediateHigh) << 32n) | BigInt(immediateLow >>> 0)));
  }

  protected override memoryAddress(): Value {
    const { base, index, scale, displacement, segment, address32, ripRelative, address, length } = this.#at;
    let sum: Value = this.i64(ripRelative ? address + length + displacement : displacement);
    if (base !== ZERO && base !== PAGE_VA) sum = this.bin('add', this.get(base, 'i64.load'), sum);
    if (index !== ZERO) {
      const scaled = this.bin('shl', this.get(index, 'i64.load'), this.i64(scale));
      sum =
        isConst(sum) && sum.imm === 0
          ? scaled
          : isConst(sum)
            ? this.bin('add', scaled, sum)
            : this.bin('add', sum, scaled);
    }
    if (address32) sum = this.bin('and', sum, this.i64(0xffffffff));
    if (segment !== ZERO) sum = this.bin('add', sum, this.get(segment, 'i64.load'));
    return sum;
  }

  #fold(name: string, args: readonly Value[]): Value | undefined {
    const unary = UNARY[name];
    if (unary !== undefined) {
      const result = unary(big(args[0]!));
      return name.startsWith('i64.extend') ? this.i64(normal(result)) : this.i32(Number(BigInt.asIntN(32, result)));
    }
    if (args.length !== 2) return undefined;
    const dot = name.indexOf('.');
    const fold = FOLDS[name.slice(dot + 1)];
    const type = name.slice(0, dot);
    if (fold === undefined || (type !== 'i32' && type !== 'i64')) return undefined;
    const bits = type === 'i32' ? 32 : 64;
    const result = fold(big(args[0]!), big(args[1]!), bits);
    const isTest = /^(eq|ne|lt|gt|le|ge)/.test(name.slice(dot + 1));
    if (type === 'i32' || isTest) return this.i32(Number(BigInt.asIntN(32, result)));
    return this.i64(normal(result));
  }
}

/** Whether the operands of an operator are the same register. */
export function isSameRegister({ args: [x, y] }: Value): boolean {
  return x!.op === 'get' && y?.op === 'get' && x!.args[0]!.imm === y.args[0]!.imm && x!.imm === y.imm;
}
