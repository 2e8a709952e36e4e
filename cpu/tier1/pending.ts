/**
 * Pending operations (flags.ts) while instructions are emitted: which locals they need, and what to do before one of those
 * is written.
 */
import type { FlagsStatement, Value } from '../ir/ir.js';
import type { Code } from '../wasm/code.js';
import { type FlagState, isHidden, isPartial, type Pending } from './flags.js';
import type { Registers } from './registers.js';
import type { Temps } from './temps.js';

/** Copies what a pending operation reads from registers that are about to be written. */
export function protect({ aliases, held }: Pending, writes: number, code: Code, temps: Temps): void {
  for (let i = aliases.length - 1; i >= 0; i--) {
    const { value, register } = aliases[i]!;
    if ((writes & (1 << register)) === 0) continue;
    const local = temps.take(value.type);
    code.get(value.local);
    code.set(local);
    value.local = local;
    held.set(value, local);
    aliases.splice(i, 1);
  }
}

/**
 * A new pending operation, over what it leaves of the flags before. Its `source` is not filled in.
 * @param emitWords writes the flag words of an operation that cannot stay pending
 */
export function pendingOver(
  statement: FlagsStatement,
  before: FlagState,
  registers: Registers,
  emitWords: (pending: Pending) => void,
): Pending {
  const pending = { ...over(statement, before, emitWords), source: undefined };
  const { a, b, res, cf, of } = statement;
  const seen = new Set<Value>();
  for (const v of [a, b, res, cf, of]) if (v !== undefined) collect(v, pending, seen, registers);
  return pending;
}

function over(
  statement: FlagsStatement,
  before: FlagState,
  emitWords: (pending: Pending) => void,
): Omit<Pending, 'source'> {
  const fresh = { statement, aliases: [], held: new Map<Value, number>() };
  if (!isPartial(statement.kind)) return { ...fresh, base: 'words' };
  let base = before;
  while (typeof base === 'object' && isHidden(base.statement.kind, statement.kind)) base = base.base;
  if (typeof base !== 'object') return { ...fresh, base };
  if (typeof base.base === 'object') {
    // Chains do not grow without end.
    emitWords(base);
    return { ...fresh, base: 'words' };
  }
  return { ...fresh, base, aliases: [...base.aliases], held: new Map(base.held) };
}

/** Finds the locals that a value of the flags reads. */
function collect(v: Value, pending: Pending, seen: Set<Value>, registers: Registers): void {
  if (seen.has(v)) return;
  seen.add(v);
  if (v.op === 'const') return;
  if (v.local < 0 && v.pinned) throw new Error(`flags need ${v.op}, which is gone`);
  if (v.local < 0) {
    pending.held.set(v, -1);
    for (const arg of v.args) collect(arg, pending, seen, registers);
    return;
  }
  const register = registers.owner(v.local);
  if (register >= 0) pending.aliases.push({ value: v, register, local: v.local });
  else pending.held.set(v, v.local);
}
