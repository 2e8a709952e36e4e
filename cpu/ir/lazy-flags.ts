/**
 * Turns symbolic flag statements and conditions of the intermediate form into reads and writes of the lazy flag words
 * (state.ts). A condition that follows a compare in the same instruction sequence (a fused compare and branch) is
 * computed from the compared operands; with `dead` set, flag writes then vanish altogether.
 */
import { AUX, CF, RES } from '../state.js';
import { Builder } from './builder.js';
import type { FlagKind, FlagsStatement, IntSize, Statement, Value } from './ir.js';

const SIGN = -0x8000000000000000n;
const AUX_MASK = SIGN | 0x10n;

/** Kinds that overwrite every arithmetic flag. */
const KILLS: Record<FlagKind, boolean> = {
  add: true,
  adc: true,
  sub: true,
  sbb: true,
  logic: true,
  result: true,
  inc: false,
  dec: false,
  carryOverflow: false,
  carry: false,
  order: true,
};

export interface FlagUse {
  reads: boolean;
  /** Every flag is overwritten whatever happens, before any is read and without a fault in between. */
  kills: boolean;
  /** Can raise an exception or leave the run loop. */
  faults: boolean;
}

/** What an instruction does with the arithmetic flags. */
export function flagUse(statements: readonly Statement[], readsAll: boolean): FlagUse {
  const use: FlagUse = { reads: readsAll, kills: false, faults: false };
  const visit = (list: readonly Statement[], certain: boolean): void => {
    for (const statement of list) {
      switch (statement.s) {
        case 'value':
          if (statement.value.op === 'cond' || readsFlagWord(statement.value)) use.reads = true;
          if (statement.value.op === 'probe') use.faults = true;
          break;
        case 'flags':
          if (certain && KILLS[statement.kind]) use.kills = true;
          break;
        case 'if':
          visit(statement.body, false);
          visit(statement.otherwise, false);
          break;
        case 'trap':
        case 'helper':
          use.faults = true;
          break;
        default:
      }
    }
  };
  visit(statements, true);
  return use;
}

function isFlagWord(address: unknown): boolean {
  return address === RES || address === AUX || address === CF;
}

function readsFlagWord(v: Value): boolean {
  return v.op === 'get' && v.args[0]!.op === 'const' && isFlagWord(v.args[0]!.imm);
}

/** Condition codes that a fused jump can compute from the operands of such an operation. */
export function fusibleConditions(kind: 'sub' | 'logic' | 'arithmetic'): readonly number[] {
  if (kind === 'sub') return [2, 3, 4, 5, 6, 7, 12, 13, 14, 15];
  return kind === 'logic' ? [4, 5, 8, 9, 14, 15] : [4, 5, 8, 9];
}

/** The statement list with flags spelled out; with `dead`, without writing them. */
export function expandFlags(statements: readonly Statement[], dead: boolean): Statement[] {
  const out: Statement[] = [];
  let last: FlagsStatement | undefined;
  for (const statement of statements) {
    if (statement.s === 'flags') {
      last = statement;
      if (dead) dropUses(statement);
      else out.push(...writeFlags(statement));
    } else if (statement.s === 'value' && statement.value.op === 'cond') {
      const b = new Builder([], 64, 'r');
      become(
        statement.value,
        (last && knownCondition(b, last, statement.value.imm as number)) ?? condition(b, statement.value.imm as number),
      );
      out.push(...b.statements, statement);
    } else if (statement.s === 'if') {
      out.push({
        ...statement,
        body: expandFlags(statement.body, dead),
        otherwise: expandFlags(statement.otherwise, dead),
      });
    } else out.push(statement);
  }
  return out;
}

/** Values that only the flags needed become unused, and are then not computed. */
function dropUses({ a, b, res, cf, of }: FlagsStatement): void {
  for (const v of [a, b, res, cf, of]) if (v !== undefined) unuse(v);
}

function unuse(v: Value): void {
  if (--v.uses === 0 && v.op !== 'probe') for (const arg of v.args) unuse(arg);
}

function become(v: Value, source: Value): void {
  source.uses++;
  v.op = 'copy';
  v.args = [source];
  v.pinned = false;
}

/** Statements that write the lazy flag words as the instruction says. */
export function writeFlags({ kind, size, a, b: second, res, cf, of }: FlagsStatement): Statement[] {
  const b = new Builder([], size, 'r');
  const setAux = (aux: Value): void => b.set(AUX, 'i64.store', aux);
  const carryVector = (): Value => {
    const mixed = b.widen(b.bin('xor', b.bin('xor', a!, second!), res!), size, true);
    return b.bin('and', mixed, b.i64(AUX_MASK));
  };
  const toSign = (bit: Value): Value => b.bin('shl', b.widen(bit, 32, false), b.i64(63));
  const setCarry = (bit: Value): void => b.set(CF, 'i32.store', bit);
  const setResult = (): void => b.set(RES, 'i64.store', b.widen(res!, size, true));
  /** Carry or borrow out of the top bit, as an i32 0 or 1, from the majority formula. */
  const top = (vector: Value): Value => b.wrap(b.bin('shr_u', vector, b.int(size - 1)));
  const not = (x: Value): Value => b.bin('xor', x, b.int(-1));
  const narrow = size === 8 || size === 16;

  switch (kind) {
    case 'add':
      setCarry(narrow ? b.bin('and', b.bin('shr_u', res!, b.i32(size)), b.i32(1)) : b.bin('lt_u', res!, a!));
      setAux(carryVector());
      setResult();
      break;
    case 'adc':
      setCarry(
        narrow
          ? b.bin('and', b.bin('shr_u', res!, b.i32(size)), b.i32(1))
          : top(b.bin('or', b.bin('and', a!, second!), b.bin('and', b.bin('or', a!, second!), not(res!)))),
      );
      setAux(carryVector());
      setResult();
      break;
    case 'sub':
      setCarry(b.bin('lt_u', a!, second!));
      setAux(carryVector());
      setResult();
      break;
    case 'sbb':
      setCarry(
        narrow
          ? b.bin('shr_u', res!, b.i32(31))
          : top(b.bin('or', b.bin('and', not(a!), second!), b.bin('and', b.bin('or', not(a!), second!), res!))),
      );
      setAux(carryVector());
      setResult();
      break;
    case 'logic':
      setCarry(b.i32(0));
      setAux(b.i64(0));
      setResult();
      break;
    case 'inc':
    case 'dec': {
      const wide = b.widen(res!, size, true);
      const lowest = -(2n ** BigInt(size - 1));
      const overflow = b.bin('eq', wide, b.i64(kind === 'inc' ? lowest : -lowest - 1n));
      const half = b.bin('and', b.widen(b.bin('xor', b.bin('xor', a!, res!), b.int(1)), size, true), b.i64(0x10));
      setAux(b.bin('or', half, toSign(b.bin('xor', overflow, b.carry()))));
      b.set(RES, 'i64.store', wide);
      break;
    }
    case 'result':
      setCarry(cf!);
      setAux(toSign(b.bin('xor', cf!, of!)));
      setResult();
      break;
    case 'carryOverflow': {
      const kept = b.bin('and', b.get(AUX, 'i64.load'), b.i64(~SIGN));
      setAux(b.bin('or', kept, toSign(b.bin('xor', cf!, of!))));
      setCarry(cf!);
      break;
    }
    case 'order': {
      // As the table's comparison writes them: see orderRow in table/sse-float.ts.
      const shape = size === 32 ? 'f32' : 'f64';
      const less = b.op(`${shape}.lt`, [a!, second!]);
      const equal = b.op(`${shape}.eq`, [a!, second!]);
      setCarry(less);
      setAux(b.bin('or', toSign(less), b.bin('shl', b.widen(equal, 32, false), b.i64(8))));
      b.set(RES, 'i64.store', b.widen(b.eqz(equal), 32, false));
      break;
    }
    case 'carry': {
      const flip = toSign(b.bin('xor', cf!, b.carry()));
      setAux(b.bin('xor', b.get(AUX, 'i64.load'), flip));
      setCarry(cf!);
      break;
    }
  }
  return b.statements;
}

/** The condition from the flag words. */
export function condition(b: Builder, code: number): Value {
  const bit63 = (x: Value): Value => b.wrap(b.bin('shr_u', x, b.i64(63)));
  const res = (): Value => b.get(RES, 'i64.load');
  const aux = (): Value => b.get(AUX, 'i64.load');
  const sign = (): Value => bit63(b.bin('xor', res(), b.bin('shl', aux(), b.i64(1))));
  const overflow = (): Value => b.bin('xor', b.carry(), bit63(aux()));
  const zero = (): Value => b.eqz(res());
  const parity = (): Value => {
    const low = b.bin('and', b.wrap(b.bin('xor', res(), b.bin('shr_u', aux(), b.i64(8)))), b.i32(0xff));
    return b.bin('and', b.bin('xor', b.op('i32.popcnt', [low]), b.i32(1)), b.i32(1));
  };
  const less = (): Value => b.bin('xor', sign(), overflow());
  const positive = [
    overflow,
    () => b.carry(),
    zero,
    () => b.bin('or', b.carry(), zero()),
    sign,
    parity,
    less,
    () => b.bin('or', less(), zero()),
  ][code >> 1]!();
  return code & 1 ? b.eqz(positive) : positive;
}

/** The condition straight from the operands of the flag-setting operation, where that is cheaper; else undefined. */
export function knownCondition(b: Builder, flags: FlagsStatement, code: number): Value | undefined {
  const { kind, size, res, a } = flags;
  if (kind === 'order') return floatComparison(b, size, a!, flags.b!, code);
  if (kind === 'sub') return comparison(b, size, a!, flags.b!, res!, code);
  const signed = (): Value => b.widen(res!, size, true);
  const low = (): Value => b.truncate(res!, size);
  const zero = b.int(0, size);
  const logic = kind === 'logic';
  switch (code) {
    case 4:
      return b.eqz(low());
    case 5:
      return b.bin('ne', low(), zero);
    case 8:
      return b.bin('lt_s', signed(), b.i64(0));
    case 9:
      return b.bin('ge_s', signed(), b.i64(0));
    case 12:
      return logic ? b.bin('lt_s', signed(), b.i64(0)) : undefined;
    case 13:
      return logic ? b.bin('ge_s', signed(), b.i64(0)) : undefined;
    case 14:
      return logic ? b.bin('le_s', signed(), b.i64(0)) : undefined;
    case 15:
      return logic ? b.bin('gt_s', signed(), b.i64(0)) : undefined;
    default:
      return undefined;
  }
}

/** comis of ordered operands: CF, ZF as below and equal, PF 0. */
const FLOAT_COMPARE: Record<number, string> = { 2: 'lt', 3: 'ge', 4: 'eq', 5: 'ne', 6: 'le', 7: 'gt' };

function floatComparison(b: Builder, size: IntSize, x: Value, y: Value, code: number): Value | undefined {
  const name = FLOAT_COMPARE[code];
  if (name !== undefined) return b.op(`f${size}.${name}`, [x, y]);
  // OF, SF and PF are 0: o, s, p never hold; l is SF != OF, le is ZF.
  if (code === 14 || code === 15) return b.op(`f${size}.${code === 14 ? 'eq' : 'ne'}`, [x, y]);
  return b.i32(code & 1);
}

/** Integer comparison operators by condition code; signed ones need sign-extended operands. */
const COMPARE: Record<number, string> = {
  2: 'lt_u',
  3: 'ge_u',
  4: 'eq',
  5: 'ne',
  6: 'le_u',
  7: 'gt_u',
  12: 'lt_s',
  13: 'ge_s',
  14: 'le_s',
  15: 'gt_s',
};

function comparison(b: Builder, size: IntSize, x: Value, y: Value, res: Value, code: number): Value | undefined {
  if (code === 8 || code === 9) return b.bin(code === 8 ? 'lt_s' : 'ge_s', b.signExtend(res, size), b.int(0, size));
  const name = COMPARE[code];
  if (name === undefined) return undefined;
  return name.endsWith('_s') ? b.bin(name, b.signExtend(x, size), b.signExtend(y, size)) : b.bin(name, x, y);
}
