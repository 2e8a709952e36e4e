/**
 * The arithmetic flags while a block is emitted. They are computed only where something reads them: until then the last
 * operation that sets them is kept as values (`Pending`). A fault must show them all the same; for that, operations whose
 * operands are still in registers are described (`FlagSource`), and TypeScript computes the flags when a region is left.
 */
import { Builder } from '../ir/builder.js';
import type { FlagKind, FlagsStatement, IntSize, Statement, Value } from '../ir/ir.js';
import { condition, knownCondition, writeFlags } from '../ir/lazy-flags.js';
import { AUX, CF, GPR, RES } from '../state.js';
import { isConst } from './concrete.js';

/** An operand in a general register (byte offset in it for ah and its like), a constant, or a value at SAVED_FLAGS. */
export type FlagOperand =
  | { readonly register: number; readonly byte: number }
  | { readonly constant: bigint }
  | { readonly saved: 0 | 1 };

/** Two of the three of a (+|−) b = res determine the flags; of 'logic' the result does. */
export interface FlagSource {
  readonly kind: 'add' | 'sub' | 'logic';
  readonly size: IntSize;
  readonly a: FlagOperand | undefined;
  readonly b: FlagOperand | undefined;
  readonly res: FlagOperand | undefined;
}

/** The flags as emitted code has them: in memory, inherited from the blocks before (stale or not), or pending. */
export type FlagState = 'words' | 'inherited' | Pending;

/** Operations of this kind leave some flags as they were. */
export function isPartial(kind: FlagKind): boolean {
  return kind === 'inc' || kind === 'dec' || kind === 'carry' || kind === 'carryOverflow';
}

/** Whether what an operation has set is all overwritten by a later partial one, so that it need not be kept. */
export function isHidden(kind: FlagKind, by: FlagKind): boolean {
  if (by === 'inc' || by === 'dec') return kind === 'inc' || kind === 'dec';
  return kind === 'carry' || (kind === 'carryOverflow' && by === 'carryOverflow');
}

export interface Pending {
  readonly statement: FlagsStatement;
  /** What the flags were before, for an operation that leaves some of them; else 'words'. */
  readonly base: FlagState;
  /** Values that are in the local of a register: they need a copy before it is written. */
  aliases: { value: Value; register: number; local: number }[];
  /** The other values that it comes from, with the locals that they are in; −1: computed where it is needed. */
  held: Map<Value, number>;
  /** Undefined when the operands are not all in registers any more. */
  source: FlagSource | undefined;
}

/** The value of a flag word after a pending operation; undefined when it leaves that word as it was. */
export function pendingWord(pending: Pending, address: number): Value | undefined {
  const store = writeFlags(pending.statement).find((s) => s.s === 'set' && s.address.imm === address);
  return store?.s === 'set' ? store.value : undefined;
}

export function isFlagWord(address: number): boolean {
  return address === RES || address === AUX || address === CF;
}

/** What makes a condition true: statements, and the value (i32) that they lead to. */
export function conditionValue(pending: Pending | undefined, code: number): { statements: Statement[]; value: Value } {
  const b = new Builder([], pending?.statement.size ?? 64, 'r');
  const { statement } = pending ?? {};
  const isKnown = statement !== undefined && statement.kind !== 'carry' && statement.kind !== 'carryOverflow';
  const value = (isKnown ? knownCondition(b, statement, code) : undefined) ?? condition(b, code);
  return { statements: b.statements, value };
}

/** Where a value still is after the instruction: a register, or a constant. */
function operandOf(v: Value | undefined, resultOf: (v: Value) => FlagOperand | undefined): FlagOperand | undefined {
  if (v === undefined) return undefined;
  if (isConst(v)) return { constant: BigInt(v.imm as number | bigint) };
  return resultOf(v);
}

const SOURCE_KINDS: Partial<Record<FlagKind, FlagSource['kind']>> = { add: 'add', sub: 'sub', logic: 'logic' };

/**
 * Describes an operation by registers, if that determines its flags.
 * @param written which value a register holds after the instruction
 */
export function sourceOf(
  statement: FlagsStatement,
  written: ReadonlyMap<Value, FlagOperand>,
  overwritten: (register: number) => boolean,
): FlagSource | undefined {
  const kind = SOURCE_KINDS[statement.kind];
  if (kind === undefined) return undefined;
  const place = (v: Value): FlagOperand | undefined => {
    const known = written.get(v);
    if (known !== undefined) return known;
    if (v.op !== 'get') return undefined;
    const address = (v.args[0]!.imm as number) + (v.imm as number);
    if (address < GPR || address >= GPR + 128) return undefined;
    const register = (address - GPR) >> 3;
    return overwritten(register) ? undefined : { register, byte: address & 7 };
  };
  const a = operandOf(statement.a, place);
  const b = operandOf(statement.b, place);
  let res = operandOf(statement.res, place);
  const { size } = statement;
  if (kind === 'logic') {
    // test x, x: the result is x.
    const v = statement.res!;
    if (res === undefined && v.op.endsWith('.and') && isSameRead(v.args[0]!, v.args[1]!)) res = place(v.args[0]!);
    return res === undefined ? undefined : { kind, size, a: undefined, b: undefined, res };
  }
  const known = [a, b, res].filter((operand) => operand !== undefined).length;
  return known >= 2 ? { kind, size, a, b, res } : undefined;
}

/**
 * Describes an operation by values that are saved for it, whatever happens to registers.
 * @param save keeps a value, which is not a constant
 */
export function savedSource(
  { kind: flagKind, size, a, b, res }: FlagsStatement,
  save: (v: Value, index: 0 | 1) => void,
): FlagSource | undefined {
  const kind = SOURCE_KINDS[flagKind];
  if (kind === undefined) return undefined;
  const kept = (v: Value, index: 0 | 1): FlagOperand => {
    if (isConst(v)) return { constant: BigInt(v.imm as number | bigint) };
    save(v, index);
    return { saved: index };
  };
  if (kind === 'logic') return { kind, size, a: undefined, b: undefined, res: kept(res!, 0) };
  return { kind, size, a: kept(a!, 0), b: kept(b!, 1), res: undefined };
}

function isSameRead(x: Value, y: Value): boolean {
  return x.op === 'get' && y.op === 'get' && x.name === y.name && x.args[0]!.imm === y.args[0]!.imm && x.imm === y.imm;
}

/** Registers that a description reads, as bits. */
export function registersOf({ a, b, res }: FlagSource): number {
  let set = 0;
  for (const operand of [a, b, res]) if (operand !== undefined && 'register' in operand) set |= 1 << operand.register;
  return set;
}

/** Whether a description still holds when a register is written. */
export function surviving(source: FlagSource | undefined, writes: number): FlagSource | undefined {
  if (source === undefined) return undefined;
  const gone = (o: FlagOperand | undefined): boolean =>
    o !== undefined && 'register' in o && (writes & (1 << o.register)) !== 0;
  const keep = (o: FlagOperand | undefined): FlagOperand | undefined => (gone(o) ? undefined : o);
  const { kind, size } = source;
  const [a, b, res] = [keep(source.a), keep(source.b), keep(source.res)];
  if (kind === 'logic') return res === undefined ? undefined : source;
  return [a, b, res].filter((operand) => operand !== undefined).length >= 2 ? { kind, size, a, b, res } : undefined;
}

/** Whether a statement has no effect but on flags. */
export function isOnlyForFlags(s: Statement): boolean {
  return s.s === 'flags' || (s.s === 'value' && !s.value.pinned);
}

export function hasFlags(list: readonly Statement[]): boolean {
  return list.some((s) => s.s === 'flags' || (s.s === 'if' && (hasFlags(s.body) || hasFlags(s.otherwise))));
}

/** Whether an instruction works on flag words themselves, or sets flags on a condition. */
export function needsWords(statements: readonly Statement[]): boolean {
  return statements.some(
    (s) =>
      (s.s === 'value' && s.value.op === 'get' && (s.value.args[0]!.imm === RES || s.value.args[0]!.imm === AUX)) ||
      (s.s === 'set' && [RES, AUX, CF].includes(s.address.imm as number)) ||
      (s.s === 'if' && s.otherwise[0]?.s !== 'helper' && (hasFlags(s.body) || hasFlags(s.otherwise))),
  );
}
