/**
 * Plans single instructions: what the concrete statements of each read and write (step.ts). Collects on the way how the
 * xmm registers of a region are best kept.
 */
import type { Statement, Value } from '../ir/ir.js';
import { flagUse } from '../ir/lazy-flags.js';
import { AUX, CF, RES } from '../state.js';
import { ConcreteBuilder, isConst, movesHalves } from './concrete.js';
import { hasFlags } from './flags.js';
import type { Instruction } from './region.js';
import { registerOf, type Step } from './step.js';
import { type StringMove, stringMove } from './strings.js';
import { INTERPRETED, opaque, Summarizer } from './summary.js';

/** Runtime functions of tier 0 that have a form of their own in regions. */
const OWN_CALLS = new Set(['mulhu']);

class Effects {
  reads = 0;
  writes = 0;
  kills = 0;
  exits = false;
  unfit = false;
  pairVotes: Int32Array;

  constructor(votes: Int32Array) {
    this.pairVotes = votes;
  }

  list(statements: readonly Statement[], certain: boolean): void {
    for (const statement of statements) this.#statement(statement, certain);
  }

  #statement(statement: Statement, certain: boolean): void {
    switch (statement.s) {
      case 'value':
        this.#value(statement.value);
        return;
      case 'set':
        this.#set(statement.address, statement.offset, statement.name, statement.value, certain);
        return;
      case 'if': {
        const helperIn = statement.otherwise.length === 1 && statement.otherwise[0]!.s === 'helper';
        if (helperIn) {
          // The fast way goes on here, the exact one is tier 0's.
          this.exits = true;
          this.list(statement.body, certain);
          return;
        }
        this.list(statement.body, false);
        this.list(statement.otherwise, false);
        return;
      }
      case 'trap':
        this.exits = true;
        return;
      case 'helper':
      case 'done':
      case 'again':
        this.unfit = true;
        return;
      default:
    }
  }

  #value(v: Value): void {
    if (v.op === 'probe') this.exits = true;
    else if (v.op === 'call' && !OWN_CALLS.has(v.name)) this.unfit = true;
    else if (v.op === 'get') {
      const at = v.args[0]!;
      if (!isConst(at)) {
        this.unfit = true;
        return;
      }
      const register = registerOf((at.imm as number) + (v.imm as number));
      if (register < 0) return;
      this.reads |= 1 << register;
      this.#vote(register, v.name);
    }
  }

  #set(address: Value, offset: number, name: string, v: Value, certain: boolean): void {
    if (!isConst(address)) {
      this.unfit = true;
      return;
    }
    const register = registerOf((address.imm as number) + offset);
    if (register < 0) return;
    const whole = name === (register < 16 ? 'i64.store' : 'v128.store');
    this.writes |= 1 << register;
    if (whole && certain) this.kills |= 1 << register;
    else this.reads |= 1 << register;
    this.#vote(register, v.op === 'load' ? v.name : name);
  }

  #vote(register: number, name: string): void {
    if (register < 16) return;
    if (name === 'f64.load' || name === 'f64.store' || name === 'v128.load64_zero') this.pairVotes[register - 16]! += 1;
    else if (name !== 'v128.load' && name !== 'v128.store') this.pairVotes[register - 16]! -= 2;
  }
}

/** A vector operator on a register counts against keeping it as two doubles, but for sign masks and moves of doubles. */
function countVectors(statements: readonly Statement[], votes: Int32Array): void {
  for (const statement of statements) {
    if (statement.s !== 'value') continue;
    const { op, args } = statement.value;
    if (!/^[if]\d+x\d+\./.test(op) || (op === 'i8x16.shuffle' && movesHalves(statement.value))) continue;
    for (const arg of args) {
      if (arg.op !== 'get') continue;
      const register = registerOf((arg.args[0]!.imm as number) + (arg.imm as number));
      if (register >= 16) votes[register - 16]! -= 2;
    }
  }
}

function readsFlagWord(list: readonly Statement[]): boolean {
  return list.some(
    (s) =>
      (s.s === 'value' && s.value.op === 'get' && [RES, AUX, CF].includes(s.value.args[0]!.imm as number)) ||
      (s.s === 'set' && [RES, AUX, CF].includes(s.address.imm as number)),
  );
}

function partialFlags(statements: readonly Statement[]): boolean {
  return statements.some(
    (s) =>
      (s.s === 'flags' && (s.kind === 'inc' || s.kind === 'dec' || s.kind === 'carry' || s.kind === 'carryOverflow')) ||
      (s.s === 'if' && (hasFlags(s.otherwise) || (s.otherwise.length === 0 && hasFlags(s.body)))),
  );
}

export class Planner {
  votes = new Int32Array(16);
  defaultSse = false;
  readonly #summarizer = new Summarizer();

  /** @param look is shown the statements, which are gone afterwards */
  step(instruction: Instruction, look: (step: Step, statements: readonly Statement[]) => void): Step {
    const string = stringMove(instruction);
    if (string !== undefined) {
      const step = stringStep(instruction, string);
      look(step, []);
      return step;
    }
    const builder = new ConcreteBuilder(instruction);
    instruction.row.semantics(builder);
    const { statements } = builder;
    const effects = new Effects(this.votes);
    effects.list(statements, true);
    countVectors(statements, this.votes);
    const byInterpreter = effects.unfit || instruction.flow === 'syscall';
    if (!byInterpreter && builder.defaultSse) this.defaultSse = true;
    const use = flagUse(statements, instruction.row.options.readsFlags === true);
    const kills =
      use.kills || statements.some((s) => s.s === 'if' && s.otherwise[0]?.s === 'helper' && hasFlags(s.body));
    const { accesses, moves } = byInterpreter ? INTERPRETED : this.#summarizer.summarize(statements);
    const step = {
      instruction,
      byInterpreter,
      string: undefined,
      accesses,
      moves,
      reads: byInterpreter ? 0 : effects.reads,
      writes: byInterpreter ? 0 : effects.writes,
      kills: byInterpreter ? 0 : effects.kills,
      exits: effects.exits || instruction.flow === 'stop',
      readsFlags: byInterpreter || use.reads || readsFlagWord(statements),
      mixesFlags: !byInterpreter && partialFlags(statements),
      killsFlags: byInterpreter || kills,
      flagsDead: false,
      dirty: 0,
      live: 0,
    };
    look(step, statements);
    return step;
  }
}

/** Tier 0, if it has to execute it, wants the flags in memory. */
function stringStep(instruction: Instruction, string: StringMove): Step {
  const { reads, writes } = string;
  return {
    instruction,
    byInterpreter: false,
    string,
    ...opaque(writes),
    reads,
    writes,
    kills: 0,
    exits: true,
    readsFlags: true,
    mixesFlags: false,
    killsFlags: false,
    flagsDead: false,
    dirty: 0,
    live: 0,
  };
}
