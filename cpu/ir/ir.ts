/**
 * The intermediate form: what one instruction does, as a list of statements over values. It knows nothing of how it
 * will be executed; the interpreter lowers one instruction with symbolic operands (fields of a decoded record), a
 * translator many with concrete ones.
 *
 * A `Value` is computed once. Pure values are WebAssembly operators by name; the others (`pinned`) read CPU state or
 * guest memory and happen where they stand in the statement list. Integers of 8, 16 and 32 bits are i32 (zero-extended
 * when read; bits above the operand size are ignored when written), 64-bit ones i64, vectors v128.
 *
 * Order inside an instruction: probes and loads first, then side effects. `probe` is the only value that can fault.
 */
import type { Helper } from '../helpers.js';
import { resultType, type ValueType } from '../wasm/opcodes.js';

/** Sizes of integer operands in bits. */
export type IntSize = 8 | 16 | 32 | 64;

/** How a row's operand is given: register or memory; direct branches: target in the same page or not. */
export type Form = 'r' | 'm' | 'near' | 'far';

/** Condition codes in encoding order: o no b ae e ne be a s ns p np l ge le g. */
export const CC_NAMES = ['o', 'no', 'b', 'ae', 'e', 'ne', 'be', 'a', 's', 'ns', 'p', 'np', 'l', 'ge', 'le', 'g'];

export interface Value {
  type: ValueType;
  /**
   * A WebAssembly operator; or `const`, `copy`, `select` (ifTrue, ifFalse, condition);
   * `address32` (i32: 1 with 32-bit address size), `stackBase` (i32: 1 when the operand's base is rsp), `segment` (i64: base of the operand's segment);
   * `field` (16-bit record field, `name`: 'a' | 'b' | 'off'), `imm` (the instruction's immediate);
   * from concrete builders only, with the shape in `name`: `finite` (i32: every lane of args[0] is), `ordered` (i32: no lane
   * of args[0] and args[1] is a NaN);
   * pinned: `ea` (effective address of the memory operand), `get` (args[0] state address, `name` load operator),
   * `probe` (args[0] address → i32 physical address), `load` (args[0] physical address, `name`),
   * `call` (runtime function `name`), `cond` (imm: condition code over the current flags).
   */
  op: string;
  args: Value[];
  name: string;
  /** Constant, lane, byte offset of a get or load, condition code. */
  imm: number | bigint | readonly number[];
  probe: Probe | undefined;
  pinned: boolean;
  uses: number;
  /** Set by the lowering: the local that holds it, −1 when it has none. */
  local: number;
  /** Set by the translator: last statement that uses it, and whether pending flags do. */
  last: number;
  flagged: boolean;
}

export interface Probe {
  /** Bytes. */
  size: number;
  write: boolean;
  /** The address must be a multiple of `size` (else #GP). */
  aligned: boolean;
  /** An implicit stack access: a non-canonical address raises #SS. */
  stack?: boolean;
}

/**
 * How an instruction sets the arithmetic flags from operands a, b and result (all of `size` bits, zero-extended except
 * `res`, whose higher bits are ignored; adc and sbb results of 8 and 16 bits must carry the borrow or carry above).
 *   add adc sub sbb logic inc dec: as the instructions; inc and dec keep CF.
 *   result: ZF SF PF from res, `cf` and `of` given, AF clear.     carryOverflow: only CF and OF change.
 *   carry: only CF changes.
 *   order: comparison of floats a and b that are no NaNs (f32 or f64 by size); only concrete builders make it.
 */
export type FlagKind =
  | 'add'
  | 'adc'
  | 'sub'
  | 'sbb'
  | 'logic'
  | 'inc'
  | 'dec'
  | 'result'
  | 'carryOverflow'
  | 'carry'
  | 'order';

export interface FlagsStatement {
  s: 'flags';
  kind: FlagKind;
  size: IntSize;
  a?: Value | undefined;
  b?: Value | undefined;
  res?: Value | undefined;
  /** i32, 0 or 1. */
  cf?: Value | undefined;
  of?: Value | undefined;
}

export type Statement =
  | { s: 'value'; value: Value }
  /** Writes CPU state: `name` store operator at (address + offset). */
  | { s: 'set'; address: Value; offset: number; name: string; value: Value }
  /** Writes guest memory at a probed physical address. */
  | { s: 'store'; address: Value; offset: number; name: string; value: Value }
  | FlagsStatement
  | { s: 'if'; cond: Value; body: Statement[]; otherwise: Statement[] }
  /** Raises an exception before any side effect. Without a condition nothing follows. */
  | { s: 'trap'; cond: Value | undefined; vector: number }
  /** Calls the TypeScript helper; the instruction ends early (run loop left) when the helper raised something. */
  | { s: 'helper'; helper: Helper; pa: Value | undefined }
  /** Finds where a jump goes: 'direct' (the record's target), else the value. Comes before side effects. */
  | { s: 'target'; to: 'near' | 'far' | Value; cond: Value | undefined }
  /** Ends the instruction by jumping to the target, if the condition holds. */
  | { s: 'jump'; cond: Value | undefined }
  /** Ends the instruction here, with the next one following, when the condition holds. */
  | { s: 'done'; cond: Value }
  /** Ends one step of a repeated string instruction: runs it again when the condition holds. */
  | { s: 'again'; cond: Value };

export function value(type: ValueType, op: string, args: Value[], extra?: Partial<Value>): Value {
  for (const arg of args) arg.uses++;
  return {
    type,
    op,
    args,
    name: '',
    imm: 0,
    probe: undefined,
    pinned: false,
    uses: 0,
    local: -1,
    last: -1,
    flagged: false,
    ...extra,
  };
}

const TYPES = new Map<string, ValueType>();

/** A pure operator; its result type follows from its name. */
export function operator(op: string, args: Value[], imm: number | readonly number[] = 0): Value {
  let type = TYPES.get(op);
  if (type === undefined) {
    type = resultType(op);
    TYPES.set(op, type);
  }
  return value(type, op, args, { imm });
}

/** The helpers of an instruction in the order in which they stand, which is how emitted code numbers them. */
export function helpersOf(statements: readonly Statement[]): Helper[] {
  return statements.flatMap((statement) => {
    if (statement.s === 'helper') return [statement.helper];
    return statement.s === 'if' ? helpersOf([...statement.body, ...statement.otherwise]) : [];
  });
}
