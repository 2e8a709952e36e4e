/**
 * Demand for the values of an instruction, counted before it is emitted: how often each is needed, where last, and whether
 * flags may need it later. From that the lowering decides what gets a local and what is emitted where it is used.
 */
import type { Statement, Value } from '../ir/ir.js';
import { isConst } from './concrete.js';
import { registerOf } from './step.js';

/**
 * Counts the uses of all values of a list. Places in it are numbered from 1.
 * @param firstSet by register: gets the place where it is first written
 */
export function countDemand(statements: readonly Statement[], firstSet: Int32Array): void {
  reset(statements);
  demand(statements, 0, firstSet);
}

function use(v: Value, at: number): void {
  v.uses++;
  if (v.last < at) v.last = at;
}

function reset(statements: readonly Statement[]): void {
  for (const s of statements) {
    if (s.s === 'value') {
      s.value.uses = 0;
      s.value.last = -1;
      s.value.local = -1;
      s.value.flagged = false;
    } else if (s.s === 'if') {
      reset(s.body);
      reset(s.otherwise);
    }
  }
}

/** Visits statements backwards; those in an `if` count as being where it is. */
function demand(statements: readonly Statement[], fixed: number, firstSet: Int32Array): void {
  for (let i = statements.length - 1; i >= 0; i--) {
    const s = statements[i]!;
    const at = fixed || i + 1;
    switch (s.s) {
      case 'value': {
        const v = s.value;
        if (!v.pinned && v.uses === 0) break;
        const where = !v.pinned && v.uses === 1 ? v.last : at;
        for (const arg of v.args) use(arg, where);
        break;
      }
      case 'set': {
        use(s.value, at);
        if (isConst(s.address)) {
          const register = registerOf((s.address.imm as number) + s.offset);
          if (register >= 0) firstSet[register] = at;
        }
        break;
      }
      case 'store':
        use(s.address, at);
        use(s.value, at);
        break;
      case 'flags':
        for (const v of [s.a, s.b, s.res, s.cf, s.of]) if (v !== undefined) markFlagged(v);
        break;
      case 'if':
        demand(s.otherwise, at, firstSet);
        demand(s.body, at, firstSet);
        use(s.cond, at);
        break;
      case 'trap':
        if (s.cond !== undefined) use(s.cond, at);
        break;
      case 'target':
        if (typeof s.to !== 'string') use(s.to, at + 1000);
        break;
      case 'jump':
        if (s.cond !== undefined) use(s.cond, at + 1000);
        break;
      default:
    }
  }
}

function markFlagged(v: Value): void {
  if (v.flagged) return;
  v.flagged = true;
  for (const arg of v.args) markFlagged(arg);
}
